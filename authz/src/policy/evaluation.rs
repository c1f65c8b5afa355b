//! The policy decision: deny overrides, default deny (XACML 3.0 appendix C.2).

use std::rc::Rc;

use super::condition::{Lack, Outcome};
use super::names::Names;
use super::rule::{Kind, Rule};
use crate::decision::Effect;
use crate::document::{Node, Unique};
use crate::http::AccessRequest;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::UnixTime;

/// All rules, in the order of the bundle.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: Vec<Rule>,
}

/// What the rules say about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) reason: Reason,
    /// The rule that decided or, where one thing is missing, the rule that would have permitted.
    pub(crate) rule: Option<Rc<str>>,
    pub(crate) challenge: Option<Challenge>,
    /// The index of the credential that may be used once under the rule.
    pub(crate) once: Option<usize>,
}

/// What the client is told to come back with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// These scopes, separated by spaces (RFC 6750 section 3.1).
    Scope(String),
    /// An authentication of one of these classes, separated by spaces, or not older than this (RFC 9470 section 3).
    StepUp { acr_values: Option<String>, max_age_seconds: Option<u64> },
}

impl Policy {
    pub(crate) fn read(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        let unique = Unique::default();
        Some(Self { rules: node.list(|item| Rule::read(item, &unique, names))? })
    }

    /// The ids of all rules.
    pub(crate) fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.id)
    }

    /// Decides. A total function: there is no request and no principal for which it has no answer.
    pub(crate) fn evaluate(&self, request: &AccessRequest<'_>, principal: &Principal, now: UnixTime) -> Verdict {
        let mut permitting: Option<&Rule> = None;
        let mut nearest: Option<(Lack, &Rule)> = None;
        let mut once: Option<usize> = None;
        for rule in self.rules.iter().filter(|rule| rule.target.matches(request, rule.effect())) {
            match (rule.effect(), outcome(rule, request, principal, now)) {
                // Deny overrides: nothing after this can change the answer.
                (Effect::Deny, Outcome::Holds) => return Verdict::of(Reason::DeniedByRule, Some(rule)),
                // A deny rule that cannot be evaluated denies.
                (Effect::Deny, Outcome::Undecidable) => return Verdict::of(Reason::DeniedByRule, Some(rule)),
                // A deny rule that does not hold says nothing.
                (Effect::Deny, Outcome::Fails | Outcome::Lacks(_)) => {}
                // The first permit is the one that is named; a later deny can still override it.
                (Effect::Permit, Outcome::Holds) => {
                    permitting = permitting.or(Some(rule));
                    // What one of them demands holds whatever the order.
                    once = once.or_else(|| rule.once_credential());
                }
                // A permit rule that cannot be evaluated permits nothing.
                (Effect::Permit, Outcome::Undecidable | Outcome::Fails) => {}
                // It does not permit either, but the client can be told what is missing.
                (Effect::Permit, Outcome::Lacks(lack)) => nearest = nearest.or(Some((lack, rule))),
            }
        }
        match (permitting, nearest) {
            (Some(rule), _) => Verdict { once, ..Verdict::of(Reason::PermittedByRule, Some(rule)) },
            // RFC 9110 section 15.5.2: who has not said who they are is asked, before any rule is revealed.
            (None, _) if principal.is_anonymous() => Verdict::of(Reason::CredentialMissing, None),
            (None, Some((Lack::Credential, _))) => Verdict::of(Reason::CredentialMissing, None),
            (None, Some((Lack::Scope, rule))) => Verdict::of(Reason::ScopeInsufficient, Some(rule)),
            (None, Some((Lack::Authentication, rule))) => Verdict::of(Reason::AuthenticationInsufficient, Some(rule)),
            (None, None) => Verdict::of(Reason::NoRulePermits, None),
        }
    }
}

/// Whether a rule whose target matches applies to the principal.
fn outcome(rule: &Rule, request: &AccessRequest<'_>, principal: &Principal, now: UnixTime) -> Outcome {
    match &rule.kind {
        Kind::PermitPublic | Kind::Deny(None) => Outcome::Holds,
        Kind::PermitPreflight if request.is_preflight => Outcome::Holds,
        Kind::PermitPreflight => Outcome::Fails,
        Kind::Permit(condition) | Kind::Deny(Some(condition)) => condition.evaluate(principal, now),
    }
}

impl Verdict {
    fn of(reason: Reason, rule: Option<&Rule>) -> Self {
        let condition = rule.and_then(|rule| match &rule.kind {
            Kind::Permit(condition) => Some(condition),
            Kind::PermitPublic | Kind::PermitPreflight | Kind::Deny(_) => None,
        });
        let challenge = match (reason, condition) {
            (Reason::ScopeInsufficient, Some(condition)) => {
                Some(Challenge::Scope(condition.scope_list().collect::<Vec<_>>().join(" ")))
            }
            (Reason::AuthenticationInsufficient, Some(condition)) => {
                condition.authentication().map(|wanted| Challenge::StepUp {
                    acr_values: wanted.acr.as_ref().map(|values| values.join(" ")),
                    max_age_seconds: wanted.max_age_seconds,
                })
            }
            _ => None,
        };
        Self { reason, rule: rule.map(|rule| Rc::clone(&rule.id)), challenge, once: None }
    }
}
