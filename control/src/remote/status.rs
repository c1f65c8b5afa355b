//! `portcullis status`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

use super::{Endpoint, Remote, RemoteError, block_on};
use crate::source::one_line;

/// What is shown, and how.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Show who has made which epoch, and why, instead.
    #[arg(long)]
    history: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// How it is printed.
#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// A table, for people.
    Text,
    /// For programs: `portcullis schema fleet-status` and `fleet-history`.
    Json,
}

/// Shows a fleet.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let what = if arguments.history { "history" } else { "status" };
    let answer = arguments.endpoint.connect().and_then(|remote| block_on(remote.get(what)));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    let text = match arguments.output {
        Output::Json => format!("{answer}\n"),
        Output::Text if arguments.history => history(&answer),
        Output::Text => status(&answer),
    };
    // Whoever stops reading (`| head`) has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn status(answer: &Value) -> String {
    let at = number(answer, "/at");
    let mut text = match answer.pointer("/served/epoch").and_then(Value::as_u64) {
        None => format!("{}: nothing is served yet\n", shown(answer, "/fleet")),
        Some(epoch) => format!(
            "{}: epoch {epoch}, issued {} ago, fresh for {}\n",
            shown(answer, "/fleet"),
            duration(at.saturating_sub(number(answer, "/served/issued_at"))),
            duration(number(answer, "/served/expires_at").saturating_sub(at)),
        ),
    };
    let waiting = number(answer, "/newest_epoch");
    if waiting > number(answer, "/served/epoch") {
        text.push_str(&format!("epoch {waiting} waits for more signatures: portcullis sign\n"));
    }
    let mut proxies = table(&["proxy", "workers", "epoch", "age", "last error"]);
    for proxy in list(answer, "/proxies") {
        let epochs: BTreeSet<u64> = list(proxy, "/workers").map(|worker| number(worker, "/epoch")).collect();
        let epochs: Vec<String> = epochs.iter().map(u64::to_string).collect();
        let error = proxy.get("last_error").map(|error| {
            let age = duration(at.saturating_sub(number(error, "/at")));
            // There is none where no manifest came.
            let epoch = Some(number(error, "/epoch")).filter(|epoch| *epoch > 0);
            let epoch = epoch.map(|epoch| format!("epoch {epoch}, ")).unwrap_or_default();
            format!("{} ({epoch}{age} ago)", shown(error, "/reason"))
        });
        proxies.add_row([
            shown(proxy, "/proxy"),
            list(proxy, "/workers").count().to_string(),
            epochs.join(", "),
            duration(at.saturating_sub(number(proxy, "/seen_at"))),
            error.unwrap_or_default(),
        ]);
    }
    let mut issuers = table(&["issuer", "keys", "fetched", "error"]);
    for issuer in list(answer, "/issuers") {
        let fetched_at = issuer.get("fetched_at").and_then(Value::as_u64);
        let fetched = fetched_at.map(|fetched_at| format!("{} ago", duration(at.saturating_sub(fetched_at))));
        issuers.add_row([
            shown(issuer, "/issuer"),
            number(issuer, "/keys").to_string(),
            fetched.unwrap_or_else(|| "never".to_owned()),
            issuer.get("error").and_then(Value::as_str).map(one_line).unwrap_or_default(),
        ]);
    }
    for table in [proxies, issuers].into_iter().filter(|table| table.row_count() > 0) {
        text.push_str(&format!("\n{table}\n"));
    }
    text
}

fn history(answer: &Value) -> String {
    let mut epochs = table(&["epoch", "at", "who", "action", "what"]);
    for epoch in list(answer, "/epochs") {
        let at = i64::try_from(number(epoch, "/cause/at"))
            .ok()
            .and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
        epochs.add_row([
            number(epoch, "/epoch").to_string(),
            at.map(|at| format!("{} {:02}:{:02}:{:02}Z", at.date(), at.hour(), at.minute(), at.second()))
                .unwrap_or_default(),
            shown(epoch, "/cause/who"),
            shown(epoch, "/cause/action"),
            shown(epoch, "/cause/detail"),
        ]);
    }
    format!("{epochs}\n")
}

/// How many workers enforce an epoch, of how many that were heard of.
pub(super) async fn enforced(remote: &Remote, epoch: u64) -> Result<(usize, usize), RemoteError> {
    let answer = remote.get("status").await?;
    let workers: Vec<u64> = list(&answer, "/proxies")
        .flat_map(|proxy| list(proxy, "/workers"))
        .map(|worker| number(worker, "/epoch"))
        .collect();
    Ok((workers.iter().filter(|enforced| **enforced >= epoch).count(), workers.len()))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn shown(value: &Value, pointer: &str) -> String {
    one_line(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

/// Roughly, for people.
fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
