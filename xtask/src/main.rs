//! Builds, tests and shows Portcullis. Every command installs what it needs, from package registries only, into
//! `target/tools`; each fails with a sentence that says what is missing.

mod branch_hints;
mod module;
mod node;
mod time_zones;
mod tools;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xshell::{Shell, cmd};

/// Build, test and show Portcullis.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the module that proxies load, into dist/portcullis.wasm.
    Build,
    /// Start Envoy with the module and the policy in examples/bank, send it good and bad requests, and print what became of each; then
    /// the same with a policy, keys and revocations that a control endpoint pushes, and how soon they are enforced.
    Demo {
        /// Leave Envoy running and print curl lines to try.
        #[arg(long)]
        keep: bool,
    },
    /// Measure what a decision costs, beside Envoy's own filters, and what a signature costs in WebAssembly, beside jwt-simple: the summary is target/bench/summary.json, for people there is
    /// target/bench/report.md. It takes about a quarter of an hour, on a machine that does nothing else.
    Bench {
        /// Options of the measurement: `--repetitions`, `--seconds`, `--only`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Check formatting, lints, documentation and dependencies.
    Lint,
    /// Check the dependencies against the RustSec advisory database (needs access to it).
    Audit,
    /// Run every test: natively, in Node, in the strict host and in a real Envoy.
    Test,
    /// Make authz/time-zones.txt, the time zones that the module knows, from the IANA time zone database.
    TimeZones,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let sh = Shell::new()?;
    sh.change_dir(tools::repository()?);
    match command {
        Command::Build => module::build(&sh, "dev").map(|path| println!("{}", path.display())),
        Command::Demo { keep } => demo(&sh, keep),
        Command::Bench { options } => bench(&sh, &options),
        Command::Lint => lint(&sh),
        Command::Audit => audit(&sh),
        Command::Test => test(&sh),
        Command::TimeZones => time_zones::write(&sh).map(|path| println!("{}", path.display())),
    }
}

fn demo(sh: &Shell, keep: bool) -> Result<()> {
    let keep = keep.then_some("--keep");
    module::build(sh, "dev")?;
    let envoy = tools::envoy(sh)?;
    let policy = sh.current_dir().join("dist").join("bank.json");
    cmd!(sh, "cargo run --quiet --package control -- build examples/bank --plugin-configuration --output {policy}")
        .quiet()
        .run()?;
    let portcullis = sh.current_dir().join("target/debug/portcullis");
    let _env = sh.push_env("ENVOY_PATH", envoy);
    let _path = sh.push_env("PATH", path_with(sh, &node::node(sh)?)?);
    let _provider = sh.push_env("PROVIDER_PATH", node::provider(sh)?);
    Ok(cmd!(sh, "cargo run --quiet --package host-tests --bin demo -- {policy} {portcullis} {keep...}")
        .quiet()
        .run()?)
}

fn bench(sh: &Shell, options: &[String]) -> Result<()> {
    tools::debian_package(sh, "wrk", "wrk")?;
    tools::debian_package(sh, "taskset", "util-linux")?;
    module::build(sh, "release")?;
    let envoy = tools::envoy(sh)?;
    let signatures = module::build_signature_speed(sh)?;
    cmd!(sh, "cargo build --quiet --release --package control").quiet().run()?;
    let portcullis = sh.current_dir().join("target/release/portcullis");
    let _env = sh.push_env("ENVOY_PATH", envoy);
    let _path = sh.push_env("PATH", path_with(sh, &node::node(sh)?)?);
    let bench = cmd!(
        sh,
        "cargo run --quiet --release --package host-tests --bin bench -- {signatures} {portcullis} {options...}"
    );
    Ok(bench.quiet().run()?)
}

/// The path of programs with a folder before it.
fn path_with(sh: &Shell, folder: &Path) -> Result<OsString> {
    let path = sh.var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path)))?)
}

fn test(sh: &Shell) -> Result<()> {
    module::build(sh, "dev")?;
    let runner = tools::wasm_bindgen_test_runner(sh)?;
    let _path = sh.push_env("PATH", path_with(sh, &node::node(sh)?)?);
    {
        // The core's own tests, compiled to WebAssembly, in Node.
        let _runner = sh.push_env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
        cmd!(sh, "cargo test --package authz --lib --target wasm32-unknown-unknown").run()?;
    }
    let _envoy = sh.push_env("ENVOY_PATH", tools::envoy(sh)?);
    let _provider = sh.push_env("PROVIDER_PATH", node::provider(sh)?);
    let _store = sh.push_env("S3_SERVER_PATH", tools::s3_server(sh)?);
    let _jose = sh.push_env("JOSE_PATH", tools::jose_library(sh)?);
    let _collector = sh.push_env("OTLP_PATH", tools::otlp(sh)?);
    let _daemon = sh.push_env("RSYSLOG_PATH", tools::rsyslog(sh)?);
    let _promtool = sh.push_env("PROMTOOL_PATH", tools::promtool(sh)?);
    Ok(cmd!(sh, "cargo test --workspace").run()?)
}

fn lint(sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo fmt --all --check").run()?;
    cmd!(sh, "cargo clippy --workspace --all-targets --quiet -- --deny warnings").run()?;
    tools::wasm_targets(sh)?;
    cmd!(sh, "cargo clippy --package filter --target wasm32-wasip1 --quiet -- --deny warnings").run()?;
    {
        let _env = sh.push_env("RUSTDOCFLAGS", "--deny warnings");
        cmd!(sh, "cargo doc --workspace --no-deps --document-private-items --quiet").run()?;
    }
    let deny = tools::cargo_deny(sh)?;
    Ok(cmd!(sh, "{deny} --workspace check bans licenses sources").run()?)
}

fn audit(sh: &Shell) -> Result<()> {
    let deny = tools::cargo_deny(sh)?;
    Ok(cmd!(sh, "{deny} --workspace check advisories").run()?)
}
