//! Names that say that it was the same person and not who: a keyed hash.

use std::fmt;

use crate::document::Node;
use crate::jose::base64url;

/// What stands before a pseudonym, so that nobody takes it for a name.
const MARK: char = '~';

/// Fewest bytes of a key: as many as the hash has, so that it cannot be guessed and names be tried with it.
const LEAST_KEY_BYTES: usize = 32;

/// How much of the hash is kept: that two names of one log have the same is out of the question.
const PSEUDONYM_BYTES: usize = 16;

/// The key of the pseudonyms of a log: who has it can tell whose they are.
pub struct PseudonymKey(Vec<u8>);

impl PseudonymKey {
    /// From base64url without padding (RFC 4648 section 5), at least 32 bytes.
    pub fn from_base64url(text: &str) -> Option<Self> {
        base64url::decode(text.as_bytes()).filter(|key| key.len() >= LEAST_KEY_BYTES).map(Self)
    }

    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        Self::from_base64url(node.text()?).or_else(|| {
            node.refuse("is not a key: at least 32 random bytes in base64url; `openssl rand -base64 32 | tr '+/' '-_' | tr -d '='` makes one")
        })
    }

    /// The pseudonym of a value of a field (`subject`, `client` and so on, or the name of a claim) that this issuer vouches for; the
    /// issuer is empty if the bundle itself does.
    ///
    /// # Example
    ///
    /// ```
    /// use authz::record::PseudonymKey;
    ///
    /// let key = PseudonymKey::from_base64url("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    /// let pseudonym = key.pseudonym("https://login.example.com", "subject", "alice");
    /// assert_eq!(pseudonym.len(), 23);
    /// assert_ne!(pseudonym, key.pseudonym("https://login.example.org", "subject", "alice"));
    /// ```
    pub fn pseudonym(&self, issuer: &str, field: &str, value: &str) -> String {
        let message = [issuer.as_bytes(), field.as_bytes(), value.as_bytes()].join(&0);
        let hash = hmac_sha256::HMAC::mac(message, &self.0);
        let mut pseudonym = base64url::encode(hash.get(..PSEUDONYM_BYTES).unwrap_or_default());
        pseudonym.insert(0, MARK);
        pseudonym
    }
}

/// Without the key.
impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(..)")
    }
}
