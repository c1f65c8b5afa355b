//! The keys of an issuer are replaced, and a token is revoked, while clients ask every worker all the time.

use anyhow::{Context as _, Result, bail, ensure};
use authz::distribution::DocumentKind;
use host_tests::client::Request;
use host_tests::envoy::WORKERS;
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::now;
use host_tests::token::TokenSpec;
use host_tests::workers::{Load, Workers};
use serde_json::{Value, json};

use crate::scene::{Line, Scene};

const ISSUER: &str = "https://idp.example.com/";
const AUDIENCE: &str = "orders-api";

/// How often every worker is asked, at most, until all of them know: about ten seconds.
const PATIENCE: usize = 2000;

/// The keys that the issuer has one after the other.
const KEYS: [&str; 3] = ["old", "new", "third"];

struct Issuer {
    keys: KeyRing,
}

impl Issuer {
    /// Publishes these of its keys, and that these tokens are revoked.
    fn publish(&self, line: &Line, epoch: u64, keys: &[&str], revoked: &[&str]) -> Result<()> {
        let keys: Vec<Value> =
            keys.iter().map(|name| self.keys.get(name).map(SigningKey::jwk)).collect::<Result<_>>()?;
        let policy = json!({
            "version": 1,
            "issuers": [{ "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["ES256"],
                "keys_from": { "jwks_uri": "https://idp.example.com/keys" } }],
            "rules": [
                { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
                { "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] } },
            ],
        });
        let mut documents =
            vec![(DocumentKind::Keys, json!({ "version": 1, "issuers": { ISSUER: { "keys": keys } } }))];
        let entries: Vec<Value> =
            revoked.iter().map(|id| json!({ "issuer": ISSUER, "token_id": id, "until": now() + 3600 })).collect();
        if !entries.is_empty() {
            documents.push((DocumentKind::Revocations, json!({ "version": 1, "entries": entries })));
        }
        line.endpoint.offer(&line.publisher.publish(epoch, now(), &policy, &documents));
        Ok(())
    }

    fn token(&self, key: &str, id: &str) -> Result<Request> {
        let claims = json!({ "jti": id, "exp": { "now": 600 } });
        let claims = claims.as_object().cloned().context("claims are an object")?;
        let token = TokenSpec { key: key.to_owned(), claims, ..TokenSpec::default() }.mint(&self.keys, now())?;
        Ok(Request::get("/orders").with("authorization", &format!("Bearer {token}")))
    }
}

pub fn keys_rotate(scene: &Scene, line: &Line) -> Result<()> {
    let mut issuer = Issuer { keys: KeyRing::default() };
    for name in KEYS {
        issuer.keys.add(SigningKey::generate("ES256", name)?);
    }
    let [old, new, third] = KEYS;
    let by = |key| issuer.token(key, key);
    let (by_old, by_new, by_third) = (by(old)?, by(new)?, by(third)?);
    issuer.publish(line, 1, &[old], &[])?;
    line.wait_for(scene, 1)?;
    let connect = || Workers::connect(&scene.envoy, &line.name, WORKERS);
    let mut workers = connect()?;

    // With overlap no good request is refused.
    let load = Load::start(connect()?, by_old.clone());
    issuer.publish(line, 2, &[old, new], &[])?;
    line.wait_for(scene, 2)?;
    load.go_on_with(by_new.clone());
    ensure!(workers.ask(&by_old)?.iter().all(|status| *status == 200), "both keys are good");
    issuer.publish(line, 3, &[new], &[])?;
    changes(&mut workers, &by_old, 200, 401)?;
    line.wait_for(scene, 3)?;
    ensure!(load.end()? > 0);

    // Without it each worker changes once, and for both keys.
    issuer.publish(line, 4, &[third], &[])?;
    changes(&mut workers, &by_third, 401, 200)?;
    ensure!(workers.ask(&by_new)?.iter().all(|status| *status == 401), "no key of before is good");

    // A token that is revoked is refused by all, although they remember it, and no other is.
    let stolen = issuer.token(third, "stolen")?;
    ensure!(workers.ask(&stolen)?.iter().all(|status| *status == 200), "not yet");
    let load = Load::start(connect()?, by_third);
    issuer.publish(line, 5, &[third], &["stolen"])?;
    changes(&mut workers, &stolen, 200, 401)?;
    load.end()?;
    let record = stolen.with("user-agent", "F21-stolen");
    workers.ask(&record)?;
    let entry = scene.envoy.access_log_entry("F21-stolen")?.to_string();
    ensure!(entry.contains("credential_revoked"), "{entry}");
    Ok(())
}

/// Waits until the answers of all workers have changed. Each changes once, and no answer is a third one.
fn changes(workers: &mut Workers, request: &Request, before: u16, after: u16) -> Result<()> {
    let mut changed = [false; WORKERS];
    for _ in 0..PATIENCE {
        for (changed, status) in changed.iter_mut().zip(workers.ask(request)?) {
            ensure!(status == after || (status == before && !*changed), "{status} after {before} and before {after}");
            *changed |= status == after;
        }
        if changed == [true; WORKERS] {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    bail!("{before} instead of {after}: {changed:?}")
}
