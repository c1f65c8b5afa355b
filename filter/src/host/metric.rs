//! Numbers among the proxy's own statistics. To be defined in Envoy only: some versions of Kong's host trap on the calls.
//!
//! What the host refuses is not there, and nothing else comes of it.

use proxy_wasm::types::MetricType;

use super::abi;

/// A number that goes up and down.
#[derive(Clone, Copy)]
pub(crate) struct Gauge(u32);

impl Gauge {
    /// The gauge of this name, which is made if there is none.
    pub(crate) fn define(name: &str) -> Option<Self> {
        abi::define_metric(MetricType::Gauge, name.as_bytes()).ok().map(Self)
    }

    pub(crate) fn set(self, value: u64) {
        let _ = abi::record_metric(self.0, value);
    }
}

/// A number that only grows.
#[derive(Clone, Copy)]
pub(crate) struct Counter(u32);

impl Counter {
    /// The counter of this name, which is made if there is none.
    pub(crate) fn define(name: &str) -> Option<Self> {
        abi::define_metric(MetricType::Counter, name.as_bytes()).ok().map(Self)
    }

    pub(crate) fn increment(self) {
        self.add(1);
    }

    pub(crate) fn add(self, count: u64) {
        if count > 0 {
            let _ = abi::increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
