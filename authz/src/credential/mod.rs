//! Credentials: where they stand in a request, what kind each is, and what it takes to believe them.
//!
//! Absent, malformed and present are three states; and every credential that is presented must hold, so that a request is
//! never decided on the convenient one.

mod api_key;
mod cookie;
mod dpop;
mod forwarded;
mod kind;
mod peer;
mod place;
mod query;

use std::borrow::Cow;

pub(crate) use api_key::ApiKeys;
pub(crate) use cookie::without as cookies_without;
pub(crate) use place::Place;
pub(crate) use query::without as target_without;

pub(crate) use kind::Scene;

use crate::document::{Node, Unique};
use crate::http::RequestHead;
use crate::jose::proof_algorithms;
use crate::policy::Names;
use crate::principal::Principal;
use crate::reason::Reason;
use kind::Credential;
use peer::PeerSource;
use place::HeaderPlaces;

/// The scheme of tokens that are bound to a key (RFC 9449 section 7.1).
const DPOP: &str = "DPoP";

/// The credentials that a bundle knows, in the order in which rules number them.
#[derive(Debug)]
pub(crate) struct Credentials {
    credentials: Vec<Credential>,
    headers: HeaderPlaces,
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
        Self::new(vec![Credential::bearer()])
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
        self.credentials.iter().any(Credential::needs_peer)
    }

    /// Whether the address at the other end of the connection is wanted.
    pub(crate) fn need_source(&self) -> bool {
        self.credentials.iter().any(|credential| credential.peer_source().is_some_and(PeerSource::needs_source))
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
    pub(crate) fn find<'r>(&self, head: &RequestHead<'r>) -> Result<Vec<Presented<'r>>, Reason> {
        let mut found = self.headers.find(head)?;
        for (index, credential) in self.credentials.iter().enumerate() {
            found.extend(credential.find_peer(index, head)?);
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
            let (identity, once) = credential.verify(presented, self, scene)?;
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

    /// The places from which credentials are removed before the request goes upstream, and the headers in which somebody
    /// who is not believed said who the peer is.
    pub(crate) fn stripped<'p>(&'p self, presented: &'p [Presented<'_>]) -> impl Iterator<Item = &'p Place> {
        let strip = |presented: &&Presented<'_>| {
            self.credentials.get(presented.credential).is_some_and(|credential| credential.strip)
        };
        let is_presented = |index: usize| presented.iter().any(|presented| presented.credential == index);
        let ignored = self.credentials.iter().enumerate().filter(move |(index, _)| !is_presented(*index));
        let ignored = ignored.filter_map(|(_, credential)| credential.forwarded_place());
        presented.iter().filter(strip).map(|presented| &presented.place).chain(ignored)
    }
}
