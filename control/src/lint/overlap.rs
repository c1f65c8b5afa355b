//! Rules that other rules leave nothing to do.

use super::Finding;
use super::model::{Kind, Policy, Rule};

/// What another rule makes of this one: the worst of it.
pub(super) fn find(policy: &Policy<'_>, index: usize, rule: &Rule<'_>) -> Option<Finding> {
    if rule.is_shadow {
        // It is being tried; what is left of it shows when it is enforced.
        return None;
    }
    let covering = policy.covering(rule);
    let others = || covering.iter().copied().filter(|(other, rule)| *other != index && !rule.is_shadow);
    let earlier = || others().filter(|(other, _)| *other < index).map(|(_, other)| other);
    let all = || others().map(|(_, other)| other);
    let found = |code, message| Some(Finding::new(code, &rule.place, message));
    if let Some(first) = earlier().find(|other| is_duplicate(other, rule)) {
        return found("duplicate", format!("`{}` says what `{}` says; remove one of the two", rule.id, first.id));
    }
    let denied = match rule.kind {
        // Of two deny rules that apply the first decides.
        Kind::Deny => earlier().find(|other| denies_all_of(other, rule)),
        _ => all().find(|other| denies_all_of(other, rule)),
    };
    if let Some(deny) = denied {
        let message = format!(
            "`{}` can never decide, because the deny rule `{}` covers its whole target and has no condition; remove it, or narrow `{1}`",
            rule.id, deny.id
        );
        return found("never-decides", message);
    }
    if let Some(wider) = all().find(|other| makes_redundant(policy, other, rule)) {
        let message =
            format!("`{}` permits nothing that `{}` does not permit; remove it, or narrow `{1}`", rule.id, wider.id);
        return found("redundant", message);
    }
    let public = all().find(|other| other.kind == Kind::Public && other.condition.is_none() && other.covers(rule))?;
    let message = format!(
        "`{}` wants a credential, but the public rule `{}` permits everybody all of it; narrow `{1}`, or remove this rule",
        rule.id, public.id
    );
    (rule.kind == Kind::Permit).then(|| Finding::new("public-by-accident", &rule.place, message))
}

fn is_duplicate(one: &Rule<'_>, other: &Rule<'_>) -> bool {
    one.kind == other.kind
        && one.duties == other.duties
        && one.covers(other)
        && other.covers(one)
        && one.has_condition_of(other)
}

fn denies_all_of(deny: &Rule<'_>, rule: &Rule<'_>) -> bool {
    deny.kind == Kind::Deny && deny.condition.is_none() && deny.covers(rule)
}

/// Whether the wider rule permits, and obliges to, everything that the other does.
fn makes_redundant(policy: &Policy<'_>, wider: &Rule<'_>, rule: &Rule<'_>) -> bool {
    let wants_no_more = || match wider.condition {
        // A rule that is not public and has no condition wants the first credential.
        None => wider.kind != Kind::Permit || policy.wants_first_credential(rule.condition),
        Some(_) => wider.has_condition_of(rule),
    };
    let has_duties = rule.duties.iter().any(Option::is_some);
    rule.kind != Kind::Deny
        && wider.kind == rule.kind
        && (!has_duties || wider.duties == rule.duties)
        && wider.covers(rule)
        && wants_no_more()
        && !is_duplicate(wider, rule)
}
