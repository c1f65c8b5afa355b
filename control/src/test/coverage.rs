//! What the cases have shown of the rules and their conditions.

use std::collections::BTreeMap;

use authz::{Decision, Reason, RuleOutline, RuleTrace};

/// What the cases have shown of all rules, in the order of the policy.
pub(super) struct Coverage {
    pub(super) rules: Vec<RuleCoverage>,
    indices: BTreeMap<String, usize>,
}

/// What the cases have shown of one rule.
pub(super) struct RuleCoverage {
    pub(super) id: String,
    pub(super) is_shadow: bool,
    /// How many cases it decided or, if it is only watched, would have decided.
    pub(super) cases: usize,
    pub(super) conditions: Vec<ConditionCoverage>,
}

/// In how many cases a part of a condition held, and in how many not.
pub(super) struct ConditionCoverage {
    /// The part, in words.
    pub(super) condition: String,
    pub(super) held: usize,
    pub(super) not_held: usize,
}

impl Coverage {
    pub(super) fn new(rules: &[RuleOutline]) -> Self {
        let indices = rules.iter().zip(0..).map(|(rule, index)| (rule.id.clone(), index)).collect();
        Self { rules: rules.iter().map(RuleCoverage::new).collect(), indices }
    }

    /// Counts a case: what was decided, and what became of the rules whose target matched.
    pub(super) fn count(&mut self, decision: &Decision, rules: &[RuleTrace]) {
        for (decision, is_shadow) in [(Some(decision), false), (decision.shadow(), true)] {
            if let Some(rule) = decision.and_then(deciding).and_then(|id| self.rule(id))
                && rule.is_shadow == is_shadow
            {
                increment(&mut rule.cases);
            }
        }
        for trace in rules {
            let conditions = self.rule(&trace.id).map(|rule| rule.conditions.iter_mut());
            for (condition, holds) in conditions.into_iter().flatten().zip(&trace.parts) {
                match holds {
                    Some(true) => increment(&mut condition.held),
                    Some(false) => increment(&mut condition.not_held),
                    None => {}
                }
            }
        }
    }

    fn rule(&mut self, id: &str) -> Option<&mut RuleCoverage> {
        self.rules.get_mut(*self.indices.get(id)?)
    }

    /// The rules that decided no case.
    pub(super) fn undecided(&self) -> Vec<&str> {
        self.rules.iter().filter(|rule| rule.cases == 0).map(|rule| rule.id.as_str()).collect()
    }

    /// All parts of conditions, each with the id of its rule.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (&str, &ConditionCoverage)> {
        self.rules.iter().flat_map(|rule| rule.conditions.iter().map(|condition| (rule.id.as_str(), condition)))
    }
}

impl RuleCoverage {
    fn new(rule: &RuleOutline) -> Self {
        let condition = |part: &String| ConditionCoverage { condition: part.clone(), held: 0, not_held: 0 };
        let conditions = rule.parts.iter().map(condition).collect();
        Self { id: rule.id.clone(), is_shadow: rule.is_shadow, cases: 0, conditions }
    }
}

impl ConditionCoverage {
    pub(super) const fn is_seen_both_ways(&self) -> bool {
        self.held > 0 && self.not_held > 0
    }
}

/// The rule that decided. One that would have permitted, had a scope not been missing, is named too, but did not decide.
fn deciding(decision: &Decision) -> Option<&str> {
    match decision.reason() {
        Reason::PermittedByRule | Reason::DeniedByRule => decision.rule(),
        _ => None,
    }
}

const fn increment(count: &mut usize) {
    *count = count.saturating_add(1);
}
