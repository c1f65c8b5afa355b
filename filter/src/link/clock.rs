//! Time that only goes on, from a clock that may be set.

use authz::UnixTime;

/// How much time may pass between two looks at the clock, in milliseconds: what is more, the clock was set.
const MAX_STEP: u64 = 1000;

/// Milliseconds since it was started, roughly: a clock that jumps an hour makes it at most a second faster or slower.
#[derive(Default)]
pub(super) struct Stopwatch {
    last: Option<UnixTime>,
    elapsed: u64,
}

impl Stopwatch {
    pub(super) fn at(&mut self, now: UnixTime) -> u64 {
        let last = self.last.replace(now).unwrap_or(now);
        let step = now.as_millis().saturating_sub(last.as_millis()).min(MAX_STEP);
        self.elapsed = self.elapsed.saturating_add(step);
        self.elapsed
    }
}

/// Whether two readings of the clock are this close, in milliseconds, whichever came first.
pub(super) const fn is_within(one: UnixTime, other: UnixTime, milliseconds: u64) -> bool {
    one.as_millis().abs_diff(other.as_millis()) <= milliseconds
}
