//! One fleet: its newest manifest, and the one way to make another.
//!
//! An epoch is the name of an object that is made once. Whoever makes it has the epoch; whoever finds it made takes what is in
//! it and tries the next. So replicas need no leader, and an epoch is never lost, repeated or gone back.

use std::fmt;
use std::sync::Arc;

use authz::distribution::{DocumentKind, ManifestPayload, Refused, Trust, UnverifiedManifest};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use super::clock;
use super::keys::KeySource;
use super::published::{self, Cause, Contents, Document, Published};
use super::settings::FleetSettings;
use super::storage::{Creation, Storage, StorageError};
use crate::random;
use crate::signing_key::SigningKey;

/// More lost races in a row than this are no races.
const MAX_ATTEMPTS: usize = 100;

/// One fleet.
pub(crate) struct Fleet {
    pub(crate) settings: FleetSettings,
    storage: Storage,
    key: SigningKey,
    /// Whose manifests are served: as many signatures as proxies want.
    trust: Value,
    /// Whose manifests are taken from the store, by one signature: with write access to the store alone, nobody can make us
    /// build upon anything.
    single: Value,
    standing: watch::Sender<Standing>,
    changing: Mutex<()>,
}

/// Where a fleet stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// The newest manifest.
    pub(crate) newest: Option<Arc<Published>>,
    /// The newest one that has all signatures that it needs: what proxies get.
    pub(crate) served: Option<Arc<Published>>,
}

/// Why nothing was changed.
#[derive(Clone, Debug)]
pub(crate) enum ChangeError {
    /// It does not go through the gate.
    Refused(Refused),
    /// It does not fit what there is.
    Conflict(String),
    /// What it is about is not there.
    NotFound(String),
    /// The store does not work, or has something in it that nobody whom we trust has signed.
    Unavailable(String),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Conflict(why) | Self::NotFound(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl From<StorageError> for ChangeError {
    fn from(error: StorageError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Refused> for ChangeError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Fleet {
    /// A fleet of which nothing is known yet.
    pub(crate) fn new(settings: FleetSettings, storage: Storage) -> Result<Self, String> {
        let key = SigningKey::load(&settings.signing_key)?;
        let keys: Vec<Value> = std::iter::once(key.public_jwk()).chain(settings.trusted_keys.iter().cloned()).collect();
        let trust =
            json!({ "fleet": settings.fleet, "name": settings.name, "threshold": settings.threshold, "keys": keys });
        let parsed = Trust::parse(trust.to_string().as_bytes());
        parsed.map_err(|errors| format!("fleet `{}`: signing_key and trusted_keys: {errors}", settings.fleet))?;
        let mut single = trust.clone();
        if let Some(threshold) = single.get_mut("threshold") {
            *threshold = json!(1);
        }
        Ok(Self {
            settings,
            storage,
            key,
            trust,
            single,
            standing: watch::Sender::default(),
            changing: Mutex::default(),
        })
    }

    /// Where the fleet stands, as far as this replica knows.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Tells of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// The issuers whose keys are fetched under a policy that was published.
    pub(crate) fn key_sources(&self, published: Option<&Published>) -> Vec<KeySource> {
        let policy = published.and_then(|published| published.contents.get(&DocumentKind::Policy));
        policy.map(|policy| KeySource::all(&policy.plain, &self.settings.issuers)).unwrap_or_default()
    }

    /// Takes what other replicas have made.
    pub(crate) async fn catch_up(&self) -> Result<(), ChangeError> {
        let _changing = self.changing.lock().await;
        self.catch_up_alone().await
    }

    /// Makes the next epoch out of the newest, or none if `change` finds that nothing has to change. The epoch that then is
    /// the newest is returned. `change` is asked again whenever somebody else was faster.
    pub(crate) async fn advance(
        &self,
        cause: &Cause,
        change: impl Fn(Option<&Published>) -> Result<Option<Contents>, ChangeError>,
    ) -> Result<u64, ChangeError> {
        let _changing = self.changing.lock().await;
        for _ in 0..MAX_ATTEMPTS {
            self.catch_up_alone().await?;
            let newest = self.standing().newest;
            let Some(contents) = change(newest.as_deref())? else {
                return Ok(newest.map_or(0, |newest| newest.epoch()));
            };
            if let Some(epoch) = self.create(newest.as_deref(), contents, cause).await? {
                tracing::info!(target: "audit", fleet = self.settings.fleet, epoch, who = cause.who, action = cause.action, detail = cause.detail, "epoch made");
                return Ok(epoch);
            }
        }
        Err(ChangeError::Unavailable(format!("{MAX_ATTEMPTS} epochs in a row were made by somebody else")))
    }

    /// The manifest of an epoch, with all its signatures.
    pub(crate) async fn manifest(&self, epoch: u64) -> Result<String, ChangeError> {
        let missing = || ChangeError::NotFound(format!("there is no epoch {epoch}"));
        Ok(self.read_manifest(epoch).await?.ok_or_else(missing)?.0)
    }

    /// The documents of an earlier epoch.
    pub(crate) async fn contents_of(&self, epoch: u64) -> Result<Contents, ChangeError> {
        let manifest = self.manifest(epoch).await?;
        let manifest = published::verify(&self.single, &manifest)?;
        self.read_contents(manifest.payload()).await
    }

    /// Who has made which epoch, and why; the newest first.
    pub(crate) async fn history(&self, most: usize) -> Result<Vec<Value>, ChangeError> {
        let newest = self.standing().newest.map_or(0, |newest| newest.epoch());
        let mut history = Vec::new();
        for epoch in (self.settings.first_epoch..=newest).rev().take(most) {
            let Some((manifest, cause)) = self.read_manifest(epoch).await? else { break };
            let documents = published::verify(&self.single, &manifest)?.payload().documents.clone();
            let documents: Vec<Value> = documents
                .iter()
                .map(|document| json!({ "type": document.kind.name(), "sha256": document.sha256.to_string() }))
                .collect();
            history.push(json!({ "epoch": epoch, "cause": cause, "documents": documents }));
        }
        Ok(history)
    }

    /// A document of this fleet.
    pub(crate) async fn document(&self, sha256: &str) -> Result<Option<Arc<Document>>, StorageError> {
        let standing = self.standing();
        let current = standing.served.iter().chain(&standing.newest).flat_map(|published| published.contents.values());
        if let Some(document) = current.into_iter().find(|document| document.sha256.to_string() == sha256) {
            return Ok(Some(Arc::clone(document)));
        }
        Ok(self.storage.read(&self.document_path(sha256)).await?.map(Document::new))
    }

    /// Adds the signature of another signer to a manifest that waits for it: `{ "protected": .., "signature": .. }`.
    pub(crate) async fn add_signature(&self, epoch: u64, signature: &Value) -> Result<(), ChangeError> {
        let manifest = self.manifest(epoch).await?;
        // It must be good by itself: alone on the manifest.
        let alone = with_signatures(&manifest, std::slice::from_ref(signature), false);
        published::verify(&self.single, &alone)?;
        let name = random::hexadecimal(&hmac_sha256::Hash::hash(signature.to_string().as_bytes()));
        let path = format!("{}/{name}.json", self.signatures_path(epoch));
        self.storage.create(&path, signature.to_string().into()).await?;
        self.catch_up().await
    }

    async fn catch_up_alone(&self) -> Result<(), ChangeError> {
        let standing = self.standing();
        let mut next = match &standing.newest {
            Some(newest) if !self.is_served(newest) => newest.epoch(),
            Some(newest) => newest.epoch().saturating_add(1),
            None => match self.newest_epoch().await? {
                Some(newest) => self.last_complete(newest).await?,
                None => return Ok(()),
            },
        };
        while let Some((manifest, _)) = self.read_manifest(next).await? {
            self.take(next, &manifest).await?;
            next = next.saturating_add(1);
        }
        Ok(())
    }

    async fn newest_epoch(&self) -> Result<Option<u64>, StorageError> {
        let names = self.storage.list(&format!("fleets/{}/manifests", self.settings.fleet)).await?;
        Ok(names.last().and_then(|name| name.strip_suffix(".json")?.parse().ok()))
    }

    /// The newest epoch that has all its signatures, or the newest of all if there is none.
    async fn last_complete(&self, newest: u64) -> Result<u64, ChangeError> {
        for epoch in (self.settings.first_epoch..=newest).rev() {
            match self.read_manifest(epoch).await? {
                Some((manifest, _)) if self.is_complete(&manifest) => return Ok(epoch),
                Some(_) => {}
                None => break,
            }
        }
        Ok(newest)
    }

    /// Takes a manifest of the store as the newest, if those whom we trust have signed it, as this epoch.
    async fn take(&self, epoch: u64, manifest: &str) -> Result<(), ChangeError> {
        let damaged = |why: String| {
            ChangeError::Unavailable(format!("the store has a manifest for epoch {epoch} that is not good: {why}"))
        };
        let manifest = published::verify(&self.single, manifest).map_err(|refused| damaged(refused.to_string()))?;
        if manifest.payload().epoch != epoch {
            return Err(damaged(format!("it is that of epoch {}", manifest.payload().epoch)));
        }
        let contents = self.read_contents(manifest.payload()).await?;
        self.adopt(Published::new(manifest, contents));
        Ok(())
    }

    fn adopt(&self, published: Published) {
        let published = Arc::new(published);
        let is_complete = self.is_complete(published.manifest.text());
        self.standing.send_if_modified(|standing| {
            let text = published.manifest.text();
            let is_new = standing.newest.as_ref().is_none_or(|newest| newest.manifest.text() != text);
            standing.newest = Some(Arc::clone(&published));
            if is_complete {
                standing.served = Some(published);
            }
            is_new
        });
    }

    fn is_served(&self, published: &Published) -> bool {
        self.standing.borrow().served.as_ref().is_some_and(|served| served.epoch() == published.epoch())
    }

    fn is_complete(&self, manifest: &str) -> bool {
        published::verify(&self.trust, manifest).is_ok()
    }

    /// The epoch that was made; none if somebody else has made it.
    async fn create(
        &self,
        newest: Option<&Published>,
        contents: Contents,
        cause: &Cause,
    ) -> Result<Option<u64>, ChangeError> {
        let now = clock::seconds();
        let epoch = newest.map_or(self.settings.first_epoch, |newest| newest.epoch().saturating_add(1));
        let payload = ManifestPayload {
            fleet: self.settings.fleet.clone(),
            name: self.settings.name.clone(),
            epoch,
            issued_at: authz::UnixTime::from_seconds(now),
            expires_at: authz::UnixTime::from_seconds(now.saturating_add(self.settings.lifetime_seconds)),
            max_staleness_seconds: self.settings.max_staleness_seconds,
            when_stale: self.settings.when_stale,
            documents: published::references(&contents),
        };
        let manifest = self.key.sign(UnverifiedManifest::unsigned(&payload)).to_json();
        let published = {
            let (trust, manifest, contents) = (self.single.clone(), manifest.clone(), contents.clone());
            let admitted = tokio::task::spawn_blocking(move || Published::admit(&trust, &manifest, contents)).await;
            admitted.map_err(|_| ChangeError::Unavailable("the endpoint is shutting down".to_owned()))??
        };
        for document in contents.values() {
            let path = self.document_path(&document.sha256.to_string());
            let is_there =
                newest.is_some_and(|newest| newest.contents.values().any(|old| old.sha256 == document.sha256));
            if !is_there {
                self.storage.create(&path, document.plain.clone()).await?;
            }
        }
        let id = random::name().map_err(ChangeError::Unavailable)?;
        let stored = published::to_stored(&manifest, cause, now, &id);
        match self.storage.create(&self.manifest_path(epoch), stored).await? {
            Creation::Exists => Ok(None),
            Creation::Created => {
                self.adopt(published);
                Ok(Some(epoch))
            }
        }
    }

    /// A manifest of the store with all its signatures, and its cause.
    async fn read_manifest(&self, epoch: u64) -> Result<Option<(String, Value)>, ChangeError> {
        let path = self.manifest_path(epoch);
        let Some(stored) = self.storage.read(&path).await? else { return Ok(None) };
        let damaged = || ChangeError::Unavailable(format!("the store has something at {path} that is no manifest"));
        let (manifest, cause) = published::from_stored(&stored).ok_or_else(damaged)?;
        if self.settings.threshold < 2 {
            return Ok(Some((manifest, cause)));
        }
        let mut more = Vec::new();
        let folder = self.signatures_path(epoch);
        for name in self.storage.list(&folder).await? {
            let signature = self.storage.read(&format!("{folder}/{name}")).await?;
            more.extend(signature.and_then(|signature| serde_json::from_slice(&signature).ok()));
        }
        Ok(Some((with_signatures(&manifest, &more, true), cause)))
    }

    async fn read_contents(&self, payload: &ManifestPayload) -> Result<Contents, ChangeError> {
        let mut contents = Contents::new();
        for reference in &payload.documents {
            let document = self.document(&reference.sha256.to_string()).await?;
            // The store is not trusted: a document is what its name says, or it is not there.
            let document = document.filter(|document| document.sha256 == reference.sha256).ok_or_else(|| {
                let (kind, sha256) = (reference.kind.name(), reference.sha256);
                ChangeError::Unavailable(format!(
                    "the store has no {kind} document {sha256}, which epoch {} lists",
                    payload.epoch
                ))
            })?;
            contents.insert(reference.kind, document);
        }
        Ok(contents)
    }

    fn manifest_path(&self, epoch: u64) -> String {
        // As many digits as the largest epoch has, so that names are in the order of numbers.
        format!("fleets/{}/manifests/{epoch:016}.json", self.settings.fleet)
    }

    fn signatures_path(&self, epoch: u64) -> String {
        format!("fleets/{}/signatures/{epoch:016}", self.settings.fleet)
    }

    fn document_path(&self, sha256: &str) -> String {
        format!("fleets/{}/documents/{sha256}", self.settings.fleet)
    }
}

/// A manifest with more signatures, beside its own or instead of them.
fn with_signatures(manifest: &str, more: &[Value], keep: bool) -> String {
    let mut manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
    if let Some(signatures) = manifest.get_mut("signatures").and_then(Value::as_array_mut) {
        signatures.retain(|_| keep);
        signatures.extend(more.iter().cloned());
    }
    manifest.to_string()
}
