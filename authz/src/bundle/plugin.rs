//! The configuration that a proxy hands to the plugin.

use super::Bundle;
use crate::document::{self, BundleErrors, Node};

/// The one version of the plugin configuration that this code reads.
const PLUGIN_CONFIGURATION_VERSION: u64 = 1;

/// The plugin configuration: what the proxy's own configuration says to this filter.
///
/// Documented in `docs/configuration.md` and by `authz/schema/plugin-configuration.schema.json`.
#[derive(Debug)]
pub struct PluginConfiguration {
    bundle: Bundle,
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

    /// The inline bundle.
    pub fn into_bundle(self) -> Bundle {
        self.bundle
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["version", "bundle"])?;
        let version =
            fields.required("version").and_then(|node| document::read_version(&node, PLUGIN_CONFIGURATION_VERSION));
        let bundle = fields.required("bundle").and_then(|node| Bundle::read(&node));
        version?;
        Some(Self { bundle: bundle? })
    }
}
