//! A publisher, an endpoint, and workers in the strict host that ask it.

use anyhow::{Context as _, Result};
use host_tests::client::Request;
use host_tests::endpoint::{Endpoint, TOKEN};
use host_tests::publisher::{Publication, Publisher, policy};
use host_tests::strict_host::{Call, Setup, SharedData, StrictHost};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{NOW, failed};

/// A test, and its name.
pub type Test = (&'static str, fn() -> Result<()>);

/// The tests that run in the strict host.
pub fn in_strict_host(tests: impl IntoIterator<Item = Test>) -> Vec<Trial> {
    let trial = |(name, test): Test| Trial::test(format!("strict::{name}"), move || test().map_err(failed));
    tests.into_iter().map(trial).collect()
}

/// A publisher, an endpoint, and hosts that ask it.
pub struct Fleet {
    pub publisher: Publisher,
    pub endpoint: Endpoint,
    pub shared: SharedData,
    pub configuration: Value,
}

impl Fleet {
    pub fn new() -> Result<Self> {
        let publisher = Publisher::new("k1")?;
        let control = json!({ "cluster": "control.example.com:8443", "authority": "control.example.com", "token": TOKEN, "proxy": "edge-1" });
        let configuration = json!({ "version": 1, "trust": publisher.trust(), "control": control });
        Ok(Self { publisher, endpoint: Endpoint::default(), shared: SharedData::default(), configuration })
    }

    pub fn publish(&self, epoch: u64) -> Publication {
        let publication = self.publisher.publish(epoch, NOW, &policy(epoch), &[]);
        self.endpoint.offer(&publication);
        publication
    }

    pub fn setup(&self, seed: u8, now: u64) -> Setup {
        Setup { shared_data: Some(self.shared.clone()), seed, now, ..Setup::default() }
    }

    pub fn worker(&self, seed: u8) -> Result<StrictHost> {
        StrictHost::start_in(self.configuration.to_string().as_bytes(), &self.setup(seed, NOW * 1000))
    }

    /// Lets a worker go on for so many ticks; how many calls it made. Who waits for something new is not answered.
    pub fn run(&self, host: &mut StrictHost, ticks: usize) -> Result<usize> {
        let mut made = 0;
        for _ in 0..ticks {
            let mut calls = host.tick()?;
            while let Some(call) = calls.pop() {
                made += 1;
                self.answer(host, &call)?;
                calls.extend(host.calls());
            }
        }
        Ok(made)
    }

    pub fn answer(&self, host: &mut StrictHost, call: &Call) -> Result<()> {
        let path = call.headers.get(":path").context("a request has a path")?;
        let answer = self.endpoint.answer(path, &call.headers, false);
        let waits = call.headers.get("prefer").is_some_and(|prefer| prefer != "wait=0");
        if answer.status == 304 && waits {
            return Ok(());
        }
        host.answer(call, Some((answer.status, answer.body)))
    }
}

/// The epoch by which a worker decides: that whose path it permits.
pub fn epoch(host: &mut StrictHost) -> Result<Option<u64>> {
    let record = host.send(&Request::get("/healthz"))?.decision.context("it is on record")?;
    Ok(record.get("revision").and_then(Value::as_u64))
}

pub fn status(host: &mut StrictHost) -> Result<Value> {
    Ok(serde_json::from_str(&host.send(&Request::get("/portcullis/status"))?.body)?)
}

pub fn last_error(host: &mut StrictHost) -> Result<String> {
    let status = status(host)?;
    Ok(status.pointer("/last_error/reason").and_then(Value::as_str).unwrap_or_default().to_owned())
}

pub fn with_management(mut fleet: Fleet) -> Result<Fleet> {
    let members = fleet.configuration.as_object_mut().context("a configuration is an object")?;
    members.insert("management".to_owned(), json!({ "path": "/portcullis" }));
    Ok(fleet)
}
