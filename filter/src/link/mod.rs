//! The link to the control endpoint: how a bundle that is pushed gets into every worker, and stays.
//!
//! One worker of a host asks the endpoint, in one long poll after another: the one that holds a lease in the host's shared data.
//! It verifies what comes, adopts it, and stores it there, where the others see it within a tick and verify it again. A VM that
//! starts anew takes up what is there. Whatever fails changes nothing but the status; the bundle that was adopted goes on
//! deciding until its publisher's own words end it. Without shared data every worker asks for itself.
//!
//! All of it happens in the root context, between requests, and no request waits for it: a large bundle is read in many ticks.

mod clock;
mod following;
mod interest;
mod loading;
mod records;
mod request;
mod shared;
mod status;
mod transfer;

use std::cell::RefCell;
use std::rc::Rc;

use authz::distribution::{Activation, Admission, Adopted, Delivery, Loaded, RefusalReason, Refused, SignedBundle};
use authz::{Authorizer, NativeVerifier, Steps, UnixTime};
use serde_json::{Value, json};

use crate::decision_log::DecisionLog;
use crate::host::{self, HostKind};
use crate::metrics::BundleMetrics;
use crate::random;
use clock::Stopwatch;
use interest::Interest;
use loading::{Loading, Way};
use records::Records;
use shared::Shared;
use status::LastError;
use transfer::Transfer;

/// How often the root context is called, in milliseconds: within so much every worker sees what another adopted.
pub(crate) const TICK_MILLISECONDS: u32 = 100;

/// The same while a bundle is read or freed.
const LOADING_TICK_MILLISECONDS: u32 = 5;

/// What is the least between two looks, in milliseconds. Kong's host calls more and more often as it reloads.
const MIN_TICK_MILLISECONDS: u64 = 50;

/// The authorizer that new requests take.
#[derive(Clone)]
pub(crate) struct Active {
    authorizer: Rc<RefCell<Rc<Authorizer>>>,
    /// The host's own crypto, for whichever authorizer there is.
    native: Option<NativeVerifier>,
}

impl Active {
    pub(crate) fn new(authorizer: Authorizer, native: Option<NativeVerifier>) -> Self {
        let active = Self { authorizer: Rc::new(RefCell::new(Rc::new(Authorizer::closed()))), native };
        active.set(authorizer);
        active
    }

    pub(crate) fn get(&self) -> Rc<Authorizer> {
        Rc::clone(&self.authorizer.borrow())
    }

    /// The one that was there before.
    fn set(&self, authorizer: Authorizer) -> Rc<Authorizer> {
        let authorizer = match &self.native {
            Some(native) => authorizer.with_native(native),
            None => authorizer,
        };
        self.authorizer.replace(Rc::new(authorizer))
    }
}

/// The link of one plugin in one worker.
pub(crate) struct Link {
    delivery: Delivery,
    active: Active,
    kind: HostKind,
    interest: Interest,
    /// What the workers share; none if the host cannot, or must not be asked.
    shared: Option<Shared>,
    /// The name of this worker.
    worker: u64,
    stopwatch: Stopwatch,
    ticked_at: Option<u64>,
    adopted: Option<Adopted>,
    adopted_at: Option<UnixTime>,
    /// What was adopted, for the next manifest that lists the same documents, and for the other workers.
    activation: Option<Activation>,
    /// Whether what was adopted has still to be stored for the others.
    is_unshared: bool,
    loading: Option<Loading>,
    /// What was replaced, as long as requests may hold it.
    replaced: Vec<Rc<Authorizer>>,
    /// The one that is being freed.
    freeing: Option<Steps<()>>,
    /// Since when another worker is ahead of this one and cannot be followed.
    behind_since: Option<u64>,
    /// When it is tried again to follow it.
    follow_again_at: u64,
    signed_of_life_at: Option<u64>,
    transfer: Transfer,
    log: DecisionLog,
    records: Records,
    last_error: Option<LastError>,
    metrics: BundleMetrics,
}

impl Link {
    /// Takes up what is already there: what was adopted on this host before, or comes with the configuration. Called while a
    /// host configures the plugin, in a VM that may only be for trying, so nothing outside is changed.
    pub(crate) fn start(
        delivery: Delivery,
        active: Active,
        log: DecisionLog,
        kind: HostKind,
        shares_data: bool,
    ) -> Self {
        let mut link = Self {
            shared: shares_data.then(|| Shared::of(&delivery, kind)),
            metrics: if kind.is_envoy() { BundleMetrics::define(&delivery.trust) } else { BundleMetrics::default() },
            delivery,
            active,
            kind,
            interest: Interest::default(),
            worker: random::number(),
            stopwatch: Stopwatch::default(),
            ticked_at: None,
            adopted: None,
            adopted_at: None,
            activation: None,
            is_unshared: false,
            loading: None,
            replaced: Vec::new(),
            freeing: None,
            behind_since: None,
            follow_again_at: 0,
            signed_of_life_at: None,
            transfer: Transfer::default(),
            log,
            records: Records::default(),
            last_error: None,
        };
        // Without a clock nothing can be judged; the first tick tries again.
        if let Ok(now) = host::now() {
            link.follow(now, 0);
            link.load_to_the_end(now, 0);
            if let Some(bundle) = link.delivery.signed_bundle.clone() {
                let result = link.admit(bundle, now);
                link.note(result.map(drop), None, now, 0);
            }
        }
        link
    }

    /// Goes on with whatever is due.
    pub(crate) fn tick(&mut self) {
        let Ok(now) = host::now() else { return };
        let elapsed = self.stopwatch.at(now);
        self.load_on(now, elapsed);
        if self.ticked_at.is_some_and(|at| elapsed.saturating_sub(at) < MIN_TICK_MILLISECONDS) {
            return;
        }
        self.ticked_at = Some(elapsed);
        self.look_at_interest(elapsed);
        self.follow(now, elapsed);
        self.share();
        self.sign_of_life(now, elapsed);
        self.go_on(now, elapsed);
        self.send_records(elapsed);
    }

    /// Takes the answer to a call, if it is one of this link's.
    pub(crate) fn answered(&mut self, call: u32, body_bytes: usize) {
        let Ok(now) = host::now() else { return };
        let elapsed = self.stopwatch.at(now);
        if !self.take_records_answer(call, elapsed) {
            self.take_answer(call, body_bytes, now, elapsed);
        }
    }

    /// A request is there that its bundle is for.
    pub(crate) const fn is_wanted(&mut self) {
        self.interest.is_shown();
    }

    /// When the root context wants to be called again, in milliseconds. Kong's host wants its timer set once.
    pub(crate) const fn tick_milliseconds(&self) -> u32 {
        let is_busy = self.loading.is_some() || self.freeing.is_some();
        if is_busy && matches!(self.kind, HostKind::Envoy) { LOADING_TICK_MILLISECONDS } else { TICK_MILLISECONDS }
    }

    /// Adopts a bundle that was sent here; its epoch. It is read at once: who sent it waits for the answer.
    pub(crate) fn put(&mut self, body: &[u8], now: UnixTime) -> Result<Option<u64>, Refused> {
        let elapsed = self.stopwatch.at(now);
        let result = SignedBundle::parse(body).and_then(|bundle| self.admit(bundle, now));
        self.note(result.as_ref().map(|_| ()).map_err(Clone::clone), None, now, elapsed);
        self.share();
        result.map(|()| self.adopted.as_ref().map(|adopted| adopted.epoch))
    }

    /// Whether this worker decides, and its state.
    pub(crate) fn readiness(&self, now: UnixTime) -> (bool, Value) {
        let authorizer = self.active.get();
        let is_ready = authorizer.is_serving(now);
        let mut state = self.status(now);
        if let Some(members) = state.as_object_mut() {
            let seconds = |time: UnixTime| json!(time.as_seconds());
            let age = self.adopted_at.map(|at| now.as_seconds().saturating_sub(at.as_seconds()));
            let freshness = authorizer.freshness();
            members.insert("ready".to_owned(), json!(is_ready));
            members.insert("age_seconds".to_owned(), json!(age));
            members.insert("fresh_until".to_owned(), json!(freshness.map(|freshness| seconds(freshness.fresh_until))));
            members.insert("stale_until".to_owned(), json!(freshness.map(|freshness| seconds(freshness.stale_until))));
        }
        (is_ready, state)
    }

    /// The path below which the listener answers for the state of the link.
    pub(crate) fn management_path(&self) -> Option<&str> {
        self.delivery.management.as_deref()
    }

    fn admit(&mut self, bundle: SignedBundle, now: UnixTime) -> Result<(), Refused> {
        match bundle.admit(&self.delivery.trust, self.adopted.as_ref(), self.floor().as_ref(), now)? {
            Admission::Unchanged => Ok(()),
            Admission::New(mut activation) => {
                self.supply_held(&mut activation);
                let (adopted, authorizer) = activation.activate()?;
                self.adopt(Loaded { activation, adopted: Some((adopted, authorizer)) }, now).map(drop)
            }
        }
    }

    /// What was adopted, here or on this host: nothing smaller follows.
    fn floor(&self) -> Option<Adopted> {
        let head = self.shared.as_ref().and_then(|shared| shared.head().ok().flatten());
        [head, self.adopted].into_iter().flatten().max_by_key(|adopted| adopted.epoch)
    }

    /// Supplies what is already here of the documents.
    fn supply_held(&self, activation: &mut Activation) {
        if let Some(held) = &self.activation {
            activation.inherit(held);
        }
    }

    /// Adopts a bundle whole, or not at all. One of which something is missing comes back.
    fn adopt(&mut self, loaded: Loaded, now: UnixTime) -> Result<Option<Activation>, Refused> {
        let Loaded { activation, adopted } = loaded;
        let Some((adopted, authorizer)) = adopted else { return Ok(Some(activation)) };
        if let Some(why) = self.kind.refusal(&authorizer, self.shared.is_some()) {
            return Err(Refused::new(RefusalReason::BundleInvalid, why));
        }
        // Another way in may have been faster.
        if self.adopted.is_some_and(|current| current.epoch >= adopted.epoch) {
            return Ok(None);
        }
        if let Some(freshness) = authorizer.freshness() {
            self.metrics.adopted(activation.manifest().payload().issued_at, freshness.stale_until);
        }
        self.replaced.push(self.active.set(authorizer));
        self.adopted = Some(adopted);
        self.adopted_at = Some(now);
        self.activation = Some(activation);
        self.is_unshared = true;
        self.behind_since = None;
        // The others learn of it with the next tick.
        self.signed_of_life_at = None;
        host::log_info(&format!("portcullis: epoch {} is adopted", adopted.epoch));
        Ok(None)
    }

    /// Tells the other workers that this one is there.
    fn sign_of_life(&mut self, now: UnixTime, elapsed: u64) {
        let is_due = |at: u64| elapsed.saturating_sub(at) >= status::SIGN_OF_LIFE_MILLISECONDS;
        if !self.signed_of_life_at.is_none_or(is_due) {
            return;
        }
        let stored = self.shared.as_ref().map(Shared::workers).transpose();
        let Ok(stored) = stored.map(Option::unwrap_or_default) else { return };
        let workers = self.workers(&stored.0, now);
        self.metrics.seen(&workers);
        let list = Value::from(workers).to_string().into_bytes();
        // If another worker was faster, the next tick tries again.
        if self.shared.as_ref().is_none_or(|shared| shared.set_workers(list, stored.1).is_ok()) {
            self.signed_of_life_at = Some(elapsed);
        }
    }

    fn workers(&self, stored: &[u8], now: UnixTime) -> Vec<Value> {
        status::workers(stored, self.worker, self.adopted.as_ref().map(|adopted| adopted.epoch), now)
    }

    fn status(&self, now: UnixTime) -> Value {
        let stored = self.shared.as_ref().and_then(|shared| shared.workers().ok());
        status::status(self, self.workers(&stored.map(|(stored, _)| stored).unwrap_or_default(), now))
    }

    /// Remembers what went wrong until something goes well.
    fn note(&mut self, result: Result<(), Refused>, epoch: Option<u64>, now: UnixTime, elapsed: u64) {
        match result {
            Ok(()) => {
                self.metrics.succeeded(now);
                if let Some(error) = &mut self.last_error {
                    error.is_over = true;
                }
            }
            Err(refused) => {
                self.metrics.refused(refused.reason());
                self.last_error = Some(LastError::note(self.last_error.as_ref(), &refused, epoch, now, elapsed));
            }
        }
    }
}
