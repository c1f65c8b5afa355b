//! A JWS in compact serialization (RFC 7515 section 7.1), parsed and not yet believed.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::Algorithm;
use super::base64url;
use super::key_set::VerificationKey;
use super::known_headers::KnownHeaders;
use super::prepared_keys::PreparedKeys;
use super::signature;
use crate::bytes::{find, split_bytes_once};
use crate::json::{self, FlatObject};
use crate::limits::{MAX_KEY_ID_BYTES, MAX_TOKEN_BYTES};
use crate::reason::Reason;

/// A token whose signature has not been checked. Nothing in it is believed; `iss`, `kid` and `alg` only select a key.
#[derive(Debug)]
pub(crate) struct UnverifiedJws<'t> {
    /// The header as it was sent.
    header_text: &'t [u8],
    /// Header and payload as they were sent, with the dot between them: what is signed (RFC 7515 section 5.1).
    signing_input: &'t [u8],
    header: Rc<Header>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    is_padded: bool,
}

/// A JOSE header. `jku`, `x5u` and `x5c` never select a key, and `jwk` only in a proof of possession: a token cannot bring
/// its own key (CVE-2018-0114, CVE-2026-27962).
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// `typ` as it is written.
    token_type: Option<String>,
    members: Map<String, Value>,
}

/// The type of a proof of possession (RFC 9449 section 4.2).
const PROOF_TYPE: &str = "dpop+jwt";

/// A token whose signature is that of the key it was checked with. Can only be had from [`UnverifiedJws::verify`].
#[derive(Debug)]
pub(crate) struct VerifiedJws {
    header: Rc<Header>,
    key_id: Option<String>,
}

impl<'t> UnverifiedJws<'t> {
    /// Takes a token apart, within limits, decoding each part once.
    pub(crate) fn parse(token: &'t [u8]) -> Result<Self, Reason> {
        match Self::parse_any(token, &KnownHeaders::default())? {
            unverified if unverified.is_padded => Err(Reason::TokenMalformed),
            unverified => Ok(unverified),
        }
    }

    /// The same for tokens whose parts may be padded, all of them, as some load balancers write them against RFC 7515; a header
    /// that is known is not read again.
    pub(crate) fn parse_any(token: &'t [u8], known: &KnownHeaders) -> Result<Self, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TokenTooLong);
        }
        // Not more pieces are made of thousands of dots (CVE-2025-30204): what has one in its signature is not decoded.
        let parts =
            split_bytes_once(token, b'.').and_then(|(header, rest)| Some((header, split_bytes_once(rest, b'.')?)));
        let (header_text, (payload, signature)) = parts.ok_or(Reason::TokenMalformed)?;
        let signed_bytes = header_text.len().saturating_add(payload.len()).saturating_add(1);
        let signing_input = token.get(..signed_bytes).ok_or(Reason::TokenMalformed)?;
        // Nearly all have no padding, and then none is looked for.
        let unpadded = || Some((base64url::decode(payload)?, base64url::decode(signature)?));
        let padded = || Some((base64url::decode_padded(payload)?, base64url::decode_padded(signature)?));
        let plain = if find(header_text, b'=').is_none() { unpadded() } else { None };
        let is_padded = plain.is_none() && find(token, b'=').is_some();
        let decoded = if is_padded { padded() } else { plain };
        let (payload, signature) = decoded.ok_or(Reason::TokenMalformed)?;
        let decode = |part: &[u8]| if is_padded { base64url::decode_padded(part) } else { base64url::decode(part) };
        // What is padded has to be in every part, and is seldom.
        let header = match known.get(header_text).filter(|_| !is_padded) {
            Some(header) => header,
            None => Rc::new(Header::parse(&decode(header_text).ok_or(Reason::TokenMalformed)?)?),
        };
        if signature.is_empty() {
            return Err(Reason::TokenMalformed);
        }
        Ok(Self { header_text, signing_input, header, payload, signature, is_padded })
    }

    /// Whether its parts are padded.
    pub(crate) const fn is_padded(&self) -> bool {
        self.is_padded
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The payload as a JSON object, which is taken out. Reading it does not make it true.
    pub(crate) fn take_claims(&mut self) -> Result<FlatObject, Reason> {
        let text = String::from_utf8(std::mem::take(&mut self.payload)).map_err(|_| Reason::TokenMalformed)?;
        FlatObject::parse(text).ok_or(Reason::TokenMalformed)
    }

    /// The payload as a tree.
    pub(crate) fn read_claims(&self) -> Result<Map<String, Value>, Reason> {
        match json::parse(&self.payload) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(Reason::TokenMalformed),
        }
    }

    /// Checks the signature with `key`, whose own algorithm decides how; `prepared` is where such keys are kept.
    pub(crate) fn verify(self, key: &VerificationKey, prepared: &PreparedKeys) -> Result<VerifiedJws, Reason> {
        if self.header.algorithm != key.algorithm() {
            return Err(Reason::AlgorithmRefused);
        }
        signature::verify(key, self.signing_input, &self.signature, prepared)?;
        let key_id = key.key_id().or(self.header.key_id.as_ref()).cloned();
        Ok(VerifiedJws { header: self.header, key_id })
    }

    /// The same, and its header is known from then on.
    pub(crate) fn verify_and_learn(
        self,
        key: &VerificationKey,
        prepared: &PreparedKeys,
        known: &KnownHeaders,
    ) -> Result<VerifiedJws, Reason> {
        let text = self.header_text;
        self.verify(key, prepared).inspect(|verified| known.insert(text, &verified.header))
    }
}

impl VerifiedJws {
    /// The `kid` of the key itself. That of the header is written by whoever signed, a thief too, and can be left out.
    pub(crate) const fn key_id(&self) -> Option<&String> {
        self.key_id.as_ref()
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }
}

impl Header {
    /// `typ` in the form in which types are compared.
    pub(crate) fn normalized_type(&self) -> Option<String> {
        self.token_type.as_deref().map(normalized_type)
    }

    /// All that stands in the header.
    pub(crate) const fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The key that a proof of possession brings along; none for every other type of token.
    pub(super) fn proof_key(&self) -> Option<&Value> {
        self.members.get("jwk").filter(|_| self.normalized_type().as_deref() == Some(PROOF_TYPE))
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Reason> {
        let Ok(Value::Object(members)) = json::parse(text) else {
            return Err(Reason::TokenMalformed);
        };
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Reason::TokenMalformed),
        };
        let algorithm = text("alg")?.ok_or(Reason::TokenMalformed)?;
        let key_id = text("kid")?;
        let token_type = text("typ")?;
        // RFC 7515 section 4.1.11: an extension that is critical and not understood (we understand none) refuses the
        // token (CVE-2025-59420). RFC 7797: no unencoded payload. `enc` and `zip` are those of a JWE; `cty` is that of
        // a nested token (RFC 7519 section 5.2).
        if ["crit", "b64", "enc", "zip", "cty"].iter().any(|name| members.contains_key(*name)) {
            return Err(Reason::HeaderUnsupported);
        }
        if key_id.as_ref().is_some_and(|key_id| key_id.len() > MAX_KEY_ID_BYTES) {
            return Err(Reason::TokenMalformed);
        }
        Ok(Self {
            algorithm: Algorithm::from_name(&algorithm).ok_or(Reason::AlgorithmRefused)?,
            key_id,
            token_type,
            members,
        })
    }
}

/// Media types are compared without regard to case, and `application/` may be left out (RFC 7515 section 4.1.9).
pub(crate) fn normalized_type(token_type: &str) -> String {
    let token_type = token_type.to_ascii_lowercase();
    match token_type.strip_prefix("application/") {
        Some(short) => short.to_owned(),
        None => token_type,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn token(header: &str) -> String {
        format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn the_header_is_read_strictly() {
        for (header, expected) in [
            (r#"{"alg":"ES256"}"#, None),
            (r#"{"alg":"ES256","kid":"k","typ":"JWT","jwk":{"kty":"EC"},"x":1}"#, None),
            (r#"{"alg":"none"}"#, Some(Reason::AlgorithmRefused)),
            (r#"{"alg":"nOnE"}"#, Some(Reason::AlgorithmRefused)),
            (r#"{"alg":"es256"}"#, Some(Reason::AlgorithmRefused)),
            (r#"{"alg":"ES512"}"#, Some(Reason::AlgorithmRefused)),
            (r#"{"alg":null}"#, Some(Reason::TokenMalformed)),
            (r#"{"alg":["ES256"]}"#, Some(Reason::TokenMalformed)),
            (r#"{"kid":"k"}"#, Some(Reason::TokenMalformed)),
            (r#"{"alg":"ES256","alg":"none"}"#, Some(Reason::TokenMalformed)),
            (r#"{"alg":"ES256","kid":1}"#, Some(Reason::TokenMalformed)),
            (r#"{"alg":"ES256","typ":null}"#, Some(Reason::TokenMalformed)),
            (r#"{"alg":"ES256","crit":[]}"#, Some(Reason::HeaderUnsupported)),
            (r#"{"alg":"ES256","b64":true}"#, Some(Reason::HeaderUnsupported)),
            (r#"{"alg":"ES256","enc":"A128GCM"}"#, Some(Reason::HeaderUnsupported)),
            (r#"{"alg":"ES256","zip":"DEF"}"#, Some(Reason::HeaderUnsupported)),
            (r#"{"alg":"ES256","cty":"JWT"}"#, Some(Reason::HeaderUnsupported)),
            (r#"["ES256"]"#, Some(Reason::TokenMalformed)),
        ] {
            assert_eq!(UnverifiedJws::parse(token(header).as_bytes()).err(), expected, "{header}");
        }
    }

    #[test]
    fn only_three_non_empty_canonical_parts_are_a_token() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        assert!(UnverifiedJws::parse(format!("{header}.e30.AA").as_bytes()).is_ok());
        let long = format!("{header}.{}.AA", "A".repeat(MAX_TOKEN_BYTES));
        for token in [
            "",
            "..",
            "...",
            "a.b",
            &header,
            &format!("{header}.e30"),
            &format!("{header}.e30."),
            ".e30.AA",
            &format!("{header}.e30.AA.AA"),
            &format!("{header}.e30.AA."),
            &format!("{header}=.e30.AA"),
            &format!("{header}.e30.AB"),
            &format!("{header}.e30 .AA"),
            &format!("{header}.e30.AA\n"),
            &".".repeat(MAX_TOKEN_BYTES),
        ] {
            assert_eq!(UnverifiedJws::parse(token.as_bytes()).err(), Some(Reason::TokenMalformed), "{token}");
        }
        assert_eq!(UnverifiedJws::parse(long.as_bytes()).err(), Some(Reason::TokenTooLong));
    }

    #[test]
    fn types_are_compared_as_media_types() {
        for (given, expected) in [("JWT", "jwt"), ("at+jwt", "at+jwt"), ("application/AT+JWT", "at+jwt"), ("", "")] {
            assert_eq!(normalized_type(given), expected);
        }
    }
}
