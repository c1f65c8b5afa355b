//! The checkpoints of one replica: each follows from the one before, and the lines between are those that were signed.

use std::collections::{BTreeSet, HashMap};

use super::finding::{Finding, Kind, Place as At};
use crate::audit::checkpoint::{Cause, Checkpoint, Place, Segment, Stretch, jws};
use crate::public_keys::PublicKeys;

/// How far the checkpoints of a replica were read.
#[derive(Default)]
pub(super) struct Seals {
    /// None before the first good one, and after a bad one.
    place: Option<Place>,
    pub(super) count: u64,
    /// The number of the first.
    pub(super) first: Option<u64>,
    pub(super) last: Option<Checkpoint>,
    segment: Segment,
    /// Where the first record of each worker in it is.
    places: HashMap<String, At>,
    /// Lines since the last checkpoint.
    pub(super) lines: u64,
    /// Something in them was found already, and named.
    is_known_bad: bool,
    last_place: Option<At>,
}

impl Seals {
    /// Takes a line that is no checkpoint.
    pub(super) fn line(
        &mut self,
        text: &[u8],
        record: Option<(&crate::audit::record::Record, authz::record::RecordId)>,
        place: &At,
        is_bad: bool,
    ) -> Option<Finding> {
        let is_first = place.line == 1 && self.has_seal();
        self.segment.add(text, record);
        if let Some((record, _)) = record
            && !self.places.contains_key(&record.worker)
        {
            self.places.insert(record.worker.clone(), place.clone());
        }
        self.lines = self.lines.saturating_add(1);
        self.is_known_bad |= is_bad;
        self.last_place = Some(place.clone());
        is_first.then(|| no_beginning(place))
    }

    /// Whether the replica is one that signs.
    fn has_seal(&self) -> bool {
        self.count > 0
    }

    /// Takes a checkpoint; what is wrong with it, or with what came before it.
    pub(super) fn checkpoint(&mut self, line: &[u8], place: &At, keys: Option<&PublicKeys>) -> Vec<Finding> {
        let jws = jws(line).unwrap_or_default();
        let read = match keys {
            Some(keys) => Checkpoint::verify(jws, keys),
            None => Checkpoint::unverified(jws).ok_or_else(|| "is not a checkpoint of version 1".to_owned()),
        };
        let is_first_line = place.line == 1;
        let (segment, places) = (std::mem::take(&mut self.segment), std::mem::take(&mut self.places));
        let (lines, is_known_bad) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.is_known_bad));
        self.last_place = Some(place.clone());
        self.count = self.count.saturating_add(1);
        let checkpoint = match read {
            Ok(checkpoint) => checkpoint,
            Err(why) => {
                self.place = None;
                return vec![Finding::at(Kind::CheckpointInvalid, place.clone(), why)];
            }
        };
        let mut findings = Vec::new();
        let is_begin = checkpoint.cause == Cause::Begin;
        if is_first_line != is_begin || (self.first.is_none() && lines > 0 && self.count == 1) {
            findings.push(no_beginning(place));
        }
        findings.extend(self.follows(&checkpoint, place));
        // What was before the first one is not here; and where one is missing, lines may be too.
        let is_whole = self.place.is_some() && findings.is_empty();
        if is_whole && !is_known_bad && checkpoint.sha256 != segment.sha256() {
            findings.extend(compare(&checkpoint, &segment, &places, place));
        }
        self.place = Some(Place::after(checkpoint.number, line));
        self.first.get_or_insert(checkpoint.number);
        self.last = Some(checkpoint);
        findings
    }

    fn follows(&self, checkpoint: &Checkpoint, at: &At) -> Option<Finding> {
        let place = self.place.as_ref()?;
        let finding = |kind, message: String| Some(Finding::at(kind, at.clone(), message));
        let (number, before) = (checkpoint.number, place.number);
        match number.checked_sub(before) {
            Some(1) if checkpoint.previous == place.last => None,
            Some(1) => finding(
                Kind::CheckpointInvalid,
                format!("checkpoint {number} does not follow from what stands here as {before}"),
            ),
            Some(0) | None => finding(Kind::Moved, format!("checkpoint {number} comes after {before}")),
            Some(_) => finding(
                Kind::CheckpointMissing,
                format!("checkpoint {number} comes after {before}: those between, and their records, are not here"),
            ),
        }
    }

    /// What is wrong with the end.
    pub(super) fn end(&self) -> Option<Finding> {
        let last = self.last.as_ref()?;
        let place = self.last_place.clone()?;
        let number = last.number;
        let message = match (last.cause, self.lines) {
            (Cause::End, 0) => return None,
            (Cause::Rotation, 0) => format!("after checkpoint {number} comes another file, which is not here"),
            (_, 0) => format!(
                "checkpoint {number} is not the last: what came after it is not here, or its endpoint still runs (--partial)"
            ),
            (_, lines) => format!(
                "{lines} lines after checkpoint {number}, and no other: nothing shows whether they are all, unless the endpoint still runs (--partial)"
            ),
        };
        Some(Finding::at(Kind::NotClosed, place, message))
    }
}

fn no_beginning(place: &At) -> Finding {
    Finding::at(
        Kind::CheckpointMissing,
        place.clone(),
        "the checkpoint with which a file begins is not at its beginning",
    )
}

/// What is other than it was signed.
fn compare(signed: &Checkpoint, read: &Segment, places: &HashMap<String, At>, place: &At) -> Vec<Finding> {
    let of = |stretch: Option<&Stretch>| {
        stretch.map_or("none".to_owned(), |stretch| {
            format!("{} from {} to {}", stretch.records, stretch.first, stretch.last)
        })
    };
    let names: BTreeSet<&str> = signed.workers.iter().chain(read.workers()).map(|stretch| &*stretch.worker).collect();
    let by_name: HashMap<&str, &Stretch> = signed.workers.iter().map(|stretch| (&*stretch.worker, stretch)).collect();
    let signed_of = |name: &str| by_name.get(name).copied();
    let different = names.into_iter().filter(|name| signed_of(name) != read.worker(name));
    let mut findings: Vec<Finding> = different
        .map(|name| {
            let (was, is) = (of(signed_of(name)), of(read.worker(name)));
            let sequence = signed_of(name).or_else(|| read.worker(name)).map_or(0, |stretch| stretch.last);
            let number = signed.number;
            let message = format!("before checkpoint {number} its records were {was}; here they are {is}");
            // Of a worker that wrote nothing then, its first record is the one to look at.
            let added = places.get(name).filter(|_| signed_of(name).is_none());
            Finding::of(Kind::SealBroken, added.unwrap_or(place).clone(), name, sequence, message)
        })
        .collect();
    if findings.is_empty() {
        let message = format!(
            "the lines before checkpoint {} are not those that were signed, or not in their order",
            signed.number
        );
        findings.push(Finding::at(Kind::SealBroken, place.clone(), message));
    }
    findings
}
