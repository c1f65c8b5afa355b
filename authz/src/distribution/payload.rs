//! What a manifest says: whose it is, how new, how long it is good, and which documents it lists.

use serde_json::{Value, json};

use super::digest::Digest;
use super::freshness::{Freshness, WhenStale};
use super::refusal::{RefusalReason, Refused};
use crate::document::{self, Node, Unique};
use crate::limits::{MAX_BUNDLE_BYTES, MAX_DOCUMENTS_BYTES, MAX_LABEL_BYTES, MAX_STALENESS_SECONDS};
use crate::revocation::MAX_PACKED_BYTES;
use crate::time::UnixTime;

/// The one version of the manifest that this code reads and writes.
const MANIFEST_VERSION: u64 = 1;

/// How long a stale bundle goes on, in seconds, where the manifest says nothing.
const DEFAULT_STALENESS_SECONDS: u64 = 24 * 3600;

/// Largest epoch: where a JSON number stops being exact.
const MAX_EPOCH: u64 = 1 << 53;

/// The payload of a manifest. Anybody can make one; only a signature by a trusted key makes it a [`super::Manifest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPayload {
    /// The fleet that it is for: letters, digits and `-_.`.
    pub fleet: String,
    /// The name of the bundle: letters, digits and `-_.`.
    pub name: String,
    /// Grows with every change, and becomes the revision of the bundle.
    pub epoch: u64,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// Until when it is fresh.
    pub expires_at: UnixTime,
    /// How long it goes on after that, in seconds.
    pub max_staleness_seconds: u64,
    /// What it does in that time.
    pub when_stale: WhenStale,
    /// What it lists: exactly one policy, and at most one of each other kind.
    pub documents: Vec<DocumentReference>,
}

/// A document by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentReference {
    /// What it is.
    pub kind: DocumentKind,
    /// The SHA-256 of its exact bytes.
    pub sha256: Digest,
    /// How many bytes it has.
    pub bytes: usize,
}

impl DocumentReference {
    /// The reference to these bytes.
    pub fn of(kind: DocumentKind, document: &[u8]) -> Self {
        Self { kind, sha256: Digest::of(document), bytes: document.len() }
    }
}

/// The kinds of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentKind {
    /// A bundle without `revision`: issuers and rules.
    Policy,
    /// The public keys of issuers that have `keys_from`.
    Keys,
    /// What is not good any more.
    Revocations,
    /// Tokens and sessions that are not good any more, by the hundred thousand.
    PackedRevocations,
    /// API keys.
    Credentials,
    /// What the bundle must decide before it is adopted.
    Tests,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Policy, Self::Keys, Self::Revocations, Self::PackedRevocations, Self::Credentials, Self::Tests];

    /// Its name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Keys => "keys",
            Self::Revocations => "revocations",
            Self::PackedRevocations => "packed_revocations",
            Self::Credentials => "credentials",
            Self::Tests => "tests",
        }
    }

    /// Longest document of this kind, in bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::PackedRevocations => MAX_PACKED_BYTES,
            Self::Policy | Self::Keys | Self::Revocations | Self::Credentials | Self::Tests => MAX_BUNDLE_BYTES,
        }
    }
}

impl ManifestPayload {
    /// Reads the payload of a manifest, which proves nothing about who wrote it.
    ///
    /// # Errors
    ///
    /// `malformed` with every error and its place, or `too_large`.
    pub fn parse(text: &[u8]) -> Result<Self, Refused> {
        let payload = document::read(text, Self::read)
            .map_err(|errors| Refused::new(RefusalReason::Malformed, format!("payload: {errors}")))?;
        let read = payload.documents.iter().filter(|document| document.kind != DocumentKind::PackedRevocations);
        let total = read.map(|document| document.bytes).fold(0, usize::saturating_add);
        match payload.documents.iter().find(|document| document.bytes > document.kind.max_bytes()) {
            Some(document) => Err(Refused::new(
                RefusalReason::TooLarge,
                format!(
                    "the {} document has {} bytes, at most {} are read",
                    document.kind.name(),
                    document.bytes,
                    document.kind.max_bytes()
                ),
            )),
            None if total > MAX_DOCUMENTS_BYTES => Err(Refused::new(
                RefusalReason::TooLarge,
                format!("the documents have {total} bytes, at most {MAX_DOCUMENTS_BYTES} are read"),
            )),
            None => Ok(payload),
        }
    }

    /// The payload as JSON; what is signed.
    pub fn to_json(&self) -> String {
        let documents: Vec<Value> = self.documents.iter().map(|document| document.to_json()).collect();
        json!({
            "version": MANIFEST_VERSION,
            "fleet": self.fleet,
            "name": self.name,
            "epoch": self.epoch,
            "issued_at": self.issued_at.as_seconds(),
            "expires_at": self.expires_at.as_seconds(),
            "max_staleness_seconds": self.max_staleness_seconds,
            "when_stale": self.when_stale.name(),
            "documents": documents,
        })
        .to_string()
    }

    /// How long the bundle decides.
    pub const fn freshness(&self) -> Freshness {
        Freshness {
            fresh_until: self.expires_at,
            stale_until: self.expires_at.plus_seconds(self.max_staleness_seconds),
            when_stale: self.when_stale,
        }
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&[
            "version",
            "fleet",
            "name",
            "epoch",
            "issued_at",
            "expires_at",
            "max_staleness_seconds",
            "when_stale",
            "documents",
        ])?;
        let version = fields.required("version").and_then(|node| document::read_version(&node, MANIFEST_VERSION));
        let (fleet, name) = (fields.required("fleet"), fields.required("name"));
        let (fleet, name) = (fleet.and_then(|node| read_label(&node)), name.and_then(|node| read_label(&node)));
        let epoch = fields.required("epoch").and_then(|node| node.integer(0..=MAX_EPOCH));
        let time = |name| fields.required(name).and_then(|node| node.integer(0..=MAX_EPOCH));
        let (issued_at, expires_at) = (time("issued_at"), time("expires_at"));
        let staleness = fields
            .optional("max_staleness_seconds")
            .map_or(Some(DEFAULT_STALENESS_SECONDS), |node| node.integer(0..=MAX_STALENESS_SECONDS));
        let when_stale =
            fields.optional("when_stale").map_or(Some(WhenStale::default()), |node| read_when_stale(&node));
        let documents = fields.required("documents").and_then(|node| read_documents(&node));
        version?;
        let (issued_at, expires_at) = (issued_at?, expires_at?);
        if expires_at <= issued_at {
            return fields.required("expires_at")?.refuse("is not after `issued_at`");
        }
        Some(Self {
            fleet: fleet?,
            name: name?,
            epoch: epoch?,
            issued_at: UnixTime::from_seconds(issued_at),
            expires_at: UnixTime::from_seconds(expires_at),
            max_staleness_seconds: staleness?,
            when_stale: when_stale?,
            documents: documents?,
        })
    }
}

impl DocumentReference {
    fn to_json(self) -> Value {
        json!({ "type": self.kind.name(), "sha256": self.sha256.to_string(), "bytes": self.bytes })
    }

    fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let fields = node.object(&["type", "sha256", "bytes"])?;
        let kind = fields.required("type").and_then(|node| {
            let text = node.text()?;
            let Some(kind) = DocumentKind::ALL.into_iter().find(|kind| kind.name() == text) else {
                return node.refuse(format!("`{text}` is not a type of document that is known to this program"));
            };
            unique.claim("document", text, &node)?;
            Some(kind)
        });
        let sha256 = fields.required("sha256").and_then(|node| {
            Digest::from_hex(node.text()?).or_else(|| node.refuse("is not 64 lower-case hexadecimal digits"))
        });
        let bytes = fields.required("bytes").and_then(|node| node.integer(0..=MAX_EPOCH));
        let bytes = usize::try_from(bytes?).unwrap_or(usize::MAX);
        Some(Self { kind: kind?, sha256: sha256?, bytes })
    }
}

fn read_documents(node: &Node<'_>) -> Option<Vec<DocumentReference>> {
    let unique = Unique::default();
    let documents = node.list(|item| DocumentReference::read(item, &unique))?;
    match documents.iter().any(|document| document.kind == DocumentKind::Policy) {
        true => Some(documents),
        false => node.refuse("has no document of the type `policy`"),
    }
}

fn read_when_stale(node: &Node<'_>) -> Option<WhenStale> {
    let text = node.text()?;
    let known = WhenStale::NAMES.into_iter().find(|(name, _)| *name == text);
    known.map_or_else(
        || node.refuse(format!("`{text}` is not `serve`, `deny` or `deny-writes`")),
        |(_, when)| Some(when),
    )
}

/// The name of a fleet or bundle, which stands in paths and keys: letters, digits and `-_.`.
pub(super) fn read_label(node: &Node<'_>) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match node.text()? {
        text if text.len() <= MAX_LABEL_BYTES && text.bytes().all(plain) && text.bytes().any(|byte| byte != b'.') => {
            Some(text.to_owned())
        }
        text => node.refuse(format!("`{text}` is not a name: at most {MAX_LABEL_BYTES} letters, digits and `-_.`")),
    }
}
