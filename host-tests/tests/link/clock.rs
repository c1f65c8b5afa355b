//! The clock of a real Envoy jumps while it runs. Only what is about time reacts, and when the clock is right again all is as before.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use host_tests::client::{Connection, Request};
use host_tests::envoy::WORKERS;
use host_tests::now;
use host_tests::publisher::policy;
use host_tests::workers::Workers;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::failed;
use crate::scene::Scene;

const LINE: &str = "F20_clock_jumps";
const HOUR: i64 = 3600;
const YEARS: i64 = 10 * 365 * 24 * HOUR;

/// To where the clock jumps from the right time, in seconds, and what becomes of a bundle of then.
fn jumps() -> [(i64, u16); 5] {
    let since_1970 = i64::try_from(now()).unwrap_or_default();
    [(HOUR, 200), (-HOUR, 200), (YEARS, 503), (-since_1970, 200), (0, 503)]
}

pub fn trials() -> Vec<Trial> {
    vec![Trial::test(format!("envoy::{LINE}"), || clock_jumps().map_err(failed))]
}

/// A file by which the clock of a process is moved (`examples/clock.rs`).
struct Clock {
    folder: TempDir,
}

impl Clock {
    fn new() -> Result<Self> {
        let clock = Self { folder: tempfile::tempdir()? };
        File::create(clock.file())?.write_all(&0_i64.to_ne_bytes())?;
        Ok(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// In the place, because the file is mapped.
    fn move_by(&self, seconds: i64) -> Result<()> {
        Ok(OpenOptions::new().write(true).open(self.file())?.write_all(&seconds.to_ne_bytes())?)
    }

    /// The library, which lies beside the tests.
    fn library() -> Result<PathBuf> {
        let test = std::env::current_exe()?;
        let folder = test.parent().and_then(Path::parent).context("a test lies in a folder")?;
        let library = folder.join("examples/libclock.so");
        ensure!(library.is_file(), "{} is missing: `cargo build --package host-tests --examples`", library.display());
        Ok(library)
    }
}

fn clock_jumps() -> Result<()> {
    let (clock, library) = (Clock::new()?, Clock::library()?);
    let environment = [("LD_PRELOAD", library.as_path()), ("CLOCK_FILE", &clock.file())];
    let scene = Scene::start_in([LINE].into_iter(), &environment)?;
    let line = scene.lines.get(LINE).context("there is the line")?;
    line.offer(1);
    line.wait_for(&scene, 1)?;
    let mut workers = Workers::connect(&scene.envoy, LINE, WORKERS)?;
    for (epoch, (seconds, status)) in (2..).zip(jumps()) {
        clock.move_by(seconds)?;
        let health = Connection::open(scene.envoy.address(LINE)?)?.send(&Request::get("/healthz"))?.status;
        ensure!(health == status, "{health} instead of {status} at {seconds}");
        let then = now().saturating_add_signed(seconds);
        line.endpoint.offer(&line.publisher.publish(epoch, then, &policy(epoch), &[]));
        wait_for(&mut workers, epoch)?;
        let health = Connection::open(scene.envoy.address(LINE)?)?.send(&Request::get("/healthz"))?.status;
        ensure!(health == 200, "{health} with a bundle of {seconds}");
    }
    Ok(())
}

/// Waits until every worker has adopted an epoch, whatever it decides meanwhile.
fn wait_for(workers: &mut Workers, epoch: u64) -> Result<()> {
    for _ in 0..600 {
        if workers.epochs()?.iter().all(|found| *found == Some(epoch)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{:?} instead of {epoch}", workers.epochs()?)
}
