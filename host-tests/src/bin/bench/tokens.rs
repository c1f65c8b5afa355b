//! The tokens of the load: as a provider would mint them, so many that no cache has them, or a few.

use anyhow::Result;
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::token::{Forgery, TokenSpec};
use host_tests::workload::claims;
use serde_json::Value;

/// The issuer of all tokens.
pub(crate) const ISSUER: &str = "https://idp.example.com/";

/// Whom they are for.
pub(crate) const AUDIENCE: &str = "orders-api";

/// So many distinct tokens that each is forgotten before its turn comes again: Portcullis remembers 10,000 at most.
const COLD: usize = 24_000;

/// As many as Envoy's own cache has room for by default (`jwt_cache_size`: 100), with some to spare.
const WARM: usize = 50;

/// Keys and the tokens signed with them.
pub(crate) struct Tokens {
    keys: KeyRing,
    now: u64,
}

/// Which tokens a load has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None.
    None,
    /// Each one new.
    Cold(&'static str),
    /// A few, again and again.
    Warm(&'static str),
    /// Each one new, with a bit of the signature flipped.
    Forged(&'static str),
}

impl Tokens {
    /// Makes a key for each algorithm.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { keys: KeyRing::generate(["rs256", "es256", "eddsa"])?, now: host_tests::now() })
    }

    /// The public key for an algorithm.
    pub(crate) fn key(&self, name: &str) -> Result<Value> {
        self.keys.get(name).map(SigningKey::jwk)
    }

    /// The tokens of a kind.
    pub(crate) fn mint(&self, kind: Kind) -> Result<Vec<String>> {
        let (name, count, forgery) = match kind {
            Kind::None => return Ok(Vec::new()),
            Kind::Cold(name) => (name, COLD, Forgery::None),
            Kind::Warm(name) => (name, WARM, Forgery::None),
            Kind::Forged(name) => (name, COLD, Forgery::FlippedSignature),
        };
        (0..count).map(|number| self.mint_one(name, number, forgery)).collect()
    }

    fn mint_one(&self, name: &str, number: usize, forgery: Forgery) -> Result<String> {
        let token = TokenSpec { key: name.to_owned(), claims: claims(number), forgery, ..TokenSpec::default() };
        token.mint(&self.keys, self.now)
    }
}
