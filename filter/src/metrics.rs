//! What the proxy's own statistics say of the filter (`docs/operations.md`). In Envoy only, and never on the way of a request.

use authz::distribution::{RefusalReason, Trust};
use authz::{NativeVerifier, UnixTime};
use serde_json::Value;

use crate::host::{Counter, Gauge};

/// Says for which algorithms the proxy's own crypto has proved itself; the others are verified in the module.
pub(crate) fn native_signatures(native: &NativeVerifier) {
    for (algorithm, is_native) in native.proved() {
        if let Some(gauge) = Gauge::define(&format!("portcullis.native_signatures.{algorithm}")) {
            gauge.set(is_native.into());
        }
    }
}

/// What is said of a bundle that is pushed. All workers share these numbers.
#[derive(Default)]
pub(crate) struct BundleMetrics {
    /// The lowest epoch that a worker decides by.
    epoch: Option<Gauge>,
    workers: Option<Gauge>,
    issued_at: Option<Gauge>,
    stale_at: Option<Gauge>,
    succeeded_at: Option<Gauge>,
    refused: Vec<(RefusalReason, Counter)>,
}

impl BundleMetrics {
    /// Defines them all, so that what has not happened yet is zero and not absent.
    pub(crate) fn define(trust: &Trust) -> Self {
        let name = |what: &str| format!("portcullis.{}.{}.{what}", trust.fleet(), trust.name());
        let gauge = |what| Gauge::define(&name(what));
        let counter =
            |reason: &RefusalReason| Some((*reason, Counter::define(&name(&format!("refused.{}", reason.code())))?));
        Self {
            epoch: gauge("bundle_epoch"),
            workers: gauge("workers"),
            issued_at: gauge("bundle_issued_at_seconds"),
            stale_at: gauge("bundle_stale_at_seconds"),
            succeeded_at: gauge("last_success_at_seconds"),
            refused: RefusalReason::ALL.iter().filter_map(counter).collect(),
        }
    }

    /// A bundle was adopted.
    pub(crate) fn adopted(&self, issued_at: UnixTime, stale_at: UnixTime) {
        set(self.issued_at, issued_at.as_seconds());
        set(self.stale_at, stale_at.as_seconds());
    }

    /// The workers that there are, each with its epoch.
    pub(crate) fn seen(&self, workers: &[Value]) {
        let epoch = |worker: &Value| worker.get("epoch").and_then(Value::as_u64).unwrap_or_default();
        set(self.epoch, workers.iter().map(epoch).min().unwrap_or_default());
        set(self.workers, u64::try_from(workers.len()).unwrap_or(u64::MAX));
    }

    /// A bundle was adopted, or the control endpoint said that there is none that is newer.
    pub(crate) fn succeeded(&self, now: UnixTime) {
        set(self.succeeded_at, now.as_seconds());
    }

    /// Something was not adopted, or could not be had.
    pub(crate) fn refused(&self, reason: RefusalReason) {
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == reason) {
            counter.increment();
        }
    }
}

fn set(gauge: Option<Gauge>, value: u64) {
    if let Some(gauge) = gauge {
        gauge.set(value);
    }
}
