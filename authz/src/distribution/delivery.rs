//! What the plugin configuration says about a bundle that is pushed: whom to believe, and the ways in.

use std::fmt;

use super::payload::read_label;
use super::signed_bundle::SignedBundle;
use super::trust::Trust;
use crate::document::{Fields, Node};

/// How long the endpoint may wait for something new before it answers, in seconds, where the configuration says nothing.
const DEFAULT_WAIT_SECONDS: u64 = 25;

/// Whom to believe, and the ways in. Whatever comes is verified alike.
#[derive(Debug)]
pub struct Delivery {
    /// Whose manifests are adopted.
    pub trust: Trust,
    /// The control endpoint to ask.
    pub control: Option<Control>,
    /// A bundle that comes with the configuration.
    pub signed_bundle: Option<SignedBundle>,
    /// The path below which this listener answers for its state and takes bundles.
    pub management: Option<String>,
    /// Whether the workers of a proxy share what was adopted; none if the host is to be asked.
    pub shared_data: Option<bool>,
}

/// Where and how the control endpoint is asked.
pub struct Control {
    /// What the proxy calls it: in Envoy a cluster, in Kong `host:port`.
    pub cluster: String,
    /// The authority of the requests.
    pub authority: String,
    /// The bearer token of this proxy, if it does not say by its certificate who it is.
    pub token: Option<String>,
    /// What this proxy is called in the endpoint's status.
    pub proxy: Option<String>,
    /// How long the endpoint may wait before it answers that there is nothing new.
    pub wait_seconds: u64,
}

impl Delivery {
    /// The fields of a plugin configuration that are only about it.
    pub(crate) const FIELDS: [&'static str; 4] = ["trust", "control", "signed_bundle", "management"];

    /// Reads the fields of a plugin configuration that has `trust`.
    pub(crate) fn read(fields: &Fields<'_>) -> Option<Self> {
        let trust_node = fields.required("trust")?;
        let trust = Trust::read(&trust_node);
        let control = fields.optional("control").map_or(Some(None), |node| Control::read(&node).map(Some));
        let signed_bundle =
            fields.optional("signed_bundle").map_or(Some(None), |node| SignedBundle::read(&node).map(Some));
        let management = fields.optional("management").map_or(Some(None), |node| read_management(&node).map(Some));
        let shared_data = fields.optional("shared_data").map_or(Some(None), |node| node.flag().map(Some));
        let delivery = Self {
            trust: trust?,
            control: control?,
            signed_bundle: signed_bundle?,
            management: management?,
            shared_data: shared_data?,
        };
        // With shared data another listener of the proxy may be the way in.
        if delivery.control.is_none()
            && delivery.signed_bundle.is_none()
            && delivery.management.is_none()
            && delivery.shared_data != Some(true)
        {
            return trust_node.refuse(
                "needs a way in: `control`, `signed_bundle` or `management`; or `\"shared_data\": true`, where another listener has one",
            );
        }
        Some(delivery)
    }
}

impl Control {
    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["cluster", "authority", "token", "proxy", "wait_seconds"])?;
        let text = |name| fields.required(name).and_then(|node| read_visible(&node));
        let (cluster, authority) = (text("cluster"), text("authority"));
        let token = fields.optional("token").map_or(Some(None), |node| read_visible(&node).map(Some));
        let proxy = fields.optional("proxy").map_or(Some(None), |node| read_label(&node).map(Some));
        let wait_seconds =
            fields.optional("wait_seconds").map_or(Some(DEFAULT_WAIT_SECONDS), |node| node.integer(1..=300));
        Some(Self {
            cluster: cluster?,
            authority: authority?,
            token: token?,
            proxy: proxy?,
            wait_seconds: wait_seconds?,
        })
    }
}

/// Without the token.
impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// A text that can stand in a header as it is.
fn read_visible(node: &Node<'_>) -> Option<String> {
    match node.text()? {
        text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Some(text.to_owned()),
        _ => node.refuse("must be visible ASCII without spaces: it stands in a header"),
    }
}

fn read_management(node: &Node<'_>) -> Option<String> {
    let fields = node.object(&["path"])?;
    let path = fields.required("path")?;
    let text = path.text()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
    let is_path = text.len() > 1 && text.starts_with('/') && !text.ends_with('/') && text.bytes().all(plain);
    if is_path { Some(text.to_owned()) } else { path.refuse(format!("`{text}` is not a path such as `/portcullis`")) }
}
