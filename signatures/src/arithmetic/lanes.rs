//! Two numbers of 64 bits side by side, floating-point numbers or integers. In WebAssembly they are one value of its fixed-width SIMD,
//! and natively, where only tests and tools verify, an array.

/// Two floating-point numbers or two integers: whatever the operation takes them for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes(Pair);

/// Both numbers zero, of either kind.
pub(crate) const ZERO: Lanes = Lanes(inner::ZERO);

macro_rules! operations {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty { $native:expr } in wasm { $wasm:expr })*) => {
        impl Lanes {
            $(
                $(#[$doc])*
                #[inline]
                #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
                pub(crate) fn $name($($argument: $type),*) -> $result {
                    #[cfg(target_arch = "wasm32")]
                    return $wasm;
                    #[cfg(not(target_arch = "wasm32"))]
                    return $native;
                }
            )*
        }
    };
}

#[cfg(target_arch = "wasm32")]
mod inner {
    pub(super) use core::arch::wasm32::*;

    pub(super) type Pair = v128;
    pub(super) const ZERO: Pair = u64x2(0, 0);
}

#[cfg(not(target_arch = "wasm32"))]
mod inner {
    /// The bits of both.
    pub(super) type Pair = [u64; 2];
    pub(super) const ZERO: Pair = [0; 2];

    pub(super) fn floats(pair: Pair) -> [f64; 2] {
        pair.map(f64::from_bits)
    }
}

use inner::*;

operations! {
    /// Two floating-point numbers.
    fn of_floats(low: f64, high: f64) -> Self {
        Self([low.to_bits(), high.to_bits()])
    } in wasm {
        Self(f64x2(low, high))
    }

    /// The same floating-point number twice.
    fn twice(number: f64) -> Self {
        Self::of_floats(number, number)
    } in wasm {
        Self(f64x2_splat(number))
    }

    /// The same integer twice.
    fn of_integer(number: u64) -> Self {
        Self([number, number])
    } in wasm {
        Self(u64x2(number, number))
    }

    /// The floating-point numbers.
    fn floats(self: Self) -> [f64; 2] {
        floats(self.0)
    } in wasm {
        [f64x2_extract_lane::<0>(self.0), f64x2_extract_lane::<1>(self.0)]
    }

    /// Floating-point numbers that are whole and below 2^51, of either sign, as integers.
    fn whole(self: Self) -> [i64; 2] {
        floats(self.0).map(|float| float as i64)
    } in wasm {
        {
            // Their lowest bit is that of a number between 2^52 and 2^53.
            let middle = f64x2_splat(3.0 * 2_f64.powi(51));
            let integers = i64x2_sub(f64x2_add(self.0, middle), middle);
            [i64x2_extract_lane::<0>(integers), i64x2_extract_lane::<1>(integers)]
        }
    }

    /// `a` · `b` + `c`, rounded once.
    fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        {
            let [a, b, c] = [a, b, c].map(|lanes| floats(lanes.0));
            Self::of_floats(a[0].mul_add(b[0], c[0]), a[1].mul_add(b[1], c[1]))
        }
    } in wasm {
        Self(f64x2_relaxed_madd(a.0, b.0, c.0))
    }

    /// `a` + `b` of floating-point numbers.
    fn total(a: Self, b: Self) -> Self {
        {
            let [a, b] = [a, b].map(|lanes| floats(lanes.0));
            Self::of_floats(a[0] + b[0], a[1] + b[1])
        }
    } in wasm {
        Self(f64x2_add(a.0, b.0))
    }

    /// `a` - `b` of floating-point numbers.
    fn difference(a: Self, b: Self) -> Self {
        {
            let [a, b] = [a, b].map(|lanes| floats(lanes.0));
            Self::of_floats(a[0] - b[0], a[1] - b[1])
        }
    } in wasm {
        Self(f64x2_sub(a.0, b.0))
    }

    /// `a` + `b` of integers, modulo 2^64.
    fn sum(a: Self, b: Self) -> Self {
        Self([a.0[0].wrapping_add(b.0[0]), a.0[1].wrapping_add(b.0[1])])
    } in wasm {
        Self(i64x2_add(a.0, b.0))
    }

    /// The bits that both have.
    fn common(a: Self, b: Self) -> Self {
        Self([a.0[0] & b.0[0], a.0[1] & b.0[1]])
    } in wasm {
        Self(v128_and(a.0, b.0))
    }

    /// Integers without so many of their lowest bits.
    fn without_lowest(self: Self, bits: u32) -> Self {
        Self(self.0.map(|integer| integer >> bits))
    } in wasm {
        Self(u64x2_shr(self.0, bits))
    }

    /// The lower number twice.
    fn low_twice(self: Self) -> Self {
        Self([self.0[0]; 2])
    } in wasm {
        Self(u64x2_shuffle::<0, 0>(self.0, self.0))
    }

    /// The upper number twice.
    fn high_twice(self: Self) -> Self {
        Self([self.0[1]; 2])
    } in wasm {
        Self(u64x2_shuffle::<1, 1>(self.0, self.0))
    }

    /// The upper number of `a` and above it the lower one of `b`: the numbers one place lower.
    fn across(a: Self, b: Self) -> Self {
        Self([a.0[1], b.0[0]])
    } in wasm {
        Self(u64x2_shuffle::<1, 2>(a.0, b.0))
    }

    /// The lower number of `a` and the upper one of `b`.
    fn blend(a: Self, b: Self) -> Self {
        Self([a.0[0], b.0[1]])
    } in wasm {
        Self(u64x2_shuffle::<0, 3>(a.0, b.0))
    }
}
