//! Recognises RSA keys made by Infineon's broken generator (ROCA, CVE-2017-15361), whose private part can be computed.
//!
//! Its primes have the form k·M + (65537^a mod M) with M a product of small primes, so the modulus is a power of 65537
//! modulo each of them. A sound modulus is one with a chance below 2^-27 (Nemec et al., CCS 2017, section 3.1).

/// The odd primes up to 167: those that divide M for keys of 512 bits and more.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus, big-endian, has the fingerprint.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power_of_generator(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| times_plus(rest, 256, u32::from(*byte), prime))
}

fn is_power_of_generator(residue: u32, prime: u32) -> bool {
    let powers = std::iter::successors(Some(1), |power| Some(times_plus(*power, 65537, 0, prime)));
    powers.take(usize::try_from(prime).unwrap_or_default()).any(|power| power == residue)
}

/// `(a · b + c) mod prime`, for a < 168, b ≤ 65537, c < 256: below 2^24.
fn times_plus(a: u32, b: u32, c: u32, prime: u32) -> u32 {
    a.saturating_mul(b).saturating_add(c).checked_rem(prime).unwrap_or_default()
}
