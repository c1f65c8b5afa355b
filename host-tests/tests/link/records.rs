//! Decision records on their way to the endpoint: in order, each once, and what is lost is counted. In both kinds of host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use authz::record::RecordId;
use host_tests::client::{Connection, Request};
use host_tests::publisher::policy;
use host_tests::strict_host::{Call, Fault, Personality, Setup, StrictHost};
use host_tests::{endpoint, now};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::scene::{Line, Scene};
use crate::{NOW, failed};

/// More than a worker keeps, in records.
const MANY: usize = 20_000;

type Test = fn(Worker) -> Result<()>;

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 7] = [
        ("arrive_in_order_each_once", in_order),
        ("come_again_until_they_are_taken", again),
        ("are_counted_where_there_is_no_room", no_room),
        ("are_known_to_clients_and_access_logs", known),
        ("say_what_became_of_a_request_that_could_not_go_on", cannot_go_on),
        ("are_told_in_parts_to_what_comes_after", in_parts),
        ("go_to_the_log_of_the_proxy_too", proxy_log),
    ];
    let trials = tests.into_iter().flat_map(|(name, test)| {
        Personality::ALL.map(|(kind, personality)| {
            let run = move || Worker::start(personality).and_then(test).map_err(failed);
            Trial::test(format!("strict::records_{name}::{kind}"), run)
        })
    });
    trials.collect()
}

/// A worker with a decision log.
struct Worker {
    personality: Personality,
    host: StrictHost,
}

impl Worker {
    fn start(personality: Personality) -> Result<Self> {
        Self::start_with(personality, &["control"])
    }

    fn start_with(personality: Personality, to: &[&str]) -> Result<Self> {
        Self::start_by(personality, &json!({ "to": to, "fields": { "subject": "plain", "path": "plain" } }))
    }

    fn start_by(personality: Personality, log: &Value) -> Result<Self> {
        let fleet = Fleet::new()?;
        let mut bundle = policy(1);
        bundle["decision_log"] = log.clone();
        fleet.endpoint.offer(&fleet.publisher.publish(1, NOW, &bundle, &[]));
        let setup = Setup { personality, now: NOW * 1000, ..Setup::default() };
        let mut host = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
        fleet.run(&mut host, 10)?;
        Ok(Self { personality, host })
    }

    /// Sends a request that is permitted, and one that is not.
    fn decide(&mut self) -> Result<()> {
        for path in ["/epoch/1", "/orders"] {
            self.host.send(&Request::get(path))?;
        }
        Ok(())
    }

    /// The calls with records that come within so many ticks; every other call waits.
    fn calls(&mut self, ticks: usize) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        for _ in 0..ticks {
            calls.extend(self.host.tick()?.into_iter().filter(is_about_records));
        }
        Ok(calls)
    }

    /// Takes everything that comes, in batches.
    fn take_all(&mut self) -> Result<Vec<Value>> {
        let (mut records, mut calls) = (Vec::new(), self.calls(3)?);
        while let Some(call) = calls.pop() {
            ensure!(calls.is_empty(), "one batch at a time");
            records.extend(parse(&call)?);
            self.host.answer(&call, Some((204, Vec::new())))?;
            calls.extend(self.host.calls().into_iter().filter(is_about_records));
        }
        Ok(records)
    }
}

fn is_about_records(call: &Call) -> bool {
    call.headers.get(":path").is_some_and(|path| path.ends_with("/decisions"))
}

/// The records of a batch.
fn parse(call: &Call) -> Result<Vec<Value>> {
    ensure!(call.headers.get(":method").is_some_and(|method| method == "POST"), "{call:?}");
    ensure!(call.headers.contains_key("authorization"), "{:?}", call.headers);
    ensure!(call.body.len() <= 1024 * 1024 && call.body.ends_with('\n'));
    call.body.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Whether the lines are a chain, from the first record of a worker on.
fn ensure_chained(lines: &str) -> Result<()> {
    let mut last = RecordId::default();
    for (line, sequence) in lines.lines().zip(1..) {
        let (start, rest) = line.split_once(r#","id":""#).context("a record ends with its id")?;
        let id = RecordId::parse(rest.trim_end_matches("\"}")).context("an id")?;
        ensure!(id == last.next(start.as_bytes()), "{line}");
        ensure!(serde_json::from_str::<Value>(line)?["sequence"] == sequence, "{line}");
        last = id;
    }
    Ok(())
}

fn in_order(mut worker: Worker) -> Result<()> {
    let mut lines = String::new();
    for _ in 0..3 {
        for _ in 0..10 {
            worker.decide()?;
        }
        let calls = worker.calls(3)?;
        let [call] = calls.as_slice() else { anyhow::bail!("one batch: {calls:?}") };
        lines.push_str(&call.body);
        worker.host.answer(call, Some((204, Vec::new())))?;
    }
    ensure_chained(&lines)?;
    ensure!(lines.lines().count() == 60);
    let record: Value = serde_json::from_str(lines.lines().last().context("a record")?)?;
    ensure!(record["decision"] == "deny" && record["resource"]["path"] == "/orders", "{record}");
    ensure!(record["time"].as_str().is_some_and(|time| time.starts_with("2027-01-15T")), "{record}");
    ensure!(worker.calls(50)?.is_empty(), "there is nothing more");
    Ok(())
}

fn again(mut worker: Worker) -> Result<()> {
    worker.decide()?;
    let first = worker.calls(3)?.pop().context("a batch")?;
    // What comes meanwhile waits for its turn.
    worker.decide()?;
    ensure!(worker.calls(20)?.is_empty());
    // Whatever the endpoint says, other than that it has them, they are not forgotten.
    let mut call = first.clone();
    for answer in [None, Some((503, Vec::new())), Some((200, b"<html>".to_vec())), Some((404, Vec::new()))] {
        worker.host.answer(&call, answer)?;
        let mut next = worker.calls(100)?;
        ensure!(next.len() == 1 && next.iter().all(|call| call.body == first.body), "it comes again, once: {next:?}");
        call = next.pop().context("it comes again")?;
    }
    worker.host.answer(&call, Some((204, Vec::new())))?;
    let rest = worker.host.calls().into_iter().find(is_about_records).context("the next follows at once")?;
    ensure_chained(&format!("{}{}", first.body, rest.body))
}

fn no_room(mut worker: Worker) -> Result<()> {
    let deny = Request::get("/orders");
    let permit = Request::get("/epoch/1");
    for _ in 0..MANY {
        worker.host.send(&permit)?;
    }
    // What is denied still has room.
    for _ in 0..100 {
        worker.host.send(&deny)?;
    }
    let records = worker.take_all()?;
    let lost = |records: &[Value], effect: &str| -> u64 {
        records.iter().filter_map(|record| record["lost"][effect].as_u64()).sum()
    };
    let count = |records: &[Value], effect| records.iter().filter(|record| record["decision"] == effect).count();
    ensure!(lost(&records, "permit") > 0 && lost(&records, "deny") == 0);
    ensure!(u64::try_from(count(&records, "permit"))? + lost(&records, "permit") == u64::try_from(MANY)?);
    ensure!(count(&records, "deny") == 100);
    // Then there is room again.
    worker.decide()?;
    let records = worker.take_all()?;
    ensure!(records.len() == 2 && lost(&records, "permit") == 0, "{records:?}");
    // And denials have an end, too.
    for _ in 0..MANY {
        worker.host.send(&deny)?;
    }
    worker.decide()?;
    let taken = worker.take_all()?;
    worker.decide()?;
    let after = worker.take_all()?;
    let all = [taken, after].concat();
    ensure!(lost(&all, "deny") > 0);
    ensure!(u64::try_from(count(&all, "deny"))? + lost(&all, "deny") == u64::try_from(MANY)? + 2, "{}", all.len());
    Ok(())
}

fn known(mut worker: Worker) -> Result<()> {
    let denied = worker.host.send(&Request::get("/orders"))?;
    let permitted = worker.host.send(&Request::get("/epoch/1"))?;
    let records = worker.take_all()?;
    let [first, second] = records.as_slice() else { anyhow::bail!("two records: {records:?}") };
    ensure!(denied.decision.as_ref() == Some(first) && permitted.decision.as_ref() == Some(second));
    let id = first["id"].as_str().context("an id")?;
    ensure!(denied.header("portcullis-decision") == [id], "{denied:?}");
    let problem: Value = serde_json::from_str(&denied.body)?;
    ensure!(problem["instance"] == format!("urn:portcullis:decision:{id}"), "{problem}");
    Ok(())
}

/// A request that was permitted, and for which the host could not do what that takes, is one decision: a denial.
fn cannot_go_on(mut worker: Worker) -> Result<()> {
    worker.host.set_fault(Some(Fault::RecordFails));
    let outcome = worker.host.send(&Request::get("/epoch/1"))?;
    worker.host.set_fault(None);
    let records = worker.take_all()?;
    let [record] = records.as_slice() else { anyhow::bail!("one record: {records:?}") };
    // Kong's host may have no place for it, and is not asked to.
    let expected = if outcome.status == 200 { ("permit", "permitted_by_rule") } else { ("deny", "host_failure") };
    ensure!(
        (record["decision"].as_str(), record["reason"].as_str()) == (Some(expected.0), Some(expected.1)),
        "{record}"
    );
    ensure!(record["resource"]["path"] == "/epoch/1", "{record}");
    Ok(())
}

/// Only what the bundle lists, each part under its own name; for requests that are refused, too.
fn in_parts(worker: Worker) -> Result<()> {
    let log = json!({
        "to": ["control"], "fields": { "subject": "plain" }, "filter_state": ["subject", "rule", "reason", "decision_id"],
    });
    let mut worker = Worker::start_by(worker.personality, &log)?;
    let prefix = if worker.personality == Personality::Envoy { "portcullis." } else { "kong.ctx.shared.portcullis_" };
    for path in ["/epoch/1", "/orders"] {
        let context = worker.host.begin(&Request::get(path), NOW)?;
        let told = |name: &str| worker.host.property(context, &format!("{prefix}{name}"));
        let record: Value = serde_json::from_str(&told("decision").context("a record")?)?;
        for (name, member) in [("rule", "rule"), ("reason", "reason"), ("decision_id", "id")] {
            ensure!(told(name).as_deref() == record[member].as_str(), "{name}: {:?}, {record}", told(name));
        }
        ensure!(told("subject").is_none() && told("issuer").is_none(), "there is none");
        ensure!(told("decision_id").is_some(), "{record}");
        worker.host.finish(context)?;
    }
    Ok(())
}

fn proxy_log(worker: Worker) -> Result<()> {
    for to in [&["proxy_log"][..], &["control", "proxy_log"]] {
        let mut worker = Worker::start_with(worker.personality, to)?;
        worker.decide()?;
        let log = worker.host.log().replace(r#"{"version":2"#, "\n{\"version\":2");
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with(r#"{"version":2"#)).collect();
        ensure!(lines.len() == 2, "{log}");
        ensure_chained(&lines.join("\n"))?;
        ensure!(worker.take_all()?.len() == if to.len() == 2 { 2 } else { 0 });
    }
    Ok(())
}

/// How many clients ask at once, and how often each: so that one worker would have room for all records while the endpoint is away.
const CLIENTS: usize = 8;
const REQUESTS: usize = 600;

/// Through real Envoy with all its workers, with an endpoint that is away for a while: every decision arrives, in chains that hold, and the
/// proxy's statistics say the same.
pub fn in_envoy(scene: &Scene, line: &Line) -> Result<()> {
    let mut bundle = policy(1);
    bundle["decision_log"] = json!({ "to": ["control"], "fields": { "subject": "plain", "source": "plain" } });
    line.endpoint.offer(&line.publisher.publish(1, now(), &bundle, &[]));
    line.wait_for(scene, 1)?;
    let ids: Vec<(Vec<String>, usize)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask_often(scene, line))).collect();
        line.endpoint.fail(endpoint::Fault::Status(503));
        std::thread::sleep(Duration::from_millis(1500));
        line.endpoint.fail(endpoint::Fault::None);
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a client panicked"))))
            .collect::<Result<_>>()
    })?;
    let told: Vec<&String> = ids.iter().flat_map(|(ids, _)| ids).collect();
    let wanted = CLIENTS.saturating_mul(REQUESTS);
    let mut records = Records::default();
    for _ in 0..300 {
        records = Records::read(&line.endpoint.records())?;
        if records.kept.len() >= wanted && told.iter().all(|id| records.ids.contains(*id)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let Records { by_worker, kept, ids: known } = records;
    by_worker.values().try_for_each(|lines| ensure_chained(lines))?;
    ensure!(kept.iter().all(|record| record.get("lost").is_none()), "there was room for all");
    ensure!(kept.len() >= wanted, "{} of {wanted} arrived", kept.len());
    ensure!(told.iter().all(|id| known.contains(*id)), "what a client was told is on record");
    let orders = |record: &&Value| record["reason"] == "credential_missing" && record["source"] == "127.0.0.1";
    let denied: usize = ids.iter().map(|(_, denied)| denied).sum();
    ensure!(kept.iter().filter(orders).count() >= denied, "{denied} were denied");
    Ok(())
}

/// What came, each record once: an answer that got lost on its way makes a batch come again.
#[derive(Default)]
struct Records {
    by_worker: BTreeMap<String, String>,
    kept: Vec<Value>,
    ids: BTreeSet<String>,
}

impl Records {
    fn read(lines: &str) -> Result<Self> {
        let mut records = Self::default();
        for text in lines.lines() {
            let record: Value = serde_json::from_str(text)?;
            let member =
                |name: &str| record[name].as_str().map(str::to_owned).with_context(|| format!("a record has {name}"));
            if records.ids.insert(member("id")?) {
                let lines = records.by_worker.entry(member("worker")?).or_default();
                lines.push_str(text);
                lines.push('\n');
                records.kept.push(record);
            }
        }
        Ok(records)
    }
}

/// Asks for what is permitted and for what is not, in turns; the last ids that it was told, and how often it was denied.
fn ask_often(scene: &Scene, line: &Line) -> Result<(Vec<String>, usize)> {
    let mut connection = Connection::open(scene.envoy.address(&line.name)?)?;
    let (mut ids, mut denied) = (Vec::new(), 0_usize);
    for number in 0..REQUESTS {
        let path = if number.is_multiple_of(2) { "/epoch/1" } else { "/orders" };
        let response = connection.send(&Request::get(path))?;
        if path == "/orders" {
            ensure!(response.status == 401, "{response:?}");
            denied = denied.saturating_add(1);
            if number % 100 == 99 {
                let id = response.headers.iter().find(|(name, _)| name == "portcullis-decision").context("an id")?;
                ids.push(String::from_utf8(id.1.clone())?);
            }
        }
    }
    Ok((ids, denied))
}
