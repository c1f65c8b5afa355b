//! base64url without padding, canonical only (RFC 7515 section 2): unused low bits zero, no other characters.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

/// Decodes `text`; `None` for anything but the one canonical encoding.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(target_arch = "wasm32")]
pub(crate) use in_module::decode;

/// The same in WebAssembly, where the library decodes a character at a time: every token is decoded, and this takes a third of its instructions. The
/// tests compare the two.
#[cfg(target_arch = "wasm32")]
mod in_module {
    use core::arch::wasm32::{
        i8x16_swizzle, u8x16_add, u8x16_shuffle, u8x16_splat, u16x8_shl, u16x8_shr, u16x8_splat, u32x4_extract_lane,
        u32x4_shl, u32x4_shr, u32x4_splat, u64x2_extract_lane, v128, v128_and, v128_any_true, v128_or,
    };

    use crate::bytes::sixteen::{Characters, block, high_halves, same};

    /// How many characters are decoded at once.
    const BLOCK: usize = 16;

    /// RFC 4648 section 5.
    const ALPHABET: Characters = Characters::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    /// What is added to a character, by its higher half: it has `-`, digits, upper case, and lower case.
    const TO_SEXTET: [u8; 16] = {
        let [upper, lower] = [0_u8.wrapping_sub(b'A'), 26_u8.wrapping_sub(b'a')];
        [0, 0, 62 - b'-', 52 - b'0', upper, upper, lower, lower, 0, 0, 0, 0, 0, 0, 0, 0]
    };

    /// What is added to `_` besides, which is among the upper case.
    const UNDERSCORE: u8 = 63 - (b'_' - b'A');

    /// Writes what the characters stand for, and says something where there is no character of the alphabet.
    #[target_feature(enable = "simd128")]
    fn decode_block(characters: &[u8; BLOCK], decoded: &mut [u8; BLOCK / 4 * 3]) -> v128 {
        let characters = block(*characters);
        let added = i8x16_swizzle(block(TO_SEXTET), high_halves(characters));
        let added = u8x16_add(added, v128_and(same(characters, b'_'), u8x16_splat(UNDERSCORE)));
        let sextets = u8x16_add(characters, added);
        // The first of two has the higher bits, and then the first two of four.
        let pairs = v128_or(u16x8_shl(v128_and(sextets, u16x8_splat(0x3f)), 6), u16x8_shr(sextets, 8));
        let quads = v128_or(u32x4_shl(v128_and(pairs, u32x4_splat(0xfff)), 12), u32x4_shr(pairs, 16));
        // Three bytes of each number, the highest first; its fourth is zero.
        let bytes = u8x16_shuffle::<2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 3, 3, 3, 3>(quads, quads);
        if let Some((first, rest)) = decoded.split_first_chunk_mut() {
            *first = u64x2_extract_lane::<0>(bytes).to_le_bytes();
            if let Some(rest) = rest.first_chunk_mut() {
                *rest = u32x4_extract_lane::<2>(bytes).to_le_bytes();
            }
        }
        ALPHABET.foreign(characters)
    }

    #[target_feature(enable = "simd128")]
    pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let text = text.as_ref();
        let (blocks, rest) = text.as_chunks();
        // What is missing of the last block counts as zeros.
        let mut last = [b'A'; BLOCK];
        last.iter_mut().zip(rest).for_each(|(last, byte)| *last = *byte);
        let mut bytes = vec![0; blocks.len().saturating_add(1).saturating_mul(BLOCK / 4 * 3)];
        let (places, _) = bytes.as_chunks_mut();
        let mut unknown = u8x16_splat(0);
        for (block, place) in blocks.iter().chain([&last]).zip(places) {
            unknown = v128_or(unknown, decode_block(block, place));
        }
        let length = text.len().saturating_mul(3) / 4;
        // So must then what the last character that is there ends in; and one alone is none.
        let is_canonical = rest.len() % 4 != 1 && bytes.iter().skip(length).all(|byte| *byte == 0);
        bytes.truncate(length);
        (!v128_any_true(unknown) && is_canonical).then_some(bytes)
    }
}

/// Decodes `text` with its padding, which must be there, against RFC 7515 section 2.
pub(super) fn decode_padded(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok()
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        assert_eq!(decode("-_8").as_deref(), Some(&b"\xfb\xff"[..]));
        for text in ["-_9", "-_8=", "+/8", "-_ 8", "-_8\n", "A", "-_8A-_8%", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    /// The library says the same of every text of up to five of these characters, and of every byte at each place.
    #[test]
    fn everything_is_read_as_the_library_reads_it() {
        let compare = |text: &[u8]| assert_eq!(decode(text), URL_SAFE_NO_PAD.decode(text).ok(), "{text:?}");
        let mut texts = vec![Vec::new()];
        for _ in 0..5 {
            texts = texts
                .iter()
                .flat_map(|text| b"AQgw_-z09=+/".iter().map(|byte| [&text[..], &[*byte]].concat()))
                .inspect(|text| compare(text))
                .collect();
        }
        for length in (1..12).chain([15, 16, 17, 18, 19, 31, 32, 34, 47]) {
            for (place, byte) in (0..length).flat_map(|place| (0..=255).map(move |byte| (place, byte))) {
                let mut text = vec![b'w'; length];
                text[place] = byte;
                compare(&text);
            }
        }
    }

    #[test]
    fn padding_is_there_or_not_but_never_anyhow() {
        assert_eq!(decode_padded("-_8=").as_deref(), Some(&b"\xfb\xff"[..]));
        assert_eq!(decode_padded("-_8A").as_deref(), Some(&b"\xfb\xff\0"[..]));
        for text in ["-_8", "-_8==", "-_9=", "-_8=\n", "=", "-_8A===="] {
            assert_eq!(decode_padded(text), None, "{text}");
        }
    }
}
