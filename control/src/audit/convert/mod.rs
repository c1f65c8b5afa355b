//! Records in the formats of SIEMs. The files keep them as they are; these are for those who read them elsewhere.
//!
//! What a format has no field for stays under the name that it has in the record: nothing is lost on the way but the chain.

mod cef;
mod ecs;
mod ocsf;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::checkpoint;
use super::record::{Line, Outcome, Record, Who};
use crate::check::{REFUSED, UNREADABLE};

/// The name of this product, for those who read the logs of many.
const PRODUCT: &str = "Portcullis";

/// What is converted.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// Files of the decision log; standard input if there are none, or for `-`.
    files: Vec<PathBuf>,
}

/// Converts files to standard output.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let standard_input = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() { &standard_input[..] } else { &arguments.files };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut code = 0;
    for file in files {
        match open(file).and_then(|lines| convert(file, lines, arguments.format, &mut out)) {
            Ok(true) => {}
            Ok(false) => code = code.max(REFUSED),
            // Whoever stops reading (`| head`) has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return code.into(),
            Err(error) => {
                eprintln!("{}: cannot be read: {error}", file.display());
                code = UNREADABLE;
            }
        }
    }
    drop(out.flush());
    code.into()
}

fn open(file: &Path) -> std::io::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        Ok(Box::new(std::io::stdin().lock()))
    } else {
        Ok(Box::new(BufReader::new(File::open(file)?)))
    }
}

/// Whether every line was a record or a checkpoint.
fn convert(file: &Path, lines: impl BufRead, format: Format, out: &mut impl Write) -> std::io::Result<bool> {
    let mut is_good = true;
    for (index, line) in lines.split(b'\n').enumerate() {
        let line = line?;
        if checkpoint::jws(&line).is_some() {
            continue;
        }
        match Line::new(&line).parse() {
            Ok((record, _)) => {
                out.write_all(&format.write(&line, &record))?;
                out.write_all(b"\n")?;
            }
            Err(why) => {
                eprintln!("{}:{}: {why}", file.display(), index.saturating_add(1));
                is_good = false;
            }
        }
    }
    Ok(is_good)
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As it is.
    Record,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework: API Activity (6003).
    Ocsf,
    /// Common Event Format.
    Cef,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Record, Self::Ecs, Self::Ocsf, Self::Cef];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
            Self::Cef => "cef",
        }
    }

    /// One line, without its end.
    pub(crate) fn write(self, line: &[u8], record: &Record) -> Vec<u8> {
        match self {
            Self::Record => line.to_vec(),
            Self::Ecs => ecs::event(record).to_string().into_bytes(),
            Self::Ocsf => ocsf::event(record).to_string().into_bytes(),
            Self::Cef => cef::event(record).into_bytes(),
        }
    }
}

impl Record {
    const fn is_permit(&self) -> bool {
        matches!(self.decision, Outcome::Permit)
    }

    /// What was asked for, in a few words: `GET /orders/{id}`.
    fn operation(&self) -> String {
        let action = self.action.as_deref().unwrap_or("unknown");
        self.route().map_or_else(|| action.to_owned(), |route| format!("{action} {route}"))
    }

    /// One sentence for people.
    fn message(&self) -> String {
        format!("{} {}: {}", self.decision.name(), self.operation(), self.reason)
    }

    /// What formats have no field for.
    fn others(&self) -> Map<String, Value> {
        let who = self.principal.as_ref();
        let claims = who.map(|who| &who.claims).filter(|claims| !claims.is_empty());
        let further = Some(&self.further_principals).filter(|further| !further.is_empty());
        let obligations = Some(&self.obligations).filter(|obligations| !obligations.is_empty());
        members([
            ("worker", Some(json!(self.worker))),
            ("credential", who.map(|who| json!(who.credential))),
            ("claims", claims.map(|claims| json!(claims))),
            ("further_principals", further.map(|further| json!(further))),
            ("obligations", obligations.map(|obligations| json!(obligations))),
            ("latency_class", Some(json!(self.latency_class))),
            ("shadow", self.shadow.as_ref().map(|shadow| json!(shadow))),
            ("candidate", self.candidate.as_ref().map(|candidate| json!(candidate))),
            ("audit", self.audit.map(Value::from)),
            ("unsampled", self.unsampled.map(Value::from)),
            ("lost", self.lost.map(|lost| json!(lost))),
        ])
    }
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

/// A value of the first principal.
fn who<'r>(record: &'r Record, part: impl Fn(&'r Who) -> Option<&'r String>) -> Option<&'r str> {
    record.principal.as_ref().and_then(part).map(String::as_str)
}

/// The members that are there.
fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// An object with the members that are there; none without any.
fn object<const N: usize>(parts: [(&str, Option<Value>); N]) -> Option<Value> {
    Some(members(parts)).filter(|members| !members.is_empty()).map(Value::Object)
}
