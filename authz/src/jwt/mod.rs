//! JSON Web Tokens (RFC 7519): who may issue them, what must hold, and which principal they make.

mod claims;
mod issuer;
mod mapping;
mod principal;

pub(crate) use issuer::TrustedIssuers;
pub(crate) use mapping::Pointer;
pub(crate) use principal::{Attribute, Identity, Principal};
