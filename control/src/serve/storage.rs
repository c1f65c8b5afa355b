//! Where everything is kept: a folder, or a bucket of an S3-compatible store. Several replicas may share one.
//!
//! Objects are made once and never changed, so that "it is there already" is the whole of the agreement between replicas.
//! The few that are replaced (`status`, `issuers`) are about one replica, or may be any replica's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, RetryConfig,
};

use super::settings::StorageSettings;

/// How long a store may take to answer before the attempt counts as failed.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// A store.
#[derive(Clone)]
pub(crate) struct Storage {
    store: Arc<dyn ObjectStore>,
}

/// The store did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct StorageError(String);

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store failed: {}", self.0)
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        Self(error.to_string())
    }
}

/// What became of an object that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// It is there now.
    Created,
    /// Somebody else has made one of this name.
    Exists,
}

impl Storage {
    /// Opens a store.
    pub(crate) fn open(settings: &StorageSettings) -> Result<Self, StorageError> {
        let store: Arc<dyn ObjectStore> = match settings {
            StorageSettings::Folder(folder) => {
                let unusable = |error| StorageError(format!("{}: {error}", folder.display()));
                std::fs::create_dir_all(folder).map_err(unusable)?;
                Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
            }
            StorageSettings::S3 { bucket, region, endpoint, allow_http } => {
                let retry =
                    RetryConfig { backoff: BackoffConfig::default(), max_retries: 5, retry_timeout: STORE_TIMEOUT };
                let options = ClientOptions::new().with_allow_http(*allow_http).with_timeout(STORE_TIMEOUT);
                // Credentials come from the environment: AWS_ACCESS_KEY_ID, web identity, or the instance.
                let mut builder = AmazonS3Builder::from_env()
                    .with_client_options(options)
                    .with_bucket_name(bucket)
                    .with_region(region)
                    .with_retry(retry);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Arc::new(builder.build()?)
            }
        };
        Ok(Self { store })
    }

    /// An object; none if there is none.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Bytes>, StorageError> {
        match self.store.get(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an object, unless there is one of that name: the compare-and-swap upon which replicas agree.
    pub(crate) async fn create(&self, path: &str, content: Bytes) -> Result<Creation, StorageError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&Path::from(path), PutPayload::from_bytes(content.clone()), options).await {
            Ok(_) => Ok(Creation::Created),
            // An answer that was lost on its way makes us find our own object. Two of ours are never the same.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                let ours = self.read(path).await?.is_some_and(|found| found == content);
                Ok(if ours { Creation::Created } else { Creation::Exists })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes or replaces an object.
    pub(crate) async fn replace(&self, path: &str, content: Bytes) -> Result<(), StorageError> {
        self.store.put(&Path::from(path), PutPayload::from_bytes(content)).await?;
        Ok(())
    }

    /// Removes an object that nobody needs any more; if that fails it is merely still there.
    pub(crate) async fn remove(&self, path: &str) {
        let _ = self.store.delete(&Path::from(path)).await;
    }

    /// The names of the objects in a folder, in order.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let prefix = Path::from(folder);
        let objects: Vec<_> = self.store.list(Some(&prefix)).try_collect().await?;
        let mut names: Vec<String> =
            objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }
}
