//! What the live part of the demo runs: a fleet with its endpoint, a proxy whose every worker is asked, and a load of good requests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use host_tests::client::{Connection, Request};
use host_tests::control::ControlEndpoint;
use host_tests::envoy::{Backends, Envoy, Plugin, Ports, WORKERS};
use host_tests::upstream;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The listener of the proxy.
const LISTENER: &str = "ingress";

/// How long a good client pauses between its requests.
const PAUSE: Duration = Duration::from_millis(5);

/// A control endpoint, and its administrator's commands.
pub(crate) struct Fleet {
    portcullis: PathBuf,
    folder: TempDir,
    endpoint: ControlEndpoint,
    /// The plugin configuration of its proxies, as `portcullis serve --init` prints it.
    plugin: Value,
}

impl Fleet {
    /// What `portcullis serve --init` makes, with a provider on this machine that is asked every second.
    pub(crate) fn start(portcullis: &Path, issuer: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let said = run(Command::new(portcullis).args(["serve", "--init"]).current_dir(&folder))?;
        let plugin = said.get(said.find('{').unwrap_or_default()..).unwrap_or_default();
        let mut plugin = serde_json::Deserializer::from_str(plugin).into_iter::<Value>();
        let mut plugin = plugin.next().context("`serve --init` prints a plugin configuration")??;
        // Where this demo asks each worker for its epoch.
        insert(&mut plugin, "", "management", json!({ "path": "/portcullis" }))?;
        let file = folder.path().join("serve.yaml");
        let mut settings: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
        let rules =
            json!({ "issuer": issuer, "allow_http": true, "allow_private_addresses": true, "refresh_seconds": 1 });
        insert(&mut settings, "/fleets/0", "issuers", json!([rules]))?;
        std::fs::write(&file, settings.to_string())?;
        let endpoint = ControlEndpoint::start(portcullis, folder.path())?;
        Ok(Self { portcullis: portcullis.to_owned(), folder, endpoint, plugin })
    }

    pub(crate) fn publish(&self, policy: &Value) -> Result<()> {
        std::fs::write(self.folder.path().join("policy.json"), policy.to_string())?;
        self.administer(&["publish", "policy.json"])
    }

    /// Publishes the same again, until the endpoint has heard from every worker that it enforces it.
    pub(crate) fn publish_and_wait(&self) -> Result<()> {
        self.administer(&["publish", "policy.json", "--wait", "10"])
    }

    pub(crate) fn revoke(&self, issuer: &str, token_id: &str) -> Result<()> {
        self.administer(&["revoke", "--issuer", issuer, "--jti", token_id])
    }

    fn administer(&self, arguments: &[&str]) -> Result<()> {
        let url = format!("http://{}", self.endpoint.address());
        let mut command = Command::new(&self.portcullis);
        command.args(arguments).args(["--to", &url, "--token-file", "admin.token"]).current_dir(&self.folder);
        run(&mut command).map(drop)
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} could not be started"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn insert(document: &mut Value, place: &str, name: &str, value: Value) -> Result<()> {
    let object = document.pointer_mut(place).and_then(Value::as_object_mut);
    object.with_context(|| format!("there is no object {place}"))?.insert(name.to_owned(), value);
    Ok(())
}

/// An Envoy that gets everything from the endpoint of a fleet.
pub(crate) struct Proxy {
    envoy: Envoy,
    workers: Vec<Connection>,
}

impl Proxy {
    pub(crate) fn start(fleet: &Fleet) -> Result<Self> {
        let cluster = fleet.plugin.pointer("/control/cluster").and_then(Value::as_str);
        let cluster = cluster.context("the plugin configuration names a cluster")?.to_owned();
        let backends = Backends { control: vec![(cluster, fleet.endpoint.address())], ..upstream::start()?.into() };
        let plugin = Plugin { configuration: fleet.plugin.clone(), ..Plugin::default() };
        let envoy = Envoy::start(&[(LISTENER.to_owned(), plugin)].into(), &backends, Ports::Free)?;
        let workers = connect(&envoy)?;
        Ok(Self { envoy, workers })
    }

    /// The status that each worker answers with.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Vec<u16>> {
        self.workers.iter_mut().map(|worker| Ok(worker.send(request)?.status)).collect()
    }

    /// The lowest epoch that a worker decides by.
    pub(crate) fn epoch(&mut self) -> Result<Option<u64>> {
        let epochs = self.workers.iter_mut().map(|worker| Ok(status(worker)?.get("epoch").and_then(Value::as_u64)));
        Ok(epochs.collect::<Result<Vec<_>>>()?.into_iter().min().flatten())
    }

    /// The reason that Envoy logs for this request.
    pub(crate) fn reason(&mut self, request: &Request, tag: &str) -> Result<String> {
        let worker = self.workers.first_mut().context("there are workers")?;
        worker.send(&request.clone().with("user-agent", tag))?;
        let record = super::decision_record(&self.envoy, tag)?;
        Ok(record.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Starts a good client of every worker.
    pub(crate) fn load(&self, request: Request) -> Result<Load> {
        Ok(Load::start(connect(&self.envoy)?, request))
    }
}

/// One connection to each worker: which one gets a new connection is for the kernel to say.
fn connect(envoy: &Envoy) -> Result<Vec<Connection>> {
    let mut workers: Vec<(Value, Connection)> = Vec::new();
    for _ in 0..200 {
        let mut connection = Connection::open(envoy.address(LISTENER)?)?;
        let name = status(&mut connection)?.get("worker").cloned().context("a worker has a name")?;
        if workers.iter().all(|(known, _)| *known != name) {
            workers.push((name, connection));
        }
        if workers.len() == WORKERS {
            return Ok(workers.into_iter().map(|(_, connection)| connection).collect());
        }
    }
    Err(anyhow!("of {WORKERS} workers only {} answer", workers.len()))
}

fn status(worker: &mut Connection) -> Result<Value> {
    Ok(serde_json::from_slice(&worker.send(&Request::get("/portcullis/status"))?.body)?)
}

/// Good requests, all the time.
pub(crate) struct Load {
    request: Arc<Mutex<Request>>,
    is_over: Arc<AtomicBool>,
    client: JoinHandle<Result<usize>>,
}

impl Load {
    fn start(mut workers: Vec<Connection>, request: Request) -> Self {
        let (request, is_over) = (Arc::new(Mutex::new(request)), Arc::new(AtomicBool::new(false)));
        let (next, ends) = (Arc::clone(&request), Arc::clone(&is_over));
        let client = std::thread::spawn(move || {
            let mut count = 0_usize;
            while !ends.load(Ordering::Relaxed) {
                let request = next.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for worker in &mut workers {
                    let status = worker.send(&request)?.status;
                    ensure!(status == 200, "after {count} good requests one got {status}");
                    count = count.saturating_add(1);
                }
                std::thread::sleep(PAUSE);
            }
            Ok(count)
        });
        Self { request, is_over, client }
    }

    /// Goes on with another token.
    pub(crate) fn go_on_with(&self, request: Request) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    /// How many requests there were, if every one was let through.
    pub(crate) fn end(self) -> Result<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        self.client.join().map_err(|_| anyhow!("the client panicked"))?
    }
}
