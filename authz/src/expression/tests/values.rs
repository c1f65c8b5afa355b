//! What expressions come to, where the conformance suite of CEL says nothing: claims, failures, bounds.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::{Environment, Facts, Failure, Program, Shape, Text, Type, Value};

struct Claims(serde_json::Map<String, serde_json::Value>);

impl<'v> Facts<'v> for &'v Claims {
    type Variable = ();

    fn value(&self, (): &()) -> Result<Option<Value<'v>>, Failure> {
        Ok(Some(Value::from_claims((&self.0).into())))
    }

    fn text(&self, (): &(), _: &str) -> Result<Option<Text<'v>>, Failure> {
        Ok(None)
    }

    fn has_text(&self, (): &(), _: &str) -> Result<bool, Failure> {
        Ok(false)
    }

    fn length(&self, (): &()) -> usize {
        0
    }
}

fn judge(text: &str, claims: &serde_json::Value) -> String {
    let mut environment = Environment::new();
    environment.declare("claims", Shape::Value(Type::map(Type::Text, Type::Claim)), ());
    let program = Program::compile(text, &environment).unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"));
    let claims = Claims(claims.as_object().unwrap().clone());
    match program.evaluate(&&claims) {
        Ok(holds) => holds.to_string(),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn a_claim_of_the_wrong_type_decides_nothing() {
    let claims = json!({
        "admin": "true", "risk": "7", "roles": "admin", "mixed": ["a", 1], "nil": null, "n": 1, "list": [1, 2], "o": { "a": [] }
    });
    let wrong = |one: &str, other: &str| format!("a claim has the wrong type: {one} is compared with {other}");
    for (text, expected) in [
        ("claims.admin == true", wrong("string", "bool")),
        ("claims.admin != true", wrong("string", "bool")),
        ("true != claims.admin", wrong("bool", "string")),
        ("dyn(claims.admin) != true", "true".to_owned()),
        ("claims.nil == 'a'", wrong("null", "string")),
        ("claims.nil == null", "true".to_owned()),
        ("claims.n == null", "false".to_owned()),
        ("claims.nil != null && claims.nil == 'a'", "false".to_owned()),
        ("claims.risk < 50", "`<` has no meaning for values of types string and int".to_owned()),
        ("'admin' in claims.roles", "`in` has no meaning for values of types string and string".to_owned()),
        ("'a' in claims.mixed", "true".to_owned()),
        ("'b' in claims.mixed", wrong("int", "string")),
        ("!('b' in claims.mixed)", wrong("int", "string")),
        ("claims.mixed == ['b', 2]", "false".to_owned()),
        ("claims.mixed == ['a', 'b']", wrong("int", "string")),
        ("claims.n in ['a']", wrong("string", "int")),
        ("claims.n == claims.admin", wrong("int", "string")),
        ("claims.n == 1.0 && claims.n == 1u", "true".to_owned()),
        ("claims.list.exists(x, x == 'a')", wrong("int", "string")),
        ("claims.list.all(x, x != 'a')", wrong("int", "string")),
        ("'b' in (claims.mixed + ['c'])", wrong("int", "string")),
        ("claims.mixed.filter(x, true).map(x, [x]) == [['a'], ['b']]", wrong("int", "string")),
        ("{'a': claims.n}.a == 'b'", wrong("int", "string")),
        ("(true ? claims.n : 'a') == 'b'", wrong("int", "string")),
        ("claims.n", "`bool` has no meaning for a value of type int".to_owned()),
        ("claims.o.a == []", "true".to_owned()),
        ("claims.n.x == 1", "`claims.n.x` is malformed".to_owned()),
        ("has(claims.n.x)", "`x` is malformed".to_owned()),
        ("has(claims.nil)", "true".to_owned()),
        ("has(claims.absent) || 'absent' in claims", "false".to_owned()),
        ("has(claims.absent.x)", "`claims.absent` is not there".to_owned()),
        ("claims.absent == 1", "`claims.absent` is not there".to_owned()),
        ("claims['absent'] == 1", "`claims['absent']` is not there".to_owned()),
        ("claims.absent == 1 || claims.n == 1", "true".to_owned()),
        ("claims.absent == 1 && claims.n == 2", "false".to_owned()),
        ("claims.absent == 1 ? true : true", "`claims.absent` is not there".to_owned()),
        ("claims.list[2] == 1", "a list has no item [2]".to_owned()),
        ("claims.list[-1] == 1", "a list has no item [-1]".to_owned()),
        ("claims.n / 0 == 1", "division by zero".to_owned()),
        ("claims.n % 0 == 1", "division by zero".to_owned()),
        ("claims.n + 9223372036854775807 > 0", "the result of `+` is out of range".to_owned()),
    ] {
        assert_eq!(judge(text, &claims), expected, "{text}");
    }
}

#[test]
fn numbers_of_a_token_are_exact_or_nothing() {
    let inexact = "a number is too large to be exact";
    for (claim, text, expected) in [
        (json!(9_007_199_254_740_993_i64), "claims.n == 9007199254740993", "true"),
        (json!(9_007_199_254_740_993_i64), "claims.n == 9007199254740992", "false"),
        // It is the one before as soon as it is read.
        (json!(9_007_199_254_740_993_i64), "claims.n == 9007199254740993.0", inexact),
        (json!(9_007_199_254_740_993_i64), "claims.n in [9007199254740993.0]", inexact),
        (json!(9_007_199_254_740_993_i64), "claims.n > 9007199254740992.0", "true"),
        (json!(18_446_744_073_709_551_615_u64), "claims.n == 18446744073709551615u", "true"),
        (json!(18_446_744_073_709_551_615_u64), "claims.n > 9223372036854775807", "true"),
        (json!(-1), "claims.n < 0u", "true"),
        (json!(1.5), "claims.n > 1 && claims.n < 2", "true"),
        (json!(1.0), "claims.n == 1", "true"),
        (json!(9_007_199_254_740_993.0), "claims.n == 9007199254740992", inexact),
        (json!(1e300), "claims.n > 5", inexact),
        (json!([1e300]), "1 in claims.n", inexact),
        (json!(0), "double(claims.n) / double(claims.n) > 0.9", "it is not a number, as zero divided by zero is not"),
    ] {
        assert_eq!(judge(text, &json!({ "n": claim })), expected, "{text}");
    }
}

#[test]
fn a_claim_of_the_wrong_type_is_not_absent_from_a_map() {
    for (claim, expected) in [
        (json!("admin"), "true"),
        (json!("guest"), "false"),
        (json!(["admin"]), "a claim has the wrong type: string is compared with list"),
        (json!(null), "a claim has the wrong type: string is compared with null"),
    ] {
        assert_eq!(judge("claims.n in {'admin': 1, 'root': 1}", &json!({ "n": claim })), expected);
    }
}

#[test]
fn what_costs_too_much_is_not_decided() {
    let claims = json!({ "l": (0..1000).collect::<Vec<_>>(), "s": "x".repeat(10_000), "a": "a" });
    let budget = "it takes more than 10000 steps";
    let long = "it makes a text of more than 16384 bytes";
    for (text, expected) in [
        ("claims.l.all(x, x >= 0)", "true"),
        ("claims.l.all(x, claims.l.all(y, x + y >= 0))", budget),
        // Nothing is absorbed that was never evaluated.
        ("claims.l.exists(x, !claims.l.all(y, x + y >= 0)) || true", budget),
        ("claims.l.map(x, claims.l).size() == 1", "false"),
        ("claims.s + claims.s == ''", long),
        ("claims.l.map(x, claims.s.matches('(x+x+)+y')).size() == 1", budget),
        ("claims.l.filter(x, claims.s.contains('xy')).size() == 1", budget),
        ("claims.l + claims.l + claims.l + claims.l == []", "false"),
    ] {
        assert_eq!(judge(text, &claims), expected, "{text}");
    }
}

#[test]
fn matches_finds_a_part() {
    for (text, expected) in [
        ("claims.s.matches('b')", "true"),
        ("claims.s.matches('^b')", "false"),
        ("claims.s.matches('^abc$')", "true"),
        ("claims.n.matches('a')", "`string` has no meaning for a value of type int"),
    ] {
        assert_eq!(judge(text, &json!({ "s": "abc", "n": 1 })), expected, "{text}");
    }
}

#[test]
fn times_are_those_of_the_clocks_of_a_zone() {
    let claims = json!({ "t": "2026-07-01T22:30:00.5Z", "d": "90m", "n": 1_800_000_000, "bad": "now" });
    for (text, expected) in [
        ("timestamp(claims.t).getHours('Asia/Dubai') == 2", "true"),
        ("timestamp(claims.t).getDate('Asia/Dubai') == 2", "true"),
        ("timestamp(claims.t).getDayOfMonth('-12:00') == 0", "true"),
        ("timestamp(claims.t).getHours('Europe/Berlin') == 0", "true"),
        ("timestamp(claims.t).getMilliseconds() == 500", "true"),
        ("timestamp(claims.t).getDayOfWeek() == 3", "true"),
        ("string(timestamp(claims.n)) == '2027-01-15T08:00:00Z'", "true"),
        ("duration(claims.d).getMinutes() == 90 && string(duration(claims.d)) == '5400s'", "true"),
        ("timestamp(claims.bad) > timestamp(0)", "a value cannot be converted to timestamp"),
        ("timestamp(claims.t) + duration('1h30m') == timestamp('2026-07-02T00:00:00.5Z')", "true"),
        ("timestamp(claims.t).getFullYear() == 2026 && timestamp(claims.t).getMonth() == 6", "true"),
        ("timestamp('2026-12-31T00:00:00Z').getDayOfYear() == 364", "true"),
    ] {
        assert_eq!(judge(text, &claims), expected, "{text}");
    }
}
