//! API keys of machine clients: only their keyed hashes are in the bundle.

use std::collections::BTreeMap;

use super::place::is_token68;
use crate::document::{Fields, Node, Unique};
use crate::jose::base64url;
use crate::limits::MAX_API_KEY_BYTES;
use crate::principal::{Attribute, Identity};
use crate::reason::Reason;
use crate::steps::pause;
use crate::time::UnixTime;

/// Shortest salt: as long as an identifier that nobody guesses.
const MIN_SALT_BYTES: usize = 16;

/// The API keys of a bundle, by prefix.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys {
    salt: Vec<u8>,
    keys: BTreeMap<String, ApiKey>,
}

/// One key.
#[derive(Debug)]
struct ApiKey {
    id: String,
    hash: Vec<u8>,
    owner: String,
    expires_at: Option<UnixTime>,
    scopes: Vec<String>,
    roles: Vec<String>,
    groups: Vec<String>,
}

impl ApiKeys {
    pub(crate) async fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["salt", "keys"])?;
        let salt = fields
            .required("salt")
            .and_then(|node| read_bytes(&node, |length| length >= MIN_SALT_BYTES, "at least 16 bytes"));
        let (ids, prefixes) = (Unique::default(), Unique::default());
        let list = fields.required("keys")?.list_in_steps(|item| ApiKey::read(item, &ids, &prefixes)).await?;
        let mut keys = BTreeMap::new();
        for (prefix, key) in list {
            keys.insert(prefix, key);
            pause().await;
        }
        Some(Self { salt: salt?, keys })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Frees them, in steps.
    pub(crate) async fn release(self) {
        for key in self.keys {
            drop(key);
            pause().await;
        }
    }

    /// Finds the key by its prefix and compares its hash. A wrong key and an unknown one take the same way and get the same
    /// answer.
    pub(super) fn authenticate(&self, presented: &[u8], now: UnixTime) -> Result<Identity, Reason> {
        let text = std::str::from_utf8(presented).map_err(|_| Reason::ApiKeyInvalid)?;
        if text.len() > MAX_API_KEY_BYTES || !is_token68(presented) {
            return Err(Reason::ApiKeyInvalid);
        }
        let known = text.rsplit_once('.').and_then(|(prefix, _)| self.keys.get(prefix));
        let hash = known.map_or(&[0; 32][..], |key| &key.hash);
        let hash = <&[u8; 32]>::try_from(hash).map_err(|_| Reason::ApiKeyInvalid)?;
        // Compares in constant time, for an unknown prefix too.
        let matches = hmac_sha256::HMAC::verify(presented, &self.salt, hash);
        match known {
            Some(key) if matches && key.expires_at.is_none_or(|expiry| now < expiry) => Ok(key.identity()),
            Some(_) | None => Err(Reason::ApiKeyInvalid),
        }
    }
}

impl ApiKey {
    fn read(node: &Node<'_>, ids: &Unique, prefixes: &Unique) -> Option<(String, Self)> {
        let fields =
            node.object(&["id", "prefix", "hmac_sha256", "owner", "expires_at", "scopes", "roles", "groups"])?;
        let text = |name, unique: Option<&Unique>| {
            fields.required(name).and_then(|node| {
                let text = node.text()?;
                unique.map_or(Some(()), |unique| unique.claim(name, text, &node))?;
                Some(text.to_owned())
            })
        };
        let (id, prefix, owner) = (text("id", Some(ids)), text("prefix", Some(prefixes)), text("owner", None));
        let hash = fields.required("hmac_sha256").and_then(|node| read_bytes(&node, |length| length == 32, "32 bytes"));
        let expires_at = fields.optional("expires_at").map_or(Some(None), |node| node.integer(0..=(1 << 53)).map(Some));
        let texts = |fields: &Fields<'_>, name| fields.optional(name).map_or(Some(Vec::new()), |node| node.texts());
        let (scopes, roles, groups) = (texts(&fields, "scopes"), texts(&fields, "roles"), texts(&fields, "groups"));
        let key = Self {
            id: id?,
            hash: hash?,
            owner: owner?,
            expires_at: expires_at?.map(UnixTime::from_seconds),
            scopes: scopes?,
            roles: roles?,
            groups: groups?,
        };
        Some((prefix?, key))
    }

    fn identity(&self) -> Identity {
        let set =
            |values: &[String]| if values.is_empty() { Attribute::Absent } else { Attribute::Present(values.to_vec()) };
        Identity {
            subject: Attribute::Present(self.owner.clone()).into(),
            client: Attribute::Present(self.id.clone()).into(),
            scopes: set(&self.scopes).into(),
            roles: set(&self.roles).into(),
            groups: set(&self.groups).into(),
            ..Identity::default()
        }
    }
}

fn read_bytes(node: &Node<'_>, fits: impl Fn(usize) -> bool, wanted: &str) -> Option<Vec<u8>> {
    let bytes = base64url::decode(node.text()?).filter(|bytes| fits(bytes.len()));
    bytes.or_else(|| node.refuse(format!("must be {wanted} in base64url without padding")))
}
