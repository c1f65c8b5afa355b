//! What a real Prometheus makes of what a real Envoy shows, by `monitoring/scrape.yaml`: the names and labels that the dashboard and the
//! alarms ask for.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use authz::distribution::DocumentKind;
use host_tests::client::{Connection, Request};
use host_tests::keys::SigningKey;
use host_tests::{now, repository};
use serde_json::{Value, json};

use crate::envoy::{ISSUER, with_issuer};
use crate::scene::{Line, Scene};

/// How often it is asked, and how long is in between: Prometheus needs some seconds to start.
const PATIENCE: usize = 120;
const PAUSE: Duration = Duration::from_millis(250);

/// A running Prometheus. It is killed when this is dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

pub fn relabels(scene: &Scene, line: &Line) -> Result<()> {
    let keys =
        json!({ "version": 1, "issuers": { ISSUER: { "keys": [SigningKey::generate("EdDSA", "key")?.jwk()] } } });
    line.endpoint.offer(&line.publisher.publish(1, now(), &with_issuer(1), &[(DocumentKind::Keys, keys)]));
    line.wait_for(scene, 1)?;
    let folder = tempfile::tempdir()?;
    let prometheus = Prometheus::start(folder.path(), scene.envoy.admin_address())?;
    let bundle = format!("{}_{}", line.publisher.fleet, line.publisher.name);
    let mut wanted = vec![
        // In names of metrics what is no letter or digit is `_`.
        json!({ "__name__": "portcullis_keys", "issuer": "https___idp_example_com" }),
        json!({ "__name__": "portcullis_decisions", "decision": "permit", "reason": "permitted_by_rule", "rule": "health" }),
        json!({ "__name__": "portcullis_refused", "bundle": bundle, "reason": "signature_invalid" }),
    ];
    for name in
        ["bundle_epoch", "workers", "bundle_issued_at_seconds", "bundle_stale_at_seconds", "last_success_at_seconds"]
    {
        wanted.push(json!({ "__name__": format!("portcullis_{name}"), "bundle": bundle }));
    }
    let names = asked_for()?;
    let mut missing = String::new();
    for _ in 0..PATIENCE {
        let series = prometheus.series().unwrap_or_default();
        let has = |wanted: &Value, series: &Value| {
            wanted.as_object().is_some_and(|labels| labels.iter().all(|(name, value)| series.get(name) == Some(value)))
        };
        let labels = wanted.iter().filter(|wanted| !series.iter().any(|series| has(wanted, series)));
        let labels: Vec<String> = labels.map(Value::to_string).collect();
        let known: BTreeSet<&str> = series.iter().filter_map(|series| series["__name__"].as_str()).collect();
        let names: Vec<&String> = names.iter().filter(|name| !known.contains(name.as_str())).collect();
        if labels.is_empty() && names.is_empty() {
            return Ok(());
        }
        missing = format!("{labels:?} and {names:?} are not among {known:?}");
        std::thread::sleep(PAUSE);
    }
    bail!(missing)
}

/// The metrics of proxies that the dashboard and the alarms ask for.
fn asked_for() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in ["dashboard.json", "alerts.yaml"] {
        let text = std::fs::read_to_string(repository().join("monitoring").join(file))?;
        let is_of_name =
            |character: char| character == '_' || character.is_ascii_lowercase() || character.is_ascii_digit();
        let words = text.split(|character| !is_of_name(character)).filter(|word| word.starts_with("portcullis_"));
        names.extend(words.filter(|word| !word.starts_with("portcullis_control_")).map(str::to_owned));
    }
    ensure!(names.len() > 10, "{names:?}");
    Ok(names)
}

impl Prometheus {
    /// With the configuration of the repository, for this Envoy.
    fn start(folder: &Path, envoy: SocketAddr) -> Result<Self> {
        let monitoring = repository().join("monitoring");
        let mut settings: Value = serde_saphyr::from_str(&std::fs::read_to_string(monitoring.join("scrape.yaml"))?)?;
        settings["global"] = json!({ "scrape_interval": "1s" });
        settings["rule_files"] = json!([monitoring.join("alerts.yaml")]);
        settings["scrape_configs"][0]["static_configs"] = json!([{ "targets": [envoy.to_string()] }]);
        let file = folder.join("prometheus.yaml");
        std::fs::write(&file, settings.to_string())?;
        // It cannot say which port it was given.
        let address = host_tests::free_address()?;
        let log = folder.join("log");
        let child = Command::new(binary()?)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(File::create(log)?)
            .spawn()?;
        Ok(Self { child, address })
    }

    /// The labels of all series of proxies; an error until it answers.
    fn series(&self) -> Result<Vec<Value>> {
        let request = Request::get("/api/v1/series?match[]=%7Bjob%3D%22portcullis-proxies%22%7D");
        let answer: Value = serde_json::from_slice(&Connection::open(self.address)?.send(&request)?.body)?;
        answer["data"].as_array().cloned().context("it has series")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's package has it beside its tool.
fn binary() -> Result<PathBuf> {
    let tool = std::env::var_os("PROMTOOL_PATH").map(PathBuf::from);
    let tool =
        tool.context("PROMTOOL_PATH is not set. Run `cargo xtask test`, which unpacks Debian's package and sets it")?;
    Ok(tool.with_file_name("prometheus"))
}
