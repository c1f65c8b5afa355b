//! A manifest and its documents in one piece: inline in the plugin configuration, or sent to the filter.

use super::admission::{Admission, Adopted};
use super::manifest::UnverifiedManifest;
use super::refusal::{RefusalReason, Refused};
use super::trust::Trust;
use crate::document::{self, Node};
use crate::limits::MAX_SIGNED_BUNDLE_BYTES;
use crate::time::UnixTime;

/// A manifest and its documents, of which nothing is believed yet.
#[derive(Clone, Debug)]
pub struct SignedBundle {
    manifest: UnverifiedManifest,
    documents: Vec<String>,
}

impl SignedBundle {
    /// Reads `{ "manifest": {..}, "documents": [".."] }`: each document is a string with its exact text.
    ///
    /// # Errors
    ///
    /// `malformed` or `too_large`.
    pub fn parse(text: &[u8]) -> Result<Self, Refused> {
        let reason =
            if text.len() > MAX_SIGNED_BUNDLE_BYTES { RefusalReason::TooLarge } else { RefusalReason::Malformed };
        document::parse(text, MAX_SIGNED_BUNDLE_BYTES)
            .and_then(|value| document::read_value(&value, Self::read))
            .map_err(|errors| Refused::new(reason, errors.to_string()))
    }

    /// Verifies and admits it like a manifest that has just come, and offers its documents.
    ///
    /// # Errors
    ///
    /// Why it is not admitted.
    pub fn admit(
        self,
        trust: &Trust,
        adopted: Option<&Adopted>,
        floor: Option<&Adopted>,
        now: UnixTime,
    ) -> Result<Admission, Refused> {
        let Self { manifest, documents } = self;
        let mut admission = manifest.verify(trust)?.admit(adopted, floor, now)?;
        if let Admission::New(activation) = &mut admission {
            documents.into_iter().for_each(|document| activation.offer(None, document.into_bytes()));
        }
        Ok(admission)
    }

    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["manifest", "documents"])?;
        let manifest = fields.required("manifest").and_then(|node| UnverifiedManifest::read(&node));
        let documents = fields.required("documents").and_then(|node| node.list(|item| item.text().map(str::to_owned)));
        Some(Self { manifest: manifest?, documents: documents? })
    }
}
