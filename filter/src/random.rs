//! Numbers that differ from worker to worker.
//!
//! Nothing rests on them but names of workers and pauses, and the module has no other use for random numbers than the seeds of hash
//! maps, whose keys are hashes, ends of signatures or the policy's own: in Kong's host they are `random()` of the C library. Workers of
//! one name both ask the control endpoint, and are one in the status.

use std::hash::{BuildHasher as _, RandomState};

use crate::host;

/// A number that another worker, another call and another time make differently.
pub(crate) fn number() -> u64 {
    number_with(&[])
}

/// The same, from what else may differ: the host's random numbers may be the same in processes that were forked (Kong); its clock
/// helps, and so does what only this worker has seen.
pub(crate) fn number_with(seen: &[u8]) -> u64 {
    RandomState::new().hash_one((host::now().map(authz::UnixTime::as_millis).unwrap_or_default(), seen))
}

/// How long to wait after so many failures in a row, in milliseconds: twice as long each time, from 250 ms to 16 s, and jittered.
pub(crate) fn pause_after(failures: u32) -> u64 {
    const FIRST: u64 = 250;
    const LONGEST: u64 = 16_000;
    jittered(FIRST.checked_shl(failures.min(16)).unwrap_or(LONGEST).min(LONGEST))
}

/// A number from half of this to all of it, so that many who wait alike do not come back at once.
pub(crate) fn jittered(milliseconds: u64) -> u64 {
    let half = milliseconds.div_euclid(2);
    half.saturating_add(number().checked_rem(half.saturating_add(1)).unwrap_or_default())
}
