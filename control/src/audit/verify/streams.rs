//! The files of each replica, one after the other, and the replicas side by side: the next line is that of the earliest record.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use authz::record::RecordId;

use super::finding::Place;
use crate::audit::checkpoint::{Checkpoint, jws};
use crate::audit::record::{Line, Record};

/// A line that is longer is none of ours: the longest is a checkpoint about 100,000 workers.
const MAX_LINE_BYTES: u64 = 32 * 1024 * 1024;

/// A line, and what it is.
pub(super) struct Item {
    pub(super) place: Place,
    /// Without its end.
    pub(super) text: Vec<u8>,
    pub(super) kind: ItemKind,
}

pub(super) enum ItemKind {
    Record(Box<Record>, RecordId),
    Checkpoint,
    /// Something else, and why it is no record.
    Other(String),
}

/// The files of one replica, or one file of which nobody knows whose it is.
pub(super) struct Stream {
    pub(super) files: Vec<PathBuf>,
    next: usize,
    open: Option<(Rc<str>, BufReader<File>, u64)>,
    peeked: Option<Item>,
    /// Somebody may still write to the last file: half a line at its end is not there yet.
    is_partial: bool,
}

/// All files, by replica. A folder is the files in it.
pub(super) fn streams(paths: &[PathBuf], is_partial: bool) -> Result<Vec<Stream>, String> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let failed = |error| format!("{}: cannot be read: {error}", path.display());
            for entry in fs::read_dir(path).map_err(failed)? {
                files.push(entry.map_err(failed)?.path());
            }
        } else {
            files.push(path.clone());
        }
    }
    // In a folder there may be others; a file that was named is meant.
    files.retain(|file| paths.contains(file) || file.extension().is_some_and(|extension| extension == "ndjson"));
    let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        groups.entry(replica(&file)?).or_default().push(file);
    }
    let stream = |mut files: Vec<PathBuf>| {
        // Their names begin with the time.
        files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        files.dedup();
        Stream { files, next: 0, open: None, peeked: None, is_partial }
    };
    Ok(groups.into_values().map(stream).collect())
}

/// Whose file it is, as its first checkpoint says: verified it is later. Without any it stands for itself.
fn replica(file: &Path) -> Result<String, String> {
    let failed = |error| format!("{}: cannot be read: {error}", file.display());
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line).map_err(failed)? {
        let checkpoint = line.strip_suffix(b"\n").and_then(jws).and_then(Checkpoint::unverified);
        if let Some(checkpoint) = checkpoint {
            return Ok(format!("replica {} of {}", checkpoint.replica, checkpoint.fleet));
        }
    }
    Ok(format!("file {}", file.display()))
}

fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    Ok(reader.take(MAX_LINE_BYTES).read_until(b'\n', line)? > 0)
}

impl Stream {
    /// The time of the next line; lines without one come at once.
    pub(super) fn next_time(&mut self) -> Result<Option<&str>, String> {
        if self.peeked.is_none() {
            self.peeked = self.read()?;
        }
        Ok(self.peeked.as_ref().map(|item| match &item.kind {
            ItemKind::Record(record, _) => &*record.time,
            ItemKind::Checkpoint | ItemKind::Other(_) => "",
        }))
    }

    pub(super) const fn take(&mut self) -> Option<Item> {
        self.peeked.take()
    }

    fn read(&mut self) -> Result<Option<Item>, String> {
        loop {
            let Some((name, reader, number)) = &mut self.open else {
                let Some(file) = self.files.get(self.next) else { return Ok(None) };
                let reader =
                    File::open(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
                self.open = Some((file.display().to_string().into(), BufReader::new(reader), 0));
                self.next = self.next.saturating_add(1);
                continue;
            };
            let mut line = Vec::new();
            if read_line(reader, &mut line).map_err(|error| format!("{name}: cannot be read: {error}"))? {
                if self.is_partial && self.next >= self.files.len() && !line.ends_with(b"\n") {
                    return Ok(None);
                }
                *number = number.saturating_add(1);
                return Ok(Some(item(Place::new(Rc::clone(name), *number), line)));
            }
            self.open = None;
        }
    }
}

fn item(place: Place, mut text: Vec<u8>) -> Item {
    if text.pop_if(|last| *last == b'\n').is_none() {
        return Item { place, text, kind: ItemKind::Other("is not a whole line".to_owned()) };
    }
    let kind = match jws(&text) {
        Some(_) => ItemKind::Checkpoint,
        None => match Line::new(&text).parse() {
            Ok((record, id)) => ItemKind::Record(Box::new(record), id),
            Err(why) => ItemKind::Other(why),
        },
    };
    Item { place, text, kind }
}
