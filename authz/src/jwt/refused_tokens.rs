//! Tokens that an authorization server did not vouch for, so that it is not asked again for each request.

use std::collections::HashMap;

use crate::limits::MAX_REFUSED_TOKENS;
use crate::reason::Reason;
use crate::time::UnixTime;

/// The hash of issuer and token: whoever sends bad tokens must not fill the memory with them.
type Key = [u8; 32];

/// A bounded memory in two generations, like that of the tokens that were verified.
#[derive(Debug, Default)]
pub(super) struct RefusedTokens {
    young: HashMap<Key, (Reason, UnixTime)>,
    old: HashMap<Key, (Reason, UnixTime)>,
}

impl RefusedTokens {
    /// Why a token was refused, if that still holds.
    pub(super) fn get(&self, issuer: &str, token: &str, now: UnixTime) -> Option<Reason> {
        let key = key(issuer, token);
        let (reason, until) = self.young.get(&key).or_else(|| self.old.get(&key))?;
        (now < *until).then_some(*reason)
    }

    pub(super) fn insert(&mut self, issuer: &str, token: &str, reason: Reason, until: UnixTime) {
        if self.young.len() >= MAX_REFUSED_TOKENS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key(issuer, token), (reason, until));
    }
}

/// With the issuer: one server's answer is not another's (CVE-2026-33496).
fn key(issuer: &str, token: &str) -> Key {
    let mut hash = hmac_sha256::Hash::new();
    hash.update(u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_le_bytes());
    hash.update(issuer);
    hash.update(token);
    hash.finalize()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_entry_is_that_of_one_issuer_and_dies() {
        let mut refused = RefusedTokens::default();
        refused.insert("https://a", "token", Reason::TokenInactive, UnixTime::from_seconds(100));
        let get = |issuer, token, now| refused.get(issuer, token, UnixTime::from_seconds(now));
        assert_eq!(get("https://a", "token", 99), Some(Reason::TokenInactive));
        assert_eq!(get("https://a", "token", 100), None);
        assert_eq!(get("https://b", "token", 99), None);
        assert_eq!(get("https://at", "oken", 99), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut refused = RefusedTokens::default();
        for number in 0..100_000 {
            refused.insert("https://a", &format!("{number}"), Reason::TokenInactive, UnixTime::from_seconds(100));
            assert!(refused.young.len() + refused.old.len() <= MAX_REFUSED_TOKENS);
        }
        assert_eq!(refused.get("https://a", "99999", UnixTime::from_seconds(1)), Some(Reason::TokenInactive));
    }
}
