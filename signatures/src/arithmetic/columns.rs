//! Columns of products: what digits at equal places come to, in both halves of each product.
//!
//! Fused multiplications and additions give both halves exactly (Emmart, Zheng and Weems, "Faster Modular Exponentiation Using Double Precision
//! Floating Point Arithmetic on the GPU", ARITH 2018), and that for two products at a time. With digits of 50 bits two products are added up
//! before their halves are taken apart, and a carry is so small that it need go no further than one digit.

use super::digits::{BITS, HALF, MASK, Row};
use super::lanes::{Lanes, ZERO};

/// How many digits are multiplied by a number at a time.
pub(super) const BLOCK: usize = 4;

/// What is added to products so that their upper half is what remains: the last bit of the sum counts as much as the next digit, for it
/// stays between 2^102 and 2^103. Two products are up to 2^100 of either sign, and some, one of their factors being doubled.
const UPPER: f64 = 3.0 * (1_u128 << 101) as f64;

/// What is added so that the lower halves remain, up to 2^49 of either sign for each product: the last bit counts 1.
const LOWER: f64 = 3.0 * (1_u64 << 51) as f64;

/// What a column of a number that is reduced has been given in addition: it is positive with it, as its bits have to be for their shift, and
/// [`HALF`] too much, so that what is above a digit's bits is what rounding to the nearest would carry.
pub(super) const POSITIVE: u64 = 1 << 62;

/// The sums of a pair of columns: those of the lower halves and those of the upper ones, which belong to the next digits. For 4096 bits a
/// column has 84 products and 83 of its reduction, each up to 2^49 in either half: sums are below 2^58.
pub(super) type Column = [Lanes; 2];

/// Adds products to columns, with constants that are in memory, so that a compiler does not make them anew for each.
#[derive(Debug)]
pub(super) struct Products {
    upper: Lanes,
    both: Lanes,
    /// What a column starts with that is nothing but what a product is made with.
    pub(super) nothing: Column,
    mask: Lanes,
    exponent: Lanes,
    middle: Lanes,
}

/// A factor of columns, and the digits it is multiplied by.
pub(super) type Product = (Lanes, Lanes);

/// Four digits, each twice, the lowest first.
pub(super) type Block = [Lanes; BLOCK];

impl Products {
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn new() -> Self {
        let exponent = 1_u64 << 52;
        Self {
            upper: Lanes::twice(UPPER),
            both: Lanes::twice(UPPER + LOWER),
            nothing: start(1, 0),
            mask: Lanes::of_integer(MASK),
            exponent: Lanes::of_integer((exponent as f64).to_bits()),
            middle: Lanes::twice((exponent + HALF.cast_unsigned() + (POSITIVE >> BITS)) as f64),
        }
    }

    /// A column with a product more.
    #[inline]
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn add(&self, [lower, upper]: Column, (a, b): Product) -> Column {
        let high = Lanes::multiply_add(a, b, self.upper);
        let low = Lanes::multiply_add(a, b, Lanes::difference(self.both, high));
        [Lanes::sum(lower, low), Lanes::sum(upper, high)]
    }

    /// A column with two products more.
    #[inline]
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn add_two(&self, [lower, upper]: Column, (a, b): Product, (c, d): Product) -> Column {
        let high = Lanes::multiply_add(a, b, self.upper);
        let both_high = Lanes::multiply_add(c, d, high);
        let low = Lanes::multiply_add(a, b, Lanes::difference(self.both, high));
        let other_low = Lanes::multiply_add(c, d, Lanes::difference(high, both_high));
        [Lanes::sum(lower, Lanes::total(low, other_low)), Lanes::sum(upper, both_high)]
    }

    /// Adds the products of a block of digits, the lowest first, and rows of a number to columns. `before` is the row before those given.
    #[inline]
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn add_rows(&self, columns: &mut [Column], [w, x, y, z]: Block, rows: &[Row], mut before: Row) {
        for (column, row) in columns.iter_mut().zip(rows) {
            let sums = self.add_two(*column, (w, row[0]), (x, row[1]));
            *column = self.add_two(sums, (y, before[0]), (z, before[1]));
            before = *row;
        }
    }

    /// The same for the last rows of a number, of which the upper digits of the block reach one column further.
    #[inline]
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn add_last_rows(&self, columns: &mut [Column], block: Block, rows: &[Row], before: Row) {
        self.add_rows(columns, block, rows, before);
        let [_, _, y, z] = block;
        let last = rows.last().unwrap_or(&before);
        columns[rows.len()] = self.add_two(columns[rows.len()], (y, last[0]), (z, last[1]));
    }
}

/// What columns leave over for those above.
pub(super) struct Carry {
    carries: Lanes,
    upper: Lanes,
}

impl Carry {
    /// Before the lowest column.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn none() -> Self {
        Self { carries: Lanes::of_integer(POSITIVE >> BITS), upper: ZERO }
    }

    /// The digits of a column. Carries go one digit up and no further, so digits are up to 2^49 and what is carried: 2^8.
    #[inline]
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn digits(&mut self, products: &Products, [lower, upper]: Column) -> Lanes {
        let sum = Lanes::sum(lower, Lanes::across(self.upper, upper));
        let carries = sum.without_lowest(BITS as u32);
        let digits = Lanes::sum(Lanes::common(sum, products.mask), Lanes::across(self.carries, carries));
        *self = Self { carries, upper };
        Lanes::difference(Lanes::sum(digits, products.exponent), products.middle)
    }
}

/// What a column starts with that so many products are added to, and that is `more` without them.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
pub(super) fn start(products: u64, more: u64) -> Column {
    let without = |half: f64| half.to_bits().wrapping_mul(products).wrapping_neg();
    [Lanes::of_integer(without(LOWER).wrapping_add(more)), Lanes::of_integer(without(UPPER))]
}

/// A block of two pairs of digits.
#[inline]
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
pub(super) fn block(wx: Lanes, yz: Lanes) -> Block {
    [wx.low_twice(), wx.high_twice(), yz.low_twice(), yz.high_twice()]
}
