//! Sums of multiples and signatures with chosen multipliers, against school arithmetic in affine coordinates.
#![expect(clippy::arithmetic_side_effects, reason = "a panic is how a test fails")]

use num_bigint::BigUint;

use super::EcdsaKey;
use super::comb::Comb;
use super::curve::Group;
use super::point::Jacobian;
use crate::arithmetic::field::{Element, Prime};

/// A point; none is infinity.
type Point = Option<(BigUint, BigUint)>;

/// A curve as school books have it.
struct Reference {
    p: BigUint,
    n: BigUint,
    b: BigUint,
    base: Point,
    bytes: usize,
}

impl Reference {
    fn new(p: &str, n: &str, b: &str, x: &str, y: &str) -> Self {
        let number = |text: &str| BigUint::parse_bytes(text.as_bytes(), 16).unwrap();
        let base = Some((number(x), number(y)));
        Self { p: number(p), n: number(n), b: number(b), base, bytes: p.len() / 2 }
    }

    fn p256() -> Self {
        let p = super::curve::P256;
        Self::new(p.p, p.n, p.b, p.x, p.y)
    }

    fn p384() -> Self {
        let p = super::curve::P384;
        Self::new(p.p, p.n, p.b, p.x, p.y)
    }

    fn negated(&self, point: &Point) -> Point {
        point.as_ref().map(|(x, y)| (x.clone(), &self.p - y))
    }

    fn sum(&self, a: &Point, b: &Point) -> Point {
        let (Some((x1, y1)), Some((x2, y2))) = (a, b) else { return a.clone().or_else(|| b.clone()) };
        let p = &self.p;
        let slope = if x1 != x2 {
            (y2 + p - y1) * (x2 + p - x1).modinv(p).unwrap()
        } else if y1 == y2 {
            (x1 * x1 * 3_u8 + p - 3_u8) * (y1 * 2_u8).modinv(p).unwrap()
        } else {
            return None;
        };
        let x3 = (&slope * &slope + p * 2_u8 - x1 - x2) % p;
        let y3 = (slope * (x1 + p - &x3) + p - y1) % p;
        Some((x3, y3))
    }

    fn times(&self, factor: &BigUint, point: &Point) -> Point {
        (0..factor.bits()).rev().fold(None, |product, bit| {
            let doubled = self.sum(&product, &product);
            if factor.bit(bit) { self.sum(&doubled, point) } else { doubled }
        })
    }

    /// The point with this x, if there is one, and an even y. Both primes are 3 modulo 4.
    fn lifted(&self, x: &BigUint) -> Point {
        let squared = (x * x * x + (&self.p - 3_u8) * x + &self.b) % &self.p;
        let y = squared.modpow(&((&self.p + 1_u8) >> 2), &self.p);
        (&y * &y % &self.p == squared).then(|| (x.clone(), if y.bit(0) { &self.p - y } else { y }))
    }

    fn bytes_of(&self, number: &BigUint) -> Vec<u8> {
        let bytes = number.to_bytes_be();
        [vec![0; self.bytes - bytes.len()], bytes].concat()
    }

    fn encoded(&self, point: &Point) -> Vec<u8> {
        let (x, y) = point.as_ref().unwrap();
        [vec![4], self.bytes_of(x), self.bytes_of(y)].concat()
    }

    /// Multipliers at the edges, and some in between.
    fn multipliers(&self) -> Vec<BigUint> {
        let (n, one) = (&self.n, BigUint::from(1_u8));
        let mut random = fastrand::Rng::with_seed(5);
        let mut noise = vec![0; self.bytes];
        random.fill(&mut noise);
        let half: BigUint = (n + &one) >> 1;
        vec![
            BigUint::ZERO,
            one.clone(),
            2_u8.into(),
            3_u8.into(),
            half.clone(),
            half - &one,
            n - 2_u8,
            n - &one,
            BigUint::from_bytes_be(&noise) % n,
        ]
    }
}

/// Compares the sum of two multiples for points of which the multiples meet: the base point, its opposite, its double.
fn check_sums<const L: usize>(group: &Group<L>, reference: &Reference)
where
    Element<L>: Prime,
{
    let multipliers = reference.multipliers();
    let doubled = reference.sum(&reference.base, &reference.base);
    let points = [
        reference.base.clone(),
        reference.negated(&reference.base),
        reference.negated(&doubled),
        reference.times(multipliers.last().unwrap(), &reference.base),
    ];
    let half = |multiplier: &BigUint| {
        let half = multiplier * ((&reference.n + 1_u8) >> 1) % &reference.n;
        group.order.number(&reference.bytes_of(&half)).unwrap()
    };
    for point in &points {
        let encoded = reference.encoded(point);
        let (x, y) = encoded[1..].split_at(reference.bytes);
        let point_of_curve = group.curve.point(x, y).unwrap();
        let comb = Comb::new(&point_of_curve, group.key_shape, &group.curve, &group.order).unwrap();
        let multiples = |point: &Point| -> Vec<_> {
            multipliers.iter().map(|multiplier| (multiplier, reference.times(multiplier, point))).collect()
        };
        let (of_base, of_point) = (multiples(&reference.base), multiples(point));
        for (first, first_multiple) in &of_base {
            for (second, second_multiple) in &of_point {
                let combs = [
                    (&group.base, group.base.signs(&half(first), &group.order)),
                    (&comb, comb.signs(&half(second), &group.order)),
                ];
                let sum = Comb::sum(&combs, &group.curve.one);
                let expected = reference.sum(first_multiple, second_multiple);
                assert_eq!(affine(group, reference, &sum), expected, "{first} and {second}");
            }
        }
    }
}

/// A point in the reference's form.
fn affine<const L: usize>(group: &Group<L>, reference: &Reference, point: &Jacobian<L>) -> Point
where
    Element<L>: Prime,
{
    let normalized = group.curve.normalize(&[*point])?;
    let number = |element: &Element<L>| {
        let mut bytes = vec![0; reference.bytes];
        element.write_bytes(&mut bytes);
        BigUint::from_bytes_be(&bytes)
    };
    assert!(!point.is_infinity());
    normalized.first().map(|point| (number(&point.x), number(&point.y)))
}

/// Signatures made of a point R, without a private key: for any hash and s, the key (s R - hash G) / r has signed it.
fn check_signatures<const L: usize>(reference: &Reference, prepare: impl Fn(&[u8]) -> Option<EcdsaKey<L>>)
where
    Element<L>: Prime,
{
    let (n, p) = (&reference.n, &reference.p);
    let limit = BigUint::from(1_u8) << (8 * reference.bytes);
    let on_curve = |from: BigUint| (0..200_u8).find_map(|step| reference.lifted(&(&from + step)));
    // x so small that x + n is below p too; x from n on, of which r is the rest; x just below n and p; any.
    let points = [
        on_curve(1_u8.into()),
        on_curve(n + 1_u8),
        on_curve(n - 200_u8),
        on_curve(p - 200_u8),
        reference.times(&5_u8.into(), &reference.base),
    ];
    let hashes = [BigUint::ZERO, n - 1_u8, &limit - 1_u8].map(|hash| {
        let multiple = reference.times(&(&hash % n), &reference.base);
        (hash, multiple)
    });
    for point in points {
        let x = point.clone().unwrap().0;
        let r = &x % n;
        for s in reference.multipliers().iter().skip(1).step_by(3) {
            let multiple = reference.times(s, &point);
            for (hash, hash_multiple) in &hashes {
                let sum = reference.sum(&multiple, &reference.negated(hash_multiple));
                let key = prepare(&reference.encoded(&reference.times(&r.modinv(n).unwrap(), &sum))).unwrap();
                let verify = |hash: &BigUint, r: &BigUint, s: &BigUint| {
                    key.verify(&reference.bytes_of(hash), &[reference.bytes_of(r), reference.bytes_of(s)].concat())
                };
                assert!(verify(hash, &r, s));
                assert!(verify(hash, &r, &(n - s)), "the other s is as good: JOSE knows no low s");
                assert!(!verify(&((hash + 1_u8) % n), &r, s));
                for other in [&r + 1_u8, &r + n, BigUint::ZERO, n.clone(), p.clone(), n - &r, x.clone()] {
                    assert!(other == r || other >= limit || !verify(hash, &other, s), "{other} for {r}");
                }
                for other in [s + 1_u8, s + n, BigUint::ZERO, n.clone()] {
                    assert!(other == n - s || other >= limit || !verify(hash, &r, &other), "{other} for {s}");
                }
            }
        }
    }
}

#[test]
fn sums_on_p256() {
    check_sums(Group::p256().unwrap(), &Reference::p256());
}

#[test]
fn sums_on_p384() {
    check_sums(Group::p384().unwrap(), &Reference::p384());
}

#[test]
fn chosen_signatures_of_p256() {
    check_signatures(&Reference::p256(), EcdsaKey::p256);
}

#[test]
fn chosen_signatures_of_p384() {
    check_signatures(&Reference::p384(), EcdsaKey::p384);
}

#[test]
fn unsound_points_are_refused() {
    let reference = Reference::p256();
    let (x, y) = reference.base.clone().unwrap();
    let point = |x: &BigUint, y: &BigUint| [vec![4], reference.bytes_of(x), reference.bytes_of(y)].concat();
    let good = point(&x, &y);
    assert!(EcdsaKey::p256(&good).is_some());
    let with_form = |form: u8| [&[form], &good[1..]].concat();
    // x + p fits into 32 bytes for the smallest x.
    let small = reference.lifted(&5_u8.into()).unwrap();
    assert!(EcdsaKey::p256(&point(&small.0, &small.1)).is_some());
    for (what, bytes) in [
        ("infinity", vec![0]),
        ("infinity at full length", vec![0; 65]),
        ("zeros", point(&BigUint::ZERO, &BigUint::ZERO)),
        ("off the curve", point(&x, &(&y + 1_u8))),
        ("coordinates swapped", point(&y, &x)),
        ("x not below p", point(&(&small.0 + &reference.p), &small.1)),
        ("compressed", [&[2], &good[1..33]].concat()),
        ("hybrid", with_form(6)),
        ("no form", with_form(0)),
        ("short", good[..64].to_vec()),
        ("long", [&*good, &[0]].concat()),
        ("nothing", vec![]),
        ("of P-384", Reference::p384().encoded(&Reference::p384().base)),
    ] {
        assert!(EcdsaKey::p256(&bytes).is_none(), "{what}");
    }
}
