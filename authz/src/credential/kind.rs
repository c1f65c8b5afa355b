//! One kind of credential: how it is read from the bundle, and what it takes to believe it.

use std::borrow::Cow;
use std::rc::Rc;

use super::dpop::DpopSettings;
use super::forwarded::Forwarded;
use super::peer::PeerSource;
use super::{ApiKeys, Credentials, Place, Presented, Scheme};
use crate::document::{Fields, Node, Unique};
use crate::http::{AccessRequest, RequestHead};
use crate::jwt::{Interruption, TrustedIssuers};
use crate::policy::{IssuerSet, Names};
use crate::principal::{Confirmation, Identity};
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::use_once::UseOnce;

/// A credential that a bundle knows.
#[derive(Debug)]
pub(super) struct Credential {
    kind: Kind,
    pub(super) places: Vec<Place>,
    /// Whether it is removed before the request goes upstream.
    pub(super) strip: bool,
}

#[derive(Debug)]
enum Kind {
    /// A token.
    Jwt(Box<JwtKind>),
    /// An API key.
    ApiKey,
    /// The certificate of the peer.
    Peer(PeerSource),
}

/// A JWT of one of these issuers; none stands for all.
#[derive(Debug, Default)]
struct JwtKind {
    issuers: Option<Vec<IssuerSet>>,
    /// The issuer of tokens that are no JWTs.
    opaque: Option<Rc<str>>,
    dpop: Option<DpopSettings>,
    certificate: Option<Binding>,
}

/// The certificate that tokens may be bound to (RFC 8705 section 3).
#[derive(Clone, Copy, Debug)]
enum Binding {
    /// That of the connection.
    Connection,
    /// That of the credential with this index.
    Credential(usize),
}

/// What credentials are verified with.
pub(crate) struct Scene<'s> {
    pub(crate) head: &'s RequestHead<'s>,
    pub(crate) request: &'s AccessRequest<'s>,
    pub(crate) issuers: &'s TrustedIssuers,
    pub(crate) api_keys: &'s ApiKeys,
    pub(crate) now: UnixTime,
}

impl Binding {
    /// Whether this is the certificate with the thumbprint.
    fn is(self, thumbprint: &str, credentials: &Credentials, scene: &Scene<'_>) -> Result<bool, Reason> {
        let source = match self {
            Self::Connection => Some(&PeerSource::Connection),
            Self::Credential(index) => credentials.peer_source(index),
        };
        let certificate = source.map(|source| source.certificate(scene.head)).transpose()?.flatten();
        Ok(certificate.and_then(|certificate| certificate.thumbprint).is_some_and(|actual| actual == thumbprint))
    }
}

impl Credential {
    /// A bearer token in `Authorization` (RFC 6750 section 2.1).
    pub(super) fn bearer() -> Self {
        Self { kind: Kind::Jwt(Box::default()), places: vec![Place::bearer()], strip: false }
    }

    /// Who says what the certificate of the peer is, if that is the kind.
    pub(super) const fn peer_source(&self) -> Option<&PeerSource> {
        match &self.kind {
            Kind::Peer(source) => Some(source),
            Kind::Jwt(_) | Kind::ApiKey => None,
        }
    }

    pub(super) const fn is_jwt(&self) -> bool {
        matches!(self.kind, Kind::Jwt(_))
    }

    pub(super) fn takes_certificate_bound_tokens(&self) -> bool {
        matches!(&self.kind, Kind::Jwt(jwt) if jwt.certificate.is_some())
    }

    pub(super) fn takes_proofs(&self) -> bool {
        matches!(&self.kind, Kind::Jwt(jwt) if jwt.dpop.is_some())
    }

    /// The nonce that proofs must have at this time, if they need one.
    pub(super) fn nonce(&self, now: UnixTime) -> Option<String> {
        match &self.kind {
            Kind::Jwt(jwt) => jwt.dpop.as_ref()?.nonce(now),
            Kind::ApiKey | Kind::Peer(_) => None,
        }
    }

    pub(super) fn needs_peer(&self) -> bool {
        match &self.kind {
            Kind::Jwt(jwt) => matches!(jwt.certificate, Some(Binding::Connection)),
            Kind::ApiKey => false,
            Kind::Peer(source) => source.needs_peer(),
        }
    }

    /// The header in which a hop says who the peer is.
    pub(super) const fn forwarded_place(&self) -> Option<&Place> {
        match &self.kind {
            Kind::Peer(PeerSource::Forwarded(forwarded)) => Some(forwarded.place()),
            _ => None,
        }
    }

    /// The certificate of the peer, if this is that kind and there is one.
    pub(super) fn find_peer<'r>(
        &'r self,
        index: usize,
        head: &RequestHead<'r>,
    ) -> Result<Option<Presented<'r>>, Reason> {
        let (place, is_there) = match self.peer_source() {
            None => return Ok(None),
            Some(PeerSource::Connection) => (&Place::Connection, head.peer.is_some()),
            Some(PeerSource::Forwarded(forwarded)) => (forwarded.place(), forwarded.find(head)?.is_some()),
        };
        Ok(is_there.then_some(Presented { credential: index, place, value: Cow::Borrowed(b"") }))
    }

    /// Verifies what was presented as this credential.
    pub(super) fn verify(
        &self,
        presented: &Presented<'_>,
        credentials: &Credentials,
        scene: &Scene<'_>,
    ) -> Result<(Rc<Identity>, Option<UseOnce>), Interruption> {
        match &self.kind {
            Kind::ApiKey => Ok((Rc::new(scene.api_keys.authenticate(&presented.value, scene.now)?), None)),
            Kind::Peer(source) => {
                let certificate = source.certificate(scene.head)?.ok_or(Reason::CredentialMalformed)?;
                Ok((Rc::new(certificate.identity()?), None))
            }
            Kind::Jwt(jwt) => jwt.verify(presented, credentials, scene),
        }
    }

    pub(super) fn read(
        node: &Node<'_>,
        names: &Names<'_>,
        unique_names: &Unique,
        unique_places: &Unique,
    ) -> Option<Self> {
        let fields = node.object(&[
            "name",
            "type",
            "from",
            "issuers",
            "opaque",
            "dpop",
            "certificate_bound",
            "forwarded",
            "strip",
        ])?;
        let name = fields.required("name").and_then(|node| unique_names.claim("credential", node.text()?, &node));
        let kind = fields.required("type").and_then(|node| Kind::read(&node, &fields, names, unique_places));
        let strip = fields.optional("strip").map_or(Some(false), |node| node.flag());
        let places = match kind {
            Some(Kind::Peer(_)) => Some(Vec::new()),
            _ => fields.required("from").and_then(|node| node.filled_list(|item| Place::read(item, unique_places))),
        };
        name?;
        let (kind, places) = (kind?, places?);
        // Without it every bound token is refused, and nobody would know why.
        if let (Kind::Jwt(jwt), Some(dpop)) = (&kind, fields.optional("dpop"))
            && jwt.dpop.is_some()
            && !places.iter().any(|place| place.has_scheme(Scheme::Dpop))
        {
            return dpop.refuse("needs a place with the scheme `DPoP` in `from`: that is how bound tokens are sent (RFC 9449 section 7.1)");
        }
        Some(Self { kind, places, strip: strip? })
    }
}

impl Kind {
    fn read(node: &Node<'_>, fields: &Fields<'_>, names: &Names<'_>, unique_places: &Unique) -> Option<Self> {
        let has = |name: &&'static str| fields.optional(name).is_some();
        let (kind, foreign): (_, &[&'static str]) = match node.text()? {
            "jwt" => (JwtKind::read(fields, names).map(Box::new).map(Self::Jwt), &["forwarded"]),
            "api_key" => (Some(Self::ApiKey), &["issuers", "opaque", "dpop", "certificate_bound", "forwarded"]),
            "peer" => match fields.optional("forwarded") {
                Some(node) => (
                    Forwarded::read(&node, unique_places).map(PeerSource::Forwarded).map(Self::Peer),
                    &["from", "issuers", "opaque", "dpop", "certificate_bound"],
                ),
                None => (
                    Some(Self::Peer(PeerSource::Connection)),
                    &["from", "issuers", "opaque", "dpop", "certificate_bound", "strip"],
                ),
            },
            other => {
                return node.refuse(format!("`{other}` is not a type of credential; write `jwt`, `api_key` or `peer`"));
            }
        };
        match foreign.iter().find(|name| has(name)) {
            Some(name) => node.refuse(format!("`{name}` does not go with this type; remove it")),
            None => kind,
        }
    }
}

impl JwtKind {
    fn verify(
        &self,
        presented: &Presented<'_>,
        credentials: &Credentials,
        scene: &Scene<'_>,
    ) -> Result<(Rc<Identity>, Option<UseOnce>), Interruption> {
        let (accepted, opaque) = (self.issuers.as_deref(), self.opaque.as_deref());
        let identity = scene.issuers.authenticate(&presented.value, accepted, opaque, scene.now)?;
        // A token that is bound to a key is not a bearer token: whoever stole it does not have the key. And the other way
        // round, what is sent as bound must be (RFC 9449 section 7.1 and 7.2).
        let is_dpop = presented.place.has_scheme(Scheme::Dpop);
        let once = match (&identity.confirmation, is_dpop, &self.dpop, self.certificate) {
            (Confirmation::None, false, _, _) => None,
            (Confirmation::Key(jkt), true, Some(dpop), _) => {
                Some(dpop.verify(scene.head, scene.request, &presented.value, jkt, scene.now)?)
            }
            // RFC 8705 section 3: this certificate, and no other.
            (Confirmation::Certificate(wanted), false, _, Some(binding))
                if binding.is(wanted, credentials, scene)? =>
            {
                None
            }
            _ => return Err(Reason::ProofMissing.into()),
        };
        Ok((identity, once))
    }

    fn read(fields: &Fields<'_>, names: &Names<'_>) -> Option<Self> {
        let issuers = fields
            .optional("issuers")
            .map_or(Some(None), |node| node.filled_list(|item| names.issuers(item)).map(Some));
        let opaque = fields.optional("opaque").map_or(Some(None), |node| names.introspected(&node).map(Some));
        let dpop = fields.optional("dpop").map_or(Some(None), |node| DpopSettings::read(&node).map(Some));
        let certificate = fields.optional("certificate_bound").map_or(Some(None), |node| {
            if node.value().is_string() {
                return names.peer(&node).map(|index| Some(Binding::Credential(index)));
            }
            node.flag().map(|bound| bound.then_some(Binding::Connection))
        });
        Some(Self { issuers: issuers?, opaque: opaque?, dpop: dpop?, certificate: certificate? })
    }
}
