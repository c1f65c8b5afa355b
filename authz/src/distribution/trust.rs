//! Who may say what the policy is: keys that are pinned in the plugin configuration.

use super::payload::read_label;
use crate::document::{self, BundleErrors, Node, Unique};
use crate::jose::{Algorithm, VerificationKey, read_pinned_key};
use crate::limits::MAX_SIGNATURES;

/// What manifests may be signed with.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::EdDsa, Algorithm::Es256];

/// Whose manifests are adopted. Manifests never say which keys to trust: rotation is by overlapping keys in the configuration.
#[derive(Debug)]
pub struct Trust {
    pub(super) fleet: String,
    pub(super) name: String,
    /// How many of the keys must have signed; at least one.
    pub(super) threshold: usize,
    keys: Vec<VerificationKey>,
}

impl Trust {
    /// Reads the object `trust` of a plugin configuration.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each error with its place.
    pub fn parse(text: &[u8]) -> Result<Self, BundleErrors> {
        document::read(text, Self::read)
    }

    /// The fleet that manifests must be for.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// The name of the bundle.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The trusted key with this `kid`.
    pub(super) fn key(&self, key_id: &str) -> Option<&VerificationKey> {
        self.keys.iter().find(|key| key.key_id().is_some_and(|own| own == key_id))
    }

    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["fleet", "name", "threshold", "keys"])?;
        let (fleet, name) = (fields.required("fleet"), fields.required("name"));
        let (fleet, name) = (fleet.and_then(|node| read_label(&node)), name.and_then(|node| read_label(&node)));
        let unique = Unique::default();
        let keys = fields.required("keys").and_then(|node| node.filled_list(|item| read_key(item, &unique)));
        let threshold = fields.optional("threshold");
        let wanted = threshold.map_or(Some(1), |node| node.integer(1..=u64::MAX));
        let (keys, wanted) = (keys?, usize::try_from(wanted?).unwrap_or(usize::MAX));
        if wanted > keys.len().min(MAX_SIGNATURES) {
            return threshold?
                .refuse("is more than there are keys, or than a manifest has signatures: nothing would be adopted");
        }
        Some(Self { fleet: fleet?, name: name?, threshold: wanted, keys })
    }
}

/// A public JWK with `kid` and `alg`. The same key under two names would let one signer pass for two.
fn read_key(node: &Node<'_>, unique: &Unique) -> Option<VerificationKey> {
    let fields = node.open_object()?;
    let key_id = fields.required("kid").and_then(|node| unique.claim("kid", node.text()?, &node));
    let algorithm = fields.required("alg").and_then(|node| node.text());
    let material = fields.optional("x").map_or(Some(()), |x| unique.claim("key", x.text()?, node));
    let (_, _, _) = (key_id?, algorithm?, material?);
    read_pinned_key(node, &ALGORITHMS)?.or_else(|| {
        node.refuse("is no key for signatures by EdDSA (Ed25519) or ES256, which manifests are signed with")
    })
}
