//! The host calls: nothing else in the filter names one.
//!
//! The SDK's wrappers panic on a status that they do not expect, read header names as UTF-8 with `unwrap`, and do not pass
//! the reason of a local reply. What a request can reach is called here without them: bytes in, bytes out, and every
//! status other than "ok" an error.

mod abi;
mod crypto;
mod kind;
mod metric;
mod notes;

use std::num::NonZeroU32;
use std::time::Duration;

use authz::{IntrospectionResponse, PeerCertificate, Reply, UnixTime};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, StreamType};

use crate::header_map::HeaderMap;
use abi::HostBytes;
pub(crate) use crypto::{sign, verify_signature};
pub(crate) use kind::HostKind;
pub(crate) use metric::{Counter, Gauge};
pub(crate) use notes::{note, record, set_rate_limit, tell_kong};

/// The host did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct HostError;

/// The plugin configuration; empty if there is none.
pub(crate) fn plugin_configuration() -> Vec<u8> {
    let configuration = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX);
    configuration.ok().flatten().unwrap_or_default()
}

/// Writes a line into the proxy's own log.
pub(crate) fn log_error(message: &str) {
    // The proxy has no other place to complain to.
    let _ = hostcalls::log(LogLevel::Error, message);
}

/// The same for what is no trouble.
pub(crate) fn log_info(message: &str) {
    let _ = hostcalls::log(LogLevel::Info, message);
}

/// All request headers, in one call.
pub(crate) fn request_headers() -> Result<HeaderMap, HostError> {
    read_map(MapType::HttpRequestHeaders)
}

/// All request trailers, in one call.
pub(crate) fn request_trailers() -> Result<HeaderMap, HostError> {
    read_map(MapType::HttpRequestTrailers)
}

/// The body of the request, of which the host holds this many bytes. A host may keep a long one elsewhere (Kong): then what is
/// here is less.
pub(crate) fn request_body(body_bytes: usize) -> Result<Vec<u8>, HostError> {
    let mut bytes = HostBytes::default();
    abi::get_buffer_bytes(BufferType::HttpRequestBody, body_bytes, &mut bytes)?;
    Ok(bytes.into_vec()).and_then(|body| if body.len() == body_bytes { Ok(body) } else { Err(HostError) })
}

fn read_map(map: MapType) -> Result<HeaderMap, HostError> {
    let mut bytes = HostBytes::default();
    abi::get_header_map_pairs(map, &mut bytes)?;
    Ok(HeaderMap::new(bytes.into_vec()))
}

/// The time of the proxy's clock.
pub(crate) fn now() -> Result<UnixTime, HostError> {
    let nanoseconds = abi::get_current_time_nanoseconds()?;
    Ok(UnixTime::from_millis(nanoseconds.checked_div(1_000_000).unwrap_or_default()))
}

/// What the host says of the peer's certificate.
pub(crate) struct Peer {
    uri_san: Option<Vec<u8>>,
    dns_san: Option<Vec<u8>>,
    subject_name: Option<Vec<u8>>,
    sha256: Vec<u8>,
}

impl Peer {
    pub(crate) fn certificate(&self) -> PeerCertificate<'_> {
        PeerCertificate {
            uri_san: self.uri_san.as_deref(),
            dns_san: self.dns_san.as_deref(),
            subject_name: self.subject_name.as_deref(),
            sha256: &self.sha256,
        }
    }
}

/// The certificate of the peer; none if it presented none.
pub(crate) fn peer_certificate() -> Result<Option<Peer>, HostError> {
    let property = |name: &str| Ok(property(&["connection", name])?.filter(|value| !value.is_empty()));
    let Some(sha256) = property("sha256_peer_certificate_digest")? else {
        return Ok(None);
    };
    Ok(Some(Peer {
        uri_san: property("uri_san_peer_certificate")?,
        dns_san: property("dns_san_peer_certificate")?,
        subject_name: property("subject_peer_certificate")?,
        sha256,
    }))
}

/// The address at the other end of the connection; none if the host does not know it.
pub(crate) fn source_address() -> Result<Option<Vec<u8>>, HostError> {
    property(&["source", "address"])
}

/// The request target as the client wrote it.
pub(crate) fn request_target() -> Result<Option<Vec<u8>>, HostError> {
    property(&["request", "path"])
}

/// How much memory this VM has.
pub(crate) fn linear_memory_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    let pages = std::arch::wasm32::memory_size(0);
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0_usize;
    u64::try_from(pages).unwrap_or_default().saturating_mul(64 * 1024)
}

/// The number of the process that this worker is, where it is one; to be asked about a request only, or Kong's host crashes.
pub(crate) fn process_id(kind: HostKind) -> Vec<u8> {
    let id = if kind.is_envoy() { None } else { property(&["ngx", "pid"]).ok().flatten() };
    id.unwrap_or_default()
}

fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
    let mut bytes = HostBytes::default();
    let is_there = abi::get_property(path.join("\0").as_bytes(), &mut bytes)?;
    Ok(is_there.then(|| bytes.into_vec()))
}

/// Removes all occurrences of a request header. In Envoy only: Kong's host still sends it.
pub(crate) fn remove_request_header(name: &[u8]) -> Result<(), HostError> {
    abi::remove_header_map_value(MapType::HttpRequestHeaders, name)
}

/// Removes all occurrences of a request trailer.
pub(crate) fn remove_request_trailer(name: &[u8]) -> Result<(), HostError> {
    abi::remove_header_map_value(MapType::HttpRequestTrailers, name)
}

/// Sets a request header, replacing all its occurrences; on Kong's host the first one.
pub(crate) fn set_request_header(name: &str, value: &[u8]) -> Result<(), HostError> {
    abi::replace_header_map_value(MapType::HttpRequestHeaders, name.as_bytes(), value)
}

/// Whether a value was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It was.
    Yes,
    /// Another worker was faster.
    Overtaken,
}

/// A value that all workers share, and its version; empty and without version if there is none.
pub(crate) fn shared_data(name: &str) -> Result<(Vec<u8>, Option<NonZeroU32>), HostError> {
    let mut bytes = HostBytes::default();
    let version = abi::get_shared_data(name.as_bytes(), &mut bytes)?;
    Ok((bytes.into_vec(), version))
}

/// Stores a value that all workers share, if its version is still this one; without a version, if there is none yet.
pub(crate) fn set_shared_data(
    kind: HostKind,
    name: &str,
    value: &[u8],
    version: Option<NonZeroU32>,
) -> Result<Stored, HostError> {
    let version = version.map_or(kind.version_of_nothing(), NonZeroU32::get);
    let was_stored = abi::set_shared_data(name.as_bytes(), value, version)?;
    Ok(if was_stored { Stored::Yes } else { Stored::Overtaken })
}

/// Calls the root context every so many milliseconds; 0 for never.
pub(crate) fn set_tick_period_milliseconds(period: u32) -> Result<(), HostError> {
    abi::set_tick_period_milliseconds(period)
}

/// Makes all further calls be about this context. In Envoy only.
pub(crate) fn set_effective_context(context_id: u32) -> Result<(), HostError> {
    abi::set_effective_context(context_id)
}

/// Lets the request go on that was paused. In Envoy only: the workers of Kong's host die of it.
pub(crate) fn continue_request() -> Result<(), HostError> {
    abi::continue_stream(StreamType::HttpRequest)
}

/// Sends a request; a number by which the answer is known. To be called in the root context only.
pub(crate) fn dispatch(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    body: Option<&[u8]>,
    timeout: Duration,
) -> Result<u32, HostError> {
    // The one call that goes through the SDK: it has to know which context the answer is for.
    hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), timeout).map_err(|_| HostError)
}

/// The answer to a call.
pub(crate) struct CallResponse {
    status: u16,
    content_length: Option<usize>,
    total_bytes: usize,
    body: Vec<u8>,
}

impl CallResponse {
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// How many bytes of body it announced.
    pub(crate) const fn content_length(&self) -> Option<usize> {
        self.content_length
    }

    /// How many bytes of body came, whether or not they were read.
    pub(crate) const fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    pub(crate) fn introspection(&self) -> IntrospectionResponse<'_> {
        IntrospectionResponse { status: self.status, body: &self.body }
    }
}

/// The answer to the call that the host is telling us about; none if the call failed or took too long. Of the body at most
/// one byte more than `max_bytes` is read, so that what is too long is not taken for something shorter.
pub(crate) fn call_response(body_bytes: usize, max_bytes: usize) -> Result<Option<CallResponse>, HostError> {
    let headers = read_map(MapType::HttpCallResponseHeaders)?;
    let headers = headers.pairs().ok_or(HostError)?;
    let text = |wanted: &[u8]| {
        let value = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value);
        value.map(|value| std::str::from_utf8(value).unwrap_or_default())
    };
    let Some(status) = text(b":status") else {
        return Ok(None);
    };
    let status = status.parse().map_err(|_| HostError)?;
    let content_length = text(b"content-length").and_then(|length| length.parse().ok());
    let mut bytes = HostBytes::default();
    if body_bytes > 0 {
        let most = max_bytes.saturating_add(1);
        abi::get_buffer_bytes(BufferType::HttpCallResponseBody, body_bytes.min(most), &mut bytes)?;
    }
    Ok(Some(CallResponse { status, content_length, total_bytes: body_bytes, body: bytes.into_vec() }))
}

/// Answers the client. `reason` is for the proxy's access log (Envoy: `%RESPONSE_CODE_DETAILS%`), never for the client.
pub(crate) fn send_reply(reply: &Reply, reason: &str) -> Result<(), HostError> {
    abi::send_local_response(reply.status, reason.as_bytes(), reply.body.as_bytes(), &serialize(&reply.headers)?)
}

/// The serialization that [`HeaderMap`] reads.
fn serialize(headers: &[(&'static str, String)]) -> Result<Vec<u8>, HostError> {
    let number = |number: usize| u32::try_from(number).map(u32::to_le_bytes).map_err(|_| HostError);
    let mut bytes = Vec::with_capacity(256);
    bytes.extend(number(headers.len())?);
    for (name, value) in headers {
        bytes.extend(number(name.len())?);
        bytes.extend(number(value.len())?);
    }
    for text in headers.iter().flat_map(|(name, value)| [*name, value.as_str()]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}
