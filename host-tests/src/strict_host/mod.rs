//! A strict in-process proxy-wasm host on Wasmtime.
//!
//! Stricter than any real one: a call that the filter has no business making ends the run, memory and work are bounded,
//! the clock is ours, and every way in which a host may fail can be switched on.

mod callouts;
mod compiled;
mod import_lists;
mod imports;
mod memory;
mod metrics;
mod native_crypto;
mod requests;
mod setup;
mod shared_data;
mod wasmx;

use std::collections::{BTreeMap, VecDeque};

use crate::client::Request;
use crate::outcome::Outcome;
use crate::secrets;
use crate::tls::Workload;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
pub use compiled::module;
pub use import_lists::{BY_BOTH_HOSTS, UNUSED_IMPORTS, USED_IMPORTS, WASI_BY_BOTH_HOSTS};
pub use setup::{Answer, Call, Fault, Personality, Setup};
pub use shared_data::SharedData;
use wasmtime::{Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder};

/// The most that one callback may do. A decision with an RSA signature takes about 10 million instructions.
const FUEL_PER_CALLBACK: u64 = 500_000_000;

/// The most that reading a configuration may do: 10,000 rules take about a billion.
const FUEL_FOR_CONFIGURATION: u64 = 10_000_000_000;

/// The most memory that the module may have: the budget of one VM.
pub const MEMORY_BYTES: usize = 16 * 1024 * 1024;

const ROOT_CONTEXT: i32 = 1;

/// How many pieces of credentials logs are searched for: some have as many as there are tests.
const MAX_CREDENTIALS: usize = 100;

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
    /// What no log and no record may have: the secrets of the configuration, and pieces of the credentials that came last.
    secrets: Vec<String>,
    credentials: VecDeque<String>,
    /// How often the host's own crypto was asked.
    native_calls: usize,
    /// The metrics by name, with their kind and value; their numbers are those of their places.
    metrics: Vec<(String, i32, u64)>,
}

impl State {
    fn hide(&mut self, request: &Request) {
        for piece in secrets::credentials(request) {
            if !self.credentials.contains(&piece) {
                self.credentials.push_back(piece);
            }
        }
        self.credentials.drain(..self.credentials.len().saturating_sub(MAX_CREDENTIALS));
    }

    fn ensure_hidden(&self, text: &str) -> wasmtime::Result<()> {
        let hidden = self.secrets.iter().chain(&self.credentials);
        secrets::ensure_hidden(text, hidden).map_err(|error| wasmtime::Error::msg(error.to_string()))
    }

    fn write_log(&mut self, text: &str) -> wasmtime::Result<()> {
        self.ensure_hidden(text)?;
        self.log.push_str(text);
        Ok(())
    }
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
        let module = if setup.is_without_fma { compiled::module_without_fma()? } else { module()? };
        Self::start_module(module, configuration, setup)
    }

    /// The same with another filter.
    pub fn start_module(module: &Module, configuration: &[u8], setup: &Setup) -> Result<Self> {
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
            secrets: secrets::of_configuration(&serde_json::from_slice(configuration).unwrap_or_default()),
            credentials: VecDeque::new(),
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

    /// What is in another memory that the module exports.
    pub fn read_memory(&mut self, name: &str) -> Result<&[u8]> {
        let memory = self.instance.get_memory(&mut self.store, name);
        Ok(memory.with_context(|| format!("the module exports no memory `{name}`"))?.data(&self.store))
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
