//! The manifest: a JWS in general JSON serialization (RFC 7515 section 7.2.1), unverified and verified.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::digest::Digest;
use super::payload::ManifestPayload;
use super::refusal::{RefusalReason, Refused};
use super::trust::Trust;
use crate::document::{self, Node};
use crate::jose::{Algorithm, PreparedKeys, UnverifiedJws, base64url};
use crate::limits::{MAX_MANIFEST_BYTES, MAX_SIGNATURES};
use crate::reason::Reason;

/// The type of the header: a signature for anything else is none of a manifest (RFC 8725 section 3.11).
const TYPE: &str = "portcullis-manifest+jws";

/// A manifest whose signatures have not been checked. Nothing in it is believed.
///
/// # Example
///
/// What a publisher makes, and what a proxy does with it:
///
/// ```
/// use authz::distribution::{Admission, DocumentKind, DocumentReference, ManifestPayload, Trust, UnverifiedManifest, WhenStale};
/// use authz::{Algorithm, UnixTime};
///
/// let policy = br#"{ "version": 1, "issuers": [], "rules": [] }"#;
/// let payload = ManifestPayload {
///     fleet: "production".to_owned(), name: "bank".to_owned(), epoch: 42,
///     issued_at: UnixTime::from_seconds(1_800_000_000), expires_at: UnixTime::from_seconds(1_800_003_600),
///     max_staleness_seconds: 86_400, when_stale: WhenStale::Serve,
///     documents: vec![DocumentReference::of(DocumentKind::Policy, policy)],
/// };
/// let key = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([7; 32]));
/// let sign = |message: &[u8]| key.sk.sign(message, None).to_vec();
/// let text = UnverifiedManifest::unsigned(&payload).signed_by(Algorithm::EdDsa, "2026-11", sign).to_json();
///
/// # use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
/// # let x = URL_SAFE_NO_PAD.encode(key.pk.as_ref());
/// let trust = Trust::parse(format!(r#"{{ "fleet": "production", "name": "bank", "keys": [
///     {{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "2026-11", "x": "{x}" }}
/// ] }}"#).as_bytes())?;
/// let now = UnixTime::from_seconds(1_800_000_060);
/// let manifest = UnverifiedManifest::parse(text.as_bytes())?.verify(&trust)?;
/// let Admission::New(mut activation) = manifest.admit(None, None, now)? else { unreachable!("nothing was adopted before") };
/// for missing in activation.missing() {
///     activation.supply(missing.sha256, policy.to_vec())?;
/// }
/// let (adopted, authorizer) = activation.activate()?;
/// assert_eq!(adopted.epoch, 42);
/// assert!(authorizer.is_serving(now));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedManifest {
    /// The payload in base64url, as it was sent: what is signed.
    payload: String,
    signatures: Vec<Signature>,
}

/// One signature, as it was sent; empty where it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Signature {
    protected: String,
    signature: String,
}

impl UnverifiedManifest {
    /// A manifest that nobody has signed yet.
    pub fn unsigned(payload: &ManifestPayload) -> Self {
        Self { payload: base64url::encode(payload.to_json()), signatures: Vec::new() }
    }

    /// The same with one more signature: `sign` gets the bytes to sign (RFC 7515 section 5.1) and gives the signature as
    /// RFC 7518 section 3.4 and RFC 8037 section 3.1 have it.
    #[must_use]
    pub fn signed_by(mut self, algorithm: Algorithm, key_id: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let header = json!({ "alg": algorithm.name(), "kid": key_id, "typ": TYPE });
        let protected = base64url::encode(header.to_string());
        let signature = base64url::encode(sign(format!("{protected}.{}", self.payload).as_bytes()));
        self.signatures.push(Signature { protected, signature });
        self
    }

    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// `malformed` or `too_large`.
    pub fn parse(text: &[u8]) -> Result<Self, Refused> {
        if text.len() > MAX_MANIFEST_BYTES {
            let detail = format!("has {} bytes, at most {MAX_MANIFEST_BYTES} are read", text.len());
            return Err(Refused::new(RefusalReason::TooLarge, detail));
        }
        document::read(text, Self::read).map_err(|errors| Refused::new(RefusalReason::Malformed, errors.to_string()))
    }

    /// The manifest as JSON.
    pub fn to_json(&self) -> String {
        let signatures: Vec<Value> = self
            .signatures
            .iter()
            .map(|signature| json!({ "protected": signature.protected, "signature": signature.signature }))
            .collect();
        json!({ "payload": self.payload, "signatures": signatures }).to_string()
    }

    /// What it says, whoever wrote it: for those who show it or sign it themselves.
    ///
    /// # Errors
    ///
    /// `malformed` or `too_large`.
    pub fn unverified_payload(&self) -> Result<ManifestPayload, Refused> {
        let payload = base64url::decode(&self.payload)
            .ok_or_else(|| Refused::new(RefusalReason::Malformed, "payload: is not base64url without padding"))?;
        ManifestPayload::parse(&payload)
    }

    /// Checks the signatures, and that it is for this fleet and bundle.
    ///
    /// A signature without `kid`, or by a key that is not trusted, does not count. One that names a trusted key and is not
    /// its signature refuses the manifest, whatever the others say.
    ///
    /// # Errors
    ///
    /// Why it is not accepted.
    pub fn verify(self, trust: &Trust) -> Result<Manifest, Refused> {
        let is_empty = |signature: &Signature| signature.signature.is_empty() || signature.protected.is_empty();
        if self.signatures.is_empty() || self.signatures.iter().any(is_empty) {
            return Err(Refused::new(RefusalReason::SignatureMissing, "there is no signature, or an empty one"));
        }
        let mut signers = BTreeSet::new();
        for signature in &self.signatures {
            signers.extend(self.signer(signature, trust)?);
        }
        if signers.is_empty() {
            return Err(Refused::new(RefusalReason::SignerUnknown, "no signature is by one of the keys in `trust`"));
        }
        if signers.len() < trust.threshold {
            let detail = format!("{} of {} signatures that are needed are there", signers.len(), trust.threshold);
            return Err(Refused::new(RefusalReason::ThresholdNotMet, detail));
        }
        let payload = self.unverified_payload()?;
        if payload.fleet != trust.fleet {
            let detail = format!("it is for the fleet `{}`, this is `{}`", payload.fleet, trust.fleet);
            return Err(Refused::new(RefusalReason::FleetMismatch, detail));
        }
        if payload.name != trust.name {
            let detail = format!("it is the bundle `{}`, wanted is `{}`", payload.name, trust.name);
            return Err(Refused::new(RefusalReason::NameMismatch, detail));
        }
        Ok(Manifest { digest: Digest::of(self.payload.as_bytes()), payload, text: self.to_json() })
    }

    /// The trusted key that has signed; none if it is not a trusted one.
    fn signer(&self, signature: &Signature, trust: &Trust) -> Result<Option<String>, Refused> {
        // A JWS in compact serialization signs the same bytes: there is one reader, and one check.
        let compact = format!("{}.{}.{}", signature.protected, self.payload, signature.signature);
        let jws = UnverifiedJws::parse(compact.as_bytes()).map_err(|reason| match reason {
            Reason::TokenTooLong => Refused::new(RefusalReason::TooLarge, "the payload is too long"),
            Reason::AlgorithmRefused => Refused::new(RefusalReason::SignatureInvalid, "signed by no known algorithm"),
            _ => Refused::new(RefusalReason::Malformed, "a signature, its header or the payload is not well formed"),
        })?;
        let header = jws.header();
        let is_ours = |name: &String| ["alg", "kid", "typ"].contains(&name.as_str());
        if header.members().get("typ").and_then(Value::as_str) != Some(TYPE) || !header.members().keys().all(is_ours) {
            let detail = format!("a header has something other than `alg`, `kid` and the `typ` `{TYPE}`");
            return Err(Refused::new(RefusalReason::Malformed, detail));
        }
        let Some(key_id) = header.key_id.clone() else { return Ok(None) };
        let Some(key) = trust.key(&key_id) else { return Ok(None) };
        // One signature now and then is not worth a prepared key.
        jws.verify(key, &PreparedKeys::default()).map_err(|_| {
            Refused::new(RefusalReason::SignatureInvalid, format!("not the signature of the trusted key `{key_id}`"))
        })?;
        Ok(Some(key_id))
    }

    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["payload", "signatures"])?;
        let payload = fields.required("payload").and_then(|node| node.text());
        // Without signatures it is refused for that, and not for its form.
        let signatures = fields.optional("signatures").map_or(Some(Vec::new()), |node| {
            let signatures = node.list(Signature::read)?;
            if signatures.len() > MAX_SIGNATURES {
                return node.refuse(format!("has {} entries, at most {MAX_SIGNATURES} are read", signatures.len()));
            }
            Some(signatures)
        });
        Some(Self { payload: payload?.to_owned(), signatures: signatures? })
    }
}

impl Signature {
    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["protected", "signature"])?;
        let text = |name| match fields.optional(name) {
            None => Some(String::new()),
            Some(node) if node.value().as_str() == Some("") => Some(String::new()),
            Some(node) => node.text().map(str::to_owned),
        };
        let (protected, signature) = (text("protected"), text("signature"));
        Some(Self { protected: protected?, signature: signature? })
    }
}

/// A manifest signed by whom we trust, for this fleet and bundle. Can only be had from [`UnverifiedManifest::verify`].
#[derive(Clone, Debug)]
pub struct Manifest {
    pub(super) payload: ManifestPayload,
    /// Of the payload, as it was signed.
    pub(super) digest: Digest,
    text: String,
}

impl Manifest {
    /// What it says.
    pub const fn payload(&self) -> &ManifestPayload {
        &self.payload
    }

    /// The manifest as JSON, signatures and all.
    pub fn text(&self) -> &str {
        &self.text
    }
}
