//! The configuration that a proxy hands to the plugin.

use super::Bundle;
use crate::authorizer::Authorizer;
use crate::distribution::Delivery;
use crate::document::{self, BundleErrors, Fields, Node};
use crate::steps;

/// The one version of the plugin configuration that this code reads.
const PLUGIN_CONFIGURATION_VERSION: u64 = 1;

/// The plugin configuration: what the proxy's own configuration says to this filter.
///
/// Documented in `docs/configuration.md` and by `authz/schema/plugin-configuration.schema.json`.
#[derive(Debug)]
pub struct PluginConfiguration {
    source: Source,
}

/// Where the bundle comes from.
#[derive(Debug)]
enum Source {
    Inline { bundle: Box<Bundle>, candidate: Option<Box<Bundle>>, shared_data: Option<bool> },
    Pushed(Box<Delivery>),
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

    /// The inline bundle; none if it is pushed.
    pub const fn bundle(&self) -> Option<&Bundle> {
        match &self.source {
            Source::Inline { bundle, .. } => Some(bundle),
            Source::Pushed(_) => None,
        }
    }

    /// Whether the workers of a proxy share data; none if the host is to be asked.
    pub const fn shared_data(&self) -> Option<bool> {
        match &self.source {
            Source::Inline { shared_data, .. } => *shared_data,
            Source::Pushed(delivery) => delivery.shared_data,
        }
    }

    /// What decides at first: by the inline bundle and, if there is a candidate, saying what that would have decided. By
    /// nothing, if the bundle is pushed.
    pub fn into_authorizer(self) -> Authorizer {
        self.into_parts().0
    }

    /// The same, and how the bundle is pushed, if it is.
    pub fn into_parts(self) -> (Authorizer, Option<Delivery>) {
        match self.source {
            Source::Inline { bundle, candidate: None, .. } => (Authorizer::new(*bundle), None),
            Source::Inline { bundle, candidate: Some(candidate), .. } => {
                (Authorizer::new(*bundle).beside(Authorizer::new(*candidate)), None)
            }
            Source::Pushed(delivery) => (Authorizer::closed(), Some(*delivery)),
        }
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&[
            "version",
            "bundle",
            "candidate",
            "trust",
            "control",
            "signed_bundle",
            "management",
            "shared_data",
        ])?;
        let version =
            fields.required("version").and_then(|node| document::read_version(&node, PLUGIN_CONFIGURATION_VERSION));
        let source = match fields.optional("trust") {
            None => Source::read_inline(&fields),
            Some(_) => Source::read_pushed(&fields),
        };
        version?;
        Some(Self { source: source? })
    }
}

impl Source {
    fn read_inline(fields: &Fields<'_>) -> Option<Self> {
        for node in Delivery::FIELDS.into_iter().filter_map(|name| fields.optional(name)) {
            let _: Option<()> = node.refuse("is about a bundle that is pushed: add `trust`, or remove it");
        }
        let bundle = fields.required("bundle").and_then(|node| steps::finish(Bundle::read(&node)));
        let candidate =
            fields.optional("candidate").map_or(Some(None), |node| steps::finish(Bundle::read(&node)).map(Some));
        let shared_data = fields.optional("shared_data").map_or(Some(None), |node| node.flag().map(Some));
        let log = bundle.as_ref().and_then(|bundle| bundle.decision_log.as_ref());
        if let (true, Some(node)) = (log.is_some_and(|log| log.to.control), fields.optional("bundle")) {
            return node.refuse("`decision_log.to` names `control`, the endpoint that pushes a bundle, and this one is inline; write `proxy_log`");
        }
        Some(Self::Inline { bundle: Box::new(bundle?), candidate: candidate?.map(Box::new), shared_data: shared_data? })
    }

    fn read_pushed(fields: &Fields<'_>) -> Option<Self> {
        for node in ["bundle", "candidate"].into_iter().filter_map(|name| fields.optional(name)) {
            let _: Option<()> = node.refuse("stands beside `trust`: a bundle is either inline or pushed");
        }
        Delivery::read(fields).map(|delivery| Self::Pushed(Box::new(delivery)))
    }
}

/// A bundle and nothing else.
impl From<Bundle> for PluginConfiguration {
    fn from(bundle: Bundle) -> Self {
        Self { source: Source::Inline { bundle: Box::new(bundle), candidate: None, shared_data: None } }
    }
}
