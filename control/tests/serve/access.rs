//! Who may do what.

use host_tests::client::{Connection, Request};
use host_tests::tls::Pki;
use serde_json::json;

use crate::common;
use crate::endpoint::{Home, bearer, header, policy, sha256};

#[test]
fn nobody_gets_what_is_not_theirs() {
    let mut home = Home::new();
    let mut other = home.fleet().clone();
    other["fleet"] = json!("staging");
    other["proxies"] = json!([{ "proxy": "edge", "token_sha256": sha256("staging-proxy") }]);
    home.settings["fleets"].as_array_mut().unwrap().push(other);
    let limited = json!({ "admin": "bob", "token_sha256": sha256("bob"), "fleets": ["staging"] });
    home.settings["admins"].as_array_mut().unwrap().push(limited);
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    let (payload, _) = endpoint.served();
    let document = format!("/v1/documents/{}", payload["documents"][0]["sha256"].as_str().unwrap());
    let (manifest, status) = ("/v1/fleets/production/manifest", "/v1/fleets/production/status");
    let (admin, proxy) = (home.admin.as_str(), home.proxy.as_str());
    for (path, token, expected) in [
        (manifest, Some(proxy), 200),
        (manifest, None, 401),
        (manifest, Some("wrong"), 401),
        (manifest, Some(""), 401),
        (manifest, Some(admin), 401),
        (manifest, Some("staging-proxy"), 404),
        ("/v1/fleets/none/manifest", Some(proxy), 404),
        (&document, Some(proxy), 200),
        (&document, None, 401),
        (&document, Some("staging-proxy"), 404),
        ("/v1/documents/..%2f..%2fmanifests%2f0000000000000001.json", Some(proxy), 404),
        (status, Some(admin), 200),
        (status, Some(proxy), 401),
        (status, None, 401),
        (status, Some("bob"), 404),
        ("/v1/fleets/staging/status", Some("bob"), 200),
        ("/v1/fleets/production/history", Some(proxy), 401),
        ("/v1/fleets/production/manifests/1", Some(proxy), 401),
        ("/v1/nothing", Some(admin), 404),
    ] {
        let request = token.map_or(Request::get(path), |token| bearer(Request::get(path), token));
        let response = endpoint.send(&request);
        assert_eq!(response.status, expected, "{path} with {token:?}");
        assert_eq!(header(&response, "www-authenticate").is_some(), expected == 401, "{path} with {token:?}");
    }
    for action in ["publish", "revocations", "rollback", "manifests/1/signatures"] {
        for token in [None, Some(proxy), Some("wrong")] {
            let path = format!("/v1/fleets/production/{action}");
            let mut request = token.map_or(Request::get(&path), |token| bearer(Request::get(&path), token));
            (request.method, request.body) =
                (b"POST".to_vec(), json!({ "policy": policy("b") }).to_string().into_bytes());
            assert_eq!(endpoint.send(&request).status, 401, "{action} with {token:?}");
        }
    }
    // Two tokens are none.
    let twice = bearer(bearer(Request::get(status), admin), admin);
    assert_eq!(endpoint.send(&twice).status, 401);
    assert_eq!(endpoint.served().0["epoch"], 1);
}

#[test]
fn tokens_are_in_no_log() {
    let home = Home::new();
    let endpoint = home.start_with(&[("RUST_LOG", "trace")]);
    endpoint.publish(&policy("a"));
    endpoint.poll(None, 0);
    let key = std::fs::read_to_string(home.path().join("signing-key.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let log = endpoint.log();
    for secret in [home.admin.as_str(), home.proxy.as_str(), key["d"].as_str().unwrap()] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn requests_are_bounded() {
    let home = Home::new();
    let endpoint = home.start();
    for (path, bytes) in [("publish", 9 * 1024 * 1024), ("rollback", 2 * 1024 * 1024)] {
        let mut request = bearer(Request::get(&format!("/v1/fleets/production/{path}")), &home.admin);
        (request.method, request.body) = (b"POST".to_vec(), vec![b' '; bytes]);
        // It may answer while it is still being written to, and close.
        let answer = Connection::open(endpoint.address).unwrap().send(&request);
        assert!(answer.map_or(true, |answer| answer.status == 413), "{path}");
    }
    assert_eq!(endpoint.get("/v1/fleets/production/status").status, 200);
}

#[test]
fn a_proxy_is_known_by_its_certificate() {
    let pki = Pki::generate(["edge", "stranger"]).unwrap();
    let mut home = Home::new();
    for (name, text) in pki.server_files() {
        common::write(home.path(), &[(name, text)]);
    }
    home.settings["tls"] = json!({ "certificate": "server.pem", "key": "server.key", "client_ca": "workloads-ca.pem" });
    let name = &pki.workload("edge").unwrap().uri_san;
    home.fleet()["proxies"].as_array_mut().unwrap().push(json!({ "proxy": "by-certificate", "certificate": name }));
    let endpoint = home.start();
    let poll = |workload: Option<&str>, token: Option<&str>| {
        let request = Request::get("/v1/fleets/production/manifest");
        let request = token.map_or(request.clone(), |token| bearer(request, token));
        Connection::open_tls(endpoint.address, &pki, workload).unwrap().send(&request).unwrap().status
    };
    // Nothing was published yet: whoever is known is told so.
    assert_eq!(poll(Some("edge"), None), 204);
    assert_eq!(poll(None, Some(&home.proxy)), 204);
    assert_eq!(poll(None, None), 401);
    assert_eq!(poll(Some("stranger"), None), 401);
    // A bad credential is not mended by a good one.
    assert_eq!(poll(Some("edge"), Some("wrong")), 401);
}
