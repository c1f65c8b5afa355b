//! The chains of workers: whether every record follows from the one before it, wherever that is.
//!
//! Pure, and in bounded memory: of what was read only the newest ids are kept. The files of several replicas are read side by side, in
//! the order of time, so what belongs together comes close together.

use std::collections::{HashMap, VecDeque};

use authz::record::RecordId;

use super::finding::Place;

/// Ids that are remembered: about 64 MiB.
const MAX_IDS: usize = 1_000_000;

/// Records that wait for the one before them: they come in a moment or are missing.
const MAX_WAITING: usize = 100_000;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Its id does not follow from its content and from the record before it.
    Changed,
    /// There is another one with its number.
    Contradicts,
    /// The one before it was not found near it.
    Unlinked,
}

/// What is wrong, with which record, and where.
pub(super) type Verdict = (Wrong, u64, Place);

/// What is to be known of a record.
pub(super) struct Link<'l> {
    pub(super) worker: &'l str,
    pub(super) sequence: u64,
    pub(super) id: RecordId,
    /// What the id is made of.
    pub(super) hashed: &'l [u8],
    pub(super) place: Place,
}

/// All chains.
#[derive(Default)]
pub(super) struct Chains {
    numbers: HashMap<String, usize>,
    workers: Vec<Worker>,
    ids: HashMap<Key, RecordId>,
    order: VecDeque<Key>,
    waiting: HashMap<Key, Vec<Waiting>>,
    waiting_count: usize,
}

/// A record: the number of its worker, and its own.
type Key = (usize, u64);

/// What is known of one worker.
#[derive(Default)]
struct Worker {
    /// The numbers that are there: from, to.
    there: Vec<(u64, u64)>,
    last: Option<(u64, RecordId)>,
    /// What the id of a changed record should be: if that is all that was changed, the next one follows from it.
    computed: Option<(u64, RecordId)>,
}

/// A record that was read before the one before it.
struct Waiting {
    sequence: u64,
    id: RecordId,
    hashed: Vec<u8>,
    place: Place,
}

/// What was read before.
pub(super) struct Added {
    /// The same record was there already.
    pub(super) is_duplicate: bool,
    pub(super) verdicts: Vec<Verdict>,
}

impl Chains {
    /// Takes a record.
    pub(super) fn add(&mut self, link: Link<'_>) -> Added {
        let number = self.number(link.worker);
        let known = self.id(number, link.sequence);
        let mut verdicts = Vec::new();
        if known.is_some_and(|known| known != link.id) {
            return Added { is_duplicate: false, verdicts: vec![(Wrong::Contradicts, link.sequence, link.place)] };
        }
        match link.sequence.checked_sub(1) {
            Some(before) => match self.previous(number, before) {
                Some(previous) => {
                    verdicts.extend(self.check(number, previous, link.sequence, link.id, link.hashed, link.place))
                }
                None if known.is_none() => verdicts.extend(self.wait(number, before, &link)),
                None => {}
            },
            None => verdicts.push((Wrong::Changed, link.sequence, link.place)),
        }
        if known.is_none() {
            self.remember(number, link.sequence, link.id);
            verdicts.extend(self.settle(number, link.sequence));
        }
        Added { is_duplicate: known.is_some(), verdicts }
    }

    /// The workers.
    pub(super) fn workers(&self) -> impl Iterator<Item = &str> {
        self.numbers.keys().map(String::as_str)
    }

    /// The numbers that are there of a worker, from and to; between them are those that are not.
    pub(super) fn there(&self, worker: &str) -> &[(u64, u64)] {
        let worker = self.numbers.get(worker).and_then(|number| self.workers.get(*number));
        worker.map(|worker| &*worker.there).unwrap_or_default()
    }

    /// Where the record is that comes after a gap.
    pub(super) fn after_gap(&self, worker: &str, sequence: u64) -> Option<Place> {
        let key = (*self.numbers.get(worker)?, sequence.checked_sub(1)?);
        self.waiting.get(&key)?.first().map(|waiting| waiting.place.clone())
    }

    fn number(&mut self, worker: &str) -> usize {
        if let Some(number) = self.numbers.get(worker) {
            return *number;
        }
        self.workers.push(Worker::default());
        self.numbers.insert(worker.to_owned(), self.workers.len().saturating_sub(1));
        self.workers.len().saturating_sub(1)
    }

    fn id(&self, number: usize, sequence: u64) -> Option<RecordId> {
        let last = self.workers.get(number).and_then(|worker| worker.last);
        last.filter(|(last, _)| *last == sequence)
            .map(|(_, id)| id)
            .or_else(|| self.ids.get(&(number, sequence)).copied())
    }

    /// The id from which the next one follows; before the first there are zeros.
    fn previous(&self, number: usize, sequence: u64) -> Option<RecordId> {
        if sequence == 0 { Some(RecordId::default()) } else { self.id(number, sequence) }
    }

    fn check(
        &mut self,
        number: usize,
        previous: RecordId,
        sequence: u64,
        id: RecordId,
        hashed: &[u8],
        place: Place,
    ) -> Option<Verdict> {
        let computed = previous.next(hashed);
        if computed == id {
            return None;
        }
        let worker = self.workers.get_mut(number)?;
        let alternative = worker.computed.filter(|(before, _)| before.checked_add(1) == Some(sequence));
        if alternative.is_some_and(|(_, before)| before.next(hashed) == id) {
            return None;
        }
        worker.computed = Some((sequence, computed));
        Some((Wrong::Changed, sequence, place))
    }

    fn wait(&mut self, number: usize, before: u64, link: &Link<'_>) -> Option<Verdict> {
        let is_late = self.workers.get(number).is_some_and(|worker| worker.has(before));
        if is_late || self.waiting_count >= MAX_WAITING {
            return Some((Wrong::Unlinked, link.sequence, link.place.clone()));
        }
        self.waiting_count = self.waiting_count.saturating_add(1);
        self.waiting.entry((number, before)).or_default().push(Waiting {
            sequence: link.sequence,
            id: link.id,
            hashed: link.hashed.to_vec(),
            place: link.place.clone(),
        });
        None
    }

    fn remember(&mut self, number: usize, sequence: u64, id: RecordId) {
        if let Some(worker) = self.workers.get_mut(number) {
            worker.take(sequence);
            worker.last = Some((sequence, id));
        }
        self.ids.insert((number, sequence), id);
        self.order.push_back((number, sequence));
        if self.order.len() > MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Checks what has waited for a record.
    fn settle(&mut self, number: usize, sequence: u64) -> Vec<Verdict> {
        let waiting = self.waiting.remove(&(number, sequence)).unwrap_or_default();
        self.waiting_count = self.waiting_count.saturating_sub(waiting.len());
        let Some(previous) = self.id(number, sequence) else { return Vec::new() };
        waiting
            .into_iter()
            .filter_map(|next| self.check(number, previous, next.sequence, next.id, &next.hashed, next.place))
            .collect()
    }
}

impl Worker {
    fn has(&self, sequence: u64) -> bool {
        self.there.iter().any(|(from, to)| (*from..=*to).contains(&sequence))
    }

    /// Adds a number to those that are there.
    fn take(&mut self, sequence: u64) {
        let index = self.there.partition_point(|(_, to)| to.checked_add(1).is_some_and(|next| next < sequence));
        match self.there.get_mut(index) {
            Some((from, to)) if (from.saturating_sub(1)..=to.saturating_add(1)).contains(&sequence) => {
                (*from, *to) = ((*from).min(sequence), (*to).max(sequence));
            }
            _ => self.there.insert(index, (sequence, sequence)),
        }
        let next = index.saturating_add(1);
        let touches = match (self.there.get(index), self.there.get(next)) {
            (Some((_, to)), Some((from, _))) => to.checked_add(1) == Some(*from),
            _ => false,
        };
        if touches {
            let (_, end) = self.there.remove(next);
            if let Some((_, to)) = self.there.get_mut(index) {
                *to = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, id and content.
    type Written = (u64, RecordId, Vec<u8>);

    /// What is wrong with which records, and which numbers are there.
    type Judged = (Vec<(Wrong, u64)>, Vec<(u64, u64)>);

    /// Some that are good.
    fn records(count: u64) -> Vec<Written> {
        let mut previous = RecordId::default();
        let mut record = |sequence| {
            let hashed = format!("record {sequence}").into_bytes();
            previous = previous.next(&hashed);
            (sequence, previous, hashed)
        };
        (1..=count).map(&mut record).collect()
    }

    /// What is wrong with records that come like this, and what is there.
    fn judge(records: &[Written]) -> Judged {
        let mut chains = Chains::default();
        let mut wrong = Vec::new();
        for (sequence, id, hashed) in records {
            let link =
                Link { worker: "w", sequence: *sequence, id: *id, hashed, place: Place::new("f".into(), *sequence) };
            wrong.extend(chains.add(link).verdicts.into_iter().map(|(wrong, sequence, _)| (wrong, sequence)));
        }
        (wrong, chains.there("w").to_vec())
    }

    #[test]
    fn a_chain_that_is_whole_is_good_in_any_order() {
        let good = records(9);
        assert_eq!(judge(&good), (vec![], vec![(1, 9)]));
        for order in [[8, 7, 6, 5, 4, 3, 2, 1, 0], [3, 4, 5, 0, 1, 2, 8, 7, 6], [0, 2, 4, 6, 8, 1, 3, 5, 7]] {
            let shuffled: Vec<_> = order.iter().map(|index| good[*index].clone()).collect();
            assert_eq!(judge(&shuffled), (vec![], vec![(1, 9)]), "{order:?}");
        }
        let twice: Vec<_> = good.iter().chain(&good).cloned().collect();
        assert_eq!(judge(&twice), (vec![], vec![(1, 9)]));
        // Where the first ones are not kept any longer, the rest holds together.
        assert_eq!(judge(&good[4..]), (vec![], vec![(5, 9)]));
    }

    #[test]
    fn every_alteration_is_found_once() {
        let good = records(5);
        let altered = |alter: &dyn Fn(&mut Vec<Written>)| {
            let mut records = good.clone();
            alter(&mut records);
            judge(&records)
        };
        assert_eq!(altered(&|records| records[2].2[0] ^= 1).0, [(Wrong::Changed, 3)]);
        assert_eq!(altered(&|records| records[0].2.push(b'!')).0, [(Wrong::Changed, 1)]);
        assert_eq!(altered(&|records| records[2].1 = RecordId::default()).0, [(Wrong::Changed, 3)]);
        assert_eq!(altered(&|records| drop(records.remove(2))), (vec![], vec![(1, 2), (4, 5)]));
        let another = (3, RecordId::default().next(b"x"), b"x".to_vec());
        assert_eq!(altered(&|records| records.insert(3, another.clone())).0, [(Wrong::Contradicts, 3)]);
        let same_id = (3, good[2].1, b"x".to_vec());
        assert_eq!(altered(&|records| records.insert(3, same_id.clone())).0, [(Wrong::Changed, 3)]);
        let zero = (0, RecordId::default(), Vec::new());
        assert_eq!(altered(&|records| records.push(zero.clone())).0, [(Wrong::Changed, 0)]);
    }
}
