//! Searching and comparing sixteen bytes at once, where the library goes byte by byte in WebAssembly; and hashing what is short.

use std::hash::Hasher;

/// Where a byte stands first.
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    #[cfg(target_arch = "wasm32")]
    return sixteen::position(bytes, |block| sixteen::same(block, wanted), |byte| byte == wanted);
    #[cfg(not(target_arch = "wasm32"))]
    bytes.iter().position(|byte| *byte == wanted)
}

/// Where a byte stands first that a string of JSON cannot have as it is (RFC 8259 section 7).
pub(crate) fn find_end_of_plain(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: u8| matches!(byte, b'"' | b'\\' | ..b' ');
    #[cfg(target_arch = "wasm32")]
    return sixteen::position(bytes, |block| sixteen::end_of_plain(block), is_end);
    #[cfg(not(target_arch = "wasm32"))]
    bytes.iter().position(|byte| is_end(*byte))
}

/// What stands before the first separator, an ASCII character, and what stands behind it.
pub(crate) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(find(text.as_bytes(), separator)?)?;
    Some((before, rest.get(1..)?))
}

/// The same for bytes that may be no text.
pub(crate) fn split_bytes_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(find(bytes, separator)?)?;
    Some((before, rest.get(1..)?))
}

/// Whether two texts are the same.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    #[cfg(target_arch = "wasm32")]
    return sixteen::is_same(one, other);
    #[cfg(not(target_arch = "wasm32"))]
    (one == other)
}

/// Whether two texts are the same but for the case of letters of ASCII. It stands once in the module, where the library's would stand, sixteen bytes
/// at once, wherever headers are looked for.
#[inline(never)]
pub(crate) fn is_same_in_any_case(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// Sixteen bytes at once.
#[cfg(target_arch = "wasm32")]
pub(crate) mod sixteen {
    use core::arch::wasm32::{
        i8x16_swizzle, u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_shr, u8x16_splat, u64x2, v128, v128_and, v128_any_true,
        v128_or, v128_xor,
    };

    /// Some characters of ASCII. A character is known by its halves: for each higher half there is a bit, and for each lower half the bits of
    /// those with which it is one of them.
    pub(crate) struct Characters {
        by_low: [u8; 16],
    }

    /// None for what is not ASCII.
    const BY_HIGH: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

    impl Characters {
        #[expect(
            clippy::arithmetic_side_effects,
            clippy::as_conversions,
            clippy::indexing_slicing,
            reason = "it is run by the compiler"
        )]
        pub(crate) const fn of(characters: &[u8]) -> Self {
            let (mut by_low, mut at) = ([0; 16], 0);
            while at < characters.len() {
                by_low[(characters[at] & 15) as usize] |= 1 << (characters[at] >> 4);
                at += 1;
            }
            Self { by_low }
        }

        /// Says something where there is another character.
        #[target_feature(enable = "simd128")]
        pub(crate) fn foreign(&self, block: v128) -> v128 {
            let high = i8x16_swizzle(self::block(BY_HIGH), high_halves(block));
            let low = i8x16_swizzle(self::block(self.by_low), v128_and(block, u8x16_splat(15)));
            same(v128_and(high, low), 0)
        }
    }

    /// The higher half of each byte.
    #[target_feature(enable = "simd128")]
    pub(crate) fn high_halves(block: v128) -> v128 {
        u8x16_shr(block, 4)
    }

    /// These bytes.
    #[target_feature(enable = "simd128")]
    pub(crate) fn block(bytes: [u8; 16]) -> v128 {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        u64x2(u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest))
    }

    /// Those that are this one.
    #[target_feature(enable = "simd128")]
    pub(crate) fn same(block: v128, byte: u8) -> v128 {
        u8x16_eq(block, u8x16_splat(byte))
    }

    /// Those that end what is plain in a string of JSON.
    #[target_feature(enable = "simd128")]
    pub(super) fn end_of_plain(block: v128) -> v128 {
        let is_control = u8x16_lt(block, u8x16_splat(b' '));
        v128_or(is_control, v128_or(same(block, b'"'), same(block, b'\\')))
    }

    /// Where a byte stands first that is wanted, in blocks and behind the last.
    #[target_feature(enable = "simd128")]
    pub(super) fn position(
        bytes: &[u8],
        wanted: impl Fn(v128) -> v128,
        is_wanted: impl Fn(u8) -> bool,
    ) -> Option<usize> {
        let (blocks, rest) = bytes.as_chunks::<16>();
        for (number, bytes) in blocks.iter().enumerate() {
            let found = u8x16_bitmask(wanted(block(*bytes)));
            if found != 0 {
                return number.checked_mul(16)?.checked_add(usize::try_from(found.trailing_zeros()).ok()?);
            }
        }
        let at = rest.iter().position(|byte| is_wanted(*byte))?;
        bytes.len().checked_sub(rest.len())?.checked_add(at)
    }

    #[target_feature(enable = "simd128")]
    pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
        let ((blocks, rest), (other_blocks, other_rest)) = (one.as_chunks::<16>(), other.as_chunks::<16>());
        let differ = |(one, other): (&[u8; 16], &[u8; 16])| v128_any_true(v128_xor(block(*one), block(*other)));
        one.len() == other.len() && !blocks.iter().zip(other_blocks).any(differ) && rest == other_rest
    }
}

/// FNV-1a, which takes a few instructions for each byte. For tables whose keys come from the bundle, or are places in memory: of keys of its own
/// making a client could find many that collide.
pub(crate) struct ShortHasher(u64);

impl Default for ShortHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for ShortHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, mix);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Every place in texts of every length, among the bytes that differ from what is looked for by one bit, by the highest, and by one.
    #[test]
    fn a_byte_is_found_where_it_stands_first() {
        for length in 0..40 {
            for other in [b'.' ^ 1, b'.' ^ 0x80, b'.'.wrapping_add(1), b'.'.wrapping_sub(1), 0, 0xff] {
                let mut bytes = vec![other; length];
                assert_eq!(find(&bytes, b'.'), None);
                for place in (0..length).rev() {
                    bytes[place] = b'.';
                    assert_eq!(find(&bytes, b'.'), Some(place), "{bytes:?}");
                }
            }
        }
        assert_eq!(split_once("a.b.c", b'.'), Some(("a", "b.c")));
        assert_eq!(split_once("é.", b'.'), Some(("é", "")));
        assert_eq!(split_once("abc", b'.'), None);
    }

    #[test]
    fn a_string_ends_where_it_is_not_plain() {
        for byte in 0..=u8::MAX {
            let is_end = matches!(byte, b'"' | b'\\' | ..0x20);
            for (length, place) in (1..20).flat_map(|length| (0..length).map(move |place| (length, place))) {
                let mut bytes = vec![b' '; length];
                bytes[place] = byte;
                assert_eq!(find_end_of_plain(&bytes), is_end.then_some(place), "{bytes:?}");
            }
        }
    }

    #[test]
    fn texts_that_differ_anywhere_are_not_the_same() {
        for length in 0..100 {
            let text: Vec<u8> = (0..length).collect();
            assert!(is_same(&text, &text.clone()));
            for place in 0..text.len() {
                let mut other = text.clone();
                other[place] ^= 0x80;
                assert!(!is_same(&text, &other) && !is_same(&text, &text[..place]), "{place} of {length}");
            }
        }
    }
}
