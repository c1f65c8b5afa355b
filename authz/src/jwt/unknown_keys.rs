//! Keys that tokens named and that their issuers do not have: after a rotation, until the new keys have been pushed.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::jose::Header;
use crate::limits::MAX_UNKNOWN_KEYS;

/// A key that a token named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The issuer, as the bundle names it.
    pub issuer: String,
    /// The `kid`. Whoever sent the token wrote it.
    pub key_id: String,
}

/// A few of them, one for each issuer: whoever makes up a million tells no more than the first.
#[derive(Debug, Default)]
pub(super) struct UnknownKeys(BTreeMap<Rc<str>, String>);

impl UnknownKeys {
    pub(super) fn insert(&mut self, issuer: &Rc<str>, header: &Header) {
        let Some(key_id) = &header.key_id else { return };
        if self.0.len() < MAX_UNKNOWN_KEYS && !self.0.contains_key(issuer) {
            self.0.insert(Rc::clone(issuer), key_id.clone());
        }
    }

    pub(super) fn take(&mut self) -> Vec<UnknownKey> {
        let taken = std::mem::take(&mut self.0);
        taken.into_iter().map(|(issuer, key_id)| UnknownKey { issuer: issuer.to_string(), key_id }).collect()
    }
}
