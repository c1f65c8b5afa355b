//! What was published: a manifest, why there is one, and its documents.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use authz::distribution::{
    Digest, DocumentKind, DocumentReference, Manifest, ManifestPayload, Refused, Trust, UnverifiedManifest,
};
use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A document, in both forms in which it is sent.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) sha256: Digest,
    pub(crate) plain: Bytes,
    /// Compressed (RFC 1952), where that makes it shorter.
    pub(crate) gzip: Option<Bytes>,
}

impl Document {
    pub(crate) fn new(plain: impl Into<Bytes>) -> Arc<Self> {
        let plain = plain.into();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail; if it did, there would be the plain form.
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish()).ok();
        let gzip = gzip.filter(|gzip| gzip.len() < plain.len()).map(Bytes::from);
        Arc::new(Self { sha256: Digest::of(&plain), plain, gzip })
    }

    /// From text that is JSON already.
    pub(crate) fn json(value: &Value) -> Arc<Self> {
        Self::new(value.to_string())
    }
}

/// The documents of one bundle, by kind.
pub(crate) type Contents = BTreeMap<DocumentKind, Arc<Document>>;

/// Who made an epoch, and why. It is kept with the manifest, in one object: no change without its record.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) who: String,
    pub(crate) action: &'static str,
    pub(crate) detail: String,
}

impl Cause {
    /// Something that the endpoint does by itself.
    pub(crate) fn own(action: &'static str, detail: impl Into<String>) -> Self {
        Self { who: "portcullis".to_owned(), action, detail: detail.into() }
    }

    /// Something that an administrator or a feed does.
    pub(crate) fn of(who: &str, action: &'static str, detail: impl Into<String>) -> Self {
        Self { who: who.to_owned(), action, detail: detail.into() }
    }
}

/// One epoch.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) manifest: Manifest,
    pub(crate) contents: Contents,
    /// The key set by which its assertions are verified, once somebody has asked for it.
    assertion_keys: OnceLock<Bytes>,
}

impl Published {
    pub(crate) fn new(manifest: Manifest, contents: Contents) -> Self {
        Self { manifest, contents, assertion_keys: OnceLock::new() }
    }

    /// The key set (RFC 7517 section 5) by which its assertions are verified.
    pub(crate) fn assertion_keys(&self) -> Bytes {
        let read = || {
            let policy = self.contents.get(&DocumentKind::Policy).map(|policy| &policy.plain[..]);
            // It came through the gate, here or elsewhere. Without keys nothing verifies.
            let keys = policy.and_then(|policy| authz::assertion_keys(policy).ok()).unwrap_or_default();
            json!({ "keys": keys }).to_string().into()
        };
        self.assertion_keys.get_or_init(read).clone()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.manifest.payload().epoch
    }

    pub(crate) fn payload(&self) -> &ManifestPayload {
        self.manifest.payload()
    }

    /// Takes a manifest through the gate that every proxy has: signatures, documents, the one bundle parser, and the bundle's
    /// own tests. What does not get through is never published.
    pub(crate) fn admit(trust: &Value, manifest: &str, contents: Contents) -> Result<Self, Refused> {
        let verified = verify(trust, manifest)?;
        let mut activation = verified.clone().resume(None)?;
        for document in contents.values() {
            activation.supply(document.sha256, document.plain.to_vec())?;
        }
        activation.activate()?;
        Ok(Self::new(verified, contents))
    }
}

/// Checks the signatures of a manifest. Trust is parsed where it is used: it is made for one thread.
pub(crate) fn verify(trust: &Value, manifest: &str) -> Result<Manifest, Refused> {
    use authz::distribution::RefusalReason::Malformed;
    let trust =
        Trust::parse(trust.to_string().as_bytes()).map_err(|errors| Refused::new(Malformed, errors.to_string()))?;
    UnverifiedManifest::parse(manifest.as_bytes())?.verify(&trust)
}

/// The references to documents, in the order of their kinds.
pub(crate) fn references(contents: &Contents) -> Vec<DocumentReference> {
    contents.iter().map(|(kind, document)| DocumentReference::of(*kind, &document.plain)).collect()
}

/// What the store keeps of an epoch. `id` makes every attempt its own, so that one knows its own object again.
pub(crate) fn to_stored(manifest: &str, cause: &Cause, at: u64, id: &str) -> Bytes {
    let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
    let cause = json!({ "who": cause.who, "action": cause.action, "detail": cause.detail, "at": at, "id": id });
    json!({ "version": 1, "cause": cause, "manifest": manifest }).to_string().into()
}

/// The manifest of a stored epoch, and its cause.
pub(crate) fn from_stored(stored: &[u8]) -> Option<(String, Value)> {
    let mut stored: Value = serde_json::from_slice(stored).ok()?;
    let manifest = stored.get("manifest").filter(|manifest| manifest.is_object())?.to_string();
    Some((manifest, stored.get_mut("cause").map(Value::take).unwrap_or_default()))
}
