//! What an authorizer says of a request.

use crate::credential::Scheme;
use crate::decision::{Decision, Effect};
use crate::effect::Action;
use crate::jwt::Introspection;
use crate::policy::RuleTrace;
use crate::record::{About, LatencyClass};
use crate::use_once::UseOnce;

/// How far a request has come.
#[derive(Debug)]
pub enum Step {
    /// It is decided.
    Decided(Authorization),
    /// An authorization server has to be asked about its token. [`Authorizer::introspected`](super::Authorizer::introspected) takes the answer; then the
    /// same request is to be authorized again.
    Introspect(Introspection),
}

/// A decision and how it came about.
#[derive(Debug)]
pub struct Explanation {
    /// The decision, or who has to be asked first.
    pub step: Step,
    /// Every rule whose target matches the request, in the order of the bundle; none if the request did not get as far as
    /// the rules.
    pub rules: Vec<RuleTrace>,
}

impl Explanation {
    /// The permit rule that came nearest to permitting: of which the least did not hold.
    pub fn nearest(&self) -> Option<&RuleTrace> {
        let permits =
            self.rules.iter().filter(|rule| rule.effect == Effect::Permit && !rule.applies && !rule.is_shadow);
        permits.min_by_key(|rule| rule.misses.len())
    }
}

/// A decision and what follows from it. Only [`Authorizer`](super::Authorizer) makes it, so the two cannot disagree.
#[derive(Debug)]
pub struct Authorization(Box<Parts>);

/// They stay where they are while the decision is handed on: each request moves them a dozen times.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) decision: Decision,
    pub(super) action: Action,
    pub(super) use_once: Vec<UseOnce>,
    pub(super) scheme: Scheme,
    pub(super) about: About,
    /// The name of the transaction in the assertion that the upstream gets.
    pub(super) transaction: Option<String>,
    pub(super) latency_class: LatencyClass,
}

impl Authorization {
    pub(super) fn new(decision: Decision, action: Action) -> Self {
        let (scheme, latency_class) = (Scheme::Bearer, LatencyClass::default());
        let (use_once, about, transaction) = (Vec::new(), About::default(), None);
        Self(Box::new(Parts { decision, action, use_once, scheme, about, transaction, latency_class }))
    }

    /// A refusal of what was permitted: the same request, by the same principal.
    pub(super) fn refused(self, refusal: Self) -> Self {
        let Parts { about, latency_class, .. } = *self.0;
        refusal.with(|parts| (parts.about, parts.latency_class) = (about, latency_class))
    }

    /// The same, with changed parts.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(self.parts_mut());
        self
    }

    pub(super) const fn parts_mut(&mut self) -> &mut Parts {
        &mut self.0
    }

    pub(super) const fn parts(&self) -> &Parts {
        &self.0
    }

    /// The members of the record that are about the request.
    pub(crate) fn about(&self) -> &[u8] {
        &self.0.about.members
    }

    pub(crate) fn transaction(&self) -> Option<&str> {
        self.0.transaction.as_deref()
    }

    pub(crate) const fn latency_class(&self) -> LatencyClass {
        self.0.latency_class
    }

    /// The decision.
    pub const fn decision(&self) -> &Decision {
        &self.0.decision
    }

    /// What must not have been used before. It is to be claimed before a request is forwarded; if it was used, or cannot be
    /// claimed, the request must not go on.
    pub fn use_once(&self) -> &[UseOnce] {
        &self.0.use_once
    }

    /// What the proxy has to do.
    pub const fn action(&self) -> &Action {
        &self.0.action
    }
}
