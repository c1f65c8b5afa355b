//! Who asks, after verification.

use std::cell::OnceCell;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::json::{FlatObject, Json, JsonObject};
use crate::jwt::ClaimMapping;
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

/// An attribute that is read from the claims when it is first asked for: few rules ask for more than one or two.
#[derive(Debug)]
pub(crate) struct Unread<T>(OnceCell<Attribute<T>>);

impl<T> Default for Unread<T> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

/// One that need not be read.
impl<T> From<Attribute<T>> for Unread<T> {
    fn from(attribute: Attribute<T>) -> Self {
        Self(attribute.into())
    }
}

/// What one verified credential says. Made only by the functions that verify credentials.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// Who vouches: the trusted issuer of a token; none for a credential that the bundle itself vouches for.
    pub(crate) issuer: Option<Rc<str>>,
    /// The claim `sub`; the owner of an API key.
    pub(crate) subject: Unread<String>,
    pub(crate) client: Unread<String>,
    pub(crate) tenant: Attribute<String>,
    pub(crate) session: Unread<String>,
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
    pub(crate) scopes: Unread<Vec<String>>,
    pub(crate) roles: Unread<Vec<String>>,
    pub(crate) groups: Unread<Vec<String>>,
    /// The authentication context class (OpenID Connect Core section 2).
    pub(crate) acr: Unread<String>,
    /// The authentication methods (RFC 8176).
    pub(crate) amr: Unread<Vec<String>>,
    /// When the end user last authenticated.
    pub(crate) auth_time: Unread<UnixTime>,
    pub(crate) claims: Claims,
    /// Which of them are which attribute; none if none is to be read.
    pub(crate) mapping: Option<Rc<ClaimMapping>>,
    /// What it may be revoked by among packed revocations.
    pub(crate) fingerprints: Fingerprints,
    /// What records say of it.
    pub(crate) recorded: RecordedIdentity,
}

impl Identity {
    pub(crate) fn subject(&self) -> &Attribute<String> {
        self.read(&self.subject, ClaimMapping::subject)
    }

    pub(crate) fn client(&self) -> &Attribute<String> {
        self.read(&self.client, ClaimMapping::client)
    }

    pub(crate) fn session(&self) -> &Attribute<String> {
        self.read(&self.session, ClaimMapping::session)
    }

    pub(crate) fn scopes(&self) -> &Attribute<Vec<String>> {
        self.read(&self.scopes, ClaimMapping::scopes)
    }

    pub(crate) fn roles(&self) -> &Attribute<Vec<String>> {
        self.read(&self.roles, ClaimMapping::roles)
    }

    pub(crate) fn groups(&self) -> &Attribute<Vec<String>> {
        self.read(&self.groups, ClaimMapping::groups)
    }

    pub(crate) fn acr(&self) -> &Attribute<String> {
        self.read(&self.acr, ClaimMapping::acr)
    }

    pub(crate) fn amr(&self) -> &Attribute<Vec<String>> {
        self.read(&self.amr, ClaimMapping::amr)
    }

    pub(crate) fn auth_time(&self) -> &Attribute<UnixTime> {
        self.read(&self.auth_time, ClaimMapping::auth_time)
    }

    fn read<'i, T>(
        &'i self,
        attribute: &'i Unread<T>,
        read: fn(&ClaimMapping, JsonObject<'_>) -> Attribute<T>,
    ) -> &'i Attribute<T> {
        attribute
            .0
            .get_or_init(|| self.mapping.as_ref().map(|mapping| read(mapping, self.claims.all())).unwrap_or_default())
    }
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
