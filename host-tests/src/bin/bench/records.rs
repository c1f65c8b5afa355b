//! A million decisions at full load, and what became of their records: each is in the files of the control endpoint, or was counted as lost,
//! which denials never are. The endpoint is the real one, on the same machine.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use comfy_table::Table;
use host_tests::client::Request;
use host_tests::control::{ControlEndpoint, DECISIONS};
use host_tests::envoy::Envoy;
use host_tests::workers::Workers;
use serde::Deserialize;
use serde_json::{Value, json};

use super::load::Load;
use super::push::{self, LISTENER};
use super::report::table;
use super::scenario::Line;
use super::tokens::{Kind, Tokens};
use super::{filters, scale};

/// How many decisions that are at least.
pub(crate) const ENOUGH: u64 = 1_000_000;

const WORKERS: usize = 2;
const KEY: &str = "es256";
const RULES: usize = 100;

/// Where the load comes from, and for how long before it is counted again.
const CORE_OF_LOAD: usize = 1;
const SECONDS: u64 = 5;

/// How often it is looked whether something is so, and how long is in between.
const ATTEMPTS: usize = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// For how many of these nothing has come any more, when all is there that will come.
const QUIET: usize = 30;

/// What was counted.
#[derive(Default)]
pub(crate) struct Records {
    decisions: u64,
    permits: u64,
    denials: u64,
    lost_permits: u64,
    lost_denials: u64,
    bytes: u64,
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

/// Makes so many decisions; an error if a record is neither there nor counted.
pub(crate) fn measure(portcullis: &Path, enough: u64) -> Result<Records> {
    let portcullis = portcullis.canonicalize()?;
    let folder = tempfile::tempdir()?;
    let (endpoint, trust) = ControlEndpoint::start_new(&portcullis, folder.path())?;
    std::fs::write(folder.path().join("trust.json"), trust.to_string())?;
    let tokens = Tokens::new()?;
    endpoint.publish(&filters::recorded_claim_rules(&tokens, KEY, RULES)?)?;
    let envoy = push::start_envoy(WORKERS, &endpoint, &trust)?;
    let mut workers = Workers::connect(&envoy, LISTENER, WORKERS)?;
    wait("the policy reaches every worker", || Ok(workers.epochs()?.iter().all(Option::is_some)))?;
    let before = requests(&envoy)?;
    let mut load = Load::write(folder.path(), "records", &lines(&tokens)?)?;
    let mut denials = 0_u64;
    while requests(&envoy)?.saturating_sub(before) < enough {
        let answers = load.send(CORE_OF_LOAD, envoy.address(LISTENER)?, SECONDS)?;
        denials = denials.saturating_add(u64::try_from(answers.refused)?);
    }
    let log = folder.path().join(DECISIONS);
    wait_until_quiet(&log)?;
    // What a worker lost last stands in its next record.
    let last = workers.ask(&Request::get("/nobody"))?;
    ensure!(last.iter().all(|status| *status == 401), "{last:?}");
    wait_until_quiet(&log)?;
    let decisions = requests(&envoy)?.saturating_sub(before);
    endpoint.stop()?;
    let records = Records { decisions, ..count(&log)? };
    records.ensure_complete(denials)?;
    let mut verify = Command::new(&portcullis);
    verify.current_dir(&folder).args(["audit", "verify", DECISIONS, "--keys", "trust.json"]);
    let verified = verify.output()?;
    ensure!(verified.status.success(), "the log does not verify: {}", String::from_utf8_lossy(&verified.stdout));
    Ok(records)
}

/// Requests in turns: one with a good token, and one without.
fn lines(tokens: &Tokens) -> Result<Vec<Line>> {
    let tokens = tokens.mint(Kind::Warm(KEY))?;
    let lines = scale::paths(RULES).into_iter().zip(tokens.into_iter().cycle());
    Ok(lines
        .flat_map(|(path, token)| [Line { path: path.clone(), token: Some(token) }, Line { path, token: None }])
        .collect())
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
fn count(log: &Path) -> Result<Records> {
    let mut records = Records::default();
    for file in std::fs::read_dir(log)? {
        let file = file?;
        records.bytes = records.bytes.saturating_add(file.metadata()?.len());
        for line in BufReader::new(File::open(file.path())?).lines() {
            let entry: Entry = serde_json::from_str(&line?)?;
            let of_kind = match entry.decision.as_deref() {
                Some("permit") => &mut records.permits,
                Some("deny") => &mut records.denials,
                // A checkpoint.
                _ => continue,
            };
            *of_kind = of_kind.saturating_add(1);
            records.lost_permits = records.lost_permits.saturating_add(entry.lost.permit);
            records.lost_denials = records.lost_denials.saturating_add(entry.lost.deny);
        }
    }
    Ok(records)
}

impl Records {
    fn recorded(&self) -> u64 {
        self.permits.saturating_add(self.denials)
    }

    /// `denials` is how many answers the load generator has counted as refused.
    fn ensure_complete(&self, denials: u64) -> Result<()> {
        let known = self.recorded().saturating_add(self.lost_permits).saturating_add(self.lost_denials);
        ensure!(known == self.decisions, "{known} of {} decisions are on record or counted as lost", self.decisions);
        ensure!(self.lost_denials == 0, "{} denials were lost", self.lost_denials);
        ensure!(self.denials >= denials, "{} of {denials} denials are on record", self.denials);
        Ok(())
    }

    /// For programs: the object `records` of the summary.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "workers": WORKERS,
            "decisions": self.decisions,
            "permits_recorded": self.permits,
            "permits_lost": self.lost_permits,
            "denials_recorded": self.denials,
            "denials_lost": self.lost_denials,
            "log_bytes": self.bytes,
        })
    }

    /// For people.
    pub(crate) fn table(&self) -> Table {
        let mut table = table(["decisions at full load, 2 workers", "on record", "counted as lost"]);
        let all = self.decisions.to_string();
        table.add_row([
            all,
            self.recorded().to_string(),
            self.lost_permits.saturating_add(self.lost_denials).to_string(),
        ]);
        for (what, recorded, lost) in
            [("permits", self.permits, self.lost_permits), ("denials", self.denials, self.lost_denials)]
        {
            table.add_row([what.to_owned(), recorded.to_string(), lost.to_string()]);
        }
        table
    }
}
