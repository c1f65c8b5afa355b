//! Bytes → access request: action and resource, or a reason why the request cannot be judged.

mod address;
mod authority;
mod owned_header;
mod path;
pub(crate) mod query;
mod request;

pub(crate) use address::{Network, has_port, parse_source};
pub use authority::Host;
pub(crate) use authority::{canonical_host, is_address, is_host};
pub(crate) use owned_header::{OWNED_PREFIX, encode_value, is_alias, is_same_folded, read_name as read_owned_name};
pub use path::Path;
pub(crate) use path::PlainCharacters;
pub(crate) use path::percent_decode;
pub use request::{AccessRequest, PeerCertificate, RequestHead};
pub(crate) use request::{is_token_byte, method_token};
