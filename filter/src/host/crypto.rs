//! Envoy's own crypto, BoringSSL: foreign functions that no other host has.

use authz::{NativeCheck, NativeSigning};

use super::abi::{self, HostBytes};

/// Whether a signature is good (foreign function `verify_signature`); none if it has no answer.
pub(crate) fn verify_signature(check: &NativeCheck<'_>) -> Option<bool> {
    // `VerifySignatureArguments`.
    let fields = [check.hash.as_bytes(), check.public_key, check.signature, check.message];
    // `VerifySignatureResult`: field 1 is true, and there is no error. Everything else is no good signature.
    Some(call("verify_signature", &fields)? == [0x08, 0x01])
}

/// A signature (foreign function `sign`); none if it has no answer.
pub(crate) fn sign(signing: &NativeSigning<'_>) -> Option<Vec<u8>> {
    // `SignArguments`.
    let result = call("sign", &[signing.hash.as_bytes(), signing.private_key, signing.message])?;
    // `SignResult`: field 1 is true, field 2 is the signature, of less than 128 bytes, and there is no error.
    let (length, signature) = result.strip_prefix(&[0x08, 0x01, 0x12])?.split_first()?;
    (usize::from(*length) == signature.len()).then(|| signature.to_vec())
}

/// Calls a function whose arguments are the first fields of a message of protocol buffers, each with its number and its length.
fn call(name: &str, fields: &[&[u8]]) -> Option<Vec<u8>> {
    const LENGTH_DELIMITED: u8 = 2;
    let mut arguments = Vec::with_capacity(fields.iter().map(|value| value.len().saturating_add(4)).sum());
    for (number, value) in (1_u8..).zip(fields) {
        arguments.push(number << 3 | LENGTH_DELIMITED);
        write_varint(&mut arguments, value.len());
        arguments.extend(*value);
    }
    let mut bytes = HostBytes::default();
    abi::call_foreign_function(name, &arguments, &mut bytes).ok()?;
    Some(bytes.into_vec())
}

/// A number in groups of seven bits, the lowest first; all but the last are marked.
fn write_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while let low @ 0x80.. = number {
        bytes.extend(u8::try_from(low & 0x7f).map(|group| group | 0x80));
        number >>= 7;
    }
    bytes.extend(u8::try_from(number));
}
