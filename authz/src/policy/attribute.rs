//! Attributes that the bundle declares: a risk score, the posture of a device. Each has a name, a type and one place: a claim,
//! or a header that a named hop writes. So rules and expressions speak of `risk` and not of where it comes from.

use std::fmt;
use std::rc::Rc;

use serde_json::{Number, Value};

use super::names::Names;
use crate::credential::{Hop, Place};
use crate::document::{Node, Unique};
use crate::http::RequestHead;
use crate::json::Json;
use crate::matching::Pointer;
use crate::principal::{Attribute, Principal};

/// What values an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttributeType {
    Boolean,
    Number,
    String,
}

/// One attribute.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) kind: AttributeType,
    origin: Origin,
}

/// Where the value comes from.
#[derive(Debug)]
enum Origin {
    /// A claim of the credential with this index.
    Claim { credential: usize, pointer: Pointer },
    /// A header, if one of these hops sent it. From everybody else it is not there, and never goes upstream.
    Header { place: Place, hops: Vec<Hop> },
}

/// All attributes of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Attributes(Vec<Rc<Declaration>>);

impl Attributes {
    pub(crate) fn read(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        let (unique_names, unique_places) = (Unique::default(), Unique::default());
        node.filled_list(|item| Declaration::read(item, names, &unique_names, &unique_places).map(Rc::new)).map(Self)
    }

    /// The attribute that is meant by a name.
    pub(super) fn find(&self, node: &Node<'_>) -> Option<Rc<Declaration>> {
        let name = node.text()?;
        self.0.iter().find(|declaration| declaration.name == name).cloned().or_else(|| {
            node.refuse(format!(
                "`{name}` is not an attribute of this bundle; declare it in `attributes` or correct the name"
            ))
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Declaration>> {
        self.0.iter()
    }

    fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.0.iter().flat_map(|declaration| match &declaration.origin {
            Origin::Claim { .. } => &[],
            Origin::Header { hops, .. } => hops.as_slice(),
        })
    }

    /// Whether the address at the other end of the connection is wanted.
    pub(crate) fn need_source(&self) -> bool {
        self.hops().any(Hop::needs_source)
    }

    /// Whether the certificate of the peer is wanted.
    pub(crate) fn need_peer(&self) -> bool {
        self.hops().any(Hop::needs_peer)
    }

    /// Whether only a hop that is believed may set the header of this name, in whatever spelling.
    pub(crate) fn own_header(&self, name: &[u8]) -> bool {
        self.0.iter().any(|one| matches!(&one.origin, Origin::Header { place, .. } if place.is_alias(name)))
    }

    /// The headers that somebody who is not believed wrote.
    pub(crate) fn unbelieved<'a>(&'a self, head: &RequestHead<'_>) -> impl Iterator<Item = &'a Place> {
        self.0.iter().filter_map(|declaration| match &declaration.origin {
            Origin::Header { place, hops } if !is_believed(hops, head) => Some(place),
            Origin::Header { .. } | Origin::Claim { .. } => None,
        })
    }
}

impl Declaration {
    fn read(node: &Node<'_>, names: &Names<'_>, unique_names: &Unique, unique_places: &Unique) -> Option<Self> {
        let fields = node.object(&["name", "type", "claim", "credential", "header", "by"])?;
        let name = fields.required("name").and_then(|node| {
            let name = node.text()?;
            // So that an expression can say `attributes.risk`.
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            if !plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
                return node
                    .refuse(format!("`{name}` is not a name: lower-case letters, digits and `_`, a letter first"));
            }
            unique_names.claim("attribute", name, &node)?;
            Some(name.to_owned())
        });
        let kind = fields.required("type").and_then(|node| match node.text()? {
            "boolean" => Some(AttributeType::Boolean),
            "number" => Some(AttributeType::Number),
            "string" => Some(AttributeType::String),
            other => node.refuse(format!("`{other}` is not a type; write `boolean`, `number` or `string`")),
        });
        let (claim, header) = (fields.optional("claim"), fields.optional("header"));
        let (credential, by) = (fields.optional("credential"), fields.optional("by"));
        let origin = match (claim, header, credential, by) {
            (Some(claim), None, credential, None) => {
                let credential = credential.map_or(Some(0), |node| names.credential(&node));
                let pointer = Pointer::read(&claim);
                Some(Origin::Claim { credential: credential?, pointer: pointer? })
            }
            (None, Some(header), None, Some(by)) => {
                let place = Place::read_plain_header(&header, unique_places);
                let hops = by.filled_list(Hop::read);
                Some(Origin::Header { place: place?, hops: hops? })
            }
            (None, Some(_), None, None) => {
                node.refuse("anybody can write a header; name in `by` the hops that are believed about it")
            }
            _ => node
                .refuse("comes from a `claim` (of a `credential`), or from a `header` that is written `by` named hops"),
        };
        Some(Self { name: name?, kind: kind?, origin: origin? })
    }

    /// The credential whose claim it is.
    pub(crate) const fn credential(&self) -> Option<usize> {
        match self.origin {
            Origin::Claim { credential, .. } => Some(credential),
            Origin::Header { .. } => None,
        }
    }

    /// The value, of the type that was declared; everything else is malformed.
    pub(crate) fn value(&self, principal: &Principal, head: &RequestHead<'_>) -> Attribute<Value> {
        match &self.origin {
            Origin::Claim { credential, pointer } => {
                let found = principal.identity(*credential).map(|identity| pointer.find(identity.claims.all()));
                match found.unwrap_or_default() {
                    Attribute::Absent => Attribute::Absent,
                    Attribute::Present(value) => self.kind.read(value).map_or(Attribute::Malformed, Attribute::Present),
                    Attribute::Malformed => Attribute::Malformed,
                }
            }
            Origin::Header { hops, .. } if !is_believed(hops, head) => Attribute::Absent,
            Origin::Header { place, .. } => {
                let mut values = head.headers.iter().filter(|(name, _)| place.is_header(name));
                match (values.next(), values.next()) {
                    (None, _) => Attribute::Absent,
                    (Some((_, value)), None) => {
                        self.kind.read_text(value).map_or(Attribute::Malformed, Attribute::Present)
                    }
                    // Nobody knows which one the hop wrote.
                    (Some(_), Some(_)) => Attribute::Malformed,
                }
            }
        }
    }
}

fn is_believed(hops: &[Hop], head: &RequestHead<'_>) -> bool {
    hops.iter().any(|hop| hop.is_at_the_other_end(head))
}

impl AttributeType {
    /// Whether a value is of this type. What is null is of none.
    pub(crate) const fn has(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Boolean, Value::Bool(_)) | (Self::Number, Value::Number(_)) | (Self::String, Value::String(_))
        )
    }

    /// What a claim says, if it is of this type.
    fn read(self, value: Json<'_>) -> Option<Value> {
        match (self, value) {
            (Self::Boolean, Json::Bool(value)) => Some(Value::Bool(value)),
            (Self::Number, Json::Number(number)) => Some(Value::Number(number.clone())),
            (Self::String, Json::Text(text)) => Some(Value::from(text)),
            _ => None,
        }
    }

    /// What a header says, as JSON would: ` 5`, `+5` and `TRUE` are nothing.
    fn read_text(self, value: &[u8]) -> Option<Value> {
        let text = std::str::from_utf8(value).ok()?;
        match self {
            Self::String => Some(Value::from(text)),
            Self::Boolean => text.parse().ok().map(Value::Bool),
            Self::Number if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                serde_json::from_str::<Number>(text).ok().map(Value::Number)
            }
            Self::Number => None,
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
        })
    }
}
