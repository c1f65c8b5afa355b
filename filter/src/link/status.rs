//! What a worker says of itself: to the control endpoint, to operators, and to the proxy's log.

use authz::distribution::{RefusalReason, Refused};
use authz::{UnixTime, UnknownKey};
use serde_json::{Value, json};

use super::Link;
use super::clock;
use crate::host;

/// The version of the status.
const STATUS_VERSION: u64 = 1;

/// How often a worker says that it is there, in milliseconds; and after how long it is forgotten.
pub(super) const SIGN_OF_LIFE_MILLISECONDS: u64 = 5000;
const FORGET_MILLISECONDS: u64 = 60_000;

/// How often the log says the same, in milliseconds.
const LOG_MILLISECONDS: u64 = 30_000;

/// Longest `kid` that is reported: a stranger wrote it.
const MAX_KEY_ID_BYTES: usize = 128;

/// The last thing that went wrong.
#[derive(Clone, Copy)]
pub(super) struct LastError {
    pub(super) reason: RefusalReason,
    pub(super) epoch: Option<u64>,
    pub(super) at: UnixTime,
    /// When the log was told, by the stopwatch.
    told_at: u64,
    /// Whether something went well since. It is remembered all the same, so that the log is not told of it again and again.
    pub(super) is_over: bool,
}

impl LastError {
    /// Notes it, and tells the log if that does not know.
    pub(super) fn note(
        earlier: Option<&Self>,
        refused: &Refused,
        epoch: Option<u64>,
        now: UnixTime,
        elapsed: u64,
    ) -> Self {
        let is_known = |earlier: &&Self| {
            earlier.reason == refused.reason()
                && earlier.epoch == epoch
                && elapsed.saturating_sub(earlier.told_at) < LOG_MILLISECONDS
        };
        let told_at = earlier.filter(is_known).map_or_else(
            || {
                let of = epoch.map(|epoch| format!(" (epoch {epoch})")).unwrap_or_default();
                host::log_error(&format!("portcullis: nothing is adopted{of}: {refused}"));
                elapsed
            },
            |earlier| earlier.told_at,
        );
        Self { reason: refused.reason(), epoch, at: now, told_at, is_over: false }
    }

    fn to_json(self) -> Value {
        json!({ "reason": self.reason.code(), "epoch": self.epoch, "at": self.at.as_seconds() })
    }
}

/// The state of a worker, and what it knows of the others.
pub(super) fn status(link: &Link, workers: Vec<Value>) -> Value {
    let mut status = json!({
        "version": STATUS_VERSION,
        "worker": name(link.worker),
        "workers": workers,
        "epoch": link.adopted.as_ref().map(|adopted| adopted.epoch),
        "adopted_at": link.adopted_at.map(UnixTime::as_seconds),
    });
    if let Some(members) = status.as_object_mut() {
        let proxy = link.delivery.control.as_ref().and_then(|control| control.proxy.as_deref());
        members.extend(proxy.map(|proxy| ("proxy".to_owned(), Value::from(proxy))));
        let error = link.last_error.filter(|error| !error.is_over);
        members.extend(error.map(|error| ("last_error".to_owned(), error.to_json())));
    }
    status
}

/// The same for the header of a request, with keys that tokens named in vain.
pub(super) fn header(mut status: Value, unknown: &[UnknownKey]) -> String {
    let is_short = |key: &&UnknownKey| key.key_id.len() <= MAX_KEY_ID_BYTES;
    let unknown: Vec<Value> =
        unknown.iter().filter(is_short).map(|key| json!({ "issuer": key.issuer, "kid": key.key_id })).collect();
    if let (false, Some(members)) = (unknown.is_empty(), status.as_object_mut()) {
        members.insert("unknown_keys".to_owned(), Value::from(unknown));
    }
    in_ascii(&status.to_string())
}

/// JSON with escapes in place of everything that cannot stand in a header.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            ' '..='~' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}

/// The list of workers with this one in it, and without those that have not been heard of.
pub(super) fn workers(stored: &[u8], worker: u64, epoch: Option<u64>, now: UnixTime) -> Vec<Value> {
    let own = name(worker);
    let stored: Vec<Value> = serde_json::from_slice(stored).unwrap_or_default();
    let is_alive = |entry: &Value| {
        let seen_at = entry.get("seen_at").and_then(Value::as_u64).map(UnixTime::from_seconds);
        let is_other = entry.get("worker").and_then(Value::as_str).is_some_and(|name| name != own);
        is_other && seen_at.is_some_and(|seen_at| clock::is_within(seen_at, now, FORGET_MILLISECONDS))
    };
    let mut workers: Vec<Value> = stored.into_iter().filter(is_alive).collect();
    workers.push(json!({ "worker": own, "epoch": epoch, "seen_at": now.as_seconds() }));
    workers
}

fn name(worker: u64) -> String {
    format!("{worker:016x}")
}
