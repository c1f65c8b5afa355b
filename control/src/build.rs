//! `portcullis build`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use authz::{Bundle, PluginConfiguration};
use clap::Args;

use crate::check::{UNREADABLE, report};
use crate::replace::replace;
use crate::source::Source;

/// What is built, and where it goes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder, a YAML or JSON file, or `-` for standard input.
    #[arg(default_value = ".")]
    policy: PathBuf,
    /// Write the bundle to this file, which is replaced in one step; without it, it is printed.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// The revision of the bundle, instead of the one in the policy.
    #[arg(long)]
    revision: Option<u64>,
    /// Build the plugin configuration that Envoy hands to the filter: a version, and the bundle within.
    #[arg(long)]
    plugin_configuration: bool,
}

/// Prints or writes the bundle, if it is good; the exit codes are those of `check`.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let built = Source::load(&arguments.policy).and_then(|source| {
        let source = arguments.revision.into_iter().fold(source, Source::with_revision);
        if arguments.plugin_configuration {
            let source = source.into_plugin_configuration();
            return source.parse(PluginConfiguration::parse).map(|_| source);
        }
        source.parse(Bundle::parse).map(|_| source)
    });
    match built {
        Ok(source) => deliver(&source.to_json(), arguments.output.as_deref()),
        Err(error) => report(&error).into(),
    }
}

/// Prints text, or writes it to a file.
pub(crate) fn deliver(bundle: &[u8], output: Option<&Path>) -> ExitCode {
    let line = [bundle, b"\n"].concat();
    let (delivered, place) = match output {
        Some(file) => (replace(file, &line), file.display().to_string()),
        None => (std::io::stdout().write_all(&line), "standard output".to_owned()),
    };
    match delivered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{place}: cannot be written: {error}");
            UNREADABLE.into()
        }
    }
}
