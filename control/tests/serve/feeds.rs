//! Feeds: logout tokens and security events.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_tests::client::{Request, Response};
use host_tests::keys::SigningKey;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Home, policy, sha256};

const ISSUER: &str = "https://login.example.com";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type";

struct Feeds {
    _home: Home,
    endpoint: Endpoint,
    key: SigningKey,
}

impl Feeds {
    fn start() -> Self {
        let key = SigningKey::generate("EdDSA", "one").unwrap();
        let mut home = Home::new();
        home.fleet()["feeds"] = json!([
            { "feed": "logout", "type": "backchannel-logout", "issuer": ISSUER, "audiences": ["portcullis"] },
            { "feed": "caep", "type": "ssf", "issuer": ISSUER, "audiences": ["portcullis"], "token_sha256": sha256("transmitter") },
        ]);
        let endpoint = home.start();
        let mut policy = policy("a");
        policy["issuers"] = json!([{ "issuer": ISSUER, "audiences": ["api"], "algorithms": ["EdDSA"], "jwks": { "keys": [key.jwk()] } }]);
        endpoint.publish(&policy);
        Self { _home: home, endpoint, key }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).unwrap()))
    }

    fn logout(&self, token: &str) -> Response {
        self.send("backchannel-logout/logout", &format!("logout_token={token}"), None)
    }

    fn event(&self, token: &str) -> Response {
        self.send("ssf/caep", token, Some("transmitter"))
    }

    fn send(&self, feed: &str, body: &str, token: Option<&str>) -> Response {
        let mut request = Request::get(&format!("/v1/fleets/production/feeds/{feed}"));
        (request.method, request.body) = (b"POST".to_vec(), body.as_bytes().to_vec());
        self.endpoint.send(&token.map_or(request.clone(), |token| crate::endpoint::bearer(request, token)))
    }

    fn revoked(&self) -> Vec<Value> {
        self.endpoint.served().1["revocations"]["entries"].as_array().cloned().unwrap_or_default()
    }
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A good token, changed; null removes.
fn changed(mut good: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(good.as_object_mut().unwrap().remove(name)),
            value => good[name] = value.clone(),
        }
    }
    good
}

fn logout_claims(changes: &Value) -> Value {
    changed(json!({ "iss": ISSUER, "aud": "portcullis", "iat": now(), "jti": "1", "events": { LOGOUT: {} } }), changes)
}

fn event_claims(event: &str, content: &Value, subject: &Value) -> Value {
    json!({ "iss": ISSUER, "aud": ["portcullis"], "iat": now(), "jti": "1", "sub_id": subject, "events": { format!("{CAEP}/{event}"): content } })
}

fn alice() -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": "alice" })
}

#[test]
fn a_logout_revokes_the_session_or_all_of_the_subject() {
    let feeds = Feeds::start();
    let header = json!({ "alg": "EdDSA", "kid": "one", "typ": "logout+jwt" });
    let answer = feeds.logout(&feeds.sign(&header, &logout_claims(&json!({ "sid": "s1", "sub": "alice" }))));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let revoked = feeds.revoked();
    assert_eq!((&revoked[0]["session"], revoked[0].get("subject")), (&json!("s1"), None));
    assert!(revoked[0]["until"].as_u64().unwrap() >= now() + 86_000);

    let at = now();
    assert_eq!(feeds.logout(&feeds.sign(&header, &logout_claims(&json!({ "sub": "alice", "iat": at })))).status, 200);
    let revoked = feeds.revoked();
    // Whoever logs in again is not meant.
    assert_eq!((&revoked[1]["subject"], &revoked[1]["issued_before"]), (&json!("alice"), &json!(at + 1)));
}

#[test]
fn what_is_no_logout_token_revokes_nothing() {
    let feeds = Feeds::start();
    let header = json!({ "alg": "EdDSA", "kid": "one", "typ": "logout+jwt" });
    let session = json!({ "sid": "s1" });
    for (headers, claims) in [
        (json!({ "typ": "JWT" }), session.clone()),
        (json!({ "typ": "at+jwt" }), session.clone()),
        (json!({ "typ": null }), session.clone()),
        (json!({ "alg": "none" }), session.clone()),
        (json!({ "kid": "two" }), session.clone()),
        (json!({ "crit": ["x"] }), session.clone()),
        (json!({}), json!({})),
        (json!({}), json!({ "sid": "" })),
        (json!({}), json!({ "sid": 1 })),
        (json!({}), json!({ "sid": "s1", "iss": "https://other.example.com" })),
        (json!({}), json!({ "sid": "s1", "aud": "other" })),
        (json!({}), json!({ "sid": "s1", "aud": null })),
        (json!({}), json!({ "sid": "s1", "aud": ["other"] })),
        (json!({}), json!({ "sid": "s1", "iat": null })),
        (json!({}), json!({ "sid": "s1", "iat": now() + 1000 })),
        (json!({}), json!({ "sid": "s1", "iat": now() - 100_000 })),
        (json!({}), json!({ "sid": "s1", "iat": "now" })),
        (json!({}), json!({ "sid": "s1", "exp": now() - 1000 })),
        (json!({}), json!({ "sid": "s1", "jti": null })),
        (json!({}), json!({ "sid": "s1", "nonce": "n" })),
        (json!({}), json!({ "sid": "s1", "events": null })),
        (json!({}), json!({ "sid": "s1", "events": {} })),
        (json!({}), json!({ "sid": "s1", "events": { LOGOUT: true } })),
    ] {
        let token = feeds.sign(&changed(header.clone(), &headers), &logout_claims(&claims));
        let answer = feeds.logout(&token);
        assert_eq!(answer.status, 400, "{headers} {claims}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"], "invalid_request", "{headers} {claims}");
    }
    let good = feeds.sign(&header, &logout_claims(&session));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().map(|digit| if digit == 'A' { 'B' } else { 'A' }).collect();
    let flipped = format!("{head}.{flipped}");
    assert_eq!(feeds.logout(&flipped).status, 400);
    assert_eq!(feeds.send("backchannel-logout/logout", "", None).status, 400);
    assert_eq!(
        feeds.send("backchannel-logout/logout", &format!("logout_token={good}&logout_token={good}"), None).status,
        400
    );
    assert_eq!(feeds.send("backchannel-logout/caep", &format!("logout_token={good}"), None).status, 404);
    assert_eq!(feeds.revoked(), Vec::<Value>::new());
}

#[test]
fn security_events_revoke_what_they_are_about() {
    let feeds = Feeds::start();
    let header = json!({ "alg": "EdDSA", "kid": "one", "typ": "secevent+jwt" });
    let at = now() - 100;
    let session = json!({ "format": "complex", "user": alice(), "session": { "format": "opaque", "id": "s1" } });
    for (event, content, subject, expected) in [
        ("session-revoked", json!({ "event_timestamp": at }), session.clone(), json!({ "session": "s1" })),
        (
            "session-revoked",
            json!({ "event_timestamp": at }),
            alice(),
            json!({ "subject": "alice", "issued_before": at + 1 }),
        ),
        (
            "token-claims-change",
            json!({ "event_timestamp": at, "claims": { "role": "none" } }),
            alice(),
            json!({ "subject": "alice", "issued_before": at + 1 }),
        ),
        // What changes for the user is not over with one session.
        (
            "credential-change",
            json!({ "event_timestamp": at + 1 }),
            session,
            json!({ "subject": "alice", "issued_before": at + 2 }),
        ),
    ] {
        let answer = feeds.event(&feeds.sign(&header, &event_claims(event, &content, &subject)));
        assert_eq!(answer.status, 202, "{event}: {}", String::from_utf8_lossy(&answer.body));
        let revoked = feeds.revoked();
        assert!(
            revoked.iter().any(|entry| expected.as_object().unwrap().iter().all(|(name, value)| &entry[name] == value)),
            "{event}: {revoked:?}"
        );
    }
    // A trial of the transmitter.
    let verification = json!({ "iss": ISSUER, "aud": "portcullis", "iat": now(), "jti": "1", "events": { "https://schemas.openid.net/secevent/ssf/event-type/verification": { "state": "x" } } });
    assert_eq!(feeds.event(&feeds.sign(&header, &verification)).status, 202);
}

#[test]
fn an_event_that_is_not_understood_is_refused() {
    let feeds = Feeds::start();
    let header = json!({ "alg": "EdDSA", "kid": "one", "typ": "secevent+jwt" });
    let revoked = |subject: Value| event_claims("session-revoked", &json!({}), &subject);
    for (header, claims, code) in [
        (changed(header.clone(), &json!({ "typ": "logout+jwt" })), revoked(alice()), "authentication_failed"),
        (header.clone(), changed(revoked(alice()), &json!({ "iss": "https://other.example.com" })), "invalid_issuer"),
        (header.clone(), changed(revoked(alice()), &json!({ "aud": "other" })), "invalid_audience"),
        (header.clone(), event_claims("assurance-level-change", &json!({}), &alice()), "invalid_request"),
        (header.clone(), revoked(json!({ "format": "email", "email": "alice@example.com" })), "invalid_request"),
        (
            header.clone(),
            revoked(json!({ "format": "iss_sub", "iss": "https://other.example.com", "sub": "alice" })),
            "invalid_request",
        ),
        (header.clone(), revoked(json!({ "format": "complex", "session": { "format": "opaque" } })), "invalid_request"),
        (header.clone(), revoked(json!({ "format": "complex", "tenant": {} })), "invalid_request"),
        (header.clone(), revoked(Value::Null), "invalid_request"),
        (header.clone(), changed(revoked(alice()), &json!({ "jti": null })), "invalid_request"),
    ] {
        let answer = feeds.event(&feeds.sign(&header, &claims));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, body["err"].as_str()), (400, Some(code)), "{claims}: {body}");
    }
    let good = feeds.sign(&header, &revoked(alice()));
    assert_eq!(feeds.send("ssf/caep", &good, None).status, 401);
    assert_eq!(feeds.send("ssf/caep", &good, Some("wrong")).status, 401);
    assert_eq!(feeds.send("ssf/logout", &good, None).status, 404);
    assert_eq!(feeds.revoked(), Vec::<Value>::new());
}
