//! The decision log of a fleet: what proxies have decided (`docs/decision-log.md`).
//!
//! A [`batch`] becomes lines of [`files`], by one thread, the [`writer`], and goes on to the [`output`]s. The files are the record;
//! outputs get what they can take.

mod batch;
mod files;
mod known;
mod output;
mod resume;
mod writer;

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Semaphore, oneshot};

use self::batch::Batch;
use self::files::Files;
pub(crate) use self::files::Rotation;
use self::output::Tasks;
use self::writer::{Delivery, Identity, Job, Writer};
use super::metrics::DecisionMetrics;
use super::settings::DecisionSettings;
use crate::signing_key::SigningKey;

/// What batches may take that wait for the disk. Proxies keep what comes when there is no room.
const ROOM_BYTES: usize = 32 * 1024 * 1024;

/// How many batches may wait.
const MAX_WAITING: usize = 4096;

/// How long a proxy waits for the disk before it hears that it should try again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The decision log of a fleet.
pub(crate) struct DecisionLog {
    jobs: SyncSender<Job>,
    room: Arc<Semaphore>,
    running: Mutex<Option<Running>>,
}

/// What ends when the endpoint does.
struct Running {
    writer: JoinHandle<()>,
    outputs: Tasks,
}

/// Why a batch was not kept.
pub(crate) enum NotKept {
    /// It is not what it should be.
    Malformed(String),
    /// There is no room, or the disk does not take it, or not in time.
    Unavailable(String),
}

impl DecisionLog {
    /// Opens the files of a fleet, and takes up where an earlier run has ended.
    pub(crate) fn open(
        fleet: &str,
        settings: &DecisionSettings,
        key: SigningKey,
        metrics: DecisionMetrics,
    ) -> Result<Self, String> {
        let files = Files::open(&settings.folder, &settings.replica, settings.rotation)?;
        let (outputs, tasks) = output::start(fleet, settings, &metrics)?;
        let identity = Identity {
            fleet: fleet.to_owned(),
            replica: settings.replica.clone(),
            key,
            checkpoint_seconds: settings.checkpoint_seconds,
        };
        let writer = Writer::new(identity, files, outputs, metrics)
            .map_err(|error| format!("{}: {error}", settings.folder.display()))?;
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("decisions".to_owned());
        let writer = thread.spawn(move || writer.run(&waiting)).map_err(|error| format!("no thread: {error}"))?;
        let running = Mutex::new(Some(Running { writer, outputs: tasks }));
        Ok(Self { jobs, room: Arc::new(Semaphore::new(ROOM_BYTES)), running })
    }

    /// Keeps a batch: when this returns, it is on the disk.
    pub(crate) async fn keep(&self, text: Bytes) -> Result<(), NotKept> {
        let batch = Batch::parse(text).map_err(NotKept::Malformed)?;
        let full = || NotKept::Unavailable("the disk does not keep up; send it again".to_owned());
        let weight = u32::try_from(batch.weight()).map_err(|_| full())?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(weight).map_err(|_| full())?;
        let (reply, kept) = oneshot::channel();
        let delivery = Delivery { batch: Arc::new(batch), reply, _room: room };
        self.jobs.try_send(Job::Keep(delivery)).map_err(|error| match error {
            TrySendError::Full(_) => full(),
            TrySendError::Disconnected(_) => NotKept::Unavailable("the endpoint is shutting down".to_owned()),
        })?;
        match tokio::time::timeout(WRITE_TIMEOUT, kept).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(why))) => Err(NotKept::Unavailable(format!("it cannot be written: {why}"))),
            Ok(Err(_)) => Err(NotKept::Unavailable("the endpoint is shutting down".to_owned())),
            Err(_) => Err(full()),
        }
    }

    /// Writes the last checkpoint, and lets the outputs send what they have.
    pub(crate) async fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { writer, outputs }) = running else { return };
        let jobs = self.jobs.clone();
        let ended = tokio::task::spawn_blocking(move || {
            // If it has ended already there is nobody to tell.
            let _ = jobs.send(Job::End);
            writer.join()
        });
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::error!("the decision log did not end in good order");
        }
        outputs.finish().await;
    }
}
