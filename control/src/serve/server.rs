//! The endpoint as a whole: its fleets, who may call, and what goes on by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::auth::Callers;
use super::changes;
use super::clock;
use super::decisions::DecisionLog;
use super::fleet::Fleet;
use super::fleet_status::{self, FleetStatus};
use super::keys::Keys;
use super::metrics::Metrics;
use super::revoker::Revoker;
use super::settings::Settings;
use super::storage::Storage;
use crate::random;
use crate::signing_key::SigningKey;

/// How often what proxies say is written down for the other replicas.
const STATUS_PERIOD: Duration = Duration::from_secs(2);

/// What another replica wrote longer ago than this is not read any more.
const FORGET_REPLICA_SECONDS: u64 = 60;

/// The store has to have answered within this time for the endpoint to be ready.
const READY_SECONDS: u64 = 30;

/// Everything that requests are answered from.
pub(crate) struct Server {
    pub(crate) members: BTreeMap<String, Arc<Member>>,
    pub(crate) callers: Callers,
    pub(crate) metrics: Metrics,
    /// Becomes true when the endpoint shuts down.
    pub(crate) closing: watch::Receiver<bool>,
}

/// A fleet with what belongs to it.
pub(crate) struct Member {
    pub(crate) fleet: Fleet,
    pub(crate) keys: Keys,
    pub(crate) status: FleetStatus,
    pub(crate) revoker: Revoker,
    /// None if this fleet keeps none.
    pub(crate) decisions: Option<DecisionLog>,
    storage: Storage,
    replica: String,
    /// When the store last answered.
    store_answered_at: AtomicU64,
}

impl Server {
    /// Opens the store and takes up where it stands. Everything that could be wrong with the settings is found here.
    pub(crate) async fn new(settings: Settings, closing: watch::Receiver<bool>) -> Result<Self, String> {
        let callers = Callers::new(&settings);
        let storage = Storage::open(&settings.storage).map_err(|error| error.to_string())?;
        let (replica, metrics) = (random::name()?, Metrics::new());
        let mut members = BTreeMap::new();
        for fleet in settings.fleets {
            let name = fleet.fleet.clone();
            let keys = Keys::new(storage.clone(), &name)?;
            let decisions = fleet.decisions.as_ref().map(|settings| {
                let key = SigningKey::load(&fleet.signing_key)?;
                DecisionLog::open(&name, settings, key, metrics.decisions(&name))
            });
            let decisions = decisions.transpose().map_err(|error| format!("fleet `{name}`: decisions: {error}"))?;
            let fleet = Fleet::new(fleet, storage.clone())?;
            fleet.catch_up().await.map_err(|error| format!("fleet `{name}`: {error}"))?;
            let (storage, replica) = (storage.clone(), replica.clone());
            let store_answered_at = AtomicU64::new(clock::seconds());
            let (status, revoker) = (FleetStatus::default(), Revoker::default());
            let member = Member { fleet, keys, status, revoker, decisions, storage, replica, store_answered_at };
            members.insert(name, Arc::new(member));
        }
        Ok(Self { members, callers, metrics, closing })
    }

    /// Starts what goes on by itself.
    pub(crate) fn start(self: &Arc<Self>, store_poll: Duration) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for member in self.members.values() {
            tasks.spawn(follow(Arc::clone(self), Arc::clone(member), store_poll));
            tasks.spawn(keep_fresh(Arc::clone(member)));
            tasks.spawn(write_status(Arc::clone(member)));
            let member = Arc::clone(member);
            tasks.spawn(async move { member.keys.keep(&member.fleet).await });
        }
        tasks
    }

    /// Ends what has to end in good order.
    pub(crate) async fn close(&self) {
        for log in self.members.values().filter_map(|member| member.decisions.as_ref()) {
            log.close().await;
        }
    }

    /// Why the endpoint is not ready; none if it is.
    pub(crate) fn unready(&self) -> Option<String> {
        if *self.closing.borrow() {
            return Some("shutting down".to_owned());
        }
        let now = clock::seconds();
        let silent = self
            .members
            .iter()
            .find(|(_, member)| now > member.store_answered_at.load(Ordering::Relaxed).saturating_add(READY_SECONDS));
        silent.map(|(name, _)| format!("the store does not answer for the fleet `{name}`"))
    }

    /// The metrics as they are now.
    pub(crate) fn metrics(&self) -> String {
        for (name, member) in &self.members {
            let standing = member.fleet.standing();
            let newest = standing
                .served
                .as_deref()
                .map_or((0, 0), |served| (served.epoch(), served.payload().expires_at.as_millis() / 1000));
            self.metrics.set_epoch(name, newest.0, newest.1);
            let sources = member.fleet.key_sources(standing.newest.as_deref());
            for issuer in member.keys.status(&sources) {
                let text = issuer.get("issuer").and_then(Value::as_str).unwrap_or_default();
                let fetched_at = issuer.get("fetched_at").and_then(Value::as_u64).unwrap_or(0);
                self.metrics.set_keys(name, text, fetched_at);
            }
            let (proxies, behind) = member.status.count(newest.0);
            self.metrics.set_proxies(name, proxies, behind);
        }
        self.metrics.encode()
    }
}

impl Member {
    /// What all replicas know of the proxies.
    pub(crate) async fn proxies(&self) -> Vec<Value> {
        let mut snapshots = vec![self.status.snapshot()];
        let folder = self.status_folder();
        let oldest = clock::seconds().saturating_sub(FORGET_REPLICA_SECONDS);
        // Without the store there is what this replica knows.
        for name in self.storage.list(&folder).await.unwrap_or_default() {
            let path = format!("{folder}/{name}");
            let stored = self.storage.read(&path).await.ok().flatten();
            let stored: Option<Value> = stored.and_then(|stored| serde_json::from_slice(&stored).ok());
            let Some(stored) = stored.filter(|_| name != format!("{}.json", self.replica)) else { continue };
            match stored.get("at").and_then(Value::as_u64) {
                Some(at) if at >= oldest => snapshots.extend(stored.get("proxies").cloned()),
                _ => self.storage.remove(&path).await,
            }
        }
        fleet_status::merge(&snapshots)
    }

    fn status_folder(&self) -> String {
        format!("fleets/{}/status", self.fleet.settings.fleet)
    }
}

/// Takes what other replicas publish.
async fn follow(server: Arc<Server>, member: Arc<Member>, period: Duration) {
    let name = &member.fleet.settings.fleet;
    let mut failed = false;
    loop {
        tokio::time::sleep(period).await;
        match member.fleet.catch_up().await {
            Ok(()) => {
                member.store_answered_at.store(clock::seconds(), Ordering::Relaxed);
                if failed {
                    tracing::info!(fleet = name, "the store answers again");
                }
                failed = false;
            }
            Err(error) => {
                server.metrics.store_failed(name);
                if !failed {
                    tracing::error!(fleet = name, %error, "the store cannot be followed; proxies get what is known");
                }
                failed = true;
            }
        }
    }
}

/// Issues manifests again before they stop being fresh.
async fn keep_fresh(member: Arc<Member>) {
    loop {
        let pause = (member.fleet.settings.lifetime_seconds / 20).clamp(1, 30);
        tokio::time::sleep(Duration::from_secs(pause)).await;
        if let Err(error) = changes::issue_again(&member.fleet).await {
            tracing::error!(fleet = member.fleet.settings.fleet, %error, "the manifest was not issued again");
        }
    }
}

/// Tells the other replicas what proxies have said here.
async fn write_status(member: Arc<Member>) {
    let path = format!("{}/{}.json", member.status_folder(), member.replica);
    let mut written = Value::Null;
    loop {
        tokio::time::sleep(STATUS_PERIOD).await;
        let proxies = member.status.snapshot();
        let is_empty = proxies.as_object().is_none_or(serde_json::Map::is_empty);
        if proxies == written || is_empty {
            continue;
        }
        let text = serde_json::json!({ "version": 1, "at": clock::seconds(), "proxies": proxies }).to_string();
        if member.storage.replace(&path, text.into()).await.is_ok() {
            written = proxies;
        }
    }
}
