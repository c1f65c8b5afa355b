//! Reads a JSON document field by field, remembering the place, so that every error names it.
//!
//! A reading function returns `None` only after it has reported why; [`ErrorSink::into_result`] refuses the document
//! if anything was reported. So a parser reads all of its fields first and gives up afterwards: operators get every
//! error at once, and nothing half-read is ever used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::{ErrorSink, Problem};
use crate::json;
use crate::limits::MAX_LIST_ITEMS;
use crate::steps::{self, pause};

/// One value of a document and the way to it.
#[derive(Clone, Copy)]
pub struct Node<'n> {
    value: &'n Value,
    step: Step<'n>,
    parent: Option<&'n Node<'n>>,
    errors: &'n ErrorSink,
}

#[derive(Clone, Copy)]
enum Step<'n> {
    Root,
    Member(&'n str),
    Item(usize),
}

impl<'n> Node<'n> {
    pub(crate) const fn root(value: &'n Value, errors: &'n ErrorSink) -> Self {
        Self { value, step: Step::Root, parent: None, errors }
    }

    /// The same place with another value, which was made from the one that is there.
    pub const fn with_value<'s>(&self, value: &'s Value) -> Node<'s>
    where
        'n: 's,
    {
        Node { value, ..*self }
    }

    /// This value.
    pub const fn value(&self) -> &'n Value {
        self.value
    }

    /// The place of this value, for example `rules[3].target.paths[0]`.
    pub fn place(&self) -> String {
        let mut place = self.parent.map(Node::place).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Member(name) if place.is_empty() => place.push_str(name),
            Step::Member(name) => {
                let _ = write!(place, ".{name}");
            }
            Step::Item(index) => {
                let _ = write!(place, "[{index}]");
            }
        }
        place
    }

    /// Reports a problem at this place. Always `None`, so that a parser can end with it.
    pub fn report<T>(&self, problem: Problem) -> Option<T> {
        self.errors.push(|| self.place(), problem);
        None
    }

    /// Reports why this value is not acceptable. Always `None`.
    pub fn refuse<T>(&self, why: impl Into<String>) -> Option<T> {
        self.report(Problem::Refused(why.into()))
    }

    fn wrong_type<T>(&self, expected: &'static str) -> Option<T> {
        self.report(Problem::WrongType { expected, found: json::type_name(self.value) })
    }

    /// This value as an object with no fields other than `known`.
    pub fn object<'s>(&'s self, known: &'static [&'static str]) -> Option<Fields<'s>> {
        let fields = self.open_object()?;
        for name in fields.members.keys().filter(|name| !known.contains(&name.as_str())) {
            let _: Option<()> = self.report(Problem::UnknownField { name: name.clone(), known });
        }
        Some(fields)
    }

    /// This value as an object whose other fields are ignored, as RFC 7517 section 4 wants it for keys.
    pub fn open_object<'s>(&'s self) -> Option<Fields<'s>> {
        match self.value {
            Value::Object(members) => Some(Fields { node: self, members }),
            _ => self.wrong_type("an object"),
        }
    }

    /// This value as a string that is not empty.
    pub fn text(&self) -> Option<&'n str> {
        match self.value {
            Value::String(text) if text.is_empty() => self.refuse("must not be empty"),
            Value::String(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    /// This value as a whole number within `range`.
    pub fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        // A host may hand the configuration on as floating point (Envoy's `Struct`): 60.0 is the whole number 60.
        let Some(number) = self.value.as_u64().or_else(|| whole(self.value.as_f64()?)) else {
            return self.wrong_type("a whole number");
        };
        if range.contains(&number) {
            return Some(number);
        }
        self.refuse(format!("{number} is not between {} and {}", range.start(), range.end()))
    }

    /// This value as `true` or `false`.
    pub fn flag(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong_type("a boolean"))
    }

    /// This value as a list, each item read by `read`. All items are read, whatever is wrong with one.
    pub fn list<T>(&self, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        steps::finish(self.list_in_steps(read))
    }

    /// The same, each item in a step of its own.
    pub(crate) async fn list_in_steps<T>(&self, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else {
            return self.wrong_type("a list");
        };
        if items.len() > MAX_LIST_ITEMS {
            return self.refuse(format!("has {} entries, at most {MAX_LIST_ITEMS} are read", items.len()));
        }
        let mut complete = true;
        let mut list = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let item = Node { value, step: Step::Item(index), parent: Some(self), errors: self.errors };
            match read(&item) {
                Some(item) => list.push(item),
                None => complete = false,
            }
            pause().await;
        }
        complete.then_some(list)
    }

    /// Like [`Node::list`], for lists in which no entry at all would mean "never" where people may expect "any".
    pub fn filled_list<T>(&self, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let list = self.list(read)?;
        if list.is_empty() {
            return self.refuse("must not be empty; leave the field out if it is not wanted");
        }
        Some(list)
    }

    /// This value as a list of strings, at least one.
    pub fn texts(&self) -> Option<Vec<String>> {
        self.filled_list(|item| item.text().map(str::to_owned))
    }
}

#[expect(clippy::as_conversions, reason = "a whole f64 from 0 to 2^53 converts to u64 without loss")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
}

/// The fields of an object.
#[derive(Clone, Copy)]
pub struct Fields<'n> {
    node: &'n Node<'n>,
    members: &'n Map<String, Value>,
}

impl<'n> Fields<'n> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The field of this name, if it is there.
    pub fn optional(&self, name: &'n str) -> Option<Node<'n>> {
        let value = self.members.get(name)?;
        Some(Node { value, step: Step::Member(name), parent: Some(self.node), errors: self.node.errors })
    }

    /// The field of this name; reported if it is missing.
    pub fn required(&self, name: &'n str) -> Option<Node<'n>> {
        self.optional(name).or_else(|| {
            let absent = Node {
                value: &Value::Null,
                step: Step::Member(name),
                parent: Some(self.node),
                errors: self.node.errors,
            };
            absent.report(Problem::Missing)
        })
    }
}

/// Finds identifiers that stand twice.
#[derive(Default)]
pub struct Unique {
    places: std::cell::RefCell<BTreeMap<String, String>>,
}

impl Unique {
    /// Claims `id` for `node`; reports it there if it was claimed before. `what` names the identifier in the message.
    pub fn claim(&self, what: &str, id: &str, node: &Node<'_>) -> Option<()> {
        self.claim_named(&format!("{what} `{id}`"), node)
    }

    /// The same for what has a description of its own.
    pub fn claim_named(&self, what: &str, node: &Node<'_>) -> Option<()> {
        let mut places = self.places.try_borrow_mut().ok()?;
        if let Some(first) = places.get(what) {
            return node.report(Problem::Duplicate { what: what.to_owned(), first: first.clone() });
        }
        places.insert(what.to_owned(), node.place());
        Some(())
    }
}
