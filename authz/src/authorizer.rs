//! One request's journey, from bytes to what the proxy has to do.

mod authorization;
mod identified;
mod refusal;

use std::rc::Rc;

use serde_json::{Map, Value};

pub use authorization::{Authorization, Explanation, Step};
use identified::{Identified, Stop};

use crate::bundle::Bundle;
use crate::credential::Credentials;
use crate::decision::{Decision, Effect, Revision};
use crate::distribution::Freshness;
use crate::effect::{self, Action, Refusal, Reply, ResourceMetadata};
use crate::host_ability::HostAbility;
use crate::http::{AccessRequest, RequestHead};
use crate::jose::NativeVerifier;
use crate::jwt::{Introspection, IntrospectionResponse, UnknownKey, Work};
use crate::policy::{Question, Verdict};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::record::{About, Known, RecordId, Recording};
use crate::steps::Steps;
use crate::time::UnixTime;

/// Decides requests under one bundle, or refuses them all if there is none.
///
/// # Example
///
/// ```
/// use authz::{Action, Authorizer, Bundle, Effect, RequestHead, Step, UnixTime};
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
/// let Step::Decided(authorization) = authorizer.authorize(&head, UnixTime::from_seconds(1_800_000_000)) else {
///     unreachable!("nobody has to be asked about a request without a token");
/// };
/// assert_eq!(authorization.decision().effect(), Effect::Permit);
/// assert_eq!(authorization.decision().rule(), Some("health"));
/// assert!(matches!(authorization.action(), Action::Forward(_)));
/// # Ok::<(), authz::BundleErrors>(())
/// ```
#[derive(Debug)]
pub struct Authorizer {
    bundle: Option<Bundle>,
    /// Until when the bundle decides; none if whoever configured it answers for that.
    freshness: Option<Freshness>,
    /// Another bundle whose decisions are only put on record.
    candidate: Option<Box<Authorizer>>,
}

impl Authorizer {
    /// Decides under `bundle`.
    pub const fn new(bundle: Bundle) -> Self {
        Self { bundle: Some(bundle), freshness: None, candidate: None }
    }

    /// The same, and says of each request what `candidate` would have decided: nothing else of it counts.
    pub fn beside(self, mut candidate: Self) -> Self {
        // It has no records of its own.
        if let Some(bundle) = &mut candidate.bundle {
            bundle.decision_log = None;
        }
        Self { candidate: Some(Box::new(candidate)), ..self }
    }

    /// The same, with a proxy's own function that verifies signatures, where it can: faster, and the same answers.
    #[must_use]
    pub fn with_native(mut self, native: &NativeVerifier) -> Self {
        if let Some(bundle) = &mut self.bundle {
            bundle.use_native(native);
        }
        let candidate = self.candidate.map(|candidate| Box::new(candidate.with_native(native)));
        Self { candidate, ..self }
    }

    /// The same, until the bundle is too old.
    pub(crate) fn with_freshness(self, freshness: Freshness) -> Self {
        Self { freshness: Some(freshness), ..self }
    }

    /// Refuses every request, by the same path as any other decision: nothing has been configured yet.
    pub const fn closed() -> Self {
        Self { bundle: None, freshness: None, candidate: None }
    }

    /// Frees it, rule by rule: to free a large bundle at once takes as long as many requests.
    pub fn release(self) -> Steps<()> {
        Steps::new(async move {
            if let Some(bundle) = self.bundle {
                bundle.release().await;
            }
        })
    }

    /// Whether there is a bundle that is not too old to permit anything.
    pub fn is_serving(&self, now: UnixTime) -> bool {
        self.bundle.is_some() && !self.freshness.is_some_and(|freshness| freshness.is_over(now))
    }

    /// Until when the bundle decides, if it was pushed.
    pub const fn freshness(&self) -> Option<Freshness> {
        self.freshness
    }

    /// The revision of the bundle, if there is one.
    pub fn revision(&self) -> Option<Revision> {
        self.bundle.as_ref().map(Bundle::revision)
    }

    /// The keys that tokens named and that their issuers, whose keys are pushed, do not have; each is told once. Whoever
    /// fetches the keys should look for new ones.
    pub fn take_unknown_keys(&self) -> Vec<UnknownKey> {
        self.bundle.as_ref().map(|bundle| bundle.issuers.take_unknown_keys()).unwrap_or_default()
    }

    /// Whether decisions need the certificate of the peer, which costs the host some calls.
    pub fn needs_peer(&self) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.needs_peer())
            || self.candidate.as_ref().is_some_and(|candidate| candidate.needs_peer())
    }

    /// Whether decisions need the address at the other end of the connection, which costs the host a call.
    pub fn needs_source(&self) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.needs_source())
            || self.candidate.as_ref().is_some_and(|candidate| candidate.needs_source())
    }

    /// What the bundle wants of the host that not every one can do. On a host that cannot, the bundle must not be used.
    pub fn demands(&self) -> impl Iterator<Item = HostAbility> {
        HostAbility::ALL.into_iter().filter(|ability| match ability {
            // A candidate that is told of no certificate would say what is not so.
            HostAbility::PeerCertificate => self.needs_peer(),
            ability => self.bundle.as_ref().is_some_and(|bundle| bundle.demands(*ability)),
        })
    }

    /// Whether only Portcullis, or a hop that is believed, may set a header of this name, in whatever spelling.
    pub fn owns_header(&self, name: &[u8]) -> bool {
        self.bundle
            .as_ref()
            .is_none_or(|bundle| bundle.identity_headers.contains(name) || bundle.owns_header_of_hops(name))
    }

    /// Decides one request at the time `now`. Never fails: what cannot be judged is denied.
    pub fn authorize(&self, head: &RequestHead<'_>, now: UnixTime) -> Step {
        let Some(bundle) = &self.bundle else {
            return Step::Decided(self.refuse(Refusal::from(Reason::BundleMissing)));
        };
        // Public rules too: nobody knows whether they still hold.
        if self.freshness.is_some_and(|freshness| freshness.refuses(head.method, now)) {
            return Step::Decided(self.refuse(Refusal::from(Reason::BundleStale)));
        }
        let before = bundle.issuers.work();
        let authorization = match self.judge(bundle, head, now) {
            Ok(authorization) => authorization,
            Err(Stop::Refused(refusal, principal)) => {
                let about = self.about_refused(bundle, head, &principal);
                self.refuse(refusal).with(|parts| parts.about = about)
            }
            Err(Stop::Pending(introspection)) => return Step::Introspect(introspection),
        };
        // Nobody is asked for a candidate: what it would have to ask about, it says nothing about.
        let candidate = self.candidate.as_ref().and_then(|candidate| match candidate.authorize(head, now) {
            Step::Decided(authorization) => Some(authorization.decision().clone()),
            Step::Introspect(_) => None,
        });
        Step::Decided(authorization.with(|parts| {
            parts.latency_class = bundle.issuers.work().class_since(before);
            parts.decision.set_candidate(candidate);
        }))
    }

    /// Takes the answer of an authorization server; none if there was none in time. It is remembered for a while, for this
    /// request and for others with the same token.
    pub fn introspected(
        &self,
        introspection: &Introspection,
        response: Option<IntrospectionResponse<'_>>,
        now: UnixTime,
    ) {
        if let Some(bundle) = &self.bundle {
            bundle.issuers.introspected(introspection, response, now);
        }
    }

    /// Explains what [`Self::authorize`] decides about the same request: each rule whose target matches, and what did not
    /// hold in it. For people; requests do not need it.
    pub fn explain(&self, head: &RequestHead<'_>, now: UnixTime) -> Explanation {
        let step = self.authorize(head, now);
        // What is refused, or answered, before anybody is identified asks no rule, whatever the rules would have said.
        let is_before = matches!(&step, Step::Decided(authorization)
            if matches!(authorization.decision().reason(), Reason::HeaderNominated | Reason::MetadataServed));
        let rules = self.bundle.as_ref().filter(|_| !is_before).and_then(|bundle| {
            let identified = Identified::parse(bundle, head, now).ok()?;
            Some(bundle.policy.trace(&identified.question(head, now)))
        });
        Explanation { step, rules: rules.unwrap_or_default() }
    }

    /// What the host is told of a decision beside its record, by name, for what comes after the filter: what the bundle lists.
    pub fn told(&self, authorization: &Authorization, id: Option<RecordId>) -> Vec<(&'static str, String)> {
        let log = self.bundle.as_ref().and_then(|bundle| bundle.decision_log.as_ref());
        log.map(|log| log.told(&authorization.parts().about, authorization.decision(), id)).unwrap_or_default()
    }

    /// Reads the request and verifies its credentials, asks the policy and draws the conclusion.
    fn judge(&self, bundle: &Bundle, head: &RequestHead<'_>, now: UnixTime) -> Result<Authorization, Stop> {
        if effect::nominates_owned_header(head, &bundle.identity_headers) {
            return Err(Reason::HeaderNominated.into());
        }
        if let Some(reply) =
            bundle.resource_metadata.as_ref().map(|metadata| metadata.answer(head)).transpose()?.flatten()
        {
            let decision = self.decision(Reason::MetadataServed, None);
            let about = self.about_refused(bundle, head, &Principal::default());
            return Ok(Authorization::new(decision, Action::Reply(reply)).with(|parts| parts.about = about));
        }
        let identified = Identified::parse(bundle, head, now)?;
        Ok(self.weigh(bundle, &identified, head, now))
    }

    /// What the record says about a request that no rule was asked about.
    fn about_refused(&self, bundle: &Bundle, head: &RequestHead<'_>, principal: &Principal) -> About {
        let Some(log) = &bundle.decision_log else { return About::default() };
        let request = AccessRequest::parse_for(head, bundle.plain_in_paths).ok();
        log.about(&Known { head, request: request.as_ref(), principal, route: None, obligations: &[] })
    }

    /// Decides as if a token with these claims had been verified, as the first credential: everything is judged but the
    /// signature. For tests; requests do not come here.
    pub(crate) fn authorize_claims(
        &self,
        head: &RequestHead<'_>,
        issuer: &str,
        claims: Map<String, Value>,
        now: UnixTime,
    ) -> Step {
        let Some(bundle) = &self.bundle else {
            return Step::Decided(self.refuse(Refusal::from(Reason::BundleMissing)));
        };
        Step::Decided(match Identified::by_claims(bundle, head, issuer, claims, now) {
            Ok(identified) => self.weigh(bundle, &identified, head, now),
            Err(reason) => self.refuse(Refusal::from(reason)),
        })
    }

    /// Asks the rules about who asks for what, and draws the conclusion.
    fn weigh(
        &self,
        bundle: &Bundle,
        identified: &Identified<'_>,
        head: &RequestHead<'_>,
        now: UnixTime,
    ) -> Authorization {
        let question = identified.question(head, now);
        let shadow = bundle.policy.evaluate_shadow(&question);
        let shadow = shadow.map(|verdict| self.decision(verdict.reason, verdict.rule));
        let verdict = bundle.policy.evaluate(&question);
        let about = bundle.decision_log.as_ref().map(|log| {
            let Identified { request, principal, .. } = identified;
            let (route, obligations) = (verdict.route(request), verdict.obligations.as_slice());
            log.about(&Known { head, request: Some(request), principal, route, obligations })
        });
        let decision =
            self.decision(verdict.reason, verdict.rule.clone()).beside(shadow).with_marks(&verdict.obligations);
        let authorization = self.conclude(bundle, decision, verdict, identified, &question);
        authorization.with(|parts| parts.about = about.unwrap_or_default())
    }

    /// Draws the conclusion: what is forwarded and how, or what the client is told.
    fn conclude(
        &self,
        bundle: &Bundle,
        decision: Decision,
        verdict: Verdict,
        identified: &Identified<'_>,
        question: &Question<'_>,
    ) -> Authorization {
        let Identified { presented, scheme, principal, .. } = identified;
        let head = question.head;
        let refusal = |reason| Refusal { scheme: *scheme, ..Refusal::from(reason) };
        if verdict.reason != Reason::PermittedByRule {
            let refusal = Refusal { challenge: verdict.challenge, ..refusal(verdict.reason) };
            return Authorization::new(decision, Action::Reply(self.reply(refusal)));
        }
        let strip_all = verdict.obligations.iter().any(|obligations| obligations.strip_credentials);
        let mut stripped = bundle.credentials.stripped(presented, strip_all);
        stripped.extend(bundle.attributes.unbelieved(head));
        let is_forged = |name: &[u8]| bundle.owns_header_of_hops(name);
        let obligations =
            effect::forward(head, principal, &stripped, &bundle.identity_headers, &verdict.obligations, is_forged)
                .and_then(|edits| Ok((edits, effect::use_once(principal, &verdict.obligations)?)))
                .and_then(|(mut edits, use_once)| {
                    let transaction = bundle.assert(&mut edits, question, &decision)?;
                    Ok((edits, use_once, transaction))
                });
        match obligations {
            Ok((edits, use_once, transaction)) => Authorization::new(decision, Action::Forward(edits)).with(|parts| {
                (parts.use_once, parts.scheme, parts.transaction) = (use_once, *scheme, transaction);
            }),
            Err(reason) => Authorization::new(decision.denied_for(reason), Action::Reply(self.reply(refusal(reason)))),
        }
    }

    /// What becomes of the record of a decision; none if there is no decision log. Each call counts for sampling.
    pub fn recording(&self, decision: &Decision) -> Option<Recording> {
        let log = self.bundle.as_ref()?.decision_log.as_ref()?;
        let is_sampled = decision.effect() == Effect::Deny || log.samples(decision.rule());
        Some(if is_sampled { Recording::To(log.to) } else { Recording::LeftOut })
    }

    /// How many keys there are of each trusted issuer.
    pub fn key_counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.bundle.iter().flat_map(|bundle| bundle.issuers.key_counts())
    }

    /// How many tokens were looked at so far.
    pub fn work(&self) -> Work {
        self.bundle.as_ref().map(|bundle| bundle.issuers.work()).unwrap_or_default()
    }

    fn refuse(&self, refusal: Refusal) -> Authorization {
        Authorization::new(self.decision(refusal.reason, None), Action::Reply(self.reply(refusal)))
    }

    fn reply(&self, refusal: Refusal) -> Reply {
        match &self.bundle {
            Some(bundle) => {
                let metadata = bundle.resource_metadata.as_ref().map(ResourceMetadata::url);
                Reply::refused(refusal, &bundle.credentials, metadata)
            }
            None => Reply::refused(refusal, &Credentials::default(), None),
        }
    }

    fn decision(&self, reason: Reason, rule: Option<Rc<str>>) -> Decision {
        Decision::new(reason, rule, self.revision())
    }
}
