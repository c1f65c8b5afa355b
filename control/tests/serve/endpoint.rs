//! A control endpoint under test: the real command, on a port of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_tests::client::{Connection, Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;

/// A folder with everything that `portcullis serve --init` makes.
pub struct Home {
    pub folder: TempDir,
    pub admin: String,
    pub proxy: String,
    pub settings: Value,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (code, _, errors) = common::run(folder.path(), &["serve", "--init"]);
        assert_eq!(code, 0, "{errors}");
        let token = |name| std::fs::read_to_string(folder.path().join(name)).unwrap().trim().to_owned();
        let (admin, proxy) = (token("admin.token"), token("proxy.token"));
        let settings = json!({
            "version": 1,
            "listen": "127.0.0.1:0",
            "storage": { "folder": "state" },
            "store_poll_milliseconds": 100,
            "admins": [{ "admin": "alice", "token_sha256": sha256(&admin) }],
            "fleets": [{
                "fleet": "production",
                "name": "policy",
                "signing_key": "signing-key.json",
                "proxies": [{ "proxy": "edge", "token_sha256": sha256(&proxy) }],
            }],
        });
        Self { folder, admin, proxy, settings }
    }

    /// The settings of the one fleet.
    pub fn fleet(&mut self) -> &mut Value {
        &mut self.settings["fleets"][0]
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts an endpoint that has to come up.
    pub fn start(&self) -> Endpoint {
        self.start_with(&[])
    }

    pub fn start_with(&self, environment: &[(&str, &str)]) -> Endpoint {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.envs(environment.iter().copied());
        self.start_by(command)
    }

    /// Starts an endpoint by a command that ends in the arguments of the program.
    pub fn start_by(&self, mut command: Command) -> Endpoint {
        std::fs::write(self.path().join("serve.yaml"), self.settings.to_string()).unwrap();
        command.args(["serve", "--log", "json"]).current_dir(self.path());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("the endpoint ended: {}", log.lock().unwrap())).unwrap();
            log.lock().unwrap().push_str(&format!("{line}\n"));
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said["message"] == "listening" {
                break said["address"].as_str().unwrap().parse().unwrap();
            }
        };
        let rest = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                rest.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Endpoint { child, address, log, admin: self.admin.clone(), proxy: self.proxy.clone() }
    }

    /// Runs a command against an endpoint, as its administrator.
    pub fn run(&self, endpoint: &Endpoint, arguments: &[&str]) -> (i32, String, String) {
        let url = format!("http://{}", endpoint.address);
        common::run(self.path(), &[arguments, &["--to", &url, "--token-file", "admin.token"]].concat())
    }

    /// What the proxies of this fleet trust.
    pub fn trust(&self) -> Value {
        let key: Value =
            serde_json::from_str(&std::fs::read_to_string(self.path().join("signing-key.json")).unwrap()).unwrap();
        json!({ "fleet": "production", "name": "policy", "keys": [public(&key)] })
    }
}

/// The public part of a private JWK.
pub fn public(key: &Value) -> Value {
    let mut key = key.clone();
    key.as_object_mut().unwrap().remove("d");
    key
}

/// A running endpoint. It is killed when it is not needed any more.
pub struct Endpoint {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    pub admin: String,
    pub proxy: String,
}

impl Endpoint {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn send(&self, request: &Request) -> Response {
        Connection::open(self.address).unwrap().send(request).unwrap()
    }

    /// Something that an administrator asks for.
    pub fn get(&self, path: &str) -> Response {
        self.send(&bearer(Request::get(path), &self.admin))
    }

    /// Something that an administrator does; status and answer.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut request = bearer(Request::get(path), &self.admin);
        (request.method, request.body) = (b"POST".to_vec(), body.to_string().into_bytes());
        let response = self.send(&request);
        (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
    }

    /// Publishes a policy, which has to succeed.
    pub fn publish(&self, policy: &Value) -> u64 {
        let (status, answer) = self.post("/v1/fleets/production/publish", &json!({ "policy": policy }));
        assert_eq!(status, 200, "{answer}");
        answer["epoch"].as_u64().unwrap()
    }

    /// One poll of a proxy.
    pub fn poll(&self, known: Option<u64>, wait_seconds: u64) -> Response {
        self.send(&self.poll_request(known, wait_seconds))
    }

    pub fn poll_request(&self, known: Option<u64>, wait_seconds: u64) -> Request {
        let request = bearer(Request::get("/v1/fleets/production/manifest"), &self.proxy);
        let request = request.with("prefer", &format!("wait={wait_seconds}"));
        known.map_or(request.clone(), |known| request.with("if-none-match", &format!("\"{known}\"")))
    }

    /// What the newest manifest says, and its documents by type; of one that is not JSON how many bytes it has.
    pub fn served(&self) -> (Value, Value) {
        let response = self.poll(None, 0);
        assert_eq!(response.status, 200);
        let manifest: Value = serde_json::from_slice(&response.body).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(manifest["payload"].as_str().unwrap()).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let mut documents = json!({});
        for document in payload["documents"].as_array().unwrap() {
            let path = format!("/v1/documents/{}", document["sha256"].as_str().unwrap());
            let response = self.send(&bearer(Request::get(&path), &self.proxy));
            assert_eq!(response.status, 200);
            let text = serde_json::from_slice(&response.body);
            documents[document["type"].as_str().unwrap()] = text.unwrap_or_else(|_| json!(response.body.len()));
        }
        (payload, documents)
    }

    /// Sends a batch of decisions, as the proxy; status and answer.
    pub fn decide(&self, batch: &str) -> (u16, String) {
        let mut request = bearer(Request::get("/v1/fleets/production/decisions"), &self.proxy);
        (request.method, request.body) = (b"POST".to_vec(), batch.as_bytes().to_vec());
        let response = self.send(&request);
        (response.status, String::from_utf8(response.body).unwrap())
    }

    /// A metric, by its name and labels as they are written; none if it is not there.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let text = String::from_utf8(self.send(&Request::get("/metrics")).body).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Asks until it is so.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..100 {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{what}: not within ten seconds; the endpoint says:\n{}", self.log());
    }

    /// SIGTERM; the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn bearer(request: Request, token: &str) -> Request {
    request.with("authorization", &format!("Bearer {token}"))
}

pub fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| std::str::from_utf8(value).unwrap())
}

pub fn sha256(text: &str) -> String {
    host_tests::keys::hexadecimal(&host_tests::keys::sha256(text.as_bytes()))
}

/// A policy with one public rule of this name.
pub fn policy(rule: &str) -> Value {
    json!({
        "version": 1,
        "issuers": [],
        "rules": [{ "id": rule, "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } }],
    })
}
