//! Files of lines: a new one when one is large or old enough, and none for longer than it should be kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use authz::UnixTime;

use super::super::clock;

/// How the names of all files end.
pub(super) const EXTENSION: &str = "ndjson";

/// When a file is large or old enough, and for how long it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation {
    pub(crate) bytes: u64,
    pub(crate) seconds: u64,
    pub(crate) keep_days: u64,
}

/// Files in a folder, written by this replica alone.
pub(super) struct Files {
    folder: PathBuf,
    replica: String,
    rotation: Rotation,
    current: Option<Current>,
    /// Held for as long as this process lives: two that wrote the same files would break each other's chain.
    _lock: File,
}

/// The file that is being written.
struct Current {
    file: File,
    path: PathBuf,
    size: u64,
    since: u64,
}

impl Files {
    /// Takes the folder, which is made if it is not there.
    pub(super) fn open(folder: &Path, replica: &str, rotation: Rotation) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let lock = folder.join(format!(".{replica}.lock"));
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(lock).map_err(|error| failed(&error))?;
        lock.try_lock().map_err(|_| {
            failed(&format!(
                "another process writes there as the replica `{replica}`; give each its own `replica` or folder"
            ))
        })?;
        Ok(Self { folder: folder.to_owned(), replica: replica.to_owned(), rotation, current: None, _lock: lock })
    }

    /// Whether a new file should be begun before so many bytes are written.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.current.as_ref().is_none_or(|current| {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            current.size.saturating_add(bytes) > self.rotation.bytes
                || clock::seconds() >= current.since.saturating_add(self.rotation.seconds)
        })
    }

    pub(super) const fn is_open(&self) -> bool {
        self.current.is_some()
    }

    /// The files of this replica, the oldest first.
    pub(super) fn own(&self) -> io::Result<Vec<PathBuf>> {
        let end = format!("-{}.{EXTENSION}", self.replica);
        let mut files = list(&self.folder)?;
        // A name may end in another: the time before it has no dash.
        files.retain(|file| name(file).strip_suffix(&end).is_some_and(|time| !time.contains('-')));
        Ok(files)
    }

    /// Begins a file. Its name has the time, so that names are in the order of time, and the replica.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.current = None;
        let mut now = clock::now().as_millis();
        loop {
            let time = compact(UnixTime::from_millis(now));
            let path = self.folder.join(format!("{time}-{}.{EXTENSION}", self.replica));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    // So that the name outlives a loss of power, too.
                    File::open(&self.folder)?.sync_all()?;
                    self.current = Some(Current { file, path, size: 0, since: clock::seconds() });
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => now = now.saturating_add(1),
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes all of it and waits until it is on the disk, or none of it.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let current = self.current.as_mut().ok_or_else(|| io::Error::other("no file is open"))?;
        let written = current.file.write_all(lines).and_then(|()| current.file.sync_data());
        match written {
            Ok(()) => {
                current.size = current.size.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
                Ok(())
            }
            Err(error) => {
                // What is half there was never acknowledged. After a failed sync nobody knows what a file has, so it is written no more.
                let _ = current.file.set_len(current.size);
                self.current = None;
                Err(error)
            }
        }
    }

    /// Removes what nobody should keep any longer, whichever replica wrote it; how many files that were.
    pub(super) fn expire(&self) -> usize {
        let keep = Duration::from_secs(self.rotation.keep_days.saturating_mul(86_400));
        let oldest = Duration::from_millis(clock::now().as_millis()).saturating_sub(keep);
        let is_old = |file: &Path| {
            let modified = fs::metadata(file).and_then(|file| file.modified());
            let modified = modified.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            modified.is_some_and(|modified| modified < oldest)
        };
        let current = self.current.as_ref().map(|current| &current.path);
        let files = list(&self.folder).unwrap_or_default();
        let old = files.iter().filter(|file| Some(*file) != current && is_old(file));
        old.filter(|file| fs::remove_file(file).is_ok()).count()
    }
}

/// The files of a folder, in the order of their names.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == EXTENSION));
    files.sort_unstable();
    Ok(files)
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A time as the records have it.
pub(super) fn stamp(time: UnixTime) -> String {
    let nanoseconds = i128::from(time.as_millis()).saturating_mul(1_000_000);
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

/// The same for the name of a file: only what every file system takes, and no dash.
fn compact(time: UnixTime) -> String {
    stamp(time).replace(['-', ':'], "")
}
