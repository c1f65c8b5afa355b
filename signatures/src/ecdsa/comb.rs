//! Multiples of a point that is known beforehand: the comb of Lim and Lee ("More flexible exponentiation with
//! precomputation", 1994) with digits 1 and -1 (Hamburg, "Fast and compact elliptic-curve cryptography", 2012, section 3.3).
//!
//! A multiplier k is written as the sum of ±2^i over all places i, the sign at i being bit i of k' = (k + 2^places - 1) / 2.
//! The places are cut into teeth, these into blocks, and those into columns: place = (tooth · blocks + block) · columns +
//! column. For each block there is a table of what its teeth can add in column 0, up to the sign.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "places and tables are counted by a constant shape; no index depends on more than bits of a signature"
)]

use super::curve::Curve;
use super::point::{Affine, Jacobian};
use crate::arithmetic::field::{Element, Prime};
use crate::arithmetic::limbs;
use crate::arithmetic::montgomery::Modulus;

/// How a comb is cut. Teeth and blocks double the table with each step; columns are doublings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) teeth: usize,
    pub(super) blocks: usize,
    pub(super) columns: usize,
}

/// The tables of one point.
#[derive(Debug)]
pub(super) struct Comb<const L: usize> {
    shape: Shape,
    /// One table after the other, each indexed by the signs of all teeth but the last, which is positive.
    tables: Vec<Affine<L>>,
    /// (2^places - 1) / 2 modulo the order: what k / 2 lacks to be k'.
    offset: Vec<u32>,
}

impl Shape {
    pub(super) const fn places(self) -> usize {
        self.teeth * self.blocks * self.columns
    }

    const fn table_len(self) -> usize {
        1 << (self.teeth - 1)
    }
}

impl<const L: usize> Comb<L>
where
    Element<L>: Prime,
{
    /// The tables of `point`, whose order is that of the curve; none if a multiple in them were at infinity, which depends
    /// on the shape alone.
    pub(super) fn new(point: &Affine<L>, shape: Shape, curve: &Curve<L>, order: &Modulus) -> Option<Self> {
        // The point at each place where a tooth of a block begins, and its double.
        let mut bases = Vec::new();
        let mut power = point.to_jacobian(&curve.one);
        for place in 0..shape.places() {
            let doubled = power.doubled();
            if place % shape.columns == 0 {
                bases.extend([power, doubled]);
            }
            power = doubled;
        }
        let bases = curve.normalize(&bases)?;
        let mut tables = Vec::new();
        for block in 0..shape.blocks {
            let base = |tooth: usize| &bases[2 * (tooth * shape.blocks + block)..][..2];
            let top = base(shape.teeth - 1)[0].to_jacobian(&curve.one);
            let all_negative =
                (0..shape.teeth - 1).fold(top, |sum, tooth| sum.plus(&base(tooth)[0].negated(), &curve.one));
            let start = tables.len();
            tables.push(all_negative);
            for tooth in 0..shape.teeth - 1 {
                for index in 0..1 << tooth {
                    tables.push(tables[start + index].plus(&base(tooth)[1], &curve.one));
                }
            }
        }
        let half = order.half();
        let offset = (0..shape.places()).fold(vec![0; half.len()], |mut offset, _| {
            order.double(&mut offset);
            order.sum(&offset, &half)
        });
        Some(Self { shape, tables: curve.normalize(&tables)?, offset })
    }

    /// How much memory the tables take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.tables)
    }

    /// The signs of a multiplier k, from k / 2 modulo the order.
    pub(super) fn signs(&self, half: &[u32], order: &Modulus) -> Signs {
        let bytes = order.to_bytes(&order.sum(half, &self.offset));
        let mut words = vec![0; bytes.len().div_ceil(4)];
        limbs::fill(&mut words, &bytes, 32);
        Signs(words)
    }

    /// The sum of the multiples of several combs' points, each by the multiplier with these signs.
    pub(super) fn sum(combs: &[(&Self, Signs)], one: &Element<L>) -> Jacobian<L> {
        let columns = combs.iter().map(|(comb, _)| comb.shape.columns).max().unwrap_or_default();
        let mut sum = Jacobian::INFINITY;
        for column in (0..columns).rev() {
            sum = sum.doubled();
            for (comb, signs) in combs.iter().filter(|(comb, _)| column < comb.shape.columns) {
                for block in 0..comb.shape.blocks {
                    sum = sum.plus(&comb.entry(signs, block, column), one);
                }
            }
        }
        sum
    }

    /// What the teeth of a block add in a column.
    fn entry(&self, signs: &Signs, block: usize, column: usize) -> Affine<L> {
        let sign = |tooth: usize| signs.at((tooth * self.shape.blocks + block) * self.shape.columns + column);
        let last = self.shape.teeth - 1;
        let pattern = (0..last).fold(0, |pattern, tooth| pattern | sign(tooth) << tooth);
        let table_len = self.shape.table_len();
        let start = block * table_len;
        if sign(last) == 1 {
            self.tables[start + pattern]
        } else {
            self.tables[start + (table_len - 1 - pattern)].negated()
        }
    }
}

/// A multiplier by the signs of its places: k' of the module's description, in words of 32 bits.
#[derive(Debug)]
pub(super) struct Signs(Vec<u32>);

impl Signs {
    /// 1 for a positive sign at this place, 0 for a negative one.
    fn at(&self, place: usize) -> usize {
        self.0.get(place / 32).map_or(0, |word| (word >> (place % 32)) as usize & 1)
    }
}
