//! What a decision costs by the number of rules: natively, in instructions of the module, and in Envoy's CPU time beside
//! Envoy's own RBAC filter with as many policies.
//!
//! Rules are about different paths, as those of many services are, and every request is permitted by one of them.

mod in_envoy;

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use authz::{Authorizer, PluginConfiguration, Step, UnixTime};
use comfy_table::Table;
use host_tests::client::Request;
use host_tests::strict_host::StrictHost;
use serde_json::{Value, json};

/// How many rules there are.
const SIZES: [usize; 4] = [10, 100, 1000, 10_000];

/// What the module may take: 10,000 rules need more than the budget of a VM, which is made for 1,000.
const MEMORY_BYTES: usize = 128 * 1024 * 1024;

/// How often each figure is taken; the median counts.
const REPETITIONS: usize = 5;

/// The time at which decisions are made where the clock is ours.
const NOW: u64 = 1_800_000_000;

/// What was measured for one number of rules.
struct Scale {
    rules: usize,
    native_nanoseconds: Vec<f64>,
    fuel: u64,
    linear_bytes: usize,
    envoy_microseconds: Vec<f64>,
    rbac_microseconds: Vec<f64>,
}

fn main() -> Result<()> {
    let mut scales = SIZES.into_iter().map(measure_without_envoy).collect::<Result<Vec<_>>>()?;
    in_envoy::measure(&mut scales)?;
    let summary = summary(&scales)?;
    let folder = host_tests::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("summary.json"), serde_json::to_string_pretty(&summary)?)?;
    println!("{}", table(&scales));
    println!("Ratios: {}", summary.get("ratios").context("there are ratios")?);
    Ok(())
}

/// A plugin configuration with so many permit rules, each about the paths of one service.
fn configuration(rules: usize) -> Value {
    let rule = |number: usize| {
        let target = json!({ "methods": ["GET"], "paths": [format!("/service-{number}/items/{{id}}")] });
        json!({ "id": format!("rule-{number}"), "effect": "permit", "public": true, "target": target })
    };
    let rules: Vec<Value> = (0..rules).map(rule).collect();
    json!({ "version": 1, "bundle": { "version": 1, "revision": 1, "issuers": [], "rules": rules } })
}

/// Requests for services all over the list.
fn requests(rules: usize) -> Vec<Request> {
    // A stride that has no divisor in common with the sizes visits them all.
    (0..100_usize)
        .map(|number| number.saturating_mul(7919).checked_rem(rules).unwrap_or_default())
        .map(|service| Request::get(&format!("/service-{service}/items/17")))
        .collect()
}

fn measure_without_envoy(rules: usize) -> Result<Scale> {
    let configuration = configuration(rules).to_string();
    let authorizer = PluginConfiguration::parse(configuration.as_bytes())?.into_authorizer();
    let requests = requests(rules);
    let native_nanoseconds =
        (0..REPETITIONS).map(|_| nanoseconds_per_decision(&authorizer, &requests)).collect::<Result<_>>()?;
    let mut host = StrictHost::start_with_memory(configuration.as_bytes(), MEMORY_BYTES)?;
    let mut fuel = Vec::new();
    for request in &requests {
        let context = host.begin(request, NOW)?;
        fuel.push(host.fuel_used());
        host.finish(context)?;
    }
    fuel.sort_unstable();
    let fuel = fuel.get(fuel.len().div_euclid(2)).copied().unwrap_or_default();
    let linear_bytes = host.memory_bytes()?;
    Ok(Scale {
        rules,
        native_nanoseconds,
        fuel,
        linear_bytes,
        envoy_microseconds: Vec::new(),
        rbac_microseconds: Vec::new(),
    })
}

#[expect(clippy::disallowed_methods, clippy::as_conversions, reason = "this measures time, of some milliseconds")]
fn nanoseconds_per_decision(authorizer: &Authorizer, requests: &[Request]) -> Result<f64> {
    const ROUNDS: usize = 200;
    let heads: Vec<_> = requests.iter().map(Request::head).collect();
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for head in &heads {
            match authorizer.authorize(head, UnixTime::from_seconds(NOW)) {
                Step::Decided(authorization) if authorization.decision().rule().is_some() => {}
                other => bail!("a request is not permitted: {other:?}"),
            }
        }
    }
    let decisions = ROUNDS.saturating_mul(heads.len());
    Ok(start.elapsed().as_nanos() as f64 / decisions as f64)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().div_euclid(2)).copied().unwrap_or_default()
}

fn summary(scales: &[Scale]) -> Result<Value> {
    let (first, last) = (scales.first().context("there are sizes")?, scales.last().context("there are sizes")?);
    let rows: Vec<Value> = scales
        .iter()
        .map(|scale| {
            json!({
                "rules": scale.rules,
                "native_nanoseconds": { "median": median(&scale.native_nanoseconds), "raw": scale.native_nanoseconds },
                "fuel": scale.fuel,
                "linear_bytes": scale.linear_bytes,
                "envoy_microseconds": { "median": median(&scale.envoy_microseconds), "raw": scale.envoy_microseconds },
                "rbac_microseconds": { "median": median(&scale.rbac_microseconds), "raw": scale.rbac_microseconds },
            })
        })
        .collect();
    let thousand = scales.iter().find(|scale| scale.rules == 1000).context("there are 1000 rules")?;
    Ok(json!({
        "version": 1,
        "scale": rows,
        "ratios": {
            "rules_10000_over_10": median(&last.native_nanoseconds) / median(&first.native_nanoseconds),
            "rules_10000_over_10_in_envoy": median(&last.envoy_microseconds) / median(&first.envoy_microseconds),
        },
        "memory": { "linear_bytes_1000_rules": thousand.linear_bytes },
    }))
}

/// Markdown, for people.
fn table(scales: &[Scale]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["rules", "native, ns", "module, fuel", "VM memory, KiB", "Envoy, µs CPU", "RBAC, µs CPU"]);
    for scale in scales {
        table.add_row([
            scale.rules.to_string(),
            format!("{:.0}", median(&scale.native_nanoseconds)),
            scale.fuel.to_string(),
            scale.linear_bytes.div_euclid(1024).to_string(),
            format!("{:.1}", median(&scale.envoy_microseconds)),
            format!("{:.1}", median(&scale.rbac_microseconds)),
        ]);
    }
    table
}
