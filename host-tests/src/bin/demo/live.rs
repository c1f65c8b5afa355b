//! The live part of the demo: a policy, keys and revocations reach a proxy that is never restarted, under a load of good requests.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use comfy_table::Table;
use host_tests::client::Request;
use host_tests::provider::{Provider, Rotation};
use serde_json::{Value, json};

use crate::scene::{Fleet, Proxy};

/// What the tokens are for: the provider makes of it an audience and an algorithm.
const AUDIENCE: &str = "https://orders.example.com";
const RESOURCE: &str = "https://orders.example.com/ES256";

/// The reason of what a rule permits.
const PERMITTED: &str = "permitted_by_rule";

/// How long anything may take until every worker has it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the endpoint is gone at the end.
const ABSENCE: Duration = Duration::from_secs(3);

pub(crate) fn show(portcullis: &Path) -> Result<()> {
    let mut provider = Provider::start()?;
    let issuer = provider.issuer().to_owned();
    let fleet = Fleet::of_provider(portcullis, &issuer)?;
    let mut story = Story { proxy: Proxy::start(&fleet)?, table: super::table() };
    story.table.set_header(["what happened", "what a request got, from every worker", "after (ms)"]);
    println!(
        "The same, live: `portcullis serve` and an OpenID provider, while a good client asks every worker all the time.\n"
    );

    let mint = || provider.mint(RESOURCE, "orders.read", None);
    let (old, stolen) = (mint()?, mint()?);
    story.row("nothing is published yet", &get("/orders", &old), 503, "bundle_missing")?;
    fleet.publish(&policy(&issuer, &["/orders", "/invoices"]))?;
    story.row("a policy is published", &get("/invoices", &old), 200, PERMITTED)?;
    let load = story.proxy.load(get("/orders", &old))?;
    fleet.publish(&policy(&issuer, &["/orders"]))?;
    story.row("a change of it: nobody may ask for invoices", &get("/invoices", &old), 403, "no_rule_permits")?;
    fleet.revoke(&issuer, &token_id(&stolen)?)?;
    story.row("one token is revoked", &get("/orders", &stolen), 401, "credential_revoked")?;
    story.row("… and another of the same client is not", &get("/orders", &old), 200, PERMITTED)?;

    story
        .silent_row("published again: each worker tells that it has it", |_| fleet.publish_and_wait().map(|()| true))?;
    let before = story.proxy.epoch()?;
    provider.rotate(Rotation::Announce)?;
    story.silent_row("the provider announces its next keys", |proxy| Ok(proxy.epoch()? > before))?;
    provider.rotate(Rotation::Switch)?;
    let new = provider.mint(RESOURCE, "orders.read", None)?;
    story.row("it signs with them", &get("/orders", &new), 200, PERMITTED)?;
    load.go_on_with(get("/orders", &new));
    provider.rotate(Rotation::Withdraw)?;
    story.row("it withdraws the old ones: a token by those", &get("/orders", &old), 401, "key_unknown")?;

    drop((fleet, provider));
    std::thread::sleep(ABSENCE);
    story.row("endpoint and provider are killed; 3 s later", &get("/orders", &new), 200, PERMITTED)?;
    let count = load.end()?;
    println!("{}\n\nThe good client made {count} requests meanwhile, and every one was let through.\n", story.table);
    Ok(())
}

struct Story {
    proxy: Proxy,
    table: Table,
}

impl Story {
    /// Waits until every worker answers so, and tells how long that took.
    fn row(&mut self, what: &str, request: &Request, status: u16, reason: &str) -> Result<()> {
        let mut got = Vec::new();
        let elapsed = wait(|| {
            got = self.proxy.ask(request)?;
            Ok(got.iter().all(|got| *got == status))
        })?;
        let elapsed = elapsed.with_context(|| format!("{what}: {got:?} instead of {status}"))?;
        let found = self.proxy.reason(request, what)?;
        ensure!(found == reason, "{what}: {found} instead of {reason}");
        self.table.add_row([what, &format!("{status} {reason}"), &elapsed.as_millis().to_string()]);
        Ok(())
    }

    /// Waits until something is so that no request shows.
    fn silent_row(&mut self, what: &str, mut is_so: impl FnMut(&mut Proxy) -> Result<bool>) -> Result<()> {
        let elapsed = wait(|| is_so(&mut self.proxy))?.with_context(|| format!("{what}: it is not so"))?;
        self.table.add_row([what, "–", &elapsed.as_millis().to_string()]);
        Ok(())
    }
}

/// How long it took until it was so; none if it never was.
#[expect(clippy::disallowed_methods, reason = "the demo shows how long things take")]
fn wait(mut is_so: impl FnMut() -> Result<bool>) -> Result<Option<Duration>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if is_so()? {
            return Ok(Some(start.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(None)
}

fn get(path: &str, token: &str) -> Request {
    Request::get(path).with("authorization", &format!("Bearer {token}"))
}

/// Whoever has a token of the provider may ask for these.
fn policy(issuer: &str, paths: &[&str]) -> Value {
    json!({
        "version": 1,
        "issuers": [{
            "issuer": issuer, "preset": "oauth2", "audiences": [AUDIENCE], "algorithms": ["ES256"],
            "keys_from": { "discovery": format!("{issuer}/.well-known/openid-configuration") },
        }],
        "rules": [{ "id": "clients", "effect": "permit", "target": { "paths": paths } }],
    })
}

/// The `jti` of a token.
fn token_id(token: &str) -> Result<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).context("a token has claims")?)?;
    let claims: Value = serde_json::from_slice(&claims)?;
    Ok(claims.get("jti").and_then(Value::as_str).context("the token has an id")?.to_owned())
}
