//! JSON Web Tokens (RFC 7519): who may issue them, what must hold, and which identity they make.

mod claims;
mod introspection;
mod issuer;
mod mapping;
mod preset;
mod refused_tokens;
mod statement;
mod token_cache;
mod trusted_issuers;
mod unknown_keys;
mod validation;

pub(crate) use introspection::Interruption;
pub use introspection::{Introspection, IntrospectionResponse};
pub(crate) use mapping::ClaimMapping;
pub use statement::Statement;
pub(crate) use trusted_issuers::TrustedIssuers;
pub use trusted_issuers::Work;
pub use unknown_keys::UnknownKey;
