//! The serialized form in which a host hands over a header map (proxy-wasm ABI 0.2.1).
//!
//! A count; for each pair the lengths of name and value; then all names and values, each with a NUL behind it. Numbers
//! are 32 bits, little-endian. It comes from the host, and is read as if it came from the client: the SDK's own reader
//! panics on a name that is not UTF-8 and on a length that is wrong, and a panic takes the worker's filter down.

use authz::RequestHead;

/// A header map as the host serialized it.
pub(crate) struct HeaderMap(Vec<u8>);

impl HeaderMap {
    pub(crate) const fn new(serialized: Vec<u8>) -> Self {
        Self(serialized)
    }

    /// The head of the request; `None` if the serialization is damaged, or a pseudo-header stands in it twice.
    pub(crate) fn request_head(&self) -> Option<RequestHead<'_>> {
        let mut head = RequestHead { headers: Vec::with_capacity(self.count()?), ..RequestHead::default() };
        self.read(|name, value| {
            let earlier = match name {
                b":method" => head.method.replace(value),
                b":authority" => head.authority.replace(value),
                b":path" => head.path.replace(value),
                b":scheme" => head.scheme.replace(value),
                _ => {
                    head.headers.push((name, value));
                    None
                }
            };
            earlier.is_none()
        })?;
        Some(head)
    }

    /// All names and values; `None` if the serialization is damaged.
    pub(crate) fn pairs(&self) -> Option<Vec<(&[u8], &[u8])>> {
        let mut pairs = Vec::with_capacity(self.count()?);
        self.read(|name, value| {
            pairs.push((name, value));
            true
        })?;
        Some(pairs)
    }

    /// How many pairs there are, which is no more than there are lengths for.
    fn count(&self) -> Option<usize> {
        if self.0.is_empty() {
            return Some(0);
        }
        let (count, rest) = split_number(&self.0)?;
        (count <= rest.len() / PAIR_BYTES).then_some(count)
    }

    /// Hands over one pair after another, until one is not accepted.
    fn read<'m>(&'m self, mut accept: impl FnMut(&'m [u8], &'m [u8]) -> bool) -> Option<()> {
        let count = self.count()?;
        let rest = self.0.get(NUMBER_BYTES..).unwrap_or_default();
        let (mut lengths, mut data) = rest.split_at_checked(count.checked_mul(PAIR_BYTES)?)?;
        while !lengths.is_empty() {
            let (name_bytes, rest) = split_number(lengths)?;
            let (value_bytes, rest) = split_number(rest)?;
            lengths = rest;
            let (name, rest) = split_text(data, name_bytes)?;
            let (value, rest) = split_text(rest, value_bytes)?;
            data = rest;
            if !accept(name, value) {
                return None;
            }
        }
        data.is_empty().then_some(())
    }
}

/// A number of 32 bits, and two of them for the lengths of a pair.
const NUMBER_BYTES: usize = 4;
const PAIR_BYTES: usize = 8;

fn split_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn split_text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.strip_prefix(b"\0")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialized(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let mut bytes = number(pairs.len()).to_vec();
        for (name, value) in pairs {
            bytes.extend(number(name.len()));
            bytes.extend(number(value.len()));
        }
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(*text);
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn any_bytes_are_read_and_pseudo_headers_set_apart() {
        let pairs: [(&[u8], &[u8]); 6] = [
            (b":method", b"GET"),
            (b":authority", b"example.com"),
            (b":path", b"/x"),
            (b"x-\xff", b"\xfe\0"),
            (b"empty", b""),
            (b"empty", b""),
        ];
        let map = HeaderMap::new(serialized(&pairs));
        let head = map.request_head().unwrap();
        assert_eq!(head.method, Some(&b"GET"[..]));
        assert_eq!(head.authority, Some(&b"example.com"[..]));
        assert_eq!(head.path, Some(&b"/x"[..]));
        assert_eq!(head.headers, pairs[3..]);
        assert!(HeaderMap::new(Vec::new()).request_head().unwrap().headers.is_empty());
        let twice = serialized(&[(b":path", b"/a"), (b":path", b"/b")]);
        assert!(HeaderMap::new(twice).request_head().is_none());
    }

    #[test]
    fn a_damaged_map_is_refused_wherever_it_is_damaged() {
        let whole = serialized(&[(b"name", b"value"), (b"x", b"")]);
        for length in 1..whole.len() {
            assert!(HeaderMap::new(whole[..length].to_vec()).pairs().is_none(), "cut at {length}");
        }
        assert!(HeaderMap::new([&whole[..], b"x"].concat()).pairs().is_none());
        // Lengths and NULs damaged, and a count that would need 32 GiB.
        for (position, value) in [(0, 3), (4, 5), (4, 255), (7, 255), (8, 4), (whole.len() - 1, 1), (3, 255)] {
            let mut damaged = whole.clone();
            damaged[position] = value;
            assert!(HeaderMap::new(damaged).pairs().is_none(), "{position}: {value}");
        }
    }
}
