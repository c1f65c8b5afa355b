//! Envoy's access log, read while it is written.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// How long an access log entry may take: it is written when the request is over and flushed soon after.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);

/// The entries by `User-Agent`.
#[derive(Default)]
pub(crate) struct AccessLog {
    entries: Mutex<BTreeMap<String, Value>>,
    news: Condvar,
}

impl AccessLog {
    pub(crate) fn follow(output: ChildStdout) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| writer.add(&line))
        });
        log
    }

    fn add(&self, line: &str) {
        let entry: Value = serde_json::from_str(line).unwrap_or_default();
        if let (Some(tag), Ok(mut entries)) = (entry.get("user_agent").and_then(Value::as_str), self.entries.lock()) {
            entries.insert(tag.to_owned(), entry.clone());
            self.news.notify_all();
        }
    }

    pub(crate) fn wait_for(&self, tag: &str) -> Result<Value> {
        let entries = self.entries.lock().ok().context("the log reader panicked")?;
        let waited = self.news.wait_timeout_while(entries, LOG_TIMEOUT, |entries| !entries.contains_key(tag));
        let (mut entries, _) = waited.ok().context("the log reader panicked")?;
        entries.remove(tag).with_context(|| format!("Envoy logged no request of `{tag}`"))
    }
}
