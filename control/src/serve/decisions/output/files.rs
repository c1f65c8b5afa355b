//! Files in another format, for an agent that reads them. They are no record: no chain, and no checkpoints.

use std::path::Path;

use super::super::files::{Files, Rotation};
use super::{Parcel, Undelivered};
use crate::audit::convert::Format;

pub(super) struct FileSink {
    files: Files,
    format: Format,
}

impl FileSink {
    pub(super) fn open(folder: &Path, replica: &str, rotation: Rotation, format: Format) -> Result<Self, String> {
        Ok(Self { files: Files::open(folder, replica, rotation)?, format })
    }

    pub(super) fn send(&mut self, parcel: &Parcel) -> Result<(), Undelivered> {
        let mut lines = Vec::new();
        for (_, line) in parcel.lines(self.format) {
            lines.extend(line);
            lines.push(b'\n');
        }
        let later = |error: std::io::Error| Undelivered::Later(error.to_string());
        // A batch takes a moment, as a log line does.
        tokio::task::block_in_place(|| {
            if self.files.is_full(lines.len()) {
                self.files.begin()?;
                self.files.expire();
            }
            self.files.write(&lines)
        })
        .map_err(later)
    }
}
