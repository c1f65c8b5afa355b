//! Long polls, and documents.

use std::time::Duration;

use host_tests::client::{Connection, Request};
use host_tests::keys::{hexadecimal, sha256};
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Home, bearer, header, policy};

#[test]
fn a_poll_is_answered_by_what_is_new() {
    let home = Home::new();
    let endpoint = home.start();
    // Nothing yet, and nothing to come in that time.
    assert_eq!(endpoint.poll(None, 0).status, 204);
    let (address, request) = (endpoint.address, endpoint.poll_request(None, 30));
    let early = std::thread::spawn(move || Connection::open(address).unwrap().send(&request).unwrap());
    endpoint.until("a proxy waits for the first publication", |endpoint| {
        String::from_utf8(endpoint.get("/metrics").body).unwrap().contains("open_polls{fleet=\"production\"} 1")
    });
    let epoch = endpoint.publish(&policy("a"));
    assert_eq!(early.join().unwrap().status, 200);
    let first = endpoint.poll(None, 30);
    assert_eq!((first.status, header(&first, "etag")), (200, Some("\"1\"")));
    assert_eq!(header(&first, "content-type"), Some("application/portcullis-manifest+json"));
    assert_eq!(header(&first, "content-length"), Some(first.body.len().to_string().as_str()));
    assert_eq!(endpoint.poll(Some(epoch), 1).status, 304);

    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let (address, request) = (endpoint.address, endpoint.poll_request(Some(epoch), 30));
            std::thread::spawn(move || Connection::open(address).unwrap().send(&request).unwrap())
        })
        .collect();
    endpoint.until("the polls wait", |endpoint| {
        String::from_utf8(endpoint.get("/metrics").body).unwrap().contains("open_polls{fleet=\"production\"} 10")
    });
    endpoint.publish(&policy("b"));
    for poll in waiting {
        let answer = poll.join().unwrap();
        assert_eq!((answer.status, header(&answer, "etag")), (200, Some("\"2\"")));
    }
}

/// F34: the endpoint is killed and comes back at the same address, and every proxy is there in the same moment.
#[test]
fn a_thousand_proxies_reconnect_at_once() {
    const PROXIES: usize = 1000;
    host_tests::allow_connections(PROXIES).unwrap();
    let mut home = Home::new();
    let mut endpoint = home.start();
    endpoint.publish(&policy("a"));
    let request = endpoint.poll_request(Some(1), 30);
    let connect = |endpoint: &Endpoint| -> Vec<Connection> {
        let polls = (0..PROXIES).map(|_| {
            let mut poll = Connection::open(endpoint.address).unwrap();
            poll.begin(&request).unwrap();
            poll
        });
        let polls = polls.collect();
        let all = format!("open_polls{{fleet=\"production\"}} {PROXIES}\n");
        endpoint.until("all polls wait", |endpoint| {
            String::from_utf8(endpoint.get("/metrics").body).unwrap().contains(&all)
        });
        polls
    };
    let polls = connect(&endpoint);
    endpoint.kill();
    for mut poll in polls {
        assert!(poll.finish(&request).is_err(), "nobody answers any more");
    }
    home.settings["listen"] = json!(endpoint.address.to_string());
    let endpoint = home.start();
    let polls = connect(&endpoint);
    endpoint.publish(&policy("b"));
    for mut poll in polls {
        let answer = poll.finish(&request).unwrap();
        assert_eq!((answer.status, header(&answer, "etag")), (200, Some("\"2\"")));
    }
}

/// Another replica was faster than this one: there is no news here, and nothing to go back to either.
#[test]
fn a_proxy_that_knows_more_waits() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    let (address, request) = (endpoint.address, endpoint.poll_request(Some(2), 30));
    let poll = std::thread::spawn(move || Connection::open(address).unwrap().send(&request).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!poll.is_finished());
    endpoint.publish(&policy("b"));
    endpoint.publish(&policy("c"));
    assert_eq!(header(&poll.join().unwrap(), "etag"), Some("\"3\""));
}

#[test]
fn documents_are_what_their_names_say_and_compressed_for_who_asks() {
    let home = Home::new();
    let endpoint = home.start();
    let mut large = policy("a");
    for number in 0..200 {
        large["rules"].as_array_mut().unwrap().push(json!({ "id": format!("rule-{number}"), "effect": "permit", "public": true, "target": { "paths": [format!("/{number}")] } }));
    }
    endpoint.publish(&large);
    let (payload, _) = endpoint.served();
    let listed = &payload["documents"][0];
    let path = format!("/v1/documents/{}", listed["sha256"].as_str().unwrap());
    let request = bearer(Request::get(&path), &home.proxy);
    let plain = endpoint.send(&request);
    assert_eq!(hexadecimal(&sha256(&plain.body)), listed["sha256"].as_str().unwrap());
    assert_eq!(u64::try_from(plain.body.len()).ok(), listed["bytes"].as_u64());
    assert!(header(&plain, "cache-control").unwrap().contains("immutable"));
    assert_eq!(header(&plain, "content-encoding"), None);
    for refused in ["br", "gzip;q=0", "identity"] {
        assert_eq!(header(&endpoint.send(&request.clone().with("accept-encoding", refused)), "content-encoding"), None);
    }
    let packed = endpoint.send(&request.with("accept-encoding", "br, gzip;q=0.5"));
    assert_eq!(header(&packed, "content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 5 < plain.body.len());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[test]
fn what_proxies_say_of_themselves_is_shown() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let say = |status: &str| {
        endpoint.send(&endpoint.poll_request(None, 0).with("portcullis-status", status));
    };
    say(&json!({
        "version": 1, "proxy": "edge-1", "worker": "w1", "epoch": 1,
        "workers": [{ "worker": "w2", "epoch": 0, "seen_at": now }, { "worker": "gone", "epoch": 0, "seen_at": 5 },
            // As when it has crashed: its proxy forgets it after a minute.
            { "worker": "dead", "epoch": 0, "seen_at": now - 150 }],
        "last_error": { "reason": "expired", "epoch": 7, "at": now },
    })
    .to_string());
    // Whatever else is said does no harm.
    for odd in ["", "{", "[]", "{\"proxy\":\"\\u001b[31m\"}", &"x".repeat(20_000), "{\"workers\":{\"a\":1}}"] {
        say(odd);
    }
    let status: Value = serde_json::from_slice(&endpoint.get("/v1/fleets/production/status").body).unwrap();
    let edge = status["proxies"].as_array().unwrap().iter().find(|proxy| proxy["proxy"] == "edge/edge-1").unwrap();
    assert_eq!(edge["last_error"]["reason"], "expired");
    let workers: Vec<_> = edge["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|worker| (worker["worker"].clone(), worker["epoch"].clone()))
        .collect();
    assert_eq!(workers, [(json!("w1"), json!(1)), (json!("w2"), json!(0))]);
    let (_, table, _) = home.run(&endpoint, &["status"]);
    assert!(table.contains("edge/edge-1") && table.contains("0, 1") && table.contains("expired (epoch 7"), "{table}");

    // Not enforced everywhere: whoever waits is told.
    std::fs::write(home.path().join("policy.json"), policy("b").to_string()).unwrap();
    let (code, _, errors) = home.run(&endpoint, &["publish", "policy.json", "--wait", "1"]);
    assert_eq!(code, 2);
    assert!(errors.contains("is enforced by 0 of 2 workers"), "{errors}");
    say(&json!({ "version": 1, "proxy": "edge-1", "worker": "w1", "epoch": 3, "workers": [{ "worker": "w2", "epoch": 3, "seen_at": now }] }).to_string());
    let (code, output, errors) = home.run(&endpoint, &["publish", "policy.json", "--wait"]);
    assert_eq!((code, output.as_str()), (0, "epoch 3\n"), "{errors}");
}
