//! Foreign test vectors, in full: `authz/conformance/README.md`.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::bundle::reader::Node;
use crate::jose::{KeySet, UnverifiedJws};
use crate::{Authorizer, Bundle, RequestHead, UnixTime};

#[path = "../conformance/case.rs"]
#[expect(dead_code, reason = "each of its two users needs some of the fields")]
mod case;

use case::{Case, Exception, Suite};

impl Case {
    /// Whether `Authorization: Bearer <token>` gets through; a bundle that is refused lets nothing through.
    fn passes_http(&self) -> Result<(), String> {
        let bundle = Bundle::parse(self.bundle().to_string().as_bytes()).map_err(|errors| errors.to_string())?;
        let authorization_header = format!("Bearer {}", self.token);
        let head = RequestHead {
            method: Some(b"GET"),
            authority: Some(b"api.example.com"),
            path: Some(b"/orders"),
            headers: vec![(b"authorization", authorization_header.as_bytes())],
        };
        let authorizer = Authorizer::new(bundle);
        let authorization = authorizer.authorize(&head, UnixTime::from_seconds(self.now));
        let reason = authorization.decision().reason();
        match reason.status() {
            200 => Ok(()),
            401 => Err(reason.code().to_owned()),
            status => panic!("{}: unexpected status {status}, {}", self.id, reason.code()),
        }
    }

    /// Whether the signature is accepted, whatever the payload.
    fn passes_jws(&self) -> Result<(), String> {
        let issuer = self.issuers().swap_remove(0);
        let errors = crate::bundle::ErrorSink::default();
        let node = Node::root(&issuer, &errors);
        let keys = node.open_object().and_then(|fields| KeySet::read(&fields));
        let keys = errors.into_result(keys).map_err(|errors| errors.to_string())?;
        let unverified = UnverifiedJws::parse(self.token.as_bytes()).map_err(|reason| reason.code().to_owned())?;
        let key = keys.select(unverified.header()).map_err(|reason| reason.code().to_owned())?;
        unverified.verify(key).map(drop).map_err(|reason| reason.code().to_owned())
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
