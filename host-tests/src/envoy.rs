//! A real Envoy that runs `envoy-config/envoy.yaml`, with only keys, rules and ports replaced.

mod access_log;
mod configuration;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Connection, Request};
use crate::repository;
use access_log::AccessLog;
pub use configuration::{
    Backends, Control, Plugin, Ports, example_filter_state, example_filter_with, example_listener, example_mtls,
    example_plugin_configuration,
};

/// How many workers Envoy has.
pub const WORKERS: usize = 2;

/// How long Envoy may take to start: it compiles the module once for each worker.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running Envoy. It is stopped when this is dropped.
pub struct Envoy {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
    log: Arc<AccessLog>,
    folder: TempDir,
}

impl Envoy {
    /// Starts Envoy with two workers and one listener for each plugin configuration.
    ///
    /// # Errors
    ///
    /// No Envoy, no module, or Envoy refuses the configuration: then with what it says.
    pub fn start(plugins: &BTreeMap<String, Plugin>, backends: &Backends, ports: Ports) -> Result<Self> {
        Self::start_with(WORKERS, &[], plugins, backends, ports)
    }

    /// The same with so many workers and this environment.
    ///
    /// # Errors
    ///
    /// Those of [`Self::start`].
    pub fn start_with(
        workers: usize,
        environment: &[(&str, &Path)],
        plugins: &BTreeMap<String, Plugin>,
        backends: &Backends,
        ports: Ports,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let configuration = configuration::render(plugins, backends, ports, folder.path())?;
        let mut command = Command::new(binary()?);
        command.envs(environment.iter().copied());
        Self::launch(command, folder, &configuration, plugins.len(), workers)
    }

    /// Starts Envoy with a configuration that has one listener, with one worker, on one core of the machine.
    ///
    /// # Errors
    ///
    /// Those of [`Self::start`], or there is no `taskset` (util-linux).
    pub fn start_on_core(core: usize, configuration: &Value) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string()]).arg(binary()?);
        Self::launch(command, tempfile::tempdir()?, configuration, 1, 1)
    }

    fn launch(
        mut command: Command,
        folder: TempDir,
        configuration: &Value,
        listeners: usize,
        workers: usize,
    ) -> Result<Self> {
        let path = folder.path().join("envoy.json");
        fs::write(&path, configuration.to_string())?;
        let error_log = folder.path().join("envoy.log");
        let admin_path = folder.path().join("admin");
        let mut child = command
            .current_dir(repository())
            .args([
                "--concurrency",
                &workers.to_string(),
                "--disable-hot-restart",
                "--file-flush-interval-msec",
                "10",
                "--log-level",
                "warning",
                "--service-node",
                "host-tests",
                "--service-cluster",
                "host-tests",
            ])
            .arg("--config-path")
            .arg(path)
            .arg("--admin-address-path")
            .arg(&admin_path)
            .stdout(Stdio::piped())
            .stderr(File::create(&error_log)?)
            .spawn()
            .context("Envoy could not be started")?;
        let log = AccessLog::follow(child.stdout.take().context("Envoy has an output")?);
        let started = wait_until_live(&mut child, &admin_path, &error_log, listeners);
        match started {
            Ok((admin, addresses)) => Ok(Self { child, addresses, admin, log, folder }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The address of the listener of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn address(&self, listener: &str) -> Result<SocketAddr> {
        self.addresses.get(listener).copied().with_context(|| format!("Envoy has no listener `{listener}`"))
    }

    /// Replaces the plugin configuration of a listener that discovers it. Each worker takes it up soon after.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn update(&self, listener: &str, configuration: &Value) -> Result<()> {
        configuration::publish(self.folder.path(), listener, configuration)
    }

    /// The access log entry of the request whose `User-Agent` is `tag`.
    ///
    /// # Errors
    ///
    /// None came in time.
    pub fn access_log_entry(&self, tag: &str) -> Result<Value> {
        self.log.wait_for(tag)
    }

    /// What Envoy wrote into its own log.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn error_log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("envoy.log"))?)
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Where its admin interface is.
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Asks Envoy's admin interface.
    ///
    /// # Errors
    ///
    /// No answer.
    pub fn admin(&self, path: &str) -> Result<String> {
        admin(self.admin, path)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Nothing can be done about an Envoy that is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("ENVOY_PATH").map(PathBuf::from);
    path.context("ENVOY_PATH is not set. Run `cargo xtask test` or `cargo xtask demo`, which install Envoy and set it")
}

fn wait_until_live(
    child: &mut Child,
    admin_path: &Path,
    error_log: &Path,
    listeners: usize,
) -> Result<(SocketAddr, BTreeMap<String, SocketAddr>)> {
    let pause = Duration::from_millis(20);
    let attempts = START_TIMEOUT.as_millis().div_euclid(pause.as_millis());
    for _ in 0..attempts {
        if let Some(status) = child.try_wait()? {
            bail!("Envoy ended with {status}:\n{}", fs::read_to_string(error_log)?);
        }
        if let Some(addresses) = live_listeners(admin_path).filter(|(_, addresses)| addresses.len() == listeners) {
            return Ok(addresses);
        }
        std::thread::sleep(pause);
    }
    bail!("Envoy did not become ready in time:\n{}", fs::read_to_string(error_log)?)
}

fn live_listeners(admin_path: &Path) -> Option<(SocketAddr, BTreeMap<String, SocketAddr>)> {
    let address: SocketAddr = fs::read_to_string(admin_path).ok()?.trim().parse().ok()?;
    if admin(address, "/ready").ok()?.trim() != "LIVE" {
        return None;
    }
    let listeners: Value = serde_json::from_str(&admin(address, "/listeners?format=json").ok()?).ok()?;
    let statuses = listeners.get("listener_statuses")?.as_array()?;
    let addresses = statuses.iter().map(|status| {
        let name = status.get("name")?.as_str()?.to_owned();
        let address = status.pointer("/local_address/socket_address")?;
        let port = u16::try_from(address.get("port_value")?.as_u64()?).ok()?;
        Some((name, SocketAddr::from(([127, 0, 0, 1], port))))
    });
    Some((address, addresses.collect::<Option<_>>()?))
}

fn admin(address: SocketAddr, path: &str) -> Result<String> {
    let response = Connection::open(address)?.send(&Request::get(path))?;
    Ok(String::from_utf8_lossy(&response.body).into_owned())
}
