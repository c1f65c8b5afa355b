//! From a manifest that may be adopted to an authorizer: its documents are supplied, and then it is adopted whole or not at all.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::admission::Adopted;
use super::assembly::Documents;
use super::digest::Digest;
use super::manifest::Manifest;
use super::payload::{DocumentKind, DocumentReference};
use super::refusal::{RefusalReason, Refused};
use crate::authorizer::Authorizer;

/// A manifest that may be adopted, and those of its documents that are there.
#[derive(Debug)]
pub struct Activation {
    manifest: Manifest,
    documents: BTreeMap<Digest, Rc<[u8]>>,
}

impl Activation {
    pub(super) const fn new(manifest: Manifest) -> Self {
        Self { manifest, documents: BTreeMap::new() }
    }

    /// The manifest.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The documents that are still to be supplied.
    pub fn missing(&self) -> Vec<DocumentReference> {
        let listed = self.manifest.payload.documents.iter();
        listed.filter(|document| !self.documents.contains_key(&document.sha256)).copied().collect()
    }

    /// The documents that are there, in the order of the manifest.
    pub fn documents(&self) -> impl Iterator<Item = (Digest, &Rc<[u8]>)> {
        let listed = self.manifest.payload.documents.iter();
        listed.filter_map(|document| Some((document.sha256, self.documents.get(&document.sha256)?)))
    }

    /// Supplies a document: its length and SHA-256 must be those that the manifest says.
    ///
    /// # Errors
    ///
    /// `document_mismatch`.
    pub fn supply(&mut self, sha256: Digest, document: impl Into<Rc<[u8]>>) -> Result<(), Refused> {
        let document = document.into();
        let refuse =
            |why: String| Err(Refused::new(RefusalReason::DocumentMismatch, format!("document {sha256} {why}")));
        let Some(reference) = self.manifest.payload.documents.iter().find(|listed| listed.sha256 == sha256) else {
            return refuse("is not in the manifest".to_owned());
        };
        // Two entries may be the same document; lengths that differ cannot both be right.
        if let Some(wrong) = self
            .manifest
            .payload
            .documents
            .iter()
            .find(|listed| listed.sha256 == reference.sha256 && listed.bytes != document.len())
        {
            return refuse(format!("has {} bytes, {} are announced", document.len(), wrong.bytes));
        }
        let found = Digest::of(&document);
        if found != sha256 {
            return refuse(format!("has the SHA-256 {found}"));
        }
        self.documents.insert(sha256, document);
        Ok(())
    }

    /// Assembles the documents, reads the bundle and runs its tests.
    ///
    /// # Errors
    ///
    /// `document_missing`, `bundle_invalid` or `tests_failed`.
    pub fn activate(&self) -> Result<(Adopted, Authorizer), Refused> {
        let policy = self
            .document(DocumentKind::Policy)?
            .ok_or_else(|| Refused::new(RefusalReason::DocumentMissing, "there is no policy"))?;
        let documents = Documents {
            policy,
            keys: self.document(DocumentKind::Keys)?,
            revocations: self.document(DocumentKind::Revocations)?,
            credentials: self.document(DocumentKind::Credentials)?,
            tests: self.document(DocumentKind::Tests)?,
        };
        let authorizer = documents.authorizer(self.manifest.payload.epoch)?;
        Ok((self.manifest.as_adopted(), authorizer.with_freshness(self.manifest.payload.freshness())))
    }

    /// The document of a kind; none if the manifest lists none.
    fn document(&self, kind: DocumentKind) -> Result<Option<&[u8]>, Refused> {
        let Some(reference) = self.manifest.payload.documents.iter().find(|document| document.kind == kind) else {
            return Ok(None);
        };
        let document = self.documents.get(&reference.sha256).ok_or_else(|| {
            let detail = format!("the {} document {} was not supplied", kind.name(), reference.sha256);
            Refused::new(RefusalReason::DocumentMissing, detail)
        })?;
        Ok(Some(document))
    }
}
