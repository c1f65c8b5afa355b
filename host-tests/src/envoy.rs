//! A real Envoy that runs `envoy-config/envoy.yaml`, with only keys, rules and ports replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Connection, Request};
use crate::repository;

/// How long Envoy may take to start: it compiles the module once for each worker.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an access log entry may take: it is written when the request is over and flushed soon after.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);

/// The place of the plugin configuration in a listener.
const CONFIGURATION: &str =
    "/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/configuration/value";

/// The configuration file as a user gets it.
///
/// # Errors
///
/// It cannot be read.
pub fn example_configuration() -> Result<Value> {
    let path = repository().join("envoy-config/envoy.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not YAML", path.display()))
}

/// The plugin configuration in the configuration file as a user gets it.
///
/// # Errors
///
/// It cannot be read.
pub fn example_plugin_configuration() -> Result<Value> {
    let configuration = example_configuration()?;
    let listener = configuration.pointer("/static_resources/listeners/0").context("the file has a listener")?;
    let text =
        listener.pointer(CONFIGURATION).and_then(Value::as_str).context("the listener has a plugin configuration")?;
    Ok(serde_json::from_str(text)?)
}

/// What a listener runs.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The plugin configuration.
    pub configuration: Value,
    /// A part of a filter chain, like `envoy-config/mtls.yaml`, that is added to the listener's.
    pub transport: Option<Value>,
}

/// `envoy-config/mtls.yaml` as a user gets it.
///
/// # Errors
///
/// It cannot be read.
pub fn example_mtls() -> Result<Value> {
    let text = fs::read_to_string(repository().join("envoy-config/mtls.yaml"))?;
    serde_saphyr::from_str(&text).context("envoy-config/mtls.yaml is not YAML")
}

/// Whom Envoy connects to.
#[derive(Clone, Copy, Debug)]
pub struct Backends {
    /// Where permitted requests go.
    pub upstream: SocketAddr,
    /// Who is asked about tokens; then the cluster of `envoy-config/authorization-server.yaml` is added, without TLS.
    pub authorization_server: Option<SocketAddr>,
}

impl From<SocketAddr> for Backends {
    /// Only an upstream.
    fn from(upstream: SocketAddr) -> Self {
        Self { upstream, authorization_server: None }
    }
}

/// The name of that cluster.
pub const AUTHORIZATION_SERVER: &str = "authorization-server";

/// How many workers Envoy has.
pub const WORKERS: usize = 2;

/// Where Envoy listens.
#[derive(Clone, Copy, Debug)]
pub enum Ports {
    /// On free ports, so that several can run side by side.
    Free,
    /// On the ports of the file.
    OfTheFile,
}

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
    pub fn start(plugins: &BTreeMap<String, Plugin>, backends: Backends, ports: Ports) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let configuration = folder.path().join("envoy.json");
        fs::write(&configuration, render(plugins, backends, ports)?.to_string())?;
        let error_log = folder.path().join("envoy.log");
        let admin_path = folder.path().join("admin");
        let mut child = Command::new(binary()?)
            .current_dir(repository())
            .args([
                "--concurrency",
                &WORKERS.to_string(),
                "--disable-hot-restart",
                "--file-flush-interval-msec",
                "10",
                "--log-level",
                "warning",
            ])
            .arg("--config-path")
            .arg(configuration)
            .arg("--admin-address-path")
            .arg(&admin_path)
            .stdout(Stdio::piped())
            .stderr(File::create(&error_log)?)
            .spawn()
            .context("Envoy could not be started")?;
        let log = AccessLog::follow(child.stdout.take().context("Envoy has an output")?);
        let started = wait_until_live(&mut child, &admin_path, &error_log, plugins.len());
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

/// The configuration file with these plugins, one listener each.
fn render(plugins: &BTreeMap<String, Plugin>, backends: Backends, ports: Ports) -> Result<Value> {
    let module = repository().join("dist/portcullis.wasm");
    if !module.is_file() {
        bail!("{} is missing. Run `cargo xtask build`", module.display());
    }
    let mut configuration = example_configuration()?;
    let port = "/socket_address/port_value";
    set(
        &mut configuration,
        &format!("/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address{port}"),
        json!(backends.upstream.port()),
    )?;
    if let Some(address) = backends.authorization_server {
        let clusters = configuration.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        clusters.context("the file has clusters")?.push(authorization_server(address)?);
    }
    if matches!(ports, Ports::Free) {
        set(&mut configuration, &format!("/admin/address{port}"), json!(0))?;
        set(&mut configuration, &format!("/static_resources/listeners/0/address{port}"), json!(0))?;
    }
    let listener =
        configuration.pointer("/static_resources/listeners/0").cloned().context("the file has a listener")?;
    let listeners = plugins.iter().map(|(name, plugin)| {
        let mut listener = listener.clone();
        set(&mut listener, "/name", json!(name))?;
        set(&mut listener, CONFIGURATION, json!(plugin.configuration.to_string()))?;
        if let (Some(Value::Object(transport)), Some(chain)) =
            (&plugin.transport, listener.pointer_mut("/filter_chains/0"))
        {
            chain.as_object_mut().context("a filter chain is an object")?.extend(transport.clone());
            // As behind a hop that is believed: `envoy-config/README.md`.
            let manager = chain.pointer_mut("/filters/0/typed_config").and_then(Value::as_object_mut);
            let manager = manager.context("a filter chain has a connection manager")?;
            manager.insert("forward_client_cert_details".to_owned(), json!("ALWAYS_FORWARD_ONLY"));
        }
        Ok(listener)
    });
    let listeners = listeners.collect::<Result<Vec<_>>>()?;
    set(&mut configuration, "/static_resources/listeners", json!(listeners))?;
    Ok(configuration)
}

/// The cluster of `envoy-config/authorization-server.yaml`, at this address and without TLS.
fn authorization_server(address: SocketAddr) -> Result<Value> {
    let text = fs::read_to_string(repository().join("envoy-config/authorization-server.yaml"))?;
    let mut cluster: Value = serde_saphyr::from_str(&text).context("authorization-server.yaml is not YAML")?;
    let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    set(&mut cluster, &format!("{endpoint}/address"), json!(address.ip()))?;
    set(&mut cluster, &format!("{endpoint}/port_value"), json!(address.port()))?;
    cluster.as_object_mut().and_then(|cluster| cluster.remove("transport_socket")).context("the cluster has TLS")?;
    Ok(cluster)
}

fn set(document: &mut Value, pointer: &str, value: Value) -> Result<()> {
    *document.pointer_mut(pointer).with_context(|| format!("envoy.yaml has no {pointer}"))? = value;
    Ok(())
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

/// Envoy's access log, read while it is written: the entries by `User-Agent`.
#[derive(Default)]
struct AccessLog {
    entries: Mutex<BTreeMap<String, Value>>,
    news: Condvar,
}

impl AccessLog {
    fn follow(output: std::process::ChildStdout) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| writer.add(&line))
        });
        log
    }

    fn add(&self, line: &str) {
        let entry: Value = serde_json::from_str(line).unwrap_or_default();
        if let (Some(tag), Ok(mut entries)) = (entry.get("user_agent").and_then(Value::as_str), self.entries.lock()) {
            entries.insert(tag.to_owned(), entry.clone());
            self.news.notify_all();
        }
    }

    fn wait_for(&self, tag: &str) -> Result<Value> {
        let entries = self.entries.lock().ok().context("the log reader panicked")?;
        let waited = self.news.wait_timeout_while(entries, LOG_TIMEOUT, |entries| !entries.contains_key(tag));
        let (mut entries, _) = waited.ok().context("the log reader panicked")?;
        entries.remove(tag).with_context(|| format!("Envoy logged no request of `{tag}`"))
    }
}
