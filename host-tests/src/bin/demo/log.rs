//! The last part of the demo: the decision log of the bank, which its endpoint has kept, and the report about it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use comfy_table::{Cell, Color};
use host_tests::envoy::{Envoy, Ports, WORKERS};
use host_tests::workers::Workers;
use serde_json::{Value, json};

use crate::scene::{Fleet, LISTENER, envoy, run};

/// How many records are shown.
const SHOWN: usize = 12;

/// How often it is looked whether all workers have the policy, and whether all records are there, and how long is in between.
const ATTEMPTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// The bank's endpoint, which keeps what its proxy decides.
pub(crate) struct DecisionLog {
    fleet: Fleet,
    portcullis: PathBuf,
    folder: PathBuf,
}

impl DecisionLog {
    /// Publishes the bank's policy with a decision log in `target/demo`, under pseudonyms by a key of this demo.
    pub(crate) fn begin(portcullis: &Path, policy: &mut Value) -> Result<Self> {
        let folder = host_tests::repository().join("target/demo");
        if folder.exists() {
            // The log of the demo before has other keys.
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key)?;
        let key = URL_SAFE_NO_PAD.encode(key);
        std::fs::write(folder.join("pseudonym.key"), &key)?;
        let log = json!({ "to": ["control"], "fields": { "subject": "hash" }, "pseudonym_key": key });
        policy.as_object_mut().context("a policy is an object")?.insert("decision_log".to_owned(), log);
        let fleet = Fleet::with_decisions(portcullis, &folder.join("decisions"))?;
        std::fs::write(folder.join("trust.json"), fleet.trust()?.to_string())?;
        fleet.publish(policy)?;
        Ok(Self { fleet, portcullis: portcullis.to_owned(), folder })
    }

    /// A proxy whose every worker enforces the policy.
    pub(crate) fn envoy(&self, ports: Ports) -> Result<Envoy> {
        let envoy = envoy(&self.fleet, ports)?;
        let mut workers = Workers::connect(&envoy, LISTENER, WORKERS)?;
        for _ in 0..ATTEMPTS {
            if workers.epochs()?.iter().all(Option::is_some) {
                return Ok(envoy);
            }
            std::thread::sleep(PAUSE);
        }
        bail!("the policy does not reach every worker")
    }

    /// Shows what is in it, once so many decisions are, has it verified, and writes the report.
    pub(crate) fn show(self, decisions: usize) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if self.records()?.len() >= decisions {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let records = self.records()?;
        ensure!(records.len() == decisions, "{} records of {decisions} decisions", records.len());
        let mut table = super::table();
        table.set_header(["time", "decision", "who", "action", "route", "rule", "reason"]);
        records.iter().skip(decisions.saturating_sub(SHOWN)).for_each(|record| {
            table.add_row(cells(record));
        });
        println!(
            "The bank's decision log: the last {SHOWN} of {decisions} records. Who asked stands in it under a pseudonym.\n\n{table}\n"
        );
        let Self { fleet, portcullis, folder } = self;
        fleet.stop()?;
        let audit = |what: &str, options: &[&str]| {
            let mut command = Command::new(&portcullis);
            command.current_dir(&folder).args(["audit", what, "decisions", "--keys", "trust.json"]).args(options);
            run(&mut command)
        };
        println!("$ portcullis audit verify decisions --keys trust.json\n{}", audit("verify", &[])?);
        let report = folder.join("report.html");
        std::fs::write(&report, audit("report", &["--output", "html"])?)?;
        println!("Who accessed what, as a page for the browser: {}", report.display());
        println!("The log, and the key of its pseudonyms, are beside it.\n");
        Ok(())
    }

    /// The records in the order of time.
    fn records(&self) -> Result<Vec<Value>> {
        let mut records: Vec<Value> = Vec::new();
        for file in std::fs::read_dir(self.folder.join("decisions"))? {
            let text = std::fs::read_to_string(file?.path())?;
            // What the endpoint is just writing may be half a line.
            let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            records.extend(lines.filter(|line: &Value| line.get("decision").is_some()));
        }
        records.sort_by_key(|record| text(record, "/time").to_owned());
        Ok(records)
    }
}

fn cells(record: &Value) -> Vec<Cell> {
    let decision = text(record, "/decision");
    let color = if decision == "permit" { Color::Green } else { Color::Red };
    // The time of the day.
    let time = text(record, "/time").get(11..23).unwrap_or_default();
    let cell = |pointer| Cell::new(text(record, pointer));
    vec![
        Cell::new(time),
        Cell::new(decision).fg(color),
        cell("/principal/subject"),
        cell("/action"),
        cell("/resource/route"),
        cell("/rule"),
        cell("/reason"),
    ]
}

fn text<'r>(record: &'r Value, pointer: &str) -> &'r str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or("–")
}
