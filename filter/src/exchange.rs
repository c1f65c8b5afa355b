//! One HTTP exchange: read once, decide, write once.

use std::rc::Rc;

use authz::{Action, Authorization, Authorizer};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types;

use crate::host::{self, HostError};
use crate::replay_guard;

/// The context of one request, bound to one authorizer and so to one revision.
pub(crate) struct Exchange {
    authorizer: Rc<Authorizer>,
}

impl Exchange {
    pub(crate) const fn new(authorizer: Rc<Authorizer>) -> Self {
        Self { authorizer }
    }

    fn authorize(&self) -> Authorization {
        self.decide().unwrap_or_else(|HostError| self.authorizer.host_failure())
    }

    fn decide(&self) -> Result<Authorization, HostError> {
        let headers = host::request_headers()?;
        let mut head = headers.request_head().ok_or(HostError)?;
        let peer = if self.authorizer.needs_peer() { host::peer_certificate()? } else { None };
        head.peer = peer.as_ref().map(host::Peer::certificate);
        let source = if self.authorizer.needs_source() { host::source_address()? } else { None };
        head.source = source.as_deref();
        let now = host::now()?;
        let authorization = self.authorizer.authorize(&head, now);
        for once in authorization.use_once() {
            if !replay_guard::claim(once, now)? {
                return Ok(self.authorizer.replayed(&authorization));
            }
        }
        Ok(authorization)
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

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> types::Action {
        let authorization = self.authorize();
        match carry_out(&authorization) {
            Ok(next) => next,
            // What the decision demands was not done, so the request must not go on.
            Err(HostError) => {
                let refusal = self.authorizer.host_failure();
                carry_out(&refusal).unwrap_or(types::Action::Pause)
            }
        }
    }

    /// A recipient may merge trailers into the headers (RFC 9110 section 6.5.1), so the client must not speak as the filter
    /// there either. Hosts call this only for requests that have trailers.
    fn on_http_request_trailers(&mut self, _count: usize) -> types::Action {
        match self.remove_owned_trailers() {
            Ok(()) => types::Action::Continue,
            // What might be a forged identity does not go on.
            Err(HostError) => types::Action::Pause,
        }
    }
}

/// Does what was decided. A failure leaves the request where it is: it was neither answered nor sent on.
fn carry_out(authorization: &Authorization) -> Result<types::Action, HostError> {
    let decision = authorization.decision();
    match authorization.action() {
        Action::Forward(edits) => {
            for name in &edits.remove {
                host::remove_request_header(name)?;
            }
            for (name, value) in &edits.set {
                host::set_request_header(name, value)?;
            }
            host::record(&decision.to_record())?;
            Ok(types::Action::Continue)
        }
        Action::Reply(reply) => {
            // The client is refused whether or not that can be put on record.
            let _ = host::record(&decision.to_record());
            host::send_reply(reply, decision.reason().code())?;
            Ok(types::Action::Pause)
        }
    }
}
