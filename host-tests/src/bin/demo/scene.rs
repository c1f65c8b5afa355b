//! What the live part of the demo runs: a fleet with its endpoint, a proxy whose every worker is asked, and a load of good requests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::control::ControlEndpoint;
use host_tests::envoy::{Backends, Control, Envoy, Plugin, Ports, WORKERS};
use host_tests::upstream;
use host_tests::workers::{Load, Workers};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The listener of the proxy.
pub(crate) const LISTENER: &str = "ingress";

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
    pub(crate) fn of_provider(portcullis: &Path, issuer: &str) -> Result<Self> {
        let rules =
            json!({ "issuer": issuer, "allow_http": true, "allow_private_addresses": true, "refresh_seconds": 1 });
        Self::start(portcullis, "issuers", json!([rules]))
    }

    /// The same with a decision log in this folder instead.
    pub(crate) fn with_decisions(portcullis: &Path, folder: &Path) -> Result<Self> {
        Self::start(portcullis, "decisions", json!({ "folder": folder }))
    }

    fn start(portcullis: &Path, setting: &str, value: Value) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let said = run(Command::new(portcullis).args(["serve", "--init"]).current_dir(&folder))?;
        let plugin = said.get(said.find('{').unwrap_or_default()..).unwrap_or_default();
        let mut plugin = serde_json::Deserializer::from_str(plugin).into_iter::<Value>();
        let mut plugin = plugin.next().context("`serve --init` prints a plugin configuration")??;
        // Where this demo asks each worker for its epoch.
        insert(&mut plugin, "", "management", json!({ "path": "/portcullis" }))?;
        let file = folder.path().join("serve.yaml");
        let mut settings: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
        insert(&mut settings, "/fleets/0", setting, value)?;
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

    /// Whose signatures its proxies believe: `trust` of their plugin configuration.
    pub(crate) fn trust(&self) -> Result<&Value> {
        self.plugin.get("trust").context("the plugin configuration has `trust`")
    }

    /// Lets the endpoint end in good order.
    pub(crate) fn stop(self) -> Result<()> {
        self.endpoint.stop().map(drop)
    }

    fn administer(&self, arguments: &[&str]) -> Result<()> {
        let url = format!("http://{}", self.endpoint.address());
        let mut command = Command::new(&self.portcullis);
        command.args(arguments).args(["--to", &url, "--token-file", "admin.token"]).current_dir(&self.folder);
        run(&mut command).map(drop)
    }
}

/// What a command prints; an error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
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
pub(crate) fn envoy(fleet: &Fleet, ports: Ports) -> Result<Envoy> {
    let cluster = fleet.plugin.pointer("/control/cluster").and_then(Value::as_str);
    let cluster = cluster.context("the plugin configuration names a cluster")?.to_owned();
    let control = Control { cluster, address: fleet.endpoint.address(), authority: None, name_server: None };
    let backends = Backends { control: vec![control], ..upstream::start()?.into() };
    let plugin = Plugin { configuration: fleet.plugin.clone(), ..Plugin::default() };
    Envoy::start(&[(LISTENER.to_owned(), plugin)].into(), &backends, ports)
}

/// Such an Envoy, whose every worker is asked.
pub(crate) struct Proxy {
    envoy: Envoy,
    workers: Workers,
}

impl Proxy {
    pub(crate) fn start(fleet: &Fleet) -> Result<Self> {
        let envoy = envoy(fleet, Ports::Free)?;
        let workers = Workers::connect(&envoy, LISTENER, WORKERS)?;
        Ok(Self { envoy, workers })
    }

    /// The status that each worker answers with.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Vec<u16>> {
        self.workers.ask(request)
    }

    /// The lowest epoch that a worker decides by.
    pub(crate) fn epoch(&mut self) -> Result<Option<u64>> {
        Ok(self.workers.epochs()?.into_iter().min().flatten())
    }

    /// The reason that Envoy logs for this request.
    pub(crate) fn reason(&mut self, request: &Request, tag: &str) -> Result<String> {
        self.workers.ask(&request.clone().with("user-agent", tag))?;
        let record = super::decision_record(&self.envoy, tag)?;
        Ok(record.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Starts a good client of every worker.
    pub(crate) fn load(&self, request: Request) -> Result<Load> {
        Ok(Load::start(Workers::connect(&self.envoy, LISTENER, WORKERS)?, request))
    }
}
