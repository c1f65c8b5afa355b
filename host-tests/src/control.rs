//! The real control endpoint, `portcullis serve`, as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A running endpoint. It is killed when this is dropped.
pub struct ControlEndpoint {
    child: Child,
    address: SocketAddr,
}

impl ControlEndpoint {
    /// Serves what the `serve.yaml` of a folder says, on a free port.
    ///
    /// # Errors
    ///
    /// It does not start: then with what it says last.
    pub fn start(portcullis: &Path, folder: &Path) -> Result<Self> {
        let mut child = Command::new(portcullis)
            .args(["serve", "--log", "json", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", portcullis.display()))?;
        let mut lines = BufReader::new(child.stderr.take().context("standard error is piped")?).lines();
        let mut last = String::new();
        let address = loop {
            last = lines.next().with_context(|| format!("the endpoint ended: {last}"))??;
            let said: Value = serde_json::from_str(&last).unwrap_or_default();
            if let Some(address) = said.get("address").and_then(Value::as_str) {
                break address.parse()?;
            }
        };
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ControlEndpoint {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
