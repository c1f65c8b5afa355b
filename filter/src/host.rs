//! The host calls: the one file that names them.
//!
//! The SDK's wrappers panic on a status that they do not expect, read header names as UTF-8 with `unwrap`, and do not pass
//! the reason of a local reply. What a request can reach is called here without them: bytes in, bytes out, and every
//! status other than "ok" an error.

use std::num::NonZeroU32;

use authz::{PeerCertificate, Reply, UnixTime};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType};

use crate::header_map::HeaderMap;

/// The key of the filter state that holds the decision record: `%FILTER_STATE(wasm.portcullis.decision:PLAIN)%` in
/// Envoy's access log.
const DECISION_PROPERTY: &str = "portcullis.decision";

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

/// All request headers, in one call.
pub(crate) fn request_headers() -> Result<HeaderMap, HostError> {
    read_map(MapType::HttpRequestHeaders)
}

/// All request trailers, in one call.
pub(crate) fn request_trailers() -> Result<HeaderMap, HostError> {
    read_map(MapType::HttpRequestTrailers)
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

fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
    let mut bytes = HostBytes::default();
    let is_there = abi::get_property(path.join("\0").as_bytes(), &mut bytes)?;
    Ok(is_there.then(|| bytes.into_vec()))
}

/// Removes all occurrences of a request header.
pub(crate) fn remove_request_header(name: &[u8]) -> Result<(), HostError> {
    abi::remove_header_map_value(MapType::HttpRequestHeaders, name)
}

/// Removes all occurrences of a request trailer.
pub(crate) fn remove_request_trailer(name: &[u8]) -> Result<(), HostError> {
    abi::remove_header_map_value(MapType::HttpRequestTrailers, name)
}

/// Sets a request header, replacing all its occurrences.
pub(crate) fn set_request_header(name: &str, value: &[u8]) -> Result<(), HostError> {
    abi::replace_header_map_value(MapType::HttpRequestHeaders, name.as_bytes(), value)
}

/// Puts the decision record where the proxy's access log finds it.
pub(crate) fn record(decision: &str) -> Result<(), HostError> {
    abi::set_property(DECISION_PROPERTY.as_bytes(), decision.as_bytes())
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

/// Stores a value that all workers share, if its version is still this one.
pub(crate) fn set_shared_data(name: &str, value: &[u8], version: Option<NonZeroU32>) -> Result<Stored, HostError> {
    let was_stored = abi::set_shared_data(name.as_bytes(), value, version)?;
    Ok(if was_stored { Stored::Yes } else { Stored::Overtaken })
}

/// Answers the client. `reason` is for the proxy's access log (Envoy: `%RESPONSE_CODE_DETAILS%`), never for the client.
pub(crate) fn send_reply(reply: &Reply, reason: &str) -> Result<(), HostError> {
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    abi::send_local_response(reply.status, reason.as_bytes(), reply.body.as_bytes(), &serialize(&headers)?)
}

/// The serialization that [`HeaderMap`] reads.
fn serialize(headers: &[(&str, &str)]) -> Result<Vec<u8>, HostError> {
    let number = |number: usize| u32::try_from(number).map(u32::to_le_bytes).map_err(|_| HostError);
    let mut bytes = number(headers.len())?.to_vec();
    for (name, value) in headers {
        bytes.extend(number(name.len())?);
        bytes.extend(number(value.len())?);
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

use abi::HostBytes;

/// The raw ABI (proxy-wasm 0.2.1), made safe: slices instead of pointers, `Result` instead of status numbers.
#[expect(
    unsafe_code,
    reason = "the ABI passes pointers; each block says why it is sound, and nothing else in the filter is unsafe"
)]
mod abi {
    use std::num::NonZeroU32;
    use std::ptr;

    use proxy_wasm::types::MapType;

    use super::HostError;

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
        fn proxy_replace_header_map_value(
            map: MapType,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        fn proxy_remove_header_map_value(map: MapType, name: *const u8, name_size: usize) -> u32;
        fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
        fn proxy_get_shared_data(
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            version: *mut u32,
        ) -> u32;
        fn proxy_set_shared_data(name: *const u8, name_size: usize, data: *const u8, size: usize, version: u32) -> u32;
        fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
    }

    /// No gRPC status: the host derives one from the HTTP status.
    const NO_GRPC_STATUS: i32 = -1;

    const STATUS_OK: u32 = 0;
    const STATUS_NOT_FOUND: u32 = 1;
    const STATUS_CAS_MISMATCH: u32 = 8;

    const fn ok(status: u32) -> Result<(), HostError> {
        match status {
            STATUS_OK => Ok(()),
            _ => Err(HostError),
        }
    }

    /// Memory that the host allocated in this module and filled.
    pub(super) struct HostBytes {
        data: *mut u8,
        size: usize,
    }

    impl Default for HostBytes {
        fn default() -> Self {
            Self { data: ptr::null_mut(), size: 0 }
        }
    }

    impl HostBytes {
        pub(super) fn into_vec(self) -> Vec<u8> {
            if self.data.is_null() {
                return Vec::new();
            }
            // SAFETY: only the calls of this module fill the fields, with memory that the host got from the SDK's
            // `proxy_on_memory_allocate`, a `Vec<u8>` of exactly this capacity that was given up; it is taken back once.
            unsafe { Vec::from_raw_parts(self.data, self.size, self.size) }
        }
    }

    pub(super) fn get_header_map_pairs(map: MapType, bytes: &mut HostBytes) -> Result<(), HostError> {
        // SAFETY: the host writes one pointer and one size to the two fields, which outlive the call.
        ok(unsafe { proxy_get_header_map_pairs(map, &raw mut bytes.data, &raw mut bytes.size) })
    }

    pub(super) fn replace_header_map_value(map: MapType, name: &[u8], value: &[u8]) -> Result<(), HostError> {
        // SAFETY: pointers and lengths are those of live slices, which the host only reads.
        ok(unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
    }

    pub(super) fn remove_header_map_value(map: MapType, name: &[u8]) -> Result<(), HostError> {
        // SAFETY: as above.
        ok(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
    }

    /// Whether there is such a property.
    pub(super) fn get_property(path: &[u8], bytes: &mut HostBytes) -> Result<bool, HostError> {
        // SAFETY: the host reads a live slice, and writes one pointer and one size to the two fields, which outlive the call.
        let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut bytes.data, &raw mut bytes.size) };
        match status {
            STATUS_NOT_FOUND => Ok(false),
            status => ok(status).map(|()| true),
        }
    }

    pub(super) fn set_property(path: &[u8], value: &[u8]) -> Result<(), HostError> {
        // SAFETY: as above.
        ok(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
    }

    pub(super) fn get_shared_data(name: &[u8], bytes: &mut HostBytes) -> Result<Option<NonZeroU32>, HostError> {
        let mut version = 0;
        // SAFETY: the host reads a live slice, and writes one pointer, one size and one number to places that outlive the
        // call.
        let status = unsafe {
            proxy_get_shared_data(name.as_ptr(), name.len(), &raw mut bytes.data, &raw mut bytes.size, &raw mut version)
        };
        match status {
            STATUS_NOT_FOUND => Ok(None),
            status => ok(status).map(|()| NonZeroU32::new(version)),
        }
    }

    /// Whether it was stored; without a version it is stored whatever is there.
    pub(super) fn set_shared_data(name: &[u8], value: &[u8], version: Option<NonZeroU32>) -> Result<bool, HostError> {
        let version = version.map_or(0, NonZeroU32::get);
        // SAFETY: pointers and lengths are those of live slices, which the host only reads.
        let status = unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), version) };
        match status {
            STATUS_CAS_MISMATCH => Ok(false),
            status => ok(status).map(|()| true),
        }
    }

    pub(super) fn get_current_time_nanoseconds() -> Result<u64, HostError> {
        let mut time = 0;
        // SAFETY: the host writes eight bytes to `time`, which outlives the call.
        ok(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
        Ok(time)
    }

    pub(super) fn send_local_response(
        status: u16,
        details: &[u8],
        body: &[u8],
        headers: &[u8],
    ) -> Result<(), HostError> {
        // SAFETY: pointers and lengths are those of live slices, which the host only reads.
        ok(unsafe {
            proxy_send_local_response(
                u32::from(status),
                details.as_ptr(),
                details.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                NO_GRPC_STATUS,
            )
        })
    }
}
