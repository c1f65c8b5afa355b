//! Numbers that differ from worker to worker.
//!
//! Nothing rests on them but names of workers and pauses, and the module has no other use for random numbers than the seeds of hash
//! maps, whose keys are hashes, ends of signatures or the policy's own: in Kong's host they are `random()` of the C library. Workers of
//! one name both ask the control endpoint, and are one in the status.

use std::hash::{BuildHasher as _, RandomState};

use crate::host;

/// A number that another worker, another call and another time make differently.
pub(super) fn number() -> u64 {
    // The host's random numbers may be the same in processes that were forked (Kong); its clock helps.
    RandomState::new().hash_one(host::now().map(authz::UnixTime::as_millis).unwrap_or_default())
}

/// A number from half of this to all of it, so that many who wait alike do not come back at once.
pub(super) fn jittered(milliseconds: u64) -> u64 {
    let half = milliseconds.div_euclid(2);
    half.saturating_add(number().checked_rem(half.saturating_add(1)).unwrap_or_default())
}
