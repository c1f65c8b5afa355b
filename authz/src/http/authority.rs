//! The host of the resource (RFC 9110 section 7.2, RFC 3986 section 3.2.2).

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::bytes::split_once;
use crate::limits::MAX_HOST_BYTES;
use crate::reason::Reason;

/// A host in lower case, without port: what host patterns are compared with.
///
/// Hosts are compared without regard to case (CVE-2021-39155); anything that two readers could take for two hosts
/// (user information, a trailing dot, an empty name) is refused instead of repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'r>(Cow<'r, str>);

impl<'r> Host<'r> {
    /// Reads the `:authority` or `Host` of a request: `host`, `host:port` or `[IPv6]:port`.
    ///
    /// # Errors
    ///
    /// [`Reason::HostMalformed`].
    pub fn parse(authority: &'r [u8]) -> Result<Self, Reason> {
        let authority = std::str::from_utf8(authority).map_err(|_| Reason::HostMalformed)?;
        if authority.len() <= MAX_HOST_BYTES && is_canonical_name(authority) {
            // Nearly all are like this.
            return Ok(Self(Cow::Borrowed(authority)));
        }
        let (host, port) = split_port(authority).ok_or(Reason::HostMalformed)?;
        let port_is_number = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        if !port_is_number || !is_host(host) {
            return Err(Reason::HostMalformed);
        }
        Ok(Self(canonical_host(host)))
    }

    /// The host.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if !authority.starts_with('[') {
        return Some(match split_once(authority, b':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    }
    let end = authority.find(']')?.checked_add(1)?;
    let (host, rest) = authority.split_at_checked(end)?;
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None if rest.is_empty() => Some((host, None)),
        None => None,
    }
}

/// The one spelling of a host: lower case; an IPv6 address as RFC 5952 writes it.
pub(crate) fn canonical_host(host: &str) -> Cow<'_, str> {
    match ipv6_address(host) {
        Some(address) => Cow::Owned(format!("[{address}]")),
        None if host.bytes().any(|byte| byte.is_ascii_uppercase()) => Cow::Owned(host.to_ascii_lowercase()),
        None => Cow::Borrowed(host),
    }
}

/// Whether `host` is a registered name of letters, digits, `-`, `_` and single dots, or a bracketed IPv6 address.
pub(crate) fn is_host(host: &str) -> bool {
    ipv6_address(host).is_some() || (host.len() <= MAX_HOST_BYTES && is_name(host))
}

fn is_name(host: &str) -> bool {
    is_name_of(host, |byte| byte.is_ascii_alphanumeric())
}

/// The same in lower case.
fn is_canonical_name(host: &str) -> bool {
    is_name_of(host, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_name_of(host: &str, is_letter: impl Fn(u8) -> bool) -> bool {
    let mut is_in_label = false;
    for byte in host.bytes() {
        is_in_label = match byte {
            b'.' if is_in_label => false,
            b'-' | b'_' => true,
            byte if is_letter(byte) => true,
            _ => return false,
        };
    }
    is_in_label
}

/// Whether `host` is an IP address.
pub(crate) fn is_address(host: &str) -> bool {
    ipv6_address(host).is_some() || host.parse::<Ipv4Addr>().is_ok()
}

fn ipv6_address(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_authority_is_one_host_or_refused() {
        for (authority, expected) in [
            (&b"api.example.com"[..], Some("api.example.com")),
            (b"API.Example.com:8443", Some("api.example.com")),
            (b"localhost:1", Some("localhost")),
            (b"127.0.0.1:10000", Some("127.0.0.1")),
            (b"[::1]:80", Some("[::1]")),
            (b"[2001:DB8::1]", Some("[2001:db8::1]")),
            (b"[0:0:0:0:0:0:0:1]", Some("[::1]")),
            (b"", None),
            (b":80", None),
            (b"api.example.com.", None),
            (b"api..example.com", None),
            (b"user@api.example.com", None),
            (b"api.example.com:", None),
            (b"api.example.com:80:90", None),
            (b"api.example.com:8o", None),
            (b"api.example.com/x", None),
            (b"api example.com", None),
            (b"api.example.com\0", None),
            (b"caf\xe9.example.com", None),
            ("café.example.com".as_bytes(), None),
            (b"[::1", None),
            (b"[::1]x", None),
            (b"[not-an-address]", None),
            (b"*.example.com", None),
        ] {
            let host = Host::parse(authority).ok();
            assert_eq!(host.as_ref().map(Host::as_str), expected, "{}", String::from_utf8_lossy(authority));
        }
    }
}
