//! The decision log of one plugin in one worker: its records are chained here, and wait here for the control endpoint.
//!
//! The room is bounded, and what there is no room for is counted: a record gets its place in the chain only when it has one here.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use authz::record::{Chain, Destinations, Draft, RecordId, Recording};
use authz::{Authorization, Authorizer, Decision, Effect, UnixTime};

use crate::host::{self, HostKind};
use crate::random;

/// Most bytes that wait: with 500 bytes for each, a worker that decides 20,000 requests in a second fills them in 400 ms.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How many of them are kept for denials: an attack must not hide among the permits that were recorded before it.
const FOR_DENIALS: usize = 1024 * 1024;

/// Most bytes of a batch (`docs/decision-log.md`).
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The decision log, as all who decide and who delivers share it.
#[derive(Clone, Default)]
pub(crate) struct DecisionLog(Rc<RefCell<Log>>);

#[derive(Default)]
struct Log {
    /// From the first record on.
    chain: Option<Chain>,
    /// What waits, the oldest first; each is a batch.
    batches: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether the first is under way, so that it must not change.
    is_under_way: bool,
    counts: Counts,
}

/// How many records there were.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// They were kept for the endpoint, or written to the proxy's log.
    pub(crate) recorded: u64,
    /// There was no room for them.
    pub(crate) lost: u64,
}

/// What becomes of one decision's record.
pub(crate) enum Entry {
    /// It has a place, if the decision can be carried out.
    Draft(Draft, Destinations),
    /// There is no log, sampling leaves it out or there is no room: the access log of the proxy gets the short form.
    Short(Vec<u8>, Fate),
}

/// Why there is no long form.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    Unlogged,
    LeftOut,
    Lost,
}

impl Entry {
    /// What is put on record where the proxy's access log finds it.
    pub(crate) fn line(&self) -> &[u8] {
        match self {
            Self::Draft(draft, _) => draft.line(),
            Self::Short(line, _) => line,
        }
    }

    /// The id of the decision, if it has one.
    pub(crate) const fn id(&self) -> Option<RecordId> {
        match self {
            Self::Draft(draft, _) => Some(draft.id()),
            Self::Short(..) => None,
        }
    }
}

impl DecisionLog {
    /// The record of a decision, which was made then if it was made with a clock. It is kept when [`Self::keep`] takes it.
    pub(crate) fn entry(
        &self,
        kind: HostKind,
        authorizer: &Authorizer,
        authorization: &Authorization,
        was_asked: bool,
        decided_at: Option<UnixTime>,
    ) -> Entry {
        let decision = authorization.decision();
        let short = |fate| Entry::Short(decision.to_record(), fate);
        let to = match authorizer.recording(decision) {
            None => return short(Fate::Unlogged),
            Some(Recording::LeftOut) => return short(Fate::LeftOut),
            Some(Recording::To(to)) => to,
        };
        // Without a clock there is no record, and nothing is decided either.
        let now = decided_at.map_or_else(host::now, Ok);
        let (Ok(now), Ok(mut log)) = (now, self.0.try_borrow_mut()) else { return short(Fate::Lost) };
        if to.control && !log.has_room(decision.effect()) {
            return short(Fate::Lost);
        }
        Entry::Draft(log.chain(kind).draft(authorization, was_asked, now), to)
    }

    /// Gives a record its place, after its decision was carried out.
    pub(crate) fn keep(&self, kind: HostKind, entry: Entry, decision: &Decision) {
        // Nobody holds it while a request is decided.
        let Ok(mut log) = self.0.try_borrow_mut() else { return };
        match entry {
            Entry::Draft(draft, to) => {
                let line = log.chain(kind).commit(draft);
                log.counts.recorded = log.counts.recorded.saturating_add(1);
                if to.proxy_log
                    && let Ok(line) = std::str::from_utf8(&line)
                {
                    host::log_info(line);
                }
                if to.control {
                    log.push(&line);
                }
            }
            Entry::Short(_, Fate::Unlogged) => {}
            Entry::Short(_, Fate::LeftOut) => log.chain(kind).leave_out(),
            Entry::Short(_, Fate::Lost) => {
                log.chain(kind).lose(decision.effect());
                log.counts.lost = log.counts.lost.saturating_add(1);
            }
        }
    }

    /// Hands over the next batch, if there is one and none is under way. If it is sent, it is under way until it is said how that ended.
    pub(crate) fn send<T>(&self, send: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let mut log = self.0.try_borrow_mut().ok()?;
        let batch = log.batches.front().filter(|_| !log.is_under_way)?;
        let sent = send(batch)?;
        log.is_under_way = true;
        Some(sent)
    }

    /// The batch that was under way has arrived, or has to be sent again.
    pub(crate) fn ended(&self, has_arrived: bool) {
        let Ok(mut log) = self.0.try_borrow_mut() else { return };
        log.is_under_way = false;
        if let Some(batch) = has_arrived.then(|| log.batches.pop_front()).flatten() {
            log.bytes = log.bytes.saturating_sub(batch.len());
        }
    }

    /// How many records there were so far, and how many bytes wait.
    pub(crate) fn counts(&self) -> (Counts, usize) {
        self.0.try_borrow().map(|log| (log.counts, log.bytes)).unwrap_or_default()
    }
}

impl Log {
    fn chain(&mut self, kind: HostKind) -> &mut Chain {
        // No two workers may have the same name, whatever their random numbers are worth.
        self.chain.get_or_insert_with(|| Chain::new(random::number_with(&host::process_id(kind))))
    }

    /// Whether there is room for a record, which has some kilobytes at most.
    fn has_room(&self, effect: Effect) -> bool {
        let most = if effect == Effect::Permit { MAX_BYTES - FOR_DENIALS } else { MAX_BYTES };
        self.bytes < most
    }

    fn push(&mut self, line: &[u8]) {
        let bytes = line.len().saturating_add(1);
        let fixed = usize::from(self.is_under_way);
        let has_room = |batch: &Vec<u8>| batch.len().saturating_add(bytes) <= MAX_BATCH_BYTES;
        if self.batches.len() <= fixed || !self.batches.back().is_some_and(has_room) {
            self.batches.push_back(Vec::new());
        }
        if let Some(batch) = self.batches.back_mut() {
            batch.extend(line);
            batch.push(b'\n');
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }
}
