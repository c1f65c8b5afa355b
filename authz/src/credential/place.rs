//! Where a credential may stand: a header with or without a scheme, a cookie, a query parameter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Presented, Scheme};
use crate::bytes::is_same_in_any_case;
use crate::document::{Fields, Node, Unique};
use crate::http::{RequestHead, is_alias, is_token_byte};
use crate::reason::Reason;

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A header, name in lower case; with a scheme, `SCHEME TOKEN` (RFC 9110 section 11.4), without, the whole value.
    Header { name: String, scheme: Option<String> },
    /// A cookie (RFC 6265 section 5.4).
    Cookie(String),
    /// A query parameter (RFC 6750 section 2.3, which advises against it).
    Query(String),
    /// The connection itself.
    Connection,
}

impl Place {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    pub(super) fn bearer() -> Self {
        Self::Header { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) }
    }

    pub(super) fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let fields = node.object(&["header", "scheme", "cookie", "query"])?;
        let places = (fields.optional("header"), fields.optional("cookie"), fields.optional("query"));
        let place = match places {
            (Some(header), None, None) => Self::read_header(&header, &fields)?,
            (None, Some(cookie), None) => Self::Cookie(read_token(&cookie)?),
            (None, None, Some(query)) => Self::Query(query.text()?.to_owned()),
            _ => return node.refuse("needs exactly one of `header`, `cookie`, `query`"),
        };
        if let (Self::Cookie(_) | Self::Query(_), Some(scheme)) = (&place, fields.optional("scheme")) {
            return scheme.refuse("only a header has a scheme");
        }
        unique.claim("place", &place.description(), node)?;
        Some(place)
    }

    fn read_header(header: &Node<'_>, fields: &Fields<'_>) -> Option<Self> {
        let name = read_token(header)?.to_ascii_lowercase();
        let scheme = fields.optional("scheme").map_or(Some(None), |node| read_token(&node).map(Some))?;
        if name == "authorization" && scheme.is_none() {
            return header.refuse("`authorization` needs a `scheme`, for example `Bearer` (RFC 9110 section 11.6.2)");
        }
        if name == "cookie" {
            return header.refuse("write `cookie` and the name of the cookie");
        }
        Some(Self::Header { name, scheme })
    }

    /// A header whose whole value counts, by its name.
    pub(crate) fn read_plain_header(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let name = read_token(node)?.to_ascii_lowercase();
        if ["authorization", "cookie"].contains(&name.as_str()) {
            return node.refuse(format!("`{name}` is the client's own; a hop writes another header"));
        }
        let place = Self::Header { name, scheme: None };
        unique.claim("place", &place.description(), node)?;
        Some(place)
    }

    /// Whether this is the header of this name.
    pub(crate) fn is_header(&self, name: &[u8]) -> bool {
        matches!(self, Self::Header { name: own, .. } if name.eq_ignore_ascii_case(own.as_bytes()))
    }

    /// Whether upstreams may take the header of this name for this one.
    pub(crate) fn is_alias(&self, name: &[u8]) -> bool {
        matches!(self, Self::Header { name: own, .. } if is_alias(name, own))
    }

    /// Whether this is a header with this scheme.
    pub(super) fn has_scheme(&self, wanted: Scheme) -> bool {
        self.scheme().is_some_and(|scheme| scheme.eq_ignore_ascii_case(wanted.name()))
    }

    /// The scheme, if this is a header with one.
    fn scheme(&self) -> Option<&str> {
        match self {
            Self::Header { scheme, .. } => scheme.as_deref(),
            Self::Cookie(_) | Self::Query(_) | Self::Connection => None,
        }
    }

    /// The name of the cookie.
    pub(crate) fn cookie(&self) -> Option<&str> {
        match self {
            Self::Cookie(name) => Some(name),
            Self::Header { .. } | Self::Query(_) | Self::Connection => None,
        }
    }

    /// The name of the query parameter.
    pub(crate) fn query_parameter(&self) -> Option<&str> {
        match self {
            Self::Query(name) => Some(name),
            Self::Header { .. } | Self::Cookie(_) | Self::Connection => None,
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Header { name, scheme } => {
                format!("header {name} {}", scheme.as_deref().unwrap_or_default().to_ascii_lowercase())
            }
            Self::Cookie(name) => format!("cookie {name}"),
            Self::Query(name) => format!("query parameter {name}"),
            Self::Connection => "connection".to_owned(),
        }
    }
}

fn read_token(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if !text.bytes().all(is_token_byte) {
        return node.refuse(format!("`{text}` is not a token (RFC 9110 section 5.6.2)"));
    }
    Some(text.to_owned())
}

/// The headers in which credentials may stand: for each the places, by scheme, and whose they are. What stands there with
/// another scheme is a credential that nobody can check, so it is malformed and not absent.
#[derive(Debug)]
pub(super) struct HeaderPlaces(Vec<HeaderPlace>);

#[derive(Debug)]
struct HeaderPlace {
    name: String,
    /// Whether upstreams may take another name for this one.
    has_aliases: bool,
    places: Vec<(Place, usize)>,
}

impl HeaderPlaces {
    pub(super) fn of<'p>(credentials: impl Iterator<Item = &'p [Place]>) -> Self {
        let mut headers: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (index, places) in credentials.enumerate() {
            for place in places {
                if let Place::Header { name, .. } = place {
                    headers.entry(name.clone()).or_default().push((place.clone(), index));
                }
            }
        }
        let place = |(name, places): (String, _)| {
            let has_aliases = !name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            HeaderPlace { name, has_aliases, places }
        };
        Self(headers.into_iter().map(place).collect())
    }

    /// The credentials in the headers of a request.
    pub(super) fn find<'r>(&'r self, head: &RequestHead<'r>) -> Result<Vec<Presented<'r>>, Reason> {
        let mut found = Vec::with_capacity(self.0.len());
        for HeaderPlace { name, has_aliases, places } in &self.0 {
            // A second credential, which is not verified and which an upstream may take for this one: `x_api_key`.
            if *has_aliases && head.has_alias(name) {
                return Err(Reason::CredentialRepeated);
            }
            let mut values = head.values(name);
            let Some(value) = values.next() else { continue };
            // RFC 6750 section 2: one method per request. Deciding on the first or the last is CVE-2025-64527 and its kin.
            if values.next().is_some() {
                return Err(Reason::CredentialRepeated);
            }
            let fits = |(place, credential): &'r (Place, usize)| {
                let token = token_of(value, place.scheme())?;
                Some(Presented { credential: *credential, place, value: Cow::Borrowed(token) })
            };
            // What fits has no comma, so it was not joined of several.
            let refusal = || if is_joined(value) { Reason::CredentialRepeated } else { Reason::CredentialMalformed };
            found.push(places.iter().find_map(fits).ok_or_else(refusal)?);
        }
        Ok(found)
    }
}

/// The token in a header value: after the scheme, compared without regard to case, and one or more spaces; or the whole.
fn token_of<'r>(value: &'r [u8], scheme: Option<&str>) -> Option<&'r [u8]> {
    let Some(scheme) = scheme else {
        return is_token68(value).then_some(value);
    };
    let (start, rest) = value.split_at_checked(scheme.len())?;
    let token = rest.trim_ascii_start();
    (is_same_in_any_case(start, scheme.as_bytes()) && token.len() < rest.len() && is_token68(token)).then_some(token)
}

/// Whether a proxy has joined several headers into one, as RFC 9110 section 5.3 allows and Envoy does: a comma and then
/// what looks like another scheme, or another token.
fn is_joined(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').skip(1).map(<[u8]>::trim_ascii_start).any(|part| {
        let mut words = part.splitn(2, |byte| *byte == b' ');
        words.next().is_some_and(|scheme| !scheme.is_empty() && scheme.iter().copied().all(is_token_byte))
            && words.next().is_some()
    })
}

/// RFC 6750 section 2.1, `b64token`: so neither a comma-joined second credential nor white space can hide in it.
pub(super) fn is_token68(token: &[u8]) -> bool {
    let is_plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    #[cfg(target_arch = "wasm32")]
    let (is_plain_at_first, token_rest) = in_module::are_blocks_plain(token);
    #[cfg(not(target_arch = "wasm32"))]
    let (is_plain_at_first, token_rest) = (true, token);
    !token.is_empty() && is_plain_at_first && token_rest.iter().all(is_plain)
}

/// Every byte of every token is looked at.
#[cfg(target_arch = "wasm32")]
mod in_module {
    use core::arch::wasm32::{u8x16_splat, v128_any_true, v128_or};

    use crate::bytes::sixteen::{Characters, block};

    const PLAIN: Characters = Characters::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=");

    /// Whether that is what the blocks of a token are made of, and what is behind them.
    #[target_feature(enable = "simd128")]
    pub(super) fn are_blocks_plain(token: &[u8]) -> (bool, &[u8]) {
        let (blocks, rest) = token.as_chunks();
        let foreign = |foreign, bytes: &[u8; 16]| v128_or(foreign, PLAIN.foreign(block(*bytes)));
        (!v128_any_true(blocks.iter().fold(u8x16_splat(0), foreign)), rest)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_token_is_made_of_some_characters_only() {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        for byte in 0..=u8::MAX {
            for (length, place) in [(1, 0), (15, 14), (64, 63), (64, 0), (70, 30), (130, 129), (130, 100)] {
                let mut token = vec![b'a'; length];
                token[place] = byte;
                assert_eq!(is_token68(&token), is_allowed(byte), "{byte} {place} {length}");
            }
        }
        assert!(!is_token68(b""));
    }

    #[test]
    fn absent_malformed_and_present_are_three_states() {
        let places = HeaderPlaces::of([&[Place::bearer()][..]].into_iter());
        for (headers, expected) in [
            (&[][..], Ok(None)),
            (&[&b"Bearer a.b.c"[..]], Ok(Some(&b"a.b.c"[..]))),
            (&[b"bearer a.b.c"], Ok(Some(b"a.b.c"))),
            (&[b"BEARER   a"], Ok(Some(b"a"))),
            (&[b""], Err(Reason::CredentialMalformed)),
            (&[b"Bearer"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer "], Err(Reason::CredentialMalformed)),
            (&[b"Bearera.b.c"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a.b.c d"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a.b.c,d.e.f"], Err(Reason::CredentialMalformed)),
            (&[br#"Bearer {"payload":"x", "signatures": []}"#], Err(Reason::CredentialMalformed)),
            (&[b"Bearer \xff\xfe"], Err(Reason::CredentialMalformed)),
            (&[b"Basic YTpi"], Err(Reason::CredentialMalformed)),
            (&[b"a.b.c"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a.b.c,Bearer d.e.f"], Err(Reason::CredentialRepeated)),
            (&[b"Basic YTpi, Bearer d.e.f"], Err(Reason::CredentialRepeated)),
            (&[b"Bearer a", b"Bearer a"], Err(Reason::CredentialRepeated)),
            (&[b"", b"Bearer a"], Err(Reason::CredentialRepeated)),
        ] {
            let headers = headers.iter().map(|value| (&b"Authorization"[..], *value)).collect();
            let head = RequestHead { headers, ..RequestHead::default() };
            let found = places.find(&head).map(|found| found.first().map(|presented| presented.value.to_vec()));
            assert_eq!(found, expected.map(|token| token.map(<[u8]>::to_vec)), "{head:?}");
        }
    }
}
