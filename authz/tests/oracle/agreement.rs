//! Both evaluators say the same.

use std::cell::RefCell;
use std::num::NonZero;
use std::thread;

use crate::comparison::{authorizer, compiled, documented, explain};
use crate::statistics::Statistics;
use crate::{Policies, evaluator, generator};

const POLICIES: u64 = 4000;
const REQUESTS: u64 = 250;

/// Explanations cost more.
const EXPLAINED_POLICIES: u64 = 400;

#[test]
fn a_second_evaluator_says_the_same() {
    let policies = Policies::new();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let work = |first: usize| {
        let mut statistics = Statistics::default();
        for number in (0..POLICIES).skip(first).step_by(threads) {
            compare(&policies, number, &mut statistics)?;
        }
        Ok(statistics)
    };
    let results: Vec<Result<Statistics, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut statistics = Statistics::default();
    for result in results {
        statistics.add(result.unwrap_or_else(|difference| panic!("{difference}")));
    }
    println!("{statistics}");
    assert!(statistics.pairs() >= 1_000_000);
    statistics.assert_that_everything_was_tested();
}

/// Compares many requests under one policy.
fn compare(policies: &Policies, number: u64, statistics: &mut Statistics) -> Result<(), String> {
    let (mut rng, bundle) = policies.get(number);
    let authorizer = authorizer(&bundle);
    let outcomes = RefCell::default();
    for _ in 0..REQUESTS {
        let request = generator::request(&mut rng, &bundle, &policies.principals);
        let compiled = compiled(&authorizer, &request);
        if documented(&bundle, &request, &outcomes) != compiled {
            let difference = explain(&bundle, &request);
            return Err(format!("seed {}, policy {number}:\n{difference}", policies.seed));
        }
        statistics.count(&compiled);
    }
    statistics.count_outcomes(outcomes.into_inner());
    Ok(())
}

#[test]
fn every_rule_is_explained_as_it_applies() {
    let policies = Policies::new();
    for number in 0..EXPLAINED_POLICIES {
        let (mut rng, bundle) = policies.get(number);
        let authorizer = authorizer(&bundle);
        for _ in 0..REQUESTS {
            let request = generator::request(&mut rng, &bundle, &policies.principals);
            let explanation = authorizer.explain(&request.head(), evaluator::now());
            let traced: Vec<_> = explanation
                .rules
                .into_iter()
                .map(|rule| evaluator::Trace { id: rule.id, applies: rule.applies, holds: rule.misses.is_empty() })
                .collect();
            let documented = evaluator::trace(&bundle, &request);
            assert_eq!(traced, documented, "seed {}, policy {number}: {} {bundle}", policies.seed, request.to_json());
        }
    }
}
