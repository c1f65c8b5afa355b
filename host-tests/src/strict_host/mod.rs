//! A strict in-process proxy-wasm host on Wasmtime.
//!
//! Stricter than any real one: a call that the filter has no business making ends the run, memory and work are bounded,
//! the clock is ours, and every way in which a host may fail can be switched on.

mod imports;
mod metrics;
mod native_crypto;
mod offers;
mod setup;
mod wasmx;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::client::Request;
use crate::outcome::Outcome;
use crate::tls::Workload;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
pub use offers::{BY_BOTH_HOSTS, WASI_BY_BOTH_HOSTS};
pub use setup::{Answer, Call, Fault, Personality, Setup, SharedData};
use wasmtime::{Config, Engine, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder};

/// The most that one callback may do. A decision with an RSA signature takes about 10 million instructions.
const FUEL_PER_CALLBACK: u64 = 500_000_000;

/// The most that reading a configuration may do: 10,000 rules take about a billion.
const FUEL_FOR_CONFIGURATION: u64 = 10_000_000_000;

/// The most memory that the module may have: the budget of one VM.
pub const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// What the module may import, and no more: a host refuses to load a module with an import that it does not know.
/// The filter itself uses the first group; the second comes with the SDK's default callbacks and is never called.
pub const USED_IMPORTS: [&str; 23] = [
    "env.proxy_call_foreign_function",
    "env.proxy_continue_stream",
    "env.proxy_define_metric",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_remove_header_map_value",
    "env.proxy_replace_header_map_value",
    "env.proxy_send_local_response",
    "env.proxy_set_effective_context",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.random_get",
];

/// See [`USED_IMPORTS`]. Kong's host does not load a module that imports `proxy_get_log_level`: it must not appear here.
pub const UNUSED_IMPORTS: [&str; 17] = [
    "env.proxy_add_header_map_value",
    "env.proxy_close_stream",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_done",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_header_map_value",
    "env.proxy_get_status",
    "env.proxy_grpc_call",
    "env.proxy_grpc_cancel",
    "env.proxy_grpc_close",
    "env.proxy_grpc_send",
    "env.proxy_grpc_stream",
    "env.proxy_register_shared_queue",
    "env.proxy_resolve_shared_queue",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_header_map_pairs",
    "wasi_snapshot_preview1.proc_exit",
];

const CONTINUE: i32 = 0;
const PAUSE: i32 = 1;
const ROOT_CONTEXT: i32 = 1;

struct State {
    limits: StoreLimits,
    personality: Personality,
    is_without_kong: bool,
    /// The callback that is running.
    callback: &'static str,
    configuration: Vec<u8>,
    /// Whether the plugin is being configured, when a host has no clusters yet.
    is_configuring: bool,
    /// The clock, in milliseconds.
    now: u64,
    /// See [`Setup::fuel_per_millisecond`].
    fuel_per_millisecond: Option<u64>,
    /// With how much fuel the callback began.
    fuel: u64,
    fault: Option<Fault>,
    streams: BTreeMap<i32, Stream>,
    /// The context that the host calls are about.
    effective: i32,
    tick_period: i32,
    /// What the plugin was configured to be called after, when nothing is in a hurry.
    resting_tick: i32,
    calls: Vec<Call>,
    next_call: i32,
    /// The answer that is being told.
    answer: Option<Response>,
    shared_data: Option<SharedData>,
    /// What this VM gets for a random number.
    seed: u8,
    /// What the host knows of the connection.
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    log: String,
    /// How often the host's own crypto was asked.
    native_calls: usize,
    /// The metrics by name, with their kind and value; their numbers are those of their places.
    metrics: Vec<(String, i32, u64)>,
}

/// An answer that is told.
struct Response {
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// One request.
#[derive(Default)]
struct Stream {
    body: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    reply: Option<Outcome>,
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether it goes on to the upstream.
    goes_on: bool,
    /// What the client asked for, whatever the host makes of it.
    target: Vec<u8>,
    /// The headers that were overwritten with nothing.
    emptied: Vec<Vec<u8>>,
}

/// One VM with one configured plugin, as each worker of a proxy has it.
pub struct StrictHost {
    store: Store<State>,
    instance: Instance,
    next_context: i32,
    fuel_used: u64,
    /// What the last callback of each name took.
    fuel_by_callback: BTreeMap<&'static str, u64>,
    /// After how much work the next callback of this name traps.
    trap: Option<(&'static str, u64)>,
}

/// The module as it was built.
pub fn module() -> Result<&'static Module> {
    static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let mut config = Config::new();
        config.consume_fuel(true);
        let path = crate::repository().join("dist/portcullis.wasm");
        let bytes =
            std::fs::read(&path).map_err(|error| format!("{}: {error}. Run `cargo xtask build`", path.display()))?;
        let engine = Engine::new(&config).map_err(|error| error.to_string())?;
        Module::new(&engine, bytes).map_err(|error| error.to_string())
    });
    module.as_ref().map_err(|error| anyhow!("{error}"))
}

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
    /// Starts a VM and configures the plugin; an error with the log if the filter refuses the configuration.
    pub fn start(configuration: &[u8]) -> Result<Self> {
        Self::start_in(configuration, &Setup::default())
    }

    /// The same in Kong's host.
    pub fn start_in_wasmx(configuration: &[u8]) -> Result<Self> {
        Self::start_in(configuration, &Setup { personality: Personality::Wasmx, ..Setup::default() })
    }

    /// The same with so much memory, for policies that are larger than the budget is made for.
    pub fn start_with_memory(configuration: &[u8], bytes: usize) -> Result<Self> {
        Self::start_in(configuration, &Setup { memory_bytes: Some(bytes), ..Setup::default() })
    }

    /// The same in such a host.
    pub fn start_in(configuration: &[u8], setup: &Setup) -> Result<Self> {
        let module = module()?;
        let own = (setup.personality == Personality::Envoy).then(SharedData::default);
        let state = State {
            limits: StoreLimitsBuilder::new().memory_size(setup.memory_bytes.unwrap_or(MEMORY_BYTES)).build(),
            personality: setup.personality,
            is_without_kong: setup.is_without_kong,
            callback: "",
            configuration: configuration.to_vec(),
            is_configuring: false,
            now: setup.now,
            fuel_per_millisecond: setup.fuel_per_millisecond,
            fuel: 0,
            fault: setup.fault,
            streams: BTreeMap::new(),
            effective: 0,
            tick_period: 0,
            resting_tick: 0,
            calls: Vec::new(),
            next_call: 0,
            answer: None,
            shared_data: setup.shared_data.clone().or(own),
            seed: setup.seed,
            attributes: BTreeMap::new(),
            log: String::new(),
            native_calls: 0,
            metrics: Vec::new(),
        };
        let mut store = Store::new(module.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_fuel(FUEL_PER_CALLBACK)?;
        let mut linker = Linker::new(module.engine());
        imports::define_imports(&mut linker)?;
        imports::define_unused(&mut linker, module)?;
        let instance = linker.instantiate(&mut store, module)?;
        let mut host = Self {
            store,
            instance,
            next_context: ROOT_CONTEXT,
            fuel_used: 0,
            fuel_by_callback: BTreeMap::new(),
            trap: setup.trap,
        };
        host.call::<(), ()>("_initialize", ())?;
        let root = host.create_context(0)?;
        ensure!(host.call::<_, i32>("proxy_on_vm_start", (root, 0))? == 1, "the filter refused to start");
        let length = i32::try_from(configuration.len())?;
        host.store.data_mut().is_configuring = true;
        if host.call::<_, i32>("proxy_on_configure", (root, length))? != 1 {
            bail!("{}", host.store.data().log);
        }
        let state = host.store.data_mut();
        state.is_configuring = false;
        state.resting_tick = state.tick_period;
        Ok(host)
    }

    /// The address and the workload at the other end of all connections from now on.
    pub fn set_connection(&mut self, source: &str, peer: Option<&Workload>) {
        let peer = peer.into_iter().flat_map(|peer| {
            [
                ("connection\0uri_san_peer_certificate", peer.uri_san.clone()),
                ("connection\0dns_san_peer_certificate", peer.dns_san.clone()),
                ("connection\0subject_peer_certificate", peer.subject_name.clone()),
                ("connection\0sha256_peer_certificate_digest", peer.sha256_hex()),
            ]
        });
        let attributes = peer.chain([("source\0address", source.to_owned())]);
        self.store.data_mut().attributes =
            attributes.map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).collect();
    }

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

    fn begin_now(&mut self, request: &Request) -> Result<i32> {
        let context = self.create_context(ROOT_CONTEXT)?;
        let state = self.store.data_mut();
        let (headers, count) = match state.personality {
            Personality::Envoy => as_envoy_shows(request),
            Personality::Wasmx => wasmx::shows(request),
        };
        let (count, target) = (i32::try_from(count)?, request.path.clone());
        // Kong's host says of no request that this was all of it.
        let end_of_stream = i32::from(request.body.is_empty() && state.personality == Personality::Envoy);
        state.streams.insert(context, Stream { headers, body: request.body.clone(), target, ..Stream::default() });
        let action: i32 = self.call_in(context, "proxy_on_request_headers", (context, count, end_of_stream))?;
        let stream = self.stream(context)?;
        stream.goes_on |= action == CONTINUE;
        ensure!(action == CONTINUE || action == PAUSE, "the filter wants {action}");
        ensure!(!(stream.goes_on && stream.reply.is_some()), "the filter answered and then went on");
        Ok(context)
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

    /// Lets time pass, if the filter asked to be told of it; the calls that it then makes.
    pub fn tick(&mut self) -> Result<Vec<Call>> {
        let state = self.store.data_mut();
        if let Ok(period @ 1..) = u64::try_from(state.tick_period) {
            state.now = state.now.saturating_add(period);
            self.call_in::<_, ()>(ROOT_CONTEXT, "proxy_on_tick", ROOT_CONTEXT)?;
        }
        let state = self.store.data_mut();
        // Where time passes in a callback, work may take more than one.
        let may_go_on = state.fuel_per_millisecond.is_some();
        ensure!(
            may_go_on || state.tick_period == state.resting_tick,
            "the filter hurries on although it has nothing to do"
        );
        Ok(std::mem::take(&mut state.calls))
    }

    /// Whether the filter asked to be called sooner than when there is nothing to do.
    pub fn is_hurried(&self) -> bool {
        let state = self.store.data();
        state.tick_period != state.resting_tick
    }

    /// Sets the clock, in milliseconds.
    pub fn set_time(&mut self, milliseconds: u64) {
        self.store.data_mut().now = milliseconds;
    }

    /// The clock, in milliseconds.
    pub fn time(&self) -> u64 {
        self.store.data().now
    }

    /// Lets every further host call fail in this way.
    pub fn set_fault(&mut self, fault: Option<Fault>) {
        self.store.data_mut().fault = fault;
    }

    /// What the filter wrote into the log.
    pub fn log(&self) -> &str {
        &self.store.data().log
    }

    /// The calls that were made since the last tick.
    pub fn calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.store.data_mut().calls)
    }

    /// Sends a request with its body at the time that it is.
    pub fn send(&mut self, request: &Request) -> Result<Outcome> {
        let context = self.begin_now(request)?;
        // Kong's host leaves the body where it is while a request is paused.
        let body_comes = match self.store.data().personality {
            Personality::Envoy => self.is_waiting(context),
            Personality::Wasmx => self.stream(context)?.goes_on,
        };
        if body_comes && !request.body.is_empty() {
            let size = i32::try_from(request.body.len())?;
            let action: i32 = self.call_in(context, "proxy_on_request_body", (context, size, 1))?;
            self.stream(context)?.goes_on |= action == CONTINUE;
        }
        self.finish(context)
    }

    /// Tells the filter the answer to a call; none is a timeout.
    pub fn answer(&mut self, call: &Call, answer: Answer) -> Result<()> {
        let Some((status, body)) = answer else { return self.respond(call, &[], Vec::new()) };
        let (status, length) = (status.to_string(), body.len().to_string());
        self.respond(call, &[(":status", &status), ("content-length", &length)], body)
    }

    /// The same with these headers; with none it is a timeout.
    pub fn respond(&mut self, call: &Call, headers: &[(&str, &str)], body: Vec<u8>) -> Result<()> {
        let (count, body_bytes) = (i32::try_from(headers.len())?, i32::try_from(body.len())?);
        let bytes = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        self.store.data_mut().answer = Some(Response { headers: headers.iter().map(bytes).collect(), body });
        let parameters = (ROOT_CONTEXT, call.number, count, body_bytes, 0);
        self.call_in::<_, ()>(ROOT_CONTEXT, "proxy_on_http_call_response", parameters)?;
        self.store.data_mut().answer = None;
        Ok(())
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
                Ok(Outcome::forwarded(wasmx::sends(stream.headers, stream.target, &stream.emptied), decision))
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
        let context = self.begin(&Request::get("/healthz"), 0)?;
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

    /// Enters the module about this context.
    fn call_in<Parameters, Results>(
        &mut self,
        context: i32,
        name: &'static str,
        parameters: Parameters,
    ) -> Result<Results>
    where
        Parameters: wasmtime::WasmParams,
        Results: wasmtime::WasmResults,
    {
        self.store.data_mut().effective = context;
        self.call(name, parameters)
    }

    /// Lets the next callback of this name trap after so many instructions of Wasmtime.
    pub const fn trap_in(&mut self, callback: &'static str, instructions: u64) {
        self.trap = Some((callback, instructions));
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
        let stream = self.store.data().streams.get(&context)?;
        let value = stream.properties.get(format!("kong.ctx.shared.{name}").as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// What the last callback took, in instructions of Wasmtime.
    pub const fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// What the last callback of this name took; none if there was none.
    pub fn fuel_used_in(&self, callback: &str) -> Option<u64> {
        self.fuel_by_callback.get(callback).copied()
    }

    /// How often the host's own crypto was asked since the start.
    pub fn native_calls(&self) -> usize {
        self.store.data().native_calls
    }

    /// The value of a metric; none if there is none of this name.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.store.data().metrics.iter().find(|(known, ..)| known == name).map(|(_, _, value)| *value)
    }

    /// The linear memory that the module has, in bytes.
    pub fn memory_bytes(&mut self) -> Result<usize> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("the module exports its memory")?;
        Ok(memory.data_size(&self.store))
    }

    fn create_context(&mut self, parent: i32) -> Result<i32> {
        let context = self.next_context;
        self.next_context = context.checked_add(1).context("contexts are numbered")?;
        self.call::<_, ()>("proxy_on_context_create", (context, parent))?;
        Ok(context)
    }

    fn call<Parameters, Results>(&mut self, name: &'static str, parameters: Parameters) -> Result<Results>
    where
        Parameters: wasmtime::WasmParams,
        Results: wasmtime::WasmResults,
    {
        // A bundle may come with the configuration, with a tick and with an answer.
        let reads_bundles =
            ["proxy_on_configure", "proxy_on_tick", "proxy_on_http_call_response", "proxy_on_request_body"];
        let most = if reads_bundles.contains(&name) { FUEL_FOR_CONFIGURATION } else { FUEL_PER_CALLBACK };
        let fuel = self.trap.take_if(|(wanted, _)| *wanted == name).map_or(most, |(_, fuel)| fuel);
        self.store.set_fuel(fuel)?;
        self.store.data_mut().callback = name;
        self.store.data_mut().fuel = fuel;
        let function = self.instance.get_typed_func::<Parameters, Results>(&mut self.store, name)?;
        let results = function
            .call(&mut self.store, parameters)
            .map_err(|error| anyhow!("{name}: {error:?}\n{}", self.store.data().log))?;
        self.fuel_used = fuel.saturating_sub(self.store.get_fuel()?);
        self.fuel_by_callback.insert(name, self.fuel_used);
        Ok(results)
    }
}
