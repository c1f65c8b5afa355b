//! The keys of issuers: fetched here, so that no proxy has to, and published with the next epoch when they change.
//!
//! Keys that were good go on serving until others are there, or until the issuer has not been heard of for as long as its
//! policy allows. Nothing that is empty, unreadable or unusable ever takes their place.

mod address;
mod fetch;
mod source;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use authz::distribution::DocumentKind;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::fetch::{Fetcher, Remembered};
pub(crate) use self::source::KeySource;
use super::clock;
use super::fleet::{ChangeError, Fleet};
use super::published::{Cause, Document, Published};
use super::storage::Storage;
use crate::random;

/// How soon an issuer is asked again when somebody asks for it: a key that a proxy does not know may be there now.
const MIN_REFRESH_SECONDS: u64 = 5;

/// For how long a key that nobody knows is not asked for again.
const UNKNOWN_KEY_SECONDS: u64 = 60;

/// Most unknown keys that are remembered; further ones wait for the next regular refresh.
const MAX_UNKNOWN_KEYS: usize = 1000;

/// Longest pause after failures, in seconds.
const MAX_BACKOFF_SECONDS: u64 = 300;

/// The keys of one fleet's issuers.
pub(crate) struct Keys {
    fetcher: Fetcher,
    storage: Storage,
    fleet: String,
    issuers: Mutex<BTreeMap<String, Issuer>>,
    unknown: Mutex<BTreeMap<(String, String), u64>>,
    /// One batch of requests at a time: whoever comes meanwhile finds what it brought.
    fetching: tokio::sync::Mutex<()>,
    wanted: Notify,
}

/// What is known of an issuer.
#[derive(Clone, Default)]
struct Issuer {
    /// Its last good keys, and when they were last seen.
    keys: Option<Value>,
    fetched_at: u64,
    attempted_at: u64,
    next_attempt_at: u64,
    failures: u32,
    error: Option<String>,
    remembered: Option<Arc<Remembered>>,
}

impl Keys {
    pub(crate) fn new(storage: Storage, fleet: &str) -> Result<Self, String> {
        Ok(Self {
            fetcher: Fetcher::new()?,
            storage,
            fleet: fleet.to_owned(),
            issuers: Mutex::default(),
            unknown: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            wanted: Notify::new(),
        })
    }

    /// The keys document for these issuers; none if there is nothing to say of any. One that was not heard of for too long has no keys.
    /// It is not left out: the `jwks` that its policy begins with, of keys long retired perhaps, would be good again.
    pub(crate) fn document(&self, sources: &[KeySource], newest: Option<&Published>) -> Option<Arc<Document>> {
        self.absorb(sources, newest);
        let now = clock::seconds();
        let issuers = self.lock();
        let key_sets: serde_json::Map<String, Value> = sources
            .iter()
            .filter_map(|source| {
                let issuer = issuers.get(&source.issuer)?;
                let is_good = now < issuer.fetched_at.saturating_add(source.staleness_seconds);
                let keys = issuer.keys.as_ref()?;
                Some((source.issuer.clone(), if is_good { keys.clone() } else { json!({ "keys": [] }) }))
            })
            .collect();
        (!key_sets.is_empty()).then(|| Document::json(&json!({ "version": 1, "issuers": key_sets })))
    }

    /// Fetches the keys of issuers of which none are known yet; an error if that fails for one. A policy that needs keys
    /// which nobody can get would refuse everybody.
    pub(crate) async fn ensure(&self, sources: &[KeySource], newest: Option<&Published>) -> Result<(), ChangeError> {
        self.absorb(sources, newest);
        let lacks_keys =
            |source: &&KeySource| self.lock().get(&source.issuer).is_none_or(|issuer| issuer.keys.is_none());
        self.fetch(sources.iter().filter(lacks_keys)).await;
        let issuers = self.lock();
        let failed: Vec<String> = sources
            .iter()
            .filter_map(|source| {
                let issuer = issuers.get(&source.issuer)?;
                let error = issuer.error.as_deref().filter(|_| issuer.keys.is_none())?;
                Some(format!("issuer `{}`: {error}", source.issuer))
            })
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        let failed = failed.join("\n");
        Err(ChangeError::Conflict(format!(
            "there are no keys yet for issuers that the policy names, so nothing was published:\n{failed}"
        )))
    }

    /// A proxy has seen a key that it does not know. The issuer is asked soon, if it is one of ours and has not just been.
    pub(crate) fn report_unknown(&self, issuer: &str, key_id: &str) {
        let now = clock::seconds();
        let mut issuers = self.lock();
        let Some(known) = issuers.get_mut(issuer) else { return };
        let has_key = known.keys.as_ref().is_some_and(|keys| contains_key(keys, key_id));
        if has_key || !self.remember_unknown(issuer, key_id, now) {
            return;
        }
        let soonest = known.attempted_at.saturating_add(MIN_REFRESH_SECONDS).max(now);
        known.next_attempt_at = known.next_attempt_at.min(soonest);
        self.wanted.notify_one();
    }

    /// Whether this key was not reported lately.
    fn remember_unknown(&self, issuer: &str, key_id: &str, now: u64) -> bool {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.retain(|_, until| now < *until);
        if unknown.len() >= MAX_UNKNOWN_KEYS {
            return false;
        }
        let until = now.saturating_add(UNKNOWN_KEY_SECONDS);
        unknown.insert((issuer.to_owned(), key_id.to_owned()), until).is_none()
    }

    /// What is known of the issuers, for the status of the fleet.
    pub(crate) fn status(&self, sources: &[KeySource]) -> Vec<Value> {
        let issuers = self.lock();
        let status = |source: &KeySource| {
            let issuer = issuers.get(&source.issuer).cloned().unwrap_or_default();
            let keys = issuer.keys.as_ref().and_then(|keys| keys.get("keys")?.as_array().map(Vec::len)).unwrap_or(0);
            let fetched_at = (issuer.fetched_at > 0).then_some(issuer.fetched_at);
            json!({ "issuer": source.issuer, "keys": keys, "fetched_at": fetched_at, "error": issuer.error })
        };
        sources.iter().map(status).collect()
    }

    /// Fetches what is due, for as long as the endpoint runs, and publishes what has changed.
    pub(crate) async fn keep(&self, fleet: &Fleet) {
        let mut standing = fleet.watch();
        loop {
            let newest = fleet.standing().newest;
            let sources = fleet.key_sources(newest.as_deref());
            self.absorb(&sources, newest.as_deref());
            self.recall_times(&sources).await;
            let now = clock::seconds();
            let is_due = |source: &&KeySource| {
                self.lock().get(&source.issuer).is_none_or(|issuer| issuer.next_attempt_at <= now)
            };
            self.fetch(sources.iter().filter(is_due)).await;
            if !sources.is_empty()
                && let Err(error) = self.publish(fleet).await
            {
                tracing::error!(fleet = self.fleet, %error, "keys were not published");
            }
            let pause = std::time::Duration::from_millis(self.pause_milliseconds(&sources));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wanted.notified() => {}
                changed = standing.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Makes an epoch of the keys as they are known now, if the newest has others.
    async fn publish(&self, fleet: &Fleet) -> Result<(), ChangeError> {
        let cause = Cause::own("keys", "the keys of an issuer changed");
        fleet
            .advance(&cause, |newest| {
                let Some(newest) = newest else { return Ok(None) };
                let sources = fleet.key_sources(Some(newest));
                let (old, new) = (newest.contents.get(&DocumentKind::Keys), self.document(&sources, Some(newest)));
                if old.map(|old| old.sha256) == new.as_ref().map(|new| new.sha256) {
                    return Ok(None);
                }
                let mut contents = newest.contents.clone();
                contents.remove(&DocumentKind::Keys);
                contents.extend(new.map(|new| (DocumentKind::Keys, new)));
                Ok(Some(contents))
            })
            .await?;
        Ok(())
    }

    async fn fetch(&self, sources: impl Iterator<Item = &KeySource>) {
        let sources: Vec<&KeySource> = sources.collect();
        if sources.is_empty() {
            return;
        }
        let _fetching = self.fetching.lock().await;
        let now = clock::seconds();
        // What somebody else has just fetched is not fetched again.
        let is_wanted = |source: &&&KeySource| {
            self.lock().get(&source.issuer).is_none_or(|issuer| issuer.attempted_at < now || issuer.keys.is_none())
        };
        join_all(sources.iter().filter(is_wanted).map(|source| self.fetch_one(source))).await;
    }

    async fn fetch_one(&self, source: &KeySource) {
        let before = self.lock().get(&source.issuer).cloned().unwrap_or_default();
        let fetched = self.fetcher.fetch(source, before.remembered.as_deref()).await;
        let fetched = fetched.and_then(|fetched| {
            let is_known = before.keys.as_ref() == Some(&fetched.keys);
            if is_known { Ok(fetched) } else { source.check(&fetched.keys).map(|()| fetched) }
        });
        let now = clock::seconds();
        let mut issuer = Issuer { attempted_at: now, ..before };
        match fetched {
            Ok(fetched) => {
                issuer.remembered = fetched.remembered.map(Arc::new).or(issuer.remembered);
                issuer.keys = Some(fetched.keys);
                (issuer.fetched_at, issuer.failures, issuer.error) = (now, 0, None);
                issuer.next_attempt_at = now.saturating_add(jitter(source.rules.refresh_seconds));
                self.record_time(&source.issuer, now).await;
            }
            Err(error) => {
                tracing::warn!(fleet = self.fleet, issuer = source.issuer, error, "keys were not fetched");
                issuer.failures = issuer.failures.saturating_add(1);
                let pause = 1_u64.checked_shl(issuer.failures).unwrap_or(u64::MAX).min(MAX_BACKOFF_SECONDS);
                issuer.next_attempt_at = now.saturating_add(jitter(pause));
                issuer.error = Some(error);
            }
        }
        self.lock().insert(source.issuer.clone(), issuer);
    }

    /// Takes the keys that were published where they are newer than what is known here: another replica has fetched them, or
    /// this process has just begun. What the store has beside manifests is not signed, so keys are never taken from there.
    fn absorb(&self, sources: &[KeySource], newest: Option<&Published>) {
        let Some(newest) = newest else { return };
        let document = newest.contents.get(&DocumentKind::Keys);
        let document: Value = document.and_then(|keys| serde_json::from_slice(&keys.plain).ok()).unwrap_or_default();
        let issued_at = newest.payload().issued_at.as_millis() / 1000;
        let mut issuers = self.lock();
        for source in sources {
            let Some(keys) = document.get("issuers").and_then(|issuers| issuers.get(&source.issuer)) else { continue };
            let known = issuers.entry(source.issuer.clone()).or_default();
            if known.keys.as_ref() != Some(keys) && known.fetched_at < issued_at {
                (known.keys, known.remembered) = (Some(keys.clone()), None);
                // No keys say that nothing was heard.
                if !is_empty(keys) {
                    known.fetched_at = issued_at;
                }
                known.next_attempt_at = known.next_attempt_at.min(clock::seconds().saturating_add(MIN_REFRESH_SECONDS));
            }
        }
    }

    /// Learns when other replicas have last heard of issuers that were not heard of here for too long.
    async fn recall_times(&self, sources: &[KeySource]) {
        for source in sources {
            let known = self.lock().get(&source.issuer).map_or(0, |issuer| issuer.fetched_at);
            if clock::seconds() < known.saturating_add(source.staleness_seconds) {
                continue;
            }
            let stored = self.storage.read(&self.path(&source.issuer)).await.ok().flatten();
            let stored: Option<Value> = stored.and_then(|stored| serde_json::from_slice(&stored).ok());
            // A time in the future would make keys good for ever.
            let heard = stored.and_then(|stored| stored.get("fetched_at")?.as_u64()).unwrap_or(0).min(clock::seconds());
            if let Some(issuer) = self.lock().get_mut(&source.issuer) {
                issuer.fetched_at = issuer.fetched_at.max(heard);
            }
        }
    }

    async fn record_time(&self, issuer: &str, fetched_at: u64) {
        let text = json!({ "version": 1, "issuer": issuer, "fetched_at": fetched_at }).to_string();
        if let Err(error) = self.storage.replace(&self.path(issuer), text.into()).await {
            tracing::warn!(fleet = self.fleet, issuer, %error, "when keys were fetched was not recorded");
        }
    }

    fn path(&self, issuer: &str) -> String {
        let name = random::hexadecimal(&hmac_sha256::Hash::hash(issuer.as_bytes()));
        format!("fleets/{}/issuers/{name}.json", self.fleet)
    }

    /// Until the next issuer is due, or keys get too old.
    fn pause_milliseconds(&self, sources: &[KeySource]) -> u64 {
        let now = clock::now().as_millis();
        let issuers = self.lock();
        let next = sources.iter().filter_map(|source| issuers.get(&source.issuer)).map(|issuer| issuer.next_attempt_at);
        let next = next.min().map_or(60_000, |next| next.saturating_mul(1000).saturating_sub(now));
        next.clamp(100, 60_000)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Issuer>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_empty(keys: &Value) -> bool {
    keys.get("keys").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn contains_key(keys: &Value, key_id: &str) -> bool {
    let keys = keys.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.into_iter().any(|key| key.get("kid").and_then(Value::as_str) == Some(key_id))
}

/// Between four and six fifths of it, so that replicas do not all come at once.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a fraction of at most a day in seconds"
)]
fn jitter(seconds: u64) -> u64 {
    ((seconds as f64) * (0.8 + 0.4 * random::fraction())) as u64
}
