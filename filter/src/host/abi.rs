//! The raw ABI (proxy-wasm 0.2.1), made safe: slices instead of pointers, `Result` instead of status numbers.

#![expect(
    unsafe_code,
    reason = "the ABI passes pointers; each block says why it is sound, and nothing else in the filter is unsafe"
)]

use std::num::NonZeroU32;
use std::ptr;

use proxy_wasm::types::{BufferType, MapType, MetricType, StreamType};

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
    fn proxy_get_buffer_bytes(
        buffer: BufferType,
        start: usize,
        max_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context_id: u32) -> u32;
    fn proxy_continue_stream(stream: StreamType) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_define_metric(kind: MetricType, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
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

/// Whether it was stored; not if what is there has another version.
pub(super) fn set_shared_data(name: &[u8], value: &[u8], version: u32) -> Result<bool, HostError> {
    // SAFETY: pointers and lengths are those of live slices, which the host only reads.
    let status = unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), version) };
    match status {
        STATUS_CAS_MISMATCH => Ok(false),
        status => ok(status).map(|()| true),
    }
}

pub(super) fn get_buffer_bytes(buffer: BufferType, max_size: usize, bytes: &mut HostBytes) -> Result<(), HostError> {
    // SAFETY: the host writes one pointer and one size to the two fields, which outlive the call.
    ok(unsafe { proxy_get_buffer_bytes(buffer, 0, max_size, &raw mut bytes.data, &raw mut bytes.size) })
}

/// Calls a function that only this kind of host has. To be called in Envoy only: others trap on a name that they do not know.
pub(super) fn call_foreign_function(name: &str, arguments: &[u8], bytes: &mut HostBytes) -> Result<(), HostError> {
    // SAFETY: the host reads live slices, and writes one pointer and one size to the two fields, which outlive the call.
    ok(unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut bytes.data,
            &raw mut bytes.size,
        )
    })
}

pub(super) fn set_tick_period_milliseconds(period: u32) -> Result<(), HostError> {
    // SAFETY: only a number is passed.
    ok(unsafe { proxy_set_tick_period_milliseconds(period) })
}

pub(super) fn set_effective_context(context_id: u32) -> Result<(), HostError> {
    // SAFETY: only a number is passed.
    ok(unsafe { proxy_set_effective_context(context_id) })
}

pub(super) fn continue_stream(stream: StreamType) -> Result<(), HostError> {
    // SAFETY: only a number is passed.
    ok(unsafe { proxy_continue_stream(stream) })
}

pub(super) fn get_current_time_nanoseconds() -> Result<u64, HostError> {
    let mut time = 0;
    // SAFETY: the host writes eight bytes to `time`, which outlives the call.
    ok(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// To be called in Envoy only: some versions of Kong's host trap on metrics.
pub(super) fn define_metric(kind: MetricType, name: &[u8]) -> Result<u32, HostError> {
    let mut id = 0;
    // SAFETY: the host reads a live slice, and writes four bytes to `id`, which outlives the call.
    ok(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(super) fn record_metric(id: u32, value: u64) -> Result<(), HostError> {
    // SAFETY: only numbers are passed.
    ok(unsafe { proxy_record_metric(id, value) })
}

pub(super) fn increment_metric(id: u32, offset: i64) -> Result<(), HostError> {
    // SAFETY: only numbers are passed.
    ok(unsafe { proxy_increment_metric(id, offset) })
}

pub(super) fn send_local_response(status: u16, details: &[u8], body: &[u8], headers: &[u8]) -> Result<(), HostError> {
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
