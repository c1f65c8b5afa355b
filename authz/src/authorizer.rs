//! One request's journey, from bytes to what the proxy has to do.

use std::rc::Rc;

use crate::bundle::Bundle;
use crate::credential::{Credentials, Place, Scene};
use crate::decision::Decision;
use crate::effect::{self, Action, IdentityHeaders, Reply};
use crate::http::{AccessRequest, RequestHead};
use crate::policy::{Challenge, Verdict};
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
}

impl Authorization {
    const fn reply(decision: Decision, reply: Reply) -> Self {
        Self { decision, action: Action::Reply(reply), use_once: Vec::new() }
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
            return self.refuse(Reason::BundleMissing);
        };
        match self.judge(bundle, head, now) {
            Ok(authorization) => authorization,
            Err(reason) => self.refuse(reason),
        }
    }

    /// Reads the request, verifies its credentials, asks the policy and draws the conclusion.
    fn judge(&self, bundle: &Bundle, head: &RequestHead<'_>, now: UnixTime) -> Result<Authorization, Reason> {
        if effect::nominates_owned_header(head, &bundle.identity_headers) {
            return Err(Reason::HeaderNominated);
        }
        let request = AccessRequest::parse(head)?;
        let presented = bundle.credentials.find(head)?;
        let scene = Scene { head, request: &request, issuers: &bundle.issuers, api_keys: &bundle.api_keys, now };
        let principal = bundle.credentials.authenticate(&presented, &scene)?;
        if principal.identities.iter().any(|(_, identity)| bundle.revocations.concern(identity, now)) {
            return Err(Reason::CredentialRevoked);
        }
        let verdict = bundle.policy.evaluate(&request, &principal, now);
        let stripped: Vec<&Place> = bundle.credentials.stripped(&presented).collect();
        Ok(self.enforce(verdict, head, &principal, &stripped, &bundle.identity_headers))
    }

    /// Refuses a request that the host could not hand over, or for which it could not do what was decided.
    pub fn host_failure(&self) -> Authorization {
        self.refuse(Reason::HostFailure)
    }

    /// Refuses a request with something that may be used once and was used before.
    pub fn replayed(&self) -> Authorization {
        self.refuse(Reason::CredentialReplayed)
    }

    fn refuse(&self, reason: Reason) -> Authorization {
        Authorization::reply(self.decision(reason, None), self.denied(reason, None))
    }

    fn enforce(
        &self,
        verdict: Verdict,
        head: &RequestHead<'_>,
        principal: &Principal,
        stripped: &[&Place],
        owned: &IdentityHeaders,
    ) -> Authorization {
        let decision = self.decision(verdict.reason, verdict.rule);
        if verdict.reason != Reason::PermittedByRule {
            return Authorization::reply(decision, self.denied(verdict.reason, verdict.challenge.as_ref()));
        }
        let obligations = effect::forward(head, principal, stripped, owned)
            .and_then(|edits| Ok((edits, effect::use_once(principal, verdict.once)?)));
        match obligations {
            Ok((edits, use_once)) => Authorization { decision, action: Action::Forward(edits), use_once },
            Err(reason) => Authorization::reply(decision.denied_for(reason), self.denied(reason, None)),
        }
    }

    fn denied(&self, reason: Reason, challenge: Option<&Challenge>) -> Reply {
        match &self.bundle {
            Some(bundle) => Reply::denied(reason, challenge, &bundle.credentials, bundle.resource_metadata.as_deref()),
            None => Reply::denied(reason, challenge, &Credentials::default(), None),
        }
    }

    fn decision(&self, reason: Reason, rule: Option<Rc<str>>) -> Decision {
        Decision::new(reason, rule, self.bundle.as_ref().map(Bundle::revision))
    }
}
