//! A JSON text that is kept as it came, with a list of what stands where: reading a token makes no tree of what nobody asks for.
//!
//! A reader of our own, for the sake of speed. It knows the grammar of RFC 8259; what is rare and hard, numbers that are not plain
//! integers and strings with escapes, it leaves to `serde_json`. That it reads exactly what [`super::parse`] reads is what the tests
//! compare.

use std::cmp::Ordering;

use serde_json::Number;

use crate::bytes::find_end_of_plain;
use crate::limits::MAX_JSON_DEPTH;

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
        let (unescaped, numbers) = (String::new(), Vec::new());
        let (nodes, open) = (Vec::with_capacity(ROOM), Vec::with_capacity(ROOM));
        let mut reader = Reader { text: &text, at: 0, unescaped, numbers, nodes, open };
        let root = reader.value(MAX_JSON_DEPTH)?;
        let is_all = reader.next().is_none();
        let Reader { unescaped, numbers, nodes, .. } = reader;
        let (nodes, numbers) = (nodes.into_boxed_slice(), numbers.into_boxed_slice());
        match root {
            Node::Object(members) if is_all => Some(Self { text: text + &unescaped, nodes, numbers, members }),
            _ => None,
        }
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
                *known == beginning && span.len() == wanted.len() && (wanted.len() <= 8 || self.text(*span) == wanted)
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

/// Room for as many members as tokens have.
const ROOM: usize = 48;

/// So many members are looked through, and need not be sorted: most tokens have less.
const FEW_MEMBERS: usize = 24;

/// The first eight bytes of a name as a number. Members are told apart by it, and sorted: numbers are compared in an instant.
fn beginning(name: &str) -> u64 {
    match name.as_bytes().first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => name.bytes().rev().fold(0, |later, byte| later << 8 | u64::from(byte)),
    }
}

/// One of 64 bits for a name: most that differ have another one.
fn mark(name: &Node) -> u64 {
    /// 2^64 divided by the golden ratio, and odd (Knuth, The Art of Computer Programming, section 6.4).
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    match name {
        Node::Name(beginning, _) => 1 << (beginning.wrapping_mul(MULTIPLIER) >> 58),
        _ => 0,
    }
}

/// A text, how far it has been read, and what was in it. The items of lists and objects that have not ended yet are `open`.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    unescaped: String,
    numbers: Vec<Number>,
    nodes: Vec<Node>,
    open: Vec<Node>,
}

impl Reader<'_> {
    fn value(&mut self, depth_left: u32) -> Option<Node> {
        match self.next()? {
            b'"' => self.string().map(Node::Text),
            b'{' => self.object(depth_left.checked_sub(1)?),
            b'[' => self.list(depth_left.checked_sub(1)?),
            b't' => self.word("true").then_some(Node::Bool(true)),
            b'f' => self.word("false").then_some(Node::Bool(false)),
            b'n' => self.word("null").then_some(Node::Null),
            _ => self.number(),
        }
    }

    /// A list, from its bracket on.
    fn list(&mut self, depth_left: u32) -> Option<Node> {
        let since = self.open.len();
        self.take()?;
        if self.next()? == b']' {
            self.take()?;
        } else {
            loop {
                let item = self.value(depth_left)?;
                self.open.push(item);
                match self.take()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        Some(Node::List(self.close(since)))
    }

    /// An object, from its bracket on.
    fn object(&mut self, depth_left: u32) -> Option<Node> {
        let since = self.open.len();
        self.take()?;
        if self.next()? == b'}' {
            self.take()?;
        } else {
            loop {
                let name = self.name()?;
                self.open.push(name);
                let value = self.value(depth_left)?;
                self.open.push(value);
                match self.take()? {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        self.sort_members(since)?;
        Some(Node::Object(self.close(since)))
    }

    /// The name of a member, and the colon behind it.
    fn name(&mut self) -> Option<Node> {
        let span = if self.next()? == b'"' { self.string()? } else { return None };
        (self.take()? == b':').then(|| Node::Name(beginning(self.string_at(span)), span))
    }

    /// A string, from its quotation mark on.
    fn string(&mut self) -> Option<Span> {
        let start = self.at.checked_add(1)?;
        let rest = self.text.as_bytes().get(start..)?;
        let length = find_end_of_plain(rest)?;
        match rest.get(length)? {
            b'"' => {
                let end = start.checked_add(length)?;
                self.at = end.checked_add(1)?;
                Some(Span { start, end })
            }
            b'\\' => self.string_with_escapes(),
            _ => None,
        }
    }

    fn string_with_escapes(&mut self) -> Option<Span> {
        let literal = self.text.get(self.at..)?;
        let mut is_escaped = false;
        let end = literal.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        let literal = literal.get(..end.checked_add(2)?)?;
        let text: String = serde_json::from_str(literal).ok()?;
        self.at = self.at.checked_add(literal.len())?;
        let start = self.text.len().checked_add(self.unescaped.len())?;
        self.unescaped.push_str(&text);
        Some(Span { start, end: start.checked_add(text.len())? })
    }

    fn string_at(&self, span: Span) -> &str {
        let behind_text = |at: usize| at.checked_sub(self.text.len());
        let unescaped = || self.unescaped.get(behind_text(span.start)?..behind_text(span.end)?);
        self.text.get(span.start..span.end).or_else(unescaped).unwrap_or_default()
    }

    fn number(&mut self) -> Option<Node> {
        /// So many digits are below 2^53, and below 2^64.
        const FEW: usize = 15;
        let rest = self.text.get(self.at..)?;
        let (mut value, mut length) = (0_u64, 0_usize);
        for byte in rest.bytes().take(FEW).take_while(u8::is_ascii_digit) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte & 15));
            length = length.wrapping_add(1);
        }
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let goes_on = rest.as_bytes().get(length).is_some_and(is_part);
        let number = if length == 0 || goes_on || rest.starts_with('0') {
            length = rest.bytes().take_while(is_part).count();
            serde_json::from_str(rest.get(..length)?).ok()?
        } else {
            Number::from(value)
        };
        self.at = self.at.checked_add(length)?;
        self.numbers.push(number);
        self.numbers.len().checked_sub(1).map(Node::Number)
    }

    /// Whether a word is what stands here.
    fn word(&mut self, word: &str) -> bool {
        let is_here = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at = self.at.saturating_add(word.len());
        is_here
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at = self.at.checked_add(1)?,
                byte => return Some(byte),
            }
        }
    }

    /// The same, which is then behind us.
    fn take(&mut self) -> Option<u8> {
        let byte = self.next()?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    /// Puts side by side what has been opened since then.
    fn close(&mut self, since: usize) -> Span {
        let start = self.nodes.len();
        self.nodes.extend_from_slice(self.open.get(since..).unwrap_or_default());
        self.open.truncate(since);
        Span { start, end: self.nodes.len() }
    }

    /// Sorts the members that have been opened since then, if they are many; none if two have one name.
    fn sort_members(&mut self, since: usize) -> Option<()> {
        let mut open = std::mem::take(&mut self.open);
        let (members, _) = open.get_mut(since..)?.as_chunks_mut::<2>();
        let is_twice = if members.len() <= FEW_MEMBERS {
            let is_before = |one, place| members.iter().take(place).any(|[other, _]| self.is_same_name(one, other));
            let mut seen = 0_u64;
            members.iter().zip(0..).any(|([one, _], place)| {
                let (others, mark) = (seen, mark(one));
                seen |= mark;
                others & mark != 0 && is_before(one, place)
            })
        } else {
            members.sort_unstable_by(|[one, _], [other, _]| self.order(one, other));
            let mut neighbours = members.iter().zip(members.iter().skip(1));
            neighbours.any(|([one, _], [next, _])| self.order(one, next) == Ordering::Equal)
        };
        self.open = open;
        (!is_twice).then_some(())
    }

    fn is_same_name(&self, one: &Node, other: &Node) -> bool {
        match (one, other) {
            (Node::Name(beginning, one), Node::Name(other_beginning, other)) => {
                beginning == other_beginning
                    && one.len() == other.len()
                    && (one.len() <= 8 || self.string_at(*one) == self.string_at(*other))
            }
            _ => false,
        }
    }

    fn order(&self, one: &Node, other: &Node) -> Ordering {
        match (one, other) {
            (Node::Name(beginning, one), Node::Name(other_beginning, other)) => {
                let by_text = || self.string_at(*one).cmp(self.string_at(*other));
                beginning.cmp(other_beginning).then_with(by_text)
            }
            _ => Ordering::Equal,
        }
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
