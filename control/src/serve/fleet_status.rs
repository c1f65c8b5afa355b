//! What proxies say of themselves with each poll (`portcullis-status`), put together for the whole fleet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::clock;

/// The header is one line; more than this is not read.
const MAX_STATUS_BYTES: usize = 16 * 1024;

/// Most proxies, and most workers of each, that are remembered.
const MAX_PROXIES: usize = 50_000;
const MAX_WORKERS: usize = 1024;

/// A proxy that has not polled for this long is gone.
const FORGET_SECONDS: u64 = 300;

/// A worker that nobody has spoken of for this long is gone: its proxy forgets it after a minute, and polls within another.
const FORGET_WORKER_SECONDS: u64 = 120;

/// What is known of the proxies of a fleet that poll this replica.
#[derive(Default)]
pub(crate) struct FleetStatus {
    proxies: Mutex<BTreeMap<String, Proxy>>,
}

#[derive(Clone, Debug, Default)]
struct Proxy {
    workers: BTreeMap<String, Worker>,
    last_error: Option<Value>,
    seen_at: u64,
}

#[derive(Clone, Debug)]
struct Worker {
    epoch: u64,
    seen_at: u64,
}

/// A key that a proxy does not know.
pub(crate) struct UnknownKey {
    pub(crate) issuer: String,
    pub(crate) key_id: String,
}

impl FleetStatus {
    /// Takes what a proxy says. It is a proxy's word about itself: it decides nothing. What cannot be read is not there.
    pub(crate) fn record(&self, caller: &str, header: Option<&[u8]>) -> Vec<UnknownKey> {
        let now = clock::seconds();
        let status: Value = header
            .filter(|header| header.len() <= MAX_STATUS_BYTES)
            .and_then(|header| serde_json::from_slice(header).ok())
            .unwrap_or_default();
        let name = match label(status.get("proxy")) {
            Some(own) if own != caller => format!("{caller}/{own}"),
            _ => caller.to_owned(),
        };
        let mut proxies = self.lock();
        if proxies.len() >= MAX_PROXIES && !proxies.contains_key(&name) {
            return Vec::new();
        }
        let proxy = proxies.entry(name).or_default();
        proxy.seen_at = now;
        proxy.last_error = status.get("last_error").and_then(read_error);
        proxy.forget_workers(now);
        let polling = label(status.get("worker")).map(|worker| (worker, number(&status, "epoch"), now));
        let others = status.get("workers").and_then(Value::as_array).into_iter().flatten();
        let others = others.filter_map(|other| {
            Some((label(other.get("worker"))?, number(other, "epoch"), number(other, "seen_at").min(now)))
        });
        for (worker, epoch, seen_at) in others.chain(polling).take(MAX_WORKERS) {
            if now < seen_at.saturating_add(FORGET_WORKER_SECONDS) {
                proxy.workers.insert(worker, Worker { epoch, seen_at });
            }
        }
        unknown_keys(&status)
    }

    /// What is known, for the store and the status of the fleet.
    pub(crate) fn snapshot(&self) -> Value {
        let now = clock::seconds();
        let mut proxies = self.lock();
        proxies.retain(|_, proxy| now < proxy.seen_at.saturating_add(FORGET_SECONDS));
        proxies.values_mut().for_each(|proxy| proxy.forget_workers(now));
        proxies.iter().map(|(name, proxy)| (name.clone(), proxy.to_json(name))).collect()
    }

    /// How many proxies there are, and how many of their workers do not enforce this epoch yet.
    pub(crate) fn count(&self, epoch: u64) -> (u64, u64) {
        let proxies = self.lock();
        let workers = proxies.values().flat_map(|proxy| proxy.workers.values());
        let behind = workers.filter(|worker| worker.epoch < epoch).count();
        (u64::try_from(proxies.len()).unwrap_or(u64::MAX), u64::try_from(behind).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Proxy>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    fn forget_workers(&mut self, now: u64) {
        self.workers.retain(|_, worker| now < worker.seen_at.saturating_add(FORGET_WORKER_SECONDS));
    }

    fn to_json(&self, name: &str) -> Value {
        let workers: Vec<Value> = self
            .workers
            .iter()
            .map(|(name, worker)| json!({ "worker": name, "epoch": worker.epoch, "seen_at": worker.seen_at }))
            .collect();
        let mut proxy = json!({ "proxy": name, "seen_at": self.seen_at, "workers": workers });
        if let (Some(members), Some(error)) = (proxy.as_object_mut(), &self.last_error) {
            members.insert("last_error".to_owned(), error.clone());
        }
        proxy
    }
}

/// Snapshots of several replicas as one list: of a proxy that has polled several, the newest.
pub(crate) fn merge(snapshots: &[Value]) -> Vec<Value> {
    let now = clock::seconds();
    let mut proxies: BTreeMap<&String, &Value> = BTreeMap::new();
    for (name, proxy) in snapshots.iter().filter_map(Value::as_object).flatten() {
        let seen_at = number(proxy, "seen_at");
        let is_newer = proxies.get(name).is_none_or(|known| number(known, "seen_at") < seen_at);
        if is_newer && now < seen_at.saturating_add(FORGET_SECONDS) {
            proxies.insert(name, proxy);
        }
    }
    proxies.into_values().cloned().collect()
}

fn unknown_keys(status: &Value) -> Vec<UnknownKey> {
    let keys = status.get("unknown_keys").and_then(Value::as_array).into_iter().flatten().take(8);
    keys.filter_map(|key| {
        let text = |name: &str, most: usize| {
            key.get(name).and_then(Value::as_str).filter(|text| text.len() <= most).map(str::to_owned)
        };
        Some(UnknownKey { issuer: text("issuer", 1024)?, key_id: text("kid", 512)? })
    })
    .collect()
}

fn read_error(error: &Value) -> Option<Value> {
    let reason = label(error.get("reason"))?;
    Some(json!({ "reason": reason, "epoch": number(error, "epoch"), "at": number(error, "at") }))
}

/// A short plain name; nothing in it speaks to a terminal or a log.
fn label(value: Option<&Value>) -> Option<String> {
    let text = value.and_then(Value::as_str)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(plain)).then(|| text.to_owned())
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}
