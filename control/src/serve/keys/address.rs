//! Which addresses the endpoint fetches keys from: those of the public Internet, unless an issuer is said to be elsewhere.
//!
//! A policy names URLs, and whoever writes policies need not be one who may reach the networks of this machine (server-side
//! request forgery; CVE-2026-41413 by `jwksUri`). So every address is judged, after names are resolved and before anything is
//! connected to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names, and gives only addresses that may be connected to.
pub(super) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found.iter().copied().filter(|address| is_public(address.ip())).collect();
            match public.is_empty() && !found.is_empty() {
                true => Err(io::Error::other(NOT_PUBLIC).into()),
                false => {
                    let addresses: Addrs = Box::new(public.into_iter());
                    Ok(addresses)
                }
            }
        })
    }
}

/// Refuses a URL whose host is an address that may not be connected to: such a host is never resolved.
pub(super) fn check_host(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(NOT_PUBLIC.to_owned()),
        _ => Ok(()),
    }
}

const NOT_PUBLIC: &str = "its host has no public address; if this issuer is in a network of yours, say so with `allow_private_addresses` in serve.yaml";

/// Whether an address is one of the public Internet (the IANA special-purpose registries, RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // "This network", private, loopback, link-local (with the metadata services of clouds), multicast, reserved.
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            // Protocol assignments, documentation, 6to4 relays, benchmarks.
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = segments;
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (first, second) {
        // IPv4-mapped addresses and those of NAT64 are the IPv4 address that is in them.
        (0, 0) if [third, fourth, fifth, sixth] == [0, 0, 0, 0xffff] => embedded(seventh, eighth),
        (0x64, 0xff9b) if [third, fourth, fifth, sixth] == [0; 4] => embedded(seventh, eighth),
        // Teredo and other assignments (2001::/23), documentation (2001:db8::/32, 3fff::/20), 6to4 (2002::/16).
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) => false,
        (0x3fff, 0..=0xfff) => false,
        // Global unicast; everything else is loopback, local, multicast or not assigned.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_connected_to() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:4860::8888",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_judged_in_every_spelling() {
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://[fe80::1]:8443/",
            "https://169.254.169.254/latest",
            "https://１２７.0.0.1/",
        ] {
            let url = Url::parse(url).unwrap();
            assert!(check_host(&url).is_err(), "{url}");
        }
        for url in ["https://login.example.com/", "https://8.8.8.8/", "https://[2606:4700::1111]/"] {
            assert!(check_host(&Url::parse(url).unwrap()).is_ok(), "{url}");
        }
    }
}
