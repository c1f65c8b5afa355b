//! A large bundle is taken in many small steps: what each callback does is counted in instructions, on a host whose clock goes
//! on with them.

use anyhow::{Context as _, Result, ensure};
use authz::distribution::DocumentKind;
use host_tests::strict_host::{Call, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::fleet::{Fleet, epoch};
use crate::{FUEL_PER_MILLISECOND, NOW, failed};

/// The most that one callback may do: 5 ms.
const MOST_FUEL: u64 = 5 * FUEL_PER_MILLISECOND;

/// How many rules there are: about 1.2 MB.
const RULES: usize = 8000;

/// Most ticks until a worker has read everything.
const MOST_TICKS: usize = 2000;

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("steps::no_callback_is_long_while_a_large_bundle_is_taken", || {
        no_callback_is_long().map_err(failed)
    })]
}

fn no_callback_is_long() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut workers = [worker(&fleet, 1)?, worker(&fleet, 2)?];
    // A VM asks an algorithm for its known answers once, at its first key: that is no part of this.
    for (epoch, rules, others) in [(1, 0, Vec::new()), (2, RULES, Vec::new()), (3, RULES, others()), (4, 0, Vec::new())]
    {
        let policy = policy(epoch, rules, &fleet.publisher.jwk());
        let publication = fleet.publisher.publish(epoch, NOW, &policy, &others);
        let bytes: usize = publication.documents.iter().map(|(_, text)| text.len()).sum();
        ensure!(rules == 0 || bytes > 1_000_000, "{bytes} bytes are not many");
        fleet.endpoint.offer(&publication);
        for worker in &mut workers {
            worker.is_counted = epoch > 1;
            let ticks = worker.take(&fleet, epoch)?;
            ensure!(rules == 0 || ticks > 10, "epoch {epoch} was taken in {ticks} ticks");
        }
    }
    // What was replaced is freed.
    for worker in &mut workers {
        worker.tick()?;
        while worker.host.is_hurried() {
            worker.tick()?;
        }
    }
    Ok(())
}

struct Worker {
    host: StrictHost,
    /// Whether its callbacks are counted.
    is_counted: bool,
}

fn worker(fleet: &Fleet, seed: u8) -> Result<Worker> {
    let setup = Setup {
        memory_bytes: Some(64 * 1024 * 1024),
        fuel_per_millisecond: Some(FUEL_PER_MILLISECOND),
        ..fleet.setup(seed, NOW * 1000)
    };
    Ok(Worker { host: StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?, is_counted: false })
}

impl Worker {
    /// Goes on until the worker decides by this epoch, and until then by the one before; how many ticks were in a hurry.
    fn take(&mut self, fleet: &Fleet, wanted: u64) -> Result<usize> {
        let mut hurried = 0;
        for _ in 0..MOST_TICKS {
            let mut calls = self.tick()?;
            while let Some(call) = calls.pop() {
                self.answer(fleet, &call)?;
                calls.extend(self.host.calls());
            }
            let seen = epoch(&mut self.host)?;
            if seen == Some(wanted) {
                return Ok(hurried);
            }
            ensure!(seen.unwrap_or_default() + 1 == wanted, "it decides by {seen:?}");
            hurried += usize::from(self.host.is_hurried());
        }
        anyhow::bail!("epoch {wanted} is not adopted in {MOST_TICKS} ticks: {}", self.host.log())
    }

    fn tick(&mut self) -> Result<Vec<Call>> {
        let calls = self.host.tick()?;
        self.count("a tick")?;
        Ok(calls)
    }

    fn answer(&mut self, fleet: &Fleet, call: &Call) -> Result<()> {
        let path = call.headers.get(":path").context("a request has a path")?.clone();
        fleet.answer(&mut self.host, call)?;
        self.count(&format!("the answer to {path}"))
    }

    fn count(&self, what: &str) -> Result<()> {
        let fuel = self.host.fuel_used();
        ensure!(
            !self.is_counted || fuel <= MOST_FUEL,
            "{what} takes {fuel} instructions, at most {MOST_FUEL} are wanted"
        );
        Ok(())
    }
}

/// Rules of the usual kind, and an issuer with a key.
fn policy(epoch: u64, rules: usize, key: &Value) -> Value {
    let mut policy = host_tests::publisher::policy(epoch);
    let rule = |number: usize| {
        json!({
            "id": format!("team-{number}-reads"),
            "effect": "permit",
            "target": { "methods": ["GET"], "paths": [format!("/teams/{number}/orders/{{id}}")] },
            "condition": { "scopes": { "all": [format!("team-{number}.read"), "orders.read"] } },
        })
    };
    if let Some(list) = policy["rules"].as_array_mut() {
        list.extend((0..rules).map(rule));
    }
    policy["issuers"] = json!([{ "issuer": "https://idp.example.com", "audiences": ["orders"], "algorithms": ["EdDSA"], "jwks": { "keys": [key] } }]);
    policy
}

/// The other documents, each of them long.
fn others() -> Vec<(DocumentKind, Value)> {
    let revocation = |number: usize| json!({ "issuer": "https://idp.example.com", "token_id": format!("token-{number}"), "until": NOW + 3600 });
    let case = |number: usize| {
        json!({
            "name": format!("nobody reads {number}"), "now": NOW,
            "request": { "host": "api.example.com", "path": format!("/teams/{number}/orders/1") },
            "expect": { "decision": "deny", "reason": "credential_missing" },
        })
    };
    let revocations: Vec<Value> = (0..5000).map(revocation).collect();
    let cases: Vec<Value> = (0..2000).map(case).collect();
    vec![
        (DocumentKind::Revocations, json!({ "version": 1, "entries": revocations })),
        (DocumentKind::Tests, json!({ "version": 1, "cases": cases })),
    ]
}
