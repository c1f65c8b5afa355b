//! A hash of a few instructions, for tables whose keys no client chooses: of keys of its own making it could find many that collide.

use std::hash::Hasher;

/// To be named in the types of such tables, by `BuildHasherDefault`.
#[derive(Default)]
pub(crate) struct OwnKeysHasher(u64);

impl Hasher for OwnKeysHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        /// 2^64 divided by the golden ratio, and odd: neighbours come to lie far apart.
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
