//! Envoy's CPU time for a request, user and system, with our filter and with its own.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Connection;
use host_tests::envoy::{Envoy, Plugin, Ports};
use serde_json::{Map, Value, json};

use super::{REPETITIONS, Scale, configuration, requests};

/// How many requests one figure is made of.
const REQUESTS: usize = 3000;

/// Measures all sizes, interleaved, so that what else the machine does falls on all of them.
pub(crate) fn measure(scales: &mut [Scale]) -> Result<()> {
    let mut plugins = BTreeMap::new();
    for scale in scales.iter() {
        let ours = Plugin { configuration: configuration(scale.rules), ..Plugin::default() };
        plugins.insert(format!("portcullis-{}", scale.rules), ours);
        plugins
            .insert(format!("rbac-{}", scale.rules), Plugin { instead: Some(rbac(scale.rules)), ..Plugin::default() });
    }
    let envoy = Envoy::start(&plugins, &host_tests::upstream::start()?.into(), Ports::Free)?;
    for _ in 0..REPETITIONS {
        for scale in scales.iter_mut() {
            scale.envoy_microseconds.push(microseconds(&envoy, &format!("portcullis-{}", scale.rules), scale.rules)?);
            scale.rbac_microseconds.push(microseconds(&envoy, &format!("rbac-{}", scale.rules), scale.rules)?);
        }
    }
    Ok(())
}

/// Envoy's own filter with as many policies, which mean the same.
fn rbac(rules: usize) -> Value {
    let policy = |number: usize| {
        let path = json!({ "url_path": { "path": { "prefix": format!("/service-{number}/items/") } } });
        let method = json!({ "header": { "name": ":method", "string_match": { "exact": "GET" } } });
        let permissions = json!([{ "and_rules": { "rules": [method, path] } }]);
        (format!("rule-{number}"), json!({ "permissions": permissions, "principals": [{ "any": true }] }))
    };
    let policies: Map<String, Value> = (0..rules).map(policy).collect();
    json!({
        "name": "rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "ALLOW", "policies": policies },
        },
    })
}

#[expect(clippy::as_conversions, reason = "these numbers are exact in floating point")]
fn microseconds(envoy: &Envoy, listener: &str, rules: usize) -> Result<f64> {
    let mut connection = Connection::open(envoy.address(listener)?)?;
    let requests = requests(rules);
    for request in &requests {
        let response = connection.send(request)?;
        ensure!(response.status == 200, "{listener} answers {}", response.status);
    }
    let before = cpu_nanoseconds(envoy.process_id())?;
    for request in requests.iter().cycle().take(REQUESTS) {
        connection.send(request)?;
    }
    let after = cpu_nanoseconds(envoy.process_id())?;
    Ok(after.saturating_sub(before) as f64 / 1000.0 / REQUESTS as f64)
}

/// The time that the threads of a process have had a CPU (proc(5), `schedstat`, in nanoseconds).
fn cpu_nanoseconds(process: u32) -> Result<u64> {
    let mut total = 0_u64;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        let time = schedstat.split_whitespace().next().context("a thread has a time")?;
        total = total.saturating_add(time.parse()?);
    }
    Ok(total)
}
