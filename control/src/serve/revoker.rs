//! Revocations of feeds, put together: when a provider ends ten thousand sessions at once, that is a few epochs and not ten
//! thousand.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::changes;
use super::fleet::{ChangeError, Fleet};
use super::published::Cause;

/// Collects while an epoch is made, and makes the next of what has come meanwhile.
#[derive(Default)]
pub(crate) struct Revoker {
    waiting: Mutex<Vec<Waiting>>,
    working: tokio::sync::Mutex<()>,
}

/// Somebody who waits for an answer.
struct Waiting {
    entries: Vec<Value>,
    why: String,
    done: oneshot::Sender<Result<u64, ChangeError>>,
}

impl Revoker {
    /// Revokes, alone or with others; returns when the epoch is made.
    pub(crate) async fn revoke(&self, fleet: &Fleet, entries: Vec<Value>, why: String) -> Result<u64, ChangeError> {
        let (done, mut answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { entries, why, done });
        let _working = self.working.lock().await;
        match answer.try_recv() {
            // Whoever worked before has done this too ...
            Ok(done) => return done,
            // ... or has begun to, and left before it was done.
            Err(TryRecvError::Closed) => {
                return Err(ChangeError::Unavailable("the epoch was not made; send it again".to_owned()));
            }
            Err(TryRecvError::Empty) => {}
        }
        let batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let entries: Vec<Value> = batch.iter().flat_map(|waiting| waiting.entries.iter().cloned()).collect();
        let why: Vec<&str> = batch.iter().map(|waiting| waiting.why.as_str()).collect();
        let result = changes::revoke(fleet, &entries, &Cause::of("feed", "revoke", why.join("; "))).await;
        for waiting in batch {
            // Who does not wait any more is told by nobody.
            let _ = waiting.done.send(result.clone());
        }
        result
    }
}
