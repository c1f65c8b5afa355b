//! The policy engine against a second evaluator that was written from the documentation alone, on random policies and
//! requests; and what holds of every policy, whatever it says.
//!
//! Every run asks the same; `ORACLE_SEED` makes it ask something else.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod agreement;
mod comparison;
mod evaluator;
mod generator;
mod properties;
mod request;
mod statistics;

use fastrand::Rng;
use serde_json::Value;

use generator::Principals;

/// What the random choices of a run depend on.
fn seed() -> u64 {
    std::env::var("ORACLE_SEED").map_or(20_261_117, |seed| seed.parse().unwrap())
}

/// The policies of a run, each with the source of further choices about it. One does not depend on the others, so that they
/// can be made on several threads.
struct Policies {
    seed: u64,
    principals: Principals,
}

impl Policies {
    fn new() -> Self {
        let seed = seed();
        Self { seed, principals: Principals::new(&mut Rng::with_seed(seed)) }
    }

    fn get(&self, number: u64) -> (Rng, Value) {
        // Neighbouring seeds would begin with alike choices.
        let mut rng = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let bundle = generator::bundle(&mut rng, &self.principals);
        (rng, bundle)
    }
}
