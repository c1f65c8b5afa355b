//! The SHA-256 of a document, which is its name.

use std::fmt::{self, Write as _};

use crate::steps::{self, pause};

/// How many bytes are hashed in one step.
const STEP_BYTES: usize = 16 * 1024;

/// A SHA-256. Displayed and read as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        steps::finish(Self::of_in_steps(bytes))
    }

    /// The same in steps.
    pub(super) async fn of_in_steps(bytes: &[u8]) -> Self {
        let mut hash = hmac_sha256::Hash::new();
        for chunk in bytes.chunks(STEP_BYTES) {
            hash.update(chunk);
            pause().await;
        }
        Self(hash.finalize())
    }

    /// The digest with these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the one form in which digests are written.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?;
        }
        Some(Self(bytes))
    }
}

/// The value of a hexadecimal digit; upper case would be a second form of the same digest.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => byte.checked_sub(b'0'),
        b'a'..=b'f' => byte.checked_sub(b'a' - 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            write!(hex, "{byte:02x}")?;
        }
        f.pad(&hex)
    }
}
