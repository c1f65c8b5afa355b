//! What is asked for, by whomever: method, target, headers, and when.

use authz::document::{Fields, Node};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// When something happens that does not say: a Thursday at noon, the same for everybody and for ever. 2026-01-01T12:00:00Z.
const DEFAULT_NOW: u64 = 1_767_268_800;

/// Where something happens that does not say.
const DEFAULT_HOST: &str = "api.example.com";

/// The request without its credentials.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) scheme: String,
    /// The address at the other end of the connection.
    pub(crate) source: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

/// What holds for every trial that does not say.
pub(crate) struct Defaults {
    /// In seconds since 1970.
    pub(crate) now: u64,
    pub(crate) host: String,
    /// The address at the other end of the connection.
    pub(crate) source: Option<String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { now: DEFAULT_NOW, host: DEFAULT_HOST.to_owned(), source: None }
    }
}

impl Defaults {
    /// The fields `now`, `host` and `source`, where they are there.
    pub(crate) fn read(fields: &Fields<'_>) -> Option<Self> {
        let standard = Self::default();
        let (now, host, source) = (read_now(fields, standard.now), text(fields, "host"), text(fields, "source"));
        Some(Self { now: now?, host: host?.unwrap_or(standard.host), source: source? })
    }
}

/// The field `now`: RFC 3339, or seconds since 1970.
pub(super) fn read_now(fields: &Fields<'_>, default: u64) -> Option<u64> {
    let Some(node) = fields.optional("now") else {
        return Some(default);
    };
    let Value::String(text) = node.value() else {
        return node.integer(0..=1 << 53);
    };
    let seconds = OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).or_else(|| {
        node.refuse(format!("`{text}` is not a time like `2026-01-01T12:00:00Z` (RFC 3339), or seconds since 1970"))
    })
}

/// `GET /orders`, or an object.
pub(super) fn read_request(node: &Node<'_>, defaults: &Defaults) -> Option<Request> {
    if let Value::String(line) = node.value() {
        let Some((method, target)) = line.split_once(' ') else {
            return node.refuse(format!("`{line}` is not a method and a path, such as `GET /orders`"));
        };
        return Some(Request {
            method: method.to_owned(),
            target: target.to_owned(),
            host: defaults.host.clone(),
            scheme: "https".to_owned(),
            source: defaults.source.clone(),
            headers: Vec::new(),
        });
    }
    let fields = node.object(&["method", "path", "host", "scheme", "source", "headers"])?;
    let (method, target) = (text(&fields, "method"), fields.required("path").and_then(|node| node.text()));
    let (host, scheme, source) = (text(&fields, "host"), text(&fields, "scheme"), text(&fields, "source"));
    let headers = fields.optional("headers").map_or(Some(Vec::new()), |node| read_headers(&node));
    Some(Request {
        method: method?.unwrap_or_else(|| "GET".to_owned()),
        target: target?.to_owned(),
        host: host?.unwrap_or_else(|| defaults.host.clone()),
        scheme: scheme?.unwrap_or_else(|| "https".to_owned()),
        source: source?.or_else(|| defaults.source.clone()),
        headers: headers?,
    })
}

/// Names with a value each, or with a list of values for a header that is repeated.
fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let fields = node.open_object()?;
    let mut headers = Vec::new();
    for name in names(node) {
        let node = fields.optional(name)?;
        let values = match node.value() {
            Value::Array(_) => node.texts()?,
            Value::String(value) => vec![value.clone()],
            _ => vec![node.text()?.to_owned()],
        };
        headers.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Some(headers)
}

/// The names of the members of an object.
pub(crate) fn names<'n>(node: &Node<'n>) -> impl Iterator<Item = &'n String> {
    node.value().as_object().into_iter().flat_map(Map::keys)
}
/// A field that is text, if it is there.
pub(super) fn text(fields: &Fields<'_>, name: &'static str) -> Option<Option<String>> {
    fields.optional(name).map_or(Some(None), |node| node.text().map(|text| Some(text.to_owned())))
}
