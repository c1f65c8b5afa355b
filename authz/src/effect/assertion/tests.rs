use serde_json::{Map, Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::assertion_keys;
use crate::jose::base64url;
use crate::record::Chain;
use crate::{
    Action, Authorization, Authorizer, Bundle, NativeSigning, NativeVerifier, Reason, RequestHead, Step, UnixTime,
};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com/";

/// RFC 8037 appendix A.1: a key that everybody knows.
fn ed25519() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

/// RFC 7515 appendix A.3.1.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "a3",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

fn bundle(assertion: Value) -> Value {
    json!({
        "version": 1, "revision": 7,
        "issuers": [{ "issuer": ISSUER, "audiences": ["api"], "algorithms": ["ES256"], "jwks": { "keys": [] } }],
        "assertion": assertion,
        "rules": [
            { "id": "orders-read", "effect": "permit", "target": { "methods": ["GET"], "paths": ["/orders/{id}"] } },
            { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
        ],
    })
}

fn assertion(key: Value) -> Value {
    json!({ "issuer": "https://gateway.example.com", "audience": "trust.example.com", "key": key })
}

fn with(mut assertion: Value, name: &str, value: Value) -> Value {
    assertion[name] = value;
    assertion
}

fn authorizer(bundle: &Value) -> Authorizer {
    Authorizer::new(Bundle::parse(bundle.to_string().as_bytes()).unwrap())
}

fn claims(more: Value) -> Map<String, Value> {
    let mut claims = json!({ "sub": "alice", "aud": "api", "exp": NOW + 60, "client_id": "web" });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims.as_object().unwrap().clone()
}

fn head<'h>(path: &'h str, headers: &[(&'h str, &'h str)]) -> RequestHead<'h> {
    RequestHead {
        method: Some(b"GET"),
        authority: Some(b"api.example.com:443"),
        path: Some(path.as_bytes()),
        headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
        ..RequestHead::default()
    }
}

fn decided(step: Step) -> Authorization {
    match step {
        Step::Decided(authorization) => authorization,
        Step::Introspect(_) => panic!("nobody has to be asked"),
    }
}

/// The decision about a request of somebody with these claims, beside the standard ones.
fn decide(authorizer: &Authorizer, path: &str, more: Value) -> Authorization {
    decided(authorizer.authorize_claims(&head(path, &[]), ISSUER, claims(more), UnixTime::from_seconds(NOW)))
}

fn minted(authorization: &Authorization) -> Option<String> {
    let Action::Forward(edits) = authorization.action() else { return None };
    let mut values = edits.set.iter().filter(|(name, _)| name == "txn-token").map(|(_, value)| value.clone());
    let token = values.next().map(|value| String::from_utf8(value).unwrap());
    assert_eq!(values.next(), None, "it is set once");
    token
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&base64url::decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

#[test]
fn it_says_who_asks_for_what_and_by_which_rule() {
    let wanted = json!([{ "name": "roles", "claim": "/realm/roles" }, { "name": "none", "claim": "/none" }]);
    let authorizer = authorizer(&bundle(with(assertion(ed25519()), "claims", wanted)));
    let more = json!({ "realm": { "roles": ["a", { "b": 1 }] }, "tid": "t1", "secret": "not told" });
    let authorization = decide(&authorizer, "/orders/7?token=hidden", more);
    let token = minted(&authorization).unwrap();
    // The thumbprint of the key: RFC 8037 appendix A.3.
    let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(part(&token, 0), json!({ "typ": "txntoken+jwt", "alg": "EdDSA", "kid": kid }));
    let mut claims = part(&token, 1);
    let transaction = claims.as_object_mut().unwrap().remove("txn").unwrap();
    assert_eq!(transaction.as_str().unwrap().len(), 22);
    let draft = Chain::new(1).draft(&authorization, false, UnixTime::from_seconds(NOW));
    assert_eq!(serde_json::from_slice::<Value>(draft.line()).unwrap()["transaction"], transaction, "it is on record");
    assert_eq!(
        claims,
        json!({
            "iss": "https://gateway.example.com", "aud": "trust.example.com", "iat": NOW, "exp": NOW + 60,
            "sub": "alice", "scope": "orders-read", "req_wl": "https://gateway.example.com",
            "tctx": { "method": "GET", "host": "api.example.com", "path": "/orders/7", "claims": { "roles": ["a", { "b": 1 }] } },
            "rctx": { "iss": ISSUER, "client_id": "web", "tenant": "t1", "revision": 7 },
        })
    );
    let next = minted(&decide(&authorizer, "/orders/7?token=hidden", json!({}))).unwrap();
    assert_ne!(part(&next, 1)["txn"], transaction, "two transactions have two names");
}

/// The next proxy takes it for a credential, as strictly as any token.
#[test]
fn what_is_minted_verifies_with_the_keys_that_are_published() {
    let honest = |signing: &NativeSigning<'_>| {
        use p256::ecdsa::signature::Signer as _;
        // The scalar is behind the first 36 bytes of PKCS #8.
        let key = p256::ecdsa::SigningKey::from_slice(&signing.private_key[36..68]).unwrap();
        let signature: p256::ecdsa::Signature = key.sign(signing.message);
        Some(der(&signature.to_bytes()))
    };
    type Sign = fn(&NativeSigning<'_>) -> Option<Vec<u8>>;
    let signers: [Option<Sign>; 6] = [
        None,
        Some(honest),
        Some(|_| None),
        Some(|_| Some(Vec::new())),
        Some(|_| Some(der(&[1; 64]))),
        Some(|_| Some(vec![0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x00])),
    ];
    for key in [ed25519(), p256()] {
        for sign in signers {
            let policy = bundle(assertion(key.clone()));
            let native = NativeVerifier::prove(|_| None);
            let native = sign.map_or(native.clone(), |sign| native.with_signer(sign));
            let token = minted(&decide(&authorizer(&policy).with_native(&native), "/orders/7", json!({}))).unwrap();

            let keys = assertion_keys(policy.to_string().as_bytes()).unwrap();
            let next = authorizer(&json!({
                "version": 1, "revision": 1,
                "issuers": [{
                    "issuer": "https://gateway.example.com", "audiences": ["trust.example.com"],
                    "algorithms": [keys[0]["alg"]], "jwks": { "keys": keys }, "token_types": ["txntoken+jwt"],
                }],
                "credentials": [{ "name": "assertion", "type": "jwt", "from": [{ "header": "txn-token" }] }],
                "rules": [{
                    "id": "a", "effect": "permit", "target": {},
                    "condition": { "subjects": ["alice"], "scopes": { "all": ["orders-read"] } },
                }],
            }));
            let reason = |token: &str| {
                let request = head("/orders/7", &[("txn-token", token)]);
                decided(next.authorize(&request, UnixTime::from_seconds(NOW))).decision().reason()
            };
            assert_eq!(reason(&token), Reason::PermittedByRule, "{key}");
            let (input, signature) = token.rsplit_once('.').unwrap();
            let mut signature = base64url::decode(signature).unwrap();
            signature[7] ^= 1;
            let altered = format!("{input}.{}", base64url::encode(signature));
            assert_eq!(reason(&altered), Reason::SignatureInvalid, "{key}");
        }
    }
}

/// An ECDSA signature in DER.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let sign = if bytes[0] & 0x80 == 0 { &[][..] } else { &[0] };
        [&[0x02, u8::try_from(bytes.len().saturating_add(sign.len())).unwrap()], sign, bytes].concat()
    };
    let numbers = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(numbers.len()).unwrap()], &numbers[..]].concat()
}

#[test]
fn who_cannot_be_told_is_denied_and_nobody_is_told_of_the_anonymous() {
    let authorizer =
        authorizer(&bundle(with(assertion(ed25519()), "claims", json!([{ "name": "a", "claim": "/a/b" }]))));
    for more in [
        json!({ "sub": null }),
        json!({ "client_id": 7 }),
        json!({ "tid": ["t"] }),
        json!({ "a": "not an object" }),
        json!({ "a": { "b": "x".repeat(8 * 1024) } }),
    ] {
        let authorization = decide(&authorizer, "/orders/7", more.clone());
        assert_ne!(authorization.decision().reason(), Reason::PermittedByRule, "{more}");
        assert_eq!(minted(&authorization), None);
    }
    let mut nobody = claims(json!({}));
    nobody.remove("sub");
    let step = authorizer.authorize_claims(&head("/orders/7", &[]), ISSUER, nobody, UnixTime::from_seconds(NOW));
    assert_eq!(decided(step).decision().reason(), Reason::ObligationFailed);

    let forged = head("/healthz", &[("Txn_Token", "forged")]);
    let anonymous = decided(authorizer.authorize(&forged, UnixTime::from_seconds(NOW)));
    let Action::Forward(edits) = anonymous.action() else { panic!("a public rule permits") };
    assert_eq!((edits.remove.as_slice(), edits.set.len()), (&[b"Txn_Token".to_vec()][..], 0));
    let nominated = head("/healthz", &[("connection", "close, txn-token")]);
    let nominated = decided(authorizer.authorize(&nominated, UnixTime::from_seconds(NOW)));
    assert_eq!(nominated.decision().reason(), Reason::HeaderNominated);
}

#[test]
fn several_issuers_and_one_name_are_two_subjects() {
    let mut several = bundle(with(assertion(ed25519()), "qualified_subject", json!(true)));
    let mut other = several["issuers"][0].clone();
    other["issuer"] = json!("https://other.example.com/#");
    several["issuers"].as_array_mut().unwrap().push(other);
    let authorizer = authorizer(&several);
    let subject = |issuer: &str, subject: &str| {
        let claims = claims(json!({ "sub": subject }));
        let step = authorizer.authorize_claims(&head("/orders/7", &[]), issuer, claims, UnixTime::from_seconds(NOW));
        part(&minted(&decided(step)).unwrap(), 1)["sub"].clone()
    };
    assert_eq!(subject(ISSUER, "alice"), "https://idp.example.com/#alice");
    assert_eq!(subject(ISSUER, "a#b c"), "https://idp.example.com/#a%23b%20c");
    assert_eq!(subject("https://other.example.com/#", "alice"), "https://other.example.com/##alice");
}

#[test]
fn the_private_key_is_nowhere() {
    for key in [ed25519(), p256()] {
        let secret = key["d"].as_str().unwrap().to_owned();
        let next =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": ed25519()["x"], "kid": "next", "alg": "EdDSA", "note": "x" });
        let policy = bundle(with(assertion(key), "further_keys", json!([next])));
        let published = assertion_keys(policy.to_string().as_bytes()).unwrap();
        assert_eq!(published.len(), 2);
        assert_eq!(
            published[1],
            json!({ "kty": "OKP", "crv": "Ed25519", "x": ed25519()["x"], "kid": "next", "alg": "EdDSA", "use": "sig" })
        );
        let debug = format!("{:?}", authorizer(&policy));
        let bytes = format!("{:?}", base64url::decode(&secret).unwrap());
        assert!(!json!(published).to_string().contains(&secret) && !debug.contains(&secret) && !debug.contains(&bytes));
    }
    assert_eq!(assertion_keys(b"{}").unwrap(), Vec::<Value>::new());
}
