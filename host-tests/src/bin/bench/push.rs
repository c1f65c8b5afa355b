//! How long it takes until a push is enforced: from the moment in which an administrator publishes or revokes, until the last of
//! the workers of a real Envoy decides by it. The endpoint is the real one, on the same machine.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use comfy_table::Table;
use host_tests::client::Request;
use host_tests::control::{ControlEndpoint, LISTENER};
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::now;
use host_tests::token::TokenSpec;
use host_tests::workers::Workers;
use serde_json::{Value, json};

use super::report::table;
use super::tokens::{AUDIENCE, ISSUER};

/// How many workers Envoy has.
const WORKERS: usize = 4;

/// How often something is published, and how often revoked.
pub(crate) const PUSHES: usize = 200;

const KEY: &str = "es256";

/// How long anything may take at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two pushes it is waited for some of this, so that they come at any moment of the workers' ticks.
const PAUSE_MILLISECONDS: usize = 250;

/// What was measured, in milliseconds.
pub(crate) struct Push {
    publish: Vec<f64>,
    revoke: Vec<f64>,
}

/// Pushes so often.
pub(crate) fn measure(portcullis: &Path, pushes: usize) -> Result<Push> {
    let folder = tempfile::tempdir()?;
    let (endpoint, trust) = ControlEndpoint::start_new(portcullis, folder.path())?;
    let keys = KeyRing::generate([KEY])?;
    let envoy = endpoint.start_envoy(WORKERS, &trust)?;
    let mut workers = Workers::connect(&envoy, LISTENER, WORKERS)?;
    let mut push = Push { publish: Vec::new(), revoke: Vec::new() };
    for number in 0..=pushes {
        let pause = number.saturating_mul(97).checked_rem(PAUSE_MILLISECONDS).unwrap_or_default();
        std::thread::sleep(Duration::from_millis(u64::try_from(pause)?));
        let rule = Request::get(&format!("/push/{number}"));
        let token = token(&keys, number)?;
        let request = Request::get("/orders").with("authorization", &format!("Bearer {token}"));
        let publish = || endpoint.publish(&policy(&keys, number)?);
        let elapsed = until_enforced(&mut workers, publish, &rule, 200)?;
        ensure!(workers.ask(&request)?.iter().all(|status| *status == 200), "the token is good until it is revoked");
        let entry = json!({ "issuer": ISSUER, "token_id": token_id(number), "until": now().saturating_add(3600) });
        let revoked = until_enforced(&mut workers, || endpoint.revoke(&entry), &request, 401)?;
        // The first reaches workers that have nothing yet.
        if number > 0 {
            push.publish.push(elapsed);
            push.revoke.push(revoked);
        }
    }
    Ok(push)
}

/// A policy by which everybody may ask which push decides: `/push/N`.
fn policy(keys: &KeyRing, number: usize) -> Result<Value> {
    let key = keys.get(KEY).map(SigningKey::jwk)?;
    Ok(json!({
        "version": 1,
        "issuers": [{ "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["ES256"], "jwks": { "keys": [key] } }],
        "rules": [
            { "id": "push", "effect": "permit", "public": true, "target": { "paths": [format!("/push/{number}")] } },
            { "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] } },
        ],
    }))
}

fn token_id(number: usize) -> String {
    format!("token-{number}")
}

fn token(keys: &KeyRing, number: usize) -> Result<String> {
    let claims = json!({ "jti": token_id(number) });
    let claims = claims.as_object().cloned().context("claims are an object")?;
    TokenSpec { key: KEY.to_owned(), claims, ..TokenSpec::default() }.mint(keys, now())
}

/// Does something, and asks every worker until all answer so; the milliseconds from the one to the other.
#[expect(clippy::disallowed_methods, reason = "the measurement")]
fn until_enforced(
    workers: &mut Workers,
    act: impl FnOnce() -> Result<()>,
    request: &Request,
    status: u16,
) -> Result<f64> {
    let start = Instant::now();
    act()?;
    loop {
        let answers = workers.ask(request)?;
        let elapsed = start.elapsed();
        if answers.iter().all(|answer| *answer == status) {
            return Ok(elapsed.as_secs_f64() * 1000.0);
        }
        ensure!(elapsed < PATIENCE, "{answers:?} instead of {status} after {elapsed:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Push {
    /// For programs: the object `push` of the summary.
    pub(crate) fn summary(&self) -> Value {
        let mut summary = json!({ "workers": WORKERS, "pushes": self.publish.len() });
        for (name, samples) in [("publish_to_enforced", &self.publish), ("revoke_to_refused", &self.revoke)] {
            for (of, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
                if let Some(members) = summary.as_object_mut() {
                    members.insert(format!("{name}_{of}_ms"), json!(percentile(samples, percent)));
                }
            }
        }
        if let Some(members) = summary.as_object_mut() {
            members.insert("raw_ms".to_owned(), json!({ "publish": self.publish, "revoke": self.revoke }));
        }
        summary
    }

    /// For people.
    pub(crate) fn table(&self) -> Table {
        let mut table =
            table(["a push, until all of 4 workers enforce it", "median, ms", "p99, ms", "highest, ms", "pushes"]);
        for (what, samples) in
            [("published: a new rule permits", &self.publish), ("revoked: a token is refused", &self.revoke)]
        {
            let figures = [50, 99, 100].map(|percent| format!("{:.0}", percentile(samples, percent)));
            let [median, p99, highest] = figures;
            table.add_row([what.to_owned(), median, p99, highest, samples.len().to_string()]);
        }
        table
    }
}

/// The smallest sample that so many of a hundred do not exceed.
fn percentile(samples: &[f64], percent: usize) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    let rank = samples.len().saturating_mul(percent).div_ceil(100);
    samples.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
