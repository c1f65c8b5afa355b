//! What is put into the data that workers share, so that it is known again.
//!
//! Kong's host tells names apart by their CRC-32 only, so that under one of ours there may be a value of somebody else's. And it copies
//! a value while another worker may be writing it, so that what is read may be half of one and half of another. So a value says whose
//! it is and that it is whole: with a checksum, over its name too. It is made for accidents; whoever can write there on purpose is in
//! the proxy already.

/// Adds the seal of a name to a value.
pub(crate) fn seal(name: &str, mut value: Vec<u8>) -> Vec<u8> {
    value.extend(checksum(name, &value).to_le_bytes());
    value
}

/// The value that was sealed; none if what was read is not that of this name, or is damaged.
pub(crate) fn open(name: &str, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let (value, seal) = sealed.split_last_chunk()?;
    let length = value.len();
    if checksum(name, value) != u64::from_le_bytes(*seal) {
        return None;
    }
    sealed.truncate(length);
    Some(sealed)
}

/// A checksum of 64 bits, eight bytes at a time: what was used once is written and read with requests, and may be 100 kilobytes.
fn checksum(name: &str, value: &[u8]) -> u64 {
    let mut sum = 0;
    for part in [name.as_bytes(), value] {
        sum = mixed(sum, u64::try_from(part.len()).unwrap_or(u64::MAX));
        let (words, rest) = part.as_chunks();
        for word in words {
            sum = mixed(sum, u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(last, byte)| *last = *byte);
        sum = mixed(sum, u64::from_le_bytes(last));
    }
    sum
}

/// Each step can be undone, so that a difference in one word never gets lost.
fn mixed(sum: u64, word: u64) -> u64 {
    // Odd, and as irregular as the golden ratio is.
    let product = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_opened_by_its_name_only_and_whole() {
        for length in [0, 1, 7, 8, 9, 16, 100, 4096] {
            let value: Vec<u8> = (0..length).map(|at: usize| u8::try_from(at % 251).unwrap()).collect();
            let sealed = seal("name", value.clone());
            assert_eq!(open("name", sealed.clone()), Some(value));
            assert_eq!(open("nam", sealed.clone()), None);
            assert_eq!(open("other", sealed.clone()), None);
            for cut in 0..sealed.len() {
                assert_eq!(open("name", sealed[..cut].to_vec()), None, "{length} cut at {cut}");
            }
            for at in 0..sealed.len() {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                assert_eq!(open("name", altered), None, "{length} altered at {at}");
            }
        }
        assert_eq!(open("name", Vec::new()), None);
        assert_eq!(open("name", vec![0; 8]), None);
    }

    #[test]
    fn half_of_one_value_and_half_of_another_are_none() {
        let (old, new) = (seal("name", vec![1; 2400]), seal("name", [vec![1; 2400], vec![2; 24]].concat()));
        for at in 1..old.len() {
            let torn = [&new[..at], &old[at..]].concat();
            assert_eq!(open("name", torn.clone()), (torn == old).then(|| vec![1; 2400]), "{at}");
            let torn = [&old[..at], &new[at..]].concat();
            assert_eq!(open("name", torn.clone()), (torn == new).then(|| new[..2424].to_vec()), "{at}");
        }
    }
}
