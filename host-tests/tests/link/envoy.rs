//! Faults of what is pushed and of the way there, through real Envoy with two workers: no protected request passes, what was
//! adopted goes on deciding, and when the fault ends the next bundle is adopted by itself. The numbers are those of the faults
//! that the project answers for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use authz::distribution::DocumentKind;
use host_tests::client::{Connection, Request};
use host_tests::endpoint::Fault;
use host_tests::envoy::WORKERS;
use host_tests::now;
use host_tests::publisher::{Publication, Publisher, policy};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::scene::{Line, STALE, Scene, Test};
use crate::{certificates, failed, filter_state, metrics, names, prometheus, put, records, rotation, shared_data};

/// How the way to the endpoint fails, for how many seconds, and the reason that is told if one is. (Envoy itself gives up what is
/// too large for its buffers.)
const WAYS: [(&str, Fault, u64, &str); 14] = [
    ("F2_goes_away", Fault::Closes, 3, "unreachable"),
    ("F3_accepts_and_never_answers", Fault::Silent, 3, ""),
    ("F4_one_byte_a_second", Fault::Drips, 3, ""),
    ("F5_truncated", Fault::Cuts, 3, ""),
    ("F5_truncated_without_length", Fault::CutsWithoutLength, 3, "unreachable"),
    ("F6_one_bit_flipped", Fault::FlipsDocuments, 3, "document_mismatch"),
    ("F16_answers_500", Fault::Status(500), 3, "unreachable"),
    ("F16_answers_404", Fault::Status(404), 3, "unreachable"),
    ("F16_redirects", Fault::Redirects, 3, "unreachable"),
    ("F16_html_with_200", Fault::Html, 3, "malformed"),
    ("F16_nothing_with_200", Fault::Empty, 3, "malformed"),
    ("F16_does_not_know_the_proxy", Fault::Status(401), 3, "unauthorized"),
    ("F17_a_hundred_megabytes", Fault::Floods(100), 5, "unreachable"),
    ("F18_flaps", Fault::Flaps, 3, ""),
];

/// Whose keys are pushed.
pub const ISSUER: &str = "https://idp.example.com";

/// What is offered in the place of a good bundle.
type Bad = fn(&Publisher) -> Result<Publication>;

const BUNDLES: [(&str, Bad, &str); 12] = [
    ("F7_bad_signature", |_| signed_by("k1"), "signature_invalid"),
    (
        "F8_signature_removed",
        |publisher| altered(publisher, |manifest| manifest["signatures"] = json!([])),
        "signature_missing",
    ),
    (
        "F8_signature_empty",
        |publisher| altered(publisher, |manifest| manifest["signatures"][0]["signature"] = json!("")),
        "signature_missing",
    ),
    ("F9_unknown_key", |_| signed_by("k2"), "signer_unknown"),
    ("F10_older_version_replayed", |publisher| Ok(publisher.publish(1, now(), &policy(1), &[])), "rolled_back"),
    (
        "F11_same_version_other_content",
        |publisher| {
            let mut reused = publisher.publish(2, now() - 1, &policy(9), &[]);
            // Under another tag, or nobody would look at it.
            reused.epoch = 9;
            Ok(reused)
        },
        "epoch_reused",
    ),
    ("F12_expired", |publisher| Ok(publisher.publish(3, now() - 7200, &policy(3), &[])), "expired"),
    ("F12_not_yet_valid", |publisher| Ok(publisher.publish(3, now() + 7200, &policy(3), &[])), "not_yet_valid"),
    (
        "F13_unknown_operator",
        |publisher| {
            let mut bad = policy(3);
            bad["rules"][2]["condition"] = json!({ "claims": [{ "pointer": "/sub", "like": "x" }] });
            Ok(publisher.publish(3, now(), &bad, &[]))
        },
        "bundle_invalid",
    ),
    (
        "F15_private_key_among_the_public",
        |publisher| {
            let keys = json!({ "version": 1, "issuers": { ISSUER: { "keys": [{ "kty": "OKP", "crv": "Ed25519", "d": "AA", "x": "AA" }] } } });
            Ok(publisher.publish(3, now(), &with_issuer(3), &[(DocumentKind::Keys, keys)]))
        },
        "bundle_invalid",
    ),
    (
        "F17_deep_json",
        |publisher| {
            let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            Ok(publisher.sign(3, now(), vec![(DocumentKind::Policy, deep.into_bytes())]))
        },
        "bundle_invalid",
    ),
    (
        "F27_newer_format",
        |publisher| {
            let mut newer = policy(3);
            newer["version"] = json!(2);
            Ok(publisher.publish(3, now(), &newer, &[]))
        },
        "bundle_invalid",
    ),
];

pub fn with_issuer(epoch: u64) -> Value {
    let mut policy = policy(epoch);
    policy["issuers"] = json!([{ "issuer": ISSUER, "audiences": ["a"], "algorithms": ["EdDSA"],
        "keys_from": { "jwks_uri": "https://idp.example.com/keys" } }]);
    policy
}

fn signed_by(key_id: &str) -> Result<Publication> {
    Ok(Publisher::new(key_id)?.publish(3, now(), &policy(3), &[]))
}

fn altered(publisher: &Publisher, alter: impl FnOnce(&mut Value)) -> Result<Publication> {
    let mut publication = publisher.publish(3, now(), &policy(3), &[]);
    let mut manifest: Value = serde_json::from_str(&publication.manifest)?;
    alter(&mut manifest);
    publication.manifest = manifest.to_string();
    Ok(publication)
}

pub fn trials() -> Result<Vec<Trial>> {
    let mut others: Vec<(&str, Box<Test>)> = vec![
        ("F1_absent_at_start", Box::new(absent_at_start)),
        ("F14_empty_key_set", Box::new(empty_key_set)),
        ("F19_two_replicas", Box::new(two_replicas)),
        ("F33_configuration_reloaded", Box::new(reloaded)),
        (STALE, Box::new(goes_stale)),
        ("pushes_reach_every_worker", Box::new(pushes)),
        ("F21_keys_rotate_under_load", Box::new(rotation::keys_rotate)),
        (put::LINE, Box::new(put::put)),
        ("metrics_and_readiness", Box::new(metrics::shown)),
        ("prometheus_relabels_what_envoy_shows", Box::new(prometheus::relabels)),
        ("records_of_every_worker_arrive", Box::new(records::in_envoy)),
        (filter_state::LINE, Box::new(filter_state::used)),
    ];
    others.extend(names::tests());
    others.extend(certificates::tests());
    others.extend(shared_data::tests());
    let names = WAYS
        .iter()
        .map(|way| way.0)
        .chain(BUNDLES.iter().map(|bundle| bundle.0))
        .chain(others.iter().map(|other| other.0));
    let scene = Arc::new(Scene::start(names)?);
    let mut trials = Vec::new();
    let mut add = |name: &'static str, test: Box<Test>| {
        let scene = Arc::clone(&scene);
        trials.push(Trial::test(format!("envoy::{name}"), move || {
            let line = scene.lines.get(name).ok_or("there is no such line")?;
            test(&scene, line).map_err(failed)
        }));
    };
    for (name, fault, seconds, reason) in WAYS {
        add(name, Box::new(move |scene, line| way_fails(scene, line, fault, seconds, reason)));
    }
    for (name, bad, reason) in BUNDLES {
        add(name, Box::new(move |scene, line| bad_bundle(scene, line, bad, reason)));
    }
    for (name, test) in others {
        add(name, test);
    }
    Ok(trials)
}

fn way_fails(scene: &Scene, line: &Line, fault: Fault, seconds: u64, reason: &str) -> Result<()> {
    line.offer(1);
    line.wait_for(scene, 1)?;
    line.endpoint.fail(fault);
    // Documents must come, so that their way fails too.
    line.offer(2);
    if fault == Fault::Flaps {
        line.wait_for(scene, 2)?;
    } else {
        line.keeps(scene, Some(1), seconds)?;
    }
    let during = line.endpoint.requests();
    line.endpoint.fail(Fault::None);
    line.offer(3);
    line.wait_for(scene, 3)?;
    ensure!(during < 40, "{during} requests in {seconds} seconds");
    ensure!(line.was_told(reason), "{:?}", line.endpoint.statuses().last());
    Ok(())
}

fn bad_bundle(scene: &Scene, line: &Line, bad: Bad, reason: &str) -> Result<()> {
    line.offer(1);
    line.wait_for(scene, 1)?;
    line.offer(2);
    line.wait_for(scene, 2)?;
    line.endpoint.offer(&bad(&line.publisher)?);
    line.keeps(scene, Some(2), 2)?;
    line.offer(4);
    line.wait_for(scene, 4)?;
    ensure!(line.was_told(reason), "{:?}", line.endpoint.statuses().last());
    Ok(())
}

fn absent_at_start(scene: &Scene, line: &Line) -> Result<()> {
    line.keeps(scene, None, 2)?;
    line.offer(1);
    line.endpoint.start_at(line.address)?;
    line.wait_for(scene, 1)
}

fn empty_key_set(scene: &Scene, line: &Line) -> Result<()> {
    let keys = json!({ "version": 1, "issuers": { ISSUER: { "keys": [] } } });
    line.endpoint.offer(&line.publisher.publish(1, now(), &with_issuer(1), &[(DocumentKind::Keys, keys)]));
    line.wait_for(scene, 1)
}

/// Whichever answers, the highest epoch stays.
fn two_replicas(scene: &Scene, line: &Line) -> Result<()> {
    let old = line.offer(7);
    line.wait_for(scene, 7)?;
    line.offer(8);
    line.endpoint.offer_also(Some(old));
    line.wait_for(scene, 8)?;
    line.keeps(scene, Some(8), 3)?;
    line.endpoint.offer_also(None);
    line.offer(9);
    line.wait_for(scene, 9)
}

/// A configuration that is replaced during traffic leaves no gap: the new root context starts with what was adopted.
fn reloaded(scene: &Scene, line: &Line) -> Result<()> {
    line.offer(1);
    line.wait_for(scene, 1)?;
    for wait in [6, 7, 8] {
        line.start_anew(scene, wait)?;
        line.keeps(scene, Some(1), 1)?;
    }
    line.offer(2);
    line.wait_for(scene, 2)
}

/// A bundle that nobody renews is closed when its publisher's words say so, and the next one opens.
fn goes_stale(scene: &Scene, line: &Line) -> Result<()> {
    let ask = |path| Connection::open(scene.envoy.address(&line.name)?)?.send(&Request::get(path));
    let health = || ask("/healthz").map(|response| response.status);
    let until = |status: u16| -> Result<()> {
        for _ in 0..300 {
            if health()? == status {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("{} instead of {status}", health()?)
    };
    line.offer(1);
    until(200)?;
    until(503)?;
    ensure!(ask("/portcullis/ready")?.status == 503, "and whoever balances the load is told");
    line.offer(2);
    until(200)
}

fn pushes(scene: &Scene, line: &Line) -> Result<()> {
    for epoch in 1..=20 {
        line.offer(epoch);
        line.wait_for(scene, epoch)?;
    }
    let log = scene.envoy.error_log()?;
    let trap = log.lines().find(|line| line.contains("[wasm]") && line.contains("critical"));
    ensure!(trap.is_none(), "{trap:?}");
    let workers = line.endpoint.statuses().last().and_then(|status| status["workers"].as_array().map(Vec::len));
    ensure!(workers.context("it says who there is")? >= WORKERS);
    Ok(())
}
