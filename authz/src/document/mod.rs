//! Documents that operators write: read field by field, with every error and its place.
//!
//! Bundles are read with it, and so are the other formats of this project: there is one way to say what is wrong.

mod error;
mod reader;

pub(crate) use error::ErrorSink;
pub use error::{BundleError, BundleErrors, Problem};
pub use reader::{Fields, Node, Unique};

use serde_json::Value;

use crate::json;
use crate::limits::MAX_BUNDLE_BYTES;
use crate::steps;

/// Reads a whole document with `read`, or reports everything that is wrong with it.
///
/// # Errors
///
/// Everything that is wrong with it, each error with its place.
pub fn read<T>(text: &[u8], read: impl Fn(&Node<'_>) -> Option<T>) -> Result<T, BundleErrors> {
    read_value(&parse(text, MAX_BUNDLE_BYTES)?, read)
}

/// The same in steps.
pub(crate) async fn read_in_steps<T>(
    text: &[u8],
    read: impl AsyncFnOnce(&Node<'_>) -> Option<T>,
) -> Result<T, BundleErrors> {
    let value = parse_in_steps(text, MAX_BUNDLE_BYTES).await?;
    let result = read_value_in_steps(&value, read).await;
    json::release_in_steps(value).await;
    result
}

/// The JSON of a document that has at most so many bytes.
pub(crate) fn parse(text: &[u8], max_bytes: usize) -> Result<Value, BundleErrors> {
    steps::finish(parse_in_steps(text, max_bytes))
}

/// The same in steps.
pub(crate) async fn parse_in_steps(text: &[u8], max_bytes: usize) -> Result<Value, BundleErrors> {
    if text.len() > max_bytes {
        return Err(BundleErrors::unreadable(format!("has {} bytes, at most {max_bytes} are read", text.len())));
    }
    let value = json::parse_in_steps(text).await;
    value.map_err(|error| BundleErrors::unreadable(format!("not acceptable JSON: {error}")))
}

/// Reads a document whose JSON was parsed before.
pub(crate) fn read_value<T>(value: &Value, read: impl Fn(&Node<'_>) -> Option<T>) -> Result<T, BundleErrors> {
    let errors = ErrorSink::default();
    let read = read(&Node::root(value, &errors));
    errors.into_result(read)
}

/// The same in steps.
pub(crate) async fn read_value_in_steps<T>(
    value: &Value,
    read: impl AsyncFnOnce(&Node<'_>) -> Option<T>,
) -> Result<T, BundleErrors> {
    let errors = ErrorSink::default();
    let read = read(&Node::root(value, &errors)).await;
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
