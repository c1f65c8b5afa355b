//! Inverses modulo an odd number by division steps (Bernstein and Yang, "Fast constant-time gcd computation and modular
//! inversion", 2019), here in variable time: 30 steps at once, as a matrix that the lowest bits determine.

use super::limbs;

/// Bits of a limb, and division steps of a matrix.
const BITS: u32 = 30;
const MASK: i64 = (1 << BITS) - 1;

/// A number of N limbs: all but the last from 0 to [`MASK`], the last with the sign.
type Number<const N: usize> = [i64; N];

/// Inverts modulo a number of at most 30 · N - 2 bits.
#[derive(Debug)]
pub(crate) struct Inverter<const N: usize> {
    modulus: Number<N>,
    /// 1 / modulus, modulo 2^30.
    low_inverse: i64,
}

/// What 30 division steps make of a pair of numbers, times 2^30.
#[derive(Clone, Copy)]
struct Matrix {
    first: (i64, i64),
    second: (i64, i64),
}

impl<const N: usize> Inverter<N> {
    pub(crate) fn new(modulus: &[u8]) -> Self {
        let modulus = limbs::from_bytes::<N>(modulus, BITS).map(i64::from);
        let low = modulus[0];
        // Newton's iteration: each step doubles the bits that are right, from three.
        let low_inverse = (0..4).fold(low, |inverse, _| (inverse * ((2 - low * inverse) & MASK)) & MASK);
        Self { modulus, low_inverse }
    }

    /// Writes the inverse of a number below the modulus over it. Where there is none, some number.
    pub(crate) fn invert(&self, number: &mut [u8]) {
        let (mut f, mut g) = (self.modulus, limbs::from_bytes::<N>(number, BITS).map(i64::from));
        // f and g stay these multiples of the number, modulo the modulus.
        let (mut d, mut e) = ([0; N], [0; N]);
        e[0] = 1;
        let mut eta = -1;
        // For b bits g is zero after (49 b + 57) / 17 steps at most (theorem 11.2).
        for _ in 0..3 * N {
            if g == [0; N] {
                break;
            }
            let matrix = Matrix::of_steps(&mut eta, f[0], g[0]);
            self.apply_modulo(matrix, &mut d, &mut e);
            apply(matrix, &mut f, &mut g);
        }
        // f is 1 or -1 now.
        let inverse = self.normalize(d, f[N - 1] < 0);
        limbs::write_bytes(&inverse.map(|limb| limbs::low_bits(limb.cast_unsigned(), BITS)), BITS, number);
    }

    /// Applies a matrix to numbers between -2 · modulus and the modulus, which is where they stay. They are divided by 2^30
    /// after the multiple of the modulus is added that makes them divisible.
    fn apply_modulo(&self, matrix: Matrix, d: &mut Number<N>, e: &mut Number<N>) {
        let (mut sum_d, mut sum_e) = ((0, 0), (0, 0));
        let multiple = |(a, b): (i64, i64)| {
            // A negative number gets the modulus once more, so that the result stays in its range.
            let start = if d[N - 1] < 0 { a } else { 0 } + if e[N - 1] < 0 { b } else { 0 };
            let low = a * d[0] + b * e[0];
            start - ((self.low_inverse * (low & MASK) + start) & MASK)
        };
        (sum_d.1, sum_e.1) = (multiple(matrix.first), multiple(matrix.second));
        let (old_d, old_e) = (*d, *e);
        for i in 0..N {
            sum_d.0 += matrix.first.0 * old_d[i] + matrix.first.1 * old_e[i] + self.modulus[i] * sum_d.1;
            sum_e.0 += matrix.second.0 * old_d[i] + matrix.second.1 * old_e[i] + self.modulus[i] * sum_e.1;
            if i > 0 {
                (d[i - 1], e[i - 1]) = (sum_d.0 & MASK, sum_e.0 & MASK);
            }
            (sum_d.0, sum_e.0) = (sum_d.0 >> BITS, sum_e.0 >> BITS);
        }
        (d[N - 1], e[N - 1]) = (sum_d.0, sum_e.0);
    }

    /// A number between -2 · modulus and the modulus, or its opposite, brought to between 0 and the modulus.
    fn normalize(&self, mut number: Number<N>, negate: bool) -> Number<N> {
        let add_modulus = |number: Number<N>| {
            let is_negative = number[N - 1] < 0;
            carried(std::array::from_fn(|i| number[i] + if is_negative { self.modulus[i] } else { 0 }))
        };
        number = add_modulus(number);
        if negate {
            number = carried(number.map(|limb| -limb));
        }
        add_modulus(number)
    }
}

impl Matrix {
    /// The matrix of 30 steps from the lowest bits of f, which is odd, and g. `eta` is minus the delta of the paper.
    fn of_steps(eta: &mut i64, f: i64, g: i64) -> Self {
        let (mut f, mut g, mut first, mut second) = (f, g, (1, 0), (0, 1));
        let mut left = BITS;
        loop {
            // Even g: halve it. Instead of second, first is doubled, as the whole is divided in the end.
            let zeros = g.trailing_zeros().min(left);
            g >>= zeros;
            first = (first.0 << zeros, first.1 << zeros);
            *eta -= i64::from(zeros);
            left -= zeros;
            if left == 0 {
                return Self { first, second };
            }
            if *eta < 0 {
                *eta = -*eta;
                (f, g) = (g, -f);
                (first, second) = (second, (-first.0, -first.1));
            }
            // Both odd: the multiple of f that cancels the lowest bits of g, as many as steps without a swap will follow.
            let bits = (*eta + 1).min(i64::from(left)).min(6);
            let multiple = (((f * ((f * f - 2) & 63)) & 63) * (g & 63)) & ((1 << bits) - 1);
            g += f * multiple;
            second = (second.0 + first.0 * multiple, second.1 + first.1 * multiple);
        }
    }
}

/// Applies a matrix to numbers for which the result is divisible by 2^30, and divides it.
fn apply<const N: usize>(matrix: Matrix, f: &mut Number<N>, g: &mut Number<N>) {
    let (mut sum_f, mut sum_g) = (0, 0);
    for i in 0..N {
        sum_f += matrix.first.0 * f[i] + matrix.first.1 * g[i];
        sum_g += matrix.second.0 * f[i] + matrix.second.1 * g[i];
        if i > 0 {
            (f[i - 1], g[i - 1]) = (sum_f & MASK, sum_g & MASK);
        }
        (sum_f, sum_g) = (sum_f >> BITS, sum_g >> BITS);
    }
    (f[N - 1], g[N - 1]) = (sum_f, sum_g);
}

/// Carries, all limbs but the last.
fn carried<const N: usize>(mut number: Number<N>) -> Number<N> {
    for i in 1..N {
        number[i] += number[i - 1] >> BITS;
        number[i - 1] &= MASK;
    }
    number
}
