//! base64url without padding, canonical only (RFC 7515 section 2): unused low bits zero, no other characters.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

/// For each place among four characters, and each character of the alphabet (RFC 4648 section 5): its six bits where they belong in
/// the three bytes, the first byte lowest; for every other byte [`NO_CHARACTER`].
#[expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where `From` is not to be had"
)]
const PLACED_BITS: [[u32; 256]; 4] = {
    let mut tables = [[NO_CHARACTER; 256]; 4];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0_u32;
    while let [character, others @ ..] = rest {
        let mut place = 0;
        while place < 4 {
            tables[place][*character as usize] = (bits << (26 - 6 * place)).swap_bytes();
            place += 1;
        }
        rest = others;
        bits += 1;
    }
    tables
};

/// A bit above the three bytes.
const NO_CHARACTER: u32 = 1 << 24;

/// Decodes `text`; `None` for anything but the one canonical encoding. Every token is decoded, and the library takes 1.7 times the instructions
/// in WebAssembly.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let [first, second, third, fourth] = &PLACED_BITS;
    let placed = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(NO_CHARACTER);
    let mut all_bits = 0;
    let mut decode_quad = |[a, b, c, d]: &[u8; 4]| {
        let bits = placed(first, *a) | placed(second, *b) | placed(third, *c) | placed(fourth, *d);
        all_bits |= bits;
        let [bytes @ .., _] = bits.to_le_bytes();
        bytes
    };
    let (quads, rest) = text.as_ref().as_chunks::<4>();
    let mut bytes = vec![0; text.as_ref().len().saturating_mul(3) / 4];
    let (triples, last) = bytes.as_chunks_mut::<3>();
    quads.iter().zip(triples).for_each(|(quad, triple)| *triple = decode_quad(quad));
    // What is missing of the last four counts as zeros, and then so must what they end in.
    let (end, zeros) = match *rest {
        [] => ([0; 3], 0),
        [a, b] => (decode_quad(&[a, b, b'A', b'A']), 2),
        [a, b, c] => (decode_quad(&[a, b, c, b'A']), 1),
        _ => return None,
    };
    last.iter_mut().zip(end).for_each(|(last, byte)| *last = byte);
    let is_canonical = end.iter().rev().take(zeros).all(|byte| *byte == 0);
    (all_bits < NO_CHARACTER && is_canonical).then_some(bytes)
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
        for length in 1..12 {
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
