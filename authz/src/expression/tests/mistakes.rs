//! What is refused when a bundle is read, and with which words.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::{Environment, Program, Shape, Type};
use crate::limits::MAX_EXPRESSION_NODES;

fn environment() -> Environment<()> {
    let mut environment = Environment::new();
    environment.declare("claims", Shape::Value(Type::map(Type::Text, Type::Claim)), ());
    environment.declare("principal.subject", Shape::Value(Type::Text), ());
    environment.declare("principal.roles", Shape::Value(Type::list(Type::Text)), ());
    environment.declare("request.headers", Shape::Texts, ());
    environment.declare("request.time", Shape::Value(Type::Timestamp), ());
    environment.declare("source.address", Shape::Value(Type::Address), ());
    environment
}

/// What is wrong with it; empty if nothing is.
fn mistakes(text: &str) -> String {
    let mistakes = Program::compile(text, &environment()).err().unwrap_or_default();
    mistakes.iter().map(|mistake| mistake.describe(text).to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_good_is_good() {
    for text in [
        "claims.risk < 50",
        "claims.risk < 50.5 && claims['risk'] >= 0",
        "has(claims.risk) && !has(request.headers.x) && has(principal.subject)",
        "'x-a' in request.headers && request.headers['x-a'] == request.headers.b",
        "'admin' in principal.roles || principal.roles.exists(role, role.startsWith('admin-'))",
        "principal['subject'] == claims.sub",
        "claims.orders.filter(o, o.open).map(o, o.amount).all(a, a < 100)",
        "request.time.getHours('Asia/Dubai') in [8, 9] && request.time - timestamp(claims.iat) < duration('5m')",
        "request.time > timestamp('2027-01-31T18:00:00+04:00')",
        "source.address.inNetwork('10.0.0.0/8')",
        "claims.email.matches('@example[.]com$') && matches(claims.a, r'^\\d+$')",
        "claims.flag",
        "claims.a == null ? true : claims.a.b[0]['c'] == 1u",
        "size(claims.x + [1]) == 2 // and this is a comment",
        "{'a': 1, 'b': 'x'}['a'] == 1 && [1, 'x'][0] == 1",
        "[1, 2].exists(claims, claims == 1) && .claims.a == 2",
        "1 == 1.0",
    ] {
        assert_eq!(mistakes(text), "", "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("", "column 1: expected a value, found the end"),
        ("claims.a &&", "column 12: expected a value, found the end"),
        ("claims.a = 1", "column 10: `=` means nothing here; equality is `==`"),
        ("claims.a and claims.b", "column 10: the expression ends before `and`; an operator is missing"),
        ("(claims.a", "column 10: expected `)`, found the end"),
        ("'abc", "column 1: the string has no end; close it with `'`"),
        ("'a\\q' == 'b'", "column 1: the string has an unknown escape `\\q`; a backslash is `\\\\`"),
        ("b'a' == b'a'", "column 1: bytes are not known here; write a string"),
        ("9223372036854775808 == 1", "column 1: the number is too large for an `int` of 64 bits"),
        ("99999999999999999999 == 1", "column 1: `99999999999999999999` is too large for a number of 64 bits"),
        ("if == 1", "column 1: `if` is a reserved word and no name"),
        ("Foo{a: 1} == 1", "column 4: messages are not known here; a map is `{'key': value}`"),
        ("!-1 == 1", "column 1: `!` and `-` do not go together; write parentheses"),
        (
            "claim.a == 1",
            "column 1: `claim` is not known; did you mean `claims`?; known are `claims`, `principal`, `request`, `source`",
        ),
        (
            "principal.role == []",
            "column 11: `principal` has no `role`; did you mean `roles`?; it has `subject`, `roles`",
        ),
        ("principal == 1", "column 1: `principal` is no value; it has the fields `subject`, `roles`"),
        (
            "size(request.headers) == 1",
            "column 14: `request.headers` is asked for one name at a time: `request.headers['x-name']`, `'x-name' in request.headers` or `has(request.headers.name)`",
        ),
        ("request.headers[1] == 'a'", "column 17: `[]` wants a string here, and this is of type int"),
        ("claims", "column 1: must be true or false, and is of type map(string, dyn)"),
        ("1 + 1", "column 3: must be true or false, and is of type int"),
        ("1 == 'a'", "column 3: `==` has no meaning for values of types int and string"),
        ("principal.subject < 1", "column 19: `<` has no meaning for values of types string and int"),
        ("1 in principal.roles", "column 3: `in` has no meaning for values of types int and list(string)"),
        ("claims.a - 'x' == 1", "column 10: `-` has no meaning for values of types dyn and string"),
        ("principal.subject.a == 1", "column 19: a value of type string has no field `a`"),
        ("principal.subject[0] == 'a'", "column 19: a value of type string has no items under a key of type int"),
        ("-principal.subject == 'a'", "column 1: `-` has no meaning for a value of type string"),
        ("true ? 1 : 'a'", "column 6: both sides of `:` must be of one type, and are of types int and string"),
        ("{1.5: 2} == {}", "column 2: a key is a string, an int, a uint or a bool, and not of type double"),
        ("claims.a.startWith('a')", "column 10: there is no function `startWith`; did you mean `startsWith`?"),
        ("startsWith(claims.a, 'a')", "column 1: `startsWith` is a method; write `x.startsWith(..)`"),
        ("claims.a.int() == 1", "column 10: `int` is no method; write `int(..)`"),
        ("int(1, 2) == 1", "column 1: `int` is called with the wrong number of arguments"),
        ("principal.roles.startsWith('a')", "column 11: `startsWith` has no meaning for a value of type list(string)"),
        ("claims.a.startsWith(1)", "column 21: `startsWith` wants a string here, and this is of type int"),
        (
            "claims.a.matches(claims.b)",
            "column 25: `matches` wants a string in quotes here, which is read with the bundle",
        ),
        (
            "claims.a.matches('(')",
            "column 18: `(` is not a regular expression that can be used: found open group without closing ')'",
        ),
        (
            "source.address.inNetwork('10.0.0.1/8')",
            "column 26: `10.0.0.1/8` is not a network such as `10.0.0.0/8`, `2001:db8::/32` or `127.0.0.1`",
        ),
        (
            "request.time.getHours('Asia/Dubay') == 1",
            "column 23: `Asia/Dubay` is not a time zone; write its name in the IANA database, for example `Europe/Berlin` or `UTC`; did you mean `Asia/Dubai`?",
        ),
        (
            "request.time > timestamp('2027-13-01T00:00:00Z')",
            "column 26: `2027-13-01T00:00:00Z` is not a date-time of RFC 3339; write for example `2027-01-31T18:00:00+04:00`",
        ),
        (
            "duration('5 minutes') > duration('1h')",
            "column 10: `5 minutes` is not a duration; write for example `90s` or `1h30m`",
        ),
        (
            "has(claims['a'])",
            "column 1: `has` is about one field: `has(claims.risk)`; for a key in quotes write `'risk' in claims`",
        ),
        ("claims.a.all(1, true)", "column 10: `all` wants a name and what is said of it: `roles.all(role, ..)`"),
        ("principal.subject.all(x, true)", "column 19: `all` is for lists and maps, not for a value of type string"),
        ("principal.roles.all(x, x)", "column 24: must be true or false, and is of type string"),
        ("claims.a.all(a, a.all(b, b.all(c, c.all(d, d))))", "column 37: more than 3 macros are within each other"),
        // Everything at once, by line.
        (
            "claim.a == 1 &&\n  principal.rolls == []",
            "column 1: `claim` is not known; did you mean `claims`?; known are `claims`, `principal`, `request`, `source`\nline 2, column 13: `principal` has no `rolls`; did you mean `roles`?; it has `subject`, `roles`",
        ),
    ] {
        assert_eq!(mistakes(text), expected, "{text}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let nested = |open: &str, close: &str| format!("{}true{}", open.repeat(100), close.repeat(100));
    for text in
        [nested("(", ")"), nested("[", "]"), nested("{1:", "}"), nested("true?true:", ""), nested("size([", "])")]
    {
        assert!(mistakes(&text).ends_with("is nested deeper than 64 levels"), "{text}: {}", mistakes(&text));
    }
    let sum = format!("{}1 == 1", "1+".repeat(100));
    assert!(mistakes(&sum).ends_with("is nested deeper than 64 levels"));
    let many = vec!["1"; MAX_EXPRESSION_NODES].join(",");
    assert!(mistakes(&format!("[{many}] == []")).contains("has more than 500 parts"));
    assert_eq!(mistakes(&"x".repeat(4097)), "column 1: has 4097 bytes, at most 4096 are read");
    // What is only long is not deep.
    assert_eq!(mistakes(&vec!["true"; 200].join(" && ")), "");
    assert_eq!(mistakes(&format!("{}true", "!".repeat(1000))), "");
}
