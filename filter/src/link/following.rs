//! What the workers of a host learn from each other: one adopts, and the others follow.

use authz::UnixTime;
use authz::distribution::{Loaded, RefusalReason, Refused};

use super::{Link, Way};

/// How long a worker believes that what it cannot read of another is only on its way, in milliseconds.
const PATIENCE_MILLISECONDS: u64 = 2000;

/// How soon it is tried again to follow another worker, in milliseconds: to read a large bundle in vain takes time.
const FOLLOW_AGAIN_MILLISECONDS: u64 = 500;

impl Link {
    /// Adopts what another worker has adopted.
    pub(super) fn follow(&mut self, now: UnixTime, elapsed: u64) {
        let Some(shared) = &self.shared else { return };
        let Ok(Some(head)) = shared.head() else { return };
        if self.adopted.is_some_and(|adopted| adopted.epoch >= head.epoch) {
            self.behind_since = None;
            return;
        }
        // What is being read comes first.
        if elapsed < self.follow_again_at || self.loading.is_some() {
            return;
        }
        match shared.resume(&self.delivery.trust, Some(&head), self.activation.as_ref()) {
            Some(activation) => self.load(activation, Way::SharedData, now, elapsed),
            None => self.fell_behind(elapsed),
        }
    }

    /// Goes on when what another worker adopted has been read.
    pub(super) fn loaded_from_shared_data(
        &mut self,
        result: Result<Loaded, Refused>,
        epoch: u64,
        now: UnixTime,
        elapsed: u64,
    ) {
        let result = result.and_then(|loaded| match self.adopt(loaded, now)? {
            None => Ok(()),
            Some(_) => Err(Refused::new(RefusalReason::DocumentMissing, "another worker shares not all documents")),
        });
        if result.is_err() {
            self.fell_behind(elapsed);
        } else if self.adopted.is_some_and(|adopted| adopted.epoch == epoch) {
            self.is_unshared = false;
        }
        self.note(result, Some(epoch), now, elapsed);
    }

    fn fell_behind(&mut self, elapsed: u64) {
        self.behind_since.get_or_insert(elapsed);
        self.follow_again_at = elapsed.saturating_add(FOLLOW_AGAIN_MILLISECONDS);
    }

    /// Whether another worker is ahead and this one cannot follow, so that it has to ask for itself.
    pub(super) fn is_left_behind(&self, elapsed: u64) -> bool {
        self.behind_since.is_some_and(|since| elapsed.saturating_sub(since) >= PATIENCE_MILLISECONDS)
    }

    /// Stores what was adopted for the other workers. What cannot be stored is tried again, and the others ask for themselves.
    pub(super) fn share(&mut self) {
        if let (true, Some(shared), Some(adopted), Some(activation)) =
            (self.is_unshared, &self.shared, &self.adopted, &self.activation)
        {
            self.is_unshared = shared.publish(adopted, activation).is_err();
        }
    }
}
