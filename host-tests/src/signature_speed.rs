//! How long verifying a signature takes inside WebAssembly: the crate `signatures` beside `jwt-simple`, in Wasmtime and in V8.
//!
//! Both are timed in one module, in turns, so that what else the machine does falls on both.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use wasmtime::{Engine, Instance, Linker, Module, Store};

/// What is timed, in the order of `signatures/examples/speed.rs`.
const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// How often each figure is taken. The least counts: what else the machine does only ever adds.
const ROUNDS: usize = 101;

/// What one algorithm takes in one engine, with every repetition.
#[derive(Debug, Deserialize, Serialize)]
pub struct Figure {
    /// The name of the algorithm.
    pub algorithm: String,
    /// The memory of a prepared key, in bytes.
    pub bytes: u32,
    /// Preparing a key.
    pub prepare_microseconds: Vec<f64>,
    /// Verifying a token of 788 bytes with it.
    pub ours_microseconds: Vec<f64>,
    /// The same with the key of `jwt-simple`.
    pub jwt_simple_microseconds: Vec<f64>,
}

impl Figure {
    /// How many times faster than `jwt-simple` it is.
    pub fn speedup(&self) -> f64 {
        least(&self.jwt_simple_microseconds) / least(&self.ours_microseconds)
    }
}

/// What all algorithms take in one engine.
#[derive(Debug, Serialize)]
pub struct EngineFigures {
    /// `Wasmtime` or `V8`.
    pub engine: &'static str,
    /// One for each algorithm.
    pub figures: Vec<Figure>,
}

/// Times the module in Wasmtime, and in the Node.js on the path.
pub fn measure(module: &Path) -> Result<Vec<EngineFigures>> {
    Ok(vec![
        EngineFigures { engine: "Wasmtime", figures: in_wasmtime(module)? },
        EngineFigures { engine: "V8", figures: in_node(module)? },
    ])
}

/// The smallest speedup of an algorithm in any engine.
pub fn least_speedup(engines: &[EngineFigures], algorithm: &str) -> f64 {
    let figures = engines.iter().flat_map(|engine| &engine.figures);
    figures.filter(|figure| figure.algorithm == algorithm).map(Figure::speedup).fold(f64::INFINITY, f64::min)
}

/// The least of some figures.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn in_wasmtime(module: &Path) -> Result<Vec<Figure>> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, module)?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    // Nothing of the system is needed; the standard library names some of it.
    linker.define_unknown_imports_as_traps(&module)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let mut host = WasmtimeHost { store, instance };
    (0_u32..).zip(ALGORITHMS).map(|(number, algorithm)| host.time(number, algorithm)).collect()
}

struct WasmtimeHost {
    store: Store<()>,
    instance: Instance,
}

impl WasmtimeHost {
    fn time(&mut self, number: u32, algorithm: &str) -> Result<Figure> {
        let bytes = self.call("prepare_ours", number)?.0;
        ensure!(bytes > 0 && self.call("prepare_theirs", number)?.0 > 0, "no key of {algorithm}");
        let mut figure = Figure {
            algorithm: algorithm.to_owned(),
            bytes,
            prepare_microseconds: Vec::new(),
            ours_microseconds: Vec::new(),
            jwt_simple_microseconds: Vec::new(),
        };
        for _ in 0..ROUNDS {
            figure.prepare_microseconds.push(self.call("prepare_ours", number)?.1);
            figure.ours_microseconds.push(self.per_verification("verify_ours", 10)?);
            figure.jwt_simple_microseconds.push(self.per_verification("verify_theirs", 1)?);
        }
        Ok(figure)
    }

    fn per_verification(&mut self, function: &str, times: u32) -> Result<f64> {
        let (good, microseconds) = self.call(function, times)?;
        ensure!(good == times, "{function} refused a good signature");
        Ok(microseconds / f64::from(times))
    }

    /// What a function gives back, and how many microseconds it takes.
    #[expect(clippy::disallowed_methods, reason = "this measures time")]
    fn call(&mut self, function: &str, argument: u32) -> Result<(u32, f64)> {
        let function = self.instance.get_typed_func::<u32, u32>(&mut self.store, function)?;
        let start = Instant::now();
        let result = function.call(&mut self.store, argument)?;
        Ok((result, start.elapsed().as_secs_f64() * 1e6))
    }
}

fn in_node(module: &Path) -> Result<Vec<Figure>> {
    let script = crate::repository().join("signatures/examples/speed.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(module)
        .args([ALGORITHMS.join(","), ROUNDS.to_string()])
        .output()
        .context("Node.js is not on the path")?;
    ensure!(output.status.success(), "Node.js failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
