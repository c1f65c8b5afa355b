//! Documents that operators write: read field by field, with every error and its place.
//!
//! Bundles are read with it, and so are the other formats of this project: there is one way to say what is wrong.

mod error;
mod reader;

pub(crate) use error::ErrorSink;
pub use error::{BundleError, BundleErrors, Problem};
pub use reader::{Fields, Node, Unique};

use crate::json;
use crate::limits::MAX_BUNDLE_BYTES;

/// Reads a whole document with `read`, or reports everything that is wrong with it.
///
/// # Errors
///
/// Everything that is wrong with it, each error with its place.
pub fn read<T>(text: &[u8], read: impl Fn(&Node<'_>) -> Option<T>) -> Result<T, BundleErrors> {
    if text.len() > MAX_BUNDLE_BYTES {
        return Err(BundleErrors::unreadable(format!("has {} bytes, at most {MAX_BUNDLE_BYTES} are read", text.len())));
    }
    let value = json::parse(text).map_err(|error| BundleErrors::unreadable(format!("not acceptable JSON: {error}")))?;
    let errors = ErrorSink::default();
    let read = read(&Node::root(&value, &errors));
    errors.into_result(read)
}

/// Reads the version of a format, of which this code knows one.
pub fn read_version(node: &Node<'_>, supported: u64) -> Option<()> {
    match node.integer(0..=u64::MAX)? {
        version if version == supported => Some(()),
        version => {
            node.refuse(format!("version {version} is not known to this program, which reads version {supported}"))
        }
    }
}
