//! Two replicas over an S3-compatible store, one of which is killed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "the other tests of the command use the rest")]
mod common;
#[path = "serve/endpoint.rs"]
#[expect(dead_code, reason = "the other tests of the endpoint use the rest")]
mod endpoint;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use host_tests::client::{Connection, Request, Response};
use serde_json::{Value, json};

use endpoint::{Home, bearer, policy, sha256};

/// The store, which ends with the test.
struct Store {
    child: Child,
    address: SocketAddr,
}

impl Store {
    fn start() -> Self {
        let packages = std::env::var_os("S3_SERVER_PATH")
            .expect("S3_SERVER_PATH is not set. Run `cargo xtask test`, which installs moto from PyPI and sets it");
        let address = host_tests::free_address().unwrap();
        let script = host_tests::repository().join("control/tests/s3_server.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(address.port().to_string()).env("PYTHONPATH", packages);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let store = Self { child, address };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                store.make_bucket();
                return store;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the store did not start within a minute");
    }

    fn make_bucket(&self) {
        let mut request = Request::get("/portcullis");
        (request.method, request.host) = (b"PUT".to_vec(), self.address.to_string().into_bytes());
        assert_eq!(Connection::open(self.address).unwrap().send(&request).unwrap().status, 200);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The credentials that the store does not check.
const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "tester"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// Publishes a policy; none if nobody answers any more.
fn publish(address: SocketAddr, admin: &str, policy: &Value) -> Option<Response> {
    let mut request = bearer(Request::get("/v1/fleets/production/publish"), admin);
    (request.method, request.body) = (b"POST".to_vec(), json!({ "policy": policy }).to_string().into_bytes());
    Connection::open(address).ok()?.send(&request).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[test]
fn no_epoch_is_lost_or_repeated_when_a_replica_dies() {
    let store = Store::start();
    let mut home = Home::new();
    let url = format!("http://{}", store.address);
    home.settings["storage"] = json!({ "s3": { "bucket": "portcullis", "endpoint": url, "allow_http": true } });
    home.settings["store_poll_milliseconds"] = json!(300);
    let one = home.start_with(&CREDENTIALS);
    let mut two = home.start_with(&CREDENTIALS);

    // Epochs that were acknowledged, with the digest of the policy that was published.
    let acknowledged: Mutex<Vec<(u64, String)>> = Mutex::default();
    let count = AtomicUsize::new(0);
    let work = |address: SocketAddr, worker: usize| {
        for number in 0..8 {
            let policy = policy(&format!("rule-{worker}-{number}"));
            let Some(response) = publish(address, &home.admin, &policy) else { return };
            let answer: Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!(response.status, 200, "{answer}");
            lock(&acknowledged).push((answer["epoch"].as_u64().unwrap(), sha256(&policy.to_string())));
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        for (worker, address) in [one.address, two.address, one.address, two.address].into_iter().enumerate() {
            scope.spawn(move || work(address, worker));
        }
        // What a proxy sees only grows.
        scope.spawn(|| {
            let mut known = 0;
            while known < 16 {
                let response = one.poll(Some(known), 5);
                if response.status == 200 {
                    let epoch: u64 = endpoint::header(&response, "etag").unwrap().trim_matches('"').parse().unwrap();
                    assert!(epoch > known, "{epoch} after {known}");
                    known = epoch;
                }
            }
        });
        while count.load(Ordering::SeqCst) < 8 {
            std::thread::sleep(Duration::from_millis(10));
        }
        two.kill();
    });

    let acknowledged = acknowledged.into_inner().unwrap();
    let epochs: BTreeSet<u64> = acknowledged.iter().map(|(epoch, _)| *epoch).collect();
    assert_eq!(epochs.len(), acknowledged.len(), "an epoch was given out twice");
    assert!(epochs.len() >= 16);

    // A replica that begins anew finds every one of them, with what was published under it, and no gap between.
    let three = home.start_with(&CREDENTIALS);
    let history: Value = serde_json::from_slice(&three.get("/v1/fleets/production/history").body).unwrap();
    let made: BTreeMap<u64, String> = history["epochs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|epoch| (epoch["epoch"].as_u64().unwrap(), epoch["documents"][0]["sha256"].as_str().unwrap().to_owned()))
        .collect();
    let newest = *made.keys().last().unwrap();
    assert_eq!(u64::try_from(made.len()).unwrap(), newest);
    for (epoch, policy) in &acknowledged {
        assert_eq!(made.get(epoch), Some(policy), "epoch {epoch}");
    }
    assert_eq!(three.publish(&policy("last")), newest + 1);
    one.until("the other one follows", |one| one.served().0["epoch"] == newest + 1);
}
