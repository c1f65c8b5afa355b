//! A JSON text that is kept as it came, with a list of what stands where: reading a token makes no tree of what nobody asks for.
//!
//! That exactly what [`super::parse`] reads is read is what the tests compare.

mod reader;

use std::cmp::Ordering;

use serde_json::Number;

use reader::Reader;

/// An object that was read. The items of a list stand side by side, and so do the members of an object, each a name and a value.
#[derive(Debug)]
pub(crate) struct FlatObject {
    /// The text, and behind it what strings with escapes stand for.
    text: String,
    /// As many as there are: a remembered token keeps them.
    nodes: Box<[Node]>,
    numbers: Box<[Number]>,
    members: Span,
}

/// Where a string begins and ends in the text; or the items of a list, or the members of an object, among the nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// A value, or the name of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// The number in this place.
    Number(usize),
    Text(Span),
    List(Span),
    Object(Span),
    /// With its [`beginning`].
    Name(u64, Span),
}

impl FlatObject {
    /// Reads a text as strictly as [`super::parse`]; none if it is no acceptable JSON, or no object. How many values there are is
    /// bounded by its length, which callers bound.
    pub(crate) fn parse(text: String) -> Option<Self> {
        let (Node::Object(members), Reader { unescaped, numbers, nodes, .. }) = Reader::read(&text)? else {
            return None;
        };
        let (nodes, numbers) = (nodes.into_boxed_slice(), numbers.into_boxed_slice());
        Some(Self { text: text + &unescaped, nodes, numbers, members })
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

    /// The number in a place.
    pub(super) fn number(&self, place: usize) -> Option<&Number> {
        self.numbers.get(place)
    }

    /// The value of a member.
    pub(super) fn find(&self, members: Span, wanted: &str) -> Option<&Node> {
        let ((members, _), beginning) = (self.nodes(members).as_chunks::<2>(), beginning(wanted));
        let order = |name: &Node| match name {
            Node::Name(known, span) => known.cmp(&beginning).then_with(|| self.text(*span).cmp(wanted)),
            _ => Ordering::Less,
        };
        let is_wanted = |name: &Node| match name {
            Node::Name(known, span) => {
                is_same((*known, span.len()), (beginning, wanted.len()), || self.text(*span) == wanted)
            }
            _ => false,
        };
        let found = match members.len() {
            ..=FEW_MEMBERS => members.iter().find(|[name, _]| is_wanted(name)),
            _ => members.binary_search_by(|[name, _]| order(name)).ok().and_then(|found| members.get(found)),
        };
        found.map(|[_, value]| value)
    }

    /// How much memory it takes.
    pub(crate) const fn bytes(&self) -> usize {
        let numbers = size_of_val::<[Number]>(&self.numbers);
        self.text.len().saturating_add(size_of_val::<[Node]>(&self.nodes)).saturating_add(numbers)
    }
}

/// So many members are looked through, and need not be sorted: most tokens have less.
const FEW_MEMBERS: usize = 24;

/// The first eight bytes of a name as a number. Members are told apart by it, and sorted: numbers are compared in an instant.
fn beginning(name: &str) -> u64 {
    match name.as_bytes().first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => name.bytes().rev().fold(0, |later, byte| later << 8 | u64::from(byte)),
    }
}

/// Whether two names are the same, by their beginnings and lengths, which tell all of short ones.
fn is_same(one: (u64, usize), other: (u64, usize), is_same_text: impl FnOnce() -> bool) -> bool {
    one == other && (one.1 <= 8 || is_same_text())
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
            let flat = String::from_utf8(text.to_vec()).ok().and_then(FlatObject::parse);
            let flat = flat.map(|flat| Json::Object(JsonObject::from(&flat)).to_value());
            assert_eq!(flat, tree, "{}", String::from_utf8_lossy(text));
            *(if tree.is_some() { &mut same } else { &mut refused }) += 1;
        };
        let texts = [
            r#" { "iss" : "https://idp.example.com/" , "aud":["a","b",[]], "n":[1, -2, 2.5e3, -0, 18446744073709551615,1e30, 0, 10, -5] } "#,
            r#"{"n":[123456789012345,1234567890123456,0.5,1E+2,-1.5e-3,00,0e0]}"#,
            r#"{"exp":1700000000,"n":[true,false,null],"\"":"\\ \u0041 \/"}"#,
            r#"{"b":{"y":null,"x":{"":true,"a":false,"\u0062":[{},{"c":[{}]}]}},"a":"\ud83d\ude00\n","aa":"é","ab":"\u0000"}"#,
            r#"{"a":1,"b":{"a":1,"b":2,"a":3}}"#,
            r#"{"aa":1,"b":2,"a\u0061":3}"#,
            // A name with an escape is what it is, whatever else has escapes behind it.
            r#"{"a\u0061":"x\n","aa":2}"#,
            r#"{"\u0062":"\n","a":"\t","b":1}"#,
            r#"{"\u0061":"\n","\u0061b":"\t","\u0062":["\r"]}"#,
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
        let object = FlatObject::parse(format!("{{{}}}", members.join(","))).unwrap();
        let object = JsonObject::from(&object);
        for name in &names {
            assert_eq!(object.get(name).and_then(Json::as_text), Some(&*format!("of {name}")));
            assert!(object.get(&format!("{name}x")).is_none());
        }
        names.sort_unstable();
        assert_eq!(object.names(), names);
    }
}
