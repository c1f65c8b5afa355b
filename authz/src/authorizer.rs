//! One request's journey, from bytes to what the proxy has to do.

use std::rc::Rc;

use crate::bundle::Bundle;
use crate::credential::{Credentials, Place, Scene, Scheme};
use crate::decision::Decision;
use crate::effect::{self, Action, IdentityHeaders, Refusal, Reply, ResourceMetadata};
use crate::http::{AccessRequest, RequestHead};
use crate::policy::Verdict;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::use_once::UseOnce;

/// Decides requests under one bundle, or refuses them all if there is none.
///
/// # Example
///
/// ```
/// use authz::{Action, Authorizer, Bundle, Effect, RequestHead, UnixTime};
///
/// let bundle = Bundle::parse(br#"{
///     "version": 1, "revision": 7, "issuers": [],
///     "rules": [{ "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } }]
/// }"#)?;
/// let authorizer = Authorizer::new(bundle);
///
/// let head = RequestHead {
///     method: Some(b"GET"), authority: Some(b"api.example.com"), path: Some(b"/healthz"), ..RequestHead::default()
/// };
/// let authorization = authorizer.authorize(&head, UnixTime::from_seconds(1_800_000_000));
/// assert_eq!(authorization.decision().effect(), Effect::Permit);
/// assert_eq!(authorization.decision().rule(), Some("health"));
/// assert!(matches!(authorization.action(), Action::Forward(_)));
/// # Ok::<(), authz::BundleErrors>(())
/// ```
#[derive(Debug)]
pub struct Authorizer {
    bundle: Option<Bundle>,
}

/// A decision and what follows from it. Only [`Authorizer`] makes it, so the two cannot disagree.
#[derive(Debug)]
pub struct Authorization {
    decision: Decision,
    action: Action,
    use_once: Vec<UseOnce>,
    scheme: Scheme,
}

impl Authorization {
    const fn reply(decision: Decision, reply: Reply) -> Self {
        Self { decision, action: Action::Reply(reply), use_once: Vec::new(), scheme: Scheme::Bearer }
    }

    /// The decision.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What must not have been used before. It is to be claimed before a request is forwarded; if it was used, or cannot be
    /// claimed, the request must not go on.
    pub fn use_once(&self) -> &[UseOnce] {
        &self.use_once
    }

    /// What the proxy has to do.
    pub const fn action(&self) -> &Action {
        &self.action
    }
}

impl Authorizer {
    /// Decides under `bundle`.
    pub const fn new(bundle: Bundle) -> Self {
        Self { bundle: Some(bundle) }
    }

    /// Refuses every request, by the same path as any other decision: nothing has been configured yet.
    pub const fn closed() -> Self {
        Self { bundle: None }
    }

    /// Whether decisions need the certificate of the peer, which costs the host some calls.
    pub fn needs_peer(&self) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.credentials.need_peer())
    }

    /// Whether decisions need the address at the other end of the connection, which costs the host a call.
    pub fn needs_source(&self) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.credentials.need_source())
    }

    /// Whether only Portcullis may set a header of this name, in whatever spelling.
    pub fn owns_header(&self, name: &[u8]) -> bool {
        self.bundle.as_ref().is_none_or(|bundle| bundle.identity_headers.contains(name))
    }

    /// Decides one request at the time `now`. Never fails: what cannot be judged is denied.
    pub fn authorize(&self, head: &RequestHead<'_>, now: UnixTime) -> Authorization {
        let Some(bundle) = &self.bundle else {
            return self.refuse(Refusal::from(Reason::BundleMissing), None);
        };
        self.judge(bundle, head, now).unwrap_or_else(|refusal| self.refuse(refusal, None))
    }

    /// Reads the request, verifies its credentials, asks the policy and draws the conclusion.
    fn judge(&self, bundle: &Bundle, head: &RequestHead<'_>, now: UnixTime) -> Result<Authorization, Refusal> {
        if effect::nominates_owned_header(head, &bundle.identity_headers) {
            return Err(Refusal::from(Reason::HeaderNominated));
        }
        let request = AccessRequest::parse(head)?;
        if let Some(reply) = bundle.resource_metadata.as_ref().and_then(|metadata| metadata.answer(&request)) {
            return Ok(Authorization::reply(self.decision(Reason::MetadataServed, None), reply));
        }
        let presented = bundle.credentials.find(head)?;
        let scheme = Credentials::scheme_of(&presented);
        let refusal = |reason| Refusal { scheme, ..Refusal::from(reason) };
        let scene = Scene { head, request: &request, issuers: &bundle.issuers, api_keys: &bundle.api_keys, now };
        let principal = bundle.credentials.authenticate(&presented, &scene).map_err(|reason| Refusal {
            nonce: match reason {
                Reason::ProofNonceNeeded => bundle.credentials.nonce_for(&presented, now),
                _ => None,
            },
            ..refusal(reason)
        })?;
        if principal.identities.iter().any(|(_, identity)| bundle.revocations.concern(identity, now)) {
            return Err(refusal(Reason::CredentialRevoked));
        }
        let verdict = bundle.policy.evaluate(&request, &principal, now);
        if verdict.reason != Reason::PermittedByRule {
            let refusal = Refusal { challenge: verdict.challenge, ..refusal(verdict.reason) };
            return Ok(self.refuse(refusal, verdict.rule));
        }
        let stripped: Vec<&Place> = bundle.credentials.stripped(&presented).collect();
        Ok(match permitted(&verdict, head, &principal, &stripped, &bundle.identity_headers) {
            Ok((action, use_once)) => {
                Authorization { decision: self.decision(verdict.reason, verdict.rule), action, use_once, scheme }
            }
            Err(reason) => self.refuse(refusal(reason), verdict.rule),
        })
    }

    /// Refuses a request that the host could not hand over, or for which it could not do what was decided.
    pub fn host_failure(&self) -> Authorization {
        self.refuse(Refusal::from(Reason::HostFailure), None)
    }

    /// Refuses a request that was permitted and has something that may be used once and was used before.
    pub fn replayed(&self, permitted: &Authorization) -> Authorization {
        self.refuse(Refusal { scheme: permitted.scheme, ..Refusal::from(Reason::CredentialReplayed) }, None)
    }

    fn refuse(&self, refusal: Refusal, rule: Option<Rc<str>>) -> Authorization {
        let decision = self.decision(refusal.reason, rule);
        let reply = match &self.bundle {
            Some(bundle) => {
                let metadata = bundle.resource_metadata.as_ref().map(ResourceMetadata::url);
                Reply::refused(refusal, &bundle.credentials, metadata)
            }
            None => Reply::refused(refusal, &Credentials::default(), None),
        };
        Authorization::reply(decision, reply)
    }

    fn decision(&self, reason: Reason, rule: Option<Rc<str>>) -> Decision {
        Decision::new(reason, rule, self.bundle.as_ref().map(Bundle::revision))
    }
}

/// What a permit obliges us to do, or why it cannot be done.
fn permitted(
    verdict: &Verdict,
    head: &RequestHead<'_>,
    principal: &Principal,
    stripped: &[&Place],
    owned: &IdentityHeaders,
) -> Result<(Action, Vec<UseOnce>), Reason> {
    let edits = effect::forward(head, principal, stripped, owned)?;
    Ok((Action::Forward(edits), effect::use_once(principal, verdict.once)?))
}
