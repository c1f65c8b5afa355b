//! No text and no claims make it panic, recurse without end or work for long.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::{Environment, Program, Shape, Type, Value};
use super::Bindings;

/// Good expressions, to be spoilt.
const SEEDS: [&str; 8] = [
    "claims.a.b[0]['c'] < 50 && has(claims.risk) || 'x' in claims.l",
    "claims.l.exists(r, r.startsWith('admin-')) ? {1: 'a'}[1] == 'a' : !true",
    "timestamp(claims.t) - duration('1h5m') > timestamp('2026-01-01T00:00:00Z')",
    "claims.l.filter(x, x > 1).map(x, x * 2).all(x, x % 3 != 0)",
    "-9223372036854775808 == claims.n && 0x1Fu >= 3u && 1.5e3 < .5",
    "claims.s.matches(r'^\\d+(a|b)*$') && \"\"\"a'b\"\"\" != '\\u00e9\\n'",
    "timestamp(claims.n).getHours('Europe/Berlin') in [1, 2, 3, ] // end",
    "size(claims.s + 'x') == 2 && string(1.5) == '1.5' && bool('t') && int(uint(2.9)) == 2",
];

const PIECES: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    "?",
    ":",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    "&&",
    "||",
    "in",
    "has(",
    "claims",
    ".l",
    ".map(x,",
    "'",
    "\"",
    "\\",
    "r'",
    "0",
    "9223372036854775808",
    "1e999",
    "\u{e9}",
    "\u{0}",
    "size(",
    "null",
    "true",
    "//",
    "\n",
    "\u{1F600}",
];

#[test]
fn spoilt_expressions_are_refused_or_evaluated() {
    let mut environment = Environment::new();
    environment.declare("claims", Shape::Value(Type::map(Type::Text, Type::Claim)), "claims".to_owned());
    let claims = json!({ "a": { "b": [{ "c": 7 }] }, "l": ["admin-1", 2, null], "t": "2026-07-01T22:30:00Z", "n": 5, "s": "1a" });
    let claims: &'static serde_json::Value = Box::leak(Box::new(claims));
    let facts = Bindings([("claims".to_owned(), Value::from_json(claims).unwrap())].into());
    let mut random = fastrand::Rng::with_seed(20_261_125);
    let (mut good, mut decided) = (0, 0);
    for _ in 0..60_000 {
        let mut text = random.choice(SEEDS).unwrap().to_owned();
        for _ in 0..random.usize(0..4) {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (one, other) = (random.choice(&places).unwrap(), random.choice(&places).unwrap());
            let (from, to) = (*one.min(other), *one.max(other));
            match random.u32(..4) {
                0 => text.replace_range(from..to, ""),
                1 => text.insert_str(from, random.choice(PIECES).unwrap()),
                2 => text.insert_str(from, random.choice(SEEDS).unwrap().get(..1).unwrap()),
                _ => text = text.get(from..to).unwrap().repeat(random.usize(1..4)),
            }
        }
        if let Ok(program) = Program::compile(&text, &environment) {
            good += 1;
            decided += usize::from(program.evaluate(&facts).is_ok());
        }
    }
    assert!(good > 5000 && decided > 2000, "{good} were good, {decided} decided");
}

#[test]
fn random_characters_are_refused() {
    let environment: Environment<()> = Environment::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let length = random.usize(0..200);
        let text: String = (0..length)
            .map(
                |_| if random.bool() { random.choice(PIECES).unwrap().to_owned() } else { random.char(..).to_string() },
            )
            .collect();
        let _ = Program::compile(&text, &environment).map_err(|mistakes| {
            assert!(!mistakes.is_empty());
            mistakes.iter().map(|mistake| mistake.describe(&text).to_string()).collect::<Vec<_>>()
        });
    }
}
