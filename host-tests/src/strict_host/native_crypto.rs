//! Envoy's foreign functions `verify_signature` and `sign`, by other crypto than ours.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};
use wasmtime::{Caller, Linker};

use super::imports::INTERNAL_FAILURE;
use super::memory::{hand_over, read};
use super::{Fault, State};
use anyhow::Result;

/// Where the key itself begins in the SubjectPublicKeyInfo of an RSA key of 2048 bits and more.
const KEY_OFFSET: usize = 24;

pub(super) fn define(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |mut caller: Caller<'_, State>,
         name: i32,
         name_size: i32,
         arguments: i32,
         arguments_size: i32,
         data: i32,
         size: i32| {
            caller.data().personality.only_in_envoy("it traps on a foreign function that it does not know")?;
            let name = read(&mut caller, name, name_size)?;
            let arguments = read(&mut caller, arguments, arguments_size)?;
            let result = match name.as_slice() {
                b"verify_signature" => verify(&arguments),
                b"sign" => sign(&arguments),
                _ => wasmtime::bail!("the filter calls another foreign function"),
            };
            let result = result.ok_or_else(|| wasmtime::format_err!("the arguments are damaged"))?;
            caller.data_mut().native_calls = caller.data().native_calls.saturating_add(1);
            if caller.data().fault == Some(Fault::NativeCryptoFails) {
                return Ok(INTERNAL_FAILURE);
            }
            hand_over(&mut caller, &result, data, size)
        },
    )?;
    Ok(())
}

/// `VerifySignatureArguments`: hash function, key, signature and text, in the fields 1 to 4. None if they are not well formed.
fn verify(arguments: &[u8]) -> Option<Vec<u8>> {
    let fields = fields(arguments)?;
    let parameters: &RsaParameters = match *fields.get(&0x0a)? {
        b"sha256" => &RSA_PKCS1_2048_8192_SHA256,
        b"sha384" => &RSA_PKCS1_2048_8192_SHA384,
        b"sha512" => &RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    };
    let key = UnparsedPublicKey::new(parameters, fields.get(&0x12)?.get(KEY_OFFSET..)?);
    let is_good = key.verify(fields.get(&0x22)?, fields.get(&0x1a)?).is_ok();
    // `VerifySignatureResult`: field 1, and an error in field 2.
    Some(if is_good { vec![0x08, 0x01] } else { b"\x12\x05wrong".to_vec() })
}

/// `SignArguments`: hash function, key and text, in the fields 1 to 3. None if they are not well formed.
fn sign(arguments: &[u8]) -> Option<Vec<u8>> {
    let fields = fields(arguments)?;
    if *fields.get(&0x0a)? != b"sha256" {
        return None;
    }
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, fields.get(&0x12)?).ok()?;
    let signature = key.sign(&SystemRandom::new(), fields.get(&0x1a)?).ok()?;
    // `SignResult`: field 1, and the signature in field 2.
    Some([&[0x08, 0x01, 0x12, u8::try_from(signature.as_ref().len()).ok()?], signature.as_ref()].concat())
}

/// The fields of a message of protocol buffers, by tag: all of them have a length.
fn fields(message: &[u8]) -> Option<BTreeMap<u8, &[u8]>> {
    let mut fields = BTreeMap::new();
    let mut rest = message;
    while let Some((tag, after)) = rest.split_first() {
        let (length, after) = varint(after)?;
        let (value, after) = after.split_at_checked(length)?;
        fields.insert(*tag, value);
        rest = after;
    }
    Some(fields)
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let (groups, rest) = bytes.split_at_checked(end.checked_add(1)?)?;
    let number = groups.iter().rev().fold(0_usize, |number, group| number << 7 | usize::from(group & 0x7f));
    Some((number, rest))
}
