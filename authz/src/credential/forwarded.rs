//! What a hop before this proxy says of its client's certificate, in a header: `x-forwarded-client-cert` (Envoy, Istio), or
//! a name in a mesh's own header (Linkerd's `l5d-client-id`).
//!
//! Anybody can write a header. So it counts only from a hop that the bundle names; from everybody else it is not there,
//! and is removed before the request goes upstream.

use std::borrow::Cow;

use super::hop::Hop;
use super::peer::{Certificate, thumbprint};
use super::place::Place;
use crate::document::{Node, Unique};
use crate::http::RequestHead;
use crate::reason::Reason;

/// The header whose values have the form of Envoy's documentation; every other one has a name as its value.
const XFCC: &str = "x-forwarded-client-cert";

/// A header and the hops that are believed.
#[derive(Debug)]
pub(super) struct Forwarded {
    place: Place,
    hops: Vec<Hop>,
}

impl Forwarded {
    pub(super) fn read(node: &Node<'_>, unique_places: &Unique) -> Option<Self> {
        let fields = node.object(&["header", "by"])?;
        let place = fields.required("header").and_then(|node| Place::read_plain_header(&node, unique_places));
        let hops = fields.required("by").and_then(|node| node.filled_list(Hop::read));
        Some(Self { place: place?, hops: hops? })
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// The value of the header, if the hop that sent it is believed.
    pub(super) fn find<'r>(&self, head: &RequestHead<'r>) -> Result<Option<&'r [u8]>, Reason> {
        let mut values = head.headers.iter().filter(|(name, _)| self.place.is_header(name)).map(|(_, value)| *value);
        let Some(value) = values.next().filter(|_| self.hops.iter().any(|hop| hop.is_at_the_other_end(head))) else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Reason::CredentialRepeated);
        }
        Ok(Some(value))
    }

    pub(super) fn needs_peer(&self) -> bool {
        self.hops.iter().any(Hop::needs_peer)
    }

    pub(super) fn needs_source(&self) -> bool {
        self.hops.iter().any(Hop::needs_source)
    }

    /// The certificate that a value tells of; none if it is not well formed.
    pub(super) fn read_value<'r>(&self, value: &'r [u8]) -> Option<Certificate<'r>> {
        if self.place.is_header(XFCC.as_bytes()) {
            return last_certificate(value);
        }
        let is_name = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() && !b",;\"".contains(byte));
        let name = is_name.then_some(Cow::Borrowed(value));
        let is_uri = value.windows(3).any(|window| window == b"://");
        name.map(|name| match is_uri {
            true => Certificate { uri_san: Some(name), ..Certificate::default() },
            false => Certificate { dns_san: Some(name), ..Certificate::default() },
        })
    }
}

/// The last element of `x-forwarded-client-cert`: each hop appends one, so the last is what the hop at the other end of the
/// connection saw itself. Elements are separated by commas, their pairs by semicolons; values may be quoted.
fn last_certificate(value: &[u8]) -> Option<Certificate<'_>> {
    let mut certificate = Certificate::default();
    let mut rest = value;
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let (key, tail) = rest.split_at_checked(equals)?;
        let (value, tail) = read_xfcc_value(tail.get(1..)?)?;
        match key.trim_ascii().to_ascii_lowercase().as_slice() {
            // The first name of a kind counts, as it does for the proxy's own connections.
            b"uri" => certificate.uri_san = certificate.uri_san.or_else(|| filled(value)),
            b"dns" => certificate.dns_san = certificate.dns_san.or_else(|| filled(value)),
            b"subject" => certificate.subject_name = filled(value),
            b"hash" => certificate.thumbprint = Some(thumbprint(&value)?),
            b"by" | b"cert" | b"chain" => {}
            _ => return None,
        }
        match tail.split_first() {
            // Proxies always write the hash; what a name in a certificate smuggles in after a comma seldom has one.
            None => return certificate.thumbprint.is_some().then_some(certificate),
            Some((b';', tail)) => rest = tail,
            Some((b',', tail)) => {
                certificate = Certificate::default();
                rest = tail;
            }
            Some(_) => return None,
        }
    }
}

/// Proxies write an empty value for a name that the certificate does not have.
fn filled(value: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    (!value.is_empty()).then_some(value)
}

/// A value, up to the next separator, and what follows it.
fn read_xfcc_value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| b",;".contains(byte)).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return (!value.contains(&b'"')).then_some((Cow::Borrowed(value), rest));
    };
    let (mut value, mut bytes) = (Vec::new(), quoted.iter());
    loop {
        match bytes.next()? {
            b'"' => return Some((Cow::Owned(value), bytes.as_slice())),
            // The escapes belong to the name (RFC 2253): without them `CN=a\,OU=b` is another one, `CN=a,OU=b`.
            b'\\' => value.extend([b'\\', *bytes.next()?]),
            byte => value.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_last_element_counts_with_all_of_its_pairs() {
        let zeros = "0".repeat(64);
        let element = format!(
            r#"By=spiffe://a/in;Hash={zeros};Subject="CN=\"web\", O=x;y";URI=spiffe://a/web;URI=spiffe://a/2;DNS=web"#
        );
        let expected = Certificate {
            uri_san: Some(Cow::Borrowed(b"spiffe://a/web")),
            dns_san: Some(Cow::Borrowed(b"web")),
            subject_name: Some(Cow::Owned(br#"CN=\"web\", O=x;y"#.to_vec())),
            thumbprint: thumbprint(zeros.as_bytes()),
        };
        assert_eq!(last_certificate(element.as_bytes()).as_ref(), Some(&expected));
        let chain = format!(r#"URI=spiffe://a/first;Subject="a,b", {element}"#);
        assert_eq!(last_certificate(chain.as_bytes()).as_ref(), Some(&expected));
        // What the hop saw had no names: those of an earlier element are not its own.
        let nameless = format!("URI=spiffe://a/admin,By=spiffe://a/in;Hash={zeros};Subject=\"\";URI=");
        let nameless = last_certificate(nameless.as_bytes()).unwrap();
        assert_eq!(nameless, Certificate { thumbprint: thumbprint(zeros.as_bytes()), ..Certificate::default() });
        // CVE-like: two names that only the escapes tell apart.
        let subject = |name: &str| {
            last_certificate(format!("Subject=\"{name}\";Hash={zeros}").as_bytes())
                .unwrap()
                .subject_name
                .map(Cow::into_owned)
        };
        assert_ne!(subject(r"CN=web\,OU=admin"), subject("CN=web,OU=admin"));
    }

    #[test]
    fn what_is_not_well_formed_is_nothing() {
        for value in [
            "",
            ",",
            "URI",
            "URI=a;",
            "URI=a,",
            ";URI=a",
            r#"Subject="a"#,
            r#"Subject="a"b"#,
            r#"URI=a"b"#,
            r#"Subject="a\"#,
            "Hash=00",
            "URI=spiffe://a/admin",
            "By=a",
            "Role=admin",
        ] {
            assert_eq!(last_certificate(value.as_bytes()), None, "{value}");
        }
    }
}
