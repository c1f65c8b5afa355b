//! A hop before this proxy that is believed about what it writes into headers.

use crate::document::Node;
use crate::http::{Network, RequestHead, parse_source};

/// What this proxy itself knows of the connection to the hop: all that is given must fit.
#[derive(Debug)]
pub(crate) struct Hop {
    uri_san: Option<String>,
    dns_san: Option<String>,
    network: Option<Network>,
}

impl Hop {
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["uri_san", "dns_san", "network"])?;
        if fields.is_empty() {
            return node.refuse("names nobody; write `uri_san`, `dns_san`, `network` or several of them");
        }
        let text = |name| fields.optional(name).map_or(Some(None), |node| Some(Some(node.text()?.to_owned())));
        let (uri_san, dns_san) = (text("uri_san"), text("dns_san"));
        let network = fields.optional("network").map_or(Some(None), |node| Network::read(&node).map(Some));
        Some(Self { uri_san: uri_san?, dns_san: dns_san?, network: network? })
    }

    /// Whether the certificate of the connection is wanted.
    pub(crate) const fn needs_peer(&self) -> bool {
        self.uri_san.is_some() || self.dns_san.is_some()
    }

    /// Whether the address at the other end of the connection is wanted.
    pub(crate) const fn needs_source(&self) -> bool {
        self.network.is_some()
    }

    pub(crate) fn is_at_the_other_end(&self, head: &RequestHead<'_>) -> bool {
        let fits = |wanted: &Option<String>, actual: Option<&[u8]>| {
            wanted.as_ref().is_none_or(|wanted| actual == Some(wanted.as_bytes()))
        };
        let source = || head.source.and_then(parse_source);
        fits(&self.uri_san, head.peer.and_then(|peer| peer.uri_san))
            && fits(&self.dns_san, head.peer.and_then(|peer| peer.dns_san))
            && self.network.is_none_or(|network| source().is_some_and(|address| network.contains(address)))
    }
}
