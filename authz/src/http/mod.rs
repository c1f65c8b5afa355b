//! Bytes → access request: action, resource and credential, or a reason why the request cannot be judged.

mod authority;
mod credential;
mod path;
mod request;

pub use authority::Host;
pub(crate) use authority::is_host;
pub use credential::Credential;
pub use path::Path;
pub use request::{AccessRequest, RequestHead};
pub(crate) use request::{is_token_byte, method_token};
