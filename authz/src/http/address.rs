//! Network addresses and networks.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::document::Node;

/// A network: an address, and how many of its leading bits count (RFC 4632 section 3.1, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. `None` for anything else, and where bits are set that do not
    /// count: then it is not clear what was meant.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix_bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, bits.parse().ok()?),
            None => {
                let address: IpAddr = text.parse().ok()?;
                (address, bits_of(address))
            }
        };
        let network = Self { address, prefix_bits };
        let is_plain = text.bytes().all(|byte| byte != b'+') && address == address.to_canonical();
        (is_plain && prefix_bits <= bits_of(address) && network.significant(address) == left_aligned(address))
            .then_some(network)
    }

    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        Self::parse(text).or_else(|| {
            node.refuse(format!("`{text}` is not a network such as `10.0.0.0/8`, `2001:db8::/32` or `127.0.0.1`"))
        })
    }

    /// Whether the address is in this network. One of the other family never is.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && self.significant(self.address) == self.significant(address)
    }

    fn significant(&self, address: IpAddr) -> u128 {
        let dropped = u128::BITS.saturating_sub(self.prefix_bits);
        left_aligned(address).checked_shr(dropped).and_then(|bits| bits.checked_shl(dropped)).unwrap_or_default()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

const fn bits_of(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

/// The bits of an address, the first one highest.
fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address at the other end of a connection as hosts write it: with port (Envoy) or without (nginx). An IPv4 address
/// within IPv6 is the IPv4 address.
///
/// None for port 0, which no connection has: Envoy writes it for an address that it took from `x-forwarded-for`, which a
/// client may have written.
pub(crate) fn parse_source(source: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(source).ok()?;
    let address = match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => return None,
        Ok(address) => address.ip(),
        Err(_) => text.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// Whether the host wrote a port too. Envoy does, and has added the address to `x-forwarded-for`; nginx does neither.
pub(crate) fn has_port(source: &[u8]) -> bool {
    std::str::from_utf8(source).is_ok_and(|text| text.parse::<SocketAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn networks_contain_what_begins_like_them() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1:4711", true),
            ("10.0.0.0/8", "11.0.0.1:4711", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "[2001:db8::1]:1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "[2001:db8:ffff::1]:443", true),
            ("2001:db8::/32", "[2001:db9::1]:443", false),
            ("192.0.2.7", "192.0.2.7:1", true),
            ("192.0.2.7", "192.0.2.6:1", false),
            ("192.0.2.0/31", "::ffff:192.0.2.1", true),
            ("::1/128", "[::1]:1", true),
        ] {
            let address = parse_source(address.as_bytes()).unwrap();
            assert_eq!(Network::parse(network).unwrap().contains(address), expected, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_or_address_is_refused() {
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        for source in [
            &b""[..],
            b"unix:/run/x",
            b"\xff",
            b"10.0.0.1:",
            b"10.0.0.1:99999",
            b"10.0.0.256",
            b"10.0.0.1:0",
            b"[::1]:0",
        ] {
            assert_eq!(parse_source(source), None, "{source:?}");
        }
    }
}
