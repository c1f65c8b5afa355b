//! A million decisions at full load, what became of their records, and what they cost.

use std::path::Path;

use anyhow::Result;
use comfy_table::Table;
use host_tests::control::LISTENER;
use host_tests::decisions::{Counts, Recorded};
use serde_json::{Value, json};

use super::load::Load;
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

/// Makes so many decisions; an error if a record is neither there nor counted.
pub(crate) fn measure(portcullis: &Path, enough: u64) -> Result<Counts> {
    let tokens = Tokens::new()?;
    let recorded = Recorded::start(portcullis, WORKERS, &filters::recorded_claim_rules(&tokens, KEY, RULES)?)?;
    let folder = tempfile::tempdir()?;
    let mut load = Load::write(folder.path(), "records", &lines(&tokens)?)?;
    let mut denials = 0_u64;
    while recorded.decisions()? < enough {
        let answers = load.send(CORE_OF_LOAD, recorded.envoy.address(LISTENER)?, SECONDS)?;
        denials = denials.saturating_add(u64::try_from(answers.refused)?);
    }
    recorded.end(denials, &[])
}

/// Requests in turns: one with a good token, and one without.
fn lines(tokens: &Tokens) -> Result<Vec<Line>> {
    let tokens = tokens.mint(Kind::Warm(KEY))?;
    let lines = scale::paths(RULES).into_iter().zip(tokens.into_iter().cycle());
    Ok(lines
        .flat_map(|(path, token)| [Line { path: path.clone(), token: Some(token) }, Line { path, token: None }])
        .collect())
}

/// For programs: the object `records` of the summary.
pub(crate) fn summary(counts: &Counts) -> Value {
    json!({
        "workers": WORKERS,
        "decisions": counts.decisions,
        "permits_recorded": counts.permits,
        "permits_lost": counts.lost_permits,
        "denials_recorded": counts.denials,
        "denials_lost": counts.lost_denials,
        "log_bytes": counts.bytes,
    })
}

/// For people.
pub(crate) fn show(counts: &Counts) -> Table {
    let mut table = table(["decisions at full load, 2 workers", "on record", "counted as lost"]);
    let all = counts.decisions.to_string();
    table.add_row([
        all,
        counts.recorded().to_string(),
        counts.lost_permits.saturating_add(counts.lost_denials).to_string(),
    ]);
    for (what, recorded, lost) in
        [("permits", counts.permits, counts.lost_permits), ("denials", counts.denials, counts.lost_denials)]
    {
        table.add_row([what.to_owned(), recorded.to_string(), lost.to_string()]);
    }
    table
}
