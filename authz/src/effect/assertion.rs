//! The assertion: a short-lived JWT about who asks for what and by which rule, so that services behind the proxy need not trust
//! headers. It is a transaction token (draft-ietf-oauth-transaction-tokens-10), minted for each request that a rule permits.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use serde::Serialize;
use serde_json::{Value, json};

use super::IdentityHeaders;
use crate::document::{self, Node, Unique};
use crate::http::{encode_value, read_owned_name};
use crate::jose::{NativeVerifier, SigningKey, base64url, read_further_key};
use crate::json::Json;
use crate::limits::{MAX_ASSERTION_SECONDS, MAX_BUNDLE_BYTES, MAX_IDENTITY_HEADER_BYTES};
use crate::matching::Pointer;
use crate::policy::Question;
use crate::principal::{Attribute, Identity};

/// The header of the draft's section 8.1, in lower case.
const HEADER: &str = "txn-token";

/// How long an assertion is good where the bundle says nothing: requests are under way for seconds.
const DEFAULT_LIFETIME_SECONDS: u64 = 60;

/// How assertions are made.
#[derive(Debug)]
pub(crate) struct Assertion {
    /// The name of its header, in lower case.
    header: String,
    issuer: String,
    audience: String,
    lifetime_seconds: u64,
    /// Whether `sub` says who vouches for the subject.
    is_qualified: bool,
    /// Claims of the credential that the services learn: a name, and where it is.
    claims: Vec<(String, Pointer)>,
    key: SigningKey,
    further_keys: Vec<Value>,
    /// The JOSE header with the dot behind it.
    protected: String,
    minted: Cell<u64>,
    hasher: RandomState,
}

/// An assertion.
pub(crate) struct Minted {
    pub(crate) token: String,
    /// Its `txn`.
    pub(crate) transaction: String,
}

/// The claims of the draft's section 5.2.
#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    aud: &'c str,
    iat: u64,
    exp: u64,
    txn: &'c str,
    sub: String,
    scope: &'c str,
    req_wl: &'c str,
    tctx: TransactionContext<'c>,
    rctx: RequestContext<'c>,
}

/// What was permitted, and to whom.
#[derive(Serialize)]
struct TransactionContext<'c> {
    method: &'c str,
    host: &'c str,
    path: &'c str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<&'c str, Json<'c>>,
}

/// How that was found out.
#[derive(Serialize)]
struct RequestContext<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'c String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'c String>,
    revision: u64,
}

impl Assertion {
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&[
            "header",
            "issuer",
            "audience",
            "lifetime_seconds",
            "qualified_subject",
            "claims",
            "key",
            "further_keys",
        ])?;
        let header = fields
            .optional("header")
            .map_or_else(|| Some(HEADER.to_owned()), |node| read_owned_name(&node, &Unique::default()));
        let text = |name| fields.required(name).and_then(|node| node.text().map(str::to_owned));
        let (issuer, audience) = (text("issuer"), text("audience"));
        let lifetime_seconds = fields
            .optional("lifetime_seconds")
            .map_or(Some(DEFAULT_LIFETIME_SECONDS), |node| node.integer(1..=MAX_ASSERTION_SECONDS));
        let is_qualified = fields.optional("qualified_subject").map_or(Some(false), |node| node.flag());
        let names = Unique::default();
        let claims = fields
            .optional("claims")
            .map_or(Some(Vec::new()), |node| node.filled_list(|item| read_claim(item, &names)));
        let (key, further_keys) = read_keys(&fields)?;
        let protected =
            json!({ "alg": key.algorithm().name(), "kid": key.key_id(), "typ": "txntoken+jwt" }).to_string();
        Some(Self {
            header: header?,
            issuer: issuer?,
            audience: audience?,
            lifetime_seconds: lifetime_seconds?,
            is_qualified: is_qualified?,
            claims: claims?,
            key,
            further_keys,
            protected: base64url::encode(protected) + ".",
            minted: Cell::default(),
            hasher: RandomState::default(),
        })
    }

    /// Checks that it fits the rest of the bundle, in which so many may vouch for a subject.
    pub(crate) fn fit(&self, node: &Node<'_>, owned: &IdentityHeaders, vouchers: usize) -> Option<()> {
        if owned.sets(self.header.as_bytes()) {
            return node.refuse(format!("its header `{}` is that of something else too", self.header));
        }
        if vouchers > 1 && !self.is_qualified {
            return node.refuse(
                "several may vouch for a subject here (issuers, API keys, certificates), and two of them for different people of one \
                 name: add `\"qualified_subject\": true`",
            );
        }
        Some(())
    }

    /// Has a proxy sign, if it can and is faster.
    pub(crate) fn use_native(&mut self, native: &NativeVerifier) {
        self.key.use_native(native);
    }

    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The assertion about a request that is permitted by this rule; the inner none for an anonymous one, about whom there is
    /// nothing to say. `None` if it cannot be expressed.
    pub(crate) fn mint(&self, question: &Question<'_>, rule: &str, revision: u64) -> Option<Option<Minted>> {
        let Some((_, identity)) = question.principal.identities.first() else { return Some(None) };
        let (request, now) = (question.request, question.now);
        let target = std::str::from_utf8(question.head.path?).ok()?;
        let sub = self.subject(identity)?;
        let iat = now.as_seconds();
        let transaction = self.transaction(&(now.as_millis(), &sub, request.method, request.host.as_str(), target));
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            iat,
            exp: iat.saturating_add(self.lifetime_seconds),
            txn: &transaction,
            sub,
            scope: rule,
            // Whoever mints it asks for it, too.
            req_wl: &self.issuer,
            tctx: TransactionContext {
                method: request.method,
                host: request.host.as_str(),
                // A query may have a credential in it.
                path: target.split('?').next()?,
                claims: self.claims(identity)?,
            },
            rctx: RequestContext {
                iss: identity.issuer.as_deref(),
                client_id: known(identity.client())?,
                tenant: known(&identity.tenant)?,
                revision,
            },
        };
        let input = self.protected.clone() + &base64url::encode(serde_json::to_string(&claims).ok()?);
        let token = format!("{input}.{}", base64url::encode(self.key.sign(input.as_bytes())));
        (token.len() <= MAX_IDENTITY_HEADER_BYTES).then_some(Some(Minted { token, transaction }))
    }

    /// One name for one person in the whole trust domain (the draft's section 5.2, `sub`).
    fn subject(&self, identity: &Identity) -> Option<String> {
        let subject = known(identity.subject())??;
        if !self.is_qualified {
            return Some(subject.clone());
        }
        let issuer = identity.issuer.as_deref().unwrap_or_default();
        // The last `#` is ours, whatever either of them has.
        Some(format!("{issuer}#{}", encode_value(subject).replace('#', "%23")))
    }

    fn claims<'c>(&'c self, identity: &'c Identity) -> Option<BTreeMap<&'c str, Json<'c>>> {
        let mut claims = BTreeMap::new();
        for (name, pointer) in &self.claims {
            match pointer.find(identity.claims.all()) {
                Attribute::Present(value) => drop(claims.insert(name.as_str(), value)),
                Attribute::Absent => {}
                Attribute::Malformed => return None,
            }
        }
        Some(claims)
    }

    /// A name that no other transaction has. It need not be hard to guess, and must not be the same on two workers whose host has
    /// given them the same random numbers (Kong): so what the request is about is in it, too.
    fn transaction(&self, about: &impl std::hash::Hash) -> String {
        let minted = self.minted.get();
        self.minted.set(minted.wrapping_add(1));
        let halves = [0_u8, 1].map(|half| self.hasher.hash_one((half, minted, about)).to_le_bytes());
        base64url::encode(halves.concat())
    }

    /// The public keys by which assertions are verified.
    fn public_keys(self) -> Vec<Value> {
        std::iter::once(self.key.public_jwk()).chain(self.further_keys).collect()
    }
}

/// The public keys by which the assertions of a policy are verified, as JWKs: the one that signs first. None if there are no assertions.
///
/// # Errors
///
/// Everything that is wrong with its field `assertion`.
pub fn assertion_keys(policy: &[u8]) -> Result<Vec<Value>, document::BundleErrors> {
    let policy = document::parse(policy, MAX_BUNDLE_BYTES)?;
    document::read_value(&policy, |node| {
        let assertion =
            node.open_object()?.optional("assertion").map_or(Some(None), |node| Assertion::read(&node).map(Some));
        Some(assertion?.map(Assertion::public_keys).unwrap_or_default())
    })
}

/// The value, if it is there; `None` if it has the wrong type.
fn known<T>(attribute: &Attribute<T>) -> Option<Option<&T>> {
    match attribute {
        Attribute::Present(value) => Some(Some(value)),
        Attribute::Absent => Some(None),
        Attribute::Malformed => None,
    }
}

fn read_claim(node: &Node<'_>, names: &Unique) -> Option<(String, Pointer)> {
    let fields = node.object(&["name", "claim"])?;
    let name = fields.required("name").and_then(|node| {
        let name = node.text()?;
        names.claim("claim", name, &node)?;
        Some(name.to_owned())
    });
    let pointer = fields.required("claim").and_then(|node| Pointer::read(&node));
    Some((name?, pointer?))
}

/// The key that signs, and the public ones that are published with it. No two have one name.
fn read_keys(fields: &document::Fields<'_>) -> Option<(SigningKey, Vec<Value>)> {
    let unique = Unique::default();
    let key = fields.required("key").and_then(|node| {
        let key = SigningKey::read(&node)?;
        unique.claim("key", key.key_id(), &node)?;
        Some(key)
    });
    let further = fields.optional("further_keys").map_or(Some(Vec::new()), |node| {
        node.filled_list(|item| {
            let (key_id, key) = read_further_key(item)?;
            unique.claim("key", &key_id, item)?;
            Some(key)
        })
    });
    Some((key?, further?))
}
