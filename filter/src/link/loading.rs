//! A bundle that is read a little at a time: requests go on meanwhile, and keep the bundle that was adopted before.

use std::rc::Rc;

use authz::distribution::{Activation, Loaded, Refused};
use authz::{Authorizer, Steps, UnixTime};

use super::Link;
use crate::host;

/// How long it is read at a time, in milliseconds of the host's clock. It shows whole ones, so it may be one less.
const SLICE_MILLISECONDS: u64 = 2;

/// How many steps are done between two looks at the clock: a look costs about as much as a short step.
const STEPS_PER_LOOK: usize = 8;

/// Most looks at a time, for a host whose clock stands still while it calls us.
const LOOKS: usize = 1000;

/// The bundle that is being read. There is one at a time: what comes by another way waits, or takes its place if it is newer.
pub(super) struct Loading {
    steps: Steps<Result<Loaded, Refused>>,
    epoch: u64,
    way: Way,
}

/// How it came here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Endpoint,
    SharedData,
}

/// Goes on with some work for a while; the result if that was the rest.
fn go_on<T>(work: &mut Steps<T>, started: UnixTime) -> Option<T> {
    for _ in 0..LOOKS {
        if let Some(result) = (0..STEPS_PER_LOOK).find_map(|_| work.step()) {
            return Some(result);
        }
        let spent = |now: UnixTime| now.as_millis().abs_diff(started.as_millis());
        // Who cannot see the clock stops here.
        if host::now().map_or(true, |now| spent(now) >= SLICE_MILLISECONDS) {
            break;
        }
    }
    None
}

impl Link {
    /// Begins to read a bundle, or those documents of it that are here.
    pub(super) fn load(&mut self, activation: Activation, way: Way, now: UnixTime, elapsed: u64) {
        let epoch = activation.manifest().payload().epoch;
        if self.loading.as_ref().is_some_and(|loading| loading.epoch >= epoch) {
            // It is there already, by another way.
            return;
        }
        self.loading = Some(Loading { steps: activation.load(), epoch, way });
        self.load_on(now, elapsed);
    }

    /// Reads on for a while; adopts the bundle if all of it has been read and is good. What was replaced makes room first.
    pub(super) fn load_on(&mut self, now: UnixTime, elapsed: u64) {
        if self.free(now).is_none() {
            return;
        }
        let Some(result) = self.loading.as_mut().and_then(|loading| go_on(&mut loading.steps, now)) else { return };
        let Some(Loading { epoch, way, .. }) = self.loading.take() else { return };
        match way {
            Way::Endpoint => self.loaded_from_endpoint(result, epoch, now, elapsed),
            Way::SharedData => self.loaded_from_shared_data(result, epoch, now, elapsed),
        }
    }

    /// Frees for a while what was replaced and no request holds any more; none if there is more of it.
    fn free(&mut self, now: UnixTime) -> Option<()> {
        if self.freeing.is_none() {
            let free = self.replaced.iter().position(|replaced| Rc::strong_count(replaced) == 1);
            let authorizer = free.and_then(|index| Rc::into_inner(self.replaced.swap_remove(index)));
            self.freeing = authorizer.map(Authorizer::release);
        }
        if let Some(freeing) = &mut self.freeing {
            go_on(freeing, now)?;
            self.freeing = None;
        }
        Some(())
    }

    /// Reads all that is left: while a plugin is configured there is nothing else to do.
    pub(super) fn load_to_the_end(&mut self, now: UnixTime, elapsed: u64) {
        while self.loading.is_some() {
            self.load_on(now, elapsed);
        }
    }
}
