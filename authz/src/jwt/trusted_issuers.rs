//! All trusted issuers, and the way of a token through them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::claims;
use super::issuer::TrustedIssuer;
use super::token_cache::TokenCache;
use crate::document::{Node, Unique};
use crate::jose::UnverifiedJws;
use crate::policy::IssuerSet;
use crate::principal::Identity;
use crate::reason::Reason;
use crate::time::UnixTime;

/// All trusted issuers, by their exact name. A key belongs to one issuer, so the same `kid` in two cannot be confused.
#[derive(Debug)]
pub(crate) struct TrustedIssuers {
    issuers: BTreeMap<Rc<str>, TrustedIssuer>,
    /// Whether one of them pads its tokens.
    accept_padding: bool,
    /// Remembers what was verified; it changes how long an answer takes and never what it is.
    verified: RefCell<TokenCache>,
}

impl TrustedIssuers {
    /// Checks a token from first byte to last: selects issuer and key, verifies the signature, judges the claims.
    ///
    /// `accepted` are the issuers that this credential may come from; none stands for all.
    pub(crate) fn authenticate(
        &self,
        token: &[u8],
        accepted: Option<&[IssuerSet]>,
        now: UnixTime,
    ) -> Result<Rc<Identity>, Reason> {
        let is_accepted = |name: &str| accepted.is_none_or(|accepted| accepted.iter().any(|set| set.contains(name)));
        let remembered = self.verified.try_borrow_mut().ok().and_then(|mut verified| verified.get(token, now));
        if let Some(identity) = remembered {
            return if identity.issuer.as_deref().is_some_and(is_accepted) {
                Ok(identity)
            } else {
                Err(Reason::IssuerUnknown)
            };
        }
        let parse = if self.accept_padding { UnverifiedJws::parse_any } else { UnverifiedJws::parse };
        let unverified = parse(token)?;
        let claims = unverified.read_claims()?;
        let name = issuer_name(&claims)?;
        let issuer = self.issuers.get(name).filter(|_| is_accepted(name)).ok_or(Reason::IssuerUnknown)?;
        if unverified.is_padded() && !issuer.padded {
            return Err(Reason::TokenMalformed);
        }
        let key = issuer.keys().select(unverified.header())?;
        let verified = unverified.verify(key)?;
        let validated = issuer.validate(&verified, claims, now)?;
        let identity = Rc::clone(&validated.identity);
        if let Ok(mut verified) = self.verified.try_borrow_mut() {
            verified.insert(token, validated);
        }
        Ok(identity)
    }

    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let unique = Unique::default();
        let issuers = node.list(|item| TrustedIssuer::read(item, &unique))?;
        let issuers: BTreeMap<_, _> =
            issuers.into_iter().flatten().map(|issuer| (Rc::clone(issuer.name()), issuer)).collect();
        let accept_padding = issuers.values().any(|issuer| issuer.padded);
        Some(Self { issuers, accept_padding, verified: RefCell::default() })
    }

    /// Their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.issuers.keys().map(|name| &**name)
    }
}

/// The name of the issuer that a token says it is from: `iss` or, in a SPIFFE JWT-SVID, which need not have one, the trust
/// domain of `sub` (SPIFFE JWT-SVID section 3). It only selects keys, which then have to fit.
fn issuer_name(claims: &Map<String, Value>) -> Result<&str, Reason> {
    if let Some(issuer) = claims::text(claims, "iss")? {
        return Ok(issuer);
    }
    let subject = claims::text(claims, "sub")?.ok_or(Reason::ClaimsMalformed)?;
    let path = subject.strip_prefix(SPIFFE).ok_or(Reason::ClaimsMalformed)?;
    let trust_domain = path.split('/').next().unwrap_or_default();
    subject.get(..SPIFFE.len().saturating_add(trust_domain.len())).ok_or(Reason::ClaimsMalformed)
}

/// What the name of a SPIFFE trust domain starts with.
pub(super) const SPIFFE: &str = "spiffe://";
