//! The `portcullis` command.

mod audit;
mod build;
mod check;
mod explain;
mod findings;
mod fmt;
mod github;
mod init;
mod keygen;
mod kong;
mod lint;
mod public_keys;
mod random;
mod remote;
mod replace;
mod serve;
mod signing_key;
mod source;
mod test;
mod trial;

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Portcullis: authorization for proxies.
#[derive(Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a starter policy with its tests, with comments that explain it.
    ///
    /// Nothing is overwritten. The tests pass as they are.
    #[command(after_help = "Example:\n  portcullis init policy && portcullis test policy")]
    Init {
        /// The folder, which is made if it is not there.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Check policies with the code that the proxy will read them with.
    ///
    /// Prints every error with its place, `FILE:LINE:COLUMN: PATH: PROBLEM`, or one line about a policy that is good. The exit
    /// code is 0 if all are good, 1 if one is refused, 2 if one cannot be read.
    #[command(
        after_help = "Examples:\n  portcullis check policy\n  portcullis check bundle.json\n  portcullis check policy --output github\n  yq -r '.. | .configuration?.value? // empty' envoy.yaml | portcullis check -"
    )]
    Check(check::Arguments),
    /// Make a policy into the bundle that the proxy loads, as JSON.
    ///
    /// It is printed, or written to a file, only if it is good; else its errors are printed as by `check`. The exit code is 0
    /// if it was built, 1 if the policy is refused, 2 if something cannot be read or written.
    #[command(
        after_help = "Examples:\n  portcullis build policy --output bundle.json\n  portcullis build policy --revision 42 | jq\n  portcullis build policy --plugin-configuration --output portcullis.json"
    )]
    Build(build::Arguments),
    /// Run the tests of a policy: requests, who asks, and what must be decided.
    ///
    /// The decisions are those of the code that decides in the proxy, from the bytes of a token to the headers that the upstream
    /// sees. Only the keys are other ones, so that the tests can sign. Rules that decided no case are named. The exit code is 0
    /// if all cases passed, 1 if one failed, 2 if there is nothing to run: the policy or a test file is not good.
    #[command(
        after_help = "A test file, such as policy_test.yaml:\n  version: 1\n  cases:\n    - name: a customer reads her orders\n      request: GET /orders\n      who: { claims: { sub: alice, scope: orders.read } }\n      expect: { decision: permit, rule: orders-read }\n    - name: strangers stay out\n      request: GET /orders\n      expect: deny\n\nExamples:\n  portcullis test policy\n  portcullis test policy.yaml more_test.yaml --output junit > results.xml"
    )]
    Test(test::Arguments),
    /// Say why one request is permitted or denied, and what would have to change.
    ///
    /// The decision is that of the code that decides in the proxy. It is printed with every rule whose target matches, what became of it,
    /// and what did not hold in it; of a request that no rule permits, the rule that came nearest. A token that is given is verified with
    /// the keys of the policy; one that is made of `--issuer` and `--claims` is signed as `portcullis test` does. The exit code is 0 if the
    /// request is permitted, 1 if it is denied, 2 if it cannot be judged: the policy or the request is not good.
    #[command(
        after_help = "Examples:\n  portcullis explain policy --path /orders\n  portcullis explain policy --method POST --path /orders --claims '{\"sub\": \"alice\", \"scope\": \"orders.read\"}'\n  portcullis explain policy --path /orders --token \"$TOKEN\" --header 'x-tier: gold' --source 192.0.2.7\n  portcullis explain policy --path /orders --issuer https://login.example.com --at 2027-01-01T08:00:00Z\n  portcullis explain policy --case policy/policy_test.yaml 'reading is not writing'\n  portcullis explain policy --path /orders --output json | jq .nearest"
    )]
    Explain(Box<explain::Arguments>),
    /// Say what a policy says that can hardly be meant: rules without effect, and rules that permit too much.
    ///
    /// Prints every finding with its place, `FILE:LINE:COLUMN: PATH: CODE: WHAT`, and the remedy. The exit code is 0 if there is none, 1 if
    /// there is one, 2 if the policy is not good or cannot be read.
    #[command(
        after_help = "Examples:\n  portcullis lint policy\n  portcullis lint policy --output github\n  portcullis lint policy --output json | jq '.findings[].code'"
    )]
    Lint(lint::Arguments),
    /// Format policies and tests: indentation, spaces, quotes, lines of at most 120 characters.
    ///
    /// Comments and order stay, and so does what is said: what was formatted is read again, and if it were another document nothing
    /// would be written. JSON stays as it is. The files that change are named; if one cannot be read or formatted, none changes. The exit
    /// code is 0 if all is well, 1 if `--check` found a file that is not formatted, 2 if one cannot be read, formatted or written.
    #[command(
        after_help = "Examples:\n  portcullis fmt policy\n  portcullis fmt --check policy\n  portcullis fmt - < policy.yaml | less"
    )]
    Fmt(fmt::Arguments),
    /// Make a key that signs manifests or assertions, or a token.
    ///
    /// The private key goes into a file that only you may read; the public one is printed, for `trust.keys` of the plugin configuration. The
    /// exit code is 0, or 2 if the file is there already or cannot be written.
    #[command(
        after_help = "Examples:\n  portcullis keygen                                  # signing-key.json, and the public key\n  portcullis keygen next-key.json --key-id 2027-01\n  portcullis keygen --assertion                      # assertion-key.json, for `assertion.key` of a policy\n  portcullis keygen --token                          # a bearer token, and its hash for serve.yaml"
    )]
    Keygen(keygen::Arguments),
    /// Run the control endpoint, from which proxies get their policy, keys and revocations.
    ///
    /// Everything is signed, and kept in a folder or a bucket, which several replicas may share. Nothing is served without a token or
    /// certificate that serve.yaml names, and only on this machine unless there is TLS. SIGTERM ends it in good order: polls are
    /// answered first. docs/control.md is its guide.
    #[command(
        after_help = "To begin with:\n  portcullis serve --init    # serve.yaml, a signing key, a token for you and one for the proxies\n  portcullis serve\n\nExamples:\n  portcullis serve --config /etc/portcullis/serve.yaml --log json\n  RUST_LOG=debug portcullis serve"
    )]
    Serve(serve::Arguments),
    /// Publish a policy: to a control endpoint or, signed here, as a file.
    ///
    /// The policy is judged first, as by `check`; then the endpoint lets it through the gate that every proxy has, signs it, and prints the
    /// epoch from which on the proxies enforce it. Keys and revocations stay as they are. The exit code is 0 if it was published, 1 if it is
    /// refused, 2 if something cannot be read or reached, or is not enforced in time.
    #[command(
        after_help = "Examples:\n  portcullis publish policy --token-file admin.token\n  portcullis publish policy --to https://control.example.com --fleet production --wait\n  portcullis publish policy --signing-key signing-key.json --name bank --epoch 42 --output signed-bundle.json"
    )]
    Publish(Box<remote::PublishArguments>),
    /// Show a fleet: which proxies enforce which epoch, how old it is, and what went wrong last.
    #[command(
        after_help = "Examples:\n  portcullis status\n  portcullis status --history\n  portcullis status --output json | jq '.proxies[] | select(.last_error)'"
    )]
    Status(remote::StatusArguments),
    /// Revoke what was good: a token, or everything of a subject, session, client, key or time.
    ///
    /// Proxies refuse it as soon as they have the new epoch, which is printed; remembered tokens too. What is revoked twice is revoked once.
    #[command(
        after_help = "Examples:\n  portcullis revoke --issuer https://login.example.com --jti 7d9f\n  portcullis revoke --issuer https://login.example.com --subject alice --issued-before now\n  portcullis revoke --issuer https://login.example.com --kid 2026-11 --for 86400\n  portcullis revoke --issuer https://login.example.com --issued-before 2027-01-01T08:00:00Z"
    )]
    Revoke(remote::RevokeArguments),
    /// Publish the policy of an earlier epoch again, as a new epoch.
    ///
    /// Epochs never go back. Keys and revocations stay those of now: going back to a rule does not bring back what was revoked.
    #[command(after_help = "Example:\n  portcullis status --history && portcullis rollback 40")]
    Rollback(remote::RollbackArguments),
    /// Add a signature to an epoch, for fleets that want more than one.
    #[command(after_help = "Example:\n  portcullis sign 42 --signing-key second-key.json --token-file admin.token")]
    Sign(remote::SignArguments),
    /// Read the decision log: verify it, report who accessed what, convert it.
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// Print the JSON Schema of a format, for editors and other tools.
    #[command(after_help = "Example:\n  portcullis schema bundle > bundle.schema.json")]
    Schema {
        /// The format.
        format: Format,
    },
    /// Print the completions of this command for a shell.
    #[command(
        after_help = "Example, for bash:\n  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages of this command into a folder.
    #[command(after_help = "Example:\n  portcullis man ~/.local/share/man/man1 && man portcullis-test")]
    Man {
        /// The folder, which has to be there.
        folder: PathBuf,
    },
}

/// A format that others depend on.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Trusted issuers and rules.
    Bundle,
    /// What the proxy's configuration says to the filter.
    PluginConfiguration,
    /// The signed list of the documents of a bundle.
    Manifest,
    /// Keys, revocations, credentials and tests of a bundle.
    Documents,
    /// What was decided about one request.
    DecisionRecord,
    /// What the control endpoint signs about a decision log.
    AuditCheckpoint,
    /// Whether a decision log is the one that was written.
    AuditVerification,
    /// Who accessed what.
    AuditReport,
    /// What is wrong with policies.
    CheckReport,
    /// Tests of a policy.
    Test,
    /// What came of tests.
    TestReport,
    /// Why a request was permitted or denied.
    Explanation,
    /// What a policy says that can hardly be meant.
    LintReport,
    /// The configuration of the control endpoint, `serve.yaml`.
    Serve,
    /// What Kong wants to know of the filter, `portcullis.meta.json`.
    Kong,
    /// Which proxies of a fleet enforce what.
    FleetStatus,
    /// Who has made which epoch, and why.
    FleetHistory,
}

impl Format {
    fn schema(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Kong => return Cow::Owned(kong::meta()),
            Self::Bundle => include_str!("../../authz/schema/bundle.schema.json"),
            Self::PluginConfiguration => include_str!("../../authz/schema/plugin-configuration.schema.json"),
            Self::Manifest => include_str!("../../authz/schema/manifest.schema.json"),
            Self::Documents => include_str!("../../authz/schema/documents.schema.json"),
            Self::DecisionRecord => include_str!("../../authz/schema/decision-record.schema.json"),
            Self::AuditCheckpoint => include_str!("../schema/audit-checkpoint.schema.json"),
            Self::AuditVerification => include_str!("../schema/audit-verification.schema.json"),
            Self::AuditReport => include_str!("../schema/audit-report.schema.json"),
            Self::CheckReport => include_str!("../schema/check-report.schema.json"),
            Self::Test => include_str!("../schema/test.schema.json"),
            Self::TestReport => include_str!("../schema/test-report.schema.json"),
            Self::Explanation => include_str!("../schema/explanation.schema.json"),
            Self::LintReport => include_str!("../schema/lint-report.schema.json"),
            Self::Serve => include_str!("../schema/serve.schema.json"),
            Self::FleetStatus => include_str!("../schema/fleet-status.schema.json"),
            Self::FleetHistory => include_str!("../schema/fleet-history.schema.json"),
        })
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Init { folder } => init::run(&folder),
        Command::Check(arguments) => check::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Publish(arguments) => remote::publish(&arguments),
        Command::Status(arguments) => remote::status(&arguments),
        Command::Revoke(arguments) => remote::revoke(&arguments),
        Command::Rollback(arguments) => remote::roll_back(&arguments),
        Command::Sign(arguments) => remote::sign(&arguments),
        Command::Audit { command } => audit::run(&command),
        Command::Schema { format } => {
            print!("{}", format.schema());
            ExitCode::SUCCESS
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "portcullis", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Man { folder } => match clap_mangen::generate_to(Arguments::command(), &folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: cannot be written: {error}", folder.display());
                check::UNREADABLE.into()
            }
        },
    }
}
