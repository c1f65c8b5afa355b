//! What goes over a connection: requests as they come, and answers as the fault has them.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _, Write};
use std::time::Duration;

use anyhow::Result;

use super::{Answer, Fault};

/// A request: its target, headers and body.
pub(super) type Request = (String, BTreeMap<String, String>, Vec<u8>);

/// Reads a request to its end; none if the client has hung up.
pub(super) fn read_request(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut body)?;
    Ok(Some((path, headers, body)))
}

/// Writes an answer as the fault has it; whether the connection goes on.
pub(super) fn write_answer(
    connection: &mut impl Write,
    answer: &Answer,
    fault: Fault,
    path: &str,
    requests: usize,
) -> Result<bool> {
    let head = |status: u16, more: &str, length: Option<usize>| {
        let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
        format!("HTTP/1.1 {status} -\r\n{length}{more}\r\n").into_bytes()
    };
    let etags = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    let whole = [head(answer.status, &etags, Some(answer.body.len())), answer.body.clone()].concat();
    let half = answer.body.get(..answer.body.len().div_euclid(2)).unwrap_or_default();
    let is_cut = answer.status == 200;
    match fault {
        Fault::Closes => return Ok(false),
        Fault::Flaps if requests.is_multiple_of(3) => return Ok(false),
        Fault::Silent => std::thread::sleep(Duration::from_secs(120)),
        Fault::Drips => {
            for byte in whole {
                connection.write_all(&[byte])?;
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        Fault::Cuts if is_cut => {
            connection.write_all(&[&head(200, &etags, Some(answer.body.len())), half].concat())?;
            return Ok(false);
        }
        Fault::CutsWithoutLength if is_cut => {
            connection.write_all(&[&head(200, "connection: close\r\n", None), half].concat())?;
            return Ok(false);
        }
        Fault::FlipsDocuments if path.starts_with("/v1/documents/") && is_cut => {
            let mut body = answer.body.clone();
            let middle = body.len().div_euclid(2);
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
            connection.write_all(&[head(200, &etags, Some(body.len())), body].concat())?;
        }
        Fault::Status(status) => connection.write_all(&head(status, "", Some(0)))?,
        Fault::Redirects => connection.write_all(&head(302, "location: /v1/elsewhere\r\n", Some(0)))?,
        Fault::Html => {
            let page = b"<html><body>Welcome to the hotel. Please log in.</body></html>";
            connection.write_all(&[&head(200, "content-type: text/html\r\n", Some(page.len())), &page[..]].concat())?;
        }
        Fault::Empty => connection.write_all(&head(200, "", Some(0)))?,
        Fault::Floods(megabytes) => {
            let chunk = vec![b' '; 1 << 20];
            connection.write_all(&head(200, "", Some(megabytes.saturating_mul(chunk.len()))))?;
            for _ in 0..megabytes {
                connection.write_all(&chunk)?;
            }
        }
        Fault::None | Fault::Flaps | Fault::Cuts | Fault::CutsWithoutLength | Fault::FlipsDocuments => {
            connection.write_all(&whole)?;
        }
    }
    Ok(true)
}
