//! What the workers of a host share, in its shared data: what was adopted, who asks the control endpoint, and who there is.
//!
//! Nothing that is read here is believed: a manifest and its documents are verified like those that come from the network, and
//! what no signature is about is sealed, so that a value that is damaged, torn, old or another's is ignored. Values are swapped by
//! their versions, and epochs only grow.

use std::cell::Cell;
use std::num::NonZeroU32;

use authz::UnixTime;
use authz::distribution::{
    Activation, Adopted, Delivery, Digest, DocumentKind, DocumentReference, Trust, UnverifiedManifest,
};

use super::clock;
use crate::host::{self, HostError, HostKind, Stored};
use crate::seal;

/// How often a write is tried again after another worker was faster.
const ATTEMPTS: usize = 8;

/// When a lease that is not renewed is free, in milliseconds.
const LEASE_MILLISECONDS: u64 = 4000;

/// How often its holder renews it.
const RENEW_MILLISECONDS: u64 = 1000;

/// Most bytes of the list of workers.
const MAX_WORKERS_BYTES: usize = 16 * 1024;

/// The names of the values, which are those of one bundle of one fleet.
pub(super) struct Shared {
    kind: HostKind,
    head: String,
    bundle: String,
    /// Packed revocations, apart: they are long and do not change with every epoch.
    packed: String,
    /// Those that this worker has stored, or found there.
    stored: Cell<Option<Digest>>,
    /// How long a value is for which there was no room.
    too_long: String,
    /// That of those who ask this endpoint: what lives on after a reload may hold that of another, which is none of theirs.
    lease: String,
    workers: String,
}

impl Shared {
    pub(super) fn of(delivery: &Delivery, kind: HostKind) -> Self {
        let trust = &delivery.trust;
        let name = |what: &str| format!("portcullis.{}/{}.{what}", trust.fleet(), trust.name());
        let endpoint = delivery.control.as_ref().map(|control| format!("{}/{}", control.cluster, control.authority));
        Self {
            kind,
            head: name("head"),
            bundle: name("bundle"),
            packed: name("packed"),
            stored: Cell::default(),
            too_long: name("too_long"),
            lease: name(&format!("lease@{}", endpoint.unwrap_or_default())),
            workers: name("workers"),
        }
    }

    /// A value of ours, if there is one, and the version of what is there.
    fn read(&self, name: &str) -> Result<(Option<Vec<u8>>, Option<NonZeroU32>), HostError> {
        let (value, version) = host::shared_data(name)?;
        Ok((seal::open(name, value), version))
    }

    fn write(&self, name: &str, sealed: &[u8], version: Option<NonZeroU32>) -> Result<Stored, HostError> {
        host::set_shared_data(self.kind, name, sealed, version)
    }

    /// The same for a value for which there may be no room. Kong's host traps then, and whoever comes after the trap would run into it
    /// again and never decide a request. So its length is noted before, and the note taken back when it is stored. What is as long
    /// as a note that was left behind counts as stored: nobody tries it again, and the other workers ask for themselves.
    fn write_long(&self, name: &str, value: &[u8], version: Option<NonZeroU32>) -> Result<Stored, HostError> {
        if self.kind.is_envoy() {
            return self.write(name, value, version);
        }
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        let (noted, version_of_note) = self.read(&self.too_long)?;
        let noted = noted.as_deref().and_then(<[u8]>::first_chunk).map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
        if length >= noted {
            host::log_error(&format!(
                "portcullis: the zone for shared data has no room for {length} bytes: it must be larger"
            ));
            return Ok(Stored::Yes);
        }
        let note = |length: u64, version| {
            self.write(&self.too_long, &seal::seal(&self.too_long, length.to_le_bytes().to_vec()), version)
        };
        if note(length, version_of_note)? == Stored::Overtaken {
            return Ok(Stored::Overtaken);
        }
        let stored = self.write(name, value, version)?;
        note(noted, self.read(&self.too_long)?.1)?;
        Ok(stored)
    }

    /// What was adopted on this host: the floor of all epochs.
    pub(super) fn head(&self) -> Result<Option<Adopted>, HostError> {
        Ok(self.read(&self.head)?.0.as_deref().and_then(read_head))
    }

    /// Stores what was adopted, unless something newer is there.
    pub(super) fn publish(&self, adopted: &Adopted, activation: &Activation) -> Result<(), HostError> {
        let (packed, others): (Vec<_>, Vec<_>) =
            activation.documents().partition(|(reference, _)| is_packed(reference));
        let documents = others.into_iter().map(|(_, document)| document);
        let pieces = std::iter::once(activation.manifest().text().as_bytes()).chain(documents);
        let stored = packed.into_iter().try_for_each(|(reference, document)| self.store_packed(reference, document));
        let stored = stored.and_then(|()| join(adopted.epoch, pieces));
        let stored = stored.and_then(|value| self.raise(&self.bundle, adopted.epoch, value));
        // The head in any case: nobody adopts anything older any more, and whoever sees it and no bundle asks for itself.
        self.raise(&self.head, adopted.epoch, write_head(adopted))?;
        stored
    }

    /// Stores packed revocations, unless they are there. Whoever reads them knows by their SHA-256 whether they are the right ones.
    fn store_packed(&self, reference: &DocumentReference, document: &[u8]) -> Result<(), HostError> {
        if self.stored.get() == Some(reference.sha256) {
            return Ok(());
        }
        let (current, version) = host::shared_data(&self.packed)?;
        // Whoever was faster has adopted something newer, or the same.
        if current != document && self.write_long(&self.packed, document, version)? == Stored::Overtaken {
            return Err(HostError);
        }
        self.stored.set(Some(reference.sha256));
        Ok(())
    }

    /// Replaces a value that starts with a smaller epoch, or is not ours.
    fn raise(&self, name: &str, epoch: u64, value: Vec<u8>) -> Result<(), HostError> {
        let sealed = seal::seal(name, value);
        for _ in 0..ATTEMPTS {
            let (current, version) = self.read(name)?;
            let current = current.as_deref().and_then(<[u8]>::first_chunk);
            let is_newer = current.is_none_or(|bytes| u64::from_le_bytes(*bytes) < epoch);
            if !is_newer || self.write_long(name, &sealed, version)? == Stored::Yes {
                return Ok(());
            }
        }
        Err(HostError)
    }

    /// What another worker adopted, or an earlier VM, with documents that are still to be verified; none if there is nothing good.
    /// What is held is not read again.
    pub(super) fn resume(
        &self,
        trust: &Trust,
        floor: Option<&Adopted>,
        held: Option<&Activation>,
    ) -> Option<Activation> {
        let value = self.read(&self.bundle).ok()?.0?;
        let mut pieces = split(&value)?.into_iter();
        let manifest = UnverifiedManifest::parse(pieces.next()?).ok()?.verify(trust).ok()?;
        let mut activation = manifest.resume(floor).ok()?;
        if let Some(held) = held {
            activation.inherit(held);
        }
        let missing = activation.missing();
        for reference in activation.manifest().payload().documents.clone() {
            let piece = if is_packed(&reference) { None } else { Some(pieces.next()?) };
            if missing.contains(&reference) {
                let document = match piece {
                    Some(piece) => piece.to_vec(),
                    None => host::shared_data(&self.packed).ok()?.0,
                };
                activation.offer(Some(reference.sha256), document);
            }
        }
        Some(activation)
    }

    /// Whether this worker is the one that asks the control endpoint. Whoever dies is followed by another.
    pub(super) fn holds_lease(&self, worker: u64, now: UnixTime) -> Result<bool, HostError> {
        let (value, version) = self.read(&self.lease)?;
        let lease = value.as_deref().and_then(read_lease);
        let is_own = lease.is_some_and(|(holder, _)| holder == worker);
        let is_free = lease.is_none_or(|(_, renewed)| !clock::is_within(renewed, now, LEASE_MILLISECONDS));
        let is_due = lease.is_none_or(|(_, renewed)| !clock::is_within(renewed, now, RENEW_MILLISECONDS));
        if is_free || (is_own && is_due) {
            let value = [worker.to_le_bytes(), now.as_millis().to_le_bytes()].concat();
            return Ok(self.write(&self.lease, &seal::seal(&self.lease, value), version)? == Stored::Yes);
        }
        Ok(is_own)
    }

    /// The list of workers, as it was stored, and its version.
    pub(super) fn workers(&self) -> Result<(Vec<u8>, Option<NonZeroU32>), HostError> {
        let (list, version) = self.read(&self.workers)?;
        Ok((list.unwrap_or_default(), version))
    }

    /// Replaces the list of workers; an error for whoever is overtaken, who has to read it again.
    pub(super) fn set_workers(&self, list: Vec<u8>, version: Option<NonZeroU32>) -> Result<(), HostError> {
        if list.len() > MAX_WORKERS_BYTES {
            return Err(HostError);
        }
        match self.write(&self.workers, &seal::seal(&self.workers, list), version)? {
            Stored::Yes => Ok(()),
            Stored::Overtaken => Err(HostError),
        }
    }
}

fn is_packed(reference: &DocumentReference) -> bool {
    reference.kind == DocumentKind::PackedRevocations
}

fn write_head(adopted: &Adopted) -> Vec<u8> {
    [&adopted.epoch.to_le_bytes()[..], adopted.payload.as_bytes()].concat()
}

fn read_head(value: &[u8]) -> Option<Adopted> {
    let (epoch, payload) = value.split_first_chunk()?;
    Some(Adopted { epoch: u64::from_le_bytes(*epoch), payload: Digest::from_bytes(payload.try_into().ok()?) })
}

fn read_lease(value: &[u8]) -> Option<(u64, UnixTime)> {
    let (worker, renewed) = value.split_first_chunk()?;
    let renewed = u64::from_le_bytes(renewed.try_into().ok()?);
    Some((u64::from_le_bytes(*worker), UnixTime::from_millis(renewed)))
}

/// The epoch, and each piece with its length before it.
fn join<'p>(epoch: u64, pieces: impl Iterator<Item = &'p [u8]>) -> Result<Vec<u8>, HostError> {
    let mut value = epoch.to_le_bytes().to_vec();
    for piece in pieces {
        value.extend(u32::try_from(piece.len()).map_err(|_| HostError)?.to_le_bytes());
        value.extend(piece);
    }
    Ok(value)
}

fn split(value: &[u8]) -> Option<Vec<&[u8]>> {
    let (_, mut rest) = value.split_first_chunk::<8>()?;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk()?;
        let (piece, behind) = behind.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        pieces.push(piece);
        rest = behind;
    }
    Some(pieces)
}
