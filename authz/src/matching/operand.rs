//! What a value is compared with: a constant, or something of the request itself.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde_json::Value;

use super::number::EXACT;
use crate::document::Node;
use crate::http::AccessRequest;
use crate::json::Json;
use crate::time::UnixTime;

/// The captures of a path, by name.
pub(crate) type Captures<'r> = Vec<(&'r str, Cow<'r, str>)>;

/// What operands may speak of where they are read.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'s> {
    /// Constants only.
    Constants,
    /// A request too, and these captures of its path.
    Request(&'s [String]),
}

/// What operands speak of.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts<'f> {
    pub(crate) request: Option<&'f AccessRequest<'f>>,
    /// Made when they are first asked for.
    pub(crate) captures: Option<&'f dyn Deref<Target = Captures<'f>>>,
    pub(crate) now: Option<UnixTime>,
}

impl<'f> Facts<'f> {
    /// The segment of the path that a variable stands for.
    pub(crate) fn capture(&self, name: &str) -> Option<&'f str> {
        self.captures?.iter().find(|(capture, _)| *capture == name).map(|(_, value)| &**value)
    }
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Constant(Value),
    Method,
    Host,
    /// The segment of the path that a variable of the target stands for.
    Capture(String),
}

impl Operand {
    pub(super) fn read(node: &Node<'_>, scope: Scope<'_>) -> Option<Self> {
        let Value::Object(_) = node.value() else {
            return scalar(node).map(Self::Constant);
        };
        let Scope::Request(captures) = scope else {
            return node.refuse("must be a string, a number, a boolean or null: here is no request to compare with");
        };
        let fields = node.object(&["request", "capture"])?;
        match (fields.optional("request"), fields.optional("capture")) {
            (Some(attribute), None) => match attribute.text()? {
                "method" => Some(Self::Method),
                "host" => Some(Self::Host),
                other => attribute.refuse(format!("`{other}` is not known of a request; write `method` or `host`")),
            },
            (None, Some(capture)) => {
                let name = capture.text()?;
                if captures.iter().any(|known| known == name) {
                    return Some(Self::Capture(name.to_owned()));
                }
                capture
                    .refuse(format!("`{name}` is not a variable of every path of the target; write `{{{name}}}` there"))
            }
            _ => node.refuse("needs exactly one of `request` and `capture`"),
        }
    }

    /// Whether its values are of a type: those for which `is_of_type` holds.
    pub(super) fn is_of_type(&self, is_of_type: impl Fn(&Value) -> bool) -> bool {
        match self {
            Self::Constant(value) => is_of_type(value),
            Self::Method | Self::Host | Self::Capture(_) => is_of_type(&Value::String(String::new())),
        }
    }

    /// The value; none if the request does not have it.
    pub(super) fn resolve<'v>(&'v self, facts: &'v Facts<'_>) -> Option<Json<'v>> {
        match self {
            Self::Constant(value) => Some(value.into()),
            Self::Method => facts.request.map(|request| Json::Text(request.method)),
            Self::Host => facts.request.map(|request| Json::Text(request.host.as_str())),
            Self::Capture(name) => facts.capture(name).map(Json::Text),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => value.fmt(f),
            Self::Method => f.write_str("the method"),
            Self::Host => f.write_str("the host"),
            Self::Capture(name) => write!(f, "{{{name}}} of the path"),
        }
    }
}

fn scalar(node: &Node<'_>) -> Option<Value> {
    match node.value() {
        Value::Array(_) | Value::Object(_) => node.refuse("must be a string, a number, a boolean or null"),
        Value::Number(number) if number.is_f64() && number.as_f64().is_none_or(|number| number.abs() >= EXACT) => {
            node.refuse("is not exact as a number; have the issuer write it as a string")
        }
        scalar => Some(scalar.clone()),
    }
}
