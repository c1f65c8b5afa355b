//! A listener of the operator's choice that answers for the state of the link, and takes bundles.
//!
//! `GET PATH/ready` and `GET PATH/status` say how it is; `PUT PATH/bundle` takes a manifest and its documents in one piece,
//! through the same gate as every other way in. Everything else on the listener is a request like any other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use authz::Reply;
use authz::limits::MAX_SIGNED_BUNDLE_BYTES;
use proxy_wasm::types::Action;
use serde_json::{Value, json};

use crate::exchange::Stream;
use crate::host::{self, HostError, HostKind};
use crate::link::Link;
use crate::received::Received;

/// A request on a listener with management.
pub(crate) struct Managed {
    host_kind: HostKind,
    link: Rc<RefCell<Link>>,
    /// The request, where it is none of the management's.
    stream: Stream,
    kind: Cell<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Like any other.
    Ordinary,
    /// The body is awaited.
    Bundle,
    /// Answered.
    Done,
}

impl Managed {
    pub(crate) const fn new(host_kind: HostKind, link: Rc<RefCell<Link>>, stream: Stream) -> Self {
        Self { host_kind, link, stream, kind: Cell::new(Kind::Ordinary) }
    }

    /// Answers a request for the management; what kind of request it is.
    fn handle(&self, end_of_stream: bool) -> Result<Kind, HostError> {
        let received = Received::read(self.host_kind)?;
        let head = received.head().ok_or(HostError)?;
        let link = self.link.try_borrow().map_err(|_| HostError)?;
        let path = head.path.unwrap_or_default();
        let own = link.management_path().and_then(|own| path.strip_prefix(own.as_bytes()));
        match (own, head.method) {
            (Some(b"/ready" | b"/status"), Some(b"GET")) => {
                let (is_ready, state) = link.readiness(host::now()?);
                let status = if path.ends_with(b"/ready") && !is_ready { 503 } else { 200 };
                reply(status, &state)?;
                Ok(Kind::Done)
            }
            // Kong's host does not hold a body back, and keeps a long one to itself.
            (Some(b"/bundle"), Some(b"PUT")) if !self.host_kind.is_envoy() => {
                reply(501, &json!({ "error": "this proxy cannot take bundles; let it ask the control endpoint" }))?;
                Ok(Kind::Done)
            }
            (Some(b"/bundle"), Some(b"PUT")) if !end_of_stream => Ok(Kind::Bundle),
            (Some(b"/ready" | b"/status" | b"/bundle"), _) => {
                reply(405, &json!({ "error": "GET PATH/ready, GET PATH/status, or PUT PATH/bundle with a body" }))?;
                Ok(Kind::Done)
            }
            _ => Ok(Kind::Ordinary),
        }
    }

    fn take_bundle(&self, body_bytes: usize) -> Result<(), HostError> {
        if body_bytes > MAX_SIGNED_BUNDLE_BYTES {
            return reply(413, &json!({ "error": "too_large" }));
        }
        let body = host::request_body(body_bytes)?;
        let result = self.link.try_borrow_mut().map_err(|_| HostError)?.put(&body, host::now()?);
        match result {
            Ok(epoch) => reply(200, &json!({ "epoch": epoch })),
            Err(refused) => reply(422, &json!({ "error": refused.reason().code(), "detail": refused.detail() })),
        }
    }
}

impl Managed {
    pub(crate) fn on_request_headers(&self, count: usize, end_of_stream: bool) -> Action {
        // What cannot be read is not the management's, and is refused as every request is.
        let is_readable = self.host_kind.hands_over(count);
        let kind = if is_readable { self.handle(end_of_stream).unwrap_or(Kind::Ordinary) } else { Kind::Ordinary };
        self.kind.set(kind);
        if kind == Kind::Ordinary { self.stream.on_request_headers(count).action() } else { Action::Pause }
    }

    pub(crate) fn on_request_body(&self, body_size: usize, end_of_stream: bool) -> Action {
        match self.kind.get() {
            Kind::Ordinary => return self.stream.on_request_body(),
            // The host holds what has come so far; more than is ever read is refused before the end.
            Kind::Bundle if end_of_stream || body_size > MAX_SIGNED_BUNDLE_BYTES => {
                self.kind.set(Kind::Done);
                if self.take_bundle(body_size).is_err() {
                    // A request that cannot be answered stays where it is, until the host's own timeout.
                    let _ = reply(503, &json!({ "error": "host_failure" }));
                }
            }
            Kind::Bundle | Kind::Done => {}
        }
        Action::Pause
    }

    pub(crate) fn on_request_trailers(&self) -> Action {
        if self.kind.get() == Kind::Ordinary { self.stream.on_request_trailers() } else { Action::Pause }
    }
}

fn reply(status: u16, body: &Value) -> Result<(), HostError> {
    let headers = vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
    host::send_reply(&Reply { status, headers, body: body.to_string() }, "management")
}
