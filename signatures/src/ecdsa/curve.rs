//! The curves P-256 and P-384 (FIPS 186-4 appendix D.1.2, SEC 2 sections 2.4.2 and 2.5.1).

use std::sync::OnceLock;

use super::comb::{Comb, Shape};
use super::point::{Affine, Jacobian};
use crate::arithmetic::field::{Element, Prime};
use crate::arithmetic::inverse::Inverter;
use crate::arithmetic::montgomery::Modulus;

/// A curve as its standard gives it, the numbers hexadecimal.
pub(super) struct Parameters {
    pub(super) p: &'static str,
    pub(super) b: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) n: &'static str,
    /// How the comb of the base point is cut, and those of keys: see the crate's documentation for the measurements.
    base_shape: Shape,
    key_shape: Shape,
}

pub(super) const P256: Parameters = Parameters {
    p: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    x: "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    y: "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    n: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    base_shape: Shape { teeth: 8, blocks: 2, columns: 16 },
    key_shape: Shape { teeth: 7, blocks: 2, columns: 19 },
};

pub(super) const P384: Parameters = Parameters {
    p: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    x: "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    y: "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    n: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    base_shape: Shape { teeth: 8, blocks: 2, columns: 24 },
    key_shape: Shape { teeth: 7, blocks: 2, columns: 28 },
};

/// The group of a curve, without its base point.
#[derive(Debug)]
pub(super) struct Curve<const L: usize> {
    pub(super) one: Element<L>,
    r_squared: Element<L>,
    b: Element<L>,
    p: Vec<u8>,
    field_inverter: Inverter<L>,
}

/// What verifying with any key of a curve needs.
#[derive(Debug)]
pub(super) struct Group<const L: usize> {
    pub(super) curve: Curve<L>,
    pub(super) order: Modulus,
    pub(super) order_inverter: Inverter<L>,
    pub(super) order_element: Element<L>,
    /// p - n: a number below it may stand for two x, itself and the number plus n.
    pub(super) second: Vec<u8>,
    pub(super) base: Comb<L>,
    pub(super) key_shape: Shape,
}

impl Group<9> {
    /// P-256; none only if its numbers were wrong.
    pub(super) fn p256() -> Option<&'static Self> {
        static GROUP: OnceLock<Option<Group<9>>> = OnceLock::new();
        GROUP.get_or_init(|| Self::new(&P256)).as_ref()
    }
}

impl Group<14> {
    /// P-384; none only if its numbers were wrong.
    pub(super) fn p384() -> Option<&'static Self> {
        static GROUP: OnceLock<Option<Group<14>>> = OnceLock::new();
        GROUP.get_or_init(|| Self::new(&P384)).as_ref()
    }
}

impl<const L: usize> Group<L>
where
    Element<L>: Prime,
{
    fn new(parameters: &Parameters) -> Option<Self> {
        let (p, n) = (bytes(parameters.p)?, bytes(parameters.n)?);
        let r_squared = Element::r_squared();
        let curve = Curve {
            one: Element::UNIT.times(&r_squared),
            r_squared,
            b: Element::from_bytes(&bytes(parameters.b)?, &r_squared),
            field_inverter: Inverter::new(&p),
            p,
        };
        let base = curve.point(&bytes(parameters.x)?, &bytes(parameters.y)?)?;
        let order = Modulus::new(&n)?;
        Some(Self {
            order_inverter: Inverter::new(&n),
            order_element: curve.element(&n)?,
            second: order.subtracted_from(&curve.p),
            base: Comb::new(&base, parameters.base_shape, &curve, &order)?,
            key_shape: parameters.key_shape,
            curve,
            order,
        })
    }
}

impl<const L: usize> Curve<L>
where
    Element<L>: Prime,
{
    /// The point with these coordinates; none if it is not on the curve. Points of these curves have the order of the base
    /// point, and infinity has no coordinates (SEC 1 section 3.2.2.1).
    pub(super) fn point(&self, x: &[u8], y: &[u8]) -> Option<Affine<L>> {
        let (x, y) = (self.element(x)?, self.element(y)?);
        let cubed = x.squared().times(&x);
        let difference = Element::sum([(1, &y.squared()), (-1, &cubed), (3, &x), (-1, &self.b)]);
        difference.is_zero().then_some(Affine { x, y })
    }

    /// An element from its bytes; none if the number is not below p.
    pub(super) fn element(&self, bytes: &[u8]) -> Option<Element<L>> {
        (bytes.len() == self.p.len() && bytes < &*self.p).then(|| Element::from_bytes(bytes, &self.r_squared))
    }

    /// Affine coordinates of points, with one inversion for all; none if one is at infinity.
    pub(super) fn normalize(&self, points: &[Jacobian<L>]) -> Option<Vec<Affine<L>>> {
        // The products of all Z before each point.
        let mut products = Vec::with_capacity(points.len());
        let product = points.iter().fold(self.one, |product, point| {
            products.push(product);
            product.times(&point.z)
        });
        let mut inverse = self.inverse(&product)?;
        let mut normalized: Vec<_> = points
            .iter()
            .zip(&products)
            .rev()
            .map(|(point, product)| {
                let z_inverse = inverse.times(product);
                inverse = inverse.times(&point.z);
                let square = z_inverse.squared();
                Affine { x: point.x.times(&square), y: point.y.times(&square.times(&z_inverse)) }
            })
            .collect();
        normalized.reverse();
        Some(normalized)
    }

    /// The inverse of an element; none of zero.
    fn inverse(&self, element: &Element<L>) -> Option<Element<L>> {
        let mut bytes = vec![0; self.p.len()];
        element.write_bytes(&mut bytes);
        self.field_inverter.invert(&mut bytes);
        let inverse = self.element(&bytes)?;
        let product = inverse.times(element);
        Element::sum([(1, &product), (-1, &self.one)]).is_zero().then_some(inverse)
    }
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    hexadecimal.as_bytes().chunks(2).map(byte).collect()
}
