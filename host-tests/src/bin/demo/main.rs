//! `cargo xtask demo`: real tokens, judged by the real module in a real Envoy, which runs `envoy-config/envoy.yaml` with the policy of
//! `examples/bank`; then a policy, keys and revocations that reach a running proxy; and what the decision log says of the bank.

mod live;
mod log;
mod scene;
mod steps;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Parser;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use host_tests::client::{Connection, Request};
use host_tests::envoy::{Envoy, Ports};
use host_tests::keys::{KeyRing, SigningKey, hmac_sha256};
use host_tests::{now, upstream};
use serde_json::{Value, json};

use log::DecisionLog;
use scene::LISTENER;
use steps::{API_KEY, BLOCKED, PARTNER_KEY, REGULATOR, Step, steps};

/// Shows Portcullis deciding requests.
#[derive(Parser)]
struct Arguments {
    /// The plugin configuration with the policy of `examples/bank`, as `portcullis build` makes it.
    plugin_configuration: PathBuf,
    /// The `portcullis` command.
    portcullis: PathBuf,
    /// Leave Envoy running and print curl lines to try.
    #[arg(long)]
    keep: bool,
}

/// The networks of the policy, and who of this machine is in them here.
const NETWORKS: [(&str, [u8; 4]); 2] = [("203.0.113.0/24", REGULATOR), ("198.51.100.0/24", BLOCKED)];

fn main() -> ExitCode {
    match show(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show(arguments: &Arguments) -> Result<()> {
    let mut plugin = policy(&arguments.plugin_configuration)?;
    let keys = mint_keys(&mut plugin)?;
    let bundle = plugin.get_mut("bundle").context("the plugin configuration has a bundle")?;
    let log = DecisionLog::begin(&arguments.portcullis, bundle)?;
    let envoy = log.envoy(if arguments.keep { Ports::OfTheFile } else { Ports::Free })?;
    let address = envoy.address(LISTENER)?;

    println!("\nA bank's API behind Envoy, with the policy in examples/bank.\n");
    let steps = steps();
    let mut table = table();
    table.set_header(["who", "request", "status", "rule", "reason", "the upstream saw"]);
    let mut unexpected = Vec::new();
    for step in &steps {
        let row = Row::of(step, &keys, &envoy, address)?;
        if row.status != step.status {
            unexpected.push(format!("{}: expected {}, got {}", step.who, step.status, row.status));
        }
        table.add_row(row.cells(step));
    }
    println!("{table}\n");
    ensure!(unexpected.is_empty(), "not what this demo is to show:\n{}", unexpected.join("\n"));
    live::show(&arguments.portcullis)?;
    log.show(steps.len())?;
    if arguments.keep {
        print_curl_lines(&steps, &keys, address)?;
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// The policy, with addresses of this machine in the place of networks that nobody here is in.
fn policy(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = NETWORKS.iter().try_fold(text, |text, (network, [a, b, c, d])| {
        ensure!(text.contains(network), "the policy has no network {network}");
        Ok(text.replace(network, &format!("{a}.{b}.{c}.{d}/32")))
    })?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// Makes a fresh key for every key in the plugin configuration, and puts its public half there.
fn mint_keys(plugin: &mut Value) -> Result<KeyRing> {
    let mut keys = KeyRing::default();
    let issuers =
        plugin.pointer_mut("/bundle/issuers").and_then(Value::as_array_mut).context("the bundle has issuers")?;
    for jwk in issuers.iter_mut().filter_map(|issuer| issuer.pointer_mut("/jwks/keys")?.as_array_mut()).flatten() {
        let member =
            |name: &str| jwk.get(name).and_then(Value::as_str).with_context(|| format!("the key has `{name}`"));
        let key = SigningKey::generate(member("alg")?, member("kid")?)?;
        *jwk = key.jwk();
        keys.add(key);
    }
    keys.add(SigningKey::generate("ES256", PARTNER_KEY)?);
    let salt = plugin.pointer("/bundle/api_keys/salt").and_then(Value::as_str).context("API keys have a salt")?;
    let hash = hmac_sha256(&URL_SAFE_NO_PAD.decode(salt)?, API_KEY.as_bytes());
    let known = plugin.pointer_mut("/bundle/api_keys/keys/0/hmac_sha256").context("the bundle has an API key")?;
    *known = json!(URL_SAFE_NO_PAD.encode(hash));
    Ok(keys)
}

/// What became of a request.
struct Row {
    status: u16,
    rule: String,
    reason: String,
    upstream: String,
}

impl Row {
    fn of(step: &Step, keys: &KeyRing, envoy: &Envoy, address: SocketAddr) -> Result<Self> {
        let tag = format!("demo: {}", step.who);
        let request = step.request(keys, now())?.with("user-agent", &tag);
        let response = Connection::open_from(address, step.from.into())?.send(&request)?;
        let record = decision_record(envoy, &tag)?;
        let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("–").to_owned();
        let upstream = match (response.status, what_it_was_told(&response.body)) {
            (200, told) if told.is_empty() => "the request".to_owned(),
            (200, told) => told,
            _ => "nothing".to_owned(),
        };
        Ok(Self { status: response.status, rule: field("rule"), reason: field("reason"), upstream })
    }

    fn cells(self, step: &Step) -> Vec<Cell> {
        let color = if self.status == 200 { Color::Green } else { Color::Red };
        vec![
            Cell::new(step.who),
            Cell::new(format!("{} {}", step.method, step.path)),
            Cell::new(self.status).fg(color).add_attribute(Attribute::Bold),
            Cell::new(self.rule),
            Cell::new(self.reason),
            Cell::new(self.upstream),
        ]
    }
}

/// The decision record in the access log, of the request whose `User-Agent` is `tag`.
fn decision_record(envoy: &Envoy, tag: &str) -> Result<Value> {
    let entry = envoy.access_log_entry(tag)?;
    Ok(entry.get("portcullis").and_then(Value::as_str).map_or(Ok(Value::Null), serde_json::from_str)?)
}

/// What the filter told the upstream about who asks, and about the transfer.
fn what_it_was_told(answer: &[u8]) -> String {
    let names = [
        ("x-portcullis-subject", "subject"),
        ("x-portcullis-roles", "roles"),
        ("x-bank-tier", "tier"),
        ("x-bank-transfer-amount", "amount"),
    ];
    let seen = upstream::seen(answer).unwrap_or_default().headers;
    let told = names.iter().flat_map(|(header, short)| {
        let values = seen.iter().filter(move |(name, _)| name == header);
        values.map(move |(_, value)| format!("{short} {}", String::from_utf8_lossy(value)))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn print_curl_lines(steps: &[Step], keys: &KeyRing, address: SocketAddr) -> Result<()> {
    println!(
        "Envoy keeps running at http://{address}; Ctrl-C stops it. The tokens are good for ten minutes, those of transfers"
    );
    println!("for one use within four. To try:\n");
    // A proof of possession is good for one request within a minute, so there is no line with one.
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.is_worth_repeating()) {
        println!("# {} → {}", step.who, step.status);
        let request: Request = step.with_token_id(&format!("curl-{index}")).request(keys, now())?;
        let headers = request.headers.iter().map(|(name, value)| {
            format!(" -H '{}: {}'", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        });
        println!(
            "curl -i -X {} --interface {} 'http://{address}{}'{}\n",
            step.method,
            step.from,
            step.path,
            headers.collect::<String>()
        );
    }
    Ok(())
}
