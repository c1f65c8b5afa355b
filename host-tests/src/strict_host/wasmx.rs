//! What is different in Kong's host, ngx_wasm_module, as it was measured in the versions of Kong 3.8 and 3.9.

use wasmtime::{Result, ensure};

use super::{Headers, ROOT_CONTEXT, State, Stream};
use crate::client::Request;

/// Most headers of which it makes a sound map.
const MAX_HEADERS: usize = 96;

/// The longest body that it keeps in memory.
const MAX_BODY_BYTES: usize = 8 * 1024;

/// The headers of a request, and how many it says that there are: without pseudo-headers, of which `:authority` is its own name and
/// `:path` is decoded and normalised. Names are as the client wrote them: here, for once, with capitals.
pub(super) fn shows(request: &Request) -> (Headers, usize) {
    let mut headers = vec![
        (b":method".to_vec(), request.method.clone()),
        (b":path".to_vec(), normalized(&request_uri(&request.path))),
        (b":authority".to_vec(), b"kong:8000".to_vec()),
        (b":scheme".to_vec(), b"http".to_vec()),
        (b"Host".to_vec(), request.host.clone()),
    ];
    headers.extend(request.headers.iter().map(|(name, value)| (capitalized(name), value.clone())));
    let count = headers.len().saturating_sub(4);
    (headers, count)
}

/// What it sends to the upstream: the target that the client sent, and all headers. What was overwritten with nothing comes empty; what
/// came twice comes twice.
pub(super) fn sends(headers: Headers, target: &[u8]) -> Headers {
    let is_sent = |(name, _): &(Vec<u8>, Vec<u8>)| !name.starts_with(b":") && !name.eq_ignore_ascii_case(b"host");
    // Where there is no path in the target, nginx writes one.
    let path = if target.starts_with(b"?") { [b"/", target].concat() } else { target.to_vec() };
    headers.into_iter().filter(is_sent).chain([(b":path".to_vec(), path)]).collect()
}

/// The variable `request_uri` of nginx: the target as the client wrote it, without what stands before the path where it is in absolute
/// form. (`ngx_http_parse_request_line`: the URI starts at the slash, or at the question mark if there is none.)
pub(super) fn request_uri(target: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(target);
    let Some((_, after_scheme)) = text.split_once("://").filter(|_| !target.starts_with(b"/")) else {
        return target.to_vec();
    };
    match after_scheme.find(['/', '?']) {
        Some(at) => after_scheme.as_bytes().iter().skip(at).copied().collect(),
        None => b"/".to_vec(),
    }
}

/// The headers of a request can be read in its own callbacks only, and not when there are many.
pub(super) fn check_reading(state: &State, stream: &Stream) -> Result<()> {
    ensure!(state.effective != ROOT_CONTEXT, "a worker dies of reading a request in the root context");
    let count = stream.headers.iter().filter(|(name, _)| !name.starts_with(b":")).count();
    ensure!(count <= MAX_HEADERS, "the map of {count} headers is damaged");
    Ok(())
}

/// Overwrites the first header of this name; others of the name still go to the upstream.
pub(super) fn overwrite(stream: &mut Stream, name: Vec<u8>, value: Vec<u8>) -> Result<()> {
    ensure!(!name.starts_with(b":"), "the upstream never learns of another {}", String::from_utf8_lossy(&name));
    match stream.headers.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(&name)) {
        Some(header) => *header = (name, value),
        None => stream.headers.push((name, value)),
    }
    Ok(())
}

/// The answer to a call can be read in the callback that tells of it only.
pub(super) fn check_answer(state: &State) -> Result<()> {
    ensure!(
        state.callback == "proxy_on_http_call_response",
        "a worker dies of reading an answer in {}",
        state.callback
    );
    Ok(())
}

/// A property, by the name that it has with dots. What it does not know, or complains of in its log, is not to be asked for.
pub(super) fn property(state: &State, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let name = dotted(path);
    if name == "plugin_vm_id" {
        ensure!(state.callback == "proxy_on_configure", "each answer is a line in the log");
        return Ok(None);
    }
    ensure!(state.effective != ROOT_CONTEXT, "a worker dies of reading {name} in the root context");
    match name.as_str() {
        "request.path" => Ok(state.streams.get(&state.effective).map(|stream| stream.target.clone())),
        "source.address" => {
            let address = state.attributes.get(&b"source\0address"[..]);
            Ok(address.and_then(|address| address.rsplit(|byte| *byte == b':').next_back().map(<[u8]>::to_vec)))
        }
        // A variable of nginx.
        "ngx.pid" => Ok(Some(b"4711".to_vec())),
        _ => Err(wasmtime::format_err!("this host does not know {name}")),
    }
}

/// The name under which a property is stored; none if there is no such place.
pub(super) fn place(state: &State, path: &[u8]) -> Option<Vec<u8>> {
    let name = dotted(path);
    let is_there = match state.is_without_kong {
        true => name == "ngx.portcullis_decision",
        false => name.starts_with("kong.ctx.shared."),
    };
    is_there.then(|| name.into_bytes())
}

/// An answer as the client gets it: of several headers of a name the last, and a line feed behind the body.
pub(super) fn reply(headers: Vec<(String, String)>, body: String) -> (Vec<(String, String)>, String) {
    let mut sent: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        sent.retain(|(known, _)| *known != name);
        sent.push((name, value));
    }
    let line_feed = if body.is_empty() { "" } else { "\n" };
    (sent, format!("{body}{line_feed}"))
}

/// A body that it keeps in memory.
pub(super) fn body(stream: &Stream) -> Option<Vec<u8>> {
    (stream.body.len() <= MAX_BODY_BYTES).then(|| stream.body.clone())
}

/// A call goes to `host:port`, and only from where a worker lives through it.
pub(super) fn check_call(state: &State, address: &str, headers: &[(String, String)]) -> Result<()> {
    let callbacks = ["proxy_on_tick", "proxy_on_http_call_response"];
    ensure!(callbacks.contains(&state.callback), "it traps on a call in {}", state.callback);
    let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
    ensure!(port.is_some_and(|port| port.parse::<u16>().is_ok()), "it would ask DNS for {address}");
    let has = |wanted: &str| headers.iter().any(|(name, _)| name == wanted);
    ensure!(has(":method") && has(":path"), "it traps on a call without method or path");
    Ok(())
}

/// The key of a value in shared data: the CRC-32 of its name, and nothing else.
pub(super) fn key(name: &[u8]) -> Vec<u8> {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let shift = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    let add = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc));
    (!name.iter().fold(u32::MAX, add)).to_le_bytes().to_vec()
}

/// What is read while another worker writes: the first half is new, the rest is what was there before, as far as it went.
pub(super) fn torn(earlier: &[u8], later: &[u8]) -> Vec<u8> {
    let half = later.len().div_euclid(2);
    let rest = earlier.iter().skip(half).chain(std::iter::repeat(&0));
    later.iter().take(half).chain(rest).take(later.len()).copied().collect()
}

fn dotted(path: &[u8]) -> String {
    String::from_utf8_lossy(path).replace('\0', ".")
}

fn capitalized(name: &[u8]) -> Vec<u8> {
    let before = [b'-'].into_iter().chain(name.iter().copied());
    before.zip(name).map(|(before, byte)| if before == b'-' { byte.to_ascii_uppercase() } else { *byte }).collect()
}

/// A target without query, decoded, its slashes merged and its dots followed.
fn normalized(target: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(target);
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let decoded = path.replace("%2F", "/").replace("%2f", "/").replace("%2e", ".").replace("%2E", ".");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/")).into_bytes()
}
