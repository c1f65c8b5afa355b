//! The records of one worker, each tied to the one before it: what was changed, left out or moved afterwards shows.
//!
//! `docs/decision-log.md` is the specification. A record gets its place only when there is room for it, so a gap in the numbers is never
//! the worker's doing.

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest as _};

use super::members::Members;
use super::stamp::Stamp;
use crate::authorizer::Authorization;
use crate::decision::Effect;
use crate::jose::base64url;
use crate::time::UnixTime;

/// The id of a record, from which the id of the next is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// The id of the record that follows: `line` is its line up to `,"id":`. BLAKE2b with 16 bytes (RFC 7693), because a record is made for
    /// every request: in WebAssembly SHA-256 takes three times as long.
    ///
    /// # Example
    ///
    /// ```
    /// use authz::record::RecordId;
    ///
    /// let first = RecordId::default().next(br#"{"version":2"#);
    /// assert_eq!(first.to_string(), "87wbynPod25NaJgb2XHSSg");
    /// assert_eq!(RecordId::parse("87wbynPod25NaJgb2XHSSg"), Some(first));
    /// ```
    #[must_use]
    pub fn next(self, line: &[u8]) -> Self {
        Self(Blake2b::<U16>::new().chain_update(self.0).chain_update(line).finalize().into())
    }

    /// From 22 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode(text)?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base64url::encode(self.0))
    }
}

/// What a worker has recorded.
#[derive(Debug)]
pub struct Chain {
    worker: String,
    sequence: u64,
    last: RecordId,
    unsampled: u64,
    lost: Lost,
    stamp: Stamp,
}

/// How many records there was no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lost {
    permits: u64,
    denials: u64,
}

/// A record that has its place when [`Chain::commit`] takes it.
#[derive(Debug)]
pub struct Draft {
    line: Vec<u8>,
    id: RecordId,
}

impl Draft {
    /// The line, without an end.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The id of the decision.
    pub const fn id(&self) -> RecordId {
        self.id
    }
}

/// Bytes of a record besides what is about the request.
const FRAME_BYTES: usize = 320;

impl Chain {
    /// Of a worker that has recorded nothing. No two workers may have the same number.
    pub fn new(worker: u64) -> Self {
        let worker = format!("{worker:016x}");
        Self {
            worker,
            sequence: 0,
            last: RecordId::default(),
            unsampled: 0,
            lost: Lost::default(),
            stamp: Stamp::default(),
        }
    }

    /// The record of a decision, if it is the next one; `was_asked` says whether an authorization server was asked about it.
    pub fn draft(&mut self, authorization: &Authorization, was_asked: bool, now: UnixTime) -> Draft {
        let decision = authorization.decision();
        let mut members = Members::open(FRAME_BYTES.saturating_add(authorization.about().len()));
        members.member(&[super::VERSION]);
        members.plain("time", self.stamp.at(now));
        members.plain("worker", &self.worker);
        members.number("sequence", self.sequence.saturating_add(1));
        decision.write_outcome(&mut members);
        members.extend(authorization.about());
        if let Some(transaction) = authorization.transaction() {
            members.plain("transaction", transaction);
        }
        let class = if was_asked { "asked" } else { authorization.latency_class().name() };
        members.plain("latency_class", class);
        decision.write_others(&mut members);
        if self.unsampled > 0 {
            members.number("unsampled", self.unsampled);
        }
        if self.lost != Lost::default() {
            members.object("lost", |members| {
                members.number("permit", self.lost.permits);
                members.number("deny", self.lost.denials);
            });
        }
        let mut line = members.into_bytes();
        let id = self.last.next(&line);
        line.extend(format!(r#","id":"{id}"}}"#).as_bytes());
        Draft { line, id }
    }

    /// Gives the next place to a record; its line.
    pub fn commit(&mut self, draft: Draft) -> Vec<u8> {
        self.sequence = self.sequence.saturating_add(1);
        self.last = draft.id;
        (self.unsampled, self.lost) = (0, Lost::default());
        draft.line
    }

    /// Counts a permit that sampling leaves out.
    pub fn leave_out(&mut self) {
        self.unsampled = self.unsampled.saturating_add(1);
    }

    /// Counts a record that there is no room for.
    pub fn lose(&mut self, effect: Effect) {
        let count = match effect {
            Effect::Permit => &mut self.lost.permits,
            Effect::Deny => &mut self.lost.denials,
        };
        *count = count.saturating_add(1);
    }
}
