//! A long JSON text in steps: what is short is read at once, what is long is opened and its items are read one by one.
//!
//! It only finds where the pieces begin and end. What it does not understand is left to [`super::parse`], which reads the
//! text again from its beginning and has the last word about what is wrong with it, and where.

use std::cell::Cell;

use serde::de::DeserializeSeed as _;
use serde_json::{Map, Value};

use super::{JsonError, Strict, parse};
use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};
use crate::steps::pause;

/// Longest list or object that is read at once, in bytes: about a tenth of a millisecond. Most rules are shorter.
const PIECE_BYTES: usize = 1024;

/// Reads one JSON text like [`parse`], in steps.
pub(crate) async fn parse_in_steps(text: &[u8]) -> Result<Value, JsonError> {
    match pieces(text).await {
        Some(value) => Ok(value),
        None => parse(text),
    }
}

/// The value of a text, put together from its pieces; none if it is to be read otherwise.
pub(super) async fn pieces(text: &[u8]) -> Option<Value> {
    let mut reader = Reader { text, at: 0, values_left: Cell::new(MAX_JSON_VALUES) };
    let value = reader.value(MAX_JSON_DEPTH).await?;
    reader.next().is_none().then_some(value)
}

/// Frees a value, the items of its lists and objects one after the other.
pub(crate) async fn release_in_steps(value: Value) {
    let mut parts = vec![value];
    while let Some(part) = parts.pop() {
        match part {
            Value::Array(items) => parts.extend(items),
            // An item of a list is small; what has lists is above it.
            Value::Object(members) if members.values().any(Value::is_array) => parts.extend(members.into_values()),
            part => drop(part),
        }
        pause().await;
    }
}

/// A text, and how far it has been read.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    values_left: Cell<usize>,
}

impl Reader<'_> {
    /// The next value; none if the text is to be read otherwise.
    async fn value(&mut self, depth_left: u32) -> Option<Value> {
        pause().await;
        let first = self.next()?;
        let rest = self.text.get(self.at..)?;
        let piece = if matches!(first, b'[' | b'{') { rest.get(..PIECE_BYTES).unwrap_or(rest) } else { rest };
        if let Some(length) = length_of_value(piece) {
            return self.read(piece.get(..length)?, depth_left);
        }
        let depth_left = depth_left.checked_sub(1)?;
        self.values_left.set(self.values_left.get().checked_sub(1)?);
        if self.skip(b'[') { self.items(depth_left).await } else { self.members(depth_left).await }
    }

    /// The items of a list that is open.
    async fn items(&mut self, depth_left: u32) -> Option<Value> {
        let mut list = Vec::new();
        if self.skip(b']') {
            return Some(Value::Array(list));
        }
        loop {
            list.push(Box::pin(self.value(depth_left)).await?);
            match self.skip(b',') {
                true => {}
                false => return self.skip(b']').then_some(Value::Array(list)),
            }
        }
    }

    /// The members of an object, from its beginning.
    async fn members(&mut self, depth_left: u32) -> Option<Value> {
        let mut object = Map::new();
        if !self.skip(b'{') {
            return None;
        }
        if self.skip(b'}') {
            return Some(Value::Object(object));
        }
        loop {
            let name = self.name()?;
            let value = Box::pin(self.value(depth_left)).await?;
            if object.insert(name, value).is_some() {
                return None;
            }
            match self.skip(b',') {
                true => {}
                false => return self.skip(b'}').then_some(Value::Object(object)),
            }
        }
    }

    /// The name of a member and the colon behind it.
    fn name(&mut self) -> Option<String> {
        self.next()?;
        let rest = self.text.get(self.at..)?;
        let length = length_of_value(rest)?;
        // A name is no value and does not count as one.
        let name = serde_json::from_slice(rest.get(..length)?).ok()?;
        self.at = self.at.checked_add(length)?;
        self.skip(b':').then_some(name)
    }

    /// Reads a piece that starts here.
    fn read(&mut self, piece: &[u8], depth_left: u32) -> Option<Value> {
        let mut deserializer = serde_json::Deserializer::from_slice(piece);
        let strict = Strict { depth_left, values_left: &self.values_left };
        let value = strict.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        self.at = self.at.checked_add(piece.len())?;
        Some(value)
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        self.at = self.at.checked_add(spaces)?;
        rest.get(spaces).copied()
    }

    /// Whether the next byte is this one, which is then behind us.
    fn skip(&mut self, wanted: u8) -> bool {
        let is_next = self.next() == Some(wanted);
        self.at = self.at.saturating_add(usize::from(is_next));
        is_next
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// How long the value is with which a text begins, if it is one; none if it does not end in the text.
fn length_of_value(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth = depth.checked_add(1)?,
            b']' | b'}' if depth > 0 => depth = depth.checked_sub(1)?,
            // What ends here is a number or a word.
            b']' | b'}' | b',' if depth == 0 => return Some(at),
            byte if depth == 0 && is_space(*byte) => return Some(at),
            _ => continue,
        }
        if depth == 0 && !in_string {
            return Some(at.saturating_add(1));
        }
    }
    (depth == 0 && !in_string).then_some(text.len())
}
