//! Trusted issuers: whose tokens count, verified with which keys, under which conditions.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::claims::{self, RegisteredClaims};
use super::mapping::ClaimMapping;
use super::principal::Identity;
use crate::bundle::reader::{Node, Unique};
use crate::jose::{KeySet, UnverifiedJws};
use crate::limits::{MAX_LEEWAY_SECONDS, MAX_LIFETIME_SECONDS};
use crate::reason::Reason;
use crate::time::UnixTime;

/// Tolerance for clocks that differ, in seconds, where an issuer says nothing.
const DEFAULT_LEEWAY_SECONDS: u64 = 60;

/// One trusted issuer.
#[derive(Debug)]
pub struct TrustedIssuer {
    issuer: Rc<str>,
    audiences: Vec<String>,
    keys: KeySet,
    leeway_seconds: u64,
    max_lifetime_seconds: Option<u64>,
    /// In lower case without `application/`; `None` is a token without `typ`.
    token_types: Vec<Option<String>>,
    required_claims: Vec<String>,
    mapping: ClaimMapping,
}

/// All trusted issuers, by their exact name. A key belongs to one issuer, so the same `kid` in two cannot be confused.
#[derive(Debug)]
pub(crate) struct TrustedIssuers(BTreeMap<Rc<str>, TrustedIssuer>);

impl TrustedIssuers {
    /// Checks a token from first byte to last: selects issuer and key, verifies the signature, judges the claims.
    pub(crate) fn authenticate(&self, token: &[u8], now: UnixTime) -> Result<Identity, Reason> {
        let unverified = UnverifiedJws::parse(token)?;
        let claims = unverified.read_claims()?;
        let issuer = self.0.get(claims::issuer(&claims)?).ok_or(Reason::IssuerUnknown)?;
        let key = issuer.keys.select(unverified.header())?;
        let verified = unverified.verify(key)?;
        issuer.validate(verified.header().normalized_type(), claims, now)
    }

    /// Their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let unique = Unique::default();
        let issuers = node.list(|item| TrustedIssuer::read(item, &unique))?;
        Some(Self(issuers.into_iter().map(|issuer| (Rc::clone(&issuer.issuer), issuer)).collect()))
    }

    /// The names in a list of issuers, whatever else may be wrong with them.
    pub(crate) fn names<'n>(node: &Node<'n>) -> Vec<&'n str> {
        let issuers = node.value().as_array().map(Vec::as_slice).unwrap_or_default();
        issuers.iter().filter_map(|issuer| issuer.get("issuer")?.as_str()).collect()
    }
}

impl TrustedIssuer {
    fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let fields = node.object(&[
            "issuer",
            "audiences",
            "algorithms",
            "jwks",
            "secrets",
            "leeway_seconds",
            "max_lifetime_seconds",
            "token_types",
            "required_claims",
            "claims",
        ])?;
        let issuer = fields.required("issuer").and_then(|node| {
            let name = node.text()?;
            unique.claim("issuer", name, &node)?;
            Some(Rc::from(name))
        });
        let audiences = fields.required("audiences").and_then(|node| node.texts());
        let keys = KeySet::read(&fields);
        let leeway_seconds = match fields.optional("leeway_seconds") {
            Some(node) => node.integer(0..=MAX_LEEWAY_SECONDS),
            None => Some(DEFAULT_LEEWAY_SECONDS),
        };
        let max_lifetime_seconds = match fields.optional("max_lifetime_seconds") {
            Some(node) => node.integer(1..=MAX_LIFETIME_SECONDS).map(Some),
            None => Some(None),
        };
        let token_types = match fields.optional("token_types") {
            Some(node) => read_token_types(&node),
            None => Some(vec![None, Some("jwt".to_owned()), Some("at+jwt".to_owned())]),
        };
        let required_claims = match fields.optional("required_claims") {
            Some(node) => node.texts(),
            None => Some(Vec::new()),
        };
        let mapping = match fields.optional("claims") {
            Some(node) => ClaimMapping::read(&node),
            None => Some(ClaimMapping::default()),
        };
        Some(Self {
            issuer: issuer?,
            audiences: audiences?,
            keys: keys?,
            leeway_seconds: leeway_seconds?,
            max_lifetime_seconds: max_lifetime_seconds?,
            token_types: token_types?,
            required_claims: required_claims?,
            mapping: mapping?,
        })
    }

    /// Judges the claims of a token that this issuer has signed (RFC 7519 section 4.1, strict rules in `docs/tokens.md`).
    fn validate(
        &self,
        token_type: Option<String>,
        claims: Map<String, Value>,
        now: UnixTime,
    ) -> Result<Identity, Reason> {
        let registered = RegisteredClaims::read(&claims)?;
        if !self.token_types.contains(&token_type) {
            return Err(Reason::TypeMismatch);
        }
        if !registered.audience.iter().any(|audience| self.audiences.iter().any(|accepted| accepted == audience)) {
            return Err(Reason::AudienceMismatch);
        }
        self.check_times(&registered, now)?;
        if !self.required_claims.iter().all(|name| claims.get(name).is_some_and(|value| !value.is_null())) {
            return Err(Reason::ClaimsMalformed);
        }
        let subject = registered.subject.map(str::to_owned);
        Ok(Identity {
            issuer: Rc::clone(&self.issuer),
            subject,
            scopes: self.mapping.scopes(&claims),
            roles: self.mapping.roles(&claims),
            groups: self.mapping.groups(&claims),
            claims,
        })
    }

    fn check_times(&self, claims: &RegisteredClaims<'_>, now: UnixTime) -> Result<(), Reason> {
        let latest = now.plus_seconds(self.leeway_seconds);
        // RFC 7519 section 4.1.4: refused on and after `exp`.
        if now >= claims.expires_at.plus_seconds(self.leeway_seconds) {
            return Err(Reason::TokenExpired);
        }
        if claims.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(Reason::TokenNotYetValid);
        }
        if claims.issued_at.is_some_and(|issued_at| issued_at > latest) {
            return Err(Reason::TokenIssuedInFuture);
        }
        match (self.max_lifetime_seconds, claims.issued_at) {
            (None, _) => Ok(()),
            // Without `iat` the lifetime cannot be known.
            (Some(_), None) => Err(Reason::ClaimsMalformed),
            (Some(longest), Some(issued_at)) if claims.expires_at > issued_at.plus_seconds(longest) => {
                Err(Reason::LifetimeExceeded)
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

fn read_token_types(node: &Node<'_>) -> Option<Vec<Option<String>>> {
    node.filled_list(|item| match item.value() {
        Value::Null => Some(None),
        _ => item.text().map(|name| Some(crate::jose::normalized_type(name))),
    })
}
