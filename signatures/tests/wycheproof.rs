//! The vectors of Project Wycheproof: known attacks and edge cases.
#![cfg(not(target_arch = "wasm32"))]

use signatures::{Algorithm, PublicKey, VerificationKey};
use wycheproof::{HashFunction, Mgf, TestResult};

/// Checks one vector. `Acceptable` ones are against the letter of a standard, and refused.
fn check(key: &VerificationKey, what: &str, id: usize, message: &[u8], signature: &[u8], result: TestResult) {
    assert_eq!(key.verify(message, signature), result == TestResult::Valid, "{what} {id}");
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let sets = [
        (TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256, 262),
        (TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384, 264),
    ];
    for (name, algorithm, least) in sets {
        let mut count = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let key = VerificationKey::new(algorithm, PublicKey::Point(&group.key.key)).unwrap();
            for test in group.tests {
                check(&key, &format!("{algorithm:?}"), test.tc_id, &test.msg, &test.sig, test.result);
                count += 1;
            }
        }
        assert!(count >= least, "{algorithm:?}: {count} vectors");
    }
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerificationKey::new(Algorithm::EdDsa, PublicKey::Ed25519(&group.key.pk)).unwrap();
        for test in group.tests {
            check(&key, "Ed25519", test.tc_id, &test.msg, &test.sig, test.result);
            count += 1;
        }
    }
    assert!(count >= 150, "{count} vectors");
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut count = 0;
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let algorithm = match group.hash {
                HashFunction::Sha2_256 => Algorithm::Rs256,
                HashFunction::Sha2_384 => Algorithm::Rs384,
                HashFunction::Sha2_512 => Algorithm::Rs512,
                _ => continue,
            };
            let Some(key) = rsa_key(algorithm, &group.key.n, &group.key.e) else { continue };
            for test in group.tests {
                check(&key, &format!("{name:?}"), test.tc_id, &test.msg, &test.sig, test.result);
                count += 1;
            }
        }
    }
    assert!(count >= 1500, "{count} vectors");
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let (mut count, mut foreign) = (0, 0);
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let (algorithm, hash_bytes) = match group.hash {
                HashFunction::Sha2_256 => (Algorithm::Ps256, 32),
                HashFunction::Sha2_384 => (Algorithm::Ps384, 48),
                HashFunction::Sha2_512 => (Algorithm::Ps512, 64),
                _ => continue,
            };
            let Some(key) = rsa_key(algorithm, &group.key.n, &group.key.e) else { continue };
            // Signatures with other parameters than those of JOSE are refused, good or not.
            let has_our_mask = group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash);
            let other_salt = format!("s_len changed to {hash_bytes}");
            for test in group.tests {
                let is_ours = has_our_mask && (group.salt_size == hash_bytes || test.comment == other_salt);
                let expected = match test.result {
                    result if is_ours && group.salt_size == hash_bytes => result,
                    _ if is_ours => TestResult::Valid,
                    _ => TestResult::Invalid,
                };
                check(&key, &format!("{name:?}"), test.tc_id, &test.msg, &test.sig, expected);
                if is_ours { count += 1 } else { foreign += 1 }
            }
        }
    }
    assert!(count >= 500 && foreign >= 100, "{count} vectors, {foreign} with other parameters");
}

/// A key, if it is one of those that are accepted; the numbers come with a zero byte before them.
fn rsa_key(algorithm: Algorithm, modulus: &[u8], exponent: &[u8]) -> Option<VerificationKey> {
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let key = VerificationKey::new(algorithm, PublicKey::Rsa { modulus, exponent });
    assert_eq!(key.is_ok(), (256..=512).contains(&modulus.len()) && exponent == [1, 0, 1]);
    key.ok()
}
