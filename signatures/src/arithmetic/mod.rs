//! Arithmetic with large numbers, in limbs or digits that suit WebAssembly: it has no product of 128 bits.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "arithmetic is what this module is for: each file says why its sums fit, tests run it with overflow checks at the \
              edges, and indices are counters that a constant or the length of a modulus bounds, never a signature"
)]

mod columns;
mod digits;
pub(crate) mod field;
pub(crate) mod inverse;
mod lanes;
pub(crate) mod limbs;
pub(crate) mod montgomery;
pub(crate) mod power;

#[cfg(test)]
mod tests;
