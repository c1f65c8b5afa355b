//! Revoked tokens and sessions by the hundred thousand: a document that is searched as it is, and never made into anything else.
//!
//! An entry is the beginning of a SHA-256 and a time. That two names have the same beginning is a matter of 2⁻⁶⁴ for each pair;
//! then a good token is refused, and never a revoked one permitted. Nobody can find a name that has the beginning of another's.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::is_over;
use crate::limits::MAX_PACKED_REVOCATIONS;
use crate::principal::{Attribute, Identity};
use crate::steps::{self, pause};
use crate::time::UnixTime;

/// What a document begins with: its type and version.
const MAGIC: [u8; 8] = *b"revoked1";

/// The bytes of an entry: a fingerprint, and when the entry dies.
const ENTRY_BYTES: usize = 12;

/// Longest document of packed revocations.
pub(crate) const MAX_PACKED_BYTES: usize = MAGIC.len() + ENTRY_BYTES * MAX_PACKED_REVOCATIONS;

/// How many entries are checked in one step.
const STEP_ENTRIES: usize = 1024;

/// What can be packed: what never comes again, so that nothing but the name and the end has to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackedKind {
    /// One token, by its `jti`.
    Token,
    /// All tokens of a session, by its `sid`.
    Session,
}

/// A packed document that is sound: entries in the order of their fingerprints, each once.
#[derive(Debug)]
pub(super) struct PackedRevocations(Rc<Vec<u8>>);

/// The first 64 bits of a SHA-256, as a number: their order is that of the bytes, which WebAssembly compares one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint(u64);

/// The fingerprints under which a token may be revoked. They are those of the token, whatever the bundle.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(OnceCell<[Option<Fingerprint>; 2]>);

impl Fingerprint {
    fn of(kind: PackedKind, issuer: &str, name: &str) -> Self {
        let tag = match kind {
            PackedKind::Token => b't',
            PackedKind::Session => b's',
        };
        Self::with_tag(tag, issuer, name)
    }

    /// Stands for every session of an issuer: a `sid` of the wrong type may be any of them.
    fn of_some_session(issuer: &str) -> Self {
        Self::with_tag(b'?', issuer, "")
    }

    fn with_tag(tag: u8, issuer: &str, name: &str) -> Self {
        let mut hash = hmac_sha256::Hash::new();
        hash.update([tag]);
        // With its length, so that no two pairs of issuer and name are the same text.
        hash.update(u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(issuer);
        hash.update(name);
        let [a, b, c, d, e, f, g, h, ..] = hash.finalize();
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl Fingerprints {
    fn get(&self, issuer: &str, identity: &Identity) -> impl Iterator<Item = Fingerprint> {
        let made = self.0.get_or_init(|| {
            let token = identity.token_id.as_deref().map(|name| Fingerprint::of(PackedKind::Token, issuer, name));
            let session = match identity.session() {
                Attribute::Absent => None,
                Attribute::Present(name) => Some(Fingerprint::of(PackedKind::Session, issuer, name)),
                Attribute::Malformed => Some(Fingerprint::of_some_session(issuer)),
            };
            [token, session]
        });
        made.iter().copied().flatten()
    }
}

impl PackedRevocations {
    /// Checks a document, in steps.
    ///
    /// # Errors
    ///
    /// It is not one, is too long, or an entry is not where it would be found.
    pub(super) async fn read(document: Rc<Vec<u8>>) -> Result<Self, String> {
        let entries = entries(&document)?;
        if entries.len() > MAX_PACKED_REVOCATIONS {
            return Err(format!("has {} entries, at most {MAX_PACKED_REVOCATIONS} are read", entries.len()));
        }
        let mut last = None;
        for (index, entry) in entries.iter().enumerate() {
            let (fingerprint, _) = split(entry);
            if last.is_some_and(|last| last >= fingerprint) {
                return Err(format!("entry {index} is not in the order of fingerprints"));
            }
            last = Some(fingerprint);
            if index.is_multiple_of(STEP_ENTRIES) {
                pause().await;
            }
        }
        Ok(Self(document))
    }

    /// Whether a token of this issuer is revoked.
    pub(super) fn concern(&self, issuer: &str, identity: &Identity, now: UnixTime) -> bool {
        // It was checked. A document of which nothing can be said revokes everything, and not nothing.
        let Ok(entries) = entries(&self.0) else { return true };
        identity.fingerprints.get(issuer, identity).any(|wanted| {
            let found = entries.binary_search_by_key(&wanted, |entry| split(entry).0);
            found.ok().and_then(|index| entries.get(index)).is_some_and(|entry| !is_over(split(entry).1, now))
        })
    }
}

/// The entries of a document.
fn entries(document: &[u8]) -> Result<&[[u8; ENTRY_BYTES]], String> {
    let packed = document.strip_prefix(&MAGIC).ok_or("does not begin with `revoked1`")?;
    match packed.as_chunks() {
        (entries, []) => Ok(entries),
        _ => Err("ends in the middle of an entry".to_owned()),
    }
}

fn split(entry: &[u8; ENTRY_BYTES]) -> (Fingerprint, UnixTime) {
    let [a, b, c, d, e, f, g, h, until @ ..] = *entry;
    let fingerprint = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (Fingerprint(fingerprint), UnixTime::from_seconds(u32::from_be_bytes(until).into()))
}

/// Makes a document.
///
/// # Example
///
/// ```
/// use authz::UnixTime;
/// use authz::distribution::{PackedKind, RevocationPacker};
///
/// let mut packer = RevocationPacker::default();
/// assert!(packer.add(PackedKind::Token, "https://idp.example.com", "4f2c", UnixTime::from_seconds(1_800_000_000)));
/// assert_eq!(packer.pack().map(|document| document.len()), Some(8 + 12));
/// ```
#[derive(Clone, Debug, Default)]
pub struct RevocationPacker(BTreeMap<Fingerprint, u32>);

impl RevocationPacker {
    /// With those entries of a document that are not dead yet.
    ///
    /// # Errors
    ///
    /// It is no document of packed revocations.
    pub fn with(document: Vec<u8>, now: UnixTime) -> Result<Self, String> {
        let document = steps::finish(PackedRevocations::read(Rc::new(document)))?;
        let living = entries(&document.0)?.iter().map(split).filter(|(_, until)| !is_over(*until, now));
        let packed =
            living.map(|(fingerprint, until)| (fingerprint, u32::try_from(until.as_seconds()).unwrap_or(u32::MAX)));
        Ok(Self(packed.collect()))
    }

    /// Adds one. False, and nothing is added, if its end is later than an entry can say: in 2106.
    #[must_use]
    pub fn add(&mut self, kind: PackedKind, issuer: &str, name: &str, until: UnixTime) -> bool {
        let Ok(until) = u32::try_from(until.as_seconds()) else { return false };
        let some_session = (kind == PackedKind::Session).then(|| Fingerprint::of_some_session(issuer));
        for fingerprint in std::iter::once(Fingerprint::of(kind, issuer, name)).chain(some_session) {
            let known = self.0.entry(fingerprint).or_default();
            *known = until.max(*known);
        }
        true
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to pack.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The document; none if there are more entries than a proxy reads.
    pub fn pack(&self) -> Option<Vec<u8>> {
        if self.len() > MAX_PACKED_REVOCATIONS {
            return None;
        }
        let mut document = MAGIC.to_vec();
        for (Fingerprint(fingerprint), until) in &self.0 {
            document.extend(fingerprint.to_be_bytes());
            document.extend(until.to_be_bytes());
        }
        Some(document)
    }
}
