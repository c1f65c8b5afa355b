//! The policy decision: deny overrides, default deny (XACML 3.0 appendix C.2).

use std::rc::Rc;

use super::condition::Outcome;
use super::rule::{Kind, Rule};
use crate::bundle::reader::{Node, Unique};
use crate::http::AccessRequest;
use crate::jwt::Principal;
use crate::reason::Reason;

/// All rules, in the order of the bundle.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: Vec<Rule>,
}

/// What the rules say about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) reason: Reason,
    /// The rule that decided or, where a scope is missing, the rule that would have permitted.
    pub(crate) rule: Option<Rc<str>>,
    /// With [`Reason::ScopeInsufficient`]: the scopes to ask for, separated by spaces.
    pub(crate) missing_scope: Option<String>,
}

impl Policy {
    pub(crate) fn read(node: &Node<'_>, issuer_names: &[&str]) -> Option<Self> {
        let unique = Unique::default();
        Some(Self { rules: node.list(|item| Rule::read(item, &unique, issuer_names))? })
    }

    /// The ids of all rules.
    pub(crate) fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.id)
    }

    /// Decides. A total function: there is no request and no principal for which it has no answer.
    pub(crate) fn evaluate(&self, request: &AccessRequest<'_>, principal: &Principal) -> Verdict {
        let mut permitting: Option<&Rule> = None;
        let mut lacking_scope: Option<&Rule> = None;
        for rule in self.rules.iter().filter(|rule| rule.target.matches(request, rule.effect())) {
            match (&rule.kind, outcome(rule, principal)) {
                // Deny overrides: nothing after this can change the answer.
                (Kind::Deny(_), Outcome::Holds) => return Verdict::of(Reason::DeniedByRule, Some(rule)),
                // A deny rule that cannot be evaluated denies.
                (Kind::Deny(_), Outcome::Undecidable) => return Verdict::of(Reason::DeniedByRule, Some(rule)),
                // A deny rule that does not hold says nothing.
                (Kind::Deny(_), Outcome::Fails | Outcome::LacksScope) => {}
                // The first permit is the one that is named; a later deny can still override it.
                (Kind::PermitPublic | Kind::Permit(_), Outcome::Holds) => permitting = permitting.or(Some(rule)),
                // A permit rule that cannot be evaluated permits nothing.
                (Kind::PermitPublic | Kind::Permit(_), Outcome::Undecidable | Outcome::Fails) => {}
                // It does not permit either, but the client can be told what to ask for.
                (Kind::PermitPublic | Kind::Permit(_), Outcome::LacksScope) => {
                    lacking_scope = lacking_scope.or(Some(rule))
                }
            }
        }
        match (permitting, principal, lacking_scope) {
            (Some(rule), _, _) => Verdict::of(Reason::PermittedByRule, Some(rule)),
            // RFC 9110 section 15.5.2: who has not said who they are is asked, before any rule is revealed.
            (None, Principal::Anonymous, _) => Verdict::of(Reason::CredentialMissing, None),
            (None, Principal::Authenticated(_), Some(rule)) => Verdict::of(Reason::ScopeInsufficient, Some(rule)),
            (None, Principal::Authenticated(_), None) => Verdict::of(Reason::NoRulePermits, None),
        }
    }
}

/// Whether a rule whose target matches applies to the principal. Nothing is known of an anonymous one, so a condition
/// never holds for it.
fn outcome(rule: &Rule, principal: &Principal) -> Outcome {
    match (&rule.kind, principal) {
        (Kind::PermitPublic | Kind::Deny(None), _) => Outcome::Holds,
        (Kind::Permit(condition) | Kind::Deny(Some(condition)), Principal::Authenticated(identity)) => {
            condition.evaluate(identity)
        }
        (Kind::Permit(_) | Kind::Deny(Some(_)), Principal::Anonymous) => Outcome::Fails,
    }
}

impl Verdict {
    fn of(reason: Reason, rule: Option<&Rule>) -> Self {
        let missing_scope = match (reason, rule.map(|rule| &rule.kind)) {
            (Reason::ScopeInsufficient, Some(Kind::Permit(condition))) => {
                Some(condition.scope_list().collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        Self { reason, rule: rule.map(|rule| Rc::clone(&rule.id)), missing_scope }
    }
}
