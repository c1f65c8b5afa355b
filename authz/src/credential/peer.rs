//! The workload at the other end of the connection, by its certificate (mutual TLS, SPIFFE X.509-SVID): as this proxy
//! verified it, or as a hop that is believed says that it did.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::forwarded::Forwarded;
use crate::http::{PeerCertificate, RequestHead};
use crate::jose::base64url;
use crate::principal::{Attribute, Claims, Identity};
use crate::reason::Reason;

/// What a SPIFFE ID starts with (SPIFFE ID section 2).
const SPIFFE: &str = "spiffe://";

/// Who says what the certificate is.
#[derive(Debug)]
pub(super) enum PeerSource {
    /// This proxy, of the connection.
    Connection,
    /// A hop before it, in a header.
    Forwarded(Forwarded),
}

/// What is known of a certificate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate<'c> {
    pub(super) uri_san: Option<Cow<'c, [u8]>>,
    pub(super) dns_san: Option<Cow<'c, [u8]>>,
    pub(super) subject_name: Option<Cow<'c, [u8]>>,
    /// RFC 8705 section 3.1; not every header says it.
    pub(super) thumbprint: Option<String>,
}

impl PeerSource {
    /// The certificate of the peer; none if there is none, or if nobody who is believed says so.
    pub(super) fn certificate<'r>(&self, head: &RequestHead<'r>) -> Result<Option<Certificate<'r>>, Reason> {
        let certificate = match self {
            Self::Connection => head.peer.as_ref().map(Certificate::of_connection),
            Self::Forwarded(forwarded) => forwarded.find(head)?.map(|value| forwarded.read_value(value)),
        };
        certificate.map(|certificate| certificate.ok_or(Reason::CredentialMalformed)).transpose()
    }

    /// Whether the certificate of the connection is wanted.
    pub(super) fn needs_peer(&self) -> bool {
        match self {
            Self::Connection => true,
            Self::Forwarded(forwarded) => forwarded.needs_peer(),
        }
    }

    /// Whether the address at the other end of the connection is wanted.
    pub(super) fn needs_source(&self) -> bool {
        matches!(self, Self::Forwarded(forwarded) if forwarded.needs_source())
    }
}

impl<'c> Certificate<'c> {
    /// That of a connection. None if the proxy's hash of it is not one.
    fn of_connection(peer: &PeerCertificate<'c>) -> Option<Self> {
        Some(Self {
            uri_san: peer.uri_san.map(Cow::Borrowed),
            dns_san: peer.dns_san.map(Cow::Borrowed),
            subject_name: peer.subject_name.map(Cow::Borrowed),
            thumbprint: Some(thumbprint(peer.sha256)?),
        })
    }

    /// The identity that it gives: the subject is its first URI SAN (a SPIFFE ID), else its DNS SAN, else its subject name;
    /// the tenant is the SPIFFE trust domain. Rules see all names as claims.
    pub(super) fn identity(&self) -> Result<Identity, Reason> {
        let names = [("uri_san", &self.uri_san), ("dns_san", &self.dns_san), ("subject_name", &self.subject_name)];
        let mut claims = Map::new();
        for (name, value) in names {
            if let Some(value) = value {
                let value = std::str::from_utf8(value).map_err(|_| Reason::CredentialMalformed)?;
                claims.insert(name.to_owned(), Value::from(value));
            }
        }
        claims.extend(self.thumbprint.as_ref().map(|hash| ("x5t#S256".to_owned(), Value::from(hash.as_str()))));
        let text = |name| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let subject = text("uri_san").or_else(|| text("dns_san")).or_else(|| text("subject_name"));
        let trust_domain =
            text("uri_san").and_then(|uri| Some(uri.strip_prefix(SPIFFE)?.split('/').next()?.to_owned()));
        let present = |value: Option<String>| value.map_or(Attribute::Absent, Attribute::Present);
        Ok(Identity {
            subject: present(subject).into(),
            tenant: present(trust_domain),
            claims: Claims::Made(claims),
            ..Identity::default()
        })
    }
}

/// The thumbprint of a certificate (RFC 8705 section 3.1): the hash that proxies give in hexadecimal, in base64url.
pub(super) fn thumbprint(sha256: &[u8]) -> Option<String> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    let byte = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?);
    let bytes = sha256.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    (sha256.len() == 64).then(|| base64url::encode(bytes))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_first_name_that_is_there_is_the_subject() {
        let subject = |uri_san: Option<&'static [u8]>, dns_san: Option<&'static [u8]>| {
            let certificate = Certificate {
                uri_san: uri_san.map(Cow::Borrowed),
                dns_san: dns_san.map(Cow::Borrowed),
                subject_name: Some(Cow::Borrowed(b"CN=web")),
                thumbprint: None,
            };
            certificate.identity().map(|identity| (identity.subject().clone(), identity.tenant))
        };
        let present = |text: &str| Attribute::Present(text.to_owned());
        assert_eq!(
            subject(Some(b"spiffe://td.example/ns/a"), Some(b"a.example")),
            Ok((present("spiffe://td.example/ns/a"), present("td.example")))
        );
        assert_eq!(subject(None, Some(b"a.example")), Ok((present("a.example"), Attribute::Absent)));
        assert_eq!(subject(None, None), Ok((present("CN=web"), Attribute::Absent)));
        assert!(subject(Some(b"\xff"), None).is_err());
    }

    #[test]
    fn a_thumbprint_is_64_digits_or_nothing() {
        assert_eq!(
            thumbprint(b"0000000000000000000000000000000000000000000000000000000000000000").as_deref(),
            Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        );
        assert_eq!(thumbprint(b"00"), None);
        assert_eq!(thumbprint(b"+000000000000000000000000000000000000000000000000000000000000000"), None);
        assert_eq!(thumbprint(b"zz00000000000000000000000000000000000000000000000000000000000000"), None);
    }
}
