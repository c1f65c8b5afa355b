//! What must hold for the request itself: where it comes from, its headers, its query.

use std::fmt;
use std::net::IpAddr;

use super::outcome::Outcome;
use super::{Reader, Situation};
use crate::credential::Hop;
use crate::document::{Fields, Node};
use crate::http::{Network, RequestHead, has_port, is_token_byte, parse_source, query};
use crate::matching::{Match, Test};

/// Most proxies that may stand before this one.
const MAX_TRUSTED_HOPS: u64 = 16;

/// The networks that the client may be in.
#[derive(Debug)]
pub(in crate::policy) struct SourceCondition {
    networks: Vec<Network>,
    /// How many proxies before this one are ours, so that what they add to `x-forwarded-for` is believed.
    trusted_hops: usize,
}

impl SourceCondition {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["networks", "trusted_hops"])?;
        let networks = fields.required("networks").and_then(|node| node.filled_list(Network::read));
        let trusted_hops = fields.optional("trusted_hops").map_or(Some(0), |node| node.integer(0..=MAX_TRUSTED_HOPS));
        Some(Self { networks: networks?, trusted_hops: usize::try_from(trusted_hops?).ok()? })
    }

    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        match client_address(situation.head, self.trusted_hops) {
            Some(address) => Outcome::holds_if(self.networks.iter().any(|network| network.contains(address))),
            None => Outcome::Undecidable,
        }
    }
}

/// The address of the client: at the other end of the connection or, behind proxies of ours, what the first of them saw.
/// Each appends the address of whoever connected to it (`x-forwarded-for`), and so does Envoy, before we see it. nginx does not, and may have taken
/// its peer from the header (`real_ip_header`): if that were left out, what comes before it, which the client wrote, would count.
fn client_address(head: &RequestHead<'_>, trusted_hops: usize) -> Option<IpAddr> {
    let source = head.source?;
    let peer = parse_source(source)?;
    if trusted_hops == 0 {
        return Some(peer);
    }
    let addresses = head.values("x-forwarded-for").flat_map(|value| value.split(|byte| *byte == b','));
    let mut addresses: Vec<Option<IpAddr>> = addresses.map(|address| parse_source(address.trim_ascii())).collect();
    if has_port(source) && addresses.last() == Some(&Some(peer)) {
        addresses.pop();
    }
    // Only what our own proxies wrote is read; a client can write anything before it.
    addresses.into_iter().rev().take(trusted_hops).nth(trusted_hops.saturating_sub(1)).flatten()
}

impl fmt::Display for SourceCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<_> = self.networks.iter().map(ToString::to_string).collect();
        write!(f, "client address in {}", networks.join(", "))
    }
}

/// What a header or query parameter must be.
#[derive(Debug)]
pub(in crate::policy) struct TextCondition {
    place: Place,
    name: String,
    test: Test,
    /// The hops that are believed about it; none stands for everybody.
    by: Option<Vec<Hop>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Query,
}

impl TextCondition {
    pub(super) fn read_headers(fields: &Fields<'_>, reader: Reader<'_>) -> Option<Vec<Self>> {
        Self::read_list(fields, "headers", Place::Header, reader)
    }

    pub(super) fn read_query(fields: &Fields<'_>, reader: Reader<'_>) -> Option<Vec<Self>> {
        Self::read_list(fields, "query", Place::Query, reader)
    }

    fn read_list<'n>(fields: &Fields<'n>, field: &'n str, place: Place, reader: Reader<'_>) -> Option<Vec<Self>> {
        fields.optional(field).map_or(Some(Vec::new()), |node| node.filled_list(|item| Self::read(item, place, reader)))
    }

    fn read(node: &Node<'_>, place: Place, reader: Reader<'_>) -> Option<Self> {
        let fields = node.object(match place {
            Place::Header => Test::FIELDS_OF_HEADER,
            Place::Query => Test::FIELDS_OF_QUERY,
        })?;
        let name = fields.required("name").and_then(|node| match (node.text()?, place) {
            (name, Place::Header) if !name.bytes().all(is_token_byte) => {
                node.refuse(format!("`{name}` is not the name of a header (RFC 9110 section 5.1)"))
            }
            (name, Place::Header) if name.eq_ignore_ascii_case("host") => {
                node.refuse("`host` is no header to every proxy; write `hosts` in the target")
            }
            (name, Place::Header) => Some(name.to_ascii_lowercase()),
            (name, Place::Query) => Some(name.to_owned()),
        });
        let test = Test::read(node, &fields, reader.scope());
        let by = match fields.optional("by") {
            Some(node) => node.filled_list(Hop::read).map(Some),
            None => Some(None),
        };
        Some(Self { place, name: name?, test: test?, by: by? })
    }

    pub(super) fn needs_source(&self) -> bool {
        self.by.iter().flatten().any(Hop::needs_source)
    }

    pub(super) fn needs_peer(&self) -> bool {
        self.by.iter().flatten().any(Hop::needs_peer)
    }

    /// Every value is judged by itself, as bytes (CVE-2020-25017): if some pass and some do not, nobody knows which one the
    /// upstream takes; nor whether it takes `x_role` for `x-role`.
    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        let head = situation.head;
        if self.by.as_ref().is_some_and(|hops| !hops.iter().any(|hop| hop.is_at_the_other_end(head))) {
            // From somebody who is not believed it is not there.
            return self.absent();
        }
        let values: Vec<Match> = match self.place {
            Place::Header if head.has_alias(&self.name) => return Outcome::Undecidable,
            Place::Header => head.values(&self.name).map(|value| self.judge(value, situation)).collect(),
            Place::Query => match query::readings(head, &self.name) {
                Ok(values) => values.iter().map(|value| self.judge(value, situation)).collect(),
                Err(_) => return Outcome::Undecidable,
            },
        };
        match values.split_first() {
            None => self.absent(),
            Some((Match::Holds, rest)) if rest.iter().all(|value| *value == Match::Holds) => Outcome::Holds,
            Some((Match::Fails, rest)) if rest.iter().all(|value| *value == Match::Fails) => Outcome::Fails,
            Some(_) => Outcome::Undecidable,
        }
    }

    fn absent(&self) -> Outcome {
        Outcome::holds_if(matches!(self.test, Test::Exists(false)))
    }

    /// CVE-2026-73552: what is not UTF-8 is neither this nor that.
    fn judge(&self, value: &[u8], situation: &Situation<'_>) -> Match {
        match (&self.test, std::str::from_utf8(value)) {
            (Test::Exists(true), _) => Match::Holds,
            (Test::Exists(false), _) => Match::Fails,
            (test, Ok(text)) => test.evaluate_text(text, &situation.facts),
            (_, Err(_)) => Match::Undecidable,
        }
    }
}

impl fmt::Display for TextCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place == Place::Header { "header" } else { "query parameter" };
        write!(f, "{place} `{}` {}", self.name, self.test)
    }
}
