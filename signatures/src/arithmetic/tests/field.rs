use num_bigint::{BigInt, BigUint, Sign};

use super::super::field::{Element, Prime};
use super::{P256, P384, bytes_of, number, samples};

/// The field of one curve, with its prime as a number.
struct Field<const L: usize> {
    prime: BigInt,
    bytes: usize,
    r_inverse: BigInt,
    r_squared: Element<L>,
}

impl<const L: usize> Field<L>
where
    Element<L>: Prime,
{
    fn new(prime: &str) -> Self {
        let prime = number(prime);
        let r = BigUint::from(1_u8) << (<Element<L> as Prime>::BITS as usize * L);
        Self {
            bytes: prime.to_bytes_be().len(),
            r_inverse: r.modinv(&prime).unwrap().into(),
            prime: prime.into(),
            r_squared: Element::r_squared(),
        }
    }

    fn modulo(&self, value: &BigInt) -> BigInt {
        ((value % &self.prime) + &self.prime) % &self.prime
    }

    /// The number that an element's limbs make.
    fn value(&self, element: &Element<L>) -> BigInt {
        element.0.iter().rev().fold(BigInt::ZERO, |value, limb| (value << <Element<L> as Prime>::BITS) + limb)
    }

    /// Checks that an element is tight, and is this number.
    fn expect(&self, element: &Element<L>, expected: &BigInt) {
        let half = 1 << (<Element<L> as Prime>::BITS - 1);
        let (top, rest) = element.0.split_last().unwrap();
        assert!(rest.iter().all(|limb| (-half..half).contains(limb)) && top.abs() <= half, "{element:?}");
        let value = self.value(element);
        assert!(value.magnitude() * 5_u8 < self.prime.magnitude() * 4_u8, "{element:?}");
        assert_eq!(self.modulo(&value), self.modulo(expected));
        assert_eq!(element.is_zero(), self.modulo(expected) == BigInt::ZERO);
    }

    /// Tight elements: those of edges and random numbers, and those with limbs as large as can be.
    fn elements(&self, random: &mut fastrand::Rng) -> Vec<Element<L>> {
        let numbers = samples(self.prime.magnitude(), random, 8);
        let mut elements: Vec<_> =
            numbers.iter().map(|number| Element::from_bytes(&bytes_of(number, self.bytes), &self.r_squared)).collect();
        let half = 1 << (<Element<L> as Prime>::BITS - 1);
        let top = elements.iter().map(|element| element.0[L - 1]).max().unwrap() / 2;
        for (even, odd) in [(half - 1, half - 1), (-half, -half), (half - 1, -half), (-half, half - 1), (half - 1, 0)] {
            for top in [top, -top, 0] {
                let mut limbs = std::array::from_fn(|i| if i % 2 == 0 { even } else { odd });
                limbs[L - 1] = top;
                elements.push(Element(limbs));
            }
        }
        elements
    }

    fn check(&self) {
        let mut random = fastrand::Rng::with_seed(4);
        let elements = self.elements(&mut random);
        for a in &elements {
            let a_value = self.value(a);
            self.expect(&Element::sum([(1, a)]), &a_value);
            self.expect(&Element::sum([(4, a), (-1, a), (-3, a)]), &BigInt::ZERO);
            assert_eq!(self.value(&a.negated()), -&a_value);
            self.expect(&a.squared(), &(&a_value * &a_value * &self.r_inverse));
            let mut bytes = vec![0; self.bytes];
            a.write_bytes(&mut bytes);
            assert_eq!(BigInt::from_bytes_be(Sign::Plus, &bytes), self.modulo(&(&a_value * &self.r_inverse)));
            for b in &elements {
                let b_value = self.value(b);
                self.expect(&a.times(b), &(&a_value * &b_value * &self.r_inverse));
                self.expect(&Element::sum([(1, a), (-8, b)]), &(&a_value - 8 * &b_value));
                self.expect(&Element::sum([(1, a), (-1, b), (-2, b)]), &(&a_value - 3 * &b_value));
                // The fullest columns that formulas ask for.
                let (sum, difference) = (a.plus(b), a.minus(b));
                self.expect(
                    &sum.times(&difference),
                    &((&a_value + &b_value) * (&a_value - &b_value) * &self.r_inverse),
                );
                self.expect(&sum.squared(), &((&a_value + &b_value) * (&a_value + &b_value) * &self.r_inverse));
                let expected = (&a_value * (&a_value - &b_value) - &b_value * &a_value) * &self.r_inverse;
                self.expect(&a.times_minus(&difference, b, a), &expected);
            }
        }
    }
}

#[test]
fn p256() {
    Field::<9>::new(P256[0]).check();
}

#[test]
fn p384() {
    Field::<14>::new(P384[0]).check();
}

/// Both forms of zero that a sum can meet: p itself, and nothing.
#[test]
fn multiples_of_the_prime_are_zero() {
    let prime = number(P256[0]);
    let limbs = super::super::limbs::from_bytes::<9>(&prime.to_bytes_be(), 29).map(u32::cast_signed);
    for factor in [-8, -1, 0, 1, 2, 9] {
        assert!(Element::sum([(factor, &Element(limbs))]).is_zero(), "{factor}");
    }
}
