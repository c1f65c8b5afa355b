//! Ten thousand proxies at one control endpoint: what they cost it, and how soon a publication has reached all of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use comfy_table::Table;
use host_tests::client::{Connection, Request};
use host_tests::control::ControlEndpoint;
use host_tests::keys::{hexadecimal, sha256};
use serde_json::json;

/// Hold long polls at one control endpoint, publish, and measure.
#[derive(Parser)]
struct Arguments {
    /// The `portcullis` command.
    portcullis: PathBuf,
    /// How many proxies.
    #[arg(long, default_value = "10000")]
    proxies: usize,
    /// How many publications.
    #[arg(long, default_value = "5")]
    rounds: usize,
}

/// The token of administrator and proxies; the endpoint is gone with the measurement.
const TOKENS: [&str; 2] = ["administrator", "proxy"];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let endpoint = Endpoint::start(&arguments.portcullis, folder.path())?;
    let idle = endpoint.resident_kib()?;
    endpoint.publish("first")?;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["publication", "reached all after (ms)", "memory of the endpoint (MiB)"]);
    let mut polls = Vec::with_capacity(arguments.proxies);
    for _ in 0..arguments.proxies {
        let mut stream = TcpStream::connect(endpoint.address).context("connections; is `ulimit -n` large enough?")?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        // At once, as proxies do: who says nothing for half a minute is not listened to any more.
        stream.write_all(&poll_request(1))?;
        polls.push(stream);
    }
    for round in 1..=arguments.rounds {
        if round > 1 {
            polls.iter_mut().try_for_each(|poll| poll.write_all(&poll_request(round)))?;
        }
        endpoint.wait_for_polls(arguments.proxies)?;
        let memory = endpoint.resident_kib()?;
        let elapsed = endpoint.publish_to_all(&mut polls, round)?;
        let mib = |kib: u64| format!("{}", kib.div_euclid(1024));
        table.add_row([round.to_string(), elapsed.as_millis().to_string(), mib(memory)]);
    }
    println!("{} long polls on one process; without them it takes {} MiB.", arguments.proxies, idle.div_euclid(1024));
    println!("{table}");
    Ok(())
}

/// A poll of a proxy that has this epoch.
fn poll_request(epoch: usize) -> Vec<u8> {
    let [_, proxy] = TOKENS;
    format!("GET /v1/fleets/production/manifest HTTP/1.1\r\nhost: control\r\nauthorization: Bearer {proxy}\r\nif-none-match: \"{epoch}\"\r\nprefer: wait=60\r\n\r\n").into_bytes()
}

struct Endpoint {
    process: ControlEndpoint,
    address: SocketAddr,
}

impl Endpoint {
    fn start(portcullis: &Path, folder: &Path) -> Result<Self> {
        let keygen = Command::new(portcullis).arg("keygen").current_dir(folder).output()?;
        ensure!(keygen.status.success(), "{}", String::from_utf8_lossy(&keygen.stderr));
        let [admin, proxy] = TOKENS.map(|token| hexadecimal(&sha256(token.as_bytes())));
        let settings = json!({
            "version": 1,
            "storage": { "folder": "state" },
            "admins": [{ "admin": "bench", "token_sha256": admin }],
            "fleets": [{
                "fleet": "production", "name": "bench", "signing_key": "signing-key.json",
                "proxies": [{ "proxy": "edge", "token_sha256": proxy }],
            }],
        });
        std::fs::write(folder.join("serve.yaml"), settings.to_string())?;
        let process = ControlEndpoint::start(portcullis, folder)?;
        let address = process.address();
        Ok(Self { process, address })
    }

    fn publish(&self, rule: &str) -> Result<()> {
        let [admin, _] = TOKENS;
        let policy = json!({
            "version": 1, "issuers": [],
            "rules": [{ "id": rule, "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } }],
        });
        let mut request =
            Request::get("/v1/fleets/production/publish").with("authorization", &format!("Bearer {admin}"));
        (request.method, request.body) = (b"POST".to_vec(), json!({ "policy": policy }).to_string().into_bytes());
        let response = Connection::open(self.address)?.send(&request)?;
        ensure!(response.status == 200, "{}", String::from_utf8_lossy(&response.body));
        Ok(())
    }

    /// From the moment before a publication is sent until the last proxy has its answer.
    #[expect(clippy::disallowed_methods, reason = "the measurement")]
    fn publish_to_all(&self, polls: &mut [TcpStream], round: usize) -> Result<Duration> {
        let start = Instant::now();
        self.publish(&format!("rule-{round}"))?;
        for poll in polls.iter_mut() {
            read_answer(poll)?;
        }
        Ok(start.elapsed())
    }

    fn wait_for_polls(&self, proxies: usize) -> Result<()> {
        let wanted = format!("portcullis_control_open_polls{{fleet=\"production\"}} {proxies}\n");
        for _ in 0..600 {
            let metrics = Connection::open(self.address)?.send(&Request::get("/metrics"))?;
            if String::from_utf8_lossy(&metrics.body).contains(&wanted) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("not all polls are open after a minute")
    }

    /// Memory that is resident, from the kernel.
    fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.process_id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel says how much")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

/// Reads one answer to its end; it has to be a manifest.
fn read_answer(stream: &mut TcpStream) -> Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).context("an answer")?;
        ensure!(count > 0, "the endpoint closed a connection");
        received.extend(buffer.iter().take(count));
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("a length")?;
        if body.len() >= length.parse()? {
            return Ok(());
        }
    }
}
