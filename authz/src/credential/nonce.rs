//! Nonces that we give to clients for their proofs (RFC 9449 section 8 and 9), so that a proof cannot have been made long
//! before it is used.
//!
//! They are not stored: a nonce is a keyed hash of the time, so every worker and every replica knows those of the others.

use constant_time_eq::constant_time_eq;

use crate::document::Node;
use crate::jose::base64url;
use crate::limits::MAX_LEEWAY_SECONDS;
use crate::time::UnixTime;

/// Shortest secret: that of HMAC-SHA-256 (RFC 2104 section 3).
const MIN_SECRET_BYTES: usize = 32;

/// How long a nonce is the current one, in seconds, where the bundle says nothing.
const DEFAULT_LIFETIME_SECONDS: u64 = 300;

/// How nonces are made.
pub(super) struct Nonces {
    secret: Vec<u8>,
    lifetime_seconds: u64,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("lifetime_seconds", &self.lifetime_seconds).finish_non_exhaustive()
    }
}

impl Nonces {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["secret", "lifetime_seconds"])?;
        let secret = fields.required("secret").and_then(|node| {
            let secret = base64url::decode(node.text()?).filter(|secret| secret.len() >= MIN_SECRET_BYTES);
            secret.or_else(|| {
                node.refuse(format!("must be at least {MIN_SECRET_BYTES} bytes in base64url without padding"))
            })
        });
        let lifetime_seconds = fields
            .optional("lifetime_seconds")
            .map_or(Some(DEFAULT_LIFETIME_SECONDS), |node| node.integer(1..=MAX_LEEWAY_SECONDS));
        Some(Self { secret: secret?, lifetime_seconds: lifetime_seconds? })
    }

    /// The nonce that clients are given at this time.
    pub(super) fn current(&self, now: UnixTime) -> String {
        self.of_window(self.window(now))
    }

    /// Whether this is the current nonce or the one before it, which clients may still have.
    pub(super) fn accept(&self, nonce: &str, now: UnixTime) -> bool {
        let window = self.window(now);
        [Some(window), window.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|window| constant_time_eq(self.of_window(window).as_bytes(), nonce.as_bytes()))
    }

    fn window(&self, now: UnixTime) -> u64 {
        now.as_millis().checked_div(self.lifetime_seconds.saturating_mul(1000)).unwrap_or_default()
    }

    fn of_window(&self, window: u64) -> String {
        base64url::encode(hmac_sha256::HMAC::mac(window.to_be_bytes(), &self.secret))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_nonce_is_good_until_the_second_after_it() {
        let nonces = |byte| Nonces { secret: vec![byte; 32], lifetime_seconds: 100 };
        let (ours, theirs) = (nonces(1), nonces(2));
        let at = |seconds| UnixTime::from_seconds(seconds);
        let nonce = ours.current(at(1_000));
        for (now, expected) in [(999, false), (1_000, true), (1_099, true), (1_199, true), (1_200, false), (0, false)] {
            assert_eq!(ours.accept(&nonce, at(now)), expected, "{now}");
        }
        assert!(!theirs.accept(&nonce, at(1_000)) && !ours.accept("", at(1_000)));
    }
}
