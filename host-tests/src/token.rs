//! Tokens as a case describes them: good by default, and bad in exactly the way that is written down.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::keys::{KeyRing, SigningKey, hmac_sha256, sha256};

/// A token, good for five minutes, or a proof of possession; without further fields, a good one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// The key that signs it.
    pub key: String,
    /// Members of the header that are added or replaced; `"$KEY"` stands for that key's JWK.
    #[serde(default)]
    pub header: Map<String, Value>,
    /// Claims that are added or replaced; `{ now = N }` is the time N seconds from now, and `{ jkt = "$KEY" }` in `cnf`
    /// that key's thumbprint.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// Members of header and claims that are left out.
    #[serde(default)]
    pub without: Vec<String>,
    /// The payload, verbatim instead of the claims.
    pub payload: Option<String>,
    /// Whether its parts are padded, against RFC 7515.
    #[serde(default)]
    pub padded: bool,
    /// What is done to it after signing.
    #[serde(default)]
    pub forgery: Forgery,
}

/// What an attacker does to a token.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forgery {
    /// Nothing.
    #[default]
    None,
    /// One bit of the signature is flipped.
    FlippedSignature,
    /// The signature is cut off behind the dot.
    NoSignature,
    /// `alg` is `none` and there is no signature (CVE-2015-9235).
    AlgNone,
    /// `alg` is `HS256` and the secret is the public key (CVE-2016-10555).
    PublicKeyAsSecret,
    /// `alg` is `HS256` and the secret is empty (CVE-2026-44699).
    EmptySecret,
    /// The last byte of the signature is cut off (CVE-2020-28042).
    TruncatedSignature,
    /// Every byte of the signature is zero (CVE-2022-21449).
    ZeroSignature,
    /// The claims are replaced after signing.
    OtherClaims,
    /// A fourth part is appended.
    FourthPart,
}

impl TokenSpec {
    /// The token in compact serialization.
    ///
    /// # Errors
    ///
    /// A key that is not there.
    pub fn mint(&self, keys: &KeyRing, now: u64) -> Result<String> {
        let key = keys.get(&self.key)?;
        let header = json!({ "alg": self.algorithm(key), "typ": "JWT", "kid": key.key_id() });
        let claims = json!({
            "iss": "https://idp.example.com/", "sub": "user-1", "aud": "orders-api",
            "iat": now.saturating_sub(10), "exp": now.saturating_add(300),
        });
        self.sign(keys, now, header, claims)
    }

    /// The same as a proof of possession (RFC 9449) for a request with this method and URI that carries this token.
    ///
    /// # Errors
    ///
    /// A key that is not there.
    pub fn mint_proof(&self, keys: &KeyRing, now: u64, method: &str, uri: &str, token: &str) -> Result<String> {
        let key = keys.get(&self.key)?;
        let header = json!({ "alg": self.algorithm(key), "typ": "dpop+jwt", "jwk": key.bare_jwk() });
        // Two proofs with one `jti` would be a replay: every run has its own.
        let id = encode(sha256(format!("{now} {token} {self:p}").as_bytes()));
        let claims =
            json!({ "jti": id, "htm": method, "htu": uri, "iat": now, "ath": encode(sha256(token.as_bytes())) });
        self.sign(keys, now, header, claims)
    }

    /// The `alg` that the header names.
    const fn algorithm(&self, key: &SigningKey) -> &'static str {
        match self.forgery {
            Forgery::AlgNone => "none",
            Forgery::PublicKeyAsSecret | Forgery::EmptySecret => "HS256",
            _ => key.algorithm(),
        }
    }

    /// Changes what is good by default as the case says, and signs it.
    fn sign(&self, keys: &KeyRing, now: u64, header: Value, claims: Value) -> Result<String> {
        let key = keys.get(&self.key)?;
        let encode = |bytes: &[u8]| if self.padded { URL_SAFE.encode(bytes) } else { encode(bytes) };
        let mut header = changed(header, &self.header, &self.without, now);
        keys.fill_in(&mut header)?;
        let mut claims = changed(claims, &self.claims, &self.without, now);
        bind(&mut claims, keys)?;
        let payload = self.payload.clone().unwrap_or_else(|| claims.to_string());
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.as_bytes()));
        let mut signature = match self.forgery {
            Forgery::PublicKeyAsSecret => hmac_sha256(&key.public_bytes(), signed.as_bytes()),
            Forgery::EmptySecret => hmac_sha256(&[], signed.as_bytes()),
            _ => key.sign(signed.as_bytes())?,
        };
        match self.forgery {
            Forgery::FlippedSignature => *signature.last_mut().context("a signature has bytes")? ^= 1,
            Forgery::TruncatedSignature => drop(signature.pop()),
            Forgery::ZeroSignature => signature.fill(0),
            _ => {}
        }
        Ok(match self.forgery {
            Forgery::NoSignature | Forgery::AlgNone => format!("{signed}."),
            Forgery::OtherClaims => {
                let other = changed(claims, &Map::from_iter([("sub".to_owned(), json!("admin"))]), &[], now);
                format!(
                    "{}.{}.{}",
                    encode(header.to_string().as_bytes()),
                    encode(other.to_string().as_bytes()),
                    encode(&signature)
                )
            }
            Forgery::FourthPart => format!("{signed}.{}.e30", encode(&signature)),
            _ => format!("{signed}.{}", encode(&signature)),
        })
    }
}

/// Claims with their times and their references to keys resolved.
///
/// # Errors
///
/// A key that is not there.
pub fn resolve_claims(claims: &Value, keys: &KeyRing, now: u64) -> Result<Value> {
    let mut claims = match claims.as_object() {
        Some(members) => changed(json!({}), members, &[], now),
        None => claims.clone(),
    };
    bind(&mut claims, keys)?;
    Ok(claims)
}

/// Puts thumbprints in the place of the names of keys and certificates in `cnf`.
fn bind(claims: &mut Value, keys: &KeyRing) -> Result<()> {
    let name_in = |value: &Value| value.as_str().and_then(|text| text.strip_prefix('$')).map(str::to_owned);
    if let Some(jkt) = claims.pointer_mut("/cnf/jkt")
        && let Some(name) = name_in(jkt)
    {
        *jkt = json!(keys.get(&name)?.thumbprint());
    }
    if let Some(x5t) = claims.pointer_mut("/cnf/x5t#S256")
        && let Some(name) = name_in(x5t)
    {
        *x5t = json!(encode(keys.certificate(&name)?));
    }
    Ok(())
}

fn changed(mut object: Value, changes: &Map<String, Value>, without: &[String], now: u64) -> Value {
    if let Value::Object(members) = &mut object {
        members.extend(changes.iter().map(|(name, value)| (name.clone(), resolve(value, now))));
        members.retain(|name, _| !without.contains(name));
    }
    object
}

/// `{ now = N }` → the time N seconds from now.
fn resolve(value: &Value, now: u64) -> Value {
    match value.get("now").and_then(Value::as_i64) {
        Some(offset) => json!(now.saturating_add_signed(offset)),
        None => value.clone(),
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
