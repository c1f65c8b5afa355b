//! What a decision costs, side by side in one run: in Envoy beside its own filters, and by the number of rules natively and in
//! instructions of the module.
//!
//! One Envoy process for each figure stands on one core of the machine, the load generator on another. The figure is the CPU time of
//! the Envoy process for each request, user and system. Repetitions are interleaved, so that what else the machine does falls on
//! all; medians count, and every raw figure is in the summary.

mod filters;
mod load;
mod measurement;
mod push;
mod records;
mod report;
mod revocations;
mod scale;
mod scenario;
mod service;
mod tokens;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Parser;
use host_tests::signature_speed;

use measurement::Bench;
use push::Push;
use revocations::Revocations;

/// Measure what a decision costs, beside Envoy's own filters.
#[derive(Parser)]
struct Arguments {
    /// The module in which signatures are verified by us and by `jwt-simple`.
    signatures: PathBuf,
    /// The `portcullis` command, for the control endpoint of pushes.
    portcullis: PathBuf,
    /// How often each figure is taken, each time in a process of its own: short and often rather than long, for what else the machine does
    /// changes; the median counts.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// How long each window of a figure is, in seconds: there are three in each process, and the least counts.
    #[arg(long, default_value_t = 1)]
    seconds: u64,
    /// Only the scenarios whose name has this in it, and no ratios that lack one. `push` is how long pushes take, `records` what
    /// becomes of the records of a million decisions and what they cost.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let only = arguments.only.as_deref();
    let is_wanted = |part: &str| only.is_none_or(|only| only == part);
    let push = is_wanted("push").then(|| push::measure(&arguments.portcullis, push::PUSHES)).transpose()?;
    let records = is_wanted("records").then(|| records::measure(&arguments.portcullis, records::ENOUGH)).transpose()?;
    let is_whole = only.is_none();
    let scales = if is_whole { scale::measure()? } else { Vec::new() };
    let revoked = if is_whole { Some(revocations::measure()?) } else { None };
    let engines = if is_whole { signature_speed::measure(&arguments.signatures)? } else { Vec::new() };
    let scenarios = scenario::all(arguments.only.as_deref().unwrap_or_default())?;
    let figures = Bench::prepare(scenarios)?.run(arguments.repetitions, arguments.seconds)?;
    let mut summary = report::summary(&figures, &scales, &engines);
    let more = [
        ("push", push.as_ref().map(Push::summary)),
        ("records", records.as_ref().map(records::summary)),
        ("revoked", revoked.as_ref().map(Revocations::summary)),
    ];
    if let Some(members) = summary.as_object_mut() {
        members.extend(more.into_iter().filter_map(|(name, summary)| Some((name.to_owned(), summary?))));
    }
    let schema = serde_json::from_str(include_str!("../../../bench-summary.schema.json"))?;
    jsonschema::validate(&schema, &summary)
        .map_err(|error| anyhow!("the summary is not what its schema says: {error}"))?;
    let folder = host_tests::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("summary.json"), serde_json::to_string_pretty(&summary)?)?;
    let more =
        [revoked.as_ref().map(Revocations::table), push.as_ref().map(Push::table), records.as_ref().map(records::show)];
    let page = report::page(&figures, &scales, &engines, &summary);
    let page = more.into_iter().flatten().fold(page, |page, table| format!("{page}\n{table}\n"));
    fs::write(folder.join("report.md"), &page)?;
    println!("{page}");
    Ok(())
}

/// The median of some figures; of an even number of them, what lies between the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = |length: usize| values.get(length.div_euclid(2)).copied().unwrap_or_default();
    f64::midpoint(middle(values.len()), middle(values.len().saturating_sub(1)))
}
