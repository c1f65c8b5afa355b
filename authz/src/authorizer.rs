//! One request's journey, from bytes to what the proxy has to do.

use std::rc::Rc;

use crate::bundle::Bundle;
use crate::decision::Decision;
use crate::effect::{self, Action, IdentityHeaders, Reply};
use crate::http::{AccessRequest, Credential, RequestHead};
use crate::jwt::Principal;
use crate::policy::Verdict;
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

    /// Decides one request at the time `now`. Never fails: what cannot be judged is denied.
    pub fn authorize(&self, head: &RequestHead<'_>, now: UnixTime) -> Authorization {
        let Some(bundle) = &self.bundle else {
            return self.refuse(Reason::BundleMissing);
        };
        match judge(bundle, head, now) {
            Ok((verdict, principal)) => self.enforce(verdict, head, &principal, &bundle.identity_headers),
            Err(reason) => self.refuse(reason),
        }
    }

    /// Refuses a request that could not even be read from the host.
    pub fn refuse(&self, reason: Reason) -> Authorization {
        Authorization { decision: self.decision(reason, None), action: Action::Reply(Reply::denied(reason, None)) }
    }

    fn enforce(
        &self,
        verdict: Verdict,
        head: &RequestHead<'_>,
        principal: &Principal,
        owned: &IdentityHeaders,
    ) -> Authorization {
        let decision = self.decision(verdict.reason, verdict.rule);
        if verdict.reason != Reason::PermittedByRule {
            let reply = Reply::denied(verdict.reason, verdict.missing_scope.as_deref());
            return Authorization { decision, action: Action::Reply(reply) };
        }
        match effect::forward(head, principal, owned) {
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

/// Reads the request, verifies its credential and asks the policy.
fn judge(bundle: &Bundle, head: &RequestHead<'_>, now: UnixTime) -> Result<(Verdict, Principal), Reason> {
    if effect::nominates_owned_header(head, &bundle.identity_headers) {
        return Err(Reason::HeaderNominated);
    }
    let request = AccessRequest::parse(head)?;
    let principal = match request.credential {
        Credential::Absent => Principal::Anonymous,
        // A bad credential ends the journey here, on public paths too: it is never taken for an anonymous request.
        Credential::Bearer(token) => Principal::Authenticated(bundle.issuers.authenticate(token, now)?),
    };
    Ok((bundle.policy.evaluate(&request, &principal), principal))
}
