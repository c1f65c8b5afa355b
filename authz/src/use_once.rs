//! What may be used once: the replay guard of proofs and one-time tokens.
//!
//! The core remembers nothing between requests. It says what must not have been used before; the host's shell, which
//! shares a memory between workers, claims it, and lets no request through for which it cannot.

use crate::time::UnixTime;

/// Something that may be used once until it is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseOnce {
    key: [u8; Self::KEY_BYTES],
    until: UnixTime,
}

impl UseOnce {
    /// The length of a key: half a SHA-256, which nobody finds a collision for within the life of a proof.
    pub const KEY_BYTES: usize = 16;

    /// Names something by its parts.
    pub(crate) fn new(parts: &[&[u8]], until: UnixTime) -> Self {
        let mut hash = hmac_sha256::Hash::new();
        for part in parts {
            // With their lengths, so that no two lists of parts are one.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut key = [0; Self::KEY_BYTES];
        key.iter_mut().zip(digest).for_each(|(key, byte)| *key = byte);
        Self { key, until }
    }

    /// The key under which it is remembered.
    pub const fn key(&self) -> &[u8; Self::KEY_BYTES] {
        &self.key
    }

    /// The time from which on it can be forgotten.
    pub const fn until(&self) -> UnixTime {
        self.until
    }
}
