//! The hashes of JOSE's signatures (FIPS 180-4).

use sha2::{Sha256, Sha384, Sha512};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// How long its value is, in bytes.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of parts, one after the other.
    pub(crate) fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }

    /// What stands before a hash in a PKCS #1 signature: `DigestInfo` up to the value (RFC 8017 section 9.2, note 1).
    pub(crate) const fn digest_info(self) -> &'static [u8; 19] {
        match self {
            Self::Sha256 => &[48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32],
            Self::Sha384 => &[48, 65, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 2, 5, 0, 4, 48],
            Self::Sha512 => &[48, 81, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 3, 5, 0, 4, 64],
        }
    }
}

fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(D::new(), |hash, part| hash.chain_update(part)).finalize().to_vec()
}
