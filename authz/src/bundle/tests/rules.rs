//! What is refused in a rule.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{changed, errors};

#[test]
fn what_is_wrong_with_a_rule_is_named() {
    let template = |template: &str| json!({ "paths": [template] });
    for (pointer, value, expected) in [
        ("/rules/1/id", json!("a"), "rules[1].id: rule id `a` is already used at rules[0].id"),
        ("/rules/1/id", json!("a b"), "rules[1].id: `a b` is not a rule id: letters, digits and `-_./:`, at most 100"),
        ("/rules/1/effect", json!("allow"), "rules[1].effect: `allow` is not an effect; write `permit` or `deny`"),
        ("/rules/1/effect", json!(null), "rules[1].effect: is missing"),
        ("/rules/1/target", json!(null), "rules[1].target: is missing"),
        (
            "/rules/1/public",
            json!(true),
            "rules[1]: `public` and `preflight` belong to permit rules; a deny rule without `condition` applies to everybody",
        ),
        (
            "/rules/0/public",
            json!(true),
            "rules[0].condition: a public rule is for everybody, so its condition can only be about the request, not about credentials",
        ),
        ("/rules/0/public", json!("yes"), "rules[0].public: expected a boolean, found a string"),
        (
            "/rules/0/target",
            json!({ "methods": ["get"] }),
            "rules[0].target.methods[0]: methods are case-sensitive (RFC 9110 section 9.1); write `GET`",
        ),
        (
            "/rules/0/target",
            json!({ "methods": ["G T"] }),
            "rules[0].target.methods[0]: `G T` is not an HTTP method (RFC 9110 section 9.1)",
        ),
        (
            "/rules/0/target",
            json!({ "hosts": ["https://a.example"] }),
            "rules[0].target.hosts[0]: `https://a.example` is not a host; write for example `api.example.com` or `*.example.com`, without scheme, port or path",
        ),
        (
            "/rules/0/target",
            json!({ "paths": [] }),
            "rules[0].target.paths: must not be empty; leave the field out if it is not wanted",
        ),
        ("/rules/0/target", template("orders"), "rules[0].target.paths[0]: `orders`: a path starts with `/`"),
        (
            "/rules/0/target",
            template("/a//b"),
            "rules[0].target.paths[0]: `/a//b`: has an empty segment (`//`), which no accepted request path has",
        ),
        (
            "/rules/0/target",
            template("//"),
            "rules[0].target.paths[0]: `//`: has an empty segment (`//`), which no accepted request path has",
        ),
        (
            "/rules/0/target",
            json!({ "hosts": ["*.10.0.0.1"] }),
            "rules[0].target.hosts[0]: `*.10.0.0.1` is not a host; write for example `api.example.com` or `*.example.com`, without scheme, port or path",
        ),
        (
            "/rules/0/condition",
            json!({ "headers": [{ "name": "Host", "equals": "a" }] }),
            "rules[0].condition.headers[0].name: `host` is no header to every proxy; write `hosts` in the target",
        ),
        ("/rules/0/condition", json!({}), "rules[0].condition: demands nothing; leave it out, or say what must hold"),
        (
            "/rules/0/condition",
            json!({ "claims": [{ "pointer": "/a", "equals": 1e20 }] }),
            "rules[0].condition.claims[0].equals: is not exact as a number; have the issuer write it as a string",
        ),
        (
            "/rules/0/target",
            template("/a/../b"),
            "rules[0].target.paths[0]: `/a/../b`: has a dot segment, which no accepted request path has",
        ),
        (
            "/rules/0/target",
            template("/a%20b"),
            "rules[0].target.paths[0]: `/a%20b`: paths are compared decoded; write the character itself instead of its `%` form",
        ),
        (
            "/rules/0/target",
            template("/a*"),
            "rules[0].target.paths[0]: `/a*`: `a*`: a variable is a whole segment, `{name}`, or `{name=**}` at the end",
        ),
        (
            "/rules/0/target",
            template("/{a}/{a}"),
            "rules[0].target.paths[0]: `/{a}/{a}`: the variable `a` stands twice",
        ),
        (
            "/rules/0/target",
            template("/{a=**}/b"),
            "rules[0].target.paths[0]: `/{a=**}/b`: nothing can follow `{name=**}`",
        ),
        (
            "/rules/0/target",
            template("/{a=**}/"),
            "rules[0].target.paths[0]: `/{a=**}/`: nothing can follow `{name=**}`",
        ),
        (
            "/rules/0/target",
            template("/{}"),
            "rules[0].target.paths[0]: `/{}`: `{}` is not a variable; write `{name}`, or `{name=**}` at the end, with letters, digits and `_`",
        ),
        (
            "/rules/0/target",
            template("/a?b"),
            "rules[0].target.paths[0]: `/a?b`: a path template has no query or fragment",
        ),
        (
            "/rules/0/condition",
            json!({ "issuers": ["https://other.example"] }),
            "rules[0].condition.issuers[0]: `https://other.example` is not a trusted issuer of this bundle; add it to `issuers` or correct the name",
        ),
        (
            "/rules/0/condition",
            json!({ "scopes": ["a"] }),
            "rules[0].condition.scopes: expected an object, found a list",
        ),
        (
            "/rules/0/condition",
            json!({ "scopes": {} }),
            "rules[0].condition.scopes: demands nothing; write `all`, `any` or both",
        ),
        (
            "/rules/0/condition",
            json!({ "scopes": { "all": ["a b"] } }),
            "rules[0].condition.scopes: `a b` is not a scope (RFC 6749 section 3.3): no spaces, quotes or backslashes",
        ),
        (
            "/rules/0/condition",
            json!({ "roles": { "none": ["a"] } }),
            "rules[0].condition.roles: unknown field `none`; known here are `all`, `any`\nrules[0].condition.roles: demands nothing; write `all`, `any` or both",
        ),
        (
            "/rules/0/condition",
            json!({ "claims": [{ "pointer": "/a" }] }),
            "rules[0].condition.claims[0]: needs exactly one test, such as `equals`, `one_of`, `contains`, `prefix`, `glob`, `regex`, `at_most` or `exists`",
        ),
        (
            "/rules/0/condition",
            json!({ "claims": [{ "pointer": "/a", "equals": [1] }] }),
            "rules[0].condition.claims[0].equals: must be a string, a number, a boolean or null",
        ),
        (
            "/rules/0/condition",
            json!({ "attributes": [{ "name": "risk", "at_most": 5 }] }),
            "rules[0].condition.attributes[0].name: `risk` is not an attribute of this bundle; declare it in `attributes` or correct the name",
        ),
        (
            "/rules/0/condition",
            json!({ "expression": "claim.a == captures.name &&\n  1" }),
            "rules[0].condition.expression: column 1: `claim` is not known; did you mean `claims`?; known are `claims`, `principal`, `request`, `source`, `captures`\nrules[0].condition.expression: column 21: `captures` has no `name`; it has `id`\nrules[0].condition.expression: line 2, column 3: must be true or false, and is of type int",
        ),
        (
            "/rules/1/condition",
            json!({ "expression": "captures.id == 'a'" }),
            "rules[1].condition.expression: column 1: `captures` is not known; known are `claims`, `principal`, `request`, `source`",
        ),
        ("/rules/0/condition", json!({ "expression": "" }), "rules[0].condition.expression: must not be empty"),
        (
            "/rules/0/condition",
            json!({ "expression": true }),
            "rules[0].condition.expression: expected a string, found a boolean",
        ),
    ] {
        assert_eq!(errors(&changed(pointer, value)), expected);
    }
}

#[test]
fn what_is_wrong_with_an_attribute_is_named() {
    for (declaration, expected) in [
        (
            json!({ "name": "Risk", "type": "number", "claim": "/risk" }),
            "attributes[0].name: `Risk` is not a name: lower-case letters, digits and `_`, a letter first",
        ),
        (
            json!({ "name": "risk", "type": "integer", "claim": "/risk" }),
            "attributes[0].type: `integer` is not a type; write `boolean`, `number` or `string`",
        ),
        (
            json!({ "name": "risk", "type": "number", "header": "x-risk" }),
            "attributes[0]: anybody can write a header; name in `by` the hops that are believed about it",
        ),
        (
            json!({ "name": "risk", "type": "number", "claim": "/risk", "by": [{ "network": "10.0.0.0/8" }] }),
            "attributes[0]: comes from a `claim` (of a `credential`), or from a `header` that is written `by` named hops",
        ),
        (
            json!({ "name": "risk", "type": "string", "claim": "/risk" }),
            "rules[0].condition.attributes[0]: `risk` is a string, which this test can never be true of",
        ),
    ] {
        let condition = json!({ "attributes": [{ "name": "risk", "at_most": 5 }] });
        let mut bundle: serde_json::Value = serde_json::from_str(&changed("/rules/0/condition", condition)).unwrap();
        bundle["attributes"] = json!([declaration]);
        assert_eq!(errors(&bundle.to_string()), expected);
    }
}

#[test]
fn an_expression_of_a_public_rule_is_about_the_request() {
    let public = |expression: &str| {
        let mut bundle = super::good();
        bundle["rules"][0]["public"] = json!(true);
        bundle["rules"][0]["condition"] = json!({ "expression": expression });
        errors(&bundle.to_string())
    };
    assert_eq!(public("request.method == 'GET' && captures.id != '1'"), "");
    for expression in ["claims.a == 1", "has(principal.subject)", "request.method == 'GET' || 'a' in claims"] {
        assert_eq!(
            public(expression),
            "rules[0].condition: a public rule is for everybody, so its condition can only be about the request, not about credentials"
        );
    }
}
