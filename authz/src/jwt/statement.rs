//! Something that an issuer says and that is no credential: a logout token, a security event token (RFC 8417).

use serde_json::{Map, Value};

use super::issuer::TrustedIssuer;
use crate::document::{self, Unique};
use crate::jose::{PreparedKeys, UnverifiedJws};
use crate::reason::Reason;

/// A signed statement of an issuer. Its claims are for whoever asked to judge: only type and signature were checked.
///
/// # Example
///
/// ```
/// use authz::Statement;
///
/// let issuer = br#"{ "issuer": "https://login.example.com", "audiences": ["api"], "algorithms": ["EdDSA"],
///                    "jwks": { "keys": [] } }"#;
/// let logout_token = b"eyJhbGciOiJFZERTQSIsInR5cCI6ImxvZ291dCtqd3QifQ.e30.AA";
/// assert_eq!(Statement::verify(issuer, "logout+jwt", logout_token).unwrap_err(), authz::Reason::KeyUnknown);
/// assert_eq!(Statement::verify(issuer, "secevent+jwt", logout_token).unwrap_err(), authz::Reason::TypeMismatch);
/// ```
#[derive(Debug)]
pub struct Statement {
    claims: Map<String, Value>,
}

impl Statement {
    /// Verifies a JWS of this type with the keys that `issuer`, an entry of a bundle as JSON, has for tokens.
    ///
    /// The type comes first (RFC 8725 section 3.11): no access token is ever taken for a statement.
    ///
    /// # Errors
    ///
    /// The reason for which a token like this would be refused.
    pub fn verify(issuer: &[u8], token_type: &str, token: &[u8]) -> Result<Self, Reason> {
        let unverified = UnverifiedJws::parse(token)?;
        if unverified.header().normalized_type().as_deref() != Some(token_type) {
            return Err(Reason::TypeMismatch);
        }
        let unique = Unique::default();
        let issuers =
            document::read(issuer, |node| TrustedIssuer::read(node, &unique)).map_err(|_| Reason::IssuerUnknown)?;
        let keys = issuers.first().and_then(|issuer| issuer.keys.as_ref()).ok_or(Reason::KeyUnknown)?;
        let claims = unverified.read_claims()?;
        let key = keys.select(unverified.header())?;
        unverified.verify(key, &PreparedKeys::default())?;
        Ok(Self { claims })
    }

    /// What it says.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}
