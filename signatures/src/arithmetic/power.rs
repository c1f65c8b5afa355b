//! The power to which RSA raises a signature, in floating-point numbers.
//!
//! WebAssembly has no product of 128 bits. Two fused multiplications and additions give both halves of a product of 102 (Emmart, Zheng
//! and Weems, "Faster Modular Exponentiation Using Double Precision Floating Point Arithmetic on the GPU", ARITH 2018), and that for
//! two products at a time.
//!
//! Numbers are digits of 52 bits about zero, and may be greater than the modulus: only the end brings them below it. Reduction is
//! Montgomery's, by four digits at a time, with a multiple N' of the modulus that is -1 modulo these four: what they are is then what N' has
//! to be multiplied by, and nothing waits for a product. R is 2 to the power of the bits of all digits, and N' < 0.49 · R; so what comes of
//! numbers up to N' is up to N'² / R + 0.51 · N' < N'.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::digits::{BITS, Number, PAIR_BYTES, Rows, digits, take_digits};
use super::lanes::{Lanes, ZERO};
use super::montgomery::Modulus;

/// How many digits are multiplied by a number, and reduced, at a time.
const BLOCK: usize = 4;

/// The bits of a block, which N' has more than the modulus.
pub(crate) const BLOCK_BITS: usize = BLOCK * BITS;

/// What is added to a product so that its upper half is what remains: the last bit of the sum counts 2^51, for it stays
/// between 2^103 and 2^104 if the product is up to 2^102 of either sign.
const UPPER: f64 = 3.0 * (1_u128 << 102) as f64;

/// What is added so that the lower half, up to 2^50 of either sign, remains. A multiple of 2^51, so that the sum of both is a
/// floating-point number too.
const LOWER: f64 = 3.0 * (1_u64 << 51) as f64;

/// The squarings of the exponent 65537, before its one multiplication.
pub(crate) const SQUARINGS: usize = 16;

/// Sums of products, in pairs: those of the lower halves, up to 2^50 each, and those of the upper ones, up to 2^51, which count 2^51. For
/// 4096 bits a column has 84 of the product and 80 of its reduction: the sums are far below 2^63.
pub(super) type Columns = Vec<[Lanes; 2]>;

/// A modulus prepared for the power of 65537.
#[derive(Debug)]
pub(crate) struct Power {
    /// (N' + 1) / 2^208.
    high: Rows,
    /// The digits of R², which brings a number into Montgomery's form.
    pub(super) r_squared: Vec<f64>,
    /// Those of R times what [`Modulus::reduce`] divides by.
    last: Vec<f64>,
    pub(super) starts: Arc<Starts>,
    halves: Halves,
}

/// What is added to products. In memory, so that a compiler does not make the constants anew for each.
#[derive(Debug)]
struct Halves {
    upper: Lanes,
    both: Lanes,
}

impl Power {
    /// Prepares a modulus; none if this machine does not fuse multiplication and addition.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(crate) fn new(modulus: &Modulus) -> Option<Self> {
        if !is_fused() {
            return None;
        }
        let count = (modulus.bytes() * 8 + BLOCK_BITS + 2).div_ceil(BITS).next_multiple_of(BLOCK);
        let digits = |number: &[u32], count| digits(&modulus.to_bytes(number), count);
        let r = modulus.power_of_two(count * BITS);
        // Its square, by leaving and entering the form of the other reduction.
        let r_squared = digits(&modulus.multiply(&modulus.to_montgomery(&r), &r), count);
        let last = digits(&modulus.multiply(&modulus.to_montgomery(&r), &modulus.reduction_power()), count);
        let high_count = (modulus.bytes() * 8 + 1).div_ceil(BITS).next_multiple_of(2);
        let mut high = Number::zero(high_count);
        high.digits = digits(&modulus.inverse_of_power_of_two(BLOCK_BITS), high_count);
        high.fill_rows();
        let halves = Halves { upper: Lanes::twice(UPPER), both: Lanes::twice(UPPER + LOWER) };
        let starts = Starts::shared(count, high.rows.len());
        Some(Self { high: high.rows, r_squared, last, starts, halves })
    }

    /// How much memory it takes, besides what all of its length share.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.high) + size_of_val(&*self.r_squared) + size_of_val(&*self.last)
    }

    /// The number of these bytes, below the modulus, to the power of 65537.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(crate) fn of(&self, modulus: &Modulus, bytes: &[u8]) -> Vec<u8> {
        let count = self.r_squared.len();
        let mut number = Number::zero(count);
        number.digits = digits(bytes, count);
        number.fill_rows();
        let (mut power, mut last) = (Number::zero(count), Number::zero(count));
        let mut columns = self.starts.product.clone();
        self.multiply(&mut columns, &self.r_squared, &number.rows, &mut power);
        self.multiply(&mut columns, &self.last, &number.rows, &mut last);
        for _ in 0..SQUARINGS {
            self.square(&mut columns, &mut power);
        }
        // In Montgomery's form one factor of the two must be.
        self.multiply(&mut columns, &last.digits, &power.rows, &mut number);
        modulus.reduce(&self.to_bytes(&number.digits))
    }

    /// `a` · `b` / R.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn multiply(&self, columns: &mut Columns, a: &[f64], b: &[[Lanes; 2]], product: &mut Number) {
        columns.copy_from_slice(&self.starts.product);
        for (index, [w, x, y, z]) in a.as_chunks().0.iter().enumerate() {
            self.add_products(&mut columns[index * BLOCK / 2..], *w, *x, *y, *z, b);
        }
        self.reduce(columns, product);
    }

    /// Its square, divided by R.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn square(&self, columns: &mut Columns, number: &mut Number) {
        columns.copy_from_slice(&self.starts.square);
        let Number { digits, rows } = &mut *number;
        let (blocks, _) = digits.as_chunks::<BLOCK>();
        for (index, [w, x, y, z]) in blocks.iter().enumerate() {
            // With what is above the block.
            let above = (index + 1) * BLOCK / 2;
            rows[above] = [ZERO; 2];
            rows[above + 1][1] = Lanes::of_floats(0.0, blocks.get(index + 1).map_or(0.0, |&[lowest, _, _, _]| lowest));
            self.add_products(&mut columns[index * BLOCK / 2 + above..], *w, *x, *y, *z, &rows[above..]);
        }
        // Each of these products comes twice.
        for [lower, upper] in columns.iter_mut() {
            (*lower, *upper) = (Lanes::sum(*lower, *lower), Lanes::sum(*upper, *upper));
        }
        for (columns, [w, x, y, z]) in columns.chunks_mut(BLOCK).zip(blocks) {
            let rows = [
                [ZERO, ZERO],
                [Lanes::of_floats(*w, *x), Lanes::of_floats(0.0, *w)],
                [Lanes::of_floats(*y, *z), Lanes::of_floats(*x, *y)],
                [ZERO, Lanes::of_floats(*z, 0.0)],
                [ZERO, ZERO],
            ];
            self.add_products(columns, *w, *x, *y, *z, &rows);
        }
        self.reduce(columns, number);
    }

    /// Montgomery's reduction.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn reduce(&self, columns: &mut [[Lanes; 2]], reduced: &mut Number) {
        let half = reduced.digits.len() / 2;
        let mut carry = 0;
        for index in (0..half).step_by(BLOCK / 2) {
            let (w, x) = take_digits(columns[index], &mut carry);
            let (y, z) = take_digits(columns[index + 1], &mut carry);
            self.add_products(&mut columns[index + BLOCK / 2..], w, x, y, z, &self.high);
        }
        for (pair, column) in reduced.digits.as_chunks_mut().0.iter_mut().zip(&columns[half..]) {
            let (low, high) = take_digits(*column, &mut carry);
            *pair = [low, high];
        }
        reduced.fill_rows();
    }

    /// Adds the products of a block of digits, the lowest first, and a number to columns. Not as an array, which would be written to
    /// memory and read again.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn add_products(&self, columns: &mut [[Lanes; 2]], w: f64, x: f64, y: f64, z: f64, rows: &[[Lanes; 2]]) {
        let (w, x, y, z) = (Lanes::twice(w), Lanes::twice(x), Lanes::twice(y), Lanes::twice(z));
        let Halves { upper, both } = self.halves;
        let Some((mut before, rows)) = rows.split_first() else { return };
        for (column, row) in columns.iter_mut().zip(rows) {
            let [mut lower_sum, mut upper_sum] = *column;
            for (factor, digits) in [(w, row[0]), (x, row[1]), (y, before[0]), (z, before[1])] {
                let high = Lanes::multiply_add(factor, digits, upper);
                let low = Lanes::multiply_add(factor, digits, Lanes::difference(both, high));
                (lower_sum, upper_sum) = (Lanes::sum(lower_sum, low), Lanes::sum(upper_sum, high));
            }
            *column = [lower_sum, upper_sum];
            before = row;
        }
    }

    /// The bytes of a number about zero, made positive: with N' added.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn to_bytes(&self, digits: &[f64]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(digits.len() / 2 * PAIR_BYTES);
        // N' is 2^208 · `high` - 1.
        let mut carry = -1_i64;
        let mut next = |digit: f64| {
            carry += digit as i64;
            let bits = carry & ((1 << BITS) - 1);
            carry >>= BITS;
            bits as u128
        };
        let high = [[ZERO; 2]; BLOCK / 2].into_iter().chain(self.high[1..].iter().copied());
        for ([low, high], [more, _]) in digits.as_chunks().0.iter().zip(high) {
            let [more_low, more_high] = more.floats();
            let pair = next(low + more_low) | next(high + more_high) << BITS;
            bytes.extend_from_slice(&pair.to_le_bytes()[..PAIR_BYTES]);
        }
        bytes.reverse();
        bytes
    }
}

/// Whether a multiplication and addition is rounded once. WebAssembly leaves it to the machine, and processors of 2012 round twice.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
fn is_fused() -> bool {
    // (1 + 2^-30)², of which the last bit is lost in a product that is rounded.
    let number = Lanes::twice(std::hint::black_box(1.0 + 2.0_f64.powi(-30)));
    let rest = Lanes::multiply_add(number, number, Lanes::twice(-1.0 - 2.0_f64.powi(-29)));
    rest.floats() == [2.0_f64.powi(-60); 2]
}

/// What columns start with, so that they end without what [`Power::add_products`] adds with the halves; the same for all moduli of a length.
#[derive(Debug)]
pub(super) struct Starts {
    pub(super) product: Columns,
    /// Those of a square, before they are doubled.
    square: Columns,
}

impl Starts {
    /// Those for so many digits, of which there is one as long as a key has it.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn shared(count: usize, high_rows: usize) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<(usize, usize), Weak<Starts>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(starts) = known.get(&(count, high_rows)).and_then(Weak::upgrade) {
            return starts;
        }
        known.retain(|_, starts| starts.strong_count() > 0);
        let starts = Arc::new(Self::new(count, high_rows));
        known.insert((count, high_rows), Arc::downgrade(&starts));
        starts
    }

    /// The same steps as those of a product and of a square, in multiples of what they add.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn new(count: usize, high_rows: usize) -> Self {
        let (mut product, mut square) = (vec![0_u64; count + 2], vec![0_u64; count + 2]);
        let add = |columns: &mut [u64], rows: usize, times: u64| {
            columns.iter_mut().take(rows - 1).for_each(|column| *column += times * BLOCK as u64);
        };
        let rows = count / 2 + 3;
        for from in (0..count / 2).step_by(BLOCK / 2) {
            let above = from + BLOCK / 2;
            add(&mut product[from..], rows, 1);
            add(&mut square[from + above..], rows - above, 2);
            add(&mut square[2 * from..], BLOCK + 1, 1);
            for columns in [&mut product, &mut square] {
                add(&mut columns[above..], high_rows, 1);
            }
        }
        let start = |counts: Vec<u64>, halvings: u32| {
            let half = |half: f64, count: u64| {
                Lanes::of_integer(half.to_bits().wrapping_mul(count).wrapping_neg() >> halvings)
            };
            counts.iter().map(|count| [half(LOWER, *count), half(UPPER, *count)]).collect()
        };
        Self { product: start(product, 0), square: start(square, 1) }
    }
}
