//! Records as whole lines, and what a bundle may say about them.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{Authorization, Authorizer, Bundle, Effect, RequestHead, Step, UnixTime};

const NOW: UnixTime = UnixTime::from_millis(1_795_716_765_123);
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const ISSUER: &str = "https://login.example.com";

fn bundle(log: Value) -> Value {
    json!({
        "version": 1,
        "revision": 7,
        "issuers": [{ "issuer": ISSUER, "audiences": ["api"], "algorithms": ["ES256"], "jwks": { "keys": [] } }],
        "rules": [
            { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
            { "id": "no-admin", "effect": "deny", "target": { "paths": ["/admin/{rest=**}"] } },
            {
                "id": "orders", "effect": "permit", "target": { "paths": ["/orders", "/orders/{id}"] },
                "obligations": { "audit": true, "headers": [{ "name": "x-zone", "value": "a" }] }
            },
        ],
        "decision_log": log,
    })
}

fn authorizer(log: Value) -> Authorizer {
    Authorizer::new(Bundle::parse(bundle(log).to_string().as_bytes()).unwrap())
}

#[test]
fn what_the_host_is_told_is_what_is_listed_and_shown_as_in_the_record() {
    let all = json!(["subject", "client", "tenant", "issuer", "rule", "reason", "decision_id"]);
    let told = |log: Value, claims| {
        let authorizer = authorizer(log);
        authorizer.told(&decide(&authorizer, "/orders/1", claims), Some(RecordId::default()))
    };
    let owned = |values: &[(&'static str, &str)]| -> Vec<(&str, String)> {
        values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let plain = json!({ "to": ["control"], "fields": { "subject": "plain" }, "filter_state": all });
    let id = ("decision_id", "AAAAAAAAAAAAAAAAAAAAAA");
    let decided = [("issuer", ISSUER), ("rule", "orders"), ("reason", "permitted_by_rule"), id];
    let expected = [&[("subject", "alice"), ("client", "web \"1\"")], &decided[..]].concat();
    assert_eq!(told(plain.clone(), alice()), owned(&expected));
    // What could end a header is left out.
    let mut claims = alice().unwrap();
    claims["sub"] = json!("a\r\nset-cookie: b");
    assert_eq!(told(plain.clone(), Some(claims.clone())), owned(&expected[1..]));
    // Two long names would be one.
    claims["sub"] = json!("a".repeat(1000));
    assert_eq!(told(plain.clone(), Some(claims)), owned(&expected[1..]));
    assert_eq!(told(plain, None), owned(&[("reason", "credential_missing"), id]));
    // As the record shows it, and nothing else.
    let hidden = json!({ "to": ["control"], "pseudonym_key": KEY, "fields": { "client": "omit" }, "filter_state": ["client", "subject"] });
    let hidden = told(hidden, alice());
    assert!(matches!(&hidden[..], [("subject", value)] if value.starts_with('~')), "{hidden:?}");
    assert_eq!(told(json!({ "to": ["control"], "pseudonym_key": KEY }), alice()), []);
}

/// Decides a request with these claims of a verified token, or without a token.
fn decide(authorizer: &Authorizer, path: &str, claims: Option<Value>) -> Authorization {
    let head = RequestHead {
        method: Some(b"GET"),
        authority: Some(b"api.example.com"),
        path: Some(path.as_bytes()),
        source: Some(b"192.0.2.7:40000"),
        headers: vec![(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
        ..RequestHead::default()
    };
    let step = match claims {
        Some(Value::Object(claims)) => authorizer.authorize_claims(&head, ISSUER, claims, NOW),
        _ => authorizer.authorize(&head, NOW),
    };
    let Step::Decided(authorization) = step else { panic!("nobody is asked") };
    authorization
}

fn alice() -> Option<Value> {
    Some(json!({
        "sub": "alice", "aud": "api", "exp": 1_800_000_000, "azp": "web \"1\"", "sid": "s-1", "department": "cards", "level": 3
    }))
}

fn line(chain: &mut Chain, authorization: &Authorization) -> String {
    let draft = chain.draft(authorization, false, NOW);
    String::from_utf8(chain.commit(draft)).unwrap()
}

#[test]
fn a_record_is_one_line_and_says_what_the_bundle_lets_through() {
    let hidden = authorizer(json!({ "to": ["control"], "pseudonym_key": KEY }));
    let shown = authorizer(json!({
        "to": ["proxy_log"],
        "fields": { "subject": "plain", "client": "omit", "session": "plain", "source": "plain", "path": "hash" },
        "claims": [
            { "name": "department", "pointer": "/department", "as": "hash" },
            { "name": "level", "pointer": "/level", "as": "plain" },
            { "name": "absent", "pointer": "/absent", "as": "plain" },
        ],
        "pseudonym_key": KEY,
    }));
    let mut chain = Chain::new(0x9f3c);
    let key = PseudonymKey::from_base64url(KEY).unwrap();
    let alice_hash = key.pseudonym(ISSUER, "subject", "alice");
    let cards = key.pseudonym(ISSUER, "department", "cards");
    let path = key.pseudonym("", "path", "/orders/7");
    let trace = r#""trace":"4bf92f3577b34da6a3ce929d0e0e4736","span":"00f067aa0ba902b7""#;
    let start = |sequence| {
        format!(
            r#"{{"version":2,"time":"2026-11-26T18:12:45.123Z","worker":"0000000000009f3c","sequence":{sequence},"decision":"#
        )
    };
    let cases = [
        (
            decide(&hidden, "/orders/7?token=secret", alice()),
            format!(
                r#""permit","reason":"permitted_by_rule","rule":"orders","revision":7,"principal":{{"credential":"token","issuer":"{ISSUER}","subject":"{alice_hash}","client":"web \"1\""}},"action":"GET","resource":{{"host":"api.example.com","route":"/orders/{{id}}"}},"obligations":["audit","headers"],{trace},"latency_class":"none","audit":true"#
            ),
        ),
        (
            decide(&shown, "/orders/7", alice()),
            format!(
                r#""permit","reason":"permitted_by_rule","rule":"orders","revision":7,"principal":{{"credential":"token","issuer":"{ISSUER}","subject":"alice","session":"s-1","claims":{{"department":"{cards}","level":"3"}}}},"source":"192.0.2.7","action":"GET","resource":{{"host":"api.example.com","route":"/orders/{{id}}","path":"{path}"}},"obligations":["audit","headers"],{trace},"latency_class":"none","audit":true"#
            ),
        ),
        (
            decide(&hidden, "/admin/x", None),
            format!(
                r#""deny","reason":"denied_by_rule","rule":"no-admin","revision":7,"action":"GET","resource":{{"host":"api.example.com","route":"/admin/{{rest=**}}"}},{trace},"latency_class":"none""#
            ),
        ),
        (
            decide(&hidden, "/a/../b", None),
            format!(r#""deny","reason":"path_ambiguous","rule":null,"revision":7,{trace},"latency_class":"none""#),
        ),
        (
            hidden.host_failure(),
            r#""deny","reason":"host_failure","rule":null,"revision":7,"latency_class":"none""#.to_owned(),
        ),
    ];
    let mut id = RecordId::default();
    for (sequence, (authorization, rest)) in (1..).zip(cases) {
        let before = format!("{}{rest}", start(sequence));
        id = id.next(before.as_bytes());
        assert_eq!(line(&mut chain, &authorization), format!(r#"{before},"id":"{id}"}}"#));
    }
}

#[test]
fn what_is_not_recorded_is_counted_by_the_next_record() {
    let authorizer = authorizer(json!({
        "to": ["control"], "pseudonym_key": KEY, "sampling": [{ "rules": ["health"], "one_in": 3 }],
    }));
    let mut chain = Chain::new(1);
    let permit = decide(&authorizer, "/healthz", None);
    let mut recorded = Vec::new();
    for _ in 0..7 {
        match authorizer.recording(permit.decision()) {
            Some(Recording::To(to)) if to.control && !to.proxy_log => recorded.push(line(&mut chain, &permit)),
            Some(Recording::LeftOut) => chain.leave_out(),
            other => panic!("{other:?}"),
        }
    }
    let unsampled = |line: &String| serde_json::from_str::<Value>(line).unwrap()["unsampled"].as_u64();
    assert_eq!(recorded.iter().map(unsampled).collect::<Vec<_>>(), [None, Some(2), Some(2)]);
    // Denials always are, and other rules' permits.
    for _ in 0..10 {
        let deny = decide(&authorizer, "/admin/x", None);
        assert!(matches!(authorizer.recording(deny.decision()), Some(Recording::To(_))));
        let other = decide(&authorizer, "/orders", alice());
        assert!(matches!(authorizer.recording(other.decision()), Some(Recording::To(_))));
    }
    chain.lose(Effect::Permit);
    chain.lose(Effect::Deny);
    chain.lose(Effect::Deny);
    // A draft that is not kept changes nothing.
    let forgotten = chain.draft(&permit, false, NOW);
    let kept = line(&mut chain, &permit);
    assert_eq!(forgotten.line(), kept.as_bytes());
    assert!(kept.contains(r#""lost":{"permit":1,"deny":2}"#), "{kept}");
    assert!(!line(&mut chain, &permit).contains("lost"));
    assert_eq!(Authorizer::closed().recording(permit.decision()), None);
}

#[test]
fn long_texts_are_shortened_and_those_of_clients_stay_in_their_place() {
    let authorizer = authorizer(json!({ "to": ["control"], "fields": { "subject": "plain", "path": "plain" } }));
    let subject = "é\"\n".repeat(400);
    let claims = json!({ "sub": subject, "aud": "api", "exp": 1_800_000_000 });
    let record = line(&mut Chain::new(1), &decide(&authorizer, "/orders/%22%2C%22rule%22%3A%22x", Some(claims)));
    assert!(!record.contains('\n'));
    let record: Value = serde_json::from_str(&record).unwrap();
    let shown = record["principal"]["subject"].as_str().unwrap();
    assert!(shown.len() < 520 && shown.ends_with('…') && subject.starts_with(shown.trim_end_matches('…')));
    assert_eq!(record["rule"], "orders");
    assert_eq!(record["resource"]["path"], "/orders/\",\"rule\":\"x");
}

#[test]
fn a_log_that_says_nonsense_is_refused_with_its_place() {
    for (log, error) in [
        (json!({}), "decision_log.to: is missing"),
        (json!({ "to": [] }), "decision_log.to: must not be empty; leave the field out if it is not wanted"),
        (json!({ "to": ["syslog"] }), "decision_log.to[0]: `syslog` is neither `proxy_log` nor `control`"),
        (
            json!({ "to": ["control"] }),
            "decision_log: needs `pseudonym_key`, 32 random bytes in base64url, to hide what is `hash` (`subject` is, if nothing else is said)",
        ),
        (
            json!({ "to": ["control"], "fields": { "subject": "plain" }, "pseudonym_key": KEY }),
            "decision_log: has a `pseudonym_key`, and nothing in it is `hash`; remove the key",
        ),
        (
            json!({ "to": ["control"], "pseudonym_key": "c2hvcnQ" }),
            "decision_log.pseudonym_key: is not a key: at least 32 random bytes in base64url; `openssl rand -base64 32 | tr '+/' '-_' | tr -d '='` makes one",
        ),
        (
            json!({ "to": ["control"], "pseudonym_key": KEY, "fields": { "subject": "mask" } }),
            "decision_log.fields.subject: `mask` is none of `plain`, `hash` and `omit`",
        ),
        (
            json!({ "to": ["control"], "pseudonym_key": KEY, "claims": [{ "name": "a", "pointer": "/a", "as": "omit" }] }),
            "decision_log.claims[0].as: leaves it out; then remove the claim",
        ),
        (
            json!({ "to": ["control"], "pseudonym_key": KEY, "sampling": [{ "rules": ["no-admin"], "one_in": 10 }] }),
            "decision_log.sampling[0].rules[0]: `no-admin` is not a permit rule of this bundle; denials are always recorded",
        ),
        (
            json!({ "to": ["control"], "pseudonym_key": KEY, "sampling": [{ "rules": ["health"], "one_in": 1 }] }),
            "decision_log.sampling[0].one_in: 1 is not between 2 and 1000000",
        ),
        (
            json!({ "to": ["control"], "pseudonym_key": KEY, "filter_state": ["session"] }),
            "decision_log.filter_state[0]: `session` is none of `subject`, `client`, `tenant`, `issuer`, `rule`, `reason`, `decision_id`",
        ),
    ] {
        let errors = Bundle::parse(bundle(log).to_string().as_bytes()).unwrap_err();
        assert_eq!(errors.to_string(), error);
        assert!(!errors.to_string().contains("c2hvcnQ"));
    }
    let inline = json!({ "version": 1, "bundle": bundle(json!({ "to": ["control"], "pseudonym_key": KEY })) });
    let errors = crate::PluginConfiguration::parse(inline.to_string().as_bytes()).unwrap_err().to_string();
    assert!(errors.starts_with("bundle: `decision_log.to` names `control`"), "{errors}");
}

#[test]
fn only_a_trace_context_that_is_one_is_taken() {
    let authorizer = authorizer(json!({ "to": ["control"], "fields": { "subject": "plain" } }));
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    for (values, is_taken) in [
        (vec![format!("00-{trace}-{span}-00")], true),
        (vec![format!("01-{trace}-{span}-00-more")], true),
        (vec![format!("00-{trace}-{span}-00-more")], false),
        (vec![format!("ff-{trace}-{span}-00")], false),
        (vec![format!("00-{trace}-{span}")], false),
        (vec![format!("00-{}-{span}-00", "0".repeat(32))], false),
        (vec![format!("00-{}-{span}-00", trace.to_uppercase())], false),
        (vec![format!("00-{trace}\",\"-{span}-00")], false),
        (vec![format!("00-{trace}-{span}-00"), format!("00-{trace}-{span}-00")], false),
        (Vec::new(), false),
    ] {
        let headers = values.iter().map(|value| (&b"traceparent"[..], value.as_bytes())).collect();
        let head = RequestHead { method: Some(b"GET"), headers, ..RequestHead::default() };
        let Step::Decided(authorization) = authorizer.authorize(&head, NOW) else { panic!("nobody is asked") };
        let record = line(&mut Chain::new(1), &authorization);
        assert_eq!(record.contains(&format!(r#""trace":"{trace}","span":"{span}""#)), is_taken, "{values:?}");
        assert!(serde_json::from_str::<Value>(&record).is_ok());
    }
}
