//! What comes after the filter in real Envoy, as `envoy-config/filter-state.yaml` has it: Envoy's own rules, rate limits and headers use
//! who asks and what was decided.

use anyhow::{Context as _, Result, ensure};
use authz::distribution::DocumentKind;
use host_tests::client::{Connection, Request, Response};
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::now;
use host_tests::token::TokenSpec;
use serde_json::{Value, json};

use crate::scene::{Line, Scene};

/// The line whose listener has the parts of the file.
pub const LINE: &str = "filter_state_serves_what_comes_after";

const ISSUER: &str = "https://idp.example.com/";

pub fn used(scene: &Scene, line: &Line) -> Result<()> {
    let mut keys = KeyRing::default();
    keys.add(SigningKey::generate("ES256", "key")?);
    publish(line, &keys.get("key")?.jwk());
    line.wait_for(scene, 1)?;
    let mut connection = Connection::open(scene.envoy.address(&line.name)?)?;
    let mut ask = |subject: &str, tag: &str| -> Result<(Response, Value)> {
        let claims = json!({ "sub": subject, "exp": { "now": 600 } }).as_object().cloned().context("an object")?;
        let token = TokenSpec { key: "key".to_owned(), claims, ..TokenSpec::default() }.mint(&keys, now())?;
        let request = Request::get("/orders").with("authorization", &format!("Bearer {token}"));
        let response = connection.send(&request.with("user-agent", tag))?;
        let record = scene.envoy.access_log_entry(tag)?;
        Ok((response, serde_json::from_str(record["portcullis"].as_str().context("a record")?)?))
    };
    // A client that is permitted learns the id; and each has as many requests as the others.
    for subject in ["alice", "bob"] {
        for (number, status) in [(1, 200), (2, 200), (3, 429)] {
            let (response, record) = ask(subject, &format!("filter-state-{subject}-{number}"))?;
            ensure!(response.status == status, "{subject}, {number}: {}", response.status);
            ensure!(record["decision"] == "permit", "the limit is that of a filter after this one: {record}");
            let id = record["id"].as_str().context("an id")?;
            ensure!(ids(&response) == [id.as_bytes()], "{id}: {response:?}");
        }
    }
    // Whom Envoy's own rules refuse, by a name that only this filter can have set.
    let (response, record) = ask("mallory", "filter-state-mallory")?;
    ensure!(response.status == 403 && record["decision"] == "permit", "{record}");
    // Where there is no id there is no header, whatever the upstream says; and no limit for what no rule says it of.
    for number in 0..4 {
        let response = connection.send(&Request::get("/left-out"))?;
        // Of as many as one of is recorded, it is the first.
        ensure!(response.status == 200 && ids(&response).is_empty() == (number > 0), "{number}: {response:?}");
    }
    // A client that this filter refuses has its id once.
    let response = connection.send(&Request::get("/orders"))?;
    ensure!(response.status == 401 && ids(&response).len() == 1, "{response:?}");
    Ok(())
}

fn ids(response: &Response) -> Vec<&[u8]> {
    let headers = response.headers.iter().filter(|(name, _)| name == "portcullis-decision");
    headers.map(|(_, value)| value.as_slice()).collect()
}

fn publish(line: &Line, key: &Value) {
    let policy = json!({
        "version": 1,
        "issuers": [{ "issuer": ISSUER, "audiences": ["orders-api"], "algorithms": ["ES256"],
            "keys_from": { "jwks_uri": "https://idp.example.com/keys" } }],
        "rules": [
            { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
            { "id": "epoch", "effect": "permit", "public": true, "target": { "paths": ["/epoch/1"] } },
            { "id": "left-out", "effect": "permit", "public": true, "target": { "paths": ["/left-out"] } },
            { "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] }, "obligations": { "rate_limit": "dear" } },
        ],
        "decision_log": {
            "to": ["control"],
            "fields": { "subject": "plain" },
            "sampling": [{ "rules": ["left-out"], "one_in": 1_000_000 }],
            "filter_state": ["subject", "decision_id"],
        },
    });
    let keys = json!({ "version": 1, "issuers": { ISSUER: { "keys": [key] } } });
    line.endpoint.offer(&line.publisher.publish(1, now(), &policy, &[(DocumentKind::Keys, keys)]));
}
