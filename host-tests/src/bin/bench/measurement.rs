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

/// How often it is measured in each process. What else the machine does can only make it slower, so the fastest counts.
const WINDOWS: usize = 3;

/// What is measured.
pub(crate) struct Bench {
    planned: Vec<Planned>,
    _folder: TempDir,
}

struct Planned {
    scenario: Scenario,
    load: Load,
}

/// What was measured in one scenario.
pub(crate) struct Figure {
    pub(crate) name: String,
    /// The name of the one with the same load and no filter.
    pub(crate) floor: String,
    /// For each repetition the least of its windows, in microseconds a request.
    pub(crate) microseconds: Vec<f64>,
    /// How many requests that were, in all.
    pub(crate) requests: usize,
}

impl Bench {
    /// Writes down the loads.
    pub(crate) fn prepare(scenarios: Vec<Scenario>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let plan = |scenario: Scenario| {
            let load = Load::write(folder.path(), &scenario.name, &scenario.requests)?;
            Ok(Planned { scenario, load })
        };
        let planned = scenarios.into_iter().map(plan).collect::<Result<_>>()?;
        Ok(Self { planned, _folder: folder })
    }

    /// Measures all scenarios, again and again, each time in another process: where its code happens to lie in memory makes up to a fifth of
    /// what a filter adds, and stays the same for as long as a process runs. Those with the same floor run at the same time and are loaded in
    /// turn, so that what else the machine does falls on all of them.
    pub(crate) fn run(mut self, repetitions: usize, seconds: u64) -> Result<Vec<Figure>> {
        let mut figures: Vec<Figure> = self.planned.iter().map(Figure::begin).collect();
        for repetition in 1..=repetitions {
            eprintln!("Repetition {repetition} of {repetitions} ...");
            let groups = self.planned.chunk_by_mut(|one, next| one.scenario.floor == next.scenario.floor);
            for (group, figures) in groups.zip(figures.chunk_by_mut(|one, next| one.floor == next.floor)) {
                measure_group(group, figures, seconds)?;
            }
        }
        Ok(figures)
    }
}

impl Figure {
    fn begin(Planned { scenario, .. }: &Planned) -> Self {
        Self { name: scenario.name.clone(), floor: scenario.floor.clone(), microseconds: Vec::new(), requests: 0 }
    }
}

/// One repetition of scenarios with the same floor.
fn measure_group(group: &mut [Planned], figures: &mut [Figure], seconds: u64) -> Result<()> {
    let start = |planned: &mut Planned| {
        let envoy = planned.start()?;
        // At first the caches are cold.
        planned.measure(&envoy, WARM_UP_SECONDS)?;
        Ok((envoy, f64::INFINITY))
    };
    let mut running = group.iter_mut().map(start).collect::<Result<Vec<_>>>()?;
    for _ in 0..WINDOWS {
        for ((planned, (envoy, least)), figure) in group.iter_mut().zip(&mut running).zip(&mut *figures) {
            let (microseconds, requests) = planned.measure(envoy, seconds)?;
            *least = least.min(microseconds);
            figure.requests = figure.requests.saturating_add(requests);
        }
    }
    for (figure, (_, least)) in figures.iter_mut().zip(running) {
        figure.microseconds.push(least);
    }
    Ok(())
}

impl Planned {
    /// Starts an Envoy, and sees that it answers as it must.
    fn start(&self) -> Result<Envoy> {
        let Scenario { name, configuration, requests, status: expected, .. } = &self.scenario;
        let envoy = Envoy::start_on_core(CORE_OF_ENVOY, configuration)?;
        let mut connection = Connection::open(envoy.address("ingress")?)?;
        for line in requests.iter().rev().take(10) {
            let request = Request::get(&line.path);
            let request = match &line.token {
                Some(token) => request.with("authorization", &format!("Bearer {token}")),
                None => request,
            };
            let status = first_answer(&mut connection, &request)?;
            ensure!(status == *expected, "{name} answers {status} instead of {expected}");
        }
        Ok(envoy)
    }

    #[expect(clippy::as_conversions, reason = "these numbers are exact in floating point")]
    fn measure(&mut self, envoy: &Envoy, seconds: u64) -> Result<(f64, usize)> {
        let before = cpu_nanoseconds(envoy.process_id())?;
        let answers = self.load.send(CORE_OF_LOAD, envoy.address("ingress")?, seconds)?;
        let after = cpu_nanoseconds(envoy.process_id())?;
        let refused = if self.scenario.status < 400 { 0 } else { answers.requests };
        let name = &self.scenario.name;
        ensure!(answers.refused == refused, "{name}: {} of {} refused", answers.refused, answers.requests);
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
