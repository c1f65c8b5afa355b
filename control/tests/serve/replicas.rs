//! Several replicas over one store.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Home, header, policy};

#[test]
fn every_epoch_is_made_once() {
    let home = Home::new();
    let replicas = [home.start(), home.start()];
    let publish = |endpoint: &Endpoint, worker: usize| -> Vec<u64> {
        (0..6).map(|number| endpoint.publish(&policy(&format!("rule-{worker}-{number}")))).collect()
    };
    let epochs: Vec<u64> = std::thread::scope(|scope| {
        let replicas = &replicas;
        let workers: Vec<_> =
            (0..6).map(|worker| scope.spawn(move || publish(&replicas[worker % 2], worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let distinct: BTreeSet<u64> = epochs.iter().copied().collect();
    assert_eq!(distinct, (1..=36).collect());
}

#[test]
fn a_replica_serves_what_another_has_published() {
    let home = Home::new();
    let (one, two) = (home.start(), home.start());
    one.publish(&policy("a"));
    let poll = two.poll(None, 5);
    assert_eq!((poll.status, header(&poll, "etag")), (200, Some("\"1\"")));
    assert_eq!(two.served().1["policy"]["rules"][0]["id"], "a");
    // What a proxy tells one of them, the other knows too.
    let status = json!({ "version": 1, "proxy": "edge-1", "worker": "w1", "epoch": 1 }).to_string();
    two.send(&two.poll_request(None, 0).with("portcullis-status", &status));
    one.until("the status is shared", |one| {
        let status: Value = serde_json::from_slice(&one.get("/v1/fleets/production/status").body).unwrap();
        status["proxies"].as_array().unwrap().iter().any(|proxy| proxy["proxy"] == "edge/edge-1")
    });
}

/// Whoever can write to the store, and has no key, cannot make the endpoint say anything.
#[test]
fn a_store_that_lies_is_not_believed() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    let state = home.path().join("state/fleets/production");
    let first = std::fs::read_to_string(state.join("manifests/0000000000000001.json")).unwrap();

    let stranger = Home::new();
    let forger = stranger.start();
    forger.publish(&policy("evil"));
    forger.publish(&policy("evil"));
    let forged = stranger.path().join("state/fleets/production");
    std::fs::copy(forged.join("manifests/0000000000000002.json"), state.join("manifests/0000000000000002.json"))
        .unwrap();
    for document in std::fs::read_dir(forged.join("documents")).unwrap() {
        let document = document.unwrap();
        let _ = std::fs::copy(document.path(), state.join("documents").join(document.file_name()));
    }
    endpoint.until("the lie is noticed", |endpoint| endpoint.log().contains("signer_unknown"));
    assert_eq!(endpoint.served().1["policy"]["rules"][0]["id"], "a");
    // Nothing is built upon it either.
    assert_eq!(endpoint.post("/v1/fleets/production/publish", &json!({ "policy": policy("b") })).0, 503);
    drop(endpoint);

    // An old manifest under a new number, and a document that was changed.
    std::fs::write(state.join("manifests/0000000000000002.json"), first).unwrap();
    std::fs::remove_dir_all(state.join("documents")).unwrap();
    let (code, _, errors) = crate::common::run(home.path(), &["serve"]);
    assert_eq!(code, 2);
    assert!(errors.contains("epoch 2") || errors.contains("the store has no policy document"), "{errors}");
}
