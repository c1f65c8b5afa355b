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
use crate::steps::{self, Steps};

/// A manifest that may be adopted, and those of its documents that are there.
#[derive(Debug)]
pub struct Activation {
    manifest: Box<Manifest>,
    /// As vectors, because what came as one is not copied into another piece of memory then.
    documents: BTreeMap<Digest, Rc<Vec<u8>>>,
    /// What was offered and not looked at yet.
    offered: Vec<(Option<Digest>, Vec<u8>)>,
}

/// How far the documents have made a bundle.
#[derive(Debug)]
pub struct Loaded {
    /// The manifest and the documents that are there.
    pub activation: Activation,
    /// What may be adopted; none if documents are still missing.
    pub adopted: Option<(Adopted, Authorizer)>,
}

impl Activation {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { manifest: Box::new(manifest), documents: BTreeMap::new(), offered: Vec::new() }
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
    pub fn documents(&self) -> impl Iterator<Item = (&DocumentReference, &[u8])> {
        let listed = self.manifest.payload.documents.iter();
        listed.filter_map(|document| Some((document, self.documents.get(&document.sha256)?.as_slice())))
    }

    /// Supplies a document: its length and SHA-256 must be those that the manifest says.
    ///
    /// # Errors
    ///
    /// `document_mismatch`.
    pub fn supply(&mut self, sha256: Digest, document: Vec<u8>) -> Result<(), Refused> {
        self.offer(Some(sha256), document);
        steps::finish(self.take_offered())
    }

    /// Takes over what another manifest's documents are for this one: they were supplied there.
    pub fn inherit(&mut self, other: &Self) {
        for missing in self.missing() {
            let held = other.documents.get(&missing.sha256);
            if let Some(document) = held.filter(|document| document.len() == missing.bytes) {
                self.documents.insert(missing.sha256, Rc::clone(document));
            }
        }
    }

    /// Has a document supplied later, with the first step of [`Self::load`] or with [`Self::activate`]. Its SHA-256 may be any of
    /// those of the manifest if none is said.
    pub fn offer(&mut self, sha256: Option<Digest>, document: Vec<u8>) {
        self.offered.push((sha256, document));
    }

    async fn take_offered(&mut self) -> Result<(), Refused> {
        for (sha256, document) in std::mem::take(&mut self.offered) {
            if let Some(sha256) = sha256 {
                self.check_length(sha256, &document)?;
            }
            let found = Digest::of_in_steps(&document).await;
            if let Some(sha256) = sha256.filter(|sha256| found != *sha256) {
                return Err(mismatch(sha256, &format!("has the SHA-256 {found}")));
            }
            self.check_length(found, &document)?;
            self.documents.insert(found, Rc::new(document));
        }
        Ok(())
    }

    /// Whether a document is in the manifest and has the length that is announced there.
    fn check_length(&self, sha256: Digest, document: &[u8]) -> Result<(), Refused> {
        let mut listed = self.manifest.payload.documents.iter().filter(|listed| listed.sha256 == sha256).peekable();
        if listed.peek().is_none() {
            return Err(mismatch(sha256, "is not in the manifest"));
        }
        // Two entries may be the same document; lengths that differ cannot both be right.
        match listed.find(|listed| listed.bytes != document.len()) {
            Some(wrong) => {
                let why = format!("has {} bytes, {} are announced", document.len(), wrong.bytes);
                Err(mismatch(sha256, &why))
            }
            None => Ok(()),
        }
    }

    /// Assembles the documents, reads the bundle and runs its tests.
    ///
    /// # Errors
    ///
    /// `document_mismatch`, `document_missing`, `bundle_invalid` or `tests_failed`.
    pub fn activate(&mut self) -> Result<(Adopted, Authorizer), Refused> {
        steps::finish(self.activate_in_steps())
    }

    /// The same in steps, if no document is missing.
    ///
    /// # Errors
    ///
    /// `document_mismatch`, `bundle_invalid` or `tests_failed`.
    pub fn load(mut self) -> Steps<Result<Loaded, Refused>> {
        Steps::new(async move {
            self.take_offered().await?;
            let is_complete = self.missing().is_empty();
            let adopted = if is_complete { Some(self.activate_in_steps().await?) } else { None };
            Ok(Loaded { activation: self, adopted })
        })
    }

    async fn activate_in_steps(&mut self) -> Result<(Adopted, Authorizer), Refused> {
        self.take_offered().await?;
        let text = |kind| Ok::<_, Refused>(self.document(kind)?.map(|document| document.as_slice()));
        let policy = text(DocumentKind::Policy)?
            .ok_or_else(|| Refused::new(RefusalReason::DocumentMissing, "there is no policy"))?;
        let documents = Documents {
            policy,
            keys: text(DocumentKind::Keys)?,
            revocations: text(DocumentKind::Revocations)?,
            packed_revocations: self.document(DocumentKind::PackedRevocations)?,
            credentials: text(DocumentKind::Credentials)?,
            tests: text(DocumentKind::Tests)?,
        };
        let authorizer = documents.authorizer_in_steps(self.manifest.payload.epoch).await?;
        Ok((self.manifest.as_adopted(), authorizer.with_freshness(self.manifest.payload.freshness())))
    }

    /// The document of a kind; none if the manifest lists none.
    fn document(&self, kind: DocumentKind) -> Result<Option<&Rc<Vec<u8>>>, Refused> {
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

fn mismatch(sha256: Digest, why: &str) -> Refused {
    Refused::new(RefusalReason::DocumentMismatch, format!("document {sha256} {why}"))
}
