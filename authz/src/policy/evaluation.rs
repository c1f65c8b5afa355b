//! The policy decision: deny overrides, default deny (XACML 3.0 appendix C.2).

use std::cell::LazyCell;
use std::rc::Rc;

use super::attribute::Attributes;
use super::condition::{Condition, Lack, Outcome, Situation};
use super::index::RuleIndex;
use super::names::Names;
use super::obligation::Obligations;
use super::rule::{Kind, Rule};
use super::target::Target;
use crate::decision::Effect;
use crate::document::{Node, Unique};
use crate::http::{AccessRequest, RequestHead};
use crate::matching::Facts;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::steps::pause;
use crate::time::UnixTime;

/// All rules, in the order of the bundle.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(super) rules: Vec<Rule>,
    index: RuleIndex,
    has_shadow: bool,
    needs_source: bool,
    needs_peer: bool,
}

/// What is asked of a policy.
#[derive(Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) request: &'q AccessRequest<'q>,
    pub(crate) head: &'q RequestHead<'q>,
    pub(crate) principal: &'q Principal,
    pub(crate) now: UnixTime,
}

/// What the rules say about a request.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) reason: Reason,
    /// The rule that decided or, where one thing is missing, the rule that would have permitted.
    pub(crate) rule: Option<Rc<str>>,
    target: Option<Rc<Target>>,
    pub(crate) challenge: Option<Challenge>,
    /// What all rules that permit oblige us to do, in the order of the bundle.
    pub(crate) obligations: Vec<Rc<Obligations>>,
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
    pub(crate) async fn read(node: &Node<'_>, names: &Names<'_>, attributes: Option<&Attributes>) -> Option<Self> {
        let unique = Unique::default();
        let rules = node.list_in_steps(|item| Rule::read(item, &unique, names, attributes)).await?;
        let index = RuleIndex::of(&rules).await;
        let conditions = || rules.iter().filter_map(Rule::condition);
        let (needs_source, needs_peer) =
            (conditions().any(|one| one.needs_source()), conditions().any(|one| one.needs_peer()));
        let has_shadow = rules.iter().any(|rule| rule.is_shadow);
        Some(Self { rules, index, has_shadow, needs_source, needs_peer })
    }

    /// Frees them, in steps.
    pub(crate) async fn release(self) {
        self.index.release().await;
        for rule in self.rules {
            drop(rule);
            pause().await;
        }
    }

    /// Whether there is a permit rule with this id that is enforced.
    pub(crate) fn permits_by(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| &*rule.id == id && rule.effect() == Effect::Permit && !rule.is_shadow)
    }

    /// The names of the headers that rules set.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| rule.obligations.header_names())
    }

    /// Whether the address at the other end of the connection is wanted.
    pub(crate) const fn needs_source(&self) -> bool {
        self.needs_source
    }

    /// Whether the certificate of the peer is wanted.
    pub(crate) const fn needs_peer(&self) -> bool {
        self.needs_peer
    }

    /// Whether some rule obliges us to something.
    pub(crate) fn obliges(&self, is_wanted: impl Fn(&Obligations) -> bool) -> bool {
        self.rules.iter().any(|rule| is_wanted(&rule.obligations))
    }

    /// The rules whose target matches a request, in the order of the bundle.
    pub(super) fn applicable<'p>(&'p self, request: &'p AccessRequest<'p>) -> impl Iterator<Item = &'p Rule> {
        let candidates = self.index.candidates(request).into_iter();
        candidates.filter_map(|index| self.rules.get(index)).filter(|rule| rule.target.matches(request, rule.effect()))
    }

    /// Decides. A total function: there is no request and no principal for which it has no answer.
    pub(crate) fn evaluate(&self, question: &Question<'_>) -> Verdict {
        self.evaluate_with(question, |rule| !rule.is_shadow)
    }

    /// What would be decided if the rules that are only watched were enforced; none if there are none for the request.
    pub(crate) fn evaluate_shadow(&self, question: &Question<'_>) -> Option<Verdict> {
        let is_watched = self.has_shadow && self.applicable(question.request).any(|rule| rule.is_shadow);
        is_watched.then(|| self.evaluate_with(question, |_| true))
    }

    fn evaluate_with(&self, question: &Question<'_>, counts: impl Fn(&Rule) -> bool) -> Verdict {
        let mut permitting: Option<&Rule> = None;
        let mut nearest: Option<(Lack, &Rule)> = None;
        let mut obligations = Vec::with_capacity(1);
        for rule in self.applicable(question.request).filter(|rule| counts(rule)) {
            match (rule.effect(), rule.outcome(question)) {
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
                    obligations.push(Rc::clone(&rule.obligations));
                }
                // A permit rule that cannot be evaluated permits nothing.
                (Effect::Permit, Outcome::Undecidable | Outcome::Fails) => {}
                // It does not permit either, but the client can be told what is missing.
                (Effect::Permit, Outcome::Lacks(lack)) => nearest = nearest.or(Some((lack, rule))),
            }
        }
        match (permitting, nearest) {
            (Some(rule), _) => Verdict { obligations, ..Verdict::of(Reason::PermittedByRule, Some(rule)) },
            // RFC 9110 section 15.5.2: who has not said who they are is asked, before any rule is revealed.
            (None, _) if question.principal.is_anonymous() => Verdict::of(Reason::CredentialMissing, None),
            (None, Some((Lack::Credential, _))) => Verdict::of(Reason::CredentialMissing, None),
            (None, Some((Lack::Scope, rule))) => Verdict::of(Reason::ScopeInsufficient, Some(rule)),
            (None, Some((Lack::Authentication, rule))) => Verdict::of(Reason::AuthenticationInsufficient, Some(rule)),
            (None, None) => Verdict::of(Reason::NoRulePermits, None),
        }
    }
}

impl Rule {
    /// Whether a rule whose target matches applies to the principal.
    pub(super) fn outcome(&self, question: &Question<'_>) -> Outcome {
        match (&self.kind, self.condition()) {
            (Kind::PermitPreflight, _) if question.request.is_preflight => Outcome::Holds,
            (Kind::PermitPreflight, _) => Outcome::Fails,
            (_, None) => Outcome::Holds,
            (_, Some(condition)) => self.in_situation(question, |situation| condition.evaluate(situation)),
        }
    }

    /// What does not hold, in words.
    pub(super) fn misses(&self, question: &Question<'_>) -> Vec<String> {
        match (&self.kind, self.condition()) {
            (Kind::PermitPreflight, _) if !question.request.is_preflight => vec!["a CORS preflight".to_owned()],
            (_, None) => Vec::new(),
            (_, Some(condition)) => self.in_situation(question, |situation| condition.misses(situation)),
        }
    }

    /// What holds of its condition, in words, if the condition does.
    pub(super) fn grounds(&self, question: &Question<'_>) -> Vec<String> {
        let grounds = |condition: &Condition| self.in_situation(question, |situation| condition.grounds(situation));
        self.condition().map(grounds).unwrap_or_default()
    }

    pub(super) fn in_situation<T>(&self, question: &Question<'_>, judge: impl FnOnce(&Situation<'_>) -> T) -> T {
        let captures = LazyCell::new(|| self.target.captures(question.request, self.effect()));
        let facts = Facts { request: Some(question.request), captures: Some(&captures), now: Some(question.now) };
        judge(&Situation { principal: question.principal, head: question.head, facts, now: question.now })
    }
}

impl Verdict {
    /// The path template of the rule that matches the request, as it is written in the bundle.
    pub(crate) fn route(&self, request: &AccessRequest<'_>) -> Option<&str> {
        let effect = if self.reason == Reason::DeniedByRule { Effect::Deny } else { Effect::Permit };
        self.target.as_ref()?.route(request, effect)
    }

    fn of(reason: Reason, rule: Option<&Rule>) -> Self {
        let condition = rule.filter(|rule| rule.effect() == Effect::Permit).and_then(Rule::condition);
        let challenge = match (reason, condition) {
            (Reason::ScopeInsufficient, Some(condition)) => Some(Challenge::Scope(condition.scopes().join(" "))),
            (Reason::AuthenticationInsufficient, Some(condition)) => {
                condition.authentication().map(|wanted| Challenge::StepUp {
                    acr_values: wanted.acr.as_ref().map(|values| values.join(" ")),
                    max_age_seconds: wanted.max_age_seconds,
                })
            }
            _ => None,
        };
        let (target, rule) = (rule.map(|rule| Rc::clone(&rule.target)), rule.map(|rule| Rc::clone(&rule.id)));
        Self { reason, rule, target, challenge, obligations: Vec::new() }
    }
}
