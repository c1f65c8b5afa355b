//! Tokens that were verified already, so that a client's next request costs no signature check.
//!
//! Exact: the whole token is the key, so no two tokens share an entry (CVE-2026-35039). It holds identities and never
//! decisions, belongs to one bundle and dies with it, and an entry is good no longer than its token (CVE-2026-107719).

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::validation::Validated;
use crate::limits::{MAX_CACHED_BYTES, MAX_CACHED_TOKENS};
use crate::principal::Identity;
use crate::time::UnixTime;

/// What an entry takes, as measured in the module (`docs/tokens.md`): the token, its texts in claims and attributes, and for
/// each JSON value its places in maps and lists, which may be half empty.
fn entry_bytes(token: &[u8], validated: &Validated) -> usize {
    let values = validated.identity.claims.values().map(count).fold(0, usize::saturating_add);
    token.len().saturating_mul(3).saturating_add(values.saturating_mul(80))
}

/// How many values a JSON value is made of. Its depth was bounded when it was read.
fn count(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(count).fold(0, usize::saturating_add),
        Value::Object(members) => members.values().map(count).fold(0, usize::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    inner.saturating_add(1)
}

/// A bounded cache in two generations: when the young one is full it becomes the old one, and what was not used since
/// then is forgotten. So every operation takes constant time.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    entries: HashMap<Box<[u8]>, Rc<Validated>>,
    bytes: usize,
}

impl TokenCache {
    /// The identity of a token that was verified before and is still good.
    pub(super) fn get(&mut self, token: &[u8], now: UnixTime) -> Option<Rc<Identity>> {
        let validated = match self.young.entries.get(token) {
            Some(validated) => Rc::clone(validated),
            None => {
                let (token, validated) = self.old.entries.remove_entry(token)?;
                self.put(token, Rc::clone(&validated));
                validated
            }
        };
        validated.is_good_at(now).then(|| Rc::clone(&validated.identity))
    }

    /// Whether a token was good before, and may be again.
    pub(super) fn knows(&self, token: &[u8]) -> bool {
        self.young.entries.contains_key(token) || self.old.entries.contains_key(token)
    }

    /// Remembers a token that was verified.
    pub(super) fn insert(&mut self, token: &[u8], validated: Validated) {
        self.put(token.into(), Rc::new(validated));
    }

    fn put(&mut self, token: Box<[u8]>, validated: Rc<Validated>) {
        let bytes = entry_bytes(&token, &validated);
        let full = self.young.entries.len() >= MAX_CACHED_TOKENS / 2
            || self.young.bytes.saturating_add(bytes) > MAX_CACHED_BYTES / 2;
        if full {
            self.old = std::mem::take(&mut self.young);
        }
        if self.young.entries.insert(token, validated).is_none() {
            self.young.bytes = self.young.bytes.saturating_add(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn good_until(seconds: u64) -> Validated {
        Validated {
            identity: Rc::new(Identity::default()),
            good_from: UnixTime::from_seconds(10),
            good_until: UnixTime::from_seconds(seconds),
        }
    }

    /// CVE-2026-35039, CVE-2026-107719.
    #[test]
    fn an_entry_is_found_by_the_whole_token_while_it_is_good() {
        let mut cache = TokenCache::default();
        cache.insert(b"a.b.c", good_until(100));
        let mut is_hit = |token: &[u8], now| cache.get(token, UnixTime::from_seconds(now)).is_some();
        assert!(is_hit(b"a.b.c", 10) && is_hit(b"a.b.c", 99));
        assert!(!is_hit(b"a.b.c", 100), "on its expiry");
        assert!(!is_hit(b"a.b.c", 9), "after the clock went back");
        assert!(!is_hit(b"a.b.d", 10) && !is_hit(b"a.b", 10) && !is_hit(b"", 10));
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = TokenCache::default();
        let now = UnixTime::from_seconds(10);
        cache.insert(b"used", good_until(100));
        for number in 0..100_000_u32 {
            cache.insert(&number.to_le_bytes(), good_until(100));
            if number % 500 == 0 {
                assert!(cache.get(b"used", now).is_some(), "after {number}");
            }
            let entries = cache.young.entries.len() + cache.old.entries.len();
            assert!(entries <= MAX_CACHED_TOKENS && cache.young.bytes + cache.old.bytes <= MAX_CACHED_BYTES);
        }
        assert!(cache.get(&0_u32.to_le_bytes(), now).is_none(), "the oldest is forgotten");
    }
}
