//! A signed bundle that is sent to the reserved path of a listener, which has no other way in.

use anyhow::{Result, ensure};
use authz::distribution::DocumentKind;
use host_tests::client::{Connection, Request};
use host_tests::now;
use host_tests::publisher::{Publisher, policy};
use serde_json::{Value, json};

use crate::scene::{Line, Scene};

pub const LINE: &str = "signed_bundles_are_put_to_the_proxy";

/// What is sent in the place of a good bundle of epoch 3.
type Bad = fn(&Publisher) -> Result<String>;

const REFUSED: [(&str, Bad, &str); 11] = [
    (
        "unsigned",
        |publisher| altered(publisher, |bundle| bundle["manifest"]["signatures"] = json!([])),
        "signature_missing",
    ),
    (
        "another signature",
        |publisher| {
            let other = in_one_piece(&stranger(publisher, "k1")?, 3)?;
            altered(publisher, |bundle| bundle["manifest"]["signatures"] = other["manifest"]["signatures"].clone())
        },
        "signature_invalid",
    ),
    (
        "a key that is not trusted",
        |publisher| Ok(in_one_piece(&stranger(publisher, "k2")?, 3)?.to_string()),
        "signer_unknown",
    ),
    ("cut off", |publisher| cut(&in_one_piece(publisher, 3)?.to_string()), "malformed"),
    ("nothing that is JSON", |_| Ok("a bundle".to_owned()), "malformed"),
    (
        "without its documents",
        |publisher| altered(publisher, |bundle| bundle["documents"] = json!([])),
        "document_missing",
    ),
    (
        "with a document that is cut off",
        |publisher| altered(publisher, |bundle| bundle["documents"][0] = json!("{")),
        "document_mismatch",
    ),
    ("an older one, replayed", |publisher| Ok(in_one_piece(publisher, 1)?.to_string()), "rolled_back"),
    (
        "the same epoch with other content",
        |publisher| Ok(publisher.publish(2, now(), &policy(9), &[]).in_one_piece()?.to_string()),
        "epoch_reused",
    ),
    (
        "expired",
        |publisher| Ok(publisher.publish(3, now() - 7200, &policy(3), &[]).in_one_piece()?.to_string()),
        "expired",
    ),
    (
        "that does not pass its own tests",
        |publisher| {
            let case = json!({ "name": "health", "now": now(), "expect": { "decision": "deny" },
                "request": { "method": "GET", "host": "api.example.com", "path": "/healthz" } });
            let tests = json!({ "version": 1, "cases": [case] });
            let failing = publisher.publish(3, now(), &policy(3), &[(DocumentKind::Tests, tests)]);
            Ok(failing.in_one_piece()?.to_string())
        },
        "tests_failed",
    ),
];

/// Another key for the same bundle.
fn stranger(publisher: &Publisher, key_id: &str) -> Result<Publisher> {
    Ok(Publisher::new(key_id)?.of(&publisher.fleet, &publisher.name))
}

fn in_one_piece(publisher: &Publisher, epoch: u64) -> Result<Value> {
    publisher.publish(epoch, now(), &policy(epoch), &[]).in_one_piece()
}

fn altered(publisher: &Publisher, alter: impl FnOnce(&mut Value)) -> Result<String> {
    let mut bundle = in_one_piece(publisher, 3)?;
    alter(&mut bundle);
    Ok(bundle.to_string())
}

fn cut(text: &str) -> Result<String> {
    Ok(text.chars().take(text.len() / 2).collect())
}

pub fn put(scene: &Scene, line: &Line) -> Result<()> {
    line.keeps(scene, None, 1)?;
    for epoch in [1, 2] {
        let (status, answer) = send(scene, &in_one_piece(&line.publisher, epoch)?.to_string())?;
        ensure!((status, &answer) == (200, &json!({ "epoch": epoch })), "{status} {answer}");
        line.wait_for(scene, epoch)?;
    }
    for (what, bad, reason) in REFUSED {
        refused(scene, line, what, &bad(&line.publisher)?, reason)?;
    }
    // Signed by the very key that is trusted, for somebody else.
    for (what, fleet, name, reason) in [
        ("of another fleet", "elsewhere", LINE, "fleet_mismatch"),
        ("of another name", "tests", "another", "name_mismatch"),
    ] {
        let other = line.publisher.clone().of(fleet, name);
        refused(scene, line, what, &in_one_piece(&other, 3)?.to_string(), reason)?;
    }
    let (status, answer) = send(scene, &in_one_piece(&line.publisher, 3)?.to_string())?;
    ensure!(status == 200, "{answer}");
    line.wait_for(scene, 3)
}

fn refused(scene: &Scene, line: &Line, what: &str, bundle: &str, reason: &str) -> Result<()> {
    let (status, answer) = send(scene, bundle)?;
    ensure!(status == 422 && answer["error"] == reason, "{what}: {status} {answer}");
    let epochs = line.epochs(scene)?;
    ensure!(epochs.iter().all(|epoch| *epoch == Some(2)), "{what}: {epochs:?}");
    Ok(())
}

fn send(scene: &Scene, bundle: &str) -> Result<(u16, Value)> {
    let request =
        Request { method: b"PUT".to_vec(), body: bundle.as_bytes().to_vec(), ..Request::get("/portcullis/bundle") };
    let response = Connection::open(scene.envoy.address(LINE)?)?.send(&request)?;
    Ok((response.status, serde_json::from_slice(&response.body)?))
}
