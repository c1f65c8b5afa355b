//! The way of decision records to the control endpoint, in batches, each worker its own.

use super::Link;
use super::request::{self, Call};
use crate::{host, random};

/// What is under way.
#[derive(Default)]
pub(super) struct Records {
    call: Option<Call>,
    /// When the endpoint may be tried again, by the stopwatch.
    due_at: u64,
    failures: u32,
}

impl Link {
    /// Sends the next batch, if there is one and none is under way.
    pub(super) fn send_records(&mut self, elapsed: u64) {
        if self.records.call.is_some_and(|call| call.is_overdue(elapsed)) {
            self.records_ended(false, elapsed);
        }
        let Some(control) = self.delivery.control.as_ref().filter(|_| elapsed >= self.records.due_at) else { return };
        let mut has_failed = false;
        self.records.call = self.records.call.or_else(|| {
            self.log.send(|batch| {
                let call = request::send_records(control, &self.delivery.trust, batch, elapsed).ok();
                has_failed = call.is_none();
                call
            })
        });
        if has_failed {
            self.pause_records(elapsed);
        }
    }

    /// Takes the answer to a call, if it is about a batch.
    pub(super) fn take_records_answer(&mut self, call: u32, elapsed: u64) -> bool {
        if !self.records.call.is_some_and(|under_way| under_way.is(call)) {
            return false;
        }
        let response = host::call_response(0, 0).ok().flatten();
        self.records_ended(response.is_some_and(|response| response.status() == 204), elapsed);
        // What came meanwhile must not wait for a tick: a busy worker fills several batches between two.
        self.send_records(elapsed);
        true
    }

    fn records_ended(&mut self, have_arrived: bool, elapsed: u64) {
        self.records.call = None;
        self.log.ended(have_arrived);
        if have_arrived {
            (self.records.failures, self.records.due_at) = (0, elapsed);
        } else {
            self.pause_records(elapsed);
        }
    }

    fn pause_records(&mut self, elapsed: u64) {
        self.records.due_at = elapsed.saturating_add(random::pause_after(self.records.failures));
        self.records.failures = self.records.failures.saturating_add(1);
    }
}
