//! Bundles that are pushed, in Kong's host: from every worker alone where nothing is shared, with one timer, and beside what lives on
//! after a reload.

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::publisher::policy;
use host_tests::strict_host::{Call, Fault, Personality, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::fleet::{Fleet, Test, epoch, in_strict_host, last_error, status, with_management};
use crate::{FUEL_PER_MILLISECOND, NOW};

/// Ticks of a second.
const SECOND: usize = 10;

pub fn trials() -> Vec<Trial> {
    let tests: [Test; 13] = [
        ("kong_every_worker_asks_for_itself", every_worker),
        ("kong_an_answer_without_length_is_a_failure", without_length),
        ("kong_calls_go_out_over_tls_to_host_and_port", calls),
        ("kong_ticks_that_come_too_often_are_ignored", ticks),
        ("kong_its_timer_stays_as_it_is_while_a_large_bundle_is_read", large_bundle),
        ("kong_what_nobody_uses_asks_seldom_and_then_not_at_all", zombies),
        ("kong_who_fails_leaves_the_lease_to_others", lease),
        ("kong_a_vm_that_is_rebuilt_takes_up_what_is_shared", rebuilt),
        ("kong_management_answers_and_takes_no_bundles", management),
        ("kong_what_is_shared_and_not_ours_changes_nothing", foreign),
        ("kong_what_lives_on_holds_the_lease_of_its_own_endpoint_only", another_endpoint),
        ("kong_workers_of_one_name_are_only_less_frugal", one_name),
        ("kong_an_instance_for_each_request_is_slow_and_not_open", isolated),
    ];
    in_strict_host(tests)
}

fn setup(fleet: &Fleet, seed: u8, shares: bool) -> Setup {
    let shared_data = shares.then(|| fleet.shared.clone());
    Setup { personality: Personality::Wasmx, seed, now: NOW * 1000, shared_data, ..Setup::default() }
}

fn worker(fleet: &Fleet, seed: u8) -> Result<StrictHost> {
    let shares = fleet.configuration["shared_data"] == true;
    StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup(fleet, seed, shares))
}

fn every_worker() -> Result<()> {
    let fleet = Fleet::new()?;
    let (mut first, mut second) = (worker(&fleet, 1)?, worker(&fleet, 2)?);
    for host in [&mut first, &mut second] {
        ensure!(host.send(&Request::get("/healthz"))?.decided("reason") == Some("bundle_missing"));
    }
    fleet.publish(1);
    fleet.run(&mut first, SECOND)?;
    ensure!(epoch(&mut first)? == Some(1) && epoch(&mut second)?.is_none(), "nothing is shared");
    fleet.run(&mut second, SECOND)?;
    ensure!(epoch(&mut second)? == Some(1));
    // An earlier epoch is no more believed than in Envoy.
    fleet.publish(3);
    first.set_time(first.time() + 30_000);
    fleet.run(&mut first, SECOND * 60)?;
    ensure!(epoch(&mut first)? == Some(3));
    Ok(())
}

/// Kong's host hands over an empty body where an answer is neither announced nor chunked.
fn without_length() -> Result<()> {
    let mut fleet = with_management(Fleet::new()?)?;
    fleet.configuration["control"]["wait_seconds"] = json!(1);
    fleet.publish(1);
    let mut host = worker(&fleet, 1)?;
    fleet.run(&mut host, SECOND)?;
    let call = next_call(&mut host, 600)?;
    host.respond(&call, &[(":status", "200")], Vec::new())?;
    ensure!(epoch(&mut host)? == Some(1) && last_error(&mut host)? == "unreachable", "{}", last_error(&mut host)?);
    Ok(())
}

/// The next call, within so many ticks.
fn next_call(host: &mut StrictHost, ticks: usize) -> Result<Call> {
    let call = (0..ticks).find_map(|_| host.tick().map(|mut calls| calls.pop()).transpose());
    call.context("nobody is asked")?
}

fn calls() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut host = worker(&fleet, 1)?;
    let call = next_call(&mut host, 5)?;
    ensure!(call.cluster == "control.example.com:8443", "{call:?}");
    // The host takes TLS, and verifies, where the scheme says so.
    ensure!(call.headers.get(":scheme").is_some_and(|scheme| scheme == "https"), "{call:?}");
    Ok(())
}

/// A reload adds a timer to those that there are.
fn ticks() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["control"]["wait_seconds"] = json!(1);
    let mut host = worker(&fleet, 1)?;
    let call = next_call(&mut host, 5)?;
    host.answer(&call, Some((204, Vec::new())))?;
    let started = host.time();
    let mut calls = 0;
    while host.time() < started + 10_000 {
        // Four times at the same time.
        for _ in 0..4 {
            let time = host.time();
            for call in host.tick()? {
                calls += 1;
                host.answer(&call, Some((204, Vec::new())))?;
            }
            host.set_time(time);
        }
        host.set_time(host.time() + 100);
    }
    ensure!((5..=11).contains(&calls), "{calls} calls in ten seconds");
    Ok(())
}

/// A second period for the timer is a trap. So a large bundle is read with the period that there is: a little with each tick.
fn large_bundle() -> Result<()> {
    let fleet = Fleet::new()?;
    let setup = Setup {
        memory_bytes: Some(64 << 20),
        fuel_per_millisecond: Some(FUEL_PER_MILLISECOND),
        ..setup(&fleet, 1, false)
    };
    let mut host = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
    let mut large = policy(1);
    let rule = |number: usize| json!({ "id": format!("rule-{number}"), "effect": "permit", "public": true, "target": { "paths": [format!("/{number}")] } });
    large["rules"].as_array_mut().context("a policy has rules")?.extend((0..1000).map(rule));
    fleet.endpoint.offer(&fleet.publisher.publish(1, NOW, &large, &[]));
    fleet.run(&mut host, 3)?;
    ensure!(epoch(&mut host)?.is_none(), "it is read in one go");
    fleet.run(&mut host, SECOND * 10)?;
    ensure!(epoch(&mut host)? == Some(1));
    Ok(())
}

/// How often it asks, in so many seconds, and is told that there is nothing new.
fn asked(host: &mut StrictHost, seconds: usize) -> Result<usize> {
    let mut asked = 0;
    for _ in 0..seconds {
        for call in host.tick()? {
            asked += 1;
            host.answer(&call, Some((304, Vec::new())))?;
        }
        host.set_time(host.time() + 900);
    }
    Ok(asked)
}

fn zombies() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["control"]["wait_seconds"] = json!(1);
    fleet.publish(1);
    let mut host = worker(&fleet, 1)?;
    fleet.run(&mut host, SECOND)?;
    // The poll that was not answered runs into its end.
    asked(&mut host, 60)?;
    ensure!(asked(&mut host, 60)? > 30, "it asks while it is new");
    asked(&mut host, 600)?;
    let seldom = asked(&mut host, 600)?;
    ensure!((5..=15).contains(&seldom), "{seldom} in ten minutes");
    // A request wakes it: what was revoked meanwhile is known at once.
    fleet.publish(2);
    ensure!(epoch(&mut host)? == Some(1));
    fleet.run(&mut host, 3)?;
    ensure!(epoch(&mut host)? == Some(2));
    asked(&mut host, 25 * 3600)?;
    let seldom = asked(&mut host, 600)?;
    ensure!((5..=15).contains(&seldom), "{seldom} in ten minutes, a quiet day later");
    // Whoever is refused then has been replaced.
    let call = next_call(&mut host, 1000)?;
    host.answer(&call, Some((401, Vec::new())))?;
    ensure!(asked(&mut host, 600)? == 0, "nobody wants it any more");
    Ok(())
}

fn lease() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["shared_data"] = json!(true);
    let mut zombie = worker(&fleet, 1)?;
    let mut live = worker(&fleet, 2)?;
    let call = next_call(&mut zombie, 5)?;
    zombie.answer(&call, Some((401, Vec::new())))?;
    fleet.publish(1);
    for _ in 0..SECOND * 6 {
        for call in zombie.tick()? {
            zombie.answer(&call, Some((401, Vec::new())))?;
        }
        fleet.run(&mut live, 1)?;
    }
    ensure!(epoch(&mut live)? == Some(1), "the one that fails keeps the other from asking");
    Ok(())
}

/// An answer to a call of the VM before it makes the new one trap once; the next one has everything again.
fn rebuilt() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["shared_data"] = json!(true);
    fleet.publish(1);
    let mut host = worker(&fleet, 1)?;
    fleet.run(&mut host, SECOND)?;
    let call = next_call(&mut host, 600)?;
    let mut rebuilt = worker(&fleet, 1)?;
    ensure!(epoch(&mut rebuilt)? == Some(1));
    ensure!(rebuilt.answer(&call, Some((304, Vec::new()))).is_err(), "the SDK knows no such call");
    let mut rebuilt = worker(&fleet, 1)?;
    ensure!(epoch(&mut rebuilt)? == Some(1));
    Ok(())
}

fn management() -> Result<()> {
    let fleet = with_management(Fleet::new()?)?;
    fleet.publish(1);
    let mut host = worker(&fleet, 1)?;
    fleet.run(&mut host, SECOND)?;
    ensure!(host.send(&Request::get("/portcullis/ready"))?.status == 200);
    let put = Request { method: b"PUT".to_vec(), body: b"{}".to_vec(), ..Request::get("/portcullis/bundle") };
    ensure!(host.send(&put)?.status == 501);
    ensure!(host.send(&Request { body: Vec::new(), ..put })?.status == 501, "nor does it wait for a body");
    // More headers than it hands over are no way around anything.
    let many = (0..100).fold(Request::get("/portcullis/status"), |request, at| request.with(&format!("x-{at}"), ""));
    ensure!(host.send(&many)?.status == 431);
    Ok(())
}

/// Another name with the same CRC-32, as another filter could have by chance: four more bytes lead from any sum to any other.
fn same_crc(name: &str) -> Vec<u8> {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let forth = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    let back = |crc: u32| if crc >> 31 == 1 { (crc ^ POLYNOMIAL) << 1 | 1 } else { crc << 1 };
    let after = |bytes: &[u8]| {
        bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| forth(crc)))
    };
    let prefix = b"somebody/else.";
    let bytes = (0..32).fold(after(name.as_bytes()), |crc, _| back(crc)) ^ after(prefix);
    [&prefix[..], &bytes.to_le_bytes()].concat()
}

/// The host tells names apart by their CRC-32 only, and hands over half a value while it is written.
fn foreign() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["shared_data"] = json!(true);
    let mut hosts = [worker(&fleet, 1)?, worker(&fleet, 2)?];
    let mut run = |fleet: &Fleet, seconds: usize, fault| -> Result<[Option<u64>; 2]> {
        for host in &mut hosts {
            host.set_fault(fault);
        }
        for _ in 0..SECOND * seconds {
            for host in &mut hosts {
                fleet.run(host, 1)?;
            }
        }
        for host in &mut hosts {
            host.set_fault(None);
        }
        let [first, second] = &mut hosts;
        Ok([epoch(first)?, epoch(second)?])
    };
    fleet.publish(1);
    ensure!(run(&fleet, 1, None)? == [Some(1); 2]);
    // A bundle of ours in the place of everything else, with an epoch that would keep all others out; and nothing of ours.
    let names: Vec<_> = fleet.shared.values().into_keys().collect();
    let huge = [&[0xff; 8][..], &[0x55; 32]].concat();
    for value in [huge, b"[]".to_vec(), Vec::new()] {
        names.iter().for_each(|name| fleet.shared.write_in_wasmx(&same_crc(name), &value));
        ensure!(fleet.shared.size().0 == names.len(), "they are told apart");
        ensure!(run(&fleet, 0, None)? == [Some(1); 2], "{value:?}");
        // Who starts now finds nothing, and asks.
        let mut late = worker(&fleet, 3)?;
        ensure!(epoch(&mut late)?.is_none(), "{value:?}");
    }
    fleet.publish(2);
    // The poll that nobody answered is given up some time.
    ensure!(run(&fleet, 70, None)? == [Some(2); 2]);
    fleet.publish(3);
    ensure!(run(&fleet, 70, Some(Fault::SharedDataTorn))? == [Some(3); 2]);
    fleet.publish(4);
    ensure!(run(&fleet, 70, None)? == [Some(4); 2]);
    let mut late = worker(&fleet, 3)?;
    ensure!(epoch(&mut late)? == Some(4), "and what is whole is believed");
    Ok(())
}

/// A reload that names another endpoint: who was there before goes on with the one of before, and succeeds.
fn another_endpoint() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["shared_data"] = json!(true);
    fleet.publish(1);
    let mut zombie = worker(&fleet, 1)?;
    fleet.run(&mut zombie, SECOND)?;
    fleet.configuration["control"]["cluster"] = json!("control.example.com:9443");
    let mut live = worker(&fleet, 2)?;
    ensure!(epoch(&mut live)? == Some(1));
    fleet.publish(2);
    for _ in 0..SECOND {
        for call in zombie.tick()? {
            zombie.answer(&call, Some((304, Vec::new())))?;
        }
        fleet.run(&mut live, 1)?;
    }
    ensure!(epoch(&mut live)? == Some(2), "nobody asks the endpoint of the configuration that is in force");
    Ok(())
}

/// Random numbers are those of the C library there. Were they the same in two workers, at the same millisecond, the two would have one
/// name and both the lease: each asks, and nothing else comes of it.
fn one_name() -> Result<()> {
    let mut fleet = with_management(Fleet::new()?)?;
    fleet.configuration["shared_data"] = json!(true);
    let mut hosts = [worker(&fleet, 0)?, worker(&fleet, 0)?];
    let [first, second] = &mut hosts;
    ensure!(status(first)?["worker"] == status(second)?["worker"], "the test is about one name");
    for number in 1..=3 {
        fleet.publish(number);
        for _ in 0..SECOND * 70 {
            for host in &mut hosts {
                fleet.run(host, 1)?;
            }
        }
        for host in &mut hosts {
            ensure!(epoch(host)? == Some(number));
            let refused = host.send(&Request::get("/orders"))?;
            ensure!(refused.decided("reason") == Some("credential_missing"), "{refused:?}");
        }
    }
    Ok(())
}

/// With another isolation than `none` the host makes an instance for each request. What is configured decides there too; what is pushed
/// is there only if it is shared, and else every request is refused.
fn isolated() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.publish(1);
    fleet.run(&mut worker(&fleet, 1)?, SECOND)?;
    ensure!(worker(&fleet, 2)?.send(&Request::get("/healthz"))?.decided("reason") == Some("bundle_missing"));
    fleet.configuration["shared_data"] = json!(true);
    fleet.run(&mut worker(&fleet, 1)?, SECOND)?;
    for seed in 2..5 {
        ensure!(worker(&fleet, seed)?.send(&Request::get("/healthz"))?.status == 200);
        ensure!(worker(&fleet, seed)?.send(&Request::get("/orders"))?.status == 401);
    }
    Ok(())
}
