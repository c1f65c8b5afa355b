//! The configuration that a proxy hands to the plugin.

use super::Bundle;
use crate::authorizer::Authorizer;
use crate::document::{self, BundleErrors, Node};

/// The one version of the plugin configuration that this code reads.
const PLUGIN_CONFIGURATION_VERSION: u64 = 1;

/// The plugin configuration: what the proxy's own configuration says to this filter.
///
/// Documented in `docs/configuration.md` and by `authz/schema/plugin-configuration.schema.json`.
#[derive(Debug)]
pub struct PluginConfiguration {
    bundle: Bundle,
    candidate: Option<Bundle>,
}

impl PluginConfiguration {
    /// Reads a plugin configuration from JSON.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each error with its place.
    pub fn parse(text: &[u8]) -> Result<Self, BundleErrors> {
        document::read(text, Self::read)
    }

    /// The bundle that decides.
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What decides by the bundle and, if there is a candidate, says what that would have decided.
    pub fn into_authorizer(self) -> Authorizer {
        let authorizer = Authorizer::new(self.bundle);
        match self.candidate {
            Some(candidate) => authorizer.beside(Authorizer::new(candidate)),
            None => authorizer,
        }
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["version", "bundle", "candidate"])?;
        let version =
            fields.required("version").and_then(|node| document::read_version(&node, PLUGIN_CONFIGURATION_VERSION));
        let bundle = fields.required("bundle").and_then(|node| Bundle::read(&node));
        let candidate = fields.optional("candidate").map_or(Some(None), |node| Bundle::read(&node).map(Some));
        version?;
        Some(Self { bundle: bundle?, candidate: candidate? })
    }
}

/// A bundle and nothing else.
impl From<Bundle> for PluginConfiguration {
    fn from(bundle: Bundle) -> Self {
        Self { bundle, candidate: None }
    }
}
