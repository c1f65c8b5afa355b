//! The real control endpoint, `portcullis serve`, as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{Connection, Request};
use crate::envoy::{Backends, Control, Envoy, Plugin, Ports};
use crate::keys::{hexadecimal, sha256};
use crate::publisher::{FLEET, NAME};
use crate::{secrets, upstream};

/// The administrator's token of an endpoint that [`ControlEndpoint::start_new`] makes: it is gone with its measurement.
const ADMIN_TOKEN: &str = "the-token-of-the-administrator";

/// The proxies' token of such an endpoint.
pub const PROXY_TOKEN: &str = "the-token-of-the-proxies";

const SIGNING_KEY: &str = "signing-key.json";

/// The listener of an Envoy that such an endpoint tells what to decide.
pub const LISTENER: &str = "ingress";

/// Where such an endpoint keeps the decisions of its proxies, in its folder.
pub const DECISIONS: &str = "decisions";

/// A running endpoint. It is killed when this is dropped.
pub struct ControlEndpoint {
    child: Child,
    address: SocketAddr,
    /// What it says, until it ends.
    log: Option<JoinHandle<String>>,
}

impl ControlEndpoint {
    /// Serves what the `serve.yaml` of a folder says, on a free port.
    ///
    /// # Errors
    ///
    /// It does not start: then with what it says last.
    pub fn start(portcullis: &Path, folder: &Path) -> Result<Self> {
        let mut child = Command::new(portcullis)
            .args(["serve", "--log", "json", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", portcullis.display()))?;
        let mut lines = BufReader::new(child.stderr.take().context("standard error is piped")?).lines();
        let mut last = String::new();
        let address = loop {
            last = lines.next().with_context(|| format!("the endpoint ended: {last}"))??;
            let said: Value = serde_json::from_str(&last).unwrap_or_default();
            if let Some(address) = said.get("address").and_then(Value::as_str) {
                break address.parse()?;
            }
        };
        let log = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        Ok(Self { child, address, log: Some(log) })
    }

    /// Makes an endpoint for the fleet of the tests in an empty folder, and serves it; `trust` of its proxies is the other value.
    ///
    /// # Errors
    ///
    /// Those of [`Self::start`], or it makes no key.
    pub fn start_new(portcullis: &Path, folder: &Path) -> Result<(Self, Value)> {
        // It runs elsewhere.
        let portcullis = portcullis.canonicalize().with_context(|| format!("{}", portcullis.display()))?;
        let keygen = Command::new(&portcullis).arg("keygen").current_dir(folder).output()?;
        ensure!(keygen.status.success(), "{}", String::from_utf8_lossy(&keygen.stderr));
        let mut key: Value = serde_json::from_slice(&std::fs::read(folder.join(SIGNING_KEY))?)?;
        key.as_object_mut().context("a key is an object")?.remove("d");
        let [admin, proxy] = [ADMIN_TOKEN, PROXY_TOKEN].map(|token| hexadecimal(&sha256(token.as_bytes())));
        let settings = json!({
            "version": 1,
            "storage": { "folder": "state" },
            "admins": [{ "admin": "tests", "token_sha256": admin }],
            "fleets": [{
                "fleet": FLEET, "name": NAME, "signing_key": SIGNING_KEY,
                "proxies": [{ "proxy": "edge", "token_sha256": proxy }],
                "decisions": { "folder": DECISIONS },
            }],
        });
        std::fs::write(folder.join("serve.yaml"), settings.to_string())?;
        Ok((Self::start(&portcullis, folder)?, json!({ "fleet": FLEET, "name": NAME, "keys": [key] })))
    }

    /// Publishes a policy.
    ///
    /// # Errors
    ///
    /// It is not published: then with what the endpoint says.
    pub fn publish(&self, policy: &Value) -> Result<()> {
        self.post("publish", &json!({ "policy": policy }))
    }

    /// Revokes.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn revoke(&self, entry: &Value) -> Result<()> {
        self.post("revocations", &json!({ "entries": [entry] }))
    }

    fn post(&self, what: &str, body: &Value) -> Result<()> {
        let request = Request::get(&format!("/v1/fleets/{FLEET}/{what}"));
        let mut request = request.with("authorization", &format!("Bearer {ADMIN_TOKEN}"));
        (request.method, request.body) = (b"POST".to_vec(), body.to_string().into_bytes());
        let response = Connection::open(self.address)?.send(&request)?;
        ensure!(response.status == 200, "{}", String::from_utf8_lossy(&response.body));
        Ok(())
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// An Envoy with so many workers that is told by it what to decide.
    ///
    /// # Errors
    ///
    /// Those of [`Envoy::start`].
    pub fn start_envoy(&self, workers: usize, trust: &Value) -> Result<Envoy> {
        let control = json!({ "cluster": "control", "authority": "control.example.com", "token": PROXY_TOKEN });
        let configuration =
            json!({ "version": 1, "trust": trust, "control": control, "management": { "path": "/portcullis" } });
        let control =
            Control { cluster: "control".to_owned(), address: self.address, authority: None, name_server: None };
        let backends = Backends { control: vec![control], ..upstream::start()?.into() };
        let plugin = Plugin { configuration, ..Plugin::default() };
        Envoy::start_with(workers, &[], &[(LISTENER.to_owned(), plugin)].into(), &backends, Ports::Free)
    }

    /// What nobody else may know of an endpoint that [`Self::start_new`] made in this folder.
    ///
    /// # Errors
    ///
    /// It has no key.
    pub fn secrets(folder: &Path) -> Result<Vec<String>> {
        let key: Value = serde_json::from_slice(&std::fs::read(folder.join(SIGNING_KEY))?)?;
        let tokens = [ADMIN_TOKEN, PROXY_TOKEN].map(str::to_owned);
        Ok(secrets::of_configuration(&key).into_iter().chain(tokens).collect())
    }

    /// Lets it end in good order: it writes down what it has, and signs it. What it has said.
    ///
    /// # Errors
    ///
    /// It does not end well.
    pub fn stop(mut self) -> Result<String> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process has an id")?;
        kill_process(process, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the endpoint ended with {status}");
        let log = self.log.take().context("it is stopped once")?;
        log.join().map_err(|_| anyhow!("nobody could listen"))
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ControlEndpoint {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
