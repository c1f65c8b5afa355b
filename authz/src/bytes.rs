//! Searching and comparing by words of eight bytes, where the library goes byte by byte in WebAssembly; and hashing what is short.

use std::hash::Hasher;

/// A word of eight times the same byte.
const fn eight_times(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// A bit for each byte of a word that is less than this, which is at most 128: its highest. Mycroft's test: only of a byte that is less does
/// subtracting set that bit while it was not set before; what it borrows can only spoil the bits behind the first.
const fn less(word: u64, than: u8) -> u64 {
    word.wrapping_sub(eight_times(than)) & !word & eight_times(0x80)
}

/// The same for each byte that is this one.
const fn same(word: u64, byte: u8) -> u64 {
    less(word ^ eight_times(byte), 1)
}

/// Where a byte stands first that is wanted; `wanted` gives a bit for each of a word, or the first one at least.
fn position(bytes: &[u8], wanted: impl Fn(u64) -> u64) -> Option<usize> {
    let first = |word: [u8; 8]| match wanted(u64::from_le_bytes(word)) {
        0 => None,
        bits => usize::try_from(bits.trailing_zeros() / 8).ok(),
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(at) = first(*word) {
            return number.checked_mul(8)?.checked_add(at);
        }
    }
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(last, byte)| *last = *byte);
    let at = first(last).filter(|at| *at < rest.len())?;
    bytes.len().checked_sub(rest.len())?.checked_add(at)
}

/// Where a byte stands first.
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    position(bytes, |word| same(word, wanted))
}

/// Where a byte stands first that a string of JSON cannot have as it is (RFC 8259 section 7).
pub(crate) fn find_end_of_plain(bytes: &[u8]) -> Option<usize> {
    position(bytes, |word| same(word, b'"') | same(word, b'\\') | less(word, b' '))
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
    let differ = |(one, other): (&[u8; 32], &[u8; 32])| {
        let (words, other_words) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
        let differences = words
            .iter()
            .zip(other_words)
            .fold(0, |differences, (one, other)| differences | (u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other)));
        differences != 0
    };
    let ((blocks, rest), (other_blocks, other_rest)) = (one.as_chunks(), other.as_chunks());
    one.len() == other.len() && !blocks.iter().zip(other_blocks).any(differ) && rest == other_rest
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
