//! Ten thousand proxies at one control endpoint: what they cost it, and how soon a publication has reached all of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use comfy_table::Table;
use host_tests::client::{Connection, Request};
use host_tests::control::{ControlEndpoint, PROXY_TOKEN};
use host_tests::publisher::FLEET;
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

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    host_tests::allow_connections(arguments.proxies)?;
    let endpoint = Endpoint(ControlEndpoint::start_new(&arguments.portcullis, folder.path())?.0);
    let idle = endpoint.resident_kib()?;
    endpoint.publish("first")?;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["publication", "reached all after (ms)", "memory of the endpoint (MiB)"]);
    let mut polls = Vec::with_capacity(arguments.proxies);
    for _ in 0..arguments.proxies {
        let mut poll = Connection::open(endpoint.0.address())?;
        // At once, as proxies do: who says nothing for half a minute is not listened to any more.
        poll.begin(&poll_request(1))?;
        polls.push(poll);
    }
    for round in 1..=arguments.rounds {
        if round > 1 {
            polls.iter_mut().try_for_each(|poll| poll.begin(&poll_request(round)))?;
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
fn poll_request(epoch: usize) -> Request {
    Request::get(&format!("/v1/fleets/{FLEET}/manifest"))
        .with("authorization", &format!("Bearer {PROXY_TOKEN}"))
        .with("if-none-match", &format!("\"{epoch}\""))
        .with("prefer", "wait=60")
}

struct Endpoint(ControlEndpoint);

impl Endpoint {
    fn publish(&self, rule: &str) -> Result<()> {
        self.0.publish(&json!({
            "version": 1, "issuers": [],
            "rules": [{ "id": rule, "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } }],
        }))
    }

    /// From the moment before a publication is sent until the last proxy has its answer.
    #[expect(clippy::disallowed_methods, reason = "the measurement")]
    fn publish_to_all(&self, polls: &mut [Connection], round: usize) -> Result<Duration> {
        let start = Instant::now();
        self.publish(&format!("rule-{round}"))?;
        for poll in polls.iter_mut() {
            let answer = poll.finish(&poll_request(round))?;
            ensure!(answer.status == 200, "a poll is answered {}", answer.status);
        }
        Ok(start.elapsed())
    }

    fn wait_for_polls(&self, proxies: usize) -> Result<()> {
        let wanted = format!("portcullis_control_open_polls{{fleet=\"{FLEET}\"}} {proxies}\n");
        for _ in 0..600 {
            let metrics = Connection::open(self.0.address())?.send(&Request::get("/metrics"))?;
            if String::from_utf8_lossy(&metrics.body).contains(&wanted) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("not all polls are open after a minute")
    }

    /// Memory that is resident, from the kernel.
    fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.process_id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel says how much")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}
