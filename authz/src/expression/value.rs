//! Values while an expression is evaluated. What is in a token or a request is borrowed, never copied.

use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::Number;

use super::failure::Failure;
use super::moment::{Duration, Timestamp};
use super::syntax::Literal;
use super::types::Kind;
use crate::json::{Json, JsonList, JsonObject};

/// A value of CEL.
#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'v>),
    Timestamp(Timestamp),
    Duration(Duration),
    Address(IpAddr),
    List(List<'v>),
    Map(Map<'v>),
}

#[derive(Clone, Debug)]
pub(crate) enum Text<'v> {
    Borrowed(&'v str),
    Made(Rc<str>),
}

#[derive(Clone, Debug)]
pub(crate) enum List<'v> {
    Json(JsonList<'v>),
    Texts(&'v [String]),
    Made(Rc<[Value<'v>]>),
}

#[derive(Clone, Debug)]
pub(crate) enum Map<'v> {
    Json(JsonObject<'v>),
    Made(Rc<[(Value<'v>, Value<'v>)]>),
}

/// Below 2^53 every whole number has a floating-point form of its own.
pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;

impl<'v> Value<'v> {
    /// A value of a token. Whole numbers are whole, whatever their size; one that had to be rounded is none at all, because it would be
    /// equal to its neighbours.
    pub(crate) fn from_json(json: impl Into<Json<'v>>) -> Result<Self, Failure> {
        Ok(match json.into() {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Self::from_number(number)?,
            Json::Text(text) => Self::Text(Text::Borrowed(text)),
            Json::List(items) => Self::List(List::Json(items)),
            Json::Object(members) => Self::Map(Map::Json(members)),
        })
    }

    /// All claims of a token.
    pub(crate) const fn from_claims(claims: JsonObject<'v>) -> Self {
        Self::Map(Map::Json(claims))
    }

    /// A number as a double, where that is exact.
    pub(crate) fn double(json: &serde_json::Value) -> Option<Self> {
        json.as_f64().filter(|number| number.abs() < EXACT).map(Self::Double)
    }

    fn from_number(number: &Number) -> Result<Self, Failure> {
        if let Some(number) = number.as_i64() {
            return Ok(Self::Int(number));
        }
        if let Some(number) = number.as_u64() {
            return Ok(Self::Uint(number));
        }
        number.as_f64().filter(|number| number.abs() < EXACT).map(Self::Double).ok_or(Failure::Inexact)
    }

    pub(super) fn from_literal(literal: &'v Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Int(number) => Self::Int(*number),
            Literal::Uint(number) => Self::Uint(*number),
            Literal::Double(number) => Self::Double(*number),
            Literal::Text(text) => Self::Text(Text::Borrowed(text)),
            Literal::Timestamp(timestamp) => Self::Timestamp(*timestamp),
            Literal::Duration(duration) => Self::Duration(*duration),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Uint(_) => Kind::Uint,
            Self::Double(_) => Kind::Double,
            Self::Text(_) => Kind::Text,
            Self::Timestamp(_) => Kind::Timestamp,
            Self::Duration(_) => Kind::Duration,
            Self::Address(_) => Kind::Address,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'v> List<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Texts(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    /// The item at a place; none beyond the end.
    pub(super) fn get(&self, index: usize) -> Option<Result<Value<'v>, Failure>> {
        match self {
            Self::Json(items) => items.get(index).map(Value::from_json),
            Self::Texts(items) => items.get(index).map(|text| Ok(Value::Text(Text::Borrowed(text)))),
            Self::Made(items) => items.get(index).cloned().map(Ok),
        }
    }
}

impl<'v> Map<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(members) => members.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    pub(super) fn keys(&self) -> List<'v> {
        let keys = match self {
            Self::Json(members) => members.names().into_iter().map(|name| Value::Text(Text::Borrowed(name))).collect(),
            Self::Made(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
        };
        List::Made(keys)
    }

    /// The value under a key; none if there is none.
    pub(super) fn get(&self, key: &Value<'_>) -> Option<Result<Value<'v>, Failure>> {
        match (self, key) {
            (Self::Json(members), Value::Text(name)) => members.get(name).map(Value::from_json),
            (Self::Json(_), _) => None,
            (Self::Made(entries), key) => {
                entries.iter().find(|(known, _)| known.is_same_key(key)).map(|(_, value)| Ok(value.clone()))
            }
        }
    }
}
