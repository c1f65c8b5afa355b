//! What was tested how often: a generator that makes only requests that nobody permits would find nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::comparison::Answer;
use crate::evaluator::{Outcomes, Truth};

/// The reasons of which each has to be at least one of 200.
const REASONS: [&str; 7] = [
    "permitted_by_rule",
    "denied_by_rule",
    "no_rule_permits",
    "credential_missing",
    "scope_insufficient",
    "authentication_insufficient",
    "obligation_failed",
];

/// The fields of conditions and the tests that always say yes or no.
const ALWAYS_DECIDED: [&str; 5] = ["credential", "issuers", "subjects", "audiences", "proof_of_possession"];

/// Those that can also be undecidable.
const SOMETIMES_UNDECIDABLE: [&str; 31] = [
    "clients",
    "tenants",
    "scopes",
    "roles",
    "groups",
    "claims",
    "authentication",
    "actors",
    "attributes",
    "source",
    "headers",
    "query",
    "all",
    "any",
    "not",
    "equals",
    "one_of",
    "prefix",
    "suffix",
    "glob",
    "regex",
    "less_than",
    "at_most",
    "at_least",
    "more_than",
    "exists",
    "contains",
    "contains_any",
    "contains_all",
    "subset_of",
    "any_element",
];

#[derive(Default)]
pub struct Statistics {
    reasons: BTreeMap<&'static str, u64>,
    /// Those with rules that are only watched and would change the decision.
    watched: u64,
    once: u64,
    outcomes: Outcomes,
}

impl Statistics {
    pub fn count(&mut self, answer: &Answer) {
        *self.reasons.entry(answer.decision.reason).or_default() += 1;
        self.watched += u64::from(answer.shadow.as_ref().is_some_and(|shadow| *shadow != answer.decision));
        self.once += u64::from(answer.once > 0);
    }

    pub fn count_outcomes(&mut self, outcomes: Outcomes) {
        for (name, truths) in outcomes {
            for (truth, count) in truths {
                *self.outcomes.entry(name).or_default().entry(truth).or_default() += count;
            }
        }
    }

    pub fn add(&mut self, other: Self) {
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.watched += other.watched;
        self.once += other.once;
        self.count_outcomes(other.outcomes);
    }

    pub fn pairs(&self) -> u64 {
        self.reasons.values().sum()
    }

    fn outcomes(&self, name: &str, truth: Truth) -> u64 {
        self.outcomes.get(name).and_then(|truths| truths.get(&truth)).copied().unwrap_or_default()
    }

    pub fn assert_that_everything_was_tested(&self) {
        for reason in REASONS {
            let count = self.reasons.get(reason).copied().unwrap_or_default();
            assert!(count * 200 >= self.pairs(), "{reason}: only {count} of {}", self.pairs());
        }
        for name in ALWAYS_DECIDED.iter().chain(&SOMETIMES_UNDECIDABLE) {
            for truth in [Truth::Yes, Truth::No, Truth::Undecided] {
                let count = self.outcomes(name, truth);
                let is_possible = truth != Truth::Undecided || SOMETIMES_UNDECIDABLE.contains(name);
                assert!(count >= 100 || !is_possible, "`{name}` was {truth:?} only {count} times");
            }
        }
        assert!(self.watched * 100 >= self.pairs(), "only {} were watched", self.watched);
        assert!(self.once * 500 >= self.pairs(), "only {} may be used once", self.once);
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} pairs; {} would be decided otherwise by rules that are only watched",
            self.pairs(),
            self.watched
        )?;
        writeln!(f, "{} permit a token once", self.once)?;
        for (reason, count) in &self.reasons {
            writeln!(f, "{reason:30} {count:9}")?;
        }
        writeln!(f, "{:30} {:>9} {:>9} {:>9}", "field or test", "yes", "no", "undecided")?;
        for name in self.outcomes.keys() {
            let [yes, no, undecided] =
                [Truth::Yes, Truth::No, Truth::Undecided].map(|truth| self.outcomes(name, truth));
            writeln!(f, "{name:30} {yes:9} {no:9} {undecided:9}")?;
        }
        Ok(())
    }
}
