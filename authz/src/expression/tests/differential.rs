//! Random expressions over random values: the crate `cel`, another implementation, comes to the same.
//!
//! Every run asks the same; `EXPRESSION_SEED` makes it ask something else. What is refused when it is read, because its types are known, is
//! not compared: the other implementation knows no types before it evaluates. And no timestamp here has an offset: its clocks show UTC (CEL,
//! "Date/Time Functions"), where the other implementation shows the time with the offset. Nor is a large int made a double: the other
//! implementation rounds the int that it is compared with. Nor is there anything that is no number, which the other implementation does not compare.

#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use cel::Value as Other;
use fastrand::Rng;

use super::super::moment::{Duration, Timestamp};
use super::super::value::{List, Map};
use super::super::{Text, Value};
use super::{Bindings, outcome};

/// Failures of ours where the other implementation is known to have an answer, and why there is none.
const KNOWN: [(&str, &str); 1] =
    [("`+` has no meaning for values of types list and map", "the other implementation adds the entries to the list")];

const EXPRESSIONS: usize = 40_000;

/// The variables: of each type some, and one of any type, so that much goes wrong.
const NAMES: [(&str, Kind); 12] = [
    ("b1", Kind::Bool),
    ("b2", Kind::Bool),
    ("i1", Kind::Int),
    ("i2", Kind::Int),
    ("u1", Kind::Uint),
    ("d1", Kind::Double),
    ("s1", Kind::Text),
    ("s2", Kind::Text),
    ("l1", Kind::List),
    ("m1", Kind::Map),
    ("t1", Kind::Timestamp),
    ("p1", Kind::Duration),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    List,
    Map,
    Timestamp,
    Duration,
}

const KINDS: [Kind; 9] = [
    Kind::Bool,
    Kind::Int,
    Kind::Uint,
    Kind::Double,
    Kind::Text,
    Kind::List,
    Kind::Map,
    Kind::Timestamp,
    Kind::Duration,
];

#[test]
fn another_implementation_says_the_same() {
    let seed = std::env::var("EXPRESSION_SEED").map_or(20_261_125, |seed| seed.parse().unwrap());
    let mut rng = Rng::with_seed(seed);
    let (mut decided, mut failed, mut refused) = (0, 0, 0);
    let mut differences = Vec::new();
    for _ in 0..EXPRESSIONS {
        let text = expression(&mut rng, Kind::Bool, 4, 0);
        let mut values: BTreeMap<String, Other> =
            NAMES.iter().map(|(name, kind)| ((*name).to_owned(), value(&mut rng, *kind))).collect();
        values.insert("any".to_owned(), any(&mut rng));
        let bindings = Bindings(values.iter().map(|(name, value)| (name.clone(), ours(value))).collect());
        let own = outcome(&text, &bindings, |value| describe(&value));
        let other = theirs(&text, &values);
        match (&own, &other) {
            (Ok(own), Ok(other)) if own == other => decided += 1,
            (Err(_), Err(_)) => failed += 1,
            (Err(own), Ok(_)) if KNOWN.iter().any(|(failure, _)| failure == own) => {}
            (Err(own), _) if own.starts_with("column ") => refused += 1,
            _ => differences.push(format!("{text}\n    ours: {own:?}\n    theirs: {other:?}\n    {values:?}")),
        }
    }
    let count = differences.len();
    differences.sort_by_key(String::len);
    differences.truncate(10);
    assert!(differences.is_empty(), "seed {seed}: {count} differences:\n{}", differences.join("\n"));
    println!("{decided} decided, {failed} failed, {refused} refused");
    assert!(decided * 3 > EXPRESSIONS && failed * 20 > EXPRESSIONS && refused * 20 < EXPRESSIONS);
}

fn theirs(text: &str, values: &BTreeMap<String, Other>) -> Result<String, String> {
    let program = cel::Program::compile(text).map_err(|error| error.to_string())?;
    let mut context = cel::Context::default();
    for (name, value) in values {
        context.add_variable_from_value(name.clone(), value.clone());
    }
    program.execute(&context).map(|value| describe(&ours(&value))).map_err(|error| error.to_string())
}

fn pick<'p, T>(rng: &mut Rng, from: &'p [T]) -> &'p T {
    &from[rng.usize(..from.len())]
}

fn any(rng: &mut Rng) -> Other {
    let kind = *pick(rng, &KINDS);
    if rng.u32(..8) == 0 { Other::Null } else { value(rng, kind) }
}

fn value(rng: &mut Rng, kind: Kind) -> Other {
    match kind {
        Kind::Bool => Other::Bool(rng.bool()),
        Kind::Int => Other::Int(*pick(rng, &[0, 1, 2, -1, 7, i64::MAX, i64::MIN, 9_007_199_254_740_993])),
        Kind::Uint => Other::UInt(*pick(rng, &[0, 1, 2, 7, u64::MAX])),
        Kind::Double => Other::Float(*pick(rng, &[0.0, 1.0, -1.5, 2.0, 7.0])),
        Kind::Text => Other::String(Arc::new((*pick(rng, &["", "a", "ab", "b", "7", "caf\u{e9}"])).to_owned())),
        Kind::List => {
            let of = *pick(rng, &[Kind::Int, Kind::Int, Kind::Text]);
            let count = rng.usize(..4);
            Other::List(Arc::new(
                (0..count).map(|_| if rng.u32(..8) == 0 { any_scalar(rng) } else { value(rng, of) }).collect(),
            ))
        }
        Kind::Map => {
            let names = ["a", "b"].into_iter().filter(|_| rng.bool()).collect::<Vec<_>>();
            let entries = names.into_iter().map(|name| (name.to_owned().into(), any_scalar(rng)));
            Other::Map(cel::objects::Map { map: Arc::new(entries.collect()) })
        }
        Kind::Timestamp => {
            let text = pick(rng, &["2026-07-01T22:30:00Z", "1999-12-31T23:59:59.5Z", "2026-02-28T00:00:00Z"]);
            Other::Timestamp(chrono::DateTime::parse_from_rfc3339(text).unwrap())
        }
        Kind::Duration => Other::Duration(chrono::Duration::milliseconds(*pick(rng, &[0, 1500, -90_000, 86_400_000]))),
    }
}

fn any_scalar(rng: &mut Rng) -> Other {
    let kind = *pick(rng, &[Kind::Bool, Kind::Int, Kind::Uint, Kind::Double, Kind::Text]);
    value(rng, kind)
}

/// An expression that is mostly of this type; `locals` macros are around it.
fn expression(rng: &mut Rng, kind: Kind, depth: u32, locals: usize) -> String {
    if depth == 0 || rng.u32(..6) == 0 {
        return leaf(rng, kind, locals);
    }
    let one = |rng: &mut Rng, kind: Kind| expression(rng, kind, depth - 1, locals);
    match kind {
        Kind::Bool => boolean(rng, depth, locals),
        Kind::Int => match rng.u32(..6) {
            0 => format!("size({})", one(rng, Kind::Text)),
            1 => format!("{}.size()", leaf(rng, Kind::List, locals)),
            2 => format!("int({})", one(rng, Kind::Uint)),
            3 => format!("{}.{}()", leaf(rng, Kind::Timestamp, locals), pick(rng, &GETTERS)),
            4 => format!("-({})", one(rng, Kind::Int)),
            _ => format!("({} {} {})", one(rng, kind), pick(rng, &["+", "-", "*", "/", "%"]), one(rng, kind)),
        },
        Kind::Uint => format!("({} {} {})", one(rng, kind), pick(rng, &["+", "-", "*", "/", "%"]), one(rng, kind)),
        Kind::Double => match rng.u32(..3) {
            0 => format!("double(size({}))", one(rng, Kind::Text)),
            1 => format!("({} / 2.0)", one(rng, kind)),
            _ => format!("({} {} {})", one(rng, kind), pick(rng, &["+", "-", "*"]), one(rng, kind)),
        },
        Kind::Text => match rng.u32(..3) {
            0 => format!("string({})", one(rng, Kind::Int)),
            _ => format!("({} + {})", one(rng, kind), one(rng, kind)),
        },
        Kind::List => {
            let (range, x) = (leaf(rng, Kind::List, locals), format!("x{locals}"));
            let condition = expression(rng, Kind::Bool, depth - 1, locals + 1);
            match rng.u32(..4) {
                0 => format!("({} + {})", one(rng, kind), one(rng, kind)),
                1 => format!("{range}.filter({x}, {condition})"),
                2 => format!("{range}.map({x}, {})", expression(rng, Kind::Int, depth - 1, locals + 1)),
                _ => format!("[{}, {}]", one(rng, Kind::Int), one(rng, Kind::Int)),
            }
        }
        Kind::Map => format!("{{'a': {}, 'b': {}}}", one(rng, Kind::Int), one(rng, Kind::Int)),
        Kind::Timestamp => format!("({} {} {})", one(rng, kind), pick(rng, &["+", "-"]), one(rng, Kind::Duration)),
        Kind::Duration => match rng.u32(..2) {
            0 => format!("({} - {})", one(rng, Kind::Timestamp), one(rng, Kind::Timestamp)),
            _ => format!("({} {} {})", one(rng, kind), pick(rng, &["+", "-"]), one(rng, kind)),
        },
    }
}

const GETTERS: [&str; 9] = [
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
];

fn boolean(rng: &mut Rng, depth: u32, locals: usize) -> String {
    let one = |rng: &mut Rng, kind: Kind| expression(rng, kind, depth - 1, locals);
    let order = ["==", "!=", "<", "<=", ">", ">="];
    match rng.u32(..14) {
        0 => format!("({} && {})", one(rng, Kind::Bool), one(rng, Kind::Bool)),
        1 => format!("({} || {})", one(rng, Kind::Bool), one(rng, Kind::Bool)),
        2 => format!("!({})", one(rng, Kind::Bool)),
        3 => format!("({} ? {} : {})", one(rng, Kind::Bool), one(rng, Kind::Bool), one(rng, Kind::Bool)),
        4 => {
            let kind = *pick(rng, &[Kind::Int, Kind::Uint, Kind::Double, Kind::Text, Kind::Timestamp, Kind::Duration]);
            format!("({} {} {})", one(rng, kind), pick(rng, &order), one(rng, kind))
        }
        5 => {
            let numbers = [Kind::Int, Kind::Uint, Kind::Double];
            let (left, right) = (*pick(rng, &numbers), *pick(rng, &numbers));
            format!("(dyn({}) {} {})", one(rng, left), pick(rng, &order), one(rng, right))
        }
        6 => format!("({} in {})", one(rng, Kind::Int), one(rng, Kind::List)),
        7 => format!("('a' in {})", one(rng, Kind::Map)),
        8 => format!("has(m1.{})", pick(rng, &["a", "b"])),
        9 => {
            let function = *pick(rng, &["startsWith", "endsWith", "contains"]);
            format!("{}.{function}({})", leaf(rng, Kind::Text, locals), one(rng, Kind::Text))
        }
        10 => format!("{}.matches('{}')", leaf(rng, Kind::Text, locals), pick(rng, &["^a", "b$", "[0-9]", "^$"])),
        11 | 12 => {
            let quantifier = *pick(rng, &["all", "exists", "exists_one"]);
            let range = leaf(rng, Kind::List, locals);
            format!("{range}.{quantifier}(x{locals}, {})", expression(rng, Kind::Bool, depth - 1, locals + 1))
        }
        _ => {
            let kind = *pick(rng, &KINDS);
            format!("(any {} {})", pick(rng, &order), one(rng, kind))
        }
    }
}

fn leaf(rng: &mut Rng, kind: Kind, locals: usize) -> String {
    if locals > 0 && matches!(kind, Kind::Int | Kind::Text) && rng.bool() {
        return format!("x{}", rng.usize(..locals));
    }
    if rng.u32(..12) == 0 {
        return (*pick(rng, &["any", "m1.a", "m1['b']", "l1[0]", "l1[5]"])).to_owned();
    }
    if rng.bool() {
        let named: Vec<&str> = NAMES.iter().filter(|(_, of)| *of == kind).map(|(name, _)| *name).collect();
        return (*pick(rng, &named)).to_owned();
    }
    let literals: &[&str] = match kind {
        Kind::Bool => &["true", "false"],
        Kind::Int => &["0", "1", "-1", "2", "0x10", "9223372036854775807"],
        Kind::Uint => &["0u", "1u", "18446744073709551615u"],
        Kind::Double => &["0.0", "1.5", "-2e3", ".5"],
        Kind::Text => &["''", "'a'", "\"b\"", "r'a'", "'''ab'''", "'\\u00e9'"],
        Kind::List => &["[]", "[1, 2]", "[1, 'a', true]", "['a', 'b']"],
        Kind::Map => &["{}", "{'a': 1}", "{1: 'a', 'b': 2}"],
        Kind::Timestamp => &["timestamp('2026-07-01T00:00:00Z')", "timestamp('2000-02-29T12:00:00.25Z')"],
        Kind::Duration => &["duration('1h30m')", "duration('-1.5s')", "duration('0')"],
    };
    (*pick(rng, literals)).to_owned()
}

/// The same value here.
fn ours(value: &Other) -> Value<'static> {
    match value {
        Other::Null => Value::Null,
        Other::Bool(value) => Value::Bool(*value),
        Other::Int(number) => Value::Int(*number),
        Other::UInt(number) => Value::Uint(*number),
        Other::Float(number) => Value::Double(*number),
        Other::String(text) => Value::Text(Text::Made(Rc::from(text.as_str()))),
        Other::List(items) => Value::List(List::Made(items.iter().map(ours).collect())),
        Other::Map(map) => {
            let key = |key: &cel::objects::Key| match key {
                cel::objects::Key::Int(number) => Value::Int(*number),
                cel::objects::Key::Uint(number) => Value::Uint(*number),
                cel::objects::Key::Bool(value) => Value::Bool(*value),
                cel::objects::Key::String(text) => Value::Text(Text::Made(Rc::from(text.as_str()))),
            };
            Value::Map(Map::Made(map.map.iter().map(|(name, value)| (key(name), ours(value))).collect()))
        }
        Other::Timestamp(at) => Value::Timestamp(Timestamp::parse(&at.to_rfc3339()).unwrap()),
        Other::Duration(span) => {
            let nanoseconds = span.num_nanoseconds().unwrap();
            Value::Duration(Duration::parse(&format!("{nanoseconds}ns")).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

/// In words, with its type.
fn describe(value: &Value<'_>) -> String {
    match value {
        Value::List(items) => {
            let items = (0..items.len()).map(|index| describe(&items.get(index).unwrap().unwrap()));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        Value::Map(map) => {
            let keys = map.keys();
            let entry = |index| {
                let key = keys.get(index).unwrap().unwrap();
                format!("{}: {}", describe(&key), describe(&map.get(&key).unwrap().unwrap()))
            };
            let mut entries: Vec<String> = (0..keys.len()).map(entry).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Text(text) => format!("{:?}", &**text),
        other => format!("{other:?}"),
    }
}
