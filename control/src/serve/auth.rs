//! Who calls: a proxy of one fleet, by token or certificate, or an administrator, by token.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::settings::{ProxyCredential, Settings};

/// The SHA-256 of a bearer token: all that the endpoint knows of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenHash([u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl TokenHash {
    /// Tokens are 256 random bits, so there is nothing that a slow hash could make harder to guess.
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(hmac_sha256::Hash::hash(token))
    }

    /// From 64 hexadecimal digits, in lower case.
    pub(crate) fn from_hexadecimal(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Compares in constant time.
    pub(crate) fn is_of(&self, token: &[u8]) -> bool {
        constant_time_eq::constant_time_eq_32(&self.0, &Self::of(token).0)
    }

    /// Where it is looked up: a few bits of the hash, which say nothing about the token.
    fn shelf(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

/// Somebody who is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A proxy of a fleet.
    Proxy { fleet: String, name: String },
    /// An administrator, of these fleets or of all.
    Admin { name: String, fleets: Option<Vec<String>> },
}

/// The DNS and URI names in the certificate that a connection was made with; none without one.
pub(crate) type PeerNames = Arc<[String]>;

/// Everybody who may call.
pub(crate) struct Callers {
    by_token: BTreeMap<[u8; 4], Vec<(TokenHash, Caller)>>,
    by_certificate: BTreeMap<String, Caller>,
}

impl Callers {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut callers = Self { by_token: BTreeMap::new(), by_certificate: BTreeMap::new() };
        for admin in &settings.admins {
            let caller = Caller::Admin { name: admin.name.clone(), fleets: admin.fleets.clone() };
            callers.add(admin.token, caller);
        }
        for fleet in &settings.fleets {
            for proxy in &fleet.proxies {
                let caller = Caller::Proxy { fleet: fleet.fleet.clone(), name: proxy.name.clone() };
                match &proxy.credential {
                    ProxyCredential::Token(token) => callers.add(*token, caller),
                    ProxyCredential::Certificate(name) => {
                        callers.by_certificate.insert(name.clone(), caller);
                    }
                }
            }
        }
        callers
    }

    fn add(&mut self, token: TokenHash, caller: Caller) {
        self.by_token.entry(token.shelf()).or_default().push((token, caller));
    }

    /// Who calls. A token that is presented has to be good, whatever certificate there is.
    pub(crate) fn identify(&self, headers: &HeaderMap, peer: &PeerNames) -> Option<Caller> {
        if headers.contains_key(AUTHORIZATION) {
            let token = bearer_token(headers)?;
            let shelf = self.by_token.get(&TokenHash::of(token).shelf())?;
            return shelf.iter().find(|(hash, _)| hash.is_of(token)).map(|(_, caller)| caller.clone());
        }
        peer.iter().find_map(|name| self.by_certificate.get(name)).cloned()
    }
}

/// The one bearer token of a request (RFC 6750 section 2.1).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}
