//! Ed25519 (RFC 8032 section 5.1.7), strict: every number in its one form, and no point of small order.
#![expect(clippy::arithmetic_side_effects, reason = "points and scalars are modular: nothing overflows")]

use std::sync::OnceLock;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsBasepointTable};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable as _;

use crate::hash::Hash;

/// A key, by the table of its point's opposite.
#[derive(Debug)]
pub(crate) struct Ed25519Key {
    compressed: [u8; 32],
    negated: Box<EdwardsBasepointTable>,
}

impl Ed25519Key {
    /// A key from its bytes; none if they are not the one form of a point, or one of small order.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let compressed: [u8; 32] = bytes.try_into().ok()?;
        let point = CompressedEdwardsY(compressed).decompress()?;
        let is_sound = point.compress().0 == compressed && !point.is_small_order();
        is_sound.then(|| Self { compressed, negated: Box::new(EdwardsBasepointTable::create(&-point)) })
    }

    /// How much memory the key takes.
    pub(crate) const fn bytes(&self) -> usize {
        size_of::<EdwardsBasepointTable>()
    }

    /// Whether R and s are a signature of this key over the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.check(message, signature).is_some_and(|is_good| is_good)
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        let (r, s) = signature.split_at_checked(32)?;
        let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
        let hash = Hash::Sha512.of(&[r, &self.compressed, message]).try_into().ok()?;
        let k = Scalar::from_bytes_mod_order_wide(&hash);
        let point = base().mul_base(&s) + self.negated.mul_base(&k);
        // Compared as bytes, so that another form of the same point is refused.
        Some(point.compress().0 == *r && !point.is_small_order())
    }
}

/// The table of the base point. That of the library would be 30 KB of the module, needed or not.
fn base() -> &'static EdwardsBasepointTable {
    static TABLE: OnceLock<Box<EdwardsBasepointTable>> = OnceLock::new();
    TABLE.get_or_init(|| Box::new(EdwardsBasepointTable::create(&ED25519_BASEPOINT_POINT)))
}
