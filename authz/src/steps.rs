//! Long work, done in steps between which a proxy can do something else.
//!
//! The work is written as what it is, from its beginning to its end, and the compiler makes the state that is kept between two
//! steps: an `async` function that waits for nothing but the next step. Whoever has the time runs the same function to its end.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Work that has begun. Between two steps nothing happens; what is dropped is not done.
pub struct Steps<T>(Option<Pin<Box<dyn Future<Output = T>>>>);

impl<T> Steps<T> {
    pub(crate) fn new(work: impl Future<Output = T> + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }

    /// Does the next step, which is about a rule, a key or some kilobytes; what comes of the work if it was the last one.
    pub fn step(&mut self) -> Option<T> {
        let result = poll_once(self.0.as_mut()?.as_mut())?;
        self.0 = None;
        Some(result)
    }
}

impl<T> fmt::Debug for Steps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("is_done", &self.0.is_none()).finish_non_exhaustive()
    }
}

/// The end of a step.
pub(crate) async fn pause() {
    let mut is_next = false;
    poll_fn(|_| if std::mem::replace(&mut is_next, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Does all steps at once.
pub(crate) fn finish<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Some(result) = poll_once(work.as_mut()) {
            return result;
        }
    }
}

/// Nobody is to be woken: the next step is done when there is time for it.
fn poll_once<T>(work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
