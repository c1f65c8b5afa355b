//! Whether anybody still wants a bundle, on a host that forgets to say so.
//!
//! When Kong reads its configuration anew, what was there before lives on: it is called again and again, with the configuration of
//! then, and gets no requests any more. It must not ask the control endpoint for ever, nor keep others from asking. But what only
//! has nothing to do at the moment must know of revocations when the next request comes. So whoever has had no request for a while
//! asks seldom, and whoever has had none for a day and gets no answer does not ask until one comes.

/// After so long without a request it is asked seldom, in milliseconds.
const DROWSY_MILLISECONDS: u64 = 10 * 60 * 1000;

/// After so long not at all, if there is no answer.
const ASLEEP_MILLISECONDS: u64 = 24 * 3600 * 1000;

/// What is seldom.
pub(super) const SELDOM_MILLISECONDS: u64 = 60_000;

/// When there was a request.
#[derive(Default)]
pub(super) struct Interest {
    is_shown: bool,
    /// By the stopwatch.
    shown_at: u64,
}

/// How much there is of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakefulness {
    Awake,
    Drowsy,
    Asleep,
}

impl Interest {
    pub(super) const fn is_shown(&mut self) {
        self.is_shown = true;
    }

    /// Takes note of requests; whether this is the first one for a while.
    pub(super) fn look(&mut self, elapsed: u64) -> bool {
        let is_first = self.is_shown && self.wakefulness(elapsed) != Wakefulness::Awake;
        if std::mem::take(&mut self.is_shown) {
            self.shown_at = elapsed;
        }
        is_first
    }

    pub(super) const fn wakefulness(&self, elapsed: u64) -> Wakefulness {
        let idle = elapsed.saturating_sub(self.shown_at);
        if idle < DROWSY_MILLISECONDS {
            Wakefulness::Awake
        } else if idle < ASLEEP_MILLISECONDS {
            Wakefulness::Drowsy
        } else {
            Wakefulness::Asleep
        }
    }
}
