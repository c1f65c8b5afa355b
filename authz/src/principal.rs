//! Who asks, after verification.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::json::{FlatObject, Json, JsonObject};
use crate::record::RecordedIdentity;
use crate::revocation::Fingerprints;
use crate::time::UnixTime;
use crate::use_once::UseOnce;

/// A value taken from claims. Absent, malformed and present are three states, never two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attribute<T> {
    /// None of the claims that may hold it is there.
    #[default]
    Absent,
    /// A claim is there and has the wrong type. Whoever needs the value cannot decide.
    Malformed,
    /// The value.
    Present(T),
}

/// What one verified credential says. Made only by the functions that verify credentials.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// Who vouches: the trusted issuer of a token; none for a credential that the bundle itself vouches for.
    pub(crate) issuer: Option<Rc<str>>,
    /// The claim `sub`; the owner of an API key.
    pub(crate) subject: Attribute<String>,
    pub(crate) client: Attribute<String>,
    pub(crate) tenant: Attribute<String>,
    pub(crate) session: Attribute<String>,
    /// The claim `jti`.
    pub(crate) token_id: Option<String>,
    /// The `kid` of the key that the token was signed with.
    pub(crate) key_id: Option<String>,
    /// The claim `iat`.
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) confirmation: Confirmation,
    /// The time at which the credential stops being good; none if it does not say.
    pub(crate) good_until: Option<UnixTime>,
    pub(crate) audience: Vec<String>,
    pub(crate) scopes: Attribute<Vec<String>>,
    pub(crate) roles: Attribute<Vec<String>>,
    pub(crate) groups: Attribute<Vec<String>>,
    /// The authentication context class (OpenID Connect Core section 2).
    pub(crate) acr: Attribute<String>,
    /// The authentication methods (RFC 8176).
    pub(crate) amr: Attribute<Vec<String>>,
    /// When the end user last authenticated.
    pub(crate) auth_time: Attribute<UnixTime>,
    pub(crate) claims: Claims,
    /// What it may be revoked by among packed revocations.
    pub(crate) fingerprints: Fingerprints,
    /// What records say of it.
    pub(crate) recorded: RecordedIdentity,
}

/// What is said of whoever presents a credential.
#[derive(Debug)]
pub(crate) enum Claims {
    /// As a token says it.
    Token(FlatObject),
    /// As it was put together from something else.
    Made(Map<String, Value>),
}

impl Default for Claims {
    fn default() -> Self {
        Self::Made(Map::new())
    }
}

impl Claims {
    pub(crate) fn all(&self) -> JsonObject<'_> {
        match self {
            Self::Token(claims) => claims.into(),
            Self::Made(claims) => claims.into(),
        }
    }

    /// The value of a claim.
    pub(crate) fn get(&self, name: &str) -> Option<Json<'_>> {
        self.all().get(name)
    }
}

/// What a token is bound to (RFC 7800): who presents it has to prove that they have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// Nothing: whoever bears it may use it.
    #[default]
    None,
    /// The key with this thumbprint (RFC 9449 section 6).
    Key(String),
    /// The certificate with this thumbprint (RFC 8705 section 3.1).
    Certificate(String),
    /// Something that we cannot check, so that it is never good.
    Unknown,
}

/// Who asks: the identities of all credentials that were presented, each fully verified. Anonymous if there are none; a
/// bad credential never ends here.
#[derive(Debug, Default)]
pub(crate) struct Principal {
    /// By the index of the credential in the bundle.
    pub(crate) identities: Vec<(usize, Rc<Identity>)>,
    /// What the credentials brought along that may be used once.
    pub(crate) use_once: Vec<UseOnce>,
}

impl Principal {
    pub(crate) const fn is_anonymous(&self) -> bool {
        self.identities.is_empty()
    }

    /// The identity of the credential with this index.
    pub(crate) fn identity(&self, credential: usize) -> Option<&Identity> {
        self.identities.iter().find(|(index, _)| *index == credential).map(|(_, identity)| &**identity)
    }
}
