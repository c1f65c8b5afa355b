//! The memory of what was used once, shared by all workers through the host's shared data.
//!
//! Shared data is never evicted by the host, so it is kept in a fixed number of buckets, each with a bounded number of
//! entries; entries that are of no use any more are dropped when a bucket is written. A bucket that is full refuses: what
//! cannot be remembered must not pass. So does one in whose place there is something else: it is never replaced, because what
//! was used would be forgotten with it.

use authz::{UnixTime, UseOnce};

use crate::host::{self, HostError, HostKind, Stored};
use crate::seal;

/// The number of buckets, so that workers seldom write the same one.
const BUCKETS: u8 = 64;

/// Most live entries of a bucket: 260,000 in all, 6 MiB; with proofs that are good for a minute, 4,300 a second.
const MAX_ENTRIES: usize = 4096;

/// How often it is tried again after another worker was faster, or was writing what was read.
const ATTEMPTS: usize = 32;

/// Key and end of life.
const ENTRY_BYTES: usize = UseOnce::KEY_BYTES + 8;

/// Claims something that may be used once. `false` if it was used before.
pub(crate) fn claim(kind: HostKind, once: &UseOnce, now: UnixTime) -> Result<bool, HostError> {
    let bucket = once.key().first().map_or(0, |byte| byte % BUCKETS);
    let name = format!("portcullis.once.{bucket}");
    for _ in 0..ATTEMPTS {
        let (value, version) = host::shared_data(&name)?;
        let bucket = match version {
            None => Vec::new(),
            Some(_) => match seal::open(&name, value) {
                Some(bucket) => bucket,
                None => continue,
            },
        };
        let live = Bucket::live(&bucket, now);
        if live.contains(once) {
            return Ok(false);
        }
        if host::set_shared_data(kind, &name, &seal::seal(&name, live.with(once)?), version)? == Stored::Yes {
            return Ok(true);
        }
    }
    Err(HostError)
}

/// The entries of a bucket that are still of use.
struct Bucket(Vec<u8>);

impl Bucket {
    fn live(bytes: &[u8], now: UnixTime) -> Self {
        let until = |entry: &[u8]| Some(u64::from_le_bytes(*entry.get(UseOnce::KEY_BYTES..)?.first_chunk()?));
        let is_live = |entry: &&[u8]| until(entry).is_some_and(|until| until > now.as_millis());
        Self(bytes.chunks_exact(ENTRY_BYTES).filter(is_live).flatten().copied().collect())
    }

    fn contains(&self, once: &UseOnce) -> bool {
        self.0.chunks_exact(ENTRY_BYTES).any(|entry| entry.starts_with(once.key()))
    }

    fn with(self, once: &UseOnce) -> Result<Vec<u8>, HostError> {
        let Self(mut bytes) = self;
        if bytes.len() >= MAX_ENTRIES * ENTRY_BYTES {
            return Err(HostError);
        }
        bytes.extend(once.key());
        bytes.extend(once.until().as_millis().to_le_bytes());
        Ok(bytes)
    }
}
