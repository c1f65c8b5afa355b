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
        (b":path".to_vec(), normalized(&request.path)),
        (b":authority".to_vec(), b"kong:8000".to_vec()),
        (b":scheme".to_vec(), b"http".to_vec()),
        (b"Host".to_vec(), request.host.clone()),
    ];
    headers.extend(request.headers.iter().map(|(name, value)| (capitalized(name), value.clone())));
    let count = headers.len().saturating_sub(4);
    (headers, count)
}

/// What it sends to the upstream: the target that the client sent, and all headers. What was overwritten with nothing counts as
/// not there; what came twice comes twice.
pub(super) fn sends(headers: Headers, target: Vec<u8>, emptied: &[Vec<u8>]) -> Headers {
    let is_there = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let is_pseudo = name.starts_with(b":");
        let is_emptied = value.is_empty() && emptied.iter().any(|emptied| emptied.eq_ignore_ascii_case(name));
        !is_pseudo && !is_emptied && !name.eq_ignore_ascii_case(b"host")
    };
    headers.into_iter().filter(is_there).chain([(b":path".to_vec(), target)]).collect()
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
    if value.is_empty() {
        stream.emptied.push(name.clone());
    }
    match stream.headers.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(&name)) {
        Some(header) => *header = (name, value),
        None => stream.headers.push((name, value)),
    }
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
