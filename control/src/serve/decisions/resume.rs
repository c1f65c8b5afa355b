//! Going on where an earlier run of this replica ended, in whatever order.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::known::Known;
use crate::audit::checkpoint::{Checkpoint, Place, Segment, jws};
use crate::audit::record::Line;

/// Where the chain of checkpoints stands, and what came after the last of them.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) place: Place,
    pub(super) segment: Segment,
    pub(super) known: Known,
}

impl Standing {
    /// Reads the newest files, back to the one that has the last checkpoint.
    pub(super) fn read(files: &[impl AsRef<Path>]) -> Result<Self, String> {
        let mut tail = Vec::new();
        for file in files.iter().rev() {
            tail.push(file.as_ref());
            if has_checkpoint(file.as_ref())? {
                break;
            }
        }
        let mut standing = Self::default();
        for file in tail.into_iter().rev() {
            standing.take(file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(standing)
    }

    fn take(&mut self, file: &Path) -> std::io::Result<()> {
        let mut reader = BufReader::new(File::open(file)?);
        let (mut line, mut length) = (Vec::new(), 0_u64);
        while let Some(read) = next_line(&mut reader, &mut line)? {
            if !line.ends_with(b"\n") {
                // The process died while it wrote, before it said that it had: the proxy sends it again.
                fs::OpenOptions::new().write(true).open(file)?.set_len(length)?;
                tracing::warn!(file = %file.display(), bytes = read, "half a line at the end was removed");
                break;
            }
            length = length.saturating_add(read);
            line.pop();
            self.take_line(&line);
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) {
        // Whether it is good is not asked here: whoever verifies the files finds out.
        if let Some(checkpoint) = jws(line).and_then(Checkpoint::unverified) {
            self.place = Place::after(checkpoint.number, line);
            self.segment = Segment::default();
            return;
        }
        let record = Line::new(line).parse().ok();
        self.segment.add(line, record.as_ref().map(|(record, id)| (record, *id)));
        if let Some((record, id)) = record {
            self.known.remember(&record.worker, record.sequence, id);
        }
    }
}

fn has_checkpoint(file: &Path) -> Result<bool, String> {
    let failed = |error| format!("{}: {error}", file.display());
    // Every file begins with one, unless the process died just then.
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let mut line = Vec::new();
    next_line(&mut reader, &mut line).map_err(failed)?;
    Ok(line.strip_suffix(b"\n").and_then(jws).and_then(Checkpoint::unverified).is_some())
}

/// Reads the next line with its end; how many bytes it has.
fn next_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> std::io::Result<Option<u64>> {
    line.clear();
    let read = reader.take(u64::MAX).read_until(b'\n', line)?;
    Ok(u64::try_from(read).ok().filter(|read| *read > 0))
}
