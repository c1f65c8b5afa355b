//! A real upstream: it answers every request with what it saw of it.

use std::net::SocketAddr;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};

/// Starts an upstream on a port of its own. It serves until the process ends.
///
/// # Errors
///
/// No port is free.
pub fn start() -> Result<SocketAddr> {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Starts an upstream at this address.
///
/// # Errors
///
/// The address is in use.
pub fn start_at(address: SocketAddr) -> Result<SocketAddr> {
    crate::http_server::start(address, |request| async move { echo(&request) })
}

/// Answers with the request line and all headers; values in base64, because they may be any bytes.
fn echo(request: &hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
    let headers: Vec<Value> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), STANDARD.encode(value.as_bytes())]))
        .collect();
    let seen = json!({ "method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers });
    hyper::Response::new(Full::new(Bytes::from(seen.to_string())))
}

/// What the upstream saw of a request.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The request target.
    pub target: String,
    /// The headers, names in lower case, values as bytes.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What the upstream saw, from its answer.
pub fn seen(answer: &[u8]) -> Option<Seen> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let headers: Vec<(String, String)> = serde_json::from_value(answer.get("headers")?.clone()).ok()?;
    let headers = headers.into_iter().map(|(name, value)| Some((name, STANDARD.decode(value).ok()?)));
    Some(Seen { target: answer.get("target")?.as_str()?.to_owned(), headers: headers.collect::<Option<_>>()? })
}
