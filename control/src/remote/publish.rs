//! `portcullis publish`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use authz::Bundle;
use authz::distribution::{
    Admission, DocumentKind, DocumentReference, Documents, ManifestPayload, Refused, SignedBundle, Trust,
    UnverifiedManifest, WhenStale,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{Endpoint, Remote, RemoteError, block_on, epoch, status};
use crate::build::deliver;
use crate::serve::clock;
use crate::signing_key::SigningKey;
use crate::source::{Source, SourceError, is_test_file};
use crate::test::Vectors;
use crate::trial::TestPolicy;

/// What is published, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder, a YAML or JSON file, or `-` for standard input.
    #[arg(default_value = ".")]
    policy: PathBuf,
    /// What the policy must decide before any proxy adopts it: a test file, `*_test.yaml` or `*.test.yaml`, or a tests document.
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// A credentials document: API keys, where they are kept apart from the policy.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Wait until every worker that is heard of enforces it, for at most this many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    wait: Option<u64>,
    #[command(flatten)]
    endpoint: Endpoint,
    #[command(flatten)]
    offline: Offline,
}

/// Without an endpoint.
#[derive(Args)]
#[command(next_help_heading = "Without an endpoint")]
struct Offline {
    /// Sign with this key and write a signed bundle, for `signed_bundle` of the plugin configuration or a PUT to the proxy.
    #[arg(long, value_name = "FILE", requires_all = ["epoch", "name"], conflicts_with_all = ["to", "token_file", "ca", "wait"])]
    signing_key: Option<PathBuf>,
    /// The epoch, greater than that of the bundle before.
    #[arg(long, requires = "signing_key")]
    epoch: Option<u64>,
    /// The name of the bundle, as in `trust`.
    #[arg(long, requires = "signing_key")]
    name: Option<String>,
    /// How long it is fresh, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "2592000", requires = "signing_key")]
    lifetime: u64,
    /// How long it goes on after that, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "86400", requires = "signing_key")]
    max_staleness: u64,
    /// Write the signed bundle to this file, which is replaced in one step; without it, it is printed.
    #[arg(long, short, requires = "signing_key")]
    output: Option<PathBuf>,
}

/// The documents, as text.
struct Parts {
    policy: String,
    tests: Option<String>,
    credentials: Option<String>,
}

/// Publishes, and prints the epoch.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let parts = match Parts::read(arguments) {
        Ok(parts) => parts,
        Err(error) => return crate::check::report(&error).into(),
    };
    if let Some(key) = &arguments.offline.signing_key {
        let signed = parts.sign(key, arguments);
        return signed.map_or_else(
            |error| error.report(),
            |bundle| deliver(bundle.as_bytes(), arguments.offline.output.as_deref()),
        );
    }
    let published = arguments.endpoint.connect().and_then(|remote| block_on(publish(&remote, &parts, arguments.wait)));
    match published {
        Ok(epoch) => {
            println!("epoch {epoch}");
            ExitCode::SUCCESS
        }
        Err(error) => error.report(),
    }
}

async fn publish(remote: &Remote, parts: &Parts, wait: Option<u64>) -> Result<u64, RemoteError> {
    let progress = progress();
    progress.set_message(format!("the policy is good; publishing {} KiB", parts.policy.len() / 1024));
    let document = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut body = Map::from_iter([("policy".to_owned(), document(&parts.policy))]);
    body.extend(parts.tests.as_ref().map(|tests| ("tests".to_owned(), document(tests))));
    body.extend(parts.credentials.as_ref().map(|keys| ("credentials".to_owned(), document(keys))));
    let epoch = epoch(&remote.post("publish", &Value::Object(body)).await?)?;
    if let Some(seconds) = wait {
        wait_until_enforced(remote, epoch, seconds, &progress).await?;
    }
    progress.finish_and_clear();
    Ok(epoch)
}

async fn wait_until_enforced(
    remote: &Remote,
    epoch: u64,
    seconds: u64,
    progress: &ProgressBar,
) -> Result<(), RemoteError> {
    let end = clock::seconds().saturating_add(seconds);
    loop {
        let (enforced, all) = status::enforced(remote, epoch).await?;
        progress.set_message(format!("epoch {epoch} is enforced by {enforced} of {all} workers"));
        if enforced == all {
            return Ok(());
        }
        if clock::seconds() >= end {
            let why = format!(
                "epoch {epoch} was published, and is enforced by {enforced} of {all} workers after {seconds} s; `portcullis status` says by which"
            );
            return Err(RemoteError::Failed(why));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// On a terminal only; nothing is written elsewhere.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

impl Parts {
    /// Reads and judges what is to be published, with line and column of what is wrong.
    fn read(arguments: &Arguments) -> Result<Self, SourceError> {
        let source = Source::load(&arguments.policy)?.with_revision(0);
        source.parse(Bundle::parse)?;
        let mut policy: Value = serde_json::from_slice(&source.to_json()).unwrap_or_default();
        // The revision of what is published is its epoch.
        policy.as_object_mut().map(|members| members.remove("revision"));
        let parts = Self {
            policy: policy.to_string(),
            tests: arguments.tests.as_deref().map(|file| read_tests(file, &source)).transpose()?,
            credentials: arguments.credentials.as_deref().map(read_text).transpose()?,
        };
        let judged = parts.documents().authorizer(0);
        judged.map_err(|refused| SourceError::Unreadable(refused.to_string()))?;
        Ok(parts)
    }

    fn documents(&self) -> Documents<'_> {
        Documents {
            policy: self.policy.as_bytes(),
            tests: self.tests.as_ref().map(String::as_bytes),
            credentials: self.credentials.as_ref().map(String::as_bytes),
            ..Documents::default()
        }
    }

    /// The documents by kind, in the order of the manifest.
    fn by_kind(&self) -> impl Iterator<Item = (DocumentKind, &String)> {
        let policy = std::iter::once((DocumentKind::Policy, &self.policy));
        let credentials = self.credentials.iter().map(|text| (DocumentKind::Credentials, text));
        policy.chain(credentials).chain(self.tests.iter().map(|text| (DocumentKind::Tests, text)))
    }

    /// A signed bundle, which has gone through the gate of the proxies.
    fn sign(&self, key: &Path, arguments: &Arguments) -> Result<String, RemoteError> {
        let key = SigningKey::load(key).map_err(RemoteError::Failed)?;
        let now = clock::seconds();
        let payload = ManifestPayload {
            fleet: arguments.endpoint.fleet(),
            name: arguments.offline.name.clone().unwrap_or_default(),
            epoch: arguments.offline.epoch.unwrap_or_default(),
            issued_at: authz::UnixTime::from_seconds(now),
            expires_at: authz::UnixTime::from_seconds(now.saturating_add(arguments.offline.lifetime)),
            max_staleness_seconds: arguments.offline.max_staleness,
            when_stale: WhenStale::Serve,
            documents: self.by_kind().map(|(kind, text)| DocumentReference::of(kind, text.as_bytes())).collect(),
        };
        let manifest = key.sign(UnverifiedManifest::unsigned(&payload)).to_json();
        let manifest: Value = serde_json::from_str(&manifest).unwrap_or_default();
        let documents: Vec<&String> = self.by_kind().map(|(_, text)| text).collect();
        let bundle = json!({ "manifest": manifest, "documents": documents }).to_string();
        let trust = json!({ "fleet": payload.fleet, "name": payload.name, "keys": [key.public_jwk()] }).to_string();
        admit(&bundle, &trust).map_err(RemoteError::Refused)?;
        Ok(bundle)
    }
}

/// Does with a signed bundle what a proxy does.
fn admit(bundle: &str, trust: &str) -> Result<(), String> {
    let trust = Trust::parse(trust.as_bytes()).map_err(|errors| errors.to_string())?;
    let refused = |refused: Refused| refused.to_string();
    let admission = SignedBundle::parse(bundle.as_bytes())
        .map_err(refused)?
        .admit(&trust, None, None, clock::now())
        .map_err(refused)?;
    match admission {
        Admission::New(mut activation) => activation.activate().map(drop).map_err(refused),
        Admission::Unchanged => Ok(()),
    }
}

fn read_text(file: &Path) -> Result<String, SourceError> {
    Source::load(file).map(|source| String::from_utf8_lossy(&source.to_json()).into_owned())
}

/// A tests document: as it is, or made of a test file.
fn read_tests(file: &Path, policy: &Source) -> Result<String, SourceError> {
    if !is_test_file(file) {
        return read_text(file);
    }
    let vectors = Vectors::of(file, &policy.parse(TestPolicy::new)?)?;
    if vectors.left_out > 0 {
        let (file, count) = (file.display(), vectors.left_out);
        eprintln!("{file}: {count} cases pass here and do not travel: they need more than the claims of one token");
    }
    Ok(vectors.document.to_string())
}
