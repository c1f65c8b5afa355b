//! What the workers of a host share, in the strict host: who asks, what is left of it, and hosts that share nothing.

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::publisher::policy;
use host_tests::strict_host::{Fault, Personality, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::NOW;
use crate::fleet::{Fleet, Test, epoch, in_strict_host, last_error, with_management};

pub fn trials() -> Vec<Trial> {
    let tests: [Test; 7] = [
        ("one_worker_asks_and_all_adopt", workers),
        ("the_lease_is_handed_over_when_its_holder_dies", lease),
        ("a_vm_that_starts_anew_takes_up_what_was_adopted", restart),
        ("damaged_shared_data_is_ignored", damaged),
        ("what_cannot_be_shared_is_fetched_by_everybody", full),
        ("without_shared_data_every_worker_asks", without_shared_data),
        ("another_host_has_one_timer_and_no_calls_at_its_start", elsewhere),
    ];
    in_strict_host(tests)
}

fn workers() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut hosts = [fleet.worker(1)?, fleet.worker(2)?, fleet.worker(3)?];
    fleet.publish(7);
    let mut asked = [0; 3];
    for _ in 0..30 {
        for (host, asked) in hosts.iter_mut().zip(&mut asked) {
            *asked += fleet.run(host, 1)?;
        }
    }
    ensure!(asked[1..] == [0, 0] && asked[0] > 0, "{asked:?}");
    for host in &mut hosts {
        ensure!(epoch(host)? == Some(7));
    }
    fleet.publish(8);
    // The poll that nobody answered is given up some time.
    for _ in 0..700 {
        for host in &mut hosts {
            fleet.run(host, 1)?;
        }
    }
    for host in &mut hosts {
        ensure!(epoch(host)? == Some(8));
    }
    let statuses = fleet.endpoint.statuses();
    let seen = statuses.last().and_then(|status| status["workers"].as_array().map(Vec::len));
    ensure!(seen == Some(3) && statuses[0]["proxy"] == "edge-1", "{statuses:?}");
    Ok(())
}

fn lease() -> Result<()> {
    let fleet = Fleet::new()?;
    let (mut first, mut second) = (fleet.worker(1)?, fleet.worker(2)?);
    fleet.publish(1);
    fleet.run(&mut first, 5)?;
    ensure!(fleet.run(&mut second, 5)? == 0);
    drop(first);
    fleet.publish(2);
    fleet.run(&mut second, 60)?;
    ensure!(epoch(&mut second)? == Some(2), "another worker goes on");
    Ok(())
}

fn restart() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut first = fleet.worker(1)?;
    let old = fleet.publish(41);
    fleet.run(&mut first, 5)?;
    fleet.publish(42);
    let mut second = fleet.worker(2)?;
    ensure!(epoch(&mut second)? == Some(41), "before its first tick");
    // Past its expiry it is stale, and goes on as its publisher allows; then it is closed.
    for (seconds, status) in [(3_700, 200), (3_600 + 86_400, 503)] {
        let setup = fleet.setup(3, (NOW + seconds) * 1000);
        let mut late = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
        let outcome = late.send(&Request::get("/healthz"))?;
        ensure!(outcome.status == status, "{outcome:?}");
    }
    fleet.run(&mut first, 40)?;
    ensure!(epoch(&mut first)? == Some(41), "nobody told it");
    drop(first);
    fleet.run(&mut second, 60)?;
    ensure!(epoch(&mut second)? == Some(42));
    // What is older is not adopted any more, by whichever worker, old or new.
    fleet.endpoint.offer(&old);
    let fleet = with_management(fleet)?;
    let mut third = fleet.worker(3)?;
    drop(second);
    third.set_time(third.time() + 60_000);
    let mut calls = Vec::new();
    for _ in 0..60 {
        calls.extend(third.tick()?);
    }
    let call = calls.first().context("it asks")?;
    third.answer(call, Some((200, old.manifest.clone().into_bytes())))?;
    ensure!(epoch(&mut third)? == Some(42) && last_error(&mut third)? == "rolled_back");
    let reused = fleet.publisher.publish(42, NOW - 1, &policy(1), &[]);
    let put = Request {
        method: b"PUT".to_vec(),
        body: reused.in_one_piece()?.to_string().into_bytes(),
        ..Request::get("/portcullis/bundle")
    };
    let outcome = third.send(&put)?;
    ensure!(outcome.status == 422 && outcome.body.contains("epoch_reused"), "{outcome:?}");
    Ok(())
}

fn damaged() -> Result<()> {
    let damages: [fn(&str, &mut Vec<u8>); 5] = [
        |name, value| {
            if name.ends_with("head") {
                value.iter_mut().take(8).for_each(|byte| *byte = 0xff);
            }
        },
        |name, value| {
            if name.ends_with("bundle") {
                value.truncate(value.len() / 2)
            }
        },
        |name, value| {
            if name.ends_with("bundle") {
                value.iter_mut().skip(300).for_each(|byte| *byte ^= 1)
            }
        },
        |name, value| {
            if name.ends_with("bundle") {
                *value = vec![0xff; 64]
            }
        },
        |_, value| value.clear(),
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        let fleet = Fleet::new()?;
        let mut first = fleet.worker(1)?;
        fleet.publish(1);
        fleet.run(&mut first, 5)?;
        drop(first);
        fleet.shared.damage(damage);
        let mut second = fleet.worker(2)?;
        ensure!(
            second.send(&Request::get("/healthz"))?.status == 503,
            "damage {index}: what is damaged is not adopted"
        );
        fleet.publish(2);
        fleet.run(&mut second, 80)?;
        ensure!(epoch(&mut second)? == Some(2), "damage {index}: it recovers by itself");
    }
    // Another tenant's bundle, signed by a key that is not trusted here, under the same names.
    let (fleet, stranger) = (Fleet::new()?, Fleet::new()?);
    let mut first = stranger.worker(1)?;
    stranger.publish(1);
    stranger.run(&mut first, 5)?;
    let setup = Setup { shared_data: Some(stranger.shared.clone()), now: NOW * 1000, ..Setup::default() };
    let mut second = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
    ensure!(second.send(&Request::get("/healthz"))?.status == 503, "it is ignored");
    Ok(())
}

fn full() -> Result<()> {
    for fault in [Fault::SharedDataFull, Fault::SharedDataContended, Fault::SharedDataUnavailable] {
        let fleet = Fleet::new()?;
        let mut hosts = [fleet.worker(1)?, fleet.worker(2)?];
        fleet.publish(1);
        for host in &mut hosts {
            host.set_fault(Some(fault));
        }
        for _ in 0..60 {
            for host in &mut hosts {
                fleet.run(host, 1)?;
            }
        }
        for host in &mut hosts {
            // Nobody holds the lease where nobody can write it: then the next start of the worker helps, or the end of the fault.
            let expected = if fault == Fault::SharedDataContended { None } else { Some(1) };
            host.set_fault(None);
            ensure!(epoch(host)? == expected, "{fault:?}");
        }
        for _ in 0..60 {
            for host in &mut hosts {
                fleet.run(host, 1)?;
            }
        }
        for host in &mut hosts {
            ensure!(epoch(host)? == Some(1), "after {fault:?}");
        }
    }
    Ok(())
}

fn without_shared_data() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["shared_data"] = json!(false);
    fleet.publish(1);
    for seed in [1, 2] {
        let mut host = fleet.worker(seed)?;
        fleet.run(&mut host, 5)?;
        ensure!(epoch(&mut host)? == Some(1));
    }
    ensure!(fleet.shared.size().0 == 0);
    Ok(())
}

fn elsewhere() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.publish(1);
    let setup = Setup { personality: Personality::Wasmx, now: NOW * 1000, ..Setup::default() };
    let mut host = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
    fleet.run(&mut host, 5)?;
    ensure!(epoch(&mut host)? == Some(1), "a host without shared data");
    // An issuer that has to be asked is not adopted there.
    let mut opaque = policy(2);
    opaque["issuers"] = json!([{ "issuer": "https://as.example.com", "introspection": {
        "endpoint": "https://as.example.com/introspect", "cluster": "as", "client_id": "c", "client_secret": "s",
    } }]);
    let refused = fleet.publisher.publish(2, NOW, &opaque, &[]);
    fleet.endpoint.offer(&refused);
    host.set_time(host.time() + 60_000);
    fleet.run(&mut host, 10)?;
    ensure!(epoch(&mut host)? == Some(1), "introspection is for Envoy only");
    fleet.configuration["shared_data"] = json!(true);
    let setup = Setup { shared_data: Some(fleet.shared.clone()), ..setup };
    fleet.publish(3);
    let mut host = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
    fleet.run(&mut host, 5)?;
    ensure!(fleet.shared.size().0 == 5, "with shared data");
    let mut second = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &Setup { seed: 2, ..setup })?;
    ensure!(epoch(&mut second)? == Some(3));
    Ok(())
}
