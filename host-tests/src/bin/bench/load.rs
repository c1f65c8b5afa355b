//! The load generator: wrk, on a core of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::scenario::Line;

/// So many that there is nearly always a request that Envoy can go on with. One that waits lets its core sleep: with eight of them waking took
/// a quarter of all that Envoy took without a filter, and on a shared machine others had the core and its caches meanwhile.
const CONNECTIONS: usize = 64;

/// Sends the requests of a file in turn, from one of them on, and says what came of them in one line of JSON.
const SCRIPT: &str = r#"
local requests, at = {}, 0

function init(arguments)
  at = tonumber(arguments[2])
  for line in io.lines(arguments[1]) do
    local path, token = line:match("^(%S+) ?(%S*)$")
    local headers = { Host = "api.example.com" }
    if token ~= "" then headers.authorization = "Bearer " .. token end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local errors = summary.errors
  print(string.format('RESULT {"requests":%d,"refused":%d,"failed":%d}',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"#;

/// Requests that are ready to be sent.
pub(crate) struct Load {
    script: PathBuf,
    requests: PathBuf,
    count: usize,
    /// Where the next repetition goes on, so that no token comes again before all others.
    next: usize,
}

/// What came of a load.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    pub(crate) requests: usize,
    /// Those with a status of 400 or more.
    pub(crate) refused: usize,
    failed: usize,
}

impl Load {
    /// Writes the requests down.
    pub(crate) fn write(folder: &Path, name: &str, requests: &[Line]) -> Result<Self> {
        let script = folder.join("load.lua");
        std::fs::write(&script, SCRIPT)?;
        let file = folder.join(format!("{}.requests", name.replace([' ', '/'], "-")));
        let lines =
            requests.iter().map(|line| format!("{} {}\n", line.path, line.token.as_deref().unwrap_or_default()));
        std::fs::write(&file, lines.collect::<String>())?;
        Ok(Self { script, requests: file, count: requests.len(), next: 0 })
    }

    /// Sends requests for so long.
    pub(crate) fn send(&mut self, core: usize, address: SocketAddr, seconds: u64) -> Result<Answers> {
        let output = Command::new("taskset")
            .args(["--cpu-list", &core.to_string(), "wrk", "--threads", "1"])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"])
            .arg(&self.script)
            .arg(format!("http://{address}/"))
            .arg("--")
            .arg(&self.requests)
            .arg(self.next.to_string())
            .output()
            .context("wrk or taskset is missing")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
        let answers: Answers = serde_json::from_str(result.with_context(|| format!("wrk says nothing: {text}"))?)?;
        ensure!(answers.failed == 0 && answers.requests > 0, "requests got no answer: {answers:?}");
        // Those that were sent and not answered any more have been seen too.
        let sent = self.next.saturating_add(answers.requests).saturating_add(CONNECTIONS);
        self.next = sent.checked_rem(self.count).unwrap_or_default();
        Ok(answers)
    }
}
