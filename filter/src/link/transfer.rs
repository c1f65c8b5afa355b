//! The way of a manifest and its documents from the control endpoint to here.

use authz::UnixTime;
use authz::distribution::{Activation, Admission, Loaded, RefusalReason, Refused, UnverifiedManifest};

use super::interest::{SELDOM_MILLISECONDS, Wakefulness};
use super::request::{self, Call, Wanted};
use super::{Link, Way, status};
use crate::host::{self, HostError};
use crate::random;

/// The least time between two answers that there is nothing new: an endpoint that does not wait is not asked all the time.
const LEAST_INTERVAL: u64 = 1000;

/// How long the endpoint may wait after an adoption, in seconds: then it is told which other workers have followed.
const SHORT_WAIT: u64 = 1;

/// The least time between two reports of keys that tokens named in vain.
const REPORT_INTERVAL: u64 = 10_000;

/// Where the transfer is.
#[derive(Default)]
pub(super) struct Transfer {
    step: Step,
    /// When the endpoint may be asked again, by the stopwatch.
    due_at: u64,
    asked_at: u64,
    failures: u32,
    /// When unknown keys may be reported again.
    report_at: u64,
    report: Option<Call>,
}

#[derive(Default)]
enum Step {
    #[default]
    Idle,
    AsksForManifest(Call),
    AsksForDocument(Call, Wanted, Box<Activation>),
}

impl Step {
    const fn call(&self) -> Option<&Call> {
        match self {
            Self::Idle => None,
            Self::AsksForManifest(call) | Self::AsksForDocument(call, _, _) => Some(call),
        }
    }
}

impl Transfer {
    /// Waits before the next attempt, longer each time.
    fn pause(&mut self, elapsed: u64) {
        self.due_at = elapsed.saturating_add(random::pause_after(self.failures));
        self.failures = self.failures.saturating_add(1);
    }
}

impl Link {
    /// Asks the endpoint, if it is this worker's turn and nothing is under way.
    pub(super) fn go_on(&mut self, now: UnixTime, elapsed: u64) {
        self.report_unknown_keys(now, elapsed);
        if self.transfer.step.call().is_some_and(|call| call.is_overdue(elapsed)) {
            self.failed(&Refused::new(RefusalReason::Timeout, "the host never told of an answer"), None, now, elapsed);
        }
        // Renewed while an answer is awaited, too.
        let is_asker = self.is_asker(now, elapsed);
        let is_idle = self.transfer.step.call().is_none() && self.loading.is_none();
        if is_asker && is_idle && elapsed >= self.transfer.due_at {
            // A proxy that has nothing yet waits too: for the first publication.
            let is_awake = self.wakefulness(elapsed) == Wakefulness::Awake;
            self.ask_for_manifest(if is_awake { self.wait_seconds() } else { 0 }, now, elapsed);
        }
    }

    /// How much the bundle is wanted. Envoy ends what is not. Who gets answers stays up to date, so that the first request after a
    /// quiet day is not decided by what was revoked since.
    fn wakefulness(&self, elapsed: u64) -> Wakefulness {
        match self.interest.wakefulness(elapsed) {
            _ if self.kind.is_envoy() => Wakefulness::Awake,
            Wakefulness::Asleep if self.transfer.failures == 0 => Wakefulness::Drowsy,
            wakefulness => wakefulness,
        }
    }

    /// Asks at once when the first request for a while has come.
    pub(super) fn look_at_interest(&mut self, elapsed: u64) {
        if self.interest.look(elapsed) && !self.kind.is_envoy() {
            self.transfer.due_at = elapsed;
        }
    }

    /// Whether this worker asks the endpoint. If the host fails to say who does, everybody does.
    fn is_asker(&self, now: UnixTime, elapsed: u64) -> bool {
        match self.wakefulness(elapsed) {
            Wakefulness::Asleep => return false,
            // Without the lease, which is for those who have requests.
            Wakefulness::Drowsy => return self.delivery.control.is_some(),
            Wakefulness::Awake => {}
        }
        // What lives on after a reload may have an endpoint or a token that is good no more; whoever fails leaves the lease to others.
        if !self.kind.is_envoy() && self.transfer.failures > 0 {
            return self.delivery.control.is_some();
        }
        let holds_lease = || match &self.shared {
            None => true,
            Some(shared) => shared.holds_lease(self.worker, now).unwrap_or(true),
        };
        self.delivery.control.is_some() && (holds_lease() || self.is_left_behind(elapsed))
    }

    fn wait_seconds(&self) -> u64 {
        self.delivery.control.as_ref().map_or(0, |control| control.wait_seconds)
    }

    fn ask_for_manifest(&mut self, seconds: u64, now: UnixTime, elapsed: u64) {
        let Some(control) = &self.delivery.control else { return };
        let epoch = self.adopted.as_ref().map(|adopted| adopted.epoch);
        let status = status::header(self.status(now), &[]);
        let asked = request::ask_for_manifest(control, &self.delivery.trust, epoch, &status, seconds, elapsed);
        match asked {
            Ok(call) => {
                self.transfer.asked_at = elapsed;
                self.transfer.step = Step::AsksForManifest(call);
            }
            Err(HostError) => self.failed(&no_cluster(&control.cluster), None, now, elapsed),
        }
    }

    /// Takes the answer to a call, if it is one of this link's.
    pub(super) fn take_answer(&mut self, call: u32, body_bytes: usize, now: UnixTime, elapsed: u64) {
        if self.transfer.report.is_some_and(|report| report.is(call)) {
            self.transfer.report = None;
            return;
        }
        if !self.transfer.step.call().is_some_and(|own| own.is(call)) {
            return;
        }
        match std::mem::take(&mut self.transfer.step) {
            Step::Idle => {}
            Step::AsksForManifest(call) => {
                let answer = answer(&call, body_bytes, Wanted::Manifest, elapsed);
                match answer.and_then(|body| self.take_manifest(body, now)) {
                    Ok(None) => self.unchanged(now, elapsed),
                    Ok(Some(activation)) => self.fetch_or_load(activation, now, elapsed),
                    Err(refused) => self.failed(&refused, None, now, elapsed),
                }
            }
            Step::AsksForDocument(call, wanted, mut activation) => {
                let epoch = Some(activation.manifest().payload().epoch);
                let answer = answer(&call, body_bytes, wanted, elapsed);
                match answer.and_then(|body| take_document(&mut activation, wanted, body)) {
                    Ok(()) => self.load(*activation, Way::Endpoint, now, elapsed),
                    Err(refused) => self.failed(&refused, epoch, now, elapsed),
                }
            }
        }
    }

    /// What may be adopted; none if there is nothing new.
    fn take_manifest(&self, body: Option<Vec<u8>>, now: UnixTime) -> Result<Option<Activation>, Refused> {
        let Some(body) = body else { return Ok(None) };
        let manifest = UnverifiedManifest::parse(&body)?.verify(&self.delivery.trust)?;
        match manifest.admit(self.adopted.as_ref(), self.floor().as_ref(), now)? {
            Admission::Unchanged => Ok(None),
            Admission::New(mut activation) => {
                self.supply_held(&mut activation);
                Ok(Some(activation))
            }
        }
    }

    /// Goes on when what was here has been read.
    pub(super) fn loaded_from_endpoint(
        &mut self,
        result: Result<Loaded, Refused>,
        epoch: u64,
        now: UnixTime,
        elapsed: u64,
    ) {
        match result.and_then(|loaded| self.adopt(loaded, now)) {
            Ok(None) => self.succeeded(now, elapsed),
            Ok(Some(activation)) => self.fetch_or_load(activation, now, elapsed),
            Err(refused) => self.failed(&refused, Some(epoch), now, elapsed),
        }
    }

    /// Asks for the next document that is not here, or reads the bundle if all are.
    fn fetch_or_load(&mut self, activation: Activation, now: UnixTime, elapsed: u64) {
        let epoch = Some(activation.manifest().payload().epoch);
        let Some(missing) = activation.missing().first().copied() else {
            return self.load(activation, Way::Endpoint, now, elapsed);
        };
        let Some(control) = &self.delivery.control else { return };
        match request::ask_for_document(control, missing.sha256, elapsed) {
            Ok(call) => {
                self.transfer.step = Step::AsksForDocument(call, Wanted::Document(missing), Box::new(activation));
            }
            Err(HostError) => self.failed(&no_cluster(&control.cluster), epoch, now, elapsed),
        }
    }

    /// The next poll follows at once: what is published meanwhile must not wait for a tick. It is a short one where there are
    /// others to follow.
    fn succeeded(&mut self, now: UnixTime, elapsed: u64) {
        self.note(Ok(()), None, now, elapsed);
        self.share();
        self.transfer.failures = 0;
        self.transfer.due_at = elapsed;
        if self.wakefulness(elapsed) != Wakefulness::Awake {
            self.transfer.due_at = elapsed.saturating_add(SELDOM_MILLISECONDS);
            return;
        }
        let seconds = if self.shared.is_some() { SHORT_WAIT } else { self.wait_seconds() };
        self.ask_for_manifest(seconds, now, elapsed);
    }

    fn unchanged(&mut self, now: UnixTime, elapsed: u64) {
        self.note(Ok(()), None, now, elapsed);
        self.transfer.failures = 0;
        let is_awake = self.wakefulness(elapsed) == Wakefulness::Awake;
        let interval = if is_awake { LEAST_INTERVAL } else { SELDOM_MILLISECONDS };
        self.transfer.due_at = self.transfer.asked_at.saturating_add(interval);
        self.go_on(now, elapsed);
    }

    fn failed(&mut self, refused: &Refused, epoch: Option<u64>, now: UnixTime, elapsed: u64) {
        self.transfer.step = Step::Idle;
        self.transfer.pause(elapsed);
        self.note(Err(refused.clone()), epoch, now, elapsed);
    }

    /// Tells the endpoint of keys that tokens named in vain, so that it looks for new ones. Every worker tells of its own.
    fn report_unknown_keys(&mut self, now: UnixTime, elapsed: u64) {
        if self.transfer.report.is_some_and(|report| report.is_overdue(elapsed)) {
            self.transfer.report = None;
        }
        let Some(control) = &self.delivery.control else { return };
        if self.transfer.report.is_some() || elapsed < self.transfer.report_at {
            return;
        }
        let unknown = self.active.get().take_unknown_keys();
        if unknown.is_empty() {
            return;
        }
        self.transfer.report_at = elapsed.saturating_add(REPORT_INTERVAL);
        let epoch = self.adopted.as_ref().map(|adopted| adopted.epoch);
        let status = status::header(self.status(now), &unknown);
        // What is not told now is told when the next token names it.
        let report = request::ask_for_manifest(control, &self.delivery.trust, epoch, &status, 0, elapsed);
        self.transfer.report = report.ok();
    }
}

fn answer(call: &Call, body_bytes: usize, wanted: Wanted, elapsed: u64) -> Result<Option<Vec<u8>>, Refused> {
    let response = host::call_response(body_bytes, wanted.max_bytes());
    let response = response
        .map_err(|HostError| Refused::new(RefusalReason::Unreachable, "the host could not hand over the answer"))?;
    request::body_of(response.ok_or_else(|| call.failure(elapsed))?, wanted)
}

fn take_document(activation: &mut Activation, wanted: Wanted, body: Option<Vec<u8>>) -> Result<(), Refused> {
    match (wanted, body) {
        (Wanted::Document(reference), Some(body)) => {
            activation.offer(Some(reference.sha256), body);
            Ok(())
        }
        _ => Err(Refused::new(RefusalReason::DocumentMissing, "the answer has no document")),
    }
}

fn no_cluster(cluster: &str) -> Refused {
    Refused::new(RefusalReason::Unreachable, format!("there is no cluster `{cluster}`, or it cannot be reached"))
}
