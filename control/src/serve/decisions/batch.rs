//! A batch as a proxy sends it: records of one worker, in order, without gaps.

use std::ops::Range;

use authz::record::RecordId;
use axum::body::Bytes;

use crate::audit::record::{Line, Record};

/// A batch that is what it should be.
pub(crate) struct Batch {
    text: Bytes,
    entries: Vec<Entry>,
}

/// One record, and where its line is.
pub(crate) struct Entry {
    place: Range<usize>,
    pub(crate) record: Record,
    pub(crate) id: RecordId,
}

impl Batch {
    /// Reads a batch; else says what is wrong with it, and in which line. Within it the chain has to hold; whether it goes on from what
    /// came before, which may have gone to another replica, is for `portcullis audit verify` to say.
    pub(crate) fn parse(text: Bytes) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut start = 0_usize;
        while start < text.len() {
            let at = |why: &str| format!("line {}: {why}", entries.len().saturating_add(1));
            let rest = text.get(start..).unwrap_or_default();
            let length = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| at("has no end"))?;
            let end = start.saturating_add(length);
            let line = Line::new(rest.get(..length).unwrap_or_default());
            let (record, id) = line.parse().map_err(|why| at(&why))?;
            follows(entries.last(), line, &record, id).map_err(|why| at(&why))?;
            entries.push(Entry { place: start..end, record, id });
            start = end.saturating_add(1);
        }
        if entries.is_empty() {
            return Err("there is no record".to_owned());
        }
        Ok(Self { text, entries })
    }

    pub(crate) fn worker(&self) -> &str {
        self.entries.first().map_or("", |entry| &entry.record.worker)
    }

    /// The records, in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The line of a record, as it came, without its end.
    pub(crate) fn line(&self, entry: &Entry) -> &[u8] {
        self.text.get(entry.place.clone()).unwrap_or_default()
    }

    /// How much memory it takes, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.text.len()
    }
}

/// Whether a record is the next one after this, of the same worker.
fn follows(previous: Option<&Entry>, line: Line<'_>, record: &Record, id: RecordId) -> Result<(), String> {
    let before = match previous {
        None if record.sequence == 1 => RecordId::default(),
        None => return Ok(()),
        Some(previous) if previous.record.worker != record.worker => {
            return Err(format!(
                "is of the worker `{}`, and the one before of `{}`",
                record.worker, previous.record.worker
            ));
        }
        Some(previous) if previous.record.sequence.checked_add(1) != Some(record.sequence) => {
            return Err(format!("has the number {} after {}", record.sequence, previous.record.sequence));
        }
        Some(previous) => previous.id,
    };
    match line.hashed() {
        Some(hashed) if before.next(hashed) == id => Ok(()),
        _ => Err("has an id that does not follow from what is before it".to_owned()),
    }
}
