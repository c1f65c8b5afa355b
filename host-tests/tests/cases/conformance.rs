//! The foreign vectors whose clock is the real one, through real Envoy: `authz/conformance/README.md`.
//!
//! All of them run natively and in Node (`authz/src/conformance.rs`). Here a sample shows that the way through Envoy makes
//! no difference: one listener for each key set, which is what a bundle is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::{Connection, Request};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Scene, failed};

/// Every how many cases one is taken.
const SAMPLE: usize = 5;

const SUITES: [(&str, &str); 3] = [
    ("jose-matrix", include_str!("../../../authz/conformance/jose-matrix.json")),
    ("claims-validation", include_str!("../../../authz/conformance/claims-validation.json")),
    ("wycheproof-jws", include_str!("../../../authz/conformance/wycheproof-jws.json")),
];

#[path = "../../../authz/conformance/case.rs"]
#[expect(dead_code, reason = "each of its two users needs some of the fields")]
mod case;

use case::{Case, Exception, Suite};

impl Case {
    /// A plugin configuration that trusts the keys of this case. `None` where the filter refuses it, which counts as a
    /// refusal of the token.
    fn plugin(&self) -> Option<Value> {
        let plugin = json!({ "version": 1, "bundle": self.bundle() });
        authz::PluginConfiguration::parse(plugin.to_string().as_bytes()).is_ok().then_some(plugin)
    }
}

/// The listeners that the sample needs, by the configuration itself: cases with the same keys share one.
pub fn plugins() -> Result<BTreeMap<String, Value>> {
    Ok(sample()?.iter().filter_map(|(_, case)| case.plugin()).map(|plugin| (listener(&plugin), plugin)).collect())
}

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let sample = sample().unwrap_or_default().into_iter();
    let trial = |(suite, case): (&str, Case)| {
        let scene = Arc::clone(scene);
        Trial::test(format!("envoy::{suite}::{}", case.id), move || run(&scene, &case).map_err(failed))
    };
    sample.map(trial).collect()
}

fn run(scene: &Scene, case: &Case) -> Result<()> {
    let expected = if case.expect_http == "accept" { 200 } else { 401 };
    let status = match case.plugin() {
        None => 401,
        Some(plugin) => {
            let request = Request::get("/orders").with("authorization", &format!("Bearer {}", case.token));
            Connection::open(scene.envoy.address(&listener(&plugin))?)?.send(&request)?.status
        }
    };
    ensure!(status == expected, "expected {expected}, got {status}");
    Ok(())
}

/// Every fifth case that can be put into a header field, is right with the real clock, and is not an exception.
fn sample() -> Result<Vec<(&'static str, Case)>> {
    let exceptions: Vec<Exception> = serde_json::from_str(include_str!("../../../authz/conformance/exceptions.json"))?;
    let mut sample = Vec::new();
    for (name, text) in SUITES {
        let suite: Suite = serde_json::from_str(text).with_context(|| name.to_owned())?;
        let usable = suite.cases.into_iter().filter(|case| {
            case.clock.as_deref() != Some("fixed")
                && case.token.bytes().all(|byte| byte.is_ascii_graphic())
                && !exceptions.iter().any(|exception| exception.id == case.id)
        });
        sample.extend(usable.step_by(SAMPLE).map(|case| (name, case)));
    }
    Ok(sample)
}

fn listener(plugin: &Value) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    plugin.to_string().hash(&mut hasher);
    format!("conformance-{:016x}", hasher.finish())
}
