//! Searching and comparing by words of eight bytes: in WebAssembly the library compares byte by byte.

/// Where a byte stands first.
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let pattern = u64::from_le_bytes([wanted; 8]);
    // Mycroft's test: only of a byte that is zero does subtracting one set the high bit while it was not set before.
    let has_wanted = |word: &[u8; 8]| {
        let zero_where_wanted = u64::from_le_bytes(*word) ^ pattern;
        zero_where_wanted.wrapping_sub(ONES) & !zero_where_wanted & HIGH_BITS != 0
    };
    let (words, _) = bytes.as_chunks::<8>();
    let start = words.iter().position(has_wanted).unwrap_or(words.len()).saturating_mul(8);
    let at = bytes.get(start..)?.iter().position(|byte| *byte == wanted)?;
    start.checked_add(at)
}

/// What stands before the first separator, an ASCII character, and what stands behind it.
pub(crate) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(find(text.as_bytes(), separator)?)?;
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
