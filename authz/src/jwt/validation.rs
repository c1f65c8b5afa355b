//! What must hold for the claims of a token whose signature is good (RFC 7519 section 4.1; strict rules in `docs/tokens.md`).

use std::rc::Rc;

use serde_json::{Map, Value};

use super::claims::{self, Times};
use super::issuer::TrustedIssuer;
use super::trusted_issuers::SPIFFE;
use crate::jose::VerifiedJws;
use crate::json::{FlatObject, Json, JsonObject};
use crate::matching::{ClaimMatcher, Facts, Match};
use crate::principal::{Attribute, Claims, Confirmation, Identity};
use crate::reason::Reason;
use crate::time::UnixTime;

/// A token that passed every check, and how long its passing holds.
#[derive(Debug)]
pub(super) struct Validated {
    pub(super) identity: Rc<Identity>,
    /// From when to when it is good, leeway included.
    pub(super) good_from: UnixTime,
    pub(super) good_until: UnixTime,
}

impl Validated {
    pub(super) fn is_good_at(&self, now: UnixTime) -> bool {
        self.good_from <= now && now < self.good_until
    }
}

impl TrustedIssuer {
    /// Judges a token that this issuer has signed.
    pub(super) fn validate(&self, jws: &VerifiedJws, claims: FlatObject, now: UnixTime) -> Result<Validated, Reason> {
        let claims = Claims::Token(claims);
        // A token that never ends is not accepted.
        if claims.get("exp").is_none() {
            return Err(Reason::ClaimsMalformed);
        }
        if !self.token_types.contains(&jws.header().normalized_type()) {
            return Err(Reason::TypeMismatch);
        }
        if !all_hold(&self.required_header, jws.header().members().into()) {
            return Err(Reason::ClaimsMalformed);
        }
        self.identify(claims, jws.key_id().cloned(), now)
    }

    /// Judges the claims of a token that nobody has signed, as if this issuer had.
    pub(super) fn validate_claims(&self, mut claims: Map<String, Value>, now: UnixTime) -> Result<Validated, Reason> {
        claims.entry("iss").or_insert_with(|| Value::from(&**self.name()));
        if !claims.contains_key("exp") {
            return Err(Reason::ClaimsMalformed);
        }
        self.identify(Claims::Made(claims), None, now)
    }

    /// Judges a token that this issuer vouches for, by its answer (RFC 7662 section 2.2). It is good no longer than the
    /// answer may be remembered.
    pub(super) fn validate_introspected(
        &self,
        claims: Map<String, Value>,
        cache_seconds: u64,
        now: UnixTime,
    ) -> Result<Validated, Reason> {
        if claims::text((&claims).into(), "iss")?.is_some_and(|issuer| issuer != &**self.name()) {
            return Err(Reason::IssuerUnknown);
        }
        let validated = self.identify(Claims::Made(claims), None, now)?;
        Ok(Validated { good_until: validated.good_until.min(now.plus_seconds(cache_seconds)), ..validated })
    }

    /// Judges the claims of a token that is this issuer's.
    fn identify(&self, all: Claims, key_id: Option<String>, now: UnixTime) -> Result<Validated, Reason> {
        let claims = all.all();
        claims::text(claims, "sub")?;
        let token_id = claims::text(claims, "jti")?.map(str::to_owned);
        let times = Times::read(claims)?;
        let audience = self.accept_audience(claims)?;
        let (good_from, good_until) = self.check_times(&times, now)?;
        if !all_hold(&self.required, claims) {
            return Err(Reason::ClaimsMalformed);
        }
        self.accept_subject(claims)?;
        let tenant = self.accept_tenant(claims)?;
        let identity = Identity {
            issuer: Some(Rc::clone(self.name())),
            tenant,
            token_id,
            key_id,
            issued_at: times.issued_at,
            confirmation: confirmation(claims),
            good_until,
            audience,
            claims: all,
            mapping: Some(Rc::clone(&self.mapping)),
            ..Identity::default()
        };
        Ok(Validated { identity: Rc::new(identity), good_from, good_until: good_until.unwrap_or(UnixTime::END) })
    }

    /// RFC 7519 section 4.1.3: a token that is for nobody in particular is not for us.
    fn accept_audience(&self, claims: JsonObject<'_>) -> Result<Vec<String>, Reason> {
        match (self.mapping.audience(claims), &self.audiences) {
            (Attribute::Present(audience), Some(ours)) if !ours.accept(&audience) => Err(Reason::AudienceMismatch),
            (Attribute::Present(audience), _) => Ok(audience),
            (Attribute::Absent, None) => Ok(Vec::new()),
            (Attribute::Absent, Some(_)) | (Attribute::Malformed, _) => Err(Reason::ClaimsMalformed),
        }
    }

    /// A trust domain speaks for its own workloads only (SPIFFE JWT-SVID section 3.1): the keys of one do not vouch for the
    /// identities of another.
    fn accept_subject(&self, claims: JsonObject<'_>) -> Result<(), Reason> {
        if !self.name().starts_with(SPIFFE) {
            return Ok(());
        }
        let subject = claims::text(claims, "sub")?.ok_or(Reason::ClaimsMalformed)?;
        let is_own = subject.strip_prefix(&**self.name()).is_some_and(|path| path.starts_with('/'));
        if is_own { Ok(()) } else { Err(Reason::IssuerUnknown) }
    }

    /// A token of a multi-tenant provider must name the tenant whose issuer it names: the keys are the same for all.
    fn accept_tenant(&self, claims: JsonObject<'_>) -> Result<Attribute<String>, Reason> {
        let claimed = self.mapping.tenant(claims);
        match (&self.tenant, claimed) {
            (None, claimed) => Ok(claimed),
            (Some(tenant), Attribute::Absent) => Ok(Attribute::Present(tenant.clone())),
            (Some(tenant), Attribute::Present(claimed)) if claimed == *tenant => Ok(Attribute::Present(claimed)),
            (Some(_), _) => Err(Reason::IssuerUnknown),
        }
    }

    /// From when to when the token is good, if it ends; an error unless now is between.
    fn check_times(&self, times: &Times, now: UnixTime) -> Result<(UnixTime, Option<UnixTime>), Reason> {
        let latest = now.plus_seconds(self.leeway_seconds);
        let mut good_until = times.expires_at.map(|expires_at| expires_at.plus_seconds(self.leeway_seconds));
        // RFC 7519 section 4.1.4: refused on and after `exp`.
        if good_until.is_some_and(|good_until| now >= good_until) {
            return Err(Reason::TokenExpired);
        }
        if times.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(Reason::TokenNotYetValid);
        }
        if times.issued_at.is_some_and(|issued_at| issued_at > latest) {
            return Err(Reason::TokenIssuedInFuture);
        }
        // Without `iat` neither lifetime nor age can be known.
        let issued_at = || times.issued_at.ok_or(Reason::ClaimsMalformed);
        if let Some(longest) = self.max_lifetime_seconds
            && times.expires_at.ok_or(Reason::ClaimsMalformed)? > issued_at()?.plus_seconds(longest)
        {
            return Err(Reason::LifetimeExceeded);
        }
        if let Some(oldest) = self.max_age_seconds {
            let too_old = issued_at()?.plus_seconds(oldest.saturating_add(self.leeway_seconds));
            if now >= too_old {
                return Err(Reason::TokenTooOld);
            }
            good_until = Some(good_until.map_or(too_old, |good_until| good_until.min(too_old)));
        }
        let good_from = times
            .not_before
            .max(times.issued_at)
            .map_or(UnixTime::from_millis(0), |from| from.minus_seconds(self.leeway_seconds));
        Ok((good_from, good_until))
    }
}

fn all_hold(matchers: &[ClaimMatcher], members: JsonObject<'_>) -> bool {
    matchers.iter().all(|matcher| matcher.evaluate(members, &Facts::default()) == Match::Holds)
}

/// RFC 7800 section 3.1: what the claim `cnf` binds a token to. More than one binding, or one of a kind that we do not
/// know, is not taken for one that we do.
fn confirmation(claims: JsonObject<'_>) -> Confirmation {
    let Some(cnf) = claims.get("cnf") else {
        return Confirmation::None;
    };
    let Some(members) = cnf.as_object().filter(|members| members.len() == 1) else {
        return Confirmation::Unknown;
    };
    match (members.get("jkt"), members.get("x5t#S256")) {
        (Some(Json::Text(thumbprint)), _) => Confirmation::Key(thumbprint.to_owned()),
        (_, Some(Json::Text(thumbprint))) => Confirmation::Certificate(thumbprint.to_owned()),
        _ => Confirmation::Unknown,
    }
}
