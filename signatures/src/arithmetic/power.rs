//! The power to which RSA raises a signature, in floating-point numbers.
//!
//! WebAssembly has no product of 128 bits; [`columns`](super::columns) are made of fused multiplications and additions instead.
//!
//! Numbers are digits about zero, and may be greater than the modulus: only the end brings them below it. Reduction is Montgomery's,
//! with a multiple N' of the modulus that is -1 modulo two digits: what the lowest two digits are is then what N' has to be multiplied by,
//! and nothing waits for a product. R is 2 to the power of the bits of all digits, and N' < 0.25 · R; so what comes of numbers up to N'
//! is up to N'² / R + 0.51 · N' < N'.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::columns::{BLOCK, Carry, Column, POSITIVE, Products, block, start};
use super::digits::{BITS, HALF, Row, fill_rows, from_bytes, positive_digits, rows};
use super::lanes::{Lanes, ZERO};
use super::montgomery::Modulus;

/// The bits that N' has more than the modulus: two digits.
pub(crate) const MORE_BITS: usize = 2 * BITS;

/// The squarings of the exponent 65537, before its one multiplication.
pub(crate) const SQUARINGS: usize = 16;

/// A modulus prepared for the power of 65537.
#[derive(Debug)]
pub(crate) struct Power {
    /// (N' + 1) / 2^100.
    high: Vec<Row>,
    /// What takes the power to where [`Modulus::reduce`] makes it what it is: R to the power of 65537 times what that divides by.
    last: Vec<Row>,
    pub(super) starts: Arc<Starts>,
    products: Products,
}

impl Power {
    /// Prepares a modulus; none if this machine does not fuse multiplication and addition.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(crate) fn new(modulus: &Modulus) -> Option<Self> {
        if !is_fused() {
            return None;
        }
        let count = (modulus.bytes() * 8 + MORE_BITS + 2).div_ceil(BITS).next_multiple_of(BLOCK);
        let rows = |number: &[u32], count| rows(&from_bytes(&modulus.to_bytes(number), count));
        // R, and R to the power of 65537, in and out of the form of the other reduction.
        let r = modulus.power_of_two(count * BITS);
        let power = modulus.multiply(&modulus.square_repeatedly(&modulus.to_montgomery(&r), SQUARINGS), &r);
        let last = rows(&modulus.multiply(&modulus.to_montgomery(&power), &modulus.reduction_power()), count);
        // Its highest digit is zero, so nothing of it is in a row of its own.
        let high_count = (modulus.bytes() * 8 + 1).div_ceil(BITS) + 1;
        let mut high = rows(&modulus.inverse_of_power_of_two(MORE_BITS), high_count.next_multiple_of(2));
        high.pop();
        let starts = Starts::shared(count, high.len());
        Some(Self { high, last, starts, products: Products::new() })
    }

    /// How much memory it takes, besides what all of its length share.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.high) + size_of_val(&*self.last)
    }

    /// The number of these bytes, below the modulus, to the power of 65537.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(crate) fn of(&self, modulus: &Modulus, bytes: &[u8]) -> Vec<u8> {
        let number = rows(&from_bytes(bytes, self.count()));
        let (mut power, mut columns) = (number.clone(), self.starts.product.clone());
        for _ in 0..SQUARINGS {
            self.square(&mut columns, &mut power);
        }
        for factor in [&number, &self.last] {
            self.multiply(&mut columns, &mut power, factor);
        }
        modulus.reduce(&self.to_positive(&power), BITS)
    }

    /// How many digits numbers have.
    pub(super) fn count(&self) -> usize {
        self.starts.product.len()
    }

    /// The product with a factor, divided by R.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn multiply(&self, columns: &mut [Column], number: &mut [Row], factor: &[Row]) {
        columns.copy_from_slice(&self.starts.product);
        for (index, [[wx, _], [yz, _]]) in number.as_chunks().0.iter().enumerate() {
            self.products.add_last_rows(&mut columns[index * BLOCK / 2..], block(*wx, *yz), factor, [ZERO; 2]);
        }
        self.reduce(columns, number);
    }

    /// Its square, divided by R.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn square(&self, columns: &mut [Column], number: &mut [Row]) {
        let products = &self.products;
        let starts = self.starts.square.as_chunks::<2>().0;
        for ((columns, start), [digits, _]) in columns.as_chunks_mut::<2>().0.iter_mut().zip(starts).zip(&*number) {
            // The squares of two digits belong to the lower columns of two pairs.
            let [lower, upper] = products.add(products.nothing, (*digits, *digits));
            let of_low = [Lanes::blend(lower, ZERO), Lanes::blend(upper, ZERO)];
            let of_high = [Lanes::across(lower, ZERO), Lanes::across(upper, ZERO)];
            for (column, (start, square)) in columns.iter_mut().zip(start.iter().zip([of_low, of_high])) {
                *column = [Lanes::sum(start[0], square[0]), Lanes::sum(start[1], square[1])];
            }
        }
        for from in (0..self.count() / 2).step_by(BLOCK / 2) {
            // Each product of two different digits comes twice.
            let ([wx, _], [yz, xy], [next, z_next]) = (number[from], number[from + 1], number[from + 2]);
            let [w, x, y, z] = block(Lanes::total(wx, wx), Lanes::total(yz, yz));
            let columns = &mut columns[2 * from..];
            let upper = |pair| Lanes::blend(ZERO, pair);
            columns[0] = products.add(columns[0], (w, upper(wx)));
            columns[1] = products.add_two(columns[1], (w, yz), (x, upper(xy)));
            columns[2] = products.add(products.add_two(columns[2], (w, next), (x, z_next)), (y, upper(yz)));
            products.add_last_rows(&mut columns[3..], [w, x, y, z], &number[from + 3..], [next, upper(z_next)]);
        }
        self.reduce(columns, number);
    }

    /// Montgomery's reduction.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn reduce(&self, columns: &mut [Column], number: &mut [Row]) {
        let (products, high, half) = (&self.products, &*self.high, self.count() / 2);
        let lowest = high[0];
        let times_lowest = |column, pair: Lanes| {
            products.add_two(column, (pair.low_twice(), lowest[0]), (pair.high_twice(), lowest[1]))
        };
        let mut carry = Carry::none();
        let mut wx = carry.digits(products, columns[0]);
        let mut yz = carry.digits(products, times_lowest(columns[1], wx));
        let (first, second) = (3 + (high.len() - 3) / 3, 3 + (high.len() - 3) * 2 / 3);
        for from in (2..half).step_by(BLOCK / 2) {
            let (block, columns) = (block(wx, yz), &mut columns[from..]);
            products.add_rows(&mut columns[..2], block, &high[1..3], lowest);
            // The digits of the next block are found between products that do not wait for them. A compiler would find them where they are
            // needed, and a machine wait: what goes through a black box is there before.
            products.add_rows(&mut columns[2..], block, &high[3..first], high[2]);
            wx = black_box(carry.digits(products, columns[0]));
            products.add_rows(&mut columns[first - 1..], block, &high[first..second], high[first - 1]);
            yz = black_box(carry.digits(products, times_lowest(columns[1], wx)));
            products.add_last_rows(&mut columns[second - 1..], block, &high[second..], high[second - 1]);
        }
        products.add_last_rows(&mut columns[half..], block(wx, yz), &high[1..], lowest);
        fill_rows(number, columns[half..].iter().map(|column| carry.digits(products, *column)));
    }

    /// The digits of a number about zero, made positive: with N' added, which is 2^100 · `high` - 1.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn to_positive(&self, number: &[Row]) -> Vec<u64> {
        let high = [[ZERO; 2]].iter().chain(&self.high).chain(std::iter::repeat(&[ZERO; 2]));
        positive_digits(number.iter().zip(high).map(|([pair, _], [high, _])| Lanes::total(*pair, *high)), -1)
    }
}

/// Whether a multiplication and addition is rounded once. WebAssembly leaves it to the machine, and processors of 2012 round twice.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
fn is_fused() -> bool {
    // (1 + 2^-30)², of which the last bit is lost in a product that is rounded.
    let number = Lanes::twice(black_box(1.0 + 2.0_f64.powi(-30)));
    let rest = Lanes::multiply_add(number, number, Lanes::twice(-1.0 - 2.0_f64.powi(-29)));
    rest.floats() == [2.0_f64.powi(-60); 2]
}

/// What columns start with, so that they end without what [`Products::add`] adds with the halves, and with [`POSITIVE`]; the same for all
/// moduli of a length.
#[derive(Debug)]
pub(super) struct Starts {
    pub(super) product: Vec<Column>,
    square: Vec<Column>,
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

    /// The same steps as those of a product and of a square, counted.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    fn new(count: usize, high_rows: usize) -> Self {
        let (mut product, mut square) = (vec![0_u64; count], vec![0_u64; count]);
        let rows = count / 2 + 1;
        let add_last_rows = |columns: &mut [u64], rows: usize| {
            columns[..rows].iter_mut().for_each(|column| *column += 2);
            columns[rows] += 1;
        };
        for from in (0..count / 2).step_by(BLOCK / 2) {
            add_last_rows(&mut product[from..], rows);
            for (column, times) in square[2 * from..].iter_mut().zip([1, 1, 2]) {
                *column += times;
            }
            add_last_rows(&mut square[2 * from + 3..], rows - from - 3);
            for columns in [&mut product, &mut square] {
                columns[from + 1] += 1;
                add_last_rows(&mut columns[from + 2..], high_rows - 1);
            }
        }
        let starts =
            |counts: Vec<u64>| counts.iter().map(|count| start(*count, POSITIVE + HALF.cast_unsigned())).collect();
        Self { product: starts(product), square: starts(square) }
    }
}
