//! One HTTP exchange: read once, decide, write once.

use std::cell::Cell;
use std::rc::Rc;

use authz::{Action, Authorization, Authorizer, HeaderEdits, Step, UnixTime};
use proxy_wasm::types;

use crate::callouts::Callouts;
use crate::decision_log::{DecisionLog, Entry};
use crate::decision_metrics::DecisionMetrics;
use crate::host::{self, HostError, HostKind};
use crate::received::Received;
use crate::replay_guard;

/// How often an exchange may wait for an answer: once for each of the few credentials that it may present.
const MAX_WAITS: u32 = 8;

/// The context of one request, bound to one authorizer and so to one revision.
pub(crate) struct Exchange {
    context_id: u32,
    kind: HostKind,
    authorizer: Rc<Authorizer>,
    tools: Rc<Tools>,
    waits: Cell<u32>,
    /// When it was decided last.
    decided_at: Cell<Option<UnixTime>>,
    is_forwarded: Cell<bool>,
}

/// What all exchanges of a plugin share.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) callouts: Callouts,
    pub(crate) log: DecisionLog,
    pub(crate) metrics: DecisionMetrics,
}

/// What becomes of the request now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Forwarded,
    /// Answered, or left where it is.
    Stopped,
    /// An answer is awaited.
    Waiting,
}

impl Progress {
    pub(crate) const fn action(self) -> types::Action {
        match self {
            Self::Forwarded => types::Action::Continue,
            Self::Stopped | Self::Waiting => types::Action::Pause,
        }
    }
}

impl Exchange {
    pub(crate) const fn new(context_id: u32, kind: HostKind, authorizer: Rc<Authorizer>, tools: Rc<Tools>) -> Self {
        let (waits, decided_at, is_forwarded) = (Cell::new(0), Cell::new(None), Cell::new(false));
        Self { context_id, kind, authorizer, tools, waits, decided_at, is_forwarded }
    }

    /// Refuses a request of which not all headers can be read: what is missing could be what matters.
    fn refuse_headers(&self) -> Progress {
        self.carry_out(self.authorizer.headers_too_many())
    }

    /// Decides, does what was decided, and remembers it for what follows of the request.
    fn proceed(self: &Rc<Self>) -> Progress {
        let progress = self.decide_and_carry_out();
        self.is_forwarded.set(progress == Progress::Forwarded);
        progress
    }

    fn decide_and_carry_out(self: &Rc<Self>) -> Progress {
        let authorization = match self.decide() {
            Ok(Step::Decided(authorization)) => authorization,
            Ok(Step::Introspect(introspection)) => {
                let waits = self.waits.replace(self.waits.get().saturating_add(1));
                let is_waiting =
                    waits < MAX_WAITS && self.tools.callouts.wait(&self.authorizer, introspection, self).is_ok();
                if is_waiting {
                    return Progress::Waiting;
                }
                self.authorizer.introspection_failed()
            }
            Err(HostError) => self.authorizer.host_failure(),
        };
        self.carry_out(authorization)
    }

    fn decide(&self) -> Result<Step, HostError> {
        let received = Received::read(self.kind)?;
        let mut head = received.head().ok_or(HostError)?;
        let peer = if self.authorizer.needs_peer() { host::peer_certificate()? } else { None };
        head.peer = peer.as_ref().map(host::Peer::certificate);
        let source = if self.authorizer.needs_source() { host::source_address()? } else { None };
        head.source = source.as_deref();
        let now = host::now()?;
        self.decided_at.set(Some(now));
        let step = match (self.authorizer.authorize(&head, now), self.kind) {
            (Step::Decided(decided), HostKind::Wasmx) => Step::Decided(self.authorizer.by_overwriting(decided, &head)),
            (step, _) => step,
        };
        let Step::Decided(authorization) = step else { return Ok(step) };
        for once in authorization.use_once() {
            if !replay_guard::claim(self.kind, once, now)? {
                return Ok(Step::Decided(self.authorizer.replayed(authorization)));
            }
        }
        Ok(Step::Decided(authorization))
    }

    /// Goes on with a request that waited, from the root context: it is judged from the beginning, now with the answer.
    pub(crate) fn resume(self: &Rc<Self>) {
        // Without this the host calls would be about another request. A request that is gone needs nothing more.
        if host::set_effective_context(self.context_id).is_err() {
            return;
        }
        if self.proceed() == Progress::Forwarded {
            // A request that cannot go on stays where it is, until the host's own timeout.
            let _ = host::continue_request();
        }
    }

    /// Does what was decided. What cannot be done is answered as a failure, and what cannot be answered stays where it is: it was
    /// neither answered nor sent on.
    fn carry_out(&self, authorization: Authorization) -> Progress {
        let was_asked = self.waits.get() > 0;
        let entry = self.tools.log.entry(self.kind, &self.authorizer, &authorization, was_asked, self.decided_at.get());
        let decision = authorization.decision();
        let progress = match authorization.action() {
            Action::Forward(edits) => match self.forward(edits, &authorization, &entry) {
                Ok(()) => Progress::Forwarded,
                Err(HostError) => return self.carry_out(self.authorizer.cannot_carry_out(authorization)),
            },
            Action::Reply(reply) => {
                // The client is refused whether or not that can be put on record; and asked to only once: Kong's host traps on a
                // second answer.
                let _ = host::record(self.kind, entry.line());
                let _ = self.note(&authorization, &entry);
                let _ = match entry.id() {
                    Some(id) => host::send_reply(&reply.with_decision_id(id), decision.reason().code()),
                    None => host::send_reply(reply, decision.reason().code()),
                };
                Progress::Stopped
            }
        };
        self.tools.log.keep(self.kind, entry, decision);
        if self.kind.is_envoy() {
            self.tools.metrics.count(decision);
        }
        progress
    }

    /// Edits the request and puts the decision on record.
    fn forward(&self, edits: &HeaderEdits, authorization: &Authorization, entry: &Entry) -> Result<(), HostError> {
        for name in &edits.remove {
            host::remove_request_header(name)?;
        }
        for (name, value) in &edits.set {
            host::set_request_header(name, value)?;
            if self.kind == HostKind::Wasmx && self.authorizer.owns_header(name.as_bytes()) {
                host::tell_kong(name, value);
            }
        }
        if let Some(descriptor) = authorization.decision().rate_limit() {
            host::set_rate_limit(self.kind, descriptor)?;
        }
        self.note(authorization, entry)?;
        host::record(self.kind, entry.line())
    }

    /// Tells the host the parts of the decision that the bundle lists.
    fn note(&self, authorization: &Authorization, entry: &Entry) -> Result<(), HostError> {
        let told = self.authorizer.told(authorization, entry.id());
        told.iter().try_for_each(|(name, value)| host::note(self.kind, name, value))
    }

    fn remove_owned_trailers(&self) -> Result<(), HostError> {
        let trailers = host::request_trailers()?;
        for (name, _) in trailers.pairs().ok_or(HostError)? {
            if self.authorizer.owns_header(name) {
                host::remove_request_trailer(name)?;
            }
        }
        Ok(())
    }
}

/// What is held of an exchange until the host deletes its context; then nobody can resume it any more.
pub(crate) struct Stream(pub(crate) Rc<Exchange>);

impl Stream {
    pub(crate) fn on_request_headers(&self, count: usize) -> Progress {
        if self.0.kind.hands_over(count) { self.0.proceed() } else { self.0.refuse_headers() }
    }

    /// With Envoy's `allow_on_headers_stop_iteration` a pause stops the headers only: a body that went on would take them
    /// along, undecided and with whatever identity the client wrote into them.
    pub(crate) fn on_request_body(&self) -> types::Action {
        if self.0.is_forwarded.get() { types::Action::Continue } else { types::Action::Pause }
    }

    /// A recipient may merge trailers into the headers (RFC 9110 section 6.5.1), so the client must not speak as the filter
    /// there either. Hosts call this only for requests that have trailers.
    pub(crate) fn on_request_trailers(&self) -> types::Action {
        match self.0.remove_owned_trailers() {
            Ok(()) if self.0.is_forwarded.get() => types::Action::Continue,
            // Neither an undecided request nor what might be a forged identity goes on.
            Ok(()) | Err(HostError) => types::Action::Pause,
        }
    }
}
