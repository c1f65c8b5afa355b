//! A reader of our own, for the sake of speed. It knows the grammar of RFC 8259; what is rare and hard, numbers that are not plain
//! integers and strings with escapes, it leaves to `serde_json`.

use std::cmp::Ordering;

use serde_json::Number;

use super::{FEW_MEMBERS, Node, Span, beginning, is_same};
use crate::bytes::find_end_of_plain;
use crate::limits::MAX_JSON_DEPTH;

/// Room for as many members as tokens have.
const ROOM: usize = 48;

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
pub(super) struct Reader<'t> {
    text: &'t str,
    at: usize,
    pub(super) unescaped: String,
    pub(super) numbers: Vec<Number>,
    pub(super) nodes: Vec<Node>,
    open: Vec<Node>,
}

impl<'t> Reader<'t> {
    /// Reads all of a text: one value, and what is in it.
    pub(super) fn read(text: &'t str) -> Option<(Node, Self)> {
        let (unescaped, numbers) = (String::new(), Vec::new());
        let (nodes, open) = (Vec::with_capacity(ROOM), Vec::with_capacity(ROOM));
        let mut reader = Self { text, at: 0, unescaped, numbers, nodes, open };
        let root = reader.value(MAX_JSON_DEPTH)?;
        reader.next().is_none().then_some((root, reader))
    }

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
                let is_same_text = || self.string_at(*one) == self.string_at(*other);
                is_same((*beginning, one.len()), (*other_beginning, other.len()), is_same_text)
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
