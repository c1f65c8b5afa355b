//! The workload at the other end of the connection, by the certificate that the proxy verified (mutual TLS, SPIFFE X.509-SVID).

use serde_json::{Map, Value};

use crate::http::PeerCertificate;
use crate::jose::base64url;
use crate::principal::{Attribute, Identity};
use crate::reason::Reason;

/// What a SPIFFE ID starts with (SPIFFE ID section 2).
const SPIFFE: &str = "spiffe://";

/// The identity that a certificate gives: the subject is its first URI SAN (a SPIFFE ID), else its DNS SAN, else its subject
/// name; the tenant is the SPIFFE trust domain. Rules see all names as claims.
pub(super) fn identity(peer: &PeerCertificate<'_>) -> Result<Identity, Reason> {
    let names = [("uri_san", peer.uri_san), ("dns_san", peer.dns_san), ("subject_name", peer.subject_name)];
    let mut claims = Map::new();
    for (name, value) in names {
        if let Some(value) = value {
            let value = std::str::from_utf8(value).map_err(|_| Reason::CredentialMalformed)?;
            claims.insert(name.to_owned(), Value::from(value));
        }
    }
    claims.insert("x5t#S256".to_owned(), Value::from(thumbprint(peer).ok_or(Reason::CredentialMalformed)?));
    let text = |name| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let subject = text("uri_san").or_else(|| text("dns_san")).or_else(|| text("subject_name"));
    let trust_domain = text("uri_san").and_then(|uri| Some(uri.strip_prefix(SPIFFE)?.split('/').next()?.to_owned()));
    let present = |value: Option<String>| value.map_or(Attribute::Absent, Attribute::Present);
    Ok(Identity { subject: present(subject), tenant: present(trust_domain), claims, ..Identity::default() })
}

/// The thumbprint of a certificate (RFC 8705 section 3.1): the hash that the proxy gives in hexadecimal, in base64url.
pub(super) fn thumbprint(peer: &PeerCertificate<'_>) -> Option<String> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    let byte = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?);
    let bytes = peer.sha256.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    (peer.sha256.len() == 64).then(|| base64url::encode(bytes))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_first_name_that_is_there_is_the_subject() {
        let digest = "00".repeat(32);
        let peer = |uri_san, dns_san| PeerCertificate {
            uri_san,
            dns_san,
            subject_name: Some(b"CN=web"),
            sha256: digest.as_bytes(),
        };
        let subject = |uri_san: Option<&'static [u8]>, dns_san: Option<&'static [u8]>| {
            let identity = identity(&peer(uri_san, dns_san)).unwrap();
            (identity.subject, identity.tenant)
        };
        let present = |text: &str| Attribute::Present(text.to_owned());
        assert_eq!(
            subject(Some(b"spiffe://td.example/ns/a"), Some(b"a.example")),
            (present("spiffe://td.example/ns/a"), present("td.example"))
        );
        assert_eq!(subject(None, Some(b"a.example")), (present("a.example"), Attribute::Absent));
        assert_eq!(subject(None, None), (present("CN=web"), Attribute::Absent));
        assert!(identity(&peer(Some(b"\xff"), None)).is_err());
    }

    #[test]
    fn a_thumbprint_is_64_digits_or_nothing() {
        let of = |sha256: &'static [u8]| {
            thumbprint(&PeerCertificate { uri_san: None, dns_san: None, subject_name: None, sha256 })
        };
        assert_eq!(
            of(b"0000000000000000000000000000000000000000000000000000000000000000").as_deref(),
            Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        );
        assert_eq!(of(b"00"), None);
        assert_eq!(of(b"+000000000000000000000000000000000000000000000000000000000000000"), None);
        assert_eq!(of(b"zz00000000000000000000000000000000000000000000000000000000000000"), None);
    }
}
