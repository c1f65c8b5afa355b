//! The way from nothing to an endpoint, and back.

use serde_json::json;

use crate::common;
use crate::endpoint::{Home, header, policy};

#[test]
fn two_commands_are_enough_and_a_third_publishes() {
    let home = Home::new();
    let endpoint = home.start();
    common::write(home.path(), &[("policy.yaml", include_str!("../../starter/policy.yaml"))]);
    let (code, output, errors) = home.run(&endpoint, &["publish", "policy.yaml"]);
    assert_eq!((code, output.as_str()), (0, "epoch 1\n"), "{errors}");
    let (code, output, _) = home.run(&endpoint, &["status"]);
    assert_eq!(code, 0);
    assert!(output.starts_with("production: epoch 1, issued "), "{output}");
    let (code, output, _) = home.run(&endpoint, &["status", "--history"]);
    assert_eq!(code, 0);
    assert!(output.contains("alice") && output.contains("publish"), "{output}");
}

#[test]
fn nothing_is_overwritten_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let (code, _, errors) = common::run(home.path(), &["serve", "--init"]);
    assert_eq!(code, 2);
    assert!(errors.contains("is not overwritten"), "{errors}");
    for name in ["serve.yaml", "signing-key.json", "admin.token", "proxy.token"] {
        let mode = std::fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[test]
fn an_endpoint_that_would_not_be_safe_does_not_start() {
    let start = |home: &Home, more: &[&str]| {
        std::fs::write(home.path().join("serve.yaml"), home.settings.to_string()).unwrap();
        common::run(home.path(), &[&["serve"], more].concat())
    };
    let home = Home::new();
    for (arguments, part) in
        [(&["--config", "none.yaml"][..], "portcullis serve --init"), (&["--listen", "0.0.0.0:0"], "there is no `tls`")]
    {
        let (code, _, errors) = start(&home, arguments);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
    type Change = fn(&mut Home);
    let changes: [(Change, i32, &str); 7] = [
        (|home| home.fleet()["signing_key"] = json!("none.json"), 2, "portcullis keygen"),
        (|home| home.fleet()["signing_key"] = json!("serve.yaml"), 2, "is not a signing key"),
        (|home| home.settings["admins"] = json!([]), 1, "admins: must not be empty"),
        (|home| home.settings["admins"][0]["token_sha256"] = json!("secret"), 1, "portcullis keygen --token"),
        (
            |home| home.fleet()["proxies"][0]["token_sha256"] = home.settings["admins"][0]["token_sha256"].clone(),
            1,
            "is already used at admins[0].token_sha256",
        ),
        (
            |home| home.fleet()["trusted_keys"] = json!([{ "kty": "oct", "k": "AA", "kid": "x", "alg": "HS256" }]),
            2,
            "trusted_keys",
        ),
        (|home| home.settings["fleet"] = json!([]), 1, "unknown field `fleet`"),
    ];
    for (change, code, part) in changes {
        let mut home = Home::new();
        change(&mut home);
        let (found, _, errors) = start(&home, &[]);
        assert_eq!(found, code, "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    endpoint.publish(&policy("b"));
    let before = endpoint.poll(None, 0).body;
    assert_eq!(endpoint.terminate(), Some(0));
    let endpoint = home.start();
    assert_eq!(endpoint.poll(None, 0).body, before);
    assert_eq!(endpoint.publish(&policy("c")), 3);
}

#[test]
fn shutting_down_answers_polls_first() {
    let home = Home::new();
    let endpoint = home.start();
    let epoch = endpoint.publish(&policy("a"));
    let (address, request) = (endpoint.address, endpoint.poll_request(Some(epoch), 60));
    let poll =
        std::thread::spawn(move || host_tests::client::Connection::open(address).unwrap().send(&request).unwrap());
    endpoint.until("the poll waits", |endpoint| {
        let metrics = String::from_utf8(endpoint.get("/metrics").body).unwrap();
        metrics.contains("portcullis_control_open_polls{fleet=\"production\"} 1")
    });
    assert_eq!(endpoint.terminate(), Some(0));
    let answer = poll.join().unwrap();
    assert_eq!((answer.status, header(&answer, "connection")), (304, Some("close")));
}

#[test]
fn it_says_whether_it_lives_and_is_ready() {
    let home = Home::new();
    let endpoint = home.start();
    for path in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json"] {
        let request = host_tests::client::Request::get(path);
        assert_eq!(endpoint.send(&request).status, 200, "{path}");
    }
}
