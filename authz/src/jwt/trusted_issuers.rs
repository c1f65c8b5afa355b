//! All trusted issuers, and the way of a token through them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::claims;
use super::introspection::{self, Interruption, Introspection, IntrospectionResponse};
use super::issuer::TrustedIssuer;
use super::refused_tokens::RefusedTokens;
use super::token_cache::{Key, TokenCache};
use super::unknown_keys::{UnknownKey, UnknownKeys};
use crate::document::{Node, Unique};
use crate::jose::{KnownHeaders, NativeVerifier, PreparedKeys, UnverifiedJws, base64url};
use crate::json::JsonObject;
use crate::limits::MAX_TOKEN_BYTES;
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
    refused: RefCell<RefusedTokens>,
    prepared: PreparedKeys,
    headers: KnownHeaders,
    unknown_keys: RefCell<UnknownKeys>,
    work: Cell<Work>,
}

/// How many tokens were looked at, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// They were known from before.
    pub remembered: u64,
    /// Their signature was verified, or refused.
    pub verified: u64,
    /// How many of these signatures the proxy itself verified; the others are this module's work.
    pub native: u64,
}

/// How long a server that did not answer is not asked again about the same token, in seconds.
const RETRY_SECONDS: u64 = 1;

impl TrustedIssuers {
    /// Checks a token from first byte to last: selects issuer and key, verifies the signature, judges the claims.
    ///
    /// `accepted` are the issuers that this credential may come from; none stands for all. A token that is no JWS can only
    /// be one of the issuer `opaque`.
    pub(crate) fn authenticate(
        &self,
        token: &[u8],
        accepted: Option<&[IssuerSet]>,
        opaque: Option<&str>,
        now: UnixTime,
    ) -> Result<Rc<Identity>, Interruption> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::TokenTooLong.into());
        }
        let is_jws = opaque.is_none() || has_jws_form(token);
        let is_accepted = |name: &str| match is_jws {
            true => accepted.is_none_or(|accepted| accepted.iter().any(|set| set.contains(name))),
            false => opaque == Some(name),
        };
        let key = Key { token, server: opaque.filter(|_| !is_jws) };
        let remembered = self.verified.try_borrow_mut().ok().and_then(|mut verified| verified.get(key, now));
        if let Some(identity) = remembered {
            self.worked(|work| &mut work.remembered);
            let is_accepted = identity.issuer.as_deref().is_some_and(is_accepted);
            return if is_accepted { Ok(identity) } else { Err(Reason::IssuerUnknown.into()) };
        }
        if !is_jws {
            let issuer = opaque.and_then(|name| self.issuers.get(name)).ok_or(Reason::IssuerUnknown)?;
            return Err(self.introspect(issuer, token, now));
        }
        let mut unverified = UnverifiedJws::parse_any(token, &self.headers)?;
        if unverified.is_padded() && !self.accept_padding {
            return Err(Reason::TokenMalformed.into());
        }
        let claims = unverified.take_claims()?;
        let name = issuer_name((&claims).into())?;
        let issuer = self.issuers.get(name).filter(|_| is_accepted(name)).ok_or(Reason::IssuerUnknown)?;
        if unverified.is_padded() && !issuer.padded {
            return Err(Reason::TokenMalformed.into());
        }
        let Some(keys) = &issuer.keys else {
            return Err(self.introspect(issuer, token, now));
        };
        let key = keys.select(unverified.header()).inspect_err(|_| {
            if let (Some(issuer), Ok(mut unknown)) = (&issuer.keys_from, self.unknown_keys.try_borrow_mut()) {
                unknown.insert(issuer, unverified.header());
            }
        })?;
        self.worked(|work| &mut work.verified);
        let verified = unverified.verify_and_learn(key, &self.prepared, &self.headers)?;
        let validated = issuer.validate(&verified, claims, now)?;
        let identity = Rc::clone(&validated.identity);
        if let Ok(mut verified) = self.verified.try_borrow_mut() {
            verified.insert(Key { token, server: None }, validated);
        }
        Ok(identity)
    }

    fn worked(&self, which: impl FnOnce(&mut Work) -> &mut u64) {
        let mut work = self.work.get();
        let count = which(&mut work);
        *count = count.saturating_add(1);
        self.work.set(work);
    }

    /// How many tokens were looked at so far.
    pub(crate) const fn work(&self) -> Work {
        Work { native: self.prepared.native_count(), ..self.work.get() }
    }

    /// The keys of each issuer, how many they are.
    pub(crate) fn key_counts(&self) -> impl Iterator<Item = (&str, usize)> {
        self.issuers.values().map(|issuer| (&**issuer.name(), issuer.keys.as_ref().map_or(0, |keys| keys.key_count())))
    }

    /// What is to be asked about a token, unless it is known that the answer was no.
    fn introspect(&self, issuer: &TrustedIssuer, token: &[u8], now: UnixTime) -> Interruption {
        let text =
            std::str::from_utf8(token).ok().filter(|_| !token.is_empty() && token.iter().all(u8::is_ascii_graphic));
        let (Some(token), Some(server)) = (text, &issuer.server) else {
            return Reason::TokenMalformed.into();
        };
        let refused = self.refused.try_borrow().ok().and_then(|refused| refused.get(issuer.name(), token, now));
        let is_renewal = || {
            let key = key_of(token.as_bytes(), issuer.name());
            self.verified.try_borrow().is_ok_and(|verified| verified.knows(key))
        };
        refused.map_or_else(
            || Interruption::Pending(Introspection::new(server, issuer.name(), token, is_renewal())),
            Into::into,
        )
    }

    /// Takes the answer to a question; none if there was none in time. Whoever asks about the token then gets it.
    pub(crate) fn introspected(
        &self,
        question: &Introspection,
        response: Option<IntrospectionResponse<'_>>,
        now: UnixTime,
    ) {
        let Some(issuer) = self.issuers.get(&question.issuer) else { return };
        let Some(server) = &issuer.server else { return };
        let judged = introspection::read_response(response)
            .and_then(|claims| issuer.validate_introspected(claims, server.cache_seconds, now));
        match judged {
            Ok(validated) => {
                if let Ok(mut verified) = self.verified.try_borrow_mut() {
                    verified.insert(key_of(question.token.as_bytes(), &question.issuer), validated);
                }
            }
            Err(reason) => {
                let seconds = match reason {
                    // What may be otherwise in a moment.
                    Reason::IntrospectionFailed | Reason::TokenNotYetValid | Reason::TokenIssuedInFuture => {
                        RETRY_SECONDS
                    }
                    _ => server.negative_cache_seconds,
                };
                if let Ok(mut refused) = self.refused.try_borrow_mut() {
                    refused.insert(&question.issuer, &question.token, reason, now.plus_seconds(seconds));
                }
            }
        }
    }

    /// From now on a proxy's own function verifies signatures, where it can.
    pub(crate) fn use_native(&mut self, native: NativeVerifier) {
        self.prepared.use_native(native);
    }

    /// Judges claims as if a token of this issuer with them had been verified.
    pub(crate) fn identify(
        &self,
        issuer: &str,
        claims: Map<String, Value>,
        now: UnixTime,
    ) -> Result<Rc<Identity>, Reason> {
        let issuer = self.issuers.get(issuer).ok_or(Reason::IssuerUnknown)?;
        issuer.validate_claims(claims, now).map(|validated| validated.identity)
    }

    /// The keys that tokens named and that are not there; each is told once.
    pub(crate) fn take_unknown_keys(&self) -> Vec<UnknownKey> {
        self.unknown_keys.try_borrow_mut().map(|mut unknown| unknown.take()).unwrap_or_default()
    }

    /// Whether there are tokens whose authorization server has to be asked.
    pub(crate) fn need_introspection(&self) -> bool {
        self.issuers.values().any(|issuer| issuer.server.is_some())
    }

    pub(crate) async fn read(node: &Node<'_>) -> Option<Self> {
        let unique = Unique::default();
        let issuers = node.list_in_steps(|item| TrustedIssuer::read(item, &unique)).await?;
        let issuers: BTreeMap<_, _> =
            issuers.into_iter().flatten().map(|issuer| (Rc::clone(issuer.name()), issuer)).collect();
        let accept_padding = issuers.values().any(|issuer| issuer.padded);
        let algorithms = issuers.values().filter_map(|issuer| issuer.keys.as_ref()).flat_map(|keys| keys.algorithms());
        let prepared = PreparedKeys::for_algorithms(algorithms).await;
        Some(Self {
            issuers,
            accept_padding,
            verified: RefCell::default(),
            refused: RefCell::default(),
            prepared,
            headers: KnownHeaders::default(),
            unknown_keys: RefCell::default(),
            work: Cell::default(),
        })
    }

    /// Their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.issuers.keys().map(|name| &**name)
    }
}

/// Whether a token has the form of a JWS: three parts, the first of them an object. What it says is another matter.
fn has_jws_form(token: &[u8]) -> bool {
    let mut parts = token.splitn(4, |byte| *byte == b'.');
    let header = parts.next().unwrap_or_default();
    let header = header.split(|byte| *byte == b'=').next().unwrap_or_default();
    parts.count() == 2 && base64url::decode(header).is_some_and(|text| text.trim_ascii_start().starts_with(b"{"))
}

/// By what a token is remembered about which an issuer was asked.
fn key_of<'t>(token: &'t [u8], issuer: &'t str) -> Key<'t> {
    Key { token, server: Some(issuer).filter(|_| !has_jws_form(token)) }
}

/// The name of the issuer that a token says it is from: `iss` or, in a SPIFFE JWT-SVID, which need not have one, the trust
/// domain of `sub` (SPIFFE JWT-SVID section 3). It only selects keys, which then have to fit.
fn issuer_name(claims: JsonObject<'_>) -> Result<&str, Reason> {
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
