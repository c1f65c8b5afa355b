//! Envoy's CPU time for a request, user and system.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::{Connection, Request};
use host_tests::envoy::Envoy;
use tempfile::TempDir;

use super::load::Load;
use super::scenario::Scenario;

/// Where Envoy runs, and where the load comes from.
const CORE_OF_ENVOY: usize = 0;
const CORE_OF_LOAD: usize = 1;

/// How long a load goes before it is measured.
const WARM_UP_SECONDS: u64 = 1;

/// Scenarios whose Envoys run.
pub(crate) struct Bench {
    running: Vec<Running>,
    _folder: TempDir,
}

struct Running {
    name: String,
    envoy: Envoy,
    load: Load,
    status: u16,
}

/// What was measured in one scenario.
pub(crate) struct Figure {
    pub(crate) name: String,
    /// For each repetition, in microseconds a request.
    pub(crate) microseconds: Vec<f64>,
    /// How many requests that were, in all.
    pub(crate) requests: usize,
}

impl Bench {
    /// Starts an Envoy for each scenario, and sees that it answers as it must.
    pub(crate) fn start(scenarios: Vec<Scenario>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let start = |scenario: Scenario| {
            let envoy = Envoy::start_on_core(CORE_OF_ENVOY, &scenario.configuration)?;
            let mut connection = Connection::open(envoy.address("ingress")?)?;
            for line in scenario.requests.iter().rev().take(10) {
                let request = Request::get(&line.path);
                let request = match &line.token {
                    Some(token) => request.with("authorization", &format!("Bearer {token}")),
                    None => request,
                };
                let status = first_answer(&mut connection, &request)?;
                ensure!(status == scenario.status, "{} answers {status} instead of {}", scenario.name, scenario.status);
            }
            let load = Load::write(folder.path(), &scenario.name, &scenario.requests)?;
            Ok(Running { name: scenario.name, envoy, load, status: scenario.status })
        };
        let running = scenarios.into_iter().map(start).collect::<Result<_>>()?;
        Ok(Self { running, _folder: folder })
    }

    /// Measures all scenarios in turn, again and again.
    pub(crate) fn run(mut self, repetitions: usize, seconds: u64) -> Result<Vec<Figure>> {
        let figure = |running: &Running| Figure { name: running.name.clone(), microseconds: Vec::new(), requests: 0 };
        let mut figures: Vec<Figure> = self.running.iter().map(figure).collect();
        for repetition in 1..=repetitions {
            eprintln!("Repetition {repetition} of {repetitions} ...");
            for (running, figure) in self.running.iter_mut().zip(&mut figures) {
                // Of a process that was idle for a minute the memory may have been reclaimed, the caches are cold, and at first its module
                // is not compiled well.
                running.measure(WARM_UP_SECONDS)?;
                let (microseconds, requests) = running.measure(seconds)?;
                figure.microseconds.push(microseconds);
                figure.requests = figure.requests.saturating_add(requests);
            }
        }
        Ok(figures)
    }
}

impl Running {
    #[expect(clippy::as_conversions, reason = "these numbers are exact in floating point")]
    fn measure(&mut self, seconds: u64) -> Result<(f64, usize)> {
        let before = cpu_nanoseconds(self.envoy.process_id())?;
        let answers = self.load.send(CORE_OF_LOAD, self.envoy.address("ingress")?, seconds)?;
        let after = cpu_nanoseconds(self.envoy.process_id())?;
        let refused = if self.status < 400 { 0 } else { answers.requests };
        ensure!(answers.refused == refused, "{}: {} of {} refused", self.name, answers.refused, answers.requests);
        Ok((after.saturating_sub(before) as f64 / 1000.0 / answers.requests as f64, answers.requests))
    }
}

/// The status of the answer, once there is a policy that decides.
fn first_answer(connection: &mut Connection, request: &Request) -> Result<u16> {
    for _ in 0..100 {
        let status = connection.send(request)?.status;
        if status != 503 {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("there is no policy in time")
}

/// The time that the threads of a process have had a CPU (proc(5), `schedstat`, in nanoseconds).
fn cpu_nanoseconds(process: u32) -> Result<u64> {
    let mut total = 0_u64;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        let time = schedstat.split_whitespace().next().context("a thread has a time")?;
        total = total.saturating_add(time.parse()?);
    }
    Ok(total)
}
