//! Numbers as limbs, the least significant first, and as bytes, the most significant first.

/// Cuts a number into limbs of `bits` bits. What does not fit is left out, so callers give limbs enough.
pub(crate) fn from_bytes<const L: usize>(bytes: &[u8], bits: u32) -> [u32; L] {
    let mut limbs = [0; L];
    fill(&mut limbs, bytes, bits);
    limbs
}

/// The same into limbs of which there are as many as their slice is long.
pub(crate) fn fill(limbs: &mut [u32], bytes: &[u8], bits: u32) {
    let mut bytes = bytes.iter().rev();
    let (mut pending, mut pending_bits) = (0_u64, 0);
    for limb in limbs {
        while pending_bits < bits {
            pending |= u64::from(bytes.next().copied().unwrap_or_default()) << pending_bits;
            pending_bits += 8;
        }
        *limb = low_bits(pending, bits);
        pending >>= bits;
        pending_bits -= bits;
    }
}

/// Writes limbs of `bits` bits as bytes, as many as their slice is long.
pub(crate) fn write_bytes(limbs: &[u32], bits: u32, bytes: &mut [u8]) {
    let mut limbs = limbs.iter();
    let (mut pending, mut pending_bits) = (0_u64, 0);
    for byte in bytes.iter_mut().rev() {
        if pending_bits < 8 {
            pending |= u64::from(limbs.next().copied().unwrap_or_default()) << pending_bits;
            pending_bits += bits;
        }
        *byte = pending.to_le_bytes()[0];
        pending >>= 8;
        pending_bits = pending_bits.saturating_sub(8);
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
