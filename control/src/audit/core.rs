//! For the time until `authz::record` is here: the same names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordId([u8; 16]);

impl RecordId {
    pub(crate) fn next(self, line: &[u8]) -> Self {
        let mut hash = hmac_sha256::Hash::new();
        hash.update(self.0);
        hash.update(line);
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash.finalize();
        Self(id)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

pub(crate) struct PseudonymKey(Vec<u8>);

impl PseudonymKey {
    pub(crate) fn from_base64url(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok().filter(|key| key.len() >= 32).map(Self)
    }

    pub(crate) fn pseudonym(&self, issuer: &str, field: &str, value: &str) -> String {
        let message = [issuer.as_bytes(), field.as_bytes(), value.as_bytes()].join(&0);
        let hash = hmac_sha256::HMAC::mac(message, &self.0);
        format!("~{}", URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default()))
    }
}
