//! The one thread that writes the files of a fleet.
//!
//! What has come meanwhile is written together and waits for the disk once. A proxy hears that its records are kept when they are.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::batch::Batch;
use super::files::{Files, stamp};
use super::known::Known;
use super::output::Output;
use super::resume::Standing;
use crate::audit::checkpoint::{Cause, Place, Segment};
use crate::serve::clock;
use crate::serve::metrics::DecisionMetrics;
use crate::signing_key::SigningKey;

/// What is written at once: more only makes proxies wait longer.
const MAX_GROUP_BYTES: usize = 8 * 1024 * 1024;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(500);

/// How often old files are looked for.
const EXPIRY_SECONDS: u64 = 3600;

/// What the thread is told.
pub(super) enum Job {
    Keep(Delivery),
    /// Write the last checkpoint, and end.
    End,
}

/// A batch that waits to be written.
pub(super) struct Delivery {
    pub(super) batch: Arc<Batch>,
    pub(super) reply: oneshot::Sender<Result<(), String>>,
    /// Its part of the memory that batches may take.
    pub(super) _room: OwnedSemaphorePermit,
}

/// Whose files they are, and how often they are sealed.
pub(super) struct Identity {
    pub(super) fleet: String,
    pub(super) replica: String,
    pub(super) key: SigningKey,
    pub(super) checkpoint_seconds: u64,
}

/// The thread's own.
pub(super) struct Writer {
    identity: Identity,
    files: Files,
    place: Place,
    segment: Segment,
    known: Known,
    outputs: Vec<Output>,
    metrics: DecisionMetrics,
    sealed_at: u64,
    expired_at: u64,
}

impl Writer {
    /// Takes up where an earlier run has ended, and begins a file.
    pub(super) fn new(
        identity: Identity,
        mut files: Files,
        outputs: Vec<Output>,
        metrics: DecisionMetrics,
    ) -> Result<Self, String> {
        let own = files.own().map_err(|error| error.to_string())?;
        let Standing { place, segment, known } = Standing::read(&own)?;
        files.begin().map_err(|error| error.to_string())?;
        let mut writer = Self { identity, files, place, segment, known, outputs, metrics, sealed_at: 0, expired_at: 0 };
        writer.seal(Cause::Begin).map_err(|error| error.to_string())?;
        Ok(writer)
    }

    /// Works until it is told to end.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(delivery) => Ok(Job::Keep(delivery)),
                None => jobs.recv_timeout(TICK),
            };
            match job {
                Ok(Job::Keep(delivery)) => next = self.keep_group(delivery, jobs),
                Ok(Job::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tend();
        }
        if self.files.is_open() {
            self.seal_or_log(Cause::End);
        }
    }

    /// Writes a batch, with others that have come and are of other workers; gives back the first that has to wait.
    fn keep_group(&mut self, first: Delivery, jobs: &Receiver<Job>) -> Option<Delivery> {
        let mut bytes = first.batch.weight();
        let mut group = vec![first];
        let mut next = None;
        while bytes < MAX_GROUP_BYTES {
            // Whoever wants the thread to end has sent everything else before, and drops the queue then.
            let Ok(Job::Keep(delivery)) = jobs.try_recv() else { break };
            if group.iter().any(|other| other.batch.worker() == delivery.batch.worker()) {
                next = Some(delivery);
                break;
            }
            bytes = bytes.saturating_add(delivery.batch.weight());
            group.push(delivery);
        }
        let written = self.write(&group).map_err(|error| {
            tracing::error!(fleet = self.identity.fleet, %error, "decisions cannot be written; their proxies keep them");
            error.to_string()
        });
        for delivery in group {
            // Whoever does not wait any more sends it again.
            let _ = delivery.reply.send(written.clone());
        }
        next
    }

    fn write(&mut self, group: &[Delivery]) -> std::io::Result<()> {
        let mut lines = Vec::new();
        let mut fresh = Vec::new();
        for Delivery { batch, .. } in group {
            let known = self.known.count(batch);
            for entry in batch.entries().iter().skip(known) {
                lines.extend_from_slice(batch.line(entry));
                lines.push(b'\n');
            }
            fresh.push((batch, known));
        }
        if self.files.is_full(lines.len()) && !lines.is_empty() {
            self.rotate()?;
        }
        if !lines.is_empty() {
            self.files.write(&lines)?;
        }
        for (batch, known) in fresh {
            self.wrote(batch, known);
        }
        Ok(())
    }

    /// Takes note of what is on the disk, and passes it on.
    fn wrote(&mut self, batch: &Arc<Batch>, known: usize) {
        let (count, total) = (batch.entries().len().saturating_sub(known), batch.entries().len());
        self.metrics.kept(total, count);
        if count == 0 {
            return;
        }
        for entry in batch.entries().iter().skip(known) {
            self.segment.add(batch.line(entry), Some((&entry.record, entry.id)));
        }
        if let Some(last) = batch.entries().last() {
            self.known.remember(batch.worker(), last.record.sequence, last.id);
        }
        for output in &self.outputs {
            output.offer(batch, known);
        }
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        if self.files.is_open() {
            self.seal(Cause::Rotation)?;
        }
        self.files.begin()?;
        self.seal(Cause::Begin)
    }

    /// What is due by itself.
    fn tend(&mut self) {
        let now = clock::seconds();
        let is_due = now >= self.sealed_at.saturating_add(self.identity.checkpoint_seconds);
        if is_due && self.segment.records > 0 && self.files.is_open() {
            self.seal_or_log(Cause::Period);
        }
        if now >= self.expired_at.saturating_add(EXPIRY_SECONDS) {
            self.expired_at = now;
            let removed = self.files.expire();
            if removed > 0 {
                tracing::info!(target: "audit", fleet = self.identity.fleet, files = removed, "old decisions were removed");
            }
        }
    }

    fn seal_or_log(&mut self, cause: Cause) {
        if let Err(error) = self.seal(cause) {
            tracing::error!(fleet = self.identity.fleet, %error, "a checkpoint cannot be written");
        }
    }

    /// Signs what was written since the last time.
    fn seal(&mut self, cause: Cause) -> std::io::Result<()> {
        let Identity { fleet, replica, key, .. } = &self.identity;
        let checkpoint = self.place.next(fleet, replica, stamp(clock::now()), cause, &self.segment);
        let mut line = checkpoint.to_line(key);
        let place = Place::after(checkpoint.number, &line);
        line.push(b'\n');
        self.files.write(&line)?;
        (self.place, self.segment, self.sealed_at) = (place, Segment::default(), clock::seconds());
        self.metrics.sealed();
        Ok(())
    }
}
