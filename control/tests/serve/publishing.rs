//! Publishing, revoking, rolling back.

use authz::limits::MAX_LEEWAY_SECONDS;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Home, policy};

const ISSUER: &str = "https://login.example.com";

fn policy_with_issuer(rule: &str) -> Value {
    let mut policy = policy(rule);
    policy["issuers"] =
        json!([{ "issuer": ISSUER, "audiences": ["api"], "algorithms": ["EdDSA"], "jwks": { "keys": [] } }]);
    policy
}

fn revoke(endpoint: &Endpoint, entry: &Value) -> (u16, Value) {
    endpoint.post("/v1/fleets/production/revocations", &json!({ "entries": [entry] }))
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn what_no_proxy_would_adopt_is_not_published() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("good"));
    let mut unknown_issuer = policy("a");
    unknown_issuer["rules"][0]["condition"] = json!({ "issuers": ["https://nobody.example.com"] });
    let case = |path: &str| json!({ "version": 1, "cases": [{ "name": "anybody", "now": 1, "request": { "host": "a.example.com", "path": path }, "expect": { "decision": "permit" } }] });
    for (body, status, reason, part) in [
        (json!({ "policy": unknown_issuer }), 422, "bundle_invalid", "is not a trusted issuer"),
        (json!({ "policy": { "version": 2, "issuers": [], "rules": [] } }), 422, "bundle_invalid", "version"),
        (json!({ "policy": policy("a"), "tests": case("/other") }), 422, "tests_failed", "1 of 1 cases fail"),
        (
            json!({ "policy": policy("a"), "credentials": { "version": 1 } }),
            422,
            "bundle_invalid",
            "api_keys: is missing",
        ),
        (json!({ "policy": [] }), 400, "", "expected an object"),
        (json!({}), 400, "", "policy: is missing"),
        (json!({ "policy": policy("a"), "polcy": 1 }), 400, "", "unknown field `polcy`"),
    ] {
        let (found, answer) = endpoint.post("/v1/fleets/production/publish", &body);
        assert_eq!(found, status, "{answer}");
        assert_eq!(answer["reason"].as_str().unwrap_or_default(), reason, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(part), "{answer}");
    }
    assert_eq!(endpoint.served().0["epoch"], 1);
    let (status, answer) =
        endpoint.post("/v1/fleets/production/publish", &json!({ "policy": policy("a"), "tests": case("/healthz") }));
    assert_eq!((status, &answer), (200, &json!({ "epoch": 2 })));
    assert!(endpoint.served().1["tests"].is_object());
}

/// With line and column, before anything is sent.
#[test]
fn the_command_says_where_a_policy_is_wrong() {
    let home = Home::new();
    let endpoint = home.start();
    std::fs::write(home.path().join("policy.yaml"), "version: 1\nissuers: []\nrules:\n  - id: a\n    efect: permit\n")
        .unwrap();
    let (code, _, errors) = home.run(&endpoint, &["publish", "policy.yaml"]);
    assert_eq!(code, 1);
    assert!(errors.contains("policy.yaml:5:5: rules[0]: unknown field `efect`"), "{errors}");
    std::fs::write(home.path().join("policy.json"), policy("a").to_string()).unwrap();
    let (code, _, errors) = home.run(&endpoint, &["publish", "policy.json", "--fleet", "none"]);
    assert_eq!(code, 1);
    assert!(errors.contains("there is no fleet `none`"), "{errors}");
}

#[test]
fn what_is_revoked_stays_revoked() {
    let home = Home::new();
    let endpoint = home.start();
    let entry = json!({ "issuer": ISSUER, "subject": "alice", "until": now() + 1000 });
    // There is nothing yet that this could be about.
    assert_eq!(revoke(&endpoint, &entry).0, 409);
    assert_eq!(endpoint.publish(&policy_with_issuer("a")), 1);
    assert_eq!(revoke(&endpoint, &entry), (200, json!({ "epoch": 2 })));
    // Twice is once.
    assert_eq!(revoke(&endpoint, &entry), (200, json!({ "epoch": 2 })));
    let entries = |endpoint: &Endpoint| endpoint.served().1["revocations"]["entries"].clone();
    assert_eq!(entries(&endpoint), json!([entry]));
    // A new policy, one that does not know the issuer, and one that does again.
    for (policy, epoch) in [(policy_with_issuer("b"), 3), (policy("c"), 4), (policy_with_issuer("d"), 5)] {
        assert_eq!(endpoint.publish(&policy), epoch);
        assert_eq!(entries(&endpoint), json!([entry]));
    }
    // The first epoch had none; going back to its policy does not go back to its revocations.
    assert_eq!(endpoint.post("/v1/fleets/production/rollback", &json!({ "to": 1 })), (200, json!({ "epoch": 6 })));
    let (_, documents) = endpoint.served();
    assert_eq!(documents["policy"]["rules"][0]["id"], "a");
    assert_eq!(documents["revocations"]["entries"], json!([entry]));
}

/// Many revoked tokens become a document of their own, which outlives policies and their rollback as entries do.
#[test]
fn many_are_packed() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy_with_issuer("a"));
    let token = |number: usize| json!({ "issuer": ISSUER, "token_id": number.to_string(), "until": now() + 1000 });
    let subject = json!({ "issuer": ISSUER, "subject": "alice", "until": now() + 1000 });
    let entries: Vec<Value> = (0..10_000).map(token).chain([subject.clone()]).collect();
    let (status, answer) = endpoint.post("/v1/fleets/production/revocations", &json!({ "entries": entries }));
    assert_eq!((status, answer), (200, json!({ "epoch": 2 })));
    let packed = json!(8 + 12 * 10_000);
    assert_eq!(endpoint.served().1["packed_revocations"], packed);
    assert_eq!(endpoint.served().1["revocations"]["entries"], json!([subject]));
    let more = token(10_000);
    assert_eq!(revoke(&endpoint, &more).0, 200);
    assert_eq!(endpoint.publish(&policy("b")), 4);
    assert_eq!(endpoint.post("/v1/fleets/production/rollback", &json!({ "to": 1 })).0, 200);
    let (_, documents) = endpoint.served();
    assert_eq!(documents["packed_revocations"], packed);
    assert_eq!(documents["revocations"]["entries"], json!([subject, more]));
}

#[test]
fn what_is_dead_is_dropped() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy_with_issuer("a"));
    // What has expired may be good for the leeway, and is revoked for as long.
    let entry = |name, until| json!({ "issuer": ISSUER, "token_id": name, "until": until });
    let dead = entry("dead", now() - MAX_LEEWAY_SECONDS - 1);
    let expired = entry("expired", now() - 1);
    let alive = entry("alive", now() + 1000);
    for entry in [&dead, &expired, &alive] {
        assert_eq!(revoke(&endpoint, entry).0, 200);
    }
    assert_eq!(endpoint.served().1["revocations"]["entries"], json!([expired, alive]));
}

#[test]
fn a_revocation_that_would_mean_nothing_is_refused() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy_with_issuer("a"));
    let until = now() + 1000;
    for (entry, status, part) in [
        (
            json!({ "issuer": "https://login.exmaple.com", "subject": "alice", "until": until }),
            409,
            "`https://login.exmaple.com` is not an issuer of the policy",
        ),
        (json!({ "issuer": ISSUER, "until": until }), 422, "for ever"),
        (json!({ "issuer": ISSUER, "subject": "alice" }), 422, "until: is missing"),
        (json!({ "issuer": ISSUER, "subject": "alice", "session": "s", "until": until }), 422, "more than one thing"),
        (json!({ "subject": "alice", "until": until }), 422, "issuer: is missing"),
        (json!("alice"), 422, "expected an object"),
    ] {
        let (found, answer) = revoke(&endpoint, &entry);
        assert_eq!(found, status, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(part), "{answer}");
    }
    assert_eq!(endpoint.served().0["epoch"], 1);
}

#[test]
fn the_command_revokes_what_it_is_told_to() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy_with_issuer("a"));
    for (arguments, field, value) in [
        (&["--jti", "7d9f"][..], "token_id", json!("7d9f")),
        // One in 64 identifiers in base64url begins like an option.
        (&["--jti", "-98RU1N7"], "token_id", json!("-98RU1N7")),
        (&["--kid", "--x"], "key_id", json!("--x")),
        (&["--subject", "alice"], "subject", json!("alice")),
        (&["--session", "s1"], "session", json!("s1")),
        (&["--client", "web"], "client", json!("web")),
        (&["--kid", "2026-11"], "key_id", json!("2026-11")),
        (&["--issued-before", "2026-01-01T00:00:00Z"], "issued_before", json!(1_767_225_600)),
    ] {
        let (code, _, errors) = home.run(&endpoint, &[&["revoke", "--issuer", ISSUER], arguments].concat());
        assert_eq!(code, 0, "{errors}");
        let (_, documents) = endpoint.served();
        let last = documents["revocations"]["entries"].as_array().unwrap().last().unwrap();
        assert_eq!(last[field], value);
        assert!(last["until"].as_u64().unwrap() > now() + 29 * 86_400);
    }
    let before = endpoint.served().0["epoch"].clone();
    for arguments in [&[][..], &["--jti", "a", "--subject", "b"], &["--issued-before", "yesterday"]] {
        let (code, _, _) = home.run(&endpoint, &[&["revoke", "--issuer", ISSUER], arguments].concat());
        assert_eq!(code, 2, "{arguments:?}");
    }
    assert_eq!(endpoint.served().0["epoch"], before);
}

#[test]
fn only_what_was_there_can_be_gone_back_to() {
    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    endpoint.publish(&policy("b"));
    for to in [0, 3, 1_u64 << 50] {
        assert_eq!(endpoint.post("/v1/fleets/production/rollback", &json!({ "to": to })).0, 404, "{to}");
    }
    let (code, output, errors) = home.run(&endpoint, &["rollback", "1"]);
    assert_eq!((code, output.as_str()), (0, "epoch 3\n"), "{errors}");
    assert_eq!(endpoint.served().1["policy"]["rules"][0]["id"], "a");
    let history: Value = serde_json::from_slice(&endpoint.get("/v1/fleets/production/history").body).unwrap();
    let actions: Vec<_> =
        history["epochs"].as_array().unwrap().iter().map(|epoch| epoch["cause"]["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["rollback", "publish", "publish"]);
}

/// A proxy believes a signature, not an answer "not modified": so there is a new one in time.
#[test]
fn a_manifest_is_issued_again_before_it_stops_being_fresh() {
    let mut home = Home::new();
    home.fleet()["lifetime_seconds"] = json!(10);
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    let (first, documents) = endpoint.served();
    endpoint.until("it is issued again", |endpoint| endpoint.served().0["epoch"] == 2);
    let (second, again) = endpoint.served();
    assert!(second["issued_at"].as_u64() < first["expires_at"].as_u64());
    assert_eq!((&second["documents"], again), (&first["documents"], documents));
}
