//! JSON as RFC 8259 and RFC 7515 section 4 want it: UTF-8, no duplicate member, no trailing data, bounded depth.
//!
//! `serde_json` already refuses a byte order mark, trailing data, lone surrogates, `NaN` and numbers that overflow.
//! What it lets pass is a second member of the same name (the last one wins), which is how two readers of one token
//! come to see two different tokens (RFC 8725 section 2.4).

mod flat;
mod in_steps;
mod view;

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};
pub(crate) use flat::FlatObject;
pub(crate) use in_steps::{parse_in_steps, release_in_steps};
pub(crate) use view::{Json, JsonList, JsonObject};

/// Why a text is not acceptable JSON, with line and column.
#[derive(Debug)]
pub struct JsonError(serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for JsonError {}

/// Reads one JSON text.
///
/// # Errors
///
/// Anything that RFC 8259 forbids, a duplicate member, nesting deeper than [`MAX_JSON_DEPTH`], or more than [`MAX_JSON_VALUES`] values.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let values_left = Cell::new(MAX_JSON_VALUES);
    let strict = Strict { depth_left: MAX_JSON_DEPTH, values_left: &values_left };
    let value = strict.deserialize(&mut deserializer).map_err(JsonError)?;
    deserializer.end().map_err(JsonError)?;
    Ok(value)
}

/// Builds a [`Value`], refusing what `serde_json` would let pass.
#[derive(Clone, Copy)]
struct Strict<'c> {
    depth_left: u32,
    values_left: &'c Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values_left = self.values_left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.values_left.set(values_left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Occupied(known) => {
                    return Err(A::Error::custom(format_args!("duplicate member `{}`", known.key())));
                }
                Entry::Vacant(place) => place.insert(members.next_value_seed(inner)?),
            };
        }
        Ok(Value::Object(object))
    }
}

/// The name of a value's type, for messages.
pub(crate) const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_rfc_8259_allows_is_read() {
        for text in ["null", " {\"a\" : [1, 2.5, -3, true, \"\\u00e9\"] }\n", r#"{"a":{"a":1},"b":{"a":2}}"#] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        for text in [
            &b"{\"a\":1,\"a\":2}"[..],
            br#"{"a":1,"\u0061":2}"#,
            br#"{"x":{"a":1,"a":1}}"#,
            b"{} x",
            b"{}\0",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xe9\"}",
            br#"{"a":"\ud800"}"#,
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
            b"{\"a\":01}",
            b"{\"a\":1,}",
            b"{'a':1}",
            b"",
        ] {
            assert!(parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert!(parse(nested(33).as_bytes()).is_err());
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }

    /// Texts that are longer than a piece, and what becomes of each when it is cut off anywhere or one of its bytes is changed.
    #[test]
    fn in_steps_is_read_what_is_read_at_once() {
        let filler = "\\\"x{[".repeat(150);
        let numbers: Vec<usize> = (0..280).collect();
        let texts = [
            format!(r#" {{ "a" : [ {{"b":[1,2.5e3,-3]}} , "{filler}", [] , {{ }} ],"c\u0041":{{"d":"{filler}" }} }} "#),
            format!(r#"[{{"version":1,"list":{numbers:?}}},{{"list":{numbers:?},"version":true}} ]"#),
            format!(r#"{{"a":1,"b":[{numbers:?},{{"a":1,"c":{numbers:?},"a":2}}]}}"#),
            format!("{}{numbers:?}{}", "[".repeat(31), "]".repeat(31)),
            format!("{}{numbers:?}{}", "[".repeat(32), "]".repeat(32)),
            format!(r#""{filler}""#),
        ];
        let compare = |text: &[u8]| {
            let (at_once, in_steps) = (parse(text), crate::steps::finish(parse_in_steps(text)));
            let told = |result: Result<Value, JsonError>| result.map_err(|error| error.to_string());
            assert_eq!(told(in_steps), told(at_once), "{}", String::from_utf8_lossy(text));
        };
        for text in texts.iter().map(String::as_bytes) {
            compare(text);
            for at in (0..text.len()).step_by(3) {
                compare(&text[..at]);
                for byte in *b"\"\\[]{},: 0\x00" {
                    let mut changed = text.to_vec();
                    changed[at] = byte;
                    compare(&changed);
                }
            }
        }
    }

    #[test]
    fn values_are_counted_in_steps_too() {
        let of = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        for (values, is_read) in [(MAX_JSON_VALUES, true), (MAX_JSON_VALUES + 1, false)] {
            assert_eq!(parse(of(values).as_bytes()).is_ok(), is_read);
            assert_eq!(crate::steps::finish(in_steps::pieces(of(values).as_bytes())).is_some(), is_read);
        }
    }
}
