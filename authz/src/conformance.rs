//! Foreign test vectors, in full: `authz/conformance/README.md`.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};

use crate::document::Node;
use crate::jose::{KeySet, PreparedKeys, UnverifiedJws};
use crate::principal::Attribute;
use crate::{Authorizer, Bundle, RequestHead, Step, UnixTime};

#[path = "../conformance/case.rs"]
#[expect(dead_code, reason = "each of its two users needs some of the fields")]
mod case;

use case::{Case, Exception, Suite};

impl Case {
    /// Whether `Authorization: Bearer <token>` gets through; a bundle that is refused lets nothing through.
    fn passes_http(&self) -> Result<(), String> {
        self.passes("/orders")
    }

    fn passes(&self, path: &str) -> Result<(), String> {
        let bundle = Bundle::parse(self.bundle().to_string().as_bytes()).map_err(|errors| errors.to_string())?;
        let authorization_header = format!("Bearer {}", self.token);
        let head = RequestHead {
            method: Some(b"GET"),
            authority: Some(b"api.example.com"),
            path: Some(path.as_bytes()),
            headers: vec![(b"authorization", authorization_header.as_bytes())],
            ..RequestHead::default()
        };
        let authorizer = Authorizer::new(bundle);
        let Step::Decided(authorization) = authorizer.authorize(&head, UnixTime::from_seconds(self.now)) else {
            panic!("{}: nobody has to be asked", self.id);
        };
        let reason = authorization.decision().reason();
        match reason.status() {
            200 => Ok(()),
            401 | 403 => Err(reason.code().to_owned()),
            status => panic!("{}: unexpected status {status}, {}", self.id, reason.code()),
        }
    }

    /// Whether the signature is accepted, whatever the payload.
    fn passes_jws(&self) -> Result<(), String> {
        let issuer = self.issuers().swap_remove(0);
        let errors = crate::document::ErrorSink::default();
        let node = Node::root(&issuer, &errors);
        let keys = node.open_object().and_then(|fields| KeySet::read(&fields));
        let keys = errors.into_result(keys).map_err(|errors| errors.to_string())?;
        let unverified = UnverifiedJws::parse(self.token.as_bytes()).map_err(|reason| reason.code().to_owned())?;
        let key = keys.select(unverified.header()).map_err(|reason| reason.code().to_owned())?;
        unverified.verify(key, &PreparedKeys::default()).map(drop).map_err(|reason| reason.code().to_owned())
    }
}

fn run(suite: &str) {
    let suite: Suite = serde_json::from_str(suite).unwrap();
    assert_eq!(suite.cases.len(), suite.count);
    let exceptions: Vec<Exception> = serde_json::from_str(include_str!("../conformance/exceptions.json")).unwrap();
    let mut failures = Vec::new();
    for case in &suite.cases {
        let http = case.passes_http();
        let at_layer = if case.layer == "jws" { case.passes_jws() } else { http.clone() };
        let as_expected =
            at_layer.is_ok() == (case.expect == "accept") && http.is_ok() == (case.expect_http == "accept");
        let checks = case.claim_checks.iter().enumerate();
        let wrong = checks.filter(|(number, check)| case.passes(&format!("/checks/{number}")).is_ok() != check.result);
        failures.extend(wrong.map(|(_, check)| {
            format!("{}: {} {} {} is not {}", case.id, check.path.join("."), check.op, check.value, check.result)
        }));
        match (as_expected, exceptions.iter().find(|exception| exception.id == case.id)) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => failures.push(format!(
                "{}: expected {} ({}), got {at_layer:?}, {http:?}",
                case.id, case.expect, case.expect_http
            )),
            (true, Some(exception)) => {
                failures.push(format!("{}: passes, remove its exception ({})", case.id, exception.reason))
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), suite.count, failures.join("\n"));
}

#[test]
fn rfc_vectors() {
    run(include_str!("../conformance/rfc-vectors.json"));
}

#[test]
fn jose_matrix() {
    run(include_str!("../conformance/jose-matrix.json"));
}

#[test]
fn claims_validation() {
    run(include_str!("../conformance/claims-validation.json"));
}

#[test]
fn wycheproof_jws() {
    run(include_str!("../conformance/wycheproof-jws.json"));
}

#[test]
fn wycheproof_jwk() {
    run(include_str!("../conformance/wycheproof-jwk.json"));
}

/// The suite's own keys are for encryption and are refused with their bundle; trusted keys must not help a JWE either.
#[test]
fn wycheproof_jwe_as_bearer() {
    let trusting: Suite = serde_json::from_str(include_str!("../conformance/jose-matrix.json")).unwrap();
    let trusting = trusting.cases.into_iter().find(|case| case.id == "matrix-ES256-ok-no-kid-in-token").unwrap();
    let encrypted: Suite = serde_json::from_str(include_str!("../conformance/wycheproof-jwe-as-bearer.json")).unwrap();
    assert_eq!(encrypted.cases.len(), encrypted.count);
    for case in encrypted.cases {
        let case = Case { jwks: trusting.jwks.clone(), ..case };
        assert_eq!(case.passes_http(), Err("token_malformed".to_owned()), "{}", case.id);
    }
}

#[test]
fn provider_shapes() {
    run(include_str!("../conformance/provider-shapes.json"));
}

/// What a preset makes of the token that its provider documents: subject, client, tenant, scopes, roles, groups.
#[test]
fn presets_map_every_provider_to_one_principal() {
    const ID: &str = "f3b1c9d2-77aa-4b9e-9a55-2b6a6f0c1e11";
    let suite: Suite = serde_json::from_str(include_str!("../conformance/provider-shapes.json")).unwrap();
    for (shape, preset, expected) in [
        (
            "shape-keycloak-access",
            "keycloak",
            json!([
                ID,
                "web",
                null,
                ["openid", "email", "profile"],
                ["offline_access", "admin", "uma_authorization"],
                null
            ]),
        ),
        (
            "shape-auth0-access",
            "auth0",
            json!(["auth0|64a1", "CLIENT", null, ["openid", "read:orders"], ["read:orders"], null]),
        ),
        (
            "shape-okta-custom-as",
            "okta",
            json!(["alice@example.com", "0oa1", null, ["openid", "orders.read"], null, ["Everyone", "Orders Admins"]]),
        ),
        ("shape-entra-v1-access", "entra-v1", json!([ID, ID, ID, null, ["Orders.Read.All"], null])),
        (
            "shape-google-id",
            "google",
            json!(["110169484474386276334", "c.apps.googleusercontent.com", "example.com", null, null, null]),
        ),
        (
            "shape-cognito-access",
            "cognito-access",
            json!([ID, "client1", null, ["aws.cognito.signin.user.admin", "orders/read"], null, ["admins"]]),
        ),
        (
            "shape-github-actions",
            "github-actions",
            json!(["repo:octo-org/octo-repo:environment:prod", "octo-org/octo-repo", "octo-org", null, null, null]),
        ),
        (
            "shape-kubernetes-projected-sa",
            "kubernetes",
            json!(["system:serviceaccount:shop:web", "web", "shop", null, null, null]),
        ),
        (
            "shape-spiffe-jwt-svid",
            "spiffe",
            json!(["spiffe://example.org/ns/shop/sa/web", null, null, null, null, null]),
        ),
        ("shape-duende-at", "oauth2", json!(["m2m", "m2m", null, ["orders.read", "orders.write"], null, null])),
    ] {
        let case = suite.cases.iter().find(|case| case.id == shape).unwrap();
        let mut issuers = case.issuers();
        let issuer = issuers[0].as_object_mut().unwrap();
        for name in ["algorithms", "token_types", "claims", "required_claims"] {
            issuer.remove(name);
        }
        issuer.insert("preset".to_owned(), json!(preset));
        if preset == "aws-alb" {
            let signer = json!([{ "pointer": "/signer", "prefix": "arn:aws:elasticloadbalancing:eu-west-1:1:" }]);
            issuer.insert("required_header".to_owned(), signer);
        }
        let bundle = json!({ "version": 1, "revision": 1, "issuers": issuers, "rules": [] });
        let bundle = Bundle::parse(bundle.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{preset}: {errors}"));
        let now = UnixTime::from_seconds(case.now);
        let identity = bundle
            .issuers
            .authenticate(case.token.as_bytes(), None, None, now)
            .unwrap_or_else(|reason| panic!("{preset}: {reason:?}"));
        let actual = json!([
            text(identity.subject()),
            text(identity.client()),
            text(&identity.tenant),
            list(identity.scopes()),
            list(identity.roles()),
            list(identity.groups()),
        ]);
        assert_eq!(actual, expected, "{preset}");
    }
}

fn text(attribute: &Attribute<String>) -> Value {
    match attribute {
        Attribute::Absent => Value::Null,
        Attribute::Malformed => json!("malformed"),
        Attribute::Present(text) => json!(text),
    }
}

fn list(attribute: &Attribute<Vec<String>>) -> Value {
    match attribute {
        Attribute::Absent => Value::Null,
        Attribute::Malformed => json!("malformed"),
        Attribute::Present(list) => json!(list),
    }
}

/// No bit of a token is ignored, in whatever part: each one flipped, the token is refused.
#[test]
fn every_bit_of_a_token_counts() {
    let suite: Suite = serde_json::from_str(include_str!("../conformance/jose-matrix.json")).unwrap();
    let good = suite.cases.into_iter().find(|case| case.id == "matrix-ES256-ok-no-kid-in-token").unwrap();
    assert_eq!(good.passes_http(), Ok(()));
    for position in 0..good.token.len() {
        for bit in 0..7 {
            let mut token = good.token.clone().into_bytes();
            token[position] ^= 1 << bit;
            let flipped = Case { token: String::from_utf8(token).unwrap(), ..good.clone() };
            assert!(flipped.passes_http().is_err(), "bit {bit} of byte {position}");
        }
    }
}

#[test]
fn every_exception_names_a_case_and_a_reason() {
    let exceptions: Vec<Exception> = serde_json::from_str(include_str!("../conformance/exceptions.json")).unwrap();
    let suites = [
        include_str!("../conformance/rfc-vectors.json"),
        include_str!("../conformance/jose-matrix.json"),
        include_str!("../conformance/claims-validation.json"),
        include_str!("../conformance/wycheproof-jws.json"),
        include_str!("../conformance/wycheproof-jwk.json"),
        include_str!("../conformance/provider-shapes.json"),
    ];
    for exception in exceptions {
        assert!(!exception.reason.is_empty(), "{}", exception.id);
        assert!(
            suites.iter().any(|suite| suite.contains(&format!("\"{}\"", exception.id))),
            "{} is no case",
            exception.id
        );
    }
}
