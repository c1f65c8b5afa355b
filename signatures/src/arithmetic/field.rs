//! The fields of P-256 and P-384, in Montgomery's form.
//!
//! Both primes are one less than a sum of four powers of two, so that Montgomery's reduction needs no multiplication. Limbs
//! are signed and about zero, which leaves room for sums that are carried later:
//!
//! - *tight*: limbs of at most 2^(bits - 1) in size, value of at most 0.8 p in size. There is one such form of zero.
//! - factors of a product may be sums of two tight elements, or one of them a sum of three.

use super::limbs;

/// The largest number of limbs of an element.
const MOST_LIMBS: usize = 14;

/// An element of the field of P-256 (9 limbs of 29 bits) or P-384 (14 limbs of 28 bits).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<const L: usize>(pub(super) [i32; L]);

/// A power of two: its sign, its limb, and its place in it.
type Power = (i64, usize, u32);

/// The form of a prime.
pub(crate) trait Prime {
    /// Bits of a limb.
    const BITS: u32;
    /// The sum of these is the prime plus one. The last is the largest, and is in the last limb.
    const POWERS: [Power; 4];
}

/// p = 2^256 - 2^224 + 2^192 + 2^96 - 1 (FIPS 186-4 appendix D.1.2.3).
impl Prime for Element<9> {
    const BITS: u32 = 29;
    const POWERS: [Power; 4] = [(1, 3, 9), (1, 6, 18), (-1, 7, 21), (1, 8, 24)];
}

/// p = 2^384 - 2^128 - 2^96 + 2^32 - 1 (FIPS 186-4 appendix D.1.2.4).
impl Prime for Element<14> {
    const BITS: u32 = 28;
    const POWERS: [Power; 4] = [(1, 1, 4), (-1, 3, 12), (-1, 4, 16), (1, 13, 20)];
}

impl<const L: usize> Element<L>
where
    Self: Prime,
{
    pub(crate) const ZERO: Self = Self([0; L]);

    /// The number 1, which in Montgomery's form stands for 1 / R.
    pub(crate) const UNIT: Self = {
        let mut limbs = [0; L];
        limbs[0] = 1;
        Self(limbs)
    };

    /// R², by which plain numbers are multiplied to bring them into Montgomery's form.
    pub(crate) fn r_squared() -> Self {
        (0..2 * Self::BITS as usize * L).fold(Self::UNIT, |power, _| Self::sum([(2, &power)]))
    }

    /// An element from the bytes of a number below p.
    pub(crate) fn from_bytes(bytes: &[u8], r_squared: &Self) -> Self {
        let limbs = limbs::from_bytes::<L>(bytes, Self::BITS).map(u32::cast_signed);
        Self::sum([(1, &Self(limbs))]).times(r_squared)
    }

    /// The bytes of the number below p that a tight element stands for.
    pub(crate) fn write_bytes(&self, bytes: &mut [u8]) {
        let number = self.times(&Self::UNIT);
        let is_negative = number.0.iter().rev().find(|limb| **limb != 0).is_some_and(|limb| *limb < 0);
        let mut wide = number.0.map(i64::from);
        if is_negative {
            Self::add_multiple_of_prime(&mut wide, 1);
        }
        let mut carry = 0;
        let limbs = wide.map(|limb| {
            let limb = limb + carry;
            carry = limb >> Self::BITS;
            limbs::low_bits(limb.cast_unsigned(), Self::BITS)
        });
        limbs::write_bytes(&limbs, Self::BITS, bytes);
    }

    /// Whether a tight element is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|limb| *limb == 0)
    }

    /// A factor for one product.
    #[inline(always)]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    /// A factor for one product.
    #[inline(always)]
    pub(crate) fn minus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    pub(crate) fn negated(&self) -> Self {
        Self(self.0.map(|limb| -limb))
    }

    /// A sum of small multiples of tight elements, tight.
    #[inline(never)]
    pub(crate) fn sum<const N: usize>(terms: [(i64, &Self); N]) -> Self {
        let mut wide = [0; L];
        for (factor, element) in terms {
            for i in 0..L {
                wide[i] += factor * i64::from(element.0[i]);
            }
        }
        // How often p is in it, to the nearest: p is a little less than its largest power of two.
        let top = wide[L - 1] + (wide[L - 2] >> Self::BITS);
        let shift = Self::POWERS[3].2;
        Self::add_multiple_of_prime(&mut wide, -((top + (1 << (shift - 1))) >> shift));
        Self::carry(wide)
    }

    /// The product, tight. Products are functions of their own: inlined into formulas, they are more than the compilers of hosts
    /// find registers for, and Wasmtime takes two to three times as long.
    #[inline(never)]
    pub(crate) fn times(&self, other: &Self) -> Self {
        let mut columns = [0; 2 * MOST_LIMBS];
        self.add_product(other, &mut columns);
        Self::reduce(columns)
    }

    /// The square, tight.
    #[inline(never)]
    pub(crate) fn squared(&self) -> Self {
        let mut columns = [0; 2 * MOST_LIMBS];
        for i in 0..L {
            let limb = i64::from(self.0[i]);
            columns[2 * i] += limb * limb;
            for j in i + 1..L {
                columns[i + j] += 2 * limb * i64::from(self.0[j]);
            }
        }
        Self::reduce(columns)
    }

    /// `self` · `a` - `b` · `c`, tight, with one reduction.
    #[inline(never)]
    pub(crate) fn times_minus(&self, a: &Self, b: &Self, c: &Self) -> Self {
        let mut columns = [0; 2 * MOST_LIMBS];
        self.add_product(a, &mut columns);
        b.negated().add_product(c, &mut columns);
        Self::reduce(columns)
    }

    #[inline(always)]
    fn add_product(&self, other: &Self, columns: &mut [i64; 2 * MOST_LIMBS]) {
        for i in 0..L {
            for j in 0..L {
                columns[i + j] += i64::from(self.0[i]) * i64::from(other.0[j]);
            }
        }
    }

    /// Montgomery's reduction. As p is -1 modulo the base, the quotient's digit is the column itself.
    #[inline(always)]
    fn reduce(mut columns: [i64; 2 * MOST_LIMBS]) -> Self {
        for i in 0..L {
            let (digit, carry) = Self::split(columns[i]);
            columns[i + 1] += carry;
            for (sign, limb, shift) in Self::POWERS {
                columns[i + limb] += sign * (digit << shift);
            }
        }
        Self::carry(std::array::from_fn(|i| columns[L + i]))
    }

    /// Adds a multiple of p to limbs.
    #[inline(always)]
    fn add_multiple_of_prime(wide: &mut [i64; L], multiple: i64) {
        wide[0] -= multiple;
        for (sign, limb, shift) in Self::POWERS {
            wide[limb] += sign * (multiple << shift);
        }
    }

    /// Carries, so that all limbs but the last are about zero; the last is small because the value is.
    #[inline(always)]
    fn carry(wide: [i64; L]) -> Self {
        let mut carry = 0;
        Self(std::array::from_fn(|i| {
            let limb = wide[i] + carry;
            let kept;
            (kept, carry) = if i == L - 1 { (limb, 0) } else { Self::split(limb) };
            kept as i32
        }))
    }

    /// The lowest bits of a limb, about zero, and what is to be carried.
    #[inline(always)]
    const fn split(limb: i64) -> (i64, i64) {
        let carry = (limb + (1 << (Self::BITS - 1))) >> Self::BITS;
        (limb - (carry << Self::BITS), carry)
    }
}
