//! ECDSA (FIPS 186-5 section 6.4.2) with P-256 and P-384, and signatures of fixed length (RFC 7518 section 3.4).

mod comb;
mod curve;
mod point;

use comb::Comb;
use curve::Group;

use crate::arithmetic::field::{Element, Prime};
use crate::arithmetic::{limbs, montgomery};

/// A key of one curve, by its comb.
#[derive(Debug)]
pub(crate) struct EcdsaKey<const L: usize> {
    group: &'static Group<L>,
    comb: Comb<L>,
}

impl EcdsaKey<9> {
    /// A key of P-256 from its point: SEC 1 section 2.3.4, uncompressed.
    pub(crate) fn p256(point: &[u8]) -> Option<Self> {
        Self::new(Group::p256()?, point)
    }
}

impl EcdsaKey<14> {
    /// A key of P-384 from its point: SEC 1 section 2.3.4, uncompressed.
    pub(crate) fn p384(point: &[u8]) -> Option<Self> {
        Self::new(Group::p384()?, point)
    }
}

impl<const L: usize> EcdsaKey<L>
where
    Element<L>: Prime,
{
    fn new(group: &'static Group<L>, point: &[u8]) -> Option<Self> {
        let (4, coordinates) = point.split_first()? else { return None };
        let (x, y) = coordinates.split_at_checked(group.order.bytes())?;
        let comb = Comb::new(&group.curve.point(x, y)?, group.key_shape, &group.curve, &group.order)?;
        Some(Self { group, comb })
    }

    /// How much memory the key takes.
    pub(crate) fn bytes(&self) -> usize {
        self.comb.bytes()
    }

    /// Whether r and s are a signature of this key over a message with this hash, which is as long as they are.
    pub(crate) fn verify(&self, hash: &[u8], signature: &[u8]) -> bool {
        self.check(hash, signature).is_some_and(|is_good| is_good)
    }

    fn check(&self, hash: &[u8], signature: &[u8]) -> Option<bool> {
        let Group { curve, order, .. } = self.group;
        let (r, s) = signature.split_at_checked(order.bytes())?;
        // Both from 1 to n - 1 (CVE-2022-21449); zero has no inverse.
        let (r_number, s_number) = (order.number(r)?, order.number(s)?);
        if r_number.iter().all(|limb| *limb == 0) {
            return None;
        }
        let half_inverse = self.half_inverse(s_number)?;
        let mut hash_number = vec![0; r_number.len()];
        limbs::fill(&mut hash_number, hash, montgomery::BITS);
        let half = |number: &[u32]| order.multiply(number, &half_inverse);
        let base = (&self.group.base, self.group.base.signs(&half(&hash_number), order));
        let key = (&self.comb, self.comb.signs(&half(&r_number), order));
        let sum = Comb::sum(&[base, key], &curve.one);
        // The x of the sum, modulo n, is r: x is r or, as p is greater than n, r + n. Compared without a division by Z².
        let z_squared = sum.z.squared();
        let r_element = curve.element(r)?;
        let is_x = |candidate: &Element<L>| Element::sum([(1, &candidate.times(&z_squared)), (-1, &sum.x)]).is_zero();
        let is_second = || r < &*self.group.second && is_x(&r_element.plus(&self.group.order_element));
        Some(!sum.is_infinity() && (is_x(&r_element) || is_second()))
    }

    /// 1 / 2s modulo n, in Montgomery's form; none for zero.
    fn half_inverse(&self, s: Vec<u32>) -> Option<Vec<u32>> {
        let order = &self.group.order;
        let mut twice = s;
        order.double(&mut twice);
        let mut bytes = order.to_bytes(&twice);
        self.group.order_inverter.invert(&mut bytes);
        let inverse = order.to_montgomery(&order.number(&bytes)?);
        let product = order.multiply(&twice, &inverse);
        let is_one = product.iter().enumerate().all(|(index, limb)| *limb == u32::from(index == 0));
        is_one.then_some(inverse)
    }
}

#[cfg(test)]
mod tests;
