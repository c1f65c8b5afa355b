//! What the host does with requests: hands them to the filter, and sees what becomes of them.

use anyhow::{Context as _, Result, bail, ensure};

use super::{Answer, Call, Fault, Headers, Personality, ROOT_CONTEXT, Stream, StrictHost, wasmx};
use crate::client::Request;
use crate::outcome::Outcome;

const CONTINUE: i32 = 0;
const PAUSE: i32 = 1;

/// The headers of a request, and how many Envoy says that there are.
fn as_envoy_shows(request: &Request) -> (Headers, usize) {
    let mut headers = vec![
        (b":authority".to_vec(), request.host.clone()),
        (b":path".to_vec(), request.path.clone()),
        (b":method".to_vec(), request.method.clone()),
        (b":scheme".to_vec(), b"http".to_vec()),
    ];
    headers.extend(request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    let count = headers.len();
    (headers, count)
}

impl StrictHost {
    /// Lets the filter decide one request at the time `now`, in seconds. No authorization server answers.
    pub fn handle(&mut self, request: &Request, now: u64) -> Result<Outcome> {
        self.handle_with(request, now, &|_| None)
    }

    /// The same, with a host that fails in one way.
    pub fn handle_with_fault(&mut self, request: &Request, now: u64, fault: Option<Fault>) -> Result<Outcome> {
        self.store.data_mut().fault = fault;
        let outcome = self.handle(request, now);
        self.store.data_mut().fault = None;
        outcome
    }

    /// The same, with an authorization server.
    pub fn handle_with(&mut self, request: &Request, now: u64, server: &dyn Fn(&Call) -> Answer) -> Result<Outcome> {
        let context = self.begin(request, now)?;
        if self.is_waiting(context) {
            for call in self.tick()? {
                let answer = server(&call);
                self.answer(&call, answer)?;
            }
        }
        self.finish(context)
    }

    /// Hands a request to the filter, which decides it or lets it wait.
    pub fn begin(&mut self, request: &Request, now: u64) -> Result<i32> {
        self.set_time(now.saturating_mul(1000));
        self.begin_now(request)
    }

    /// Announces a request of which nothing else comes yet. If the announcement of a request is to trap, it is that of the next.
    pub fn announce(&mut self) -> Result<i32> {
        let trap = self.trap.take();
        let context = self.create_context(ROOT_CONTEXT);
        self.trap = trap;
        context
    }

    fn begin_now(&mut self, request: &Request) -> Result<i32> {
        let context = self.create_context(ROOT_CONTEXT)?;
        let state = self.store.data_mut();
        state.hide(request);
        let (headers, count) = match state.personality {
            Personality::Envoy => as_envoy_shows(request),
            Personality::Wasmx => wasmx::shows(request),
        };
        let count = i32::try_from(count)?;
        let target = match state.personality {
            Personality::Envoy => request.path.clone(),
            Personality::Wasmx => wasmx::request_uri(&request.path),
        };
        // Kong's host says of no request that this was all of it.
        let end_of_stream = i32::from(request.body.is_empty() && state.personality == Personality::Envoy);
        state.streams.insert(context, Stream { headers, body: request.body.clone(), target, ..Stream::default() });
        let action: i32 = self.call_in(context, "proxy_on_request_headers", (context, count, end_of_stream))?;
        let stream = self.stream(context)?;
        stream.goes_on |= action == CONTINUE;
        ensure!(action == CONTINUE || action == PAUSE, "the filter wants {action}");
        ensure!(!(stream.goes_on && stream.reply.is_some()), "the filter answered and then went on");
        self.check_pause(context)?;
        Ok(context)
    }

    /// Kong's host does not hold a request back: one that is paused hangs until its client leaves, or goes on by itself when a call is
    /// answered; and if anything traps, or the configuration is read anew, while a call of it is pending, the worker dies.
    fn check_pause(&self, context: i32) -> Result<()> {
        let is_paused = self.store.data().personality == Personality::Wasmx && self.is_waiting(context);
        ensure!(!is_paused, "this host is not Envoy: a request is paused that was not answered");
        Ok(())
    }

    /// Whether a request was neither answered nor sent on.
    pub fn is_waiting(&self, context: i32) -> bool {
        self.store.data().streams.get(&context).is_some_and(|stream| !stream.goes_on && stream.reply.is_none())
    }

    /// Whether the filter lets the body of a request go on.
    pub fn lets_body_through(&mut self, context: i32) -> Result<bool> {
        let action: i32 = self.call_in(context, "proxy_on_request_body", (context, 5, 1))?;
        Ok(action == CONTINUE)
    }

    /// Whether the filter lets anything of a request go on of whose context it was never told.
    pub fn lets_strangers_through(&mut self) -> Result<bool> {
        const STRANGER: i32 = i32::MAX;
        self.store.data_mut().streams.insert(STRANGER, Stream::default());
        let headers: i32 = self.call_in(STRANGER, "proxy_on_request_headers", (STRANGER, 0, 0))?;
        let body = self.lets_body_through(STRANGER)?;
        let trailers: i32 = self.call_in(STRANGER, "proxy_on_request_trailers", (STRANGER, 0))?;
        self.abort(STRANGER)?;
        Ok(body || headers == CONTINUE || trailers == CONTINUE)
    }

    /// Sends a request with its body at the time that it is.
    pub fn send(&mut self, request: &Request) -> Result<Outcome> {
        let context = self.begin_now(request)?;
        let is_envoy = self.store.data().personality == Personality::Envoy;
        // Kong's host leaves the body where it is while a request is paused.
        let body_comes = if is_envoy { self.is_waiting(context) } else { self.stream(context)?.goes_on };
        if body_comes && !request.body.is_empty() {
            let size = i32::try_from(request.body.len())?;
            let action: i32 = self.call_in(context, "proxy_on_request_body", (context, size, 1))?;
            let stream = self.stream(context)?;
            stream.goes_on = if is_envoy { stream.goes_on || action == CONTINUE } else { action == CONTINUE };
            self.check_pause(context)?;
        }
        self.finish(context)
    }

    /// Ends a request; what became of it.
    pub fn finish(&mut self, context: i32) -> Result<Outcome> {
        let stream = self.abort(context)?;
        let places = [&b"portcullis.decision"[..], b"kong.ctx.shared.portcullis_decision", b"ngx.portcullis_decision"];
        let record = places.into_iter().find_map(|place| stream.properties.get(place));
        let decision = record.and_then(|record| serde_json::from_slice(record).ok());
        match (stream.goes_on, stream.reply) {
            (false, Some(reply)) => Ok(Outcome { decision, ..reply }),
            (true, None) if self.store.data().personality == Personality::Wasmx => {
                let headers = wasmx::sends(stream.headers, &stream.target);
                Ok(Outcome { empties: true, ..Outcome::forwarded(headers, decision) })
            }
            (true, None) => Ok(Outcome::forwarded(stream.headers, decision)),
            (false, None) => bail!("the request hangs: it was neither answered nor sent on"),
            (true, Some(_)) => bail!("the filter answered and then went on"),
        }
    }

    /// Ends a request whatever has become of it, as when the client goes away.
    fn abort(&mut self, context: i32) -> Result<Stream> {
        self.call_in::<_, ()>(context, "proxy_on_delete", context)?;
        self.store.data_mut().streams.remove(&context).context("the request was there")
    }

    /// The client of a request that waits goes away.
    pub fn disconnect(&mut self, context: i32) -> Result<()> {
        self.abort(context).map(drop)
    }

    /// Lets the filter see the trailers of a request; what it leaves of them.
    pub fn handle_trailers(&mut self, trailers: &[(&str, &str)]) -> Result<Vec<String>> {
        let request = Request { body: b"and more".to_vec(), ..Request::get("/healthz") };
        let context = self.begin(&request, 0)?;
        let bytes = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let count = i32::try_from(trailers.len())?;
        self.stream(context)?.trailers = trailers.iter().map(bytes).collect();
        let action: i32 = self.call_in(context, "proxy_on_request_trailers", (context, count))?;
        ensure!(action == CONTINUE, "the filter stopped at the trailers");
        let stream = self.abort(context)?;
        Ok(stream.trailers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect())
    }

    fn stream(&mut self, context: i32) -> Result<&mut Stream> {
        self.store.data_mut().streams.get_mut(&context).context("the request is there")
    }

    /// What has become of all requests that are under way, whatever became of the filter: those that went on, each with its
    /// decision record and the headers that its upstream sees.
    pub fn gone_on(&self) -> Vec<Outcome> {
        let streams = self.store.data().streams.values().filter(|stream| stream.goes_on);
        let outcome = |stream: &Stream| {
            let record = stream.properties.values().find_map(|value| serde_json::from_slice(value).ok());
            Outcome::forwarded(stream.headers.clone(), record)
        };
        streams.map(outcome).collect()
    }

    /// What the filter told Kong's plugins of the request with this number.
    pub fn told(&self, context: i32, name: &str) -> Option<String> {
        self.property(context, &format!("kong.ctx.shared.{name}"))
    }

    /// A property of the request with this number, as the filter has set it.
    pub fn property(&self, context: i32, name: &str) -> Option<String> {
        let value = self.store.data().streams.get(&context)?.properties.get(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}
