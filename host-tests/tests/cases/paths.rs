//! Filter and upstream see the same path: the requests with which Istio tests its normalisation, through Envoy as
//! `envoy-config/envoy.yaml` sets it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::{Connection, Request};
use host_tests::envoy::Plugin;
use libtest_mimic::Trial;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Scene, failed};

/// The listener whose rules permit everything but `/admin` and what is below it.
pub const LISTENER: &str = "paths";

/// The mode of Istio that `envoy-config/envoy.yaml` has; encoded slashes it refuses besides.
const MODE: &str = "MERGE_SLASHES";

#[derive(Deserialize)]
struct Suite {
    count: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    mode: String,
    r#in: String,
    out: String,
}

pub fn plugin() -> Result<Plugin> {
    let bundle: Value = serde_json::from_str(include_str!("../../bundles/paths.json"))?;
    Ok(Plugin { configuration: json!({ "version": 1, "bundle": bundle }), ..Plugin::default() })
}

pub fn trial(scene: &Arc<Scene>) -> Trial {
    let scene = Arc::clone(scene);
    Trial::test("envoy::conformance::istio-path-normalization", move || run(&scene).map_err(failed))
}

fn run(scene: &Scene) -> Result<()> {
    let suite: Suite = serde_json::from_str(include_str!("../../../authz/conformance/istio-path-normalization.json"))?;
    ensure!(suite.cases.len() == suite.count, "the suite is not complete");
    let ours = suite.cases.iter().filter(|case| case.mode == MODE);
    let expected: BTreeMap<&str, &str> = ours.map(|case| (case.r#in.as_str(), case.out.as_str())).collect();
    let targets: BTreeSet<&str> = suite.cases.iter().map(|case| case.r#in.as_str()).collect();
    for target in targets {
        judge(scene, target, expected.get(target).copied()).with_context(|| target.to_owned())?;
    }
    Ok(())
}

fn judge(scene: &Scene, target: &str, out: Option<&str>) -> Result<()> {
    let mut connection = Connection::open(scene.envoy.address(LISTENER)?)?;
    let outcome = scene.send(&mut connection, Request::get(target), &format!("path {target}"))?;
    if let Some(out) = out {
        let wanted = match out {
            "/admin" => 403,
            // An encoded slash or backslash is refused, by Envoy or by us: what it means differs from server to server.
            out if ["%2f", "%5c"].iter().any(|slash| out.to_ascii_lowercase().contains(slash)) => 400,
            _ => 200,
        };
        ensure!(outcome.status == wanted, "expected {wanted}, got {outcome:?}");
        ensure!(wanted != 200 || outcome.target.as_deref() == Some(out), "the upstream saw {:?}", outcome.target);
    }
    // Whatever the target: what went through is not below `/admin` for any upstream, however carelessly it reads.
    if let Some(seen) = &outcome.target {
        let read = carelessly_read(seen);
        ensure!(read != "/admin" && !read.starts_with("/admin/"), "the upstream saw {seen}");
    }
    Ok(())
}

/// As a server reads a path that decodes, takes backslashes for slashes, merges them and follows dots.
fn carelessly_read(target: &str) -> String {
    let decoded = target.to_ascii_lowercase().replace("%2f", "/").replace("%5c", "/").replace("%2e", ".");
    let path = decoded.replace('\\', "/");
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}
