//! Every worker of a proxy: each is asked, on a connection of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::client::{Connection, Request, Response};
use crate::envoy::Envoy;

/// Where a listener with `"management": { "path": "/portcullis" }` says how it is.
const STATUS: &str = "/portcullis/status";

/// How many connections are tried until each worker has one: which worker gets one is for the kernel to say.
const ATTEMPTS: usize = 1000;

/// How long a client pauses between its requests.
const PAUSE: Duration = Duration::from_millis(5);

/// One connection to each worker.
pub struct Workers(Vec<Connection>);

impl Workers {
    /// Connects to a listener, which has to have management at `/portcullis`, until so many workers are found.
    ///
    /// # Errors
    ///
    /// There are not so many.
    pub fn connect(envoy: &Envoy, listener: &str, count: usize) -> Result<Self> {
        let mut workers: Vec<(Value, Connection)> = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut connection = Connection::open(envoy.address(listener)?)?;
            let status: Value = serde_json::from_slice(&connection.send(&Request::get(STATUS))?.body)?;
            let name = status.get("worker").cloned().context("a worker has a name")?;
            if workers.iter().all(|(known, _)| *known != name) {
                workers.push((name, connection));
            }
            if workers.len() == count {
                return Ok(Self(workers.into_iter().map(|(_, connection)| connection).collect()));
            }
        }
        bail!("of {count} workers only {} answer", workers.len())
    }

    /// What each worker answers.
    ///
    /// # Errors
    ///
    /// One does not.
    pub fn send(&mut self, request: &Request) -> Result<Vec<Response>> {
        self.0.iter_mut().map(|worker| worker.send(request)).collect()
    }

    /// The status that each worker answers with.
    ///
    /// # Errors
    ///
    /// One does not.
    pub fn ask(&mut self, request: &Request) -> Result<Vec<u16>> {
        Ok(self.send(request)?.iter().map(|response| response.status).collect())
    }

    /// The epoch that each worker decides by; none where there is no bundle yet.
    ///
    /// # Errors
    ///
    /// One does not answer.
    pub fn epochs(&mut self) -> Result<Vec<Option<u64>>> {
        let epoch = |response: &Response| {
            let status: Value = serde_json::from_slice(&response.body)?;
            Ok(status.get("epoch").and_then(Value::as_u64))
        };
        self.send(&Request::get(STATUS))?.iter().map(epoch).collect()
    }
}

/// Good requests to every worker, all the time: each has to be let through.
pub struct Load {
    request: Arc<Mutex<Request>>,
    is_over: Arc<AtomicBool>,
    client: JoinHandle<Result<usize>>,
}

impl Load {
    /// Starts it.
    pub fn start(mut workers: Workers, request: Request) -> Self {
        let (request, is_over) = (Arc::new(Mutex::new(request)), Arc::new(AtomicBool::new(false)));
        let (next, ends) = (Arc::clone(&request), Arc::clone(&is_over));
        let client = std::thread::spawn(move || {
            let mut count = 0_usize;
            while !ends.load(Ordering::Relaxed) {
                let request = next.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for status in workers.ask(&request)? {
                    ensure!(status == 200, "after {count} good requests one got {status}");
                    count = count.saturating_add(1);
                }
                std::thread::sleep(PAUSE);
            }
            Ok(count)
        });
        Self { request, is_over, client }
    }

    /// Goes on with another request.
    pub fn go_on_with(&self, request: Request) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    /// How many requests there were.
    ///
    /// # Errors
    ///
    /// One was not let through.
    pub fn end(self) -> Result<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        self.client.join().map_err(|_| anyhow!("the client panicked"))?
    }
}
