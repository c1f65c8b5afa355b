//! What a decision costs by the number of rules, without Envoy: natively, and in instructions of the module.
//!
//! Rules are about different paths, as those of many services are, and every request is permitted by one of them.

use std::time::Instant;

use anyhow::{Result, bail};
use authz::{Authorizer, PluginConfiguration, Step, UnixTime};
use host_tests::client::Request;
use host_tests::strict_host::StrictHost;
use serde_json::{Value, json};

/// How many rules there are.
pub(crate) const SIZES: [usize; 4] = [10, 100, 1000, 10_000];

/// What the module may take: 10,000 rules need more than the budget of a VM, which is made for 1,000.
const MEMORY_BYTES: usize = 128 * 1024 * 1024;

/// How often each figure is taken.
pub(crate) const REPETITIONS: usize = 5;

/// The time at which decisions are made where the clock is ours.
const NOW: u64 = 1_800_000_000;

/// What was measured for one number of rules.
pub(crate) struct Scale {
    pub(crate) rules: usize,
    pub(crate) native_nanoseconds: Vec<f64>,
    pub(crate) fuel: u64,
    pub(crate) linear_bytes: usize,
}

/// Measures all sizes.
pub(crate) fn measure() -> Result<Vec<Scale>> {
    SIZES.into_iter().map(measure_one).collect()
}

/// A plugin configuration with so many permit rules, each about the paths of one service.
pub(crate) fn configuration(rules: usize) -> Value {
    let rule = |number: usize| {
        let target = json!({ "methods": ["GET"], "paths": [format!("/service-{number}/items/{{id}}")] });
        json!({ "id": format!("rule-{number}"), "effect": "permit", "public": true, "target": target })
    };
    let rules: Vec<Value> = (0..rules).map(rule).collect();
    json!({ "version": 1, "bundle": { "version": 1, "revision": 1, "issuers": [], "rules": rules } })
}

/// Paths of services all over the list.
pub(crate) fn paths(rules: usize) -> Vec<String> {
    // A stride that has no divisor in common with the sizes visits them all.
    (0..100_usize)
        .map(|number| number.saturating_mul(7919).checked_rem(rules).unwrap_or_default())
        .map(|service| format!("/service-{service}/items/17"))
        .collect()
}

fn measure_one(rules: usize) -> Result<Scale> {
    let configuration = configuration(rules).to_string();
    let authorizer = PluginConfiguration::parse(configuration.as_bytes())?.into_authorizer();
    let requests: Vec<Request> = paths(rules).iter().map(|path| Request::get(path)).collect();
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
    Ok(Scale { rules, native_nanoseconds, fuel, linear_bytes })
}

/// What a decision takes natively, of requests that are permitted.
#[expect(clippy::disallowed_methods, clippy::as_conversions, reason = "this measures time, of some milliseconds")]
pub(crate) fn nanoseconds_per_decision(authorizer: &Authorizer, requests: &[Request]) -> Result<f64> {
    const ROUNDS: usize = 200;
    let heads: Vec<_> = requests.iter().map(Request::head).collect();
    let now = UnixTime::from_seconds(host_tests::now());
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for head in &heads {
            match authorizer.authorize(head, now) {
                Step::Decided(authorization) if authorization.decision().rule().is_some() => {}
                other => bail!("a request is not permitted: {other:?}"),
            }
        }
    }
    let decisions = ROUNDS.saturating_mul(heads.len());
    Ok(start.elapsed().as_nanos() as f64 / decisions as f64)
}
