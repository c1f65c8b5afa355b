//! Others who get the records: files in another format, a syslog daemon, a collector of OpenTelemetry.
//!
//! Each has a queue of its own, with a bound, and what it cannot deliver it tries again. What there is no room for is counted and
//! left out; the files have it all the same.

mod files;
mod otlp;
mod syslog;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use self::files::FileSink;
use self::otlp::Collector;
use self::syslog::Syslog;
use super::batch::{Batch, Entry};
use crate::audit::convert::Format;
use crate::serve::metrics::DecisionMetrics;
use crate::serve::settings::{DecisionSettings, Destination};

/// What may wait for one output.
const ROOM_BYTES: usize = 16 * 1024 * 1024;

/// How many batches may wait for one output.
const MAX_WAITING: usize = 4096;

/// Between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long outputs may go on after the endpoint was told to end.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);

/// What the writer sees of an output.
pub(super) struct Output {
    name: String,
    queue: mpsc::Sender<Parcel>,
    room: Arc<Semaphore>,
    metrics: DecisionMetrics,
}

/// The records of a batch that were not kept before.
struct Parcel {
    batch: Arc<Batch>,
    known: usize,
    _room: OwnedSemaphorePermit,
}

impl Parcel {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.batch.entries().iter().skip(self.known)
    }

    fn count(&self) -> usize {
        self.batch.entries().len().saturating_sub(self.known)
    }

    /// The records in a format, each as one line without its end.
    fn lines(&self, format: Format) -> impl Iterator<Item = (&Entry, Vec<u8>)> {
        self.entries().map(move |entry| (entry, format.write(self.batch.line(entry), &entry.record)))
    }
}

/// How an attempt ended that did not deliver all.
enum Undelivered {
    /// It may go better the next time.
    Later(String),
    /// So many records are not taken, now or ever.
    Never(usize, String),
}

/// Where records go.
enum Sink {
    Files(FileSink),
    Syslog(Syslog),
    Collector(Collector),
}

impl Output {
    /// Passes records on, or counts them if there is no room.
    pub(super) fn offer(&self, batch: &Arc<Batch>, known: usize) {
        let weight = u32::try_from(batch.weight()).ok();
        let room = weight.and_then(|weight| Arc::clone(&self.room).try_acquire_many_owned(weight).ok());
        let sent = room.map(|room| self.queue.try_send(Parcel { batch: Arc::clone(batch), known, _room: room }));
        if !matches!(sent, Some(Ok(()))) {
            self.metrics.dropped(&self.name, batch.entries().len().saturating_sub(known));
        }
    }
}

/// The tasks that deliver.
pub(super) struct Tasks {
    tasks: JoinSet<()>,
    close: watch::Sender<bool>,
}

impl Tasks {
    /// Lets them deliver what they have, for a while. The writer has ended, and with it what fills the queues.
    pub(super) async fn finish(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSING_TIMEOUT, all).await.is_ok() {
            return;
        }
        // What is left is counted as dropped on the way out.
        let _ = self.close.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Starts all outputs.
pub(super) fn start(
    fleet: &str,
    settings: &DecisionSettings,
    metrics: &DecisionMetrics,
) -> Result<(Vec<Output>, Tasks), String> {
    let (close, closing) = watch::channel(false);
    let (mut outputs, mut tasks) = (Vec::new(), JoinSet::new());
    for output in &settings.outputs {
        let failed = |error| format!("output `{}`: {error}", output.name);
        let sink = match &output.to {
            Destination::Files { folder } => {
                FileSink::open(folder, &settings.replica, settings.rotation, output.format).map(Sink::Files)
            }
            Destination::Syslog { host, port, ca } => {
                Syslog::new(host, *port, ca.as_deref(), &settings.replica, output.format).map(Sink::Syslog)
            }
            Destination::Otlp { url, token_file, ca } => {
                let resource = otlp::resource(fleet, &settings.replica);
                Collector::new(url, token_file.as_deref(), ca.as_deref(), resource, output.format).map(Sink::Collector)
            }
        };
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let (name, metrics, room) = (output.name.clone(), metrics.clone(), Arc::new(Semaphore::new(ROOM_BYTES)));
        // From the start, as with the others.
        metrics.forwarded(&name, 0);
        metrics.dropped(&name, 0);
        let task = Delivering { name: name.clone(), sink: sink.map_err(failed)?, metrics: metrics.clone() };
        tasks.spawn(task.run(waiting, closing.clone()));
        outputs.push(Output { name, queue, room, metrics });
    }
    Ok((outputs, Tasks { tasks, close }))
}

/// One output at work.
struct Delivering {
    name: String,
    sink: Sink,
    metrics: DecisionMetrics,
}

impl Delivering {
    async fn run(mut self, mut queue: mpsc::Receiver<Parcel>, mut closing: watch::Receiver<bool>) {
        while let Some(parcel) = queue.recv().await {
            tokio::select! {
                () = self.deliver(&parcel) => continue,
                _ = closing.wait_for(|closing| *closing) => {}
            }
            let mut left = parcel.count();
            while let Ok(parcel) = queue.try_recv() {
                left = left.saturating_add(parcel.count());
            }
            tracing::warn!(
                output = self.name,
                records = left,
                "the endpoint ends, and this output does not have everything"
            );
            self.metrics.dropped(&self.name, left);
        }
    }

    /// Tries until it is delivered or will never be.
    async fn deliver(&mut self, parcel: &Parcel) {
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, self.sink.send(parcel)).await;
            let late = |_| Err(Undelivered::Later("no answer in time".to_owned()));
            match attempt.unwrap_or_else(late) {
                Ok(()) => return self.metrics.forwarded(&self.name, parcel.count()),
                Err(Undelivered::Never(records, why)) => {
                    tracing::error!(output = self.name, records, why, "an output does not take records");
                    self.metrics.dropped(&self.name, records);
                    return self.metrics.forwarded(&self.name, parcel.count().saturating_sub(records));
                }
                Err(Undelivered::Later(why)) => {
                    if pause == FIRST_PAUSE {
                        tracing::warn!(output = self.name, why, "an output does not take records; they are sent again");
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }
}

impl Sink {
    async fn send(&mut self, parcel: &Parcel) -> Result<(), Undelivered> {
        match self {
            Self::Files(files) => files.send(parcel),
            Self::Syslog(syslog) => syslog.send(parcel).await,
            Self::Collector(collector) => collector.send(parcel).await,
        }
    }
}
