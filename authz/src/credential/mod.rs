//! Credentials: where they stand in a request, what kind each is, and what it takes to believe them.
//!
//! Absent, malformed and present are three states; and every credential that is presented must hold, so that a request is
//! never decided on the convenient one.

mod api_key;
mod cookie;
mod dpop;
mod forwarded;
mod hop;
mod kind;
mod nonce;
mod peer;
mod place;
mod scheme;

use std::borrow::Cow;

pub(crate) use api_key::ApiKeys;
pub(crate) use cookie::without as cookies_without;
pub(crate) use place::Place;
pub(crate) use scheme::Scheme;

pub(crate) use hop::Hop;
pub(crate) use kind::Scene;

use serde_json::{Value, json};

use crate::document::{Node, Unique};
use crate::http::{RequestHead, query};
use crate::jose::proof_algorithms;
use crate::jwt::Interruption;
use crate::policy::Names;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::UnixTime;
use kind::Credential;
use peer::PeerSource;
use place::HeaderPlaces;

/// The credentials that a bundle knows, in the order in which rules number them.
#[derive(Debug)]
pub(crate) struct Credentials {
    credentials: Vec<Credential>,
    headers: HeaderPlaces,
    /// Whether they may stand elsewhere than in headers.
    are_elsewhere: bool,
    /// Whether there is something to strip, whatever the rules say.
    strip: bool,
    need_peer: bool,
    need_source: bool,
}

/// A credential that was presented: which, where, and its bytes.
#[derive(Debug)]
pub(crate) struct Presented<'r> {
    credential: usize,
    place: &'r Place,
    value: Cow<'r, [u8]>,
}

impl Default for Credentials {
    /// A bearer token in `Authorization` (RFC 6750 section 2.1).
    fn default() -> Self {
        Self::new(vec![Credential::bearer()])
    }
}

impl Credentials {
    fn new(credentials: Vec<Credential>) -> Self {
        let headers = HeaderPlaces::of(credentials.iter().map(|credential| credential.places.as_slice()));
        let is_elsewhere = |place: &Place| !matches!(place, Place::Header { .. });
        let are_elsewhere = credentials
            .iter()
            .any(|credential| credential.peer_source().is_some() || credential.places.iter().any(is_elsewhere));
        let strip = credentials.iter().any(|credential| credential.strip || credential.forwarded_place().is_some());
        let need_peer = credentials.iter().any(Credential::needs_peer);
        let need_source = credentials.iter().filter_map(Credential::peer_source).any(PeerSource::needs_source);
        Self { credentials, headers, are_elsewhere, strip, need_peer, need_source }
    }

    pub(crate) fn read(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        let (unique_names, unique_places) = (Unique::default(), Unique::default());
        let credentials = node.filled_list(|item| Credential::read(item, names, &unique_names, &unique_places))?;
        Some(Self::new(credentials))
    }

    /// Whether the certificate of the peer is wanted.
    pub(crate) const fn need_peer(&self) -> bool {
        self.need_peer
    }

    /// Whether a certificate may be a credential.
    pub(crate) fn have_peers(&self) -> bool {
        self.credentials.iter().any(|credential| credential.peer_source().is_some())
    }

    /// Whether something that credentials bring along may be used once.
    pub(crate) fn use_once(&self) -> bool {
        self.credentials.iter().any(Credential::takes_proofs)
    }

    /// Whether credentials have to be removed from the target of a request; `all` are removed if a rule says so.
    pub(crate) fn edit_targets(&self, all: bool) -> bool {
        let is_stripped = |credential: &&Credential| all || credential.strip;
        let mut places = self.credentials.iter().filter(is_stripped).flat_map(|credential| &credential.places);
        places.any(|place| place.query_parameter().is_some())
    }

    /// Whether the address at the other end of the connection is wanted.
    pub(crate) const fn need_source(&self) -> bool {
        self.need_source
    }

    /// Where the credential with this index is, if it is the certificate of a peer.
    fn peer_source(&self, index: usize) -> Option<&PeerSource> {
        self.credentials.get(index)?.peer_source()
    }

    /// The credentials in a request, each at most once.
    ///
    /// # Errors
    ///
    /// [`Reason::CredentialRepeated`] or [`Reason::CredentialMalformed`].
    pub(crate) fn find<'r>(&'r self, head: &RequestHead<'r>) -> Result<Vec<Presented<'r>>, Reason> {
        let mut found = self.headers.find(head)?;
        if !self.are_elsewhere && found.len() < 2 {
            return Ok(found);
        }
        for (index, credential) in self.credentials.iter().enumerate() {
            found.extend(credential.find_peer(index, head)?);
            for place in &credential.places {
                let values = match place {
                    Place::Header { .. } | Place::Connection => continue,
                    Place::Cookie(name) => cookie::values(head, name),
                    Place::Query(name) => query::values(head, name)?,
                };
                found.extend(values.into_iter().map(|value| Presented { credential: index, place, value }));
            }
        }
        found.sort_by_key(|presented| presented.credential);
        let repeated = found.iter().zip(found.iter().skip(1)).any(|(one, next)| one.credential == next.credential);
        if repeated { Err(Reason::CredentialRepeated) } else { Ok(found) }
    }

    /// Verifies every credential that was presented. One that does not hold refuses the request, on public paths too: it
    /// is never taken for absent.
    pub(crate) fn authenticate(
        &self,
        presented: &[Presented<'_>],
        scene: &Scene<'_>,
    ) -> Result<Principal, Interruption> {
        let identities = Vec::with_capacity(presented.len());
        let (mut principal, mut pending) = (Principal { identities, ..Principal::default() }, None);
        for presented in presented {
            let credential = self.credentials.get(presented.credential).ok_or(Reason::CredentialMalformed)?;
            match credential.verify(presented, self, scene) {
                Ok((identity, once)) => {
                    principal.identities.push((presented.credential, identity));
                    principal.use_once.extend(once);
                }
                // Nobody is asked about a request that another of its credentials refuses.
                Err(Interruption::Pending(question)) => pending = pending.or(Some(question)),
                Err(refused @ Interruption::Refused(_)) => return Err(refused),
            }
        }
        pending.map_or(Ok(principal), |question| Err(Interruption::Pending(question)))
    }

    /// The schemes that a client may use; `Bearer` if there is none that HTTP has a name for.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = Scheme> {
        let accepts = |scheme: Scheme| {
            let mut places = self.credentials.iter().flat_map(|credential| &credential.places);
            places.any(|place| place.has_scheme(scheme))
        };
        let (bearer, dpop) = (accepts(Scheme::Bearer), accepts(Scheme::Dpop));
        let bearer = (bearer || !dpop).then_some(Scheme::Bearer);
        bearer.into_iter().chain(dpop.then_some(Scheme::Dpop))
    }

    /// What the metadata of the resource can say of credentials (RFC 9728 section 2).
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let places = || self.credentials.iter().filter(|credential| credential.is_jwt()).flat_map(|one| &one.places);
        let in_header = places().any(|place| place.has_scheme(Scheme::Bearer)).then_some("header");
        let in_query = places().any(|place| place.query_parameter() == Some("access_token")).then_some("query");
        let methods = in_header.into_iter().chain(in_query).collect::<Vec<_>>();
        let algorithms = places().any(|place| place.has_scheme(Scheme::Dpop)).then(|| proof_algorithms().collect());
        let certificate_bound = self.credentials.iter().any(Credential::takes_certificate_bound_tokens);
        [
            Some(("bearer_methods_supported", json!(methods))),
            algorithms.map(|names: Vec<_>| ("dpop_signing_alg_values_supported", json!(names))),
            certificate_bound.then_some(("tls_client_certificate_bound_access_tokens", json!(true))),
        ]
        .into_iter()
        .flatten()
    }

    /// The scheme in which credentials were presented.
    pub(crate) fn scheme_of(presented: &[Presented<'_>]) -> Scheme {
        let is_dpop = presented.iter().any(|presented| presented.place.has_scheme(Scheme::Dpop));
        if is_dpop { Scheme::Dpop } else { Scheme::Bearer }
    }

    /// The nonce that the next proof with this credential must have.
    pub(crate) fn nonce_for(&self, presented: &[Presented<'_>], now: UnixTime) -> Option<String> {
        let is_dpop = |presented: &&Presented<'_>| presented.place.has_scheme(Scheme::Dpop);
        presented.iter().filter(is_dpop).find_map(|presented| self.credentials.get(presented.credential)?.nonce(now))
    }

    /// Whether a hop that is believed may set the header of this name, in whatever spelling, and nobody else.
    pub(crate) fn owns_header(&self, name: &[u8]) -> bool {
        let mut places = self.credentials.iter().filter_map(Credential::forwarded_place);
        places.any(|place| place.is_alias(name))
    }

    /// The places from which credentials are removed before the request goes upstream, and the headers in which somebody
    /// who is not believed said who the peer is.
    pub(crate) fn stripped<'p>(&'p self, presented: &'p [Presented<'_>], all: bool) -> Vec<&'p Place> {
        if !all && !self.strip {
            return Vec::new();
        }
        let strip = move |presented: &&Presented<'_>| {
            all || self.credentials.get(presented.credential).is_some_and(|credential| credential.strip)
        };
        let is_presented = |index: usize| presented.iter().any(|presented| presented.credential == index);
        let ignored = self.credentials.iter().enumerate().filter(move |(index, _)| !is_presented(*index));
        let ignored = ignored.filter_map(|(_, credential)| credential.forwarded_place());
        presented.iter().filter(strip).map(|presented| presented.place).chain(ignored).collect()
    }
}
