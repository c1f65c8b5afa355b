//! A document as it was written: its values in the order of the text, each with its position.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Number;

/// Where something stands: file, line and column, counted from 1. Line 0 is the file, or folder, as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) file: Rc<str>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// A file or folder as a whole.
    pub(crate) const fn whole(file: Rc<str>) -> Self {
        Self { file, line: 0, column: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) position: Position,
    pub(crate) value: Node,
}

impl Node {
    /// The member of this name, if this is an object that has one.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Object(members) => members.iter().find(|member| member.name == name).map(|member| &member.value),
            _ => None,
        }
    }

    /// Sets a member of an object, which counts as written where the object is.
    pub(super) fn set(&mut self, name: &str, content: Content) {
        let position = self.position.clone();
        let Content::Object(members) = &mut self.content else { return };
        let value = Self { position: position.clone(), content };
        match members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.value = value,
            None => members.push(Member { name: name.to_owned(), position, value }),
        }
    }

    /// How many values this one consists of, itself counted.
    pub(super) fn values(&self) -> usize {
        self.children().fold(1, |values, child| values.saturating_add(child.values()))
    }

    /// How deep lists and objects are nested in it.
    pub(super) fn depth(&self) -> usize {
        match self.content {
            Content::List(_) | Content::Object(_) => {
                self.children().map(Self::depth).max().unwrap_or_default().saturating_add(1)
            }
            _ => 0,
        }
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match &self.content {
            Content::List(items) => Box::new(items.iter()),
            Content::Object(members) => Box::new(members.iter().map(|member| &member.value)),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Where everything in it stands, a member where its name is; under the names that the production parser has for
    /// places, such as `rules[3].target`.
    pub(super) fn places(&self) -> BTreeMap<String, &Position> {
        let mut places = BTreeMap::from([(String::new(), &self.position)]);
        self.collect_places("", &mut places);
        places
    }

    fn collect_places<'n>(&'n self, place: &str, places: &mut BTreeMap<String, &'n Position>) {
        match &self.content {
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{place}[{index}]");
                    item.collect_places(&place, places);
                    places.insert(place, &item.position);
                }
            }
            Content::Object(members) => {
                for member in members {
                    let place = member_place(place, &member.name);
                    member.value.collect_places(&place, places);
                    places.insert(place, &member.position);
                }
            }
            _ => {}
        }
    }
}

/// The place of a member of the object at `place`.
pub(super) fn member_place(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// As JSON, in the order of the text.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.content {
            Content::Null => serializer.serialize_unit(),
            Content::Bool(value) => serializer.serialize_bool(*value),
            Content::Number(number) => number.serialize(serializer),
            Content::Text(text) => serializer.serialize_str(text),
            Content::List(items) => serializer.collect_seq(items),
            Content::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for member in members {
                    object.serialize_entry(&member.name, &member.value)?;
                }
                object.end()
            }
        }
    }
}
