//! Where the client is, and which hop stands before the proxy.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::list;
use super::truth::Truth;
use crate::request::Request;

/// `source`: undecided for an address that nobody knows.
pub fn is_in_networks(source: &Value, request: &Request) -> Truth {
    let peer = request.source.as_deref().and_then(address_of_connection);
    let address = peer.and_then(|peer| match source["trusted_hops"].as_u64() {
        None | Some(0) => Some(peer),
        Some(hops) => forwarded_for(request, usize::try_from(hops).unwrap(), peer),
    });
    address.map_or(Truth::Undecided, |address| {
        list(&source["networks"]).iter().any(|network| contains(network.as_str().unwrap(), address)).into()
    })
}

/// The entry of `x-forwarded-for` that the first of so many trusted proxies has added: each adds one at the end. So may this
/// proxy, if it is Envoy, which says the port too: the address of whoever is connected to it; that one is left out.
fn forwarded_for(request: &Request, hops: usize, peer: IpAddr) -> Option<IpAddr> {
    let values = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
    let entries = values.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    let mut addresses: Vec<Option<IpAddr>> =
        entries.map(|entry| address_of_connection(std::str::from_utf8(entry).ok()?.trim())).collect();
    let has_port = request.source.as_ref().is_some_and(|source| source.parse::<SocketAddr>().is_ok());
    if has_port && addresses.last() == Some(&Some(peer)) {
        addresses.pop();
    }
    addresses[addresses.len().checked_sub(hops)?]
}

/// An address that Envoy took from a header has port 0, and is not that of the connection.
fn address_of_connection(text: &str) -> Option<IpAddr> {
    if text.parse().is_ok_and(|address: SocketAddr| address.port() == 0) { None } else { address(text) }
}

/// An address with or without port; an IPv4 address within IPv6 is that IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    let address: Option<IpAddr> = text.parse().ok();
    let address = address.or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.map(|address| address.to_canonical())
}

fn contains(network: &str, address: IpAddr) -> bool {
    let (start, length) = network.split_once('/').map_or((network, None), |(start, length)| (start, Some(length)));
    let (start, address) = (bits(start.parse().unwrap()), bits(address));
    let length = length.map_or(start.len(), |length| length.parse().unwrap());
    start.len() == address.len() && start[..length] == address[..length]
}

fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("{:0128b}", address.to_bits()),
    }
}

/// Whether a hop stands before the proxy that one of the entries of `by` names: all that an entry gives must fit.
pub fn is_named_hop(by: &Value, request: &Request) -> bool {
    let names = |entry: &Value| {
        let fits = |field: &str, name: Option<&String>| {
            entry.get(field).is_none_or(|wanted| name.is_some_and(|name| wanted == name.as_str()))
        };
        let peer = request.peer.as_ref();
        let address = request.source.as_deref().and_then(address_of_connection);
        fits("uri_san", peer.and_then(|peer| peer.uri_san.as_ref()))
            && fits("dns_san", peer.and_then(|peer| peer.dns_san.as_ref()))
            && entry
                .get("network")
                .is_none_or(|network| address.is_some_and(|address| contains(network.as_str().unwrap(), address)))
    };
    list(by).iter().any(names)
}
