//! A JSON value as it is looked at, however it is kept: flat, as claims are, or as a tree.

use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::flat::{FlatObject, Node, Span};

/// A value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Json<'j> {
    Null,
    Bool(bool),
    Number(&'j Number),
    Text(&'j str),
    List(JsonList<'j>),
    Object(JsonObject<'j>),
}

/// The items of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JsonList<'j> {
    Flat(&'j FlatObject, Span),
    Tree(&'j [Value]),
}

/// The members of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JsonObject<'j> {
    Flat(&'j FlatObject, Span),
    Tree(&'j Map<String, Value>),
}

impl<'j> Json<'j> {
    fn of_node(object: &'j FlatObject, node: &'j Node) -> Self {
        match node {
            Node::Null => Self::Null,
            Node::Bool(value) => Self::Bool(*value),
            // There is no place without one.
            Node::Number(place) => object.number(*place).map_or(Self::Null, Self::Number),
            Node::Text(span) | Node::Name(_, span) => Self::Text(object.text(*span)),
            Node::List(span) => Self::List(JsonList::Flat(object, *span)),
            Node::Object(span) => Self::Object(JsonObject::Flat(object, *span)),
        }
    }

    /// The same as a tree.
    #[cfg(test)]
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::from(text),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(members) => {
                let member = |name: &str| Some((name.to_owned(), members.get(name)?.to_value()));
                members.names().into_iter().filter_map(member).collect()
            }
        }
    }

    /// The same as text.
    pub(crate) fn to_json(self) -> String {
        // There is nothing in it that JSON cannot express.
        serde_json::to_string(&self).unwrap_or_default()
    }

    pub(crate) const fn as_text(self) -> Option<&'j str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) const fn as_object(self) -> Option<JsonObject<'j>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}

/// As the JSON that it is, members by their names. Its depth was bounded when it was read.
impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Object(members) => {
                let member = |name| Some((name, members.get(name)?));
                serializer.collect_map(members.names().into_iter().filter_map(member))
            }
        }
    }
}

impl<'j> From<&'j Value> for Json<'j> {
    fn from(value: &'j Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(JsonList::Tree(items)),
            Value::Object(members) => Self::Object(JsonObject::Tree(members)),
        }
    }
}

impl<'j> JsonList<'j> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Flat(object, span) => object.nodes(span).len(),
            Self::Tree(items) => items.len(),
        }
    }

    /// The item at a place; none beyond the end.
    pub(crate) fn get(self, index: usize) -> Option<Json<'j>> {
        match self {
            Self::Flat(object, span) => object.nodes(span).get(index).map(|node| Json::of_node(object, node)),
            Self::Tree(items) => items.get(index).map(Json::from),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Json<'j>> + Clone {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

impl<'j> JsonObject<'j> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Flat(object, span) => object.nodes(span).len() / 2,
            Self::Tree(members) => members.len(),
        }
    }

    /// The value of a member.
    pub(crate) fn get(self, name: &str) -> Option<Json<'j>> {
        match self {
            Self::Flat(object, span) => object.find(span, name).map(|node| Json::of_node(object, node)),
            Self::Tree(members) => members.get(name).map(Json::from),
        }
    }

    /// The names of the members, sorted.
    pub(crate) fn names(self) -> Vec<&'j str> {
        let mut names: Vec<&str> = match self {
            Self::Flat(object, span) => {
                object.nodes(span).iter().step_by(2).filter_map(|node| Json::of_node(object, node).as_text()).collect()
            }
            Self::Tree(members) => members.keys().map(String::as_str).collect(),
        };
        names.sort_unstable();
        names
    }
}

impl<'j> From<&'j Map<String, Value>> for JsonObject<'j> {
    fn from(members: &'j Map<String, Value>) -> Self {
        Self::Tree(members)
    }
}

impl<'j> From<&'j FlatObject> for JsonObject<'j> {
    fn from(object: &'j FlatObject) -> Self {
        Self::Flat(object, object.members())
    }
}
