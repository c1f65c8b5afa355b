//! Who asks, after verification.

use std::rc::Rc;

use serde_json::{Map, Value};

/// Who asks: nobody in particular, or a verified identity.
#[derive(Debug)]
pub enum Principal {
    /// No credential was presented. A bad credential never ends here.
    Anonymous,
    /// Every check of the credential passed.
    Authenticated(Identity),
}

/// What a verified token says about the principal. Can only be made by validating a token.
#[derive(Debug)]
pub struct Identity {
    pub(super) issuer: Rc<str>,
    pub(super) subject: Option<String>,
    pub(super) scopes: Attribute,
    pub(super) roles: Attribute,
    pub(super) groups: Attribute,
    pub(super) claims: Map<String, Value>,
}

impl Identity {
    /// The trusted issuer (`iss`).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The claim `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The scopes, from the claims that the issuer's mapping names.
    pub const fn scopes(&self) -> &Attribute {
        &self.scopes
    }

    /// The roles, from the claims that the issuer's mapping names.
    pub const fn roles(&self) -> &Attribute {
        &self.roles
    }

    /// The groups, from the claims that the issuer's mapping names.
    pub const fn groups(&self) -> &Attribute {
        &self.groups
    }

    /// All claims of the token.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

/// A set of values taken from claims. Absent, malformed and present are three states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// None of the mapped claims is there.
    Absent,
    /// A mapped claim is there and is not a string or list of strings. Whoever needs it cannot decide.
    Malformed,
    /// The values, in the order of the token.
    Present(Vec<String>),
}
