//! One request's journey, from bytes to what the proxy has to do.

use std::rc::Rc;

use crate::bundle::Bundle;
use crate::credential::Place;
use crate::decision::Decision;
use crate::effect::{self, Action, IdentityHeaders, Reply};
use crate::http::{AccessRequest, RequestHead};
use crate::policy::Verdict;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::UnixTime;

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
///     method: Some(b"GET"), authority: Some(b"api.example.com"), path: Some(b"/healthz"), headers: vec![],
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
}

impl Authorization {
    /// The decision.
    pub const fn decision(&self) -> &Decision {
        &self.decision
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
        let principal = bundle.credentials.authenticate(&presented, &bundle.issuers, &bundle.api_keys, now)?;
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

    fn refuse(&self, reason: Reason) -> Authorization {
        Authorization { decision: self.decision(reason, None), action: Action::Reply(Reply::denied(reason, None)) }
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
            let reply = Reply::denied(verdict.reason, verdict.challenge.as_ref());
            return Authorization { decision, action: Action::Reply(reply) };
        }
        match effect::forward(head, principal, stripped, owned) {
            Ok(edits) => Authorization { decision, action: Action::Forward(edits) },
            Err(reason) => Authorization {
                decision: decision.denied_for(reason),
                action: Action::Reply(Reply::denied(reason, None)),
            },
        }
    }

    fn decision(&self, reason: Reason, rule: Option<Rc<str>>) -> Decision {
        Decision::new(reason, rule, self.bundle.as_ref().map(Bundle::revision))
    }
}
