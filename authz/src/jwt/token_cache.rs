//! Tokens that were verified already, so that a client's next request costs no signature check.
//!
//! Exact: the whole token is the key, and whose it is if it is opaque, so no two tokens share an entry (CVE-2026-35039,
//! CVE-2026-33496). It holds identities and never decisions, belongs to one bundle and dies with it, and an entry is good no longer
//! than its token (CVE-2026-107719).

use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;

use hashbrown::{HashTable, hash_table};
use serde_json::{Map, Value};

use super::validation::Validated;
use crate::bytes::is_same;
use crate::limits::{MAX_CACHED_BYTES, MAX_CACHED_TOKENS};
use crate::principal::{Claims, Identity};
use crate::time::UnixTime;

/// What an entry takes, as measured in the module (`docs/tokens.md`): the token, its texts in claims and attributes, and for
/// each JSON value its places in maps and lists, which may be half empty.
fn entry_bytes(token: &[u8], validated: &Validated) -> usize {
    let claims = match &validated.identity.claims {
        Claims::Token(claims) => claims.bytes(),
        Claims::Made(claims) => members_bytes(claims),
    };
    token.len().saturating_mul(3).saturating_add(claims)
}

/// The same of what an authorization server answered, which may be much longer than the token. Its depth was bounded when it was read.
fn value_bytes(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(value_bytes).fold(0, usize::saturating_add),
        Value::Object(members) => members_bytes(members),
        Value::String(text) => text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    inner.saturating_add(80)
}

fn members_bytes(members: &Map<String, Value>) -> usize {
    members.iter().map(|(name, value)| name.len().saturating_add(value_bytes(value))).fold(0, usize::saturating_add)
}

/// What a token is remembered by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'t> {
    pub(super) token: &'t [u8],
    /// The authorization server of an opaque token, which is nobody else's.
    pub(super) server: Option<&'t str>,
}

/// A bounded cache in two generations: when the young one is full it becomes the old one, and what was not used since
/// then is forgotten, a few entries at a time. So every operation takes constant time.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    young: Generation,
    old: Generation,
    forgotten: Option<hash_table::IntoIter<Entry>>,
    seed: Seed,
}

/// How many entries are forgotten for each that comes, so that all are before the next generation is.
const FORGET_AT_ONCE: usize = 4;

#[derive(Debug, Default)]
struct Generation {
    entries: HashTable<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    token: Box<[u8]>,
    server: Option<Box<str>>,
    validated: Validated,
}

impl Entry {
    fn key(&self) -> Key<'_> {
        Key { token: &self.token, server: self.server.as_deref() }
    }

    fn has(&self, key: Key<'_>) -> bool {
        self.server.as_deref() == key.server && is_same(&self.token, key.token)
    }
}

impl TokenCache {
    /// The identity of a token that was verified before and is still good.
    pub(super) fn get(&mut self, key: Key<'_>, now: UnixTime) -> Option<Rc<Identity>> {
        let hash = self.seed.hash_end(key.token);
        let identity = |entry: &Entry| entry.validated.is_good_at(now).then(|| Rc::clone(&entry.validated.identity));
        if let Some(entry) = self.young.find(hash, key) {
            return identity(entry);
        }
        let entry = self.old.entries.find_entry(hash, |entry| entry.has(key)).ok()?;
        let (entry, _) = entry.remove();
        let found = identity(&entry);
        self.put(entry);
        found
    }

    /// Whether a token was good before, and may be again.
    pub(super) fn knows(&self, key: Key<'_>) -> bool {
        let hash = self.seed.hash_end(key.token);
        self.young.find(hash, key).is_some() || self.old.find(hash, key).is_some()
    }

    /// Remembers a token that was verified.
    pub(super) fn insert(&mut self, Key { token, server }: Key<'_>, validated: Validated) {
        self.put(Entry { token: token.into(), server: server.map(Into::into), validated });
    }

    fn put(&mut self, entry: Entry) {
        let bytes = entry_bytes(&entry.token, &entry.validated);
        let full = self.young.entries.len() >= MAX_CACHED_TOKENS / 2
            || self.young.bytes.saturating_add(bytes) > MAX_CACHED_BYTES / 2;
        if full {
            // As large as the last one came to be: a table that grows hashes all its tokens again, each from a place of its own in memory.
            let next = Generation { entries: HashTable::with_capacity(self.young.entries.len()), bytes: 0 };
            let old = std::mem::replace(&mut self.old, std::mem::replace(&mut self.young, next));
            self.forgotten = Some(old.entries.into_iter());
        }
        self.forgotten.iter_mut().flatten().take(FORGET_AT_ONCE).for_each(drop);
        let hash = self.seed.hash_end(&entry.token);
        let hasher = |entry: &Entry| self.seed.hash_end(&entry.token);
        match self.young.entries.entry(hash, |known| known.has(entry.key()), hasher) {
            hash_table::Entry::Occupied(mut known) => {
                let known = std::mem::replace(known.get_mut(), entry);
                self.young.bytes = self.young.bytes.saturating_sub(entry_bytes(&known.token, &known.validated));
            }
            hash_table::Entry::Vacant(place) => {
                place.insert(entry);
            }
        }
        self.young.bytes = self.young.bytes.saturating_add(bytes);
    }
}

impl Generation {
    fn find(&self, hash: u64, key: Key<'_>) -> Option<&Entry> {
        self.entries.find(hash, |entry| entry.has(key))
    }
}

/// What tokens are hashed with: another number in each cache.
#[derive(Debug)]
struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(()))
    }
}

impl Seed {
    /// The end of a token is a part of its signature, and as good as random: to remember many that hash alike takes the issuer's key,
    /// and would only make them slower. So one multiplication is enough, where a hash that withstands everybody takes as long as all of
    /// the rules.
    fn hash_end(&self, token: &[u8]) -> u64 {
        /// 2^64 divided by the golden ratio, and odd (Knuth, The Art of Computer Programming, section 6.4).
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        let end = match token.last_chunk() {
            Some(end) => u64::from_le_bytes(*end),
            None => token.iter().fold(0, |end, byte| end << 8 | u64::from(*byte)),
        };
        let product = (end ^ self.0).wrapping_mul(MULTIPLIER);
        // The table takes its place from the low bits, which know nothing of the high ones.
        product ^ product >> 32
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use serde_json::json;

    use super::*;

    fn good_until(seconds: u64) -> Validated {
        Validated {
            identity: Rc::new(Identity::default()),
            good_from: UnixTime::from_seconds(10),
            good_until: UnixTime::from_seconds(seconds),
        }
    }

    fn jws(token: &[u8]) -> Key<'_> {
        Key { token, server: None }
    }

    /// CVE-2026-33496. A cookie can have any text, such as a server's name and a token of it.
    #[test]
    fn an_opaque_token_is_of_its_server_only() {
        let (mut cache, now) = (TokenCache::default(), UnixTime::from_seconds(10));
        let server = "https://as.example.com";
        let mut is_hit = |token: &[u8], server| cache.get(Key { token, server }, now).is_some();
        assert!(!is_hit(b"token", Some(server)));
        cache.insert(Key { token: b"token", server: Some(server) }, good_until(100));
        let mut is_hit = |token: &[u8], server| cache.get(Key { token, server }, now).is_some();
        assert!(is_hit(b"token", Some(server)) && !is_hit(b"token", Some("https://other.example.com")));
        assert!(!is_hit(b"token", None) && !is_hit(b"https://as.example.com token", None));
    }

    /// An answer can be 64 KB, and asked for again and again.
    #[test]
    fn long_answers_are_counted_in_full_and_once() {
        let mut cache = TokenCache::default();
        let answer = |length: usize| {
            let claims = json!({ "sub": "user", "list": [{ "text": "x".repeat(length) }] });
            let claims = Claims::Made(claims.as_object().unwrap().clone());
            Validated { identity: Rc::new(Identity { claims, ..Identity::default() }), ..good_until(100) }
        };
        for _ in 0..3 {
            cache.insert(jws(b"token"), answer(60_000));
        }
        assert!((60_000..62_000).contains(&cache.young.bytes), "{}", cache.young.bytes);
        for number in 0..1000_u32 {
            cache.insert(jws(&number.to_le_bytes()), answer(60_000));
        }
        assert!(cache.young.entries.len() + cache.old.entries.len() <= MAX_CACHED_BYTES / 60_000);
    }

    /// CVE-2026-35039, CVE-2026-107719.
    #[test]
    fn an_entry_is_found_by_the_whole_token_while_it_is_good() {
        let mut cache = TokenCache::default();
        cache.insert(jws(b"a.b.c"), good_until(100));
        let mut is_hit = |token: &[u8], now| cache.get(jws(token), UnixTime::from_seconds(now)).is_some();
        assert!(is_hit(b"a.b.c", 10) && is_hit(b"a.b.c", 99));
        assert!(!is_hit(b"a.b.c", 100), "on its expiry");
        assert!(!is_hit(b"a.b.c", 9), "after the clock went back");
        assert!(!is_hit(b"a.b.d", 10) && !is_hit(b"a.b", 10) && !is_hit(b"", 10));
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = TokenCache::default();
        let now = UnixTime::from_seconds(10);
        cache.insert(jws(b"used"), good_until(100));
        for number in 0..100_000_u32 {
            cache.insert(jws(&number.to_le_bytes()), good_until(100));
            if number % 500 == 0 {
                assert!(cache.get(jws(b"used"), now).is_some(), "after {number}");
            }
            let entries = cache.young.entries.len() + cache.old.entries.len();
            assert!(entries <= MAX_CACHED_TOKENS && cache.young.bytes + cache.old.bytes <= MAX_CACHED_BYTES);
        }
        assert!(cache.get(jws(&0_u32.to_le_bytes()), now).is_none(), "the oldest is forgotten");
    }
}
