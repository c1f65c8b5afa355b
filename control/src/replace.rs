//! Files are replaced in one step.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Whoever watches the file, such as Envoy, sees the old one or the new one and never half of it. Who may read it stays as it is.
pub(crate) fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    // A link stays a link.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut next = OsString::from(&file);
    next.push(".next");
    let mut written = File::create(&next)?;
    if let Ok(known) = fs::metadata(&file) {
        written.set_permissions(known.permissions())?;
    }
    written.write_all(text)?;
    fs::rename(&next, file)
}
