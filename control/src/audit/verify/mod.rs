//! `portcullis audit verify`: whether a log is the one that was written.

mod chains;
mod finding;
mod order;
mod output;
mod seals;
mod streams;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

use authz::record::RecordId;
use clap::Args;

use self::chains::{Chains, Link, Wrong};
pub(crate) use self::finding::{Finding, Kind, Place};
use self::order::Order;
pub(crate) use self::output::Output;
use self::seals::Seals;
use self::streams::{Item, ItemKind, Stream};
use super::record::{Line, Lost, Record};
use crate::check::{REFUSED, UNREADABLE};
use crate::public_keys::PublicKeys;

/// More findings than this are counted and not kept: by then it is clear.
const MAX_FINDINGS: usize = 10_000;

/// What is verified.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) log: Log,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// A log, and how it is judged.
#[derive(Args)]
pub(crate) struct Log {
    /// Files of the decision log, of all replicas, or folders of them.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The public keys of the endpoint: a JWK, a JWK Set, or `trust` of the plugin configuration. Without it signatures are not checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// The files are not the whole log: the endpoint still writes, or there are later files. That the log has no end is no finding then.
    #[arg(long)]
    pub(crate) partial: bool,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Verification {
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) workers: usize,
    pub(crate) checkpoints: u64,
    pub(crate) has_keys: bool,
    /// The times of the earliest and the latest record.
    pub(crate) span: Option<(String, String)>,
    pub(crate) lost: Lost,
    pub(crate) unsampled: u64,
    /// What should be known, and is no finding.
    pub(crate) notes: Vec<String>,
    pub(crate) findings: Vec<Finding>,
    /// Findings that were not kept.
    pub(crate) omitted: u64,
}

/// Verifies a log; the exit code is 0 if nothing was found, 1 if something was, 2 if it cannot be read.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match verify(&arguments.log, &mut |_| {}) {
        Ok(verification) => {
            // Whoever stops reading (`| head`) has read enough; the exit code is what counts.
            drop(verification.print(arguments.output));
            if verification.is_clean() { ExitCode::SUCCESS } else { REFUSED.into() }
        }
        Err(why) => {
            eprintln!("{why}");
            UNREADABLE.into()
        }
    }
}

/// Reads a log once; `visit` gets every record that is not one that was there before.
pub(crate) fn verify(log: &Log, visit: &mut impl FnMut(&Record)) -> Result<Verification, String> {
    let keys = log.keys.as_deref().map(PublicKeys::load).transpose()?;
    let mut streams: Vec<(Stream, Replica)> =
        streams::streams(&log.files, log.partial)?.into_iter().map(|stream| (stream, Replica::default())).collect();
    let mut reading = Reading { keys, ..Reading::default() };
    reading.verification.has_keys = reading.keys.is_some();
    while let Some(index) = earliest(&mut streams)? {
        let Some((stream, replica)) = streams.get_mut(index) else { break };
        if let Some(item) = stream.take() {
            reading.take(replica, &item, visit);
        }
    }
    Ok(reading.finish(&streams, log.partial))
}

/// Which stream has the earliest line.
fn earliest(streams: &mut [(Stream, Replica)]) -> Result<Option<usize>, String> {
    let mut earliest: Option<(usize, String)> = None;
    let is_alone = streams.len() == 1;
    for (index, (stream, _)) in streams.iter_mut().enumerate() {
        let Some(time) = stream.next_time()? else { continue };
        if is_alone {
            return Ok(Some(index));
        }
        if earliest.as_ref().is_none_or(|(_, other)| time < other.as_str()) {
            earliest = Some((index, time.to_owned()));
        }
    }
    Ok(earliest.map(|(index, _)| index))
}

/// What is known of a replica.
#[derive(Default)]
struct Replica {
    seals: Seals,
    /// Where each worker is, as it stands in the files.
    order: HashMap<String, Order>,
}

/// The state of the whole.
#[derive(Default)]
struct Reading {
    keys: Option<PublicKeys>,
    chains: Chains,
    verification: Verification,
}

impl Reading {
    fn take(&mut self, replica: &mut Replica, item: &Item, visit: &mut impl FnMut(&Record)) {
        match &item.kind {
            ItemKind::Checkpoint => {
                self.verification.checkpoints = self.verification.checkpoints.saturating_add(1);
                let findings = replica.seals.checkpoint(&item.text, &item.place, self.keys.as_ref());
                self.verification.extend(findings);
            }
            ItemKind::Other(why) => {
                self.verification.extend([Finding::at(Kind::Malformed, item.place.clone(), why)]);
                let finding = replica.seals.line(&item.text, None, &item.place, true);
                self.verification.extend(finding);
            }
            ItemKind::Record(record, id) => {
                let is_bad = self.take_record(replica, item, record, *id, visit);
                let finding = replica.seals.line(&item.text, Some((record, *id)), &item.place, is_bad);
                self.verification.extend(finding);
            }
        }
    }

    /// Whether something is wrong with the record.
    fn take_record(
        &mut self,
        replica: &mut Replica,
        item: &Item,
        record: &Record,
        id: RecordId,
        visit: &mut impl FnMut(&Record),
    ) -> bool {
        let (worker, sequence) = (&*record.worker, record.sequence);
        let hashed = Line::new(&item.text).hashed().unwrap_or_default();
        let added = self.chains.add(Link { worker, sequence, id, hashed, place: item.place.clone() });
        let mut findings: Vec<Finding> = added
            .verdicts
            .into_iter()
            .map(|(wrong, sequence, place)| {
                let (kind, message) = describe(wrong);
                Finding::of(kind, place, worker, sequence, message)
            })
            .collect();
        if !added.is_duplicate && findings.is_empty() {
            let order = replica.order.entry(worker.to_owned()).or_default();
            let moved = order.take(sequence, &item.place);
            findings.extend(moved.map(|(sequence, place)| {
                Finding::of(Kind::Moved, place, worker, sequence, "does not stand where its number belongs")
            }));
        }
        if added.is_duplicate {
            self.verification.duplicates = self.verification.duplicates.saturating_add(1);
        } else {
            self.verification.count(record);
            visit(record);
        }
        let is_bad = !findings.is_empty();
        self.verification.extend(findings);
        is_bad
    }

    fn finish(mut self, streams: &[(Stream, Replica)], is_partial: bool) -> Verification {
        let workers: BTreeSet<String> = self.chains.workers().map(str::to_owned).collect();
        let mut late = 0_u64;
        for worker in &workers {
            let there = self.chains.there(worker);
            late = late.saturating_add(u64::from(there.first().is_some_and(|(from, _)| *from > 1)));
            let gaps: Vec<(u64, u64)> = there.windows(2).filter_map(gap).collect();
            for (from, to) in gaps {
                let next = to.saturating_add(1);
                let place = self.chains.after_gap(worker, next).unwrap_or_else(|| Place::new("".into(), 0));
                let message = if from == to { "is not here".to_owned() } else { format!("to {to} are not here") };
                self.verification.extend([Finding::of(Kind::Missing, place, worker, from, message)]);
            }
        }
        self.verification.workers = workers.len();
        if late > 0 {
            self.verification.notes.push(format!("{late} workers have earlier records, which are not in these files"));
        }
        for (stream, replica) in streams {
            self.verification.judge_end(stream, &replica.seals, is_partial);
        }
        self.verification
    }
}

/// What is missing between two stretches that are there.
fn gap(pair: &[(u64, u64)]) -> Option<(u64, u64)> {
    let [(_, before), (after, _)] = pair else { return None };
    Some((before.saturating_add(1), after.saturating_sub(1)))
}

const fn describe(wrong: Wrong) -> (Kind, &'static str) {
    match wrong {
        Wrong::Changed => {
            (Kind::Changed, "is not what was written: its id does not follow from it and from the record before")
        }
        Wrong::Contradicts => (Kind::Contradicts, "is another one than the record with this number that came before"),
        Wrong::Unlinked => {
            (Kind::Unlinked, "stands too far from the record before it to say whether it is what was written")
        }
    }
}

impl Verification {
    /// Whether there was everything that can show an alteration: signatures, and keys for them.
    pub(crate) const fn is_proved(&self) -> bool {
        self.has_keys && self.checkpoints > 0
    }

    /// Whether nothing was found.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            } else {
                self.omitted = self.omitted.saturating_add(1);
            }
        }
    }

    fn count(&mut self, record: &Record) {
        self.records = self.records.saturating_add(1);
        self.unsampled = self.unsampled.saturating_add(record.unsampled.unwrap_or(0));
        let lost = record.lost.unwrap_or_default();
        self.lost.permit = self.lost.permit.saturating_add(lost.permit);
        self.lost.deny = self.lost.deny.saturating_add(lost.deny);
        match &mut self.span {
            None => self.span = Some((record.time.clone(), record.time.clone())),
            Some((first, last)) => {
                if record.time < *first {
                    first.clone_from(&record.time);
                }
                if record.time > *last {
                    last.clone_from(&record.time);
                }
            }
        }
    }

    /// Whether the log of a replica has an end, and checkpoints at all.
    fn judge_end(&mut self, stream: &Stream, seals: &Seals, is_partial: bool) {
        let name = stream.files.last().map(|file| file.display().to_string()).unwrap_or_default();
        if seals.count == 0 {
            let message = "has no checkpoint: only the chain of each worker shows something, and not its end";
            if self.has_keys {
                let place = Place::new(name.into(), 1);
                self.extend([Finding::at(Kind::CheckpointMissing, place, message)]);
            } else {
                self.notes.push(format!("{name}: {message}"));
            }
            return;
        }
        if let (Some(first), Some(last)) = (seals.first, &seals.last)
            && first > 1
        {
            let replica = &last.replica;
            self.notes.push(format!("replica {replica} begins with checkpoint {first}: earlier files are not here"));
        }
        match seals.end() {
            Some(finding) if is_partial => self.notes.push(finding.message),
            finding => self.extend(finding),
        }
    }
}
