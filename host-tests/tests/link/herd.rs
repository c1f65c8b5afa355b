//! A thousand sidecars lose their endpoint in the same moment, and it comes back for all in the same moment.

use anyhow::{Context as _, Result, ensure};
use host_tests::endpoint::{Endpoint, TOKEN};
use host_tests::publisher::{Publisher, policy};
use host_tests::strict_host::{Call, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::{NOW, failed};

const SIDECARS: usize = 1000;

/// For how many seconds the endpoint is gone, and how long it is looked on.
const OUTAGE: usize = 60;
const END: usize = 90;

/// The longest pause of the link, in seconds; jitter makes it up to a half shorter.
const LONGEST_PAUSE: usize = 16;

/// What a second may bring once all have come to their longest pause: twice as much as if they were spread evenly.
const BOUND: usize = 2 * SIDECARS / (LONGEST_PAUSE * 3 / 4);

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("strict::F34_a_thousand_sidecars_reconnect", || thousand().map_err(failed))]
}

fn thousand() -> Result<()> {
    let publisher = Publisher::new("k1")?;
    let endpoint = Endpoint::default();
    endpoint.offer(&publisher.publish(1, NOW, &policy(1), &[]));
    let control = json!({ "cluster": "control", "authority": "control.example.com", "token": TOKEN });
    let configuration = json!({ "version": 1, "trust": publisher.trust(), "control": control }).to_string();
    let (mut attempts, mut returns) = (vec![0_usize; END], vec![0_usize; END]);
    let mut most = 0;
    for number in 0..SIDECARS {
        let sidecar = one(configuration.as_bytes(), &endpoint, number)?;
        most = most.max(sidecar.attempts.len());
        sidecar.attempts.iter().for_each(|second| attempts[*second] += 1);
        returns[sidecar.is_back_at] += 1;
    }
    ensure!(most <= 12, "{most} attempts of one sidecar in {OUTAGE} seconds");
    // Whoever is gone for a moment only is back soon: that is what short pauses at first are for.
    ensure!(attempts[0] <= 3 * SIDECARS, "{attempts:?}");
    // Later nobody comes with all others: neither while the endpoint is gone nor when it is back.
    for (second, (tried, came)) in attempts.iter().zip(&returns).enumerate().skip(2 * LONGEST_PAUSE) {
        ensure!(*tried <= BOUND && *came <= BOUND, "{tried} attempts and {came} returns in second {second}");
    }
    ensure!(returns[OUTAGE..=OUTAGE + LONGEST_PAUSE].iter().sum::<usize>() == SIDECARS, "{returns:?}");
    Ok(())
}

/// In which seconds after the loss a sidecar tried in vain, and in which it was back.
struct Sidecar {
    attempts: Vec<usize>,
    is_back_at: usize,
}

fn one(configuration: &[u8], endpoint: &Endpoint, number: usize) -> Result<Sidecar> {
    // Each has random numbers of its own, and ticks at another moment.
    let now = NOW * 1000 + u64::try_from(number)?;
    let setup = Setup { seed: u8::try_from(number % 251)?, now, ..Setup::default() };
    let mut host = StrictHost::start_in(configuration, &setup)?;
    let waiting = poll_in_peace(&mut host, endpoint)?;
    let lost_at = host.time();
    let mut sidecar = Sidecar { attempts: Vec::new(), is_back_at: 0 };
    host.answer(&waiting, None)?;
    loop {
        let second = usize::try_from((host.time() - lost_at) / 1000)?;
        ensure!(second < END, "sidecar {number} does not come back");
        for call in host.tick()? {
            if second >= OUTAGE {
                return Ok(Sidecar { is_back_at: second, ..sidecar });
            }
            sidecar.attempts.push(second);
            host.answer(&call, None)?;
        }
    }
}

/// Lets a sidecar adopt what there is; the poll in which it then waits.
fn poll_in_peace(host: &mut StrictHost, endpoint: &Endpoint) -> Result<Call> {
    let mut calls = host.tick()?;
    loop {
        let call = calls.pop().context("it asks")?;
        let answer = endpoint.answer(&call.headers[":path"], &call.headers, false);
        if answer.status == 304 {
            return Ok(call);
        }
        host.answer(&call, Some((answer.status, answer.body)))?;
        calls.extend(host.calls());
    }
}
