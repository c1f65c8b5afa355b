//! A control endpoint that can be told to fail in every way in which one can fail.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::publisher::{FLEET, Publication};

/// The credential that it accepts.
pub const TOKEN: &str = "proxy-token";

/// How it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    #[default]
    None,
    /// It accepts connections and closes them.
    Closes,
    /// It accepts and never answers.
    Silent,
    /// One byte a second.
    Drips,
    /// Only half of each answer, and then the end of the connection.
    Cuts,
    /// The same, without saying how long the answer is.
    CutsWithoutLength,
    /// One bit of each document is another.
    FlipsDocuments,
    /// It answers with this status.
    Status(u16),
    /// It says that the answer is elsewhere.
    Redirects,
    /// It answers 200 with a page for people.
    Html,
    /// It answers 200 with nothing.
    Empty,
    /// It answers with so many megabytes.
    Floods(usize),
    /// Every third connection is closed.
    Flaps,
}

#[derive(Default)]
struct State {
    fault: Fault,
    offered: Option<Publication>,
    /// What another replica offers, every other time.
    also_offered: Option<Publication>,
    documents: BTreeMap<String, Vec<u8>>,
    requests: usize,
    statuses: Vec<Value>,
}

/// The endpoint.
#[derive(Clone, Default)]
pub struct Endpoint {
    state: Arc<(Mutex<State>, Condvar)>,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, without the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Endpoint {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers this from now on; whoever waits gets it at once.
    pub fn offer(&self, publication: &Publication) {
        let mut state = self.state();
        state.documents.extend(publication.documents.iter().cloned());
        state.offered = Some(publication.clone());
        self.state.1.notify_all();
    }

    /// Lets a second replica offer this, every other time; or takes it away.
    pub fn offer_also(&self, publication: Option<Publication>) {
        self.state().also_offered = publication;
        self.state.1.notify_all();
    }

    /// Fails in this way from now on; whoever waits is let go.
    pub fn fail(&self, fault: Fault) {
        self.state().fault = fault;
        self.state.1.notify_all();
    }

    /// Forgets a document.
    pub fn forget(&self, digest: &str) {
        self.state().documents.remove(digest);
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// What the proxies said of themselves, in the order in which they did.
    pub fn statuses(&self) -> Vec<Value> {
        self.state().statuses.clone()
    }

    /// What is answered to a request; none stands for a failure that is no answer. Waits as long as it may.
    pub fn answer(&self, path: &str, headers: &BTreeMap<String, String>, may_wait: bool) -> Answer {
        let text = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let answer = |status, headers, body: Vec<u8>| Answer { status, headers, body };
        let mut state = self.state();
        state.requests = state.requests.saturating_add(1);
        state.statuses.extend(headers.get("portcullis-status").and_then(|status| serde_json::from_str(status).ok()));
        if text("authorization") != format!("Bearer {TOKEN}") {
            return answer(401, Vec::new(), Vec::new());
        }
        if let Some(digest) = path.strip_prefix("/v1/documents/") {
            return match state.documents.get(digest) {
                Some(document) => answer(200, Vec::new(), document.clone()),
                None => answer(404, Vec::new(), Vec::new()),
            };
        }
        if path != format!("/v1/fleets/{FLEET}/manifest") {
            return answer(404, Vec::new(), Vec::new());
        }
        let wait = text("prefer").strip_prefix("wait=").and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        let known = text("if-none-match").to_owned();
        let (fault, is_known) = (state.fault, |state: &State| {
            state.offered.as_ref().is_none_or(|offered| format!("\"{}\"", offered.epoch) == known)
        });
        if may_wait && wait > 0 {
            let duration = Duration::from_secs(wait);
            let waited = self.state.1.wait_timeout_while(state, duration, |state| {
                is_known(state) && state.fault == fault && state.also_offered.is_none()
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let other = state.also_offered.as_ref().filter(|_| state.requests.is_multiple_of(2));
        match other.or(state.offered.as_ref()) {
            None => answer(503, Vec::new(), Vec::new()),
            Some(offered) if known == format!("\"{}\"", offered.epoch) => answer(304, Vec::new(), Vec::new()),
            Some(offered) => {
                let etag = ("etag", format!("\"{}\"", offered.epoch));
                answer(200, vec![etag], offered.manifest.clone().into_bytes())
            }
        }
    }

    /// Serves at a port of its own.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn start(&self) -> Result<SocketAddr> {
        self.start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same at this address.
    ///
    /// # Errors
    ///
    /// It is in use.
    pub fn start_at(&self, address: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let endpoint = self.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let endpoint = endpoint.clone();
                // Whoever hangs up is gone.
                std::thread::spawn(move || endpoint.serve(connection));
            }
        });
        Ok(address)
    }

    fn serve(&self, mut connection: TcpStream) -> Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        loop {
            let Some((path, headers)) = read_request(&mut reader)? else { return Ok(()) };
            let answer = self.answer(&path, &headers, true);
            let fault = self.state().fault;
            if !write_answer(&mut connection, &answer, fault, &path, self.requests())? {
                return Ok(());
            }
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Result<Option<(String, BTreeMap<String, String>)>> {
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
    reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
    Ok(Some((path, headers)))
}

/// Writes an answer as the fault has it; whether the connection goes on.
fn write_answer(
    connection: &mut TcpStream,
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
