//! What workers of Kong's host share: in a zone of which any value may be another filter's, or half written, and which may be too small.

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::strict_host::{Fault, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::fleet::{Fleet, Test, epoch, in_strict_host, status, with_management};
use crate::kong::{SECOND, setup, worker};

pub fn trials() -> Vec<Trial> {
    let tests: [Test; 5] = [
        ("kong_what_is_shared_and_not_ours_changes_nothing", foreign),
        ("kong_a_zone_that_is_too_small_is_no_trap_for_ever", too_small),
        ("kong_what_lives_on_holds_the_lease_of_its_own_endpoint_only", another_endpoint),
        ("kong_workers_of_one_name_are_only_less_frugal", one_name),
        ("kong_an_instance_for_each_request_is_slow_and_not_open", isolated),
    ];
    in_strict_host(tests)
}

/// A fleet whose workers share.
fn sharing() -> Result<Fleet> {
    let mut fleet = Fleet::new()?;
    fleet.configuration["shared_data"] = json!(true);
    Ok(fleet)
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
    let fleet = sharing()?;
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

/// Where there is no room for a value the host traps, and the next instance has to live without sharing it.
fn too_small() -> Result<()> {
    let fleet = sharing()?;
    fleet.publish(1);
    let configuration = fleet.configuration.to_string();
    let start = |seed| {
        let setup = Setup { fault: Some(Fault::SharedDataFull), ..setup(&fleet, seed, true) };
        StrictHost::start_in(configuration.as_bytes(), &setup)
    };
    let refusal = fleet.run(&mut start(1)?, SECOND).err().context("there is room")?;
    ensure!(format!("{refusal:#}").contains("no room in the zone"), "{refusal:#}");
    let mut hosts = [start(1)?, start(2)?];
    for number in 1..=2 {
        fleet.publish(number);
        for _ in 0..SECOND * 70 {
            for host in &mut hosts {
                fleet.run(host, 1)?;
            }
        }
        for host in &mut hosts {
            ensure!(epoch(host)? == Some(number));
        }
    }
    let said = hosts.iter().flat_map(|host| host.log().matches("it must be larger")).count();
    ensure!((1..10).contains(&said), "the log says so {said} times");
    Ok(())
}

/// A reload that names another endpoint: who was there before goes on with the one of before, and succeeds.
fn another_endpoint() -> Result<()> {
    let mut fleet = sharing()?;
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
    let fleet = with_management(sharing()?)?;
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
