//! What a host is like, how it may fail, and what it has to do with the world outside.

use std::collections::BTreeMap;

use super::SharedData;

/// Which host is imitated: as harshly as the real one, where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Personality {
    /// Envoy.
    #[default]
    Envoy,
    /// ngx_wasm_module, in Kong or in plain nginx. What makes a worker of it crash fails the test here.
    Wasmx,
}

impl Personality {
    /// All of them, each with its name.
    pub const ALL: [(&str, Self); 2] = [("envoy", Self::Envoy), ("wasmx", Self::Wasmx)];

    /// Fails for what a worker of Kong's host does not live through, or does not do.
    pub(super) fn only_in_envoy(self, what: &str) -> wasmtime::Result<()> {
        wasmtime::ensure!(self == Self::Envoy, "this host is not Envoy: {what}");
        Ok(())
    }
}

/// A host call that fails, to see what the filter makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Reading the headers reports a failure.
    HeadersUnavailable,
    /// The header map arrives damaged.
    HeadersDamaged,
    /// Setting a header reports a failure.
    SetHeaderFails,
    /// Removing a header reports a failure.
    RemoveHeaderFails,
    /// The clock reports a failure.
    ClockFails,
    /// Putting the decision on record reports a failure.
    RecordFails,
    /// Reading shared data reports a failure.
    SharedDataUnavailable,
    /// Another worker is always faster at writing shared data.
    SharedDataContended,
    /// The host's own crypto has no answer.
    NativeCryptoFails,
    /// Shared data has no room for a value of more than some bytes. Kong's host traps then.
    SharedDataFull,
    /// What is read of shared data is half of what was there before: another worker is writing. Harsher than Kong's host, which at
    /// least gives it the version of before.
    SharedDataTorn,
    /// There are no metrics.
    MetricsUnavailable,
}

/// The status and the body of an answer, whose length is told; none is a timeout.
pub type Answer = Option<(u16, Vec<u8>)>;

/// A call that the filter makes.
#[derive(Clone, Debug)]
pub struct Call {
    /// The number by which the answer is known.
    pub number: i32,
    /// What the host calls the server.
    pub cluster: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// How long it may take, in milliseconds.
    pub timeout: i32,
}

/// What a host is like.
#[derive(Clone, Default)]
pub struct Setup {
    /// Which host it is.
    pub personality: Personality,
    /// Whether its processor has no FMA, and does not fuse multiplication and addition.
    pub is_without_fma: bool,
    /// Whether it is nginx without Kong.
    pub is_without_kong: bool,
    /// The most memory that the module may have; that of one VM if none.
    pub memory_bytes: Option<usize>,
    /// What its VMs share; their own if none, and in Kong's host nothing.
    pub shared_data: Option<SharedData>,
    /// What makes this VM's random numbers differ from another's.
    pub seed: u8,
    /// The time at which it starts, in milliseconds.
    pub now: u64,
    /// The way in which it fails at its start.
    pub fault: Option<Fault>,
    /// A callback that traps at its start, and after how many instructions of Wasmtime.
    pub trap: Option<(&'static str, u64)>,
    /// How many instructions take a millisecond; none if the clock stands still in a callback.
    pub fuel_per_millisecond: Option<u64>,
}
