//! Points of a curve y² = x³ - 3x + b, in formulas that treat every case: signatures are chosen by strangers.

use crate::arithmetic::field::{Element, Prime};

/// A point that is not at infinity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine<const L: usize> {
    pub(super) x: Element<L>,
    pub(super) y: Element<L>,
}

/// A point in Jacobian coordinates: x = X / Z², y = Y / Z³. At infinity where Z is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jacobian<const L: usize> {
    pub(super) x: Element<L>,
    pub(super) y: Element<L>,
    pub(super) z: Element<L>,
}

impl<const L: usize> Affine<L>
where
    Element<L>: Prime,
{
    pub(super) fn negated(&self) -> Self {
        Self { x: self.x, y: self.y.negated() }
    }

    /// The same point in other coordinates; `one` is the field's.
    pub(super) fn to_jacobian(self, one: &Element<L>) -> Jacobian<L> {
        Jacobian { x: self.x, y: self.y, z: *one }
    }
}

impl<const L: usize> Jacobian<L>
where
    Element<L>: Prime,
{
    pub(super) const INFINITY: Self = Self { x: Element::ZERO, y: Element::ZERO, z: Element::ZERO };

    pub(super) fn is_infinity(&self) -> bool {
        self.z.is_zero()
    }

    /// `dbl-2001-b` of the Explicit-Formulas Database. Right at infinity too; no point of these curves has order two.
    pub(super) fn doubled(&self) -> Self {
        let delta = self.z.squared();
        let gamma = self.y.squared();
        let beta = self.x.times(&gamma);
        let product = self.x.minus(&delta).times(&self.x.plus(&delta));
        let alpha = Element::sum([(3, &product)]);
        let x = Element::sum([(1, &alpha.squared()), (-8, &beta)]);
        let z = Element::sum([(1, &self.y.plus(&self.z).squared()), (-1, &gamma), (-1, &delta)]);
        let difference = Element::sum([(4, &beta), (-1, &x)]);
        let y = Element::sum([(1, &alpha.times(&difference)), (-8, &gamma.squared())]);
        Self { x, y, z }
    }

    /// Adds a point that is given by affine coordinates (Cohen, Miyaji and Ono 1998).
    pub(super) fn plus(&self, other: &Affine<L>, one: &Element<L>) -> Self {
        if self.is_infinity() {
            return other.to_jacobian(one);
        }
        let z_squared = self.z.squared();
        let h = Element::sum([(1, &other.x.times(&z_squared)), (-1, &self.x)]);
        let r = Element::sum([(1, &other.y.times(&self.z.times(&z_squared))), (-1, &self.y)]);
        if h.is_zero() {
            // The same x: the same point, or its opposite.
            return if r.is_zero() { self.doubled() } else { Self::INFINITY };
        }
        let h_squared = h.squared();
        let h_cubed = h.times(&h_squared);
        let v = self.x.times(&h_squared);
        let x = Element::sum([(1, &r.squared()), (-1, &h_cubed), (-2, &v)]);
        let y = r.times_minus(&v.minus(&x), &self.y, &h_cubed);
        let z = self.z.times(&h);
        Self { x, y, z }
    }
}
