//! The credential of a request: absent, malformed and present are three states.

use super::is_token_byte;
use crate::reason::Reason;

/// What the client presented to say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'r> {
    /// Nothing. Only this may be taken for an anonymous principal.
    Absent,
    /// A bearer token (RFC 6750 section 2.1), not looked into yet.
    Bearer(&'r [u8]),
}

impl<'r> Credential<'r> {
    /// Reads the values of all `Authorization` headers of one request.
    ///
    /// # Errors
    ///
    /// [`Reason::CredentialRepeated`] for more than one (RFC 6750 section 2: one method per request; deciding on the
    /// first or the last is CVE-2025-64527 and its kin), [`Reason::CredentialMalformed`] for anything but `Bearer`, one
    /// or more spaces and one token: what we cannot check is never taken for absent.
    pub fn parse(mut authorization: impl Iterator<Item = &'r [u8]>) -> Result<Self, Reason> {
        let Some(value) = authorization.next() else {
            return Ok(Self::Absent);
        };
        if authorization.next().is_some() || is_joined(value) {
            return Err(Reason::CredentialRepeated);
        }
        let (scheme, rest) = value.split_at_checked(BEARER.len()).ok_or(Reason::CredentialMalformed)?;
        let token = rest.trim_ascii_start();
        // RFC 9110 section 11.1: the scheme is compared without regard to case.
        if !scheme.eq_ignore_ascii_case(BEARER) || token.len() == rest.len() || !is_token68(token) {
            return Err(Reason::CredentialMalformed);
        }
        Ok(Self::Bearer(token))
    }
}

const BEARER: &[u8] = b"Bearer";

/// Whether a proxy has joined several headers into one, as RFC 9110 section 5.3 allows and Envoy does: a comma and then
/// what looks like another scheme.
fn is_joined(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').skip(1).map(<[u8]>::trim_ascii_start).any(|part| {
        let mut words = part.splitn(2, |byte| *byte == b' ');
        words.next().is_some_and(|scheme| !scheme.is_empty() && scheme.iter().copied().all(is_token_byte))
            && words.next().is_some()
    })
}

/// RFC 6750 section 2.1, `b64token`: so neither a comma-joined second credential nor white space can hide in it.
fn is_token68(token: &[u8]) -> bool {
    !token.is_empty() && token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn absent_malformed_and_present_are_three_states() {
        for (headers, expected) in [
            (&[][..], Ok(Credential::Absent)),
            (&[&b"Bearer a.b.c"[..]], Ok(Credential::Bearer(b"a.b.c"))),
            (&[b"bearer a.b.c"], Ok(Credential::Bearer(b"a.b.c"))),
            (&[b"BEARER   a"], Ok(Credential::Bearer(b"a"))),
            (&[b""], Err(Reason::CredentialMalformed)),
            (&[b"Bearer"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer "], Err(Reason::CredentialMalformed)),
            (&[b"Bearera.b.c"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a.b.c d"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a.b.c,d.e.f"], Err(Reason::CredentialMalformed)),
            (&[br#"Bearer {"payload":"x", "signatures": []}"#], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a.b.c,Bearer d.e.f"], Err(Reason::CredentialRepeated)),
            (&[b"Basic YTpi, Bearer d.e.f"], Err(Reason::CredentialRepeated)),
            (&[b"Bearer \xff\xfe"], Err(Reason::CredentialMalformed)),
            (&[b"Basic YTpi"], Err(Reason::CredentialMalformed)),
            (&[b"a.b.c"], Err(Reason::CredentialMalformed)),
            (&[b"Bearer a", b"Bearer a"], Err(Reason::CredentialRepeated)),
            (&[b"", b"Bearer a"], Err(Reason::CredentialRepeated)),
        ] {
            assert_eq!(Credential::parse(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}
