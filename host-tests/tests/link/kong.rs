//! Bundles that are pushed, in Kong's host: from every worker alone where nothing is shared, with one timer, and beside what lives on
//! after a reload.

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::publisher::policy;
use host_tests::strict_host::{Call, Personality, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::fleet::{Fleet, Test, epoch, in_strict_host, last_error, with_management};
use crate::{FUEL_PER_MILLISECOND, NOW};

/// Ticks of a second.
pub const SECOND: usize = 10;

pub fn trials() -> Vec<Trial> {
    let tests: [Test; 9] = [
        ("kong_every_worker_asks_for_itself", every_worker),
        ("kong_an_answer_without_length_is_a_failure", without_length),
        ("kong_calls_go_out_over_tls_to_host_and_port", calls),
        ("kong_ticks_that_come_too_often_are_ignored", ticks),
        ("kong_its_timer_stays_as_it_is_while_a_large_bundle_is_read", large_bundle),
        ("kong_what_nobody_uses_asks_seldom_and_then_not_at_all", zombies),
        ("kong_who_fails_leaves_the_lease_to_others", lease),
        ("kong_a_vm_that_is_rebuilt_takes_up_what_is_shared", rebuilt),
        ("kong_management_answers_and_takes_no_bundles", management),
    ];
    in_strict_host(tests)
}

pub fn setup(fleet: &Fleet, seed: u8, shares: bool) -> Setup {
    let shared_data = shares.then(|| fleet.shared.clone());
    Setup { personality: Personality::Wasmx, seed, now: NOW * 1000, shared_data, ..Setup::default() }
}

pub fn worker(fleet: &Fleet, seed: u8) -> Result<StrictHost> {
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
