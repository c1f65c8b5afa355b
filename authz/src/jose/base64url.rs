//! base64url without padding, canonical only (RFC 7515 section 2): unused low bits zero, no other characters.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

/// Decodes `text`; `None` for anything but the one canonical encoding.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes `text` with its padding, which must be there, against RFC 7515 section 2.
pub(super) fn decode_padded(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok()
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        assert_eq!(decode("-_8").as_deref(), Some(&b"\xfb\xff"[..]));
        for text in ["-_9", "-_8=", "+/8", "-_ 8", "-_8\n", "A", "-_8A-_8%", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn padding_is_there_or_not_but_never_anyhow() {
        assert_eq!(decode_padded("-_8=").as_deref(), Some(&b"\xfb\xff"[..]));
        assert_eq!(decode_padded("-_8A").as_deref(), Some(&b"\xfb\xff\0"[..]));
        for text in ["-_8", "-_8==", "-_9=", "-_8=\n", "=", "-_8A===="] {
            assert_eq!(decode_padded(text), None, "{text}");
        }
    }
}
