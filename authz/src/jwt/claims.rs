//! The registered claims, read strictly: a wrong type is an error and never "absent" (CVE-2026-25537).

use crate::json::{Json, JsonObject};
use crate::reason::Reason;
use crate::time::UnixTime;

/// The claims that say when a token is good (RFC 7519 section 4.1).
#[derive(Debug)]
pub(super) struct Times {
    pub(super) expires_at: Option<UnixTime>,
    pub(super) not_before: Option<UnixTime>,
    pub(super) issued_at: Option<UnixTime>,
}

impl Times {
    /// Reads the times.
    pub(super) fn read(claims: JsonObject<'_>) -> Result<Self, Reason> {
        Ok(Self { expires_at: date(claims, "exp")?, not_before: date(claims, "nbf")?, issued_at: date(claims, "iat")? })
    }
}

/// A registered claim that is a string and, if it is there, not empty.
pub(super) fn text<'c>(claims: JsonObject<'c>, name: &str) -> Result<Option<&'c str>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}

fn date(claims: JsonObject<'_>, name: &str) -> Result<Option<UnixTime>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Number(number)) => UnixTime::from_numeric_date(number).map(Some).ok_or(Reason::ClaimsMalformed),
        Some(_) => Err(Reason::ClaimsMalformed),
    }
}
