//! RSA signatures with the exponent 65537, PKCS #1 version 1.5 and PSS (RFC 8017 sections 8.1.2 and 8.2.2).

use crate::arithmetic::montgomery::Modulus;
use crate::arithmetic::power::{Power, SQUARINGS};
use crate::hash::Hash;

/// A key of 2048 to 4096 bits.
#[derive(Debug)]
pub(crate) struct RsaKey {
    modulus: Modulus,
    /// The faster way to the power, where there is one.
    power: Option<Power>,
}

/// The bytes of a modulus.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The public exponent, 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];

impl RsaKey {
    /// A key from the bytes of its numbers, without zero bytes before them.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let is_sound = MODULUS_BYTES.contains(&modulus.len()) && exponent == EXPONENT;
        let modulus = is_sound.then(|| Modulus::new(modulus)).flatten()?;
        let power = Power::new(&modulus);
        Some(Self { modulus, power })
    }

    /// Whether there is the faster way.
    pub(crate) const fn is_fast(&self) -> bool {
        self.power.is_some()
    }

    /// How much memory the key takes.
    pub(crate) fn bytes(&self) -> usize {
        self.modulus.memory_bytes().saturating_add(self.power.as_ref().map_or(0, Power::memory_bytes))
    }

    /// RSASSA-PKCS1-v1_5. The expected encoding is made and compared in full: nothing in the one of the signature is parsed
    /// (Bleichenbacher's forgery of 2006).
    pub(crate) fn verify_pkcs1(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let suffix = [&[0], &hash.digest_info()[..], &hash.of(&[message])].concat();
        let padding_bytes = self.modulus.bytes().saturating_sub(suffix.len().saturating_add(2));
        let expected = [&[0, 1], &*vec![0xff; padding_bytes], &suffix].concat();
        self.encoded(signature).is_some_and(|encoded| encoded == expected)
    }

    /// RSASSA-PSS with MGF1 of the same hash and a salt as long as its value (RFC 7518 section 3.5).
    pub(crate) fn verify_pss(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        self.encoded(signature).and_then(|encoded| self.check_pss(hash, message, &encoded)).is_some()
    }

    /// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2); the numbers are those of its steps.
    fn check_pss(&self, hash: Hash, message: &[u8], encoded: &[u8]) -> Option<()> {
        let require = |holds: bool| holds.then_some(());
        // The encoding is one bit shorter than the modulus: a modulus of 8 k + 1 bits has one of a byte less.
        let unused_bits = self.modulus.leading_zeros().saturating_add(1);
        let (zeros, encoded) = encoded.split_at_checked(unused_bits / 8)?;
        require(zeros.iter().all(|byte| *byte == 0))?;
        // 4: the end.
        let (trailer, encoded) = encoded.split_last()?;
        require(*trailer == 0xbc)?;
        let (masked, value) = encoded.split_at_checked(encoded.len().checked_sub(hash.bytes())?)?;
        // 6: no bit above those of the encoding.
        let top_mask = 0xff >> (unused_bits % 8);
        require(masked.first()? & !top_mask == 0)?;
        // 7 to 9: MGF1 (appendix B.2.1).
        let mask = (0_u32..).flat_map(|counter| hash.of(&[value, &counter.to_be_bytes()]));
        let mut block: Vec<u8> = masked.iter().zip(mask).map(|(masked, mask)| masked ^ mask).collect();
        *block.first_mut()? &= top_mask;
        // 10: zeros, a one, and the salt.
        let (padding, salt) = block.split_at_checked(block.len().checked_sub(hash.bytes())?)?;
        let (one, zeros) = padding.split_last()?;
        require(*one == 1 && zeros.iter().all(|byte| *byte == 0))?;
        // 12 to 14.
        require(hash.of(&[&[0; 8], &hash.of(&[message]), salt]) == value)
    }

    /// The encoding that a signature holds, RSAVP1 (RFC 8017 section 5.2.2); none if it is not as long as the modulus and below.
    fn encoded(&self, signature: &[u8]) -> Option<Vec<u8>> {
        match &self.power {
            Some(power) => self.modulus.is_above(signature).then(|| power.of(&self.modulus, signature)),
            None => self.modulus.number(signature).map(|number| self.plain_power(&number)),
        }
    }

    /// The power in integers, which every machine has.
    fn plain_power(&self, number: &[u32]) -> Vec<u8> {
        let modulus = &self.modulus;
        let power = modulus.square_repeatedly(&modulus.to_montgomery(number), SQUARINGS);
        // A product with one factor in Montgomery's form has left it.
        modulus.to_bytes(&modulus.multiply(&power, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_answer::KnownAnswer;
    use crate::{Algorithm, PublicKey};

    /// Where multiplication and addition are not fused, a key does without.
    #[test]
    fn both_ways_to_the_power_give_the_same() {
        let PublicKey::Rsa { modulus, exponent } = KnownAnswer::of(Algorithm::Rs256).key else { panic!("an RSA key") };
        let fast = RsaKey::new(modulus, exponent).unwrap();
        let plain = RsaKey { power: None, modulus: Modulus::new(modulus).unwrap() };
        assert!(fast.is_fast() && !plain.is_fast() && plain.bytes() < fast.bytes());
        for algorithm in [Algorithm::Rs256, Algorithm::Ps512] {
            let signature = KnownAnswer::of(algorithm).signature;
            for place in 0..signature.len() {
                let mut altered = signature.to_vec();
                altered[place] ^= 0x55;
                let encoded = plain.encoded(&altered);
                assert!(
                    encoded == fast.encoded(&altered) && encoded != plain.encoded(signature),
                    "{algorithm:?} {place}"
                );
            }
        }
        assert!(plain.verify_pkcs1(Hash::Sha256, KnownAnswer::MESSAGE, KnownAnswer::of(Algorithm::Rs256).signature));
    }
}
