//! What operators see: the proxy's own statistics, and the answers of the listener for its state.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use authz::distribution::RefusalReason;
use host_tests::client::Request;
use host_tests::envoy::WORKERS;
use host_tests::now;
use host_tests::publisher::{Publisher, policy};
use host_tests::strict_host::{self, Personality, Setup, StrictHost};
use host_tests::workers::Workers;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::scene::{Line, Scene};
use crate::{NOW, failed};

/// How Envoy calls what modules count.
const PREFIX: &str = "wasmcustom.portcullis";

/// A host without metrics decides and adopts as any other; one that is not Envoy is not even asked, because it may trap.
pub fn trials() -> Vec<Trial> {
    vec![Trial::test("strict::without_metrics_everything_else_is_as_ever", || without_metrics().map_err(failed))]
}

fn without_metrics() -> Result<()> {
    let publisher = Publisher::new("k1")?;
    let configuration = |epoch: u64| {
        let bundle = publisher.publish(epoch, NOW, &policy(epoch), &[]).in_one_piece()?;
        Ok::<_, anyhow::Error>(json!({ "version": 1, "trust": publisher.trust(), "signed_bundle": bundle }).to_string())
    };
    let prefix = format!("portcullis.{}.{}", publisher.fleet, publisher.name);
    let (envoy, wasmx) = (Personality::Envoy, Personality::Wasmx);
    for (fault, personality, expected) in
        [(None, envoy, Some(NOW)), (Some(strict_host::Fault::MetricsUnavailable), envoy, None), (None, wasmx, None)]
    {
        let setup = Setup { now: NOW * 1000, fault, personality, ..Setup::default() };
        let mut host = StrictHost::start_in(configuration(5)?.as_bytes(), &setup)?;
        host.tick()?;
        ensure!(host.send(&Request::get("/epoch/5"))?.status == 200);
        let issued_at = host.metric(&format!("{prefix}.bundle_issued_at_seconds"));
        ensure!(issued_at == expected, "{issued_at:?} instead of {expected:?}");
        ensure!(host.metric("portcullis.native_signatures.rs256") == expected.map(|_| 1));
    }
    // Crypto that has no answer, so that the module verifies by itself.
    let setup = Setup { now: NOW * 1000, fault: Some(strict_host::Fault::NativeCryptoFails), ..Setup::default() };
    let host = StrictHost::start_in(configuration(5)?.as_bytes(), &setup)?;
    ensure!(host.metric("portcullis.native_signatures.rs256") == Some(0));
    Ok(())
}

/// How often it is looked until a number is what it must be.
const PATIENCE: usize = 200;

pub fn shown(scene: &Scene, line: &Line) -> Result<()> {
    let mut workers = Workers::connect(&scene.envoy, &line.name, WORKERS)?;
    for ready in workers.send(&Request::get("/portcullis/ready"))? {
        ensure!(ready.status == 503, "nothing was published: {ready:?}");
    }
    until(scene, line, "bundle_epoch", 0)?;
    let begin = now();
    line.offer(1);
    line.wait_for(scene, 1)?;
    for ready in workers.send(&Request::get("/portcullis/ready"))? {
        let state: Value = serde_json::from_slice(&ready.body)?;
        ensure!(ready.status == 200 && state["ready"] == true && state["epoch"] == 1, "{state}");
        let is_time = |name: &str| state[name].as_u64().is_some_and(|time| time > begin);
        ensure!(state["age_seconds"].is_u64() && is_time("fresh_until") && is_time("stale_until"), "{state}");
    }
    // Envoy's main thread has the filter too.
    until(scene, line, "workers", u64::try_from(WORKERS)? + 1)?;
    until(scene, line, "bundle_epoch", 1)?;
    let numbers = numbers(scene, line)?;
    let number = |name: &str| numbers.get(name).copied().with_context(|| format!("there is no {name}: {numbers:?}"));
    ensure!((begin..=now()).contains(&number("bundle_issued_at_seconds")?), "{numbers:?}");
    ensure!((begin..=now()).contains(&number("last_success_at_seconds")?), "{numbers:?}");
    let lifetime = line.publisher.lifetime_seconds + line.publisher.max_staleness_seconds;
    ensure!(number("bundle_stale_at_seconds")? == number("bundle_issued_at_seconds")? + lifetime, "{numbers:?}");
    for reason in RefusalReason::ALL {
        ensure!(number(&format!("refused.{}", reason.code()))? == 0, "{numbers:?}");
    }
    ensure!(numbers.len() == 5 + RefusalReason::ALL.len(), "{numbers:?}");

    let forged = Publisher::new("k1")?.of(&line.publisher.fleet, &line.publisher.name);
    line.endpoint.offer(&forged.publish(2, now(), &policy(2), &[]));
    at_least(scene, line, "refused.signature_invalid", 1)?;
    line.offer(3);
    until(scene, line, "bundle_epoch", 3)?;

    let prometheus = scene.envoy.admin("/stats/prometheus?filter=portcullis")?;
    let epoch = format!("\nportcullis_{}_{}_bundle_epoch{{}} 3\n", line.publisher.fleet, line.publisher.name);
    ensure!(prometheus.contains(&epoch), "{prometheus}");

    // What was decided, with labels.
    for _ in 0..PATIENCE {
        for path in ["/healthz", "/orders"] {
            workers.send(&Request::get(path))?;
        }
        let prometheus = scene.envoy.admin("/stats/prometheus?filter=portcullis.decisions")?;
        if [
            r#"decision="permit",reason="permitted_by_rule",rule="health""#,
            r#"decision="deny",reason="credential_missing",rule="~none""#,
        ]
        .iter()
        .all(|labels| prometheus.contains(labels))
        {
            return native(scene);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{}", scene.envoy.admin("/stats/prometheus?filter=portcullis.decisions")?)
}

fn native(scene: &Scene) -> Result<()> {
    // Envoy's own crypto has proved itself.
    for algorithm in ["rs256", "rs384", "rs512"] {
        let is_native = stats(scene, &format!("{PREFIX}.native_signatures."))?.get(algorithm).copied();
        ensure!(is_native == Some(1), "{algorithm}: {is_native:?}");
    }
    Ok(())
}

/// All numbers of a line.
fn numbers(scene: &Scene, line: &Line) -> Result<BTreeMap<String, u64>> {
    stats(scene, &format!("{PREFIX}.{}.{}.", line.publisher.fleet, line.publisher.name))
}

fn stats(scene: &Scene, prefix: &str) -> Result<BTreeMap<String, u64>> {
    let text = scene.envoy.admin("/stats?filter=portcullis")?;
    let numbers = text.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once(": "));
    numbers.map(|(name, value)| Ok((name.to_owned(), value.parse()?))).collect()
}

fn until(scene: &Scene, line: &Line, name: &str, wanted: u64) -> Result<()> {
    wait(scene, line, name, |found| found == wanted)
}

fn at_least(scene: &Scene, line: &Line, name: &str, wanted: u64) -> Result<()> {
    wait(scene, line, name, |found| found >= wanted)
}

fn wait(scene: &Scene, line: &Line, name: &str, is_right: impl Fn(u64) -> bool) -> Result<()> {
    for _ in 0..PATIENCE {
        if numbers(scene, line)?.get(name).is_some_and(|found| is_right(*found)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{name}: {:?}", scene.envoy.admin("/stats?filter=portcullis")?)
}
