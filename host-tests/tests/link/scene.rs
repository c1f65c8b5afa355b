//! One Envoy with a listener, an endpoint and a publisher for each test: a line.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use host_tests::client::{Connection, Request};
use host_tests::endpoint::{Endpoint, TOKEN};
use host_tests::envoy::{Backends, Control, Envoy, Plugin, Ports, WORKERS, example_filter_state};
use host_tests::name_server::NameServer;
use host_tests::now;
use host_tests::publisher::{Publication, Publisher, policy};
use host_tests::tls::Authority;
use serde_json::{Value, json};

use crate::{filter_state, put, shared_data};

/// Connections to each listener, so that every worker is asked.
const CONNECTIONS: usize = 10;

/// What requests to the endpoint are for, and its certificate.
pub const AUTHORITY: &str = "control.example.com";

/// The line whose bundles do not live long.
pub const STALE: &str = "F2_goes_away_until_it_is_stale";

/// How long after the end of a fault everything must be as before.
const RECOVERY: Duration = Duration::from_secs(30);

/// One bundle of its own, with its endpoint and its listener.
pub struct Line {
    pub name: String,
    pub publisher: Publisher,
    pub endpoint: Endpoint,
    pub address: SocketAddr,
    /// Who vouches for the endpoint, if it is asked with TLS.
    pub authority: Option<Authority>,
    /// Who says where the endpoint is, if it is found by its name.
    pub names: Option<NameServer>,
}

/// All of them behind one Envoy.
pub struct Scene {
    pub envoy: Envoy,
    pub lines: BTreeMap<String, Line>,
}

pub type Test = dyn Fn(&Scene, &Line) -> Result<()> + Send;

impl Scene {
    pub fn start<'n>(names: impl Iterator<Item = &'n str>) -> Result<Self> {
        Self::start_in(names, &[])
    }

    /// The same with an Envoy in this environment.
    pub fn start_in<'n>(names: impl Iterator<Item = &'n str>, environment: &[(&str, &Path)]) -> Result<Self> {
        let (mut lines, mut plugins, mut control) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for name in names {
            let mut publisher = Publisher::new("k1")?;
            publisher.name = name.to_owned();
            if name == STALE {
                (publisher.lifetime_seconds, publisher.max_staleness_seconds) = (4, 2);
            }
            let endpoint = Endpoint::default();
            let address = match name {
                "F1_absent_at_start" => host_tests::free_address()?,
                _ => endpoint.start()?,
            };
            let authority = name.starts_with("F31").then(Authority::generate).transpose()?;
            let names = name.starts_with("F30").then(NameServer::start).transpose()?;
            let line = Line { name: name.to_owned(), publisher, endpoint, address, authority, names };
            control.push(Control {
                cluster: name.to_owned(),
                address,
                authority: line.authority.as_ref().map(Authority::pem),
                name_server: line.names.as_ref().map(NameServer::address),
            });
            let mut configuration = line.configuration(5);
            if name == put::LINE {
                configuration.as_object_mut().context("an object")?.remove("control");
            }
            let is_discovered = name.starts_with("F32") || name == "F33_configuration_reloaded";
            // Or the body of what is put would never come.
            let stops_headers_only = name == put::LINE;
            let after = (name == filter_state::LINE).then(example_filter_state).transpose()?;
            let plugin = Plugin { configuration, is_discovered, stops_headers_only, after, ..Plugin::default() };
            plugins.insert(name.to_owned(), plugin);
            lines.insert(name.to_owned(), line);
        }
        plugins.insert(shared_data::VANDAL.to_owned(), shared_data::vandal()?);
        let backends =
            Backends { upstream: host_tests::upstream::start()?, authorization_servers: Vec::new(), control };
        let envoy = Envoy::start_with(WORKERS, environment, &plugins, &backends, Ports::Free)?;
        Ok(Self { envoy, lines })
    }
}

impl Line {
    fn configuration(&self, wait_seconds: u64) -> Value {
        let control =
            json!({ "cluster": self.name, "authority": AUTHORITY, "token": TOKEN, "wait_seconds": wait_seconds });
        json!({
            "version": 1, "trust": self.publisher.trust(), "control": control, "management": { "path": "/portcullis" },
        })
    }

    pub fn offer(&self, epoch: u64) -> Publication {
        let publication = self.publisher.publish(epoch, now(), &policy(epoch), &[]);
        self.endpoint.offer(&publication);
        publication
    }

    /// The epochs by which the workers decide, asked on connections of their own. Nothing protected passes, ever.
    pub fn epochs(&self, scene: &Scene) -> Result<Vec<Option<u64>>> {
        let mut epochs = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(scene.envoy.address(&self.name)?)?;
            let protected = connection.send(&Request::get("/orders"))?.status;
            ensure!([401, 503].contains(&protected), "a protected request got {protected}");
            let state: Value = serde_json::from_slice(&connection.send(&Request::get("/portcullis/status"))?.body)?;
            let epoch = state.get("epoch").and_then(Value::as_u64);
            let health = connection.send(&Request::get("/healthz"))?.status;
            // Once there is a bundle there is always one.
            ensure!(health == 200 || (health == 503 && epoch.is_none()), "{health} under {epoch:?}");
            epochs.push(epoch);
        }
        Ok(epochs)
    }

    /// Waits until every worker decides by this epoch.
    pub fn wait_for(&self, scene: &Scene, epoch: u64) -> Result<()> {
        let pause = Duration::from_millis(50);
        for _ in 0..RECOVERY.as_millis() / pause.as_millis() {
            // Twice, so that no worker is missed by chance.
            if self.is_everywhere(scene, epoch)? && self.is_everywhere(scene, epoch)? {
                return Ok(());
            }
            std::thread::sleep(pause);
        }
        bail!("{:?} instead of {epoch}; {:?}", self.epochs(scene)?, self.endpoint.statuses().last())
    }

    /// Lets every worker start anew, with another configuration, and waits until they have.
    pub fn start_anew(&self, scene: &Scene, wait_seconds: u64) -> Result<()> {
        let old = self.workers(scene)?;
        scene.envoy.update(&self.name, &self.configuration(wait_seconds))?;
        for _ in 0..200 {
            if self.workers(scene)?.is_disjoint(&old) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{old:?} are still there")
    }

    /// The names of the workers, which are others in every life.
    fn workers(&self, scene: &Scene) -> Result<BTreeSet<String>> {
        let name = |_| {
            let mut connection = Connection::open(scene.envoy.address(&self.name)?)?;
            let state: Value = serde_json::from_slice(&connection.send(&Request::get("/portcullis/status"))?.body)?;
            Ok(state["worker"].as_str().context("a worker has a name")?.to_owned())
        };
        (0..CONNECTIONS).map(name).collect()
    }

    fn is_everywhere(&self, scene: &Scene, epoch: u64) -> Result<bool> {
        Ok(self.epochs(scene)?.iter().all(|found| *found == Some(epoch)))
    }

    /// For so long every worker goes on deciding by this epoch.
    pub fn keeps(&self, scene: &Scene, epoch: Option<u64>, seconds: u64) -> Result<()> {
        for _ in 0..seconds * 10 {
            let epochs = self.epochs(scene)?;
            ensure!(epochs.iter().all(|found| *found == epoch), "{epochs:?} instead of {epoch:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Whether the endpoint was told this reason.
    pub fn was_told(&self, reason: &str) -> bool {
        let is_told = |status: &Value| status.pointer("/last_error/reason").is_some_and(|told| told == reason);
        reason.is_empty() || self.endpoint.statuses().iter().any(is_told)
    }
}
