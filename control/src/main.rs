//! The `portcullis` command.

mod check;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Portcullis: authorization for proxies.
#[derive(Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check bundles and plugin configurations with the code that the proxy will read them with.
    ///
    /// Prints every error with its place, `FILE: PLACE: PROBLEM`, or one line about a file that is good. The exit code is 0
    /// if all files are good, 1 if one is refused, 2 if one cannot be read.
    #[command(
        after_help = "Examples:\n  portcullis check bundle.json\n  yq -r '.. | .configuration?.value? // empty' envoy.yaml | portcullis check -"
    )]
    Check {
        /// JSON files: bundles or plugin configurations; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of a format, for editors and other tools.
    #[command(after_help = "Example:\n  portcullis schema bundle > bundle.schema.json")]
    Schema {
        /// The format.
        format: Format,
    },
}

/// A format that others depend on.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Trusted issuers and rules.
    Bundle,
    /// What the proxy's configuration says to the filter.
    PluginConfiguration,
    /// What was decided about one request.
    DecisionRecord,
}

impl Format {
    const fn schema(self) -> &'static str {
        match self {
            Self::Bundle => include_str!("../../authz/schema/bundle.schema.json"),
            Self::PluginConfiguration => include_str!("../../authz/schema/plugin-configuration.schema.json"),
            Self::DecisionRecord => include_str!("../../authz/schema/decision-record.schema.json"),
        }
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check { files } => check::run(&files),
        Command::Schema { format } => {
            print!("{}", format.schema());
            ExitCode::SUCCESS
        }
    }
}
