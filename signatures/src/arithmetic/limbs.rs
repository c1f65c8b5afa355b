//! Numbers as limbs, the least significant first, and as bytes, the most significant first.

/// Cuts a number into limbs of `bits` bits. What does not fit is left out, so callers give limbs enough.
pub(crate) fn from_bytes<const L: usize>(bytes: &[u8], bits: u32) -> [u32; L] {
    let mut limbs = [0; L];
    fill(&mut limbs, bytes, bits);
    limbs
}

/// The same into limbs of which there are as many as their slice is long.
#[inline]
pub(crate) fn fill(limbs: &mut [u32], bytes: &[u8], bits: u32) {
    for (limb, bit) in limbs.iter_mut().zip((0..).step_by(bits as usize)) {
        let above = &bytes[..bytes.len().saturating_sub(bit / 8)];
        let number = match above.last_chunk() {
            Some(last) => u64::from_be_bytes(*last),
            None => above.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        };
        *limb = low_bits(number >> (bit % 8), bits);
    }
}

/// Writes limbs of `bits` bits, of more than 16 and fewer than 32, as bytes, as many as their slice is long.
#[inline]
pub(crate) fn write_bytes(limbs: &[u32], bits: u32, bytes: &mut [u8]) {
    const WORD_BYTES: usize = 4;
    let limb = |index| limbs.get(index).map_or(0, |limb| u64::from(*limb));
    for (bytes, bit) in bytes.rchunks_mut(WORD_BYTES).zip((0_u32..).step_by(8 * WORD_BYTES)) {
        let (first, offset) = ((bit / bits) as usize, bit % bits);
        let word = limb(first) >> offset | limb(first + 1) << (bits - offset) | limb(first + 2) << (2 * bits - offset);
        bytes.copy_from_slice(&low_bits(word, 32).to_be_bytes()[WORD_BYTES - bytes.len()..]);
    }
}

/// The lowest bits of a number, at most 32 of them.
pub(crate) const fn low_bits(value: u64, bits: u32) -> u32 {
    (value & ((1 << bits) - 1)) as u32
}

/// Whether `a` < `b`, two numbers of as many limbs.
pub(crate) fn is_less(a: &[u32], b: &[u32]) -> bool {
    a.iter().rev().cmp(b.iter().rev()).is_lt()
}

/// Subtracts `b` from `a`, which is not less.
pub(crate) fn subtract(a: &mut [u32], b: &[u32], bits: u32) {
    let mut borrow = 0;
    for (a, b) in a.iter_mut().zip(b) {
        let difference = i64::from(*a) - i64::from(*b) - borrow;
        borrow = i64::from(difference < 0);
        *a = low_bits((difference + (borrow << bits)).unsigned_abs(), bits);
    }
}
