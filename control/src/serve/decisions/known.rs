//! What was kept lately, so that a batch that comes again is kept once.

use std::collections::{HashMap, VecDeque};

use authz::record::RecordId;

use super::batch::Batch;

/// How many ends of batches are remembered of each worker. It has one batch under way at a time; what comes later than this many others
/// was held up on the way, and is kept twice: that is no loss, and `portcullis audit verify` knows it for what it is.
const ENDS: usize = 32;

/// More workers than this are not remembered: 100,000 take about 100 MiB.
const MAX_WORKERS: usize = 100_000;

/// The ends of the batches that were kept.
#[derive(Default)]
pub(super) struct Known(HashMap<String, VecDeque<(u64, RecordId)>>);

impl Known {
    /// How many records of a batch, from its first, were kept before. One is enough to know: the ids before it are in its own.
    pub(super) fn count(&self, batch: &Batch) -> usize {
        let Some(ends) = self.0.get(batch.worker()) else { return 0 };
        let is_known = |place: &(u64, RecordId)| ends.contains(place);
        let known = batch.entries().iter().rposition(|entry| is_known(&(entry.record.sequence, entry.id)));
        known.map_or(0, |index| index.saturating_add(1))
    }

    /// Remembers that everything up to this record was kept.
    pub(super) fn remember(&mut self, worker: &str, sequence: u64, id: RecordId) {
        if self.0.len() >= MAX_WORKERS && !self.0.contains_key(worker) {
            self.0.clear();
        }
        let ends = self.0.entry(worker.to_owned()).or_default();
        if ends.len() >= ENDS {
            ends.pop_front();
        }
        ends.push_back((sequence, id));
    }
}
