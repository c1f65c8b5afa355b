//! The access request: which action on which resource.

use super::{Host, Path, PlainCharacters, is_alias};
use crate::bytes::is_same_in_any_case;
use crate::reason::Reason;

/// The head of an HTTP request as a host hands it over: bytes, nothing decoded, nothing trusted.
#[derive(Clone, Debug, Default)]
pub struct RequestHead<'r> {
    /// The method; none if the host gave none.
    pub method: Option<&'r [u8]>,
    /// The authority that the client addressed, with or without port.
    pub authority: Option<&'r [u8]>,
    /// The scheme, `http` or `https`, as the client used it.
    pub scheme: Option<&'r [u8]>,
    /// The request target as it will go upstream.
    pub path: Option<&'r [u8]>,
    /// The certificate of the peer, if there is one and [`crate::Authorizer::needs_peer`] says that it is wanted.
    pub peer: Option<PeerCertificate<'r>>,
    /// The address at the other end of the connection, with or without port, if [`crate::Authorizer::needs_source`] says
    /// that it is wanted.
    pub source: Option<&'r [u8]>,
    /// Every header in order, repeated ones repeated, names in the host's own spelling.
    pub headers: Vec<(&'r [u8], &'r [u8])>,
}

/// The certificate at the other end of the connection, as the proxy verified it.
#[derive(Clone, Copy, Debug)]
pub struct PeerCertificate<'r> {
    /// The first URI in the subject alternative name: in an X.509-SVID the SPIFFE ID.
    pub uri_san: Option<&'r [u8]>,
    /// The first DNS name in the subject alternative name.
    pub dns_san: Option<&'r [u8]>,
    /// The subject name.
    pub subject_name: Option<&'r [u8]>,
    /// The SHA-256 of the certificate, in hexadecimal digits.
    pub sha256: &'r [u8],
}

impl<'r> RequestHead<'r> {
    /// The values of all headers of this name; `name` in lower case.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'r [u8]> + 'h {
        let is_wanted = |key: &[u8]| key.len() == name.len() && is_same_in_any_case(key, name.as_bytes());
        self.headers.iter().filter(move |(key, _)| is_wanted(key)).map(|(_, value)| *value)
    }

    /// Whether there is a header that upstreams may take for the one of this name, which is in lower case.
    #[cold]
    pub(crate) fn has_alias(&self, name: &str) -> bool {
        let is_other = |key: &[u8]| !is_same_in_any_case(key, name.as_bytes());
        self.headers.iter().any(|(key, _)| is_alias(key, name) && is_other(key))
    }
}

/// A request that can be judged: action and resource, each read once.
#[derive(Clone, Debug)]
pub struct AccessRequest<'r> {
    /// The action: the HTTP method, compared byte for byte (RFC 9110 section 9.1).
    pub method: &'r str,
    /// The host of the resource.
    pub host: Host<'r>,
    /// The path of the resource.
    pub path: Path<'r>,
    /// Whether this is a CORS preflight (Fetch standard, CORS-preflight request): `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`. It only asks, so browsers send no credential with it.
    pub is_preflight: bool,
    /// What was taken for plain when the path was read.
    pub(crate) plain: PlainCharacters,
}

impl<'r> AccessRequest<'r> {
    /// Reads what the policy may judge from the bytes of a request.
    ///
    /// # Errors
    ///
    /// The reason why this request cannot be judged.
    pub fn parse(head: &RequestHead<'r>) -> Result<Self, Reason> {
        Self::parse_for(head, PlainCharacters::default())
    }

    /// The same for upstreams to which some characters of a path mean nothing.
    pub(crate) fn parse_for(head: &RequestHead<'r>, plain: PlainCharacters) -> Result<Self, Reason> {
        let method = head.method.and_then(method_token).ok_or(Reason::MethodMalformed)?;
        let host = Host::parse(head.authority.ok_or(Reason::HostMalformed)?)?;
        let path = Path::parse_for(head.path.ok_or(Reason::PathMalformed)?, plain)?;
        let has = |name| head.values(name).next().is_some();
        let is_preflight = method == "OPTIONS" && has("origin") && has("access-control-request-method");
        Ok(Self { method, host, path, is_preflight, plain })
    }
}

/// A method as RFC 9110 section 9.1 defines it: a token; and without lower case, because methods are case-sensitive and
/// many a framework acts on `delete` as on `DELETE`.
pub(crate) fn method_token(method: &[u8]) -> Option<&str> {
    let method = std::str::from_utf8(method).ok()?;
    let plain = |byte: u8| is_token_byte(byte) && !byte.is_ascii_lowercase();
    (!method.is_empty() && method.bytes().all(plain)).then_some(method)
}

/// RFC 9110 section 5.6.2, `tchar`.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}
