//! Which manifests may follow which: epochs never go back.

use super::activation::Activation;
use super::digest::Digest;
use super::manifest::Manifest;
use super::refusal::{RefusalReason, Refused};
use crate::time::UnixTime;

/// How far in the future a manifest may be issued, in seconds: clocks differ.
const MAX_CLOCK_DIFFERENCE_SECONDS: u64 = 300;

/// What was adopted last: no smaller epoch is ever adopted, and this one only with this payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its epoch.
    pub epoch: u64,
    /// The SHA-256 of its payload as it was signed.
    pub payload: Digest,
}

/// What follows from a manifest.
#[derive(Debug)]
pub enum Admission {
    /// Nothing: it is the one that was adopted.
    Unchanged,
    /// It is newer; its documents are to be supplied.
    New(Activation),
}

impl Manifest {
    /// How this manifest is remembered once it is adopted.
    pub const fn as_adopted(&self) -> Adopted {
        Adopted { epoch: self.payload.epoch, payload: self.digest }
    }

    /// Admits a manifest that has just come, if it is fresh and newer than what was `adopted` here. It may be the `floor`,
    /// which another worker of this host adopted when it was fresh, and nothing smaller.
    ///
    /// # Errors
    ///
    /// `rolled_back`, `epoch_reused`, `expired` or `not_yet_valid`.
    pub fn admit(
        self,
        adopted: Option<&Adopted>,
        floor: Option<&Adopted>,
        now: UnixTime,
    ) -> Result<Admission, Refused> {
        if !self.follows(adopted)? {
            return Ok(Admission::Unchanged);
        }
        if self.follows(floor)? {
            self.check_times(now)?;
        }
        Ok(Admission::New(Activation::new(self)))
    }

    /// Takes up again what was adopted before on this host, by another worker or an earlier VM: it was fresh then.
    ///
    /// # Errors
    ///
    /// `rolled_back` or `epoch_reused`.
    pub fn resume(self, floor: Option<&Adopted>) -> Result<Activation, Refused> {
        self.follows(floor)?;
        Ok(Activation::new(self))
    }

    /// Whether it is newer than what was adopted; an error if it must never be adopted after that.
    fn follows(&self, adopted: Option<&Adopted>) -> Result<bool, Refused> {
        let Some(adopted) = adopted else {
            return Ok(true);
        };
        let epoch = self.payload.epoch;
        if epoch < adopted.epoch {
            let detail = format!("epoch {epoch} is smaller than {}, which was adopted", adopted.epoch);
            return Err(Refused::new(RefusalReason::RolledBack, detail));
        }
        if epoch == adopted.epoch && self.digest != adopted.payload {
            return Err(Refused::new(
                RefusalReason::EpochReused,
                format!("epoch {epoch} was adopted with other content"),
            ));
        }
        Ok(epoch > adopted.epoch)
    }

    fn check_times(&self, now: UnixTime) -> Result<(), Refused> {
        if now >= self.payload.expires_at {
            let late = now.as_seconds().saturating_sub(self.payload.expires_at.as_seconds());
            return Err(Refused::new(RefusalReason::Expired, format!("it expired {late} seconds ago")));
        }
        if self.payload.issued_at > now.plus_seconds(MAX_CLOCK_DIFFERENCE_SECONDS) {
            let early = self.payload.issued_at.as_seconds().saturating_sub(now.as_seconds());
            return Err(Refused::new(
                RefusalReason::NotYetValid,
                format!("it was issued {early} seconds in the future"),
            ));
        }
        Ok(())
    }
}
