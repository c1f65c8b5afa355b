//! What holds of every policy and every request.

use std::collections::BTreeMap;

use authz::Authorizer;
use fastrand::Rng;
use serde_json::Value;

use crate::comparison::{Answer, authorizer, compiled};
use crate::request::Request;
use crate::{Policies, generator};

const POLICIES: u64 = 600;
const REQUESTS: u64 = 50;

/// Changes each policy and checks what is decided before and after. Returns how often the answer changed, by the reasons
/// before and after, so that a test can tell whether the change did anything.
fn compare(
    change: impl Fn(&mut Rng, &mut Value) -> bool,
    check: impl Fn(&Answer, &Answer) -> bool,
) -> BTreeMap<(&'static str, &'static str), u64> {
    let policies = Policies::new();
    let mut changes = BTreeMap::new();
    for number in 0..POLICIES {
        let (mut rng, bundle) = policies.get(number);
        let mut changed = bundle.clone();
        if !change(&mut rng, &mut changed) {
            continue;
        }
        let (before, after) = (authorizer(&bundle), authorizer(&changed));
        for _ in 0..REQUESTS {
            let request = request(&mut rng, &changed, &policies);
            let (before, after) = (compiled(&before, &request), compiled(&after, &request));
            assert!(
                check(&before, &after),
                "seed {}, policy {number}: {before:?}, then {after:?}\nrequest: {}\nbefore: {bundle}\nafter: {changed}",
                policies.seed,
                request.to_json(),
            );
            if before != after {
                *changes.entry((before.decision.reason, after.decision.reason)).or_default() += 1;
            }
        }
    }
    changes
}

fn request(rng: &mut Rng, bundle: &Value, policies: &Policies) -> Request {
    generator::request(rng, bundle, &policies.principals)
}

fn rules(bundle: &mut Value) -> &mut Vec<Value> {
    bundle["rules"].as_array_mut().unwrap()
}

fn permits(answer: &Answer) -> bool {
    answer.decision.reason == "permitted_by_rule"
}

/// The name of the first credential.
fn first(bundle: &Value) -> String {
    bundle["credentials"][0]["name"].as_str().unwrap().to_owned()
}

fn insert(rng: &mut Rng, bundle: &mut Value, rule: Value) {
    let at = rng.usize(..=rules(bundle).len());
    rules(bundle).insert(at, rule);
}

#[test]
fn a_deny_rule_more_grants_nothing() {
    let add = |rng: &mut Rng, bundle: &mut Value| {
        let rule = generator::deny(rng, "added", &first(bundle));
        insert(rng, bundle, rule);
        true
    };
    let changes = compare(add, |before, after| permits(before) || !permits(after));
    assert!(changes.contains_key(&("permitted_by_rule", "denied_by_rule")), "{changes:?}");
}

/// Except for one that says `once`: it also demands something, whatever other rules permit, and that goes with it.
#[test]
fn a_permit_rule_less_grants_nothing() {
    let remove = |rng: &mut Rng, bundle: &mut Value| {
        let rules = rules(bundle);
        let only_permits = |rule: &Value| rule["effect"] == "permit" && rule["once"] != true;
        let permits: Vec<usize> = (0..rules.len()).filter(|index| only_permits(&rules[*index])).collect();
        let chosen = rng.choice(permits);
        chosen.map(|index| rules.remove(index)).is_some()
    };
    let changes = compare(remove, |before, after| permits(before) || !permits(after));
    assert!(changes.contains_key(&("permitted_by_rule", "no_rule_permits")), "{changes:?}");
}

/// The order says which rule is named, and which of several things that are missing; never whether a request is permitted.
#[test]
fn the_order_of_rules_decides_nothing() {
    let shuffle = |rng: &mut Rng, bundle: &mut Value| {
        rng.shuffle(rules(bundle));
        true
    };
    let changes = compare(shuffle, |before, after| {
        permits(before) == permits(after)
            && (before.decision.reason == "denied_by_rule") == (after.decision.reason == "denied_by_rule")
            && before.once == after.once
    });
    assert!(changes.contains_key(&("permitted_by_rule", "permitted_by_rule")), "{changes:?}");
}

#[test]
fn a_rule_that_is_only_watched_decides_nothing() {
    let add = |rng: &mut Rng, bundle: &mut Value| {
        let mut rule = generator::rule(rng, "added", &first(bundle));
        rule["mode"] = Value::from("shadow");
        insert(rng, bundle, rule);
        true
    };
    let changes = compare(add, |before, after| before.decision == after.decision && before.once == after.once);
    assert!(!changes.is_empty(), "it was never seen");
}

#[test]
fn a_token_that_is_remembered_is_the_same_token() {
    let policies = Policies::new();
    for number in 0..POLICIES {
        let (mut rng, bundle) = policies.get(number);
        let remembering = authorizer(&bundle);
        let requests: Vec<Request> = (0..10).map(|_| request(&mut rng, &bundle, &policies)).collect();
        let ask = |authorizer: &Authorizer| requests.iter().map(|one| compiled(authorizer, one)).collect::<Vec<_>>();
        let (at_first, again) = (ask(&remembering), ask(&remembering));
        let alone: Vec<_> = requests.iter().map(|one| compiled(&authorizer(&bundle), one)).collect();
        assert_eq!((&at_first, &again), (&alone, &alone), "seed {}, policy {number}", policies.seed);
    }
}
