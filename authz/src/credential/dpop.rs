//! Proof of possession (RFC 9449, DPoP): a token that is bound to a key is good only with a fresh signature of that key
//! over this very request.

use serde_json::{Map, Value};

use super::nonce::Nonces;
use crate::document::Node;
use crate::http::{AccessRequest, Path, RequestHead};
use crate::jose::{PreparedKeys, UnverifiedJws, base64url, proof_key};
use crate::limits::{MAX_LEEWAY_SECONDS, MAX_PROOF_ID_BYTES};
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::use_once::UseOnce;

/// How old a proof may be, in seconds, where the bundle says nothing. A proof is made for each request, so what has to be
/// covered is the way here and two clocks.
const DEFAULT_MAX_AGE_SECONDS: u64 = 60;

/// Tolerance for clients whose clocks are ahead, in seconds.
const LEEWAY_SECONDS: u64 = 10;

/// What proofs must be like.
#[derive(Debug)]
pub(crate) struct DpopSettings {
    max_age_seconds: u64,
    /// What clients call us, for example `https://api.example.com`; if not given, the scheme and authority of the request.
    origin: Option<String>,
    /// The nonces that proofs must have, if they must have one.
    nonces: Option<Nonces>,
    /// The keys of clients. Apart from those of issuers, which no client must be able to drive out.
    prepared: PreparedKeys,
}

impl DpopSettings {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["max_age_seconds", "origin", "nonce"])?;
        let max_age_seconds = match fields.optional("max_age_seconds") {
            Some(node) => node.integer(1..=MAX_LEEWAY_SECONDS),
            None => Some(DEFAULT_MAX_AGE_SECONDS),
        };
        let origin = match fields.optional("origin") {
            Some(node) => read_origin(&node).map(Some),
            None => Some(None),
        };
        let nonces = fields.optional("nonce").map_or(Some(None), |node| Nonces::read(&node).map(Some));
        Some(Self {
            max_age_seconds: max_age_seconds?,
            origin: origin?,
            nonces: nonces?,
            prepared: PreparedKeys::default(),
        })
    }

    /// The nonce that proofs must have at this time, if they must have one.
    pub(super) fn nonce(&self, now: UnixTime) -> Option<String> {
        self.nonces.as_ref().map(|nonces| nonces.current(now))
    }

    /// Checks the proof of a request (RFC 9449 section 4.3) for a token bound to the key with the thumbprint `jkt`. What it
    /// gives back is to be used once: that is how a proof that was overheard is of no use.
    pub(super) fn verify(
        &self,
        head: &RequestHead<'_>,
        request: &AccessRequest<'_>,
        token: &[u8],
        jkt: &str,
        now: UnixTime,
    ) -> Result<UseOnce, Reason> {
        let mut proofs = head.values("dpop");
        let (Some(proof), None) = (proofs.next(), proofs.next()) else {
            return Err(Reason::ProofMissing);
        };
        // A proof is refused for one reason, whatever is wrong with it.
        let (once, nonce) = self.check(proof, head, request, token, jkt, now).ok_or(Reason::ProofInvalid)?;
        let is_fresh = |nonces: &Nonces| nonce.is_some_and(|nonce| nonces.accept(&nonce, now));
        // RFC 9449 section 9: the client is told the nonce and comes back with it.
        if self.nonces.as_ref().is_none_or(is_fresh) { Ok(once) } else { Err(Reason::ProofNonceNeeded) }
    }

    fn check(
        &self,
        proof: &[u8],
        head: &RequestHead<'_>,
        request: &AccessRequest<'_>,
        token: &[u8],
        jkt: &str,
        now: UnixTime,
    ) -> Option<(UseOnce, Option<String>)> {
        let unverified = UnverifiedJws::parse(proof).ok()?;
        let claims = unverified.read_claims().ok()?;
        let (key, thumbprint) = proof_key(unverified.header())?;
        let verified = unverified.verify(&key, &self.prepared).ok()?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        let id = text("jti").filter(|id| !id.is_empty() && id.len() <= MAX_PROOF_ID_BYTES)?;
        let until = self.good_until(&claims, now)?;
        let is_for_this_request = text("htm")? == request.method && self.names_target(text("htu")?, head, request);
        let is_for_this_token = text("ath")? == base64url::encode(hmac_sha256::Hash::hash(token)) && thumbprint == jkt;
        let is_proof = verified.header().normalized_type().as_deref() == Some("dpop+jwt");
        let once = || UseOnce::new(&[b"dpop", thumbprint.as_bytes(), id.as_bytes()], until);
        (is_proof && is_for_this_request && is_for_this_token).then(|| (once(), text("nonce").map(str::to_owned)))
    }

    /// Until when a proof made at `iat` is good; none if now is not between.
    fn good_until(&self, claims: &Map<String, Value>, now: UnixTime) -> Option<UnixTime> {
        let issued_at = UnixTime::from_numeric_date(claims.get("iat")?.as_number()?)?;
        let until = issued_at.plus_seconds(self.max_age_seconds);
        (issued_at <= now.plus_seconds(LEEWAY_SECONDS) && now < until).then_some(until)
    }

    /// RFC 9449 section 4.3, number 9: `htu` is the URI of the request, without query and fragment, compared after
    /// normalization (RFC 3986 section 6.2.2 and 6.2.3).
    fn names_target(&self, htu: &str, head: &RequestHead<'_>, request: &AccessRequest<'_>) -> bool {
        let compare = || {
            let (origin, path) = split_uri(htu)?;
            let ours = match &self.origin {
                Some(origin) => origin.clone(),
                None => origin_of(std::str::from_utf8(head.scheme?).ok()?, std::str::from_utf8(head.authority?).ok()?)?,
            };
            let path = if path.is_empty() { "/" } else { path };
            Some(origin == ours && Path::parse_for(path.as_bytes(), request.plain).ok()? == request.path)
        };
        compare().unwrap_or(false)
    }
}

/// Origin, normalized, and path of a URI.
fn split_uri(uri: &str) -> Option<(String, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    Some((origin_of(scheme, authority)?, path))
}

/// `scheme://authority` in lower case, without the scheme's own port.
fn origin_of(scheme: &str, authority: &str) -> Option<String> {
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let own_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = authority.strip_suffix(own_port).unwrap_or(&authority);
    (!authority.is_empty()).then(|| format!("{scheme}://{authority}"))
}

fn read_origin(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let origin = split_uri(text).filter(|(_, path)| path.is_empty()).map(|(origin, _)| origin);
    origin.or_else(|| node.refuse(format!("`{text}` is not an origin; write for example `https://api.example.com`")))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// The example of RFC 9449 section 7.1 and figure 12, token and proof as printed.
    #[test]
    fn the_example_of_rfc_9449_is_accepted_and_every_other_request_refused() {
        const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        const PROOF: &[u8] = b"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
        const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let check = |method: &'static str, path: &'static str, token: &[u8], jkt: &str, now: u64| {
            let head = RequestHead {
                method: Some(method.as_bytes()),
                scheme: Some(b"https"),
                authority: Some(b"Resource.example.org:443"),
                path: Some(path.as_bytes()),
                headers: vec![(b"DPoP", PROOF)],
                ..RequestHead::default()
            };
            let request = AccessRequest::parse(&head).unwrap();
            let settings =
                DpopSettings { max_age_seconds: 60, origin: None, nonces: None, prepared: PreparedKeys::default() };
            settings.verify(&head, &request, token, jkt, UnixTime::from_seconds(now)).map(drop)
        };
        let (path, iat) = ("/protectedresource", 1_562_262_618);
        assert_eq!(check("GET", "/protectedresource?page=2", TOKEN, JKT, iat), Ok(()));
        for refused in [
            check("POST", path, TOKEN, JKT, iat),
            check("GET", "/otherresource", TOKEN, JKT, iat),
            check("GET", path, b"another-token", JKT, iat),
            check("GET", path, TOKEN, "another-key", iat),
            check("GET", path, TOKEN, JKT, iat + 60),
            check("GET", path, TOKEN, JKT, iat - 11),
        ] {
            assert_eq!(refused, Err(Reason::ProofInvalid));
        }
    }

    #[test]
    fn an_origin_has_one_spelling() {
        for (uri, expected) in [
            ("https://API.example.com/x?y", Some(("https://api.example.com", "/x?y"))),
            ("HTTPS://api.example.com:443", Some(("https://api.example.com", ""))),
            ("http://api.example.com:8080/", Some(("http://api.example.com:8080", "/"))),
            ("ftp://api.example.com/", None),
            ("https:///x", None),
            ("/x", None),
        ] {
            assert_eq!(split_uri(uri), expected.map(|(origin, path)| (origin.to_owned(), path)), "{uri}");
        }
    }
}
