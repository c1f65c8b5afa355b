//! What a rule obliges us to do with a request that it permits (XACML 3.0 section 7.18). What cannot be done denies.

use super::names::Names;
use crate::document::{Fields, Node, Unique};
use crate::http::{encode_value, is_token_byte, read_owned_name};
use crate::jose::base64url;
use crate::json::Json;
use crate::limits::MAX_IDENTITY_HEADER_BYTES;
use crate::matching::Pointer;
use crate::principal::{Attribute, Principal};

/// The obligations of one rule.
#[derive(Debug, Default)]
pub(crate) struct Obligations {
    /// The index of the credential that may be used once.
    pub(crate) once: Option<usize>,
    /// Headers for the upstream: name and where the value comes from.
    headers: Vec<(String, Source)>,
    /// Whether no credential goes upstream.
    pub(crate) strip_credentials: bool,
    /// Whether the decision is to be kept for auditors.
    pub(crate) audit: bool,
    /// What the host limits the rate of the request by.
    pub(crate) rate_limit: Option<String>,
}

/// Where the value of a header comes from.
#[derive(Debug)]
enum Source {
    Constant(String),
    Claim { credential: usize, pointer: Pointer, is_optional: bool, form: Form },
}

/// The form in which a claim stands in a header.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A scalar as it is, a list of scalars with commas between them.
    Text,
    /// Any value, as compact JSON in base64url: nothing in it can leave the header, and types stay what they are.
    Json,
}

impl Obligations {
    /// Reads the field `obligations` of a rule that is about this credential.
    pub(super) fn read(node: &Node<'_>, names: &Names<'_>, credential: usize) -> Option<Self> {
        let fields = node.object(&["headers", "strip_credentials", "audit", "rate_limit"])?;
        if fields.is_empty() {
            return node.refuse("obliges to nothing; leave it out");
        }
        let unique = Unique::default();
        let headers = fields
            .optional("headers")
            .map_or(Some(Vec::new()), |node| node.filled_list(|item| read_header(item, names, credential, &unique)));
        let flag = |name| fields.optional(name).map_or(Some(false), |node| node.flag());
        let (strip_credentials, audit) = (flag("strip_credentials"), flag("audit"));
        let rate_limit = fields.optional("rate_limit").map_or(Some(None), |node| {
            let text = node.text()?;
            if !text.bytes().all(is_token_byte) {
                return node.refuse(format!("`{text}` is not a descriptor: letters, digits and `-_.`"));
            }
            Some(Some(text.to_owned()))
        });
        Some(Self {
            once: None,
            headers: headers?,
            strip_credentials: strip_credentials?,
            audit: audit?,
            rate_limit: rate_limit?,
        })
    }

    /// The same, and a token of this credential may be used once.
    pub(crate) fn with_once(self, once: Option<usize>) -> Self {
        Self { once, ..self }
    }

    /// The names of the headers that are set.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// Adds the headers that are not set already. None if one of them cannot be expressed.
    pub(crate) fn add_headers(&self, principal: &Principal, set: &mut Vec<(String, Vec<u8>)>) -> Option<()> {
        for (name, source) in &self.headers {
            if set.iter().any(|(known, _)| known == name) {
                continue;
            }
            if let Some(value) = source.value(principal)? {
                set.push((name.clone(), value.into_bytes()));
            }
        }
        Some(())
    }
}

impl Source {
    /// The value; `Some(None)` if it may be absent and is, `None` if it cannot be expressed.
    fn value(&self, principal: &Principal) -> Option<Option<String>> {
        let (credential, pointer, is_optional, form) = match self {
            Self::Constant(value) => return Some(Some(value.clone())),
            Self::Claim { credential, pointer, is_optional, form } => (*credential, pointer, *is_optional, *form),
        };
        let identity = principal.identity(credential)?;
        match pointer.find(identity.claims.all()) {
            Attribute::Present(value) => {
                let value = match form {
                    Form::Text => header_value(value)?,
                    Form::Json => base64url::encode(value.to_json()),
                };
                (value.len() <= MAX_IDENTITY_HEADER_BYTES).then_some(Some(value))
            }
            Attribute::Absent if is_optional => Some(None),
            Attribute::Absent | Attribute::Malformed => None,
        }
    }
}

/// A claim as a header value: a scalar as it is, a list of scalars with commas between them.
fn header_value(value: Json<'_>) -> Option<String> {
    match value {
        Json::Text(text) => Some(encode_value(text)),
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::List(items) => {
            let scalar = |item: Json<'_>| if matches!(item, Json::List(_)) { None } else { header_value(item) };
            items.iter().map(scalar).collect::<Option<Vec<_>>>().map(|values| values.join(","))
        }
        Json::Null | Json::Object(_) => None,
    }
}

fn read_header(node: &Node<'_>, names: &Names<'_>, credential: usize, unique: &Unique) -> Option<(String, Source)> {
    let fields = node.object(&["name", "value", "claim", "as", "credential", "optional"])?;
    let name = fields.required("name").and_then(|node| read_owned_name(&node, unique));
    let source = match (fields.optional("value"), fields.optional("claim")) {
        (Some(value), None) => read_constant(&value, &fields),
        (None, Some(claim)) => read_claim(&claim, &fields, names, credential),
        _ => node.refuse("needs exactly one of `value` and `claim`"),
    };
    Some((name?, source?))
}

fn read_constant(node: &Node<'_>, fields: &Fields<'_>) -> Option<Source> {
    if ["as", "credential", "optional"].iter().any(|name| fields.optional(name).is_some()) {
        return node.refuse("is a constant: it needs no `as` and no `credential`, and is never absent");
    }
    Some(Source::Constant(encode_value(node.text()?)))
}

fn read_claim(node: &Node<'_>, fields: &Fields<'_>, names: &Names<'_>, credential: usize) -> Option<Source> {
    let pointer = Pointer::read(node);
    let credential = fields.optional("credential").map_or(Some(credential), |node| names.credential(&node));
    let is_optional = fields.optional("optional").map_or(Some(false), |node| node.flag());
    let form = fields.optional("as").map_or(Some(Form::Text), |node| read_form(&node));
    Some(Source::Claim { credential: credential?, pointer: pointer?, is_optional: is_optional?, form: form? })
}

fn read_form(node: &Node<'_>) -> Option<Form> {
    match node.text()? {
        "text" => Some(Form::Text),
        "json" => Some(Form::Json),
        other => node.refuse(format!("`{other}` is not a form of a header: `text` or `json`")),
    }
}
