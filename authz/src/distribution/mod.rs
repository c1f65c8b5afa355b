//! How keys and policies arrive: a signed manifest lists the documents of a bundle by their SHA-256.
//!
//! Pure, like everything here: bytes and a time in, an [`Authorizer`](crate::Authorizer) or a [`Refused`] out. The filter, the control endpoint and the
//! command line call the same functions, so what is published has been read by the code that will adopt it. The format is
//! documented in `docs/distribution.md`.
//!
//! A proxy, which has requests to decide meanwhile, lets [`Activation::load`] do a little at a time.
//!
//! Each step consumes the one before, and only it makes the next:
//! [`UnverifiedManifest`] → [`Manifest`] (signatures, fleet and name) → [`Activation`] (epoch and times) → [`Adopted`]
//! and its authorizer (documents, the one bundle parser, the bundle's own tests). What is refused on the way changes nothing.

mod activation;
mod admission;
mod assembly;
mod delivery;
mod digest;
mod freshness;
mod manifest;
mod payload;
mod refusal;
mod signed_bundle;
#[cfg(test)]
mod tests;
mod trust;
mod vectors;

pub use activation::{Activation, Loaded};
pub use admission::{Admission, Adopted};
pub use assembly::Documents;
pub use delivery::{Control, Delivery};
pub use digest::Digest;
pub use freshness::{Freshness, WhenStale};
pub use manifest::{Manifest, UnverifiedManifest};
pub use payload::{DocumentKind, DocumentReference, ManifestPayload};
pub use refusal::{RefusalReason, Refused};
pub use signed_bundle::SignedBundle;
pub use trust::Trust;

pub use crate::revocation::{PackedKind, RevocationPacker, is_over as revocation_is_over};
