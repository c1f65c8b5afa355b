//! A JSON text that is kept flat: its texts in one piece of memory and its values in another, so that reading a token makes no tree
//! of what nobody asks for.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::JsonError;
use crate::limits::MAX_JSON_DEPTH;

/// An object that was read. The items of a list stand side by side, and so do the members of an object, each a name and a value.
#[derive(Debug)]
pub(crate) struct FlatObject {
    text: String,
    nodes: Vec<Node>,
    members: Span,
}

/// Where a text begins and ends; or the items of a list, or the names and values of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

/// A value, or the name of a member.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(Span),
    List(Span),
    Object(Span),
}

impl FlatObject {
    /// Reads a text as strictly as [`super::parse`]; none if it is no object. How many values there are is bounded by its length,
    /// which callers bound.
    ///
    /// # Errors
    ///
    /// Those of [`super::parse`].
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, JsonError> {
        let mut reader = Reader { text: String::with_capacity(text.len()), nodes: Vec::new(), open: Vec::new() };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let strict = Strict { reader: &mut reader, depth_left: MAX_JSON_DEPTH };
        strict.deserialize(&mut deserializer).map_err(JsonError)?;
        deserializer.end().map_err(JsonError)?;
        let Reader { text, nodes, open } = reader;
        Ok(match *open {
            [Node::Object(members)] => Some(Self { text, nodes, members }),
            _ => None,
        })
    }

    pub(super) const fn members(&self) -> Span {
        self.members
    }

    pub(super) fn text(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn nodes(&self, span: Span) -> &[Node] {
        self.nodes.get(span.start..span.end).unwrap_or_default()
    }

    /// The value of a member.
    pub(super) fn find(&self, members: Span, wanted: &str) -> Option<&Node> {
        let (members, _) = self.nodes(members).as_chunks::<2>();
        let found = members.binary_search_by(|[name, _]| order(name_in(&self.text, name)).cmp(&order(wanted))).ok()?;
        members.get(found).map(|[_, value]| value)
    }

    /// How much memory it takes.
    pub(crate) const fn bytes(&self) -> usize {
        self.text.len().saturating_add(self.nodes.len().saturating_mul(size_of::<Node>()))
    }
}

/// What members are sorted by: lengths first, for they are compared in an instant.
const fn order(name: &str) -> (usize, &str) {
    (name.len(), name)
}

fn name_in<'t>(text: &'t str, name: &Node) -> &'t str {
    match name {
        Node::Text(span) => text.get(span.start..span.end).unwrap_or_default(),
        _ => "",
    }
}

/// What has been read. The items of lists and objects that have not ended yet are `open`.
struct Reader {
    text: String,
    nodes: Vec<Node>,
    open: Vec<Node>,
}

impl Reader {
    /// Puts side by side what has been opened since then.
    fn close(&mut self, since: usize) -> Span {
        let start = self.nodes.len();
        self.nodes.extend(self.open.drain(since..));
        Span { start, end: self.nodes.len() }
    }

    /// Sorts the members that have been opened since then; an error if two have one name.
    fn sort_members<E: serde::de::Error>(&mut self, since: usize) -> Result<(), E> {
        let text = &self.text;
        let (members, _) = self.open.get_mut(since..).unwrap_or_default().as_chunks_mut::<2>();
        let name = |[name, _]: &[Node; 2]| name_in(text, name);
        members.sort_unstable_by(|one, other| order(name(one)).cmp(&order(name(other))));
        let mut neighbours = members.iter().zip(members.iter().skip(1));
        match neighbours.find(|(one, next)| name(one) == name(next)) {
            Some((one, _)) => Err(E::custom(format_args!("duplicate member `{}`", name(one)))),
            None => Ok(()),
        }
    }
}

/// Reads one value, or one name.
struct Strict<'r> {
    reader: &'r mut Reader,
    depth_left: u32,
}

impl Strict<'_> {
    fn again(&mut self) -> Strict<'_> {
        Strict { reader: self.reader, depth_left: self.depth_left }
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth_left, ..self })
    }

    fn push<E>(self, node: Node) -> Result<(), E> {
        self.reader.open.push(node);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.push(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.push(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        self.push(Node::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let start = self.reader.text.len();
        self.reader.text.push_str(value);
        let span = Span { start, end: self.reader.text.len() };
        self.push(Node::Text(span))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut inner = self.deeper()?;
        let since = inner.reader.open.len();
        while items.next_element_seed(inner.again())?.is_some() {}
        let items = inner.reader.close(since);
        inner.push(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut inner = self.deeper()?;
        let since = inner.reader.open.len();
        while members.next_key_seed(inner.again())?.is_some() {
            members.next_value_seed(inner.again())?;
        }
        inner.reader.sort_members::<A::Error>(since)?;
        let members = inner.reader.close(since);
        inner.push(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::json::{Json, JsonObject, parse};

    /// Texts of every kind of value, and what becomes of each when it is cut off anywhere or one of its bytes is changed: an object is
    /// read as the tree is, and everything else is none.
    #[test]
    fn what_is_kept_flat_is_what_a_tree_would_be() {
        let (mut same, mut refused) = (0, 0);
        let mut compare = |text: &[u8]| {
            let tree = parse(text).ok().filter(Value::is_object);
            let flat = std::str::from_utf8(text).ok().and_then(|text| FlatObject::parse(text).ok().flatten());
            let flat = flat.map(|flat| Json::Object(JsonObject::from(&flat)).to_value());
            assert_eq!(flat, tree, "{}", String::from_utf8_lossy(text));
            *(if tree.is_some() { &mut same } else { &mut refused }) += 1;
        };
        let texts = [
            r#" { "iss" : "https://idp.example.com/" , "aud":["a","b",[]], "n":[1, -2, 2.5e3, -0, 18446744073709551615,1e30] } "#,
            r#"{"b":{"y":null,"x":{"":true,"a":false,"\u0062":[{},{"c":[{}]}]}},"a":"\ud83d\ude00\n","aa":"é","ab":"\u0000"}"#,
            r#"{"a":1,"b":{"a":1,"b":2,"a":3}}"#,
            r#"{"aa":1,"b":2,"a\u0061":3}"#,
            r#"[{"a":1}]"#,
        ];
        for text in texts.map(str::as_bytes) {
            compare(text);
            for at in 0..text.len() {
                compare(&text[..at]);
                for byte in *b"\"\\[]{},: 0a1e-\x00\x80" {
                    let mut changed = text.to_vec();
                    changed[at] = byte;
                    compare(&changed);
                }
            }
        }
        for depth in [30, 31, 32] {
            compare(format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)).as_bytes());
            compare(format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth)).as_bytes());
        }
        assert!(same > 500 && refused > 500, "{same} {refused}");
    }

    #[test]
    fn every_member_of_a_large_object_is_found() {
        let names = (0..300_u32).map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761)));
        let mut names: Vec<String> = names.collect();
        let members: Vec<String> = names.iter().map(|name| format!(r#""{name}":"of {name}""#)).collect();
        let object = FlatObject::parse(&format!("{{{}}}", members.join(","))).unwrap().unwrap();
        let object = JsonObject::from(&object);
        for name in &names {
            assert_eq!(object.get(name).and_then(Json::as_text), Some(&*format!("of {name}")));
            assert!(object.get(&format!("{name}x")).is_none());
        }
        names.sort_unstable();
        assert_eq!(object.names(), names);
    }
}
