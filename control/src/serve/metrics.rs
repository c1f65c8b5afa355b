//! Metrics of the endpoint, in the OpenMetrics text format.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter<u64, AtomicU64>>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// What is measured.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Counters,
    open_polls: Gauges,
    epoch: Gauges,
    expires: Gauges,
    store_failures: Counters,
    keys_fetched: Gauges,
    proxies: Gauges,
    workers_behind: Gauges,
    decisions: DecisionCounters,
}

/// What became of records of decisions.
#[derive(Clone, Default)]
struct DecisionCounters {
    received: Counters,
    duplicates: Counters,
    written: Counters,
    checkpoints: Counters,
    forwarded: Counters,
    dropped: Counters,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("portcullis_control");
        let (requests, store_failures) = (Counters::default(), Counters::default());
        registry.register("requests", "Answers, by route and status", requests.clone());
        registry.register("store_failures", "Attempts to read the store that failed", store_failures.clone());
        let decisions = DecisionCounters::default();
        for (name, help, counters) in [
            ("decisions_received", "Records of decisions that proxies have sent", &decisions.received),
            ("decisions_duplicates", "Those that were kept before", &decisions.duplicates),
            ("decisions_written", "Those that were written to a file", &decisions.written),
            ("decisions_checkpoints", "Checkpoints in those files", &decisions.checkpoints),
            ("decisions_forwarded", "Records that an output has taken", &decisions.forwarded),
            ("decisions_dropped", "Records that an output did not take", &decisions.dropped),
        ] {
            registry.register(name, help, counters.clone());
        }
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauges::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            open_polls: gauge("open_polls", "Long polls that wait for the next epoch"),
            epoch: gauge("epoch", "The newest epoch that is served"),
            expires: gauge("manifest_expires_timestamp_seconds", "Until when its manifest is fresh"),
            keys_fetched: gauge("keys_fetched_timestamp_seconds", "When the keys of an issuer were last fetched"),
            proxies: gauge("proxies", "Proxies that polled this replica in the last five minutes"),
            workers_behind: gauge("workers_behind", "Workers of those that do not enforce the newest epoch"),
            requests,
            store_failures,
            decisions,
            registry,
        }
    }

    pub(crate) fn answered(&self, route: &str, status: u16) {
        self.requests.get_or_create(&vec![("route", route.to_owned()), ("status", status.to_string())]).inc();
    }

    pub(crate) fn store_failed(&self, fleet: &str) {
        self.store_failures.get_or_create(&of(fleet)).inc();
    }

    /// Counts a poll for as long as what is returned is held.
    pub(crate) fn poll(&self, fleet: &str) -> OpenPoll {
        let gauge = self.open_polls.get_or_create_owned(&of(fleet));
        gauge.inc();
        OpenPoll(gauge)
    }

    pub(crate) fn set_epoch(&self, fleet: &str, epoch: u64, expires_at: u64) {
        set(&self.epoch, &of(fleet), epoch);
        set(&self.expires, &of(fleet), expires_at);
    }

    pub(crate) fn set_keys(&self, fleet: &str, issuer: &str, fetched_at: u64) {
        set(&self.keys_fetched, &vec![("fleet", fleet.to_owned()), ("issuer", issuer.to_owned())], fetched_at);
    }

    pub(crate) fn set_proxies(&self, fleet: &str, proxies: u64, workers_behind: u64) {
        set(&self.proxies, &of(fleet), proxies);
        set(&self.workers_behind, &of(fleet), workers_behind);
    }

    /// The counters of the decision log of a fleet.
    pub(crate) fn decisions(&self, fleet: &str) -> DecisionMetrics {
        let counters = self.decisions.clone();
        for family in [&counters.received, &counters.duplicates, &counters.written, &counters.checkpoints] {
            // From the start, so that nobody has to guess whether nothing came or nothing is counted.
            drop(family.get_or_create(&of(fleet)));
        }
        DecisionMetrics { counters, fleet: fleet.to_owned() }
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A poll that is open.
pub(crate) struct OpenPoll(Gauge<i64, AtomicI64>);

impl Drop for OpenPoll {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The counters of the decision log of a fleet.
#[derive(Clone)]
pub(crate) struct DecisionMetrics {
    counters: DecisionCounters,
    fleet: String,
}

impl DecisionMetrics {
    /// Records came, of which so many were new and are on the disk now.
    pub(crate) fn kept(&self, received: usize, written: usize) {
        let add = |family: &Counters, count| {
            family.get_or_create(&of(&self.fleet)).inc_by(wide(count));
        };
        add(&self.counters.received, received);
        add(&self.counters.written, written);
        add(&self.counters.duplicates, received.saturating_sub(written));
    }

    pub(crate) fn sealed(&self) {
        self.counters.checkpoints.get_or_create(&of(&self.fleet)).inc();
    }

    pub(crate) fn forwarded(&self, output: &str, records: usize) {
        self.counters.forwarded.get_or_create(&self.through(output)).inc_by(wide(records));
    }

    pub(crate) fn dropped(&self, output: &str, records: usize) {
        self.counters.dropped.get_or_create(&self.through(output)).inc_by(wide(records));
    }

    fn through(&self, output: &str) -> Labels {
        vec![("fleet", self.fleet.clone()), ("output", output.to_owned())]
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn of(fleet: &str) -> Labels {
    vec![("fleet", fleet.to_owned())]
}

fn set(gauge: &Gauges, labels: &Labels, value: u64) {
    gauge.get_or_create(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}
