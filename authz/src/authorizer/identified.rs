//! The first half of the judgement: who asks for what.

use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::credential::{Credentials, Presented, Scene, Scheme};
use crate::effect::Refusal;
use crate::http::{AccessRequest, RequestHead};
use crate::jwt::{Interruption, Introspection};
use crate::policy::Question;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::UnixTime;

/// Who asks for what, by which credentials.
pub(super) struct Identified<'r> {
    pub(super) request: AccessRequest<'r>,
    pub(super) presented: Vec<Presented<'r>>,
    pub(super) scheme: Scheme,
    pub(super) principal: Principal,
}

/// What ends the judgement of a request before there is a decision by rules.
pub(super) enum Stop {
    Refused(Refusal, Principal),
    Pending(Introspection),
}

impl<R: Into<Refusal>> From<R> for Stop {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into(), Principal::default())
    }
}

impl<'r> Identified<'r> {
    /// Reads the request and verifies its credentials.
    pub(super) fn parse(bundle: &'r Bundle, head: &RequestHead<'r>, now: UnixTime) -> Result<Self, Stop> {
        let request = AccessRequest::parse_for(head, bundle.plain_in_paths)?;
        let presented = bundle.credentials.find(head)?;
        let scheme = Credentials::scheme_of(&presented);
        let refusal = |reason| Refusal { scheme, ..Refusal::from(reason) };
        let scene = Scene { head, request: &request, issuers: &bundle.issuers, api_keys: &bundle.api_keys, now };
        let principal =
            bundle.credentials.authenticate(&presented, &scene).map_err(|interruption| match interruption {
                Interruption::Pending(introspection) => Stop::Pending(introspection),
                Interruption::Refused(Reason::ProofNonceNeeded) => {
                    let nonce = bundle.credentials.nonce_for(&presented, now);
                    Stop::from(Refusal { nonce, ..refusal(Reason::ProofNonceNeeded) })
                }
                Interruption::Refused(reason) => Stop::from(refusal(reason)),
            })?;
        if principal.identities.iter().any(|(_, identity)| bundle.revocations.concern(identity, now)) {
            return Err(Stop::Refused(refusal(Reason::CredentialRevoked), principal));
        }
        Ok(Self { request, presented, scheme, principal })
    }

    /// The same as if a token with these claims had been verified, as the first credential.
    pub(super) fn by_claims(
        bundle: &'r Bundle,
        head: &RequestHead<'r>,
        issuer: &str,
        claims: Map<String, Value>,
        now: UnixTime,
    ) -> Result<Self, Reason> {
        let request = AccessRequest::parse_for(head, bundle.plain_in_paths)?;
        let identity = bundle.issuers.identify(issuer, claims, now)?;
        if bundle.revocations.concern(&identity, now) {
            return Err(Reason::CredentialRevoked);
        }
        let principal = Principal { identities: vec![(0, identity)], ..Principal::default() };
        Ok(Self { request, presented: Vec::new(), scheme: Scheme::default(), principal })
    }

    pub(super) fn question<'q>(&'q self, head: &'q RequestHead<'q>, now: UnixTime) -> Question<'q> {
        Question { request: &self.request, head, principal: &self.principal, now }
    }
}
