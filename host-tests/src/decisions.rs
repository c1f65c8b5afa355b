//! Decisions through real Envoy, whose records the real control endpoint keeps: each is in its files or was counted as lost, which denials
//! never are; the files verify; and nothing secret is in them or in a log.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Request;
use crate::control::{ControlEndpoint, DECISIONS, LISTENER};
use crate::envoy::Envoy;
use crate::secrets;
use crate::workers::Workers;

/// How often it is looked whether something is so, and how long is in between.
const ATTEMPTS: usize = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// For how many of these nothing has come any more, when all is there that will come.
const QUIET: usize = 30;

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Decisions that were made, by Envoy's own count of requests.
    pub decisions: u64,
    /// Records of permits.
    pub permits: u64,
    /// Records of denials.
    pub denials: u64,
    /// Records of permits that there was no room for.
    pub lost_permits: u64,
    /// Records of denials that there was no room for.
    pub lost_denials: u64,
    /// The size of the files.
    pub bytes: u64,
}

/// What counts of a line of the log.
#[derive(Deserialize)]
struct Entry {
    decision: Option<String>,
    #[serde(default)]
    lost: Lost,
}

#[derive(Default, Deserialize)]
struct Lost {
    permit: u64,
    deny: u64,
}

/// An Envoy that decides by the policy of an endpoint that keeps its records.
pub struct Recorded {
    /// The proxy.
    pub envoy: Envoy,
    workers: Workers,
    endpoint: ControlEndpoint,
    portcullis: PathBuf,
    folder: TempDir,
    /// Of the endpoint and of the policy.
    secrets: Vec<String>,
    /// How many requests there were before.
    before: u64,
}

impl Recorded {
    /// Starts both, with so many workers.
    ///
    /// # Errors
    ///
    /// One does not start, or the policy is none.
    pub fn start(portcullis: &Path, workers: usize, policy: &Value) -> Result<Self> {
        let portcullis = portcullis.canonicalize()?;
        let folder = tempfile::tempdir()?;
        let (endpoint, trust) = ControlEndpoint::start_new(&portcullis, folder.path())?;
        std::fs::write(folder.path().join("trust.json"), trust.to_string())?;
        endpoint.publish(policy)?;
        let envoy = endpoint.start_envoy(workers, &trust)?;
        let mut workers = Workers::connect(&envoy, LISTENER, workers)?;
        wait("the policy reaches every worker", || Ok(workers.epochs()?.iter().all(Option::is_some)))?;
        let before = requests(&envoy)?;
        let secrets = [ControlEndpoint::secrets(folder.path())?, secrets::of_configuration(policy)].concat();
        Ok(Self { envoy, workers, endpoint, portcullis, folder, secrets, before })
    }

    /// How many decisions were made.
    ///
    /// # Errors
    ///
    /// Envoy does not say.
    pub fn decisions(&self) -> Result<u64> {
        Ok(requests(&self.envoy)?.saturating_sub(self.before))
    }

    /// Ends both; what was recorded. `denials` is how many requests were refused, as far as their clients know.
    ///
    /// # Errors
    ///
    /// A decision is neither on record nor counted as lost, the log does not verify, or something secret is in it, or in what the endpoint
    /// or Envoy says: `secrets` are those of the requests.
    pub fn end(mut self, denials: u64, secrets: &[String]) -> Result<Counts> {
        let hidden = [&self.secrets, secrets].concat();
        let log = self.folder.path().join(DECISIONS);
        wait_until_quiet(&log)?;
        // What a worker lost last stands in its next record.
        let last = self.workers.ask(&Request::get("/nobody"))?;
        ensure!(last.iter().all(|status| *status == 401), "{last:?}");
        wait_until_quiet(&log)?;
        let decisions = self.decisions()?;
        let said = [self.endpoint.stop()?, self.envoy.error_log()?];
        said.iter().try_for_each(|text| secrets::ensure_hidden(text, &hidden))?;
        let counts = Counts { decisions, ..count(&log, &hidden)? };
        counts.ensure_complete(denials)?;
        let mut verify = Command::new(&self.portcullis);
        verify.current_dir(&self.folder).args(["audit", "verify", DECISIONS, "--keys", "trust.json"]);
        let verified = verify.output()?;
        ensure!(verified.status.success(), "the log does not verify: {}", String::from_utf8_lossy(&verified.stdout));
        Ok(counts)
    }
}

impl Counts {
    /// Records of either.
    pub const fn recorded(&self) -> u64 {
        self.permits.saturating_add(self.denials)
    }

    fn ensure_complete(&self, denials: u64) -> Result<()> {
        let known = self.recorded().saturating_add(self.lost_permits).saturating_add(self.lost_denials);
        ensure!(known == self.decisions, "{known} of {} decisions are on record or counted as lost", self.decisions);
        ensure!(self.lost_denials == 0, "{} denials were lost", self.lost_denials);
        ensure!(self.denials >= denials, "{} of {denials} denials are on record", self.denials);
        Ok(())
    }
}

/// How many requests Envoy has had, by its own count.
fn requests(envoy: &Envoy) -> Result<u64> {
    let counts = envoy.admin("/stats?filter=^http%5C..*%5C.downstream_rq_total$")?;
    let counts = counts.lines().filter(|line| !line.starts_with("http.admin."));
    let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

fn wait(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..ATTEMPTS {
        if is_so()? {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    anyhow::bail!("it is not so: {what}")
}

/// Waits until nothing comes any more.
fn wait_until_quiet(log: &Path) -> Result<()> {
    let (mut before, mut quiet) = (0, 0_usize);
    wait("the log is complete", || {
        let files = std::fs::read_dir(log)?.map(|file| Ok(file?.metadata()?.len())).collect::<Result<Vec<u64>>>()?;
        let bytes = files.into_iter().sum();
        quiet = if bytes == before { quiet.saturating_add(1) } else { 0 };
        before = bytes;
        Ok(quiet >= QUIET)
    })
}

/// What is in the files.
fn count(log: &Path, hidden: &[String]) -> Result<Counts> {
    let mut counts = Counts::default();
    for file in std::fs::read_dir(log)? {
        let file = file?;
        counts.bytes = counts.bytes.saturating_add(file.metadata()?.len());
        for line in BufReader::new(File::open(file.path())?).lines() {
            let line = line?;
            secrets::ensure_hidden(&line, hidden)?;
            let entry: Entry = serde_json::from_str(&line)?;
            let of_kind = match entry.decision.as_deref() {
                Some("permit") => &mut counts.permits,
                Some("deny") => &mut counts.denials,
                // A checkpoint.
                _ => continue,
            };
            *of_kind = of_kind.saturating_add(1);
            counts.lost_permits = counts.lost_permits.saturating_add(entry.lost.permit);
            counts.lost_denials = counts.lost_denials.saturating_add(entry.lost.deny);
        }
    }
    Ok(counts)
}
