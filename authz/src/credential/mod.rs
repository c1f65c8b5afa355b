//! Credentials: where they stand in a request, what kind each is, and what it takes to believe them.
//!
//! Absent, malformed and present are three states; and every credential that is presented must hold, so that a request is
//! never decided on the convenient one.

mod api_key;
mod cookie;
mod dpop;
mod peer;
mod place;
mod query;

use std::borrow::Cow;
use std::rc::Rc;

pub(crate) use api_key::ApiKeys;
pub(crate) use cookie::without as cookies_without;
pub(crate) use place::Place;
pub(crate) use query::without as target_without;

use crate::document::{Node, Unique};
use crate::http::{AccessRequest, RequestHead};
use crate::jose::proof_algorithms;
use crate::jwt::TrustedIssuers;
use crate::policy::{IssuerSet, Names};
use crate::principal::{Confirmation, Identity, Principal};
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::use_once::UseOnce;
use dpop::DpopSettings;
use place::HeaderPlaces;

/// The scheme of tokens that are bound to a key (RFC 9449 section 7.1).
const DPOP: &str = "DPoP";

/// The credentials that a bundle knows, in the order in which rules number them.
#[derive(Debug)]
pub(crate) struct Credentials {
    credentials: Vec<Credential>,
    headers: HeaderPlaces,
}

/// One kind of credential.
#[derive(Debug)]
struct Credential {
    kind: Kind,
    places: Vec<Place>,
    /// Whether it is removed before the request goes upstream.
    strip: bool,
}

#[derive(Debug)]
enum Kind {
    /// A JWT of one of these issuers; none stands for all. With settings for proofs of possession, if any are understood.
    Jwt { issuers: Option<Vec<IssuerSet>>, dpop: Option<DpopSettings>, certificate_bound: bool },
    /// An API key.
    ApiKey,
    /// The certificate of the peer.
    Peer,
}

/// A credential that was presented: which, where, and its bytes.
#[derive(Debug)]
pub(crate) struct Presented<'r> {
    credential: usize,
    place: Place,
    value: Cow<'r, [u8]>,
}

impl Default for Credentials {
    /// A bearer token in `Authorization` (RFC 6750 section 2.1).
    fn default() -> Self {
        let bearer = Credential {
            kind: Kind::Jwt { issuers: None, dpop: None, certificate_bound: false },
            places: vec![Place::bearer()],
            strip: false,
        };
        Self::new(vec![bearer])
    }
}

impl Credentials {
    fn new(credentials: Vec<Credential>) -> Self {
        let headers = HeaderPlaces::of(credentials.iter().map(|credential| credential.places.as_slice()));
        Self { credentials, headers }
    }

    pub(crate) fn read(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        let (unique_names, unique_places) = (Unique::default(), Unique::default());
        let credentials = node.filled_list(|item| Credential::read(item, names, &unique_names, &unique_places))?;
        Some(Self::new(credentials))
    }

    /// Whether the certificate of the peer is wanted.
    pub(crate) fn need_peer(&self) -> bool {
        let needs = |kind: &Kind| matches!(kind, Kind::Peer | Kind::Jwt { certificate_bound: true, .. });
        self.credentials.iter().any(|credential| needs(&credential.kind))
    }

    /// The credentials in a request, each at most once.
    ///
    /// # Errors
    ///
    /// [`Reason::CredentialRepeated`] or [`Reason::CredentialMalformed`].
    pub(crate) fn find<'r>(&self, head: &RequestHead<'r>) -> Result<Vec<Presented<'r>>, Reason> {
        let mut found = self.headers.find(head)?;
        for (index, credential) in self.credentials.iter().enumerate() {
            if let (Kind::Peer, Some(_)) = (&credential.kind, &head.peer) {
                found.push(Presented { credential: index, place: Place::Connection, value: Cow::Borrowed(b"") });
            }
            for place in &credential.places {
                let values = match place {
                    Place::Header { .. } | Place::Connection => continue,
                    Place::Cookie(name) => cookie::values(head, name),
                    Place::Query(name) => query::values(head, name)?,
                };
                found.extend(values.into_iter().map(|value| Presented {
                    credential: index,
                    place: place.clone(),
                    value,
                }));
            }
        }
        found.sort_by_key(|presented| presented.credential);
        let repeated = found.iter().zip(found.iter().skip(1)).any(|(one, next)| one.credential == next.credential);
        if repeated { Err(Reason::CredentialRepeated) } else { Ok(found) }
    }

    /// Verifies every credential that was presented. One that does not hold refuses the request, on public paths too: it
    /// is never taken for absent.
    pub(crate) fn authenticate(&self, presented: &[Presented<'_>], scene: &Scene<'_>) -> Result<Principal, Reason> {
        let mut principal = Principal::default();
        for presented in presented {
            let credential = self.credentials.get(presented.credential).ok_or(Reason::CredentialMalformed)?;
            let (identity, once) = credential.verify(presented, scene)?;
            principal.identities.push((presented.credential, identity));
            principal.use_once.extend(once);
        }
        Ok(principal)
    }

    /// The challenges for a client that has sent no credential: what it may send. For a kind of credential that HTTP has no
    /// name for, `Bearer` stands, because a 401 must have a challenge (RFC 9110 section 15.5.2).
    pub(crate) fn challenges(&self) -> Vec<String> {
        let accepts = |scheme: &str| {
            let places = self.credentials.iter().flat_map(|credential| &credential.places);
            places.into_iter().any(|place| place.has_scheme(scheme))
        };
        let (bearer, dpop) = (accepts("Bearer"), accepts(DPOP));
        let mut challenges = Vec::new();
        if bearer || !dpop {
            challenges.push("Bearer".to_owned());
        }
        if dpop {
            // RFC 9449 section 7.1 and figure 18.
            let algorithms = proof_algorithms().collect::<Vec<_>>().join(" ");
            challenges.push(format!(r#"{DPOP} algs="{algorithms}""#));
        }
        challenges
    }

    /// The places from which credentials are removed before the request goes upstream.
    pub(crate) fn stripped<'p>(&self, presented: &'p [Presented<'_>]) -> impl Iterator<Item = &'p Place> {
        let strip = |presented: &&Presented<'_>| {
            self.credentials.get(presented.credential).is_some_and(|credential| credential.strip)
        };
        presented.iter().filter(strip).map(|presented| &presented.place)
    }
}

/// What credentials are verified with.
pub(crate) struct Scene<'s> {
    pub(crate) head: &'s RequestHead<'s>,
    pub(crate) request: &'s AccessRequest<'s>,
    pub(crate) issuers: &'s TrustedIssuers,
    pub(crate) api_keys: &'s ApiKeys,
    pub(crate) now: UnixTime,
}

impl Scene<'_> {
    /// Whether the connection has the certificate with this thumbprint.
    fn is_certificate(&self, thumbprint: &str) -> bool {
        self.head.peer.as_ref().and_then(peer::thumbprint).is_some_and(|actual| actual == thumbprint)
    }
}

impl Credential {
    fn verify(&self, presented: &Presented<'_>, scene: &Scene<'_>) -> Result<(Rc<Identity>, Option<UseOnce>), Reason> {
        let (accepted, dpop, certificate_bound) = match &self.kind {
            Kind::ApiKey => return Ok((Rc::new(scene.api_keys.authenticate(&presented.value, scene.now)?), None)),
            Kind::Peer => {
                let certificate = scene.head.peer.as_ref().ok_or(Reason::CredentialMalformed)?;
                return Ok((Rc::new(peer::identity(certificate)?), None));
            }
            Kind::Jwt { issuers, dpop, certificate_bound } => (issuers.as_deref(), dpop.as_ref(), *certificate_bound),
        };
        let identity = scene.issuers.authenticate(&presented.value, accepted, scene.now)?;
        // A token that is bound to a key is not a bearer token: whoever stole it does not have the key. And the other way
        // round, what is sent as bound must be (RFC 9449 section 7.1 and 7.2).
        let once = match (&identity.confirmation, presented.place.has_scheme(DPOP), dpop) {
            (Confirmation::None, false, _) => None,
            (Confirmation::Key(jkt), true, Some(dpop)) => {
                Some(dpop.verify(scene.head, scene.request, &presented.value, jkt, scene.now)?)
            }
            // RFC 8705 section 3: the certificate of this connection, and no other.
            (Confirmation::Certificate(wanted), false, _) if certificate_bound && scene.is_certificate(wanted) => None,
            _ => return Err(Reason::ProofMissing),
        };
        Ok((identity, once))
    }

    fn read(node: &Node<'_>, names: &Names<'_>, unique_names: &Unique, unique_places: &Unique) -> Option<Self> {
        let fields = node.object(&["name", "type", "from", "issuers", "dpop", "certificate_bound", "strip"])?;
        let name = fields.required("name").and_then(|node| unique_names.claim("credential", node.text()?, &node));
        let issuers = fields
            .optional("issuers")
            .map_or(Some(None), |node| node.filled_list(|item| names.issuers(item)).map(Some));
        let dpop = fields.optional("dpop").map_or(Some(None), |node| DpopSettings::read(&node).map(Some));
        let certificate_bound = fields.optional("certificate_bound").map_or(Some(false), |node| node.flag());
        let strip = fields.optional("strip").map_or(Some(false), |node| node.flag());
        let is_jwt_only = ["issuers", "dpop", "certificate_bound"].iter().any(|name| fields.optional(name).is_some());
        let kind = fields.required("type").and_then(|node| match node.text()? {
            "jwt" => Some(Kind::Jwt { issuers: issuers?, dpop: dpop?, certificate_bound: certificate_bound? }),
            "api_key" | "peer" if is_jwt_only => {
                node.refuse("only a JWT has an issuer or a proof; remove `issuers`, `dpop` and `certificate_bound`")
            }
            "api_key" => Some(Kind::ApiKey),
            "peer" if fields.optional("from").is_some() || fields.optional("strip").is_some() => {
                node.refuse("the certificate of the peer is that of the connection; remove `from` and `strip`")
            }
            "peer" => Some(Kind::Peer),
            other => node.refuse(format!("`{other}` is not a type of credential; write `jwt`, `api_key` or `peer`")),
        });
        let places = match kind {
            Some(Kind::Peer) => Some(Vec::new()),
            _ => fields.required("from").and_then(|node| node.filled_list(|item| Place::read(item, unique_places))),
        };
        name?;
        Some(Self { kind: kind?, places: places?, strip: strip? })
    }
}
