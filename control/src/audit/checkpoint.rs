//! What the endpoint signs now and then about what it has written: `control/schema/audit-checkpoint.schema.json`.
//!
//! The chain of a worker shows what was changed, as long as nobody computes all of it anew. A checkpoint shows that too: it has the
//! hash of everything since the one before, and which record of each worker was the last.

use std::collections::BTreeMap;

use authz::record::RecordId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::public_keys::{PublicKeys, unverified_payload};
use crate::signing_key::SigningKey;

/// The `typ` of the JWS: no checkpoint is a manifest, and no manifest a checkpoint.
pub(crate) const TYPE: &str = "portcullis-audit-checkpoint+jws";

/// The version of the format.
const VERSION: u64 = 1;

/// How a line begins that is a checkpoint and no record.
const BEGINNING: &[u8] = b"{\"checkpoint\":\"";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    pub(crate) version: u64,
    pub(crate) fleet: String,
    pub(crate) replica: String,
    /// Of the replica, from 1.
    pub(crate) number: u64,
    pub(crate) time: String,
    pub(crate) cause: Cause,
    /// The hash of the line of the checkpoint before; null for the first.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) previous: Option<String>,
    /// The hash of all lines since then, and how many records they are.
    pub(crate) sha256: String,
    pub(crate) records: u64,
    pub(crate) workers: Vec<Stretch>,
}

/// Why there is a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// A file begins.
    Begin,
    /// Some time is over.
    Period,
    /// A file ends: it is large or old enough.
    Rotation,
    /// The endpoint ends in good order.
    End,
}

/// What came of one worker since the checkpoint before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stretch {
    pub(crate) worker: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) records: u64,
    /// The id of the last.
    pub(crate) id: String,
}

/// The lines since the last checkpoint: those that are written, and later those that are read.
#[derive(Clone, Default)]
pub(crate) struct Segment {
    hash: hmac_sha256::Hash,
    pub(crate) records: u64,
    workers: BTreeMap<String, Stretch>,
}

impl Segment {
    /// Takes a line as it is in the file.
    pub(crate) fn add(&mut self, line: &[u8], record: Option<(&Record, RecordId)>) {
        self.hash.update(line);
        self.hash.update(b"\n");
        let Some((record, id)) = record else { return };
        self.records = self.records.saturating_add(1);
        let stretch = self.workers.entry(record.worker.clone()).or_insert_with(|| Stretch {
            worker: record.worker.clone(),
            first: record.sequence,
            last: 0,
            records: 0,
            id: String::new(),
        });
        stretch.last = record.sequence;
        stretch.records = stretch.records.saturating_add(1);
        stretch.id = id.to_string();
    }

    pub(crate) fn sha256(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.hash.finalize())
    }

    /// By the names of the workers.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &Stretch> {
        self.workers.values()
    }

    pub(crate) fn worker(&self, name: &str) -> Option<&Stretch> {
        self.workers.get(name)
    }
}

impl Checkpoint {
    /// A line for the file, without its end.
    pub(crate) fn to_line(&self, key: &SigningKey) -> Vec<u8> {
        // Names and numbers are always JSON.
        let payload = serde_json::to_vec(self).unwrap_or_default();
        [BEGINNING, key.sign_jws(TYPE, &payload).as_bytes(), b"\"}"].concat()
    }

    /// A checkpoint that somebody has signed, or not: nothing is verified.
    pub(crate) fn unverified(jws: &str) -> Option<Self> {
        Self::from_payload(&unverified_payload(jws)?)
    }

    /// A checkpoint that one of the keys has signed; else what is wrong.
    pub(crate) fn verify(jws: &str, keys: &PublicKeys) -> Result<Self, String> {
        let payload = keys.verify(TYPE, jws)?;
        Self::from_payload(&payload).ok_or_else(|| "is not a checkpoint of version 1".to_owned())
    }

    fn from_payload(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok().filter(|checkpoint: &Self| checkpoint.version == VERSION)
    }
}

/// The place of the next checkpoint among those of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// How many there were.
    pub(crate) number: u64,
    /// The hash of the last line.
    pub(crate) last: Option<String>,
}

impl Place {
    /// After a checkpoint with this number and line.
    pub(crate) fn after(number: u64, line: &[u8]) -> Self {
        Self { number, last: Some(URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(line))) }
    }

    /// The checkpoint that comes next, about these lines.
    pub(crate) fn next(&self, fleet: &str, replica: &str, time: String, cause: Cause, segment: &Segment) -> Checkpoint {
        Checkpoint {
            version: VERSION,
            fleet: fleet.to_owned(),
            replica: replica.to_owned(),
            number: self.number.saturating_add(1),
            time,
            cause,
            previous: self.last.clone(),
            sha256: segment.sha256(),
            records: segment.records,
            workers: segment.workers().cloned().collect(),
        }
    }
}

/// The JWS in a line that is a checkpoint; none in one that is something else.
pub(crate) fn jws(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line.strip_prefix(BEGINNING)?.strip_suffix(b"\"}")?).ok()
}
