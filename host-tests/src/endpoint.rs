//! A control endpoint that can be told to fail in every way in which one can fail.

mod wire;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::publisher::{FLEET, Publication};

/// The credential that it accepts.
pub const TOKEN: &str = "proxy-token";

/// How it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    #[default]
    None,
    /// It accepts connections and closes them.
    Closes,
    /// It accepts and never answers.
    Silent,
    /// One byte a second.
    Drips,
    /// Only half of each answer, and then the end of the connection.
    Cuts,
    /// The same, without saying how long the answer is.
    CutsWithoutLength,
    /// One bit of each document is another.
    FlipsDocuments,
    /// It answers with this status.
    Status(u16),
    /// It says that the answer is elsewhere.
    Redirects,
    /// It answers 200 with a page for people.
    Html,
    /// It answers 200 with nothing.
    Empty,
    /// It answers with so many megabytes.
    Floods(usize),
    /// Every third connection is closed.
    Flaps,
}

#[derive(Default)]
struct State {
    fault: Fault,
    offered: Option<Publication>,
    /// What another replica offers, every other time.
    also_offered: Option<Publication>,
    documents: BTreeMap<String, Vec<u8>>,
    /// What connections present; none is HTTP without TLS. Those that were made with another are closed.
    identity: Option<Arc<ServerConfig>>,
    connections: usize,
    requests: usize,
    statuses: Vec<Value>,
    /// The decision records that came, each a line.
    records: String,
}

/// The endpoint.
#[derive(Clone, Default)]
pub struct Endpoint {
    state: Arc<(Mutex<State>, Condvar)>,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, without the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Endpoint {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers this from now on; whoever waits gets it at once.
    pub fn offer(&self, publication: &Publication) {
        let mut state = self.state();
        state.documents.extend(publication.documents.iter().cloned());
        state.offered = Some(publication.clone());
        self.state.1.notify_all();
    }

    /// Lets a second replica offer this, every other time; or takes it away.
    pub fn offer_also(&self, publication: Option<Publication>) {
        self.state().also_offered = publication;
        self.state.1.notify_all();
    }

    /// Fails in this way from now on; whoever waits is let go.
    pub fn fail(&self, fault: Fault) {
        self.state().fault = fault;
        self.state.1.notify_all();
    }

    /// Presents this certificate from now on, also to those who are connected: they have to connect again.
    pub fn present(&self, identity: Arc<ServerConfig>) {
        self.state().identity = Some(identity);
        self.state.1.notify_all();
    }

    /// Forgets a document.
    pub fn forget(&self, digest: &str) {
        self.state().documents.remove(digest);
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// What the proxies said of themselves, in the order in which they did.
    pub fn statuses(&self) -> Vec<Value> {
        self.state().statuses.clone()
    }

    /// The decision records that came, each a line.
    pub fn records(&self) -> String {
        self.state().records.clone()
    }

    fn take_records(&self, headers: &BTreeMap<String, String>, lines: &[u8]) -> Result<Answer> {
        let is_known = headers.get("authorization").is_some_and(|value| *value == format!("Bearer {TOKEN}"));
        let mut state = self.state();
        let status = match (is_known, state.fault) {
            (false, _) => 401,
            (true, Fault::None) => 204,
            (true, _) => 503,
        };
        if status == 204 {
            state.records.push_str(std::str::from_utf8(lines)?);
        }
        Ok(Answer { status, headers: Vec::new(), body: Vec::new() })
    }

    /// What is answered to a request; none stands for a failure that is no answer. Waits as long as it may.
    pub fn answer(&self, path: &str, headers: &BTreeMap<String, String>, may_wait: bool) -> Answer {
        let text = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let answer = |status, headers, body: Vec<u8>| Answer { status, headers, body };
        let mut state = self.state();
        state.requests = state.requests.saturating_add(1);
        state.statuses.extend(headers.get("portcullis-status").and_then(|status| serde_json::from_str(status).ok()));
        if text("authorization") != format!("Bearer {TOKEN}") {
            return answer(401, Vec::new(), Vec::new());
        }
        if let Some(digest) = path.strip_prefix("/v1/documents/") {
            return match state.documents.get(digest) {
                Some(document) => answer(200, Vec::new(), document.clone()),
                None => answer(404, Vec::new(), Vec::new()),
            };
        }
        if path != format!("/v1/fleets/{FLEET}/manifest") {
            return answer(404, Vec::new(), Vec::new());
        }
        let wait = text("prefer").strip_prefix("wait=").and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        let known = text("if-none-match").to_owned();
        let identity = state.identity.clone();
        let (fault, is_known) = (state.fault, |state: &State| {
            state.offered.as_ref().is_none_or(|offered| format!("\"{}\"", offered.epoch) == known)
        });
        if may_wait && wait > 0 {
            let duration = Duration::from_secs(wait);
            let waited = self.state.1.wait_timeout_while(state, duration, |state| {
                is_known(state)
                    && state.fault == fault
                    && is_same(state.identity.as_ref(), identity.as_ref())
                    && state.also_offered.is_none()
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let other = state.also_offered.as_ref().filter(|_| state.requests.is_multiple_of(2));
        match other.or(state.offered.as_ref()) {
            None => answer(204, Vec::new(), Vec::new()),
            Some(offered) if known == format!("\"{}\"", offered.epoch) => answer(304, Vec::new(), Vec::new()),
            Some(offered) => {
                let etag = ("etag", format!("\"{}\"", offered.epoch));
                answer(200, vec![etag], offered.manifest.clone().into_bytes())
            }
        }
    }

    /// Serves at a port of its own.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn start(&self) -> Result<SocketAddr> {
        self.start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same at this address.
    ///
    /// # Errors
    ///
    /// It is in use.
    pub fn start_at(&self, address: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let endpoint = self.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let endpoint = endpoint.clone();
                // Whoever hangs up is gone.
                std::thread::spawn(move || endpoint.accept(connection));
            }
        });
        Ok(address)
    }

    fn accept(&self, connection: TcpStream) -> Result<()> {
        let identity = {
            let mut state = self.state();
            state.connections = state.connections.saturating_add(1);
            state.identity.clone()
        };
        match &identity {
            None => self.serve(connection, None),
            Some(config) => {
                let tls = ServerConnection::new(Arc::clone(config))?;
                self.serve(StreamOwned::new(tls, connection), Some(config))
            }
        }
    }

    fn serve(&self, connection: impl Read + Write, identity: Option<&Arc<ServerConfig>>) -> Result<()> {
        let mut connection = BufReader::new(connection);
        loop {
            let Some((path, headers, body)) = wire::read_request(&mut connection)? else { return Ok(()) };
            let answer = match path == format!("/v1/fleets/{FLEET}/decisions") {
                true => self.take_records(&headers, &body)?,
                false => self.answer(&path, &headers, true),
            };
            let (fault, is_current) = {
                let state = self.state();
                (state.fault, is_same(state.identity.as_ref(), identity))
            };
            let goes_on =
                is_current && wire::write_answer(connection.get_mut(), &answer, fault, &path, self.requests())?;
            if !goes_on {
                return Ok(());
            }
        }
    }
}

fn is_same(one: Option<&Arc<ServerConfig>>, other: Option<&Arc<ServerConfig>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}
