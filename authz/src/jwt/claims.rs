//! The registered claims, read strictly: a wrong type is an error and never "absent" (CVE-2026-25537).

use serde_json::{Map, Value};

use crate::reason::Reason;
use crate::time::UnixTime;

/// The claims that RFC 7519 section 4.1 registers, as far as they are judged.
#[derive(Debug)]
pub(super) struct RegisteredClaims<'c> {
    pub(super) subject: Option<&'c str>,
    pub(super) audience: Vec<&'c str>,
    pub(super) expires_at: UnixTime,
    pub(super) not_before: Option<UnixTime>,
    pub(super) issued_at: Option<UnixTime>,
}

impl<'c> RegisteredClaims<'c> {
    /// Reads the registered claims. `exp` and `aud` must be there: a token that never ends or is for nobody in
    /// particular is not accepted.
    pub(super) fn read(claims: &'c Map<String, Value>) -> Result<Self, Reason> {
        text(claims, "jti")?;
        Ok(Self {
            subject: text(claims, "sub")?,
            audience: audience(claims)?,
            expires_at: date(claims, "exp")?.ok_or(Reason::ClaimsMalformed)?,
            not_before: date(claims, "nbf")?,
            issued_at: date(claims, "iat")?,
        })
    }
}

/// The claim `iss`, with which the trusted issuer is selected.
pub(super) fn issuer(claims: &Map<String, Value>) -> Result<&str, Reason> {
    text(claims, "iss")?.ok_or(Reason::ClaimsMalformed)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<Option<&'c str>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}

fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<UnixTime>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => UnixTime::from_numeric_date(number).map(Some).ok_or(Reason::ClaimsMalformed),
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}

/// RFC 7519 section 4.1.3: a string, or an array of strings.
fn audience(claims: &Map<String, Value>) -> Result<Vec<&str>, Reason> {
    match claims.get("aud") {
        Some(Value::String(audience)) => Ok(vec![audience]),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().ok_or(Reason::ClaimsMalformed)).collect(),
        _ => Err(Reason::ClaimsMalformed),
    }
}
