//! What the workers of a real Envoy share is damaged, replaced by another tenant's, or overwritten all the time. Envoy's shared data
//! has no limit, so that it is full is for the strict host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, anyhow, ensure};
use host_tests::client::{Connection, Request};
use host_tests::envoy::{Plugin, example_filter_with};
use serde_json::json;

use crate::scene::{AUTHORITY, Line, Scene, Test};

/// The listener of a filter that shares its data with ours.
pub const VANDAL: &str = "vandal";

const CONTENDED: &str = "F35_shared_data_is_overwritten_all_the_time";
const OTHER_TENANT: &str = "F32_of_another_tenant";

/// What becomes of a value.
type Damage = fn(Vec<u8>) -> Vec<u8>;

const DAMAGES: [(&str, &str, Damage); 6] = [
    ("F32_bundle_cut_off", "bundle", |mut value| {
        value.truncate(value.len() / 2);
        value
    }),
    ("F32_bundle_altered", "bundle", |value| {
        value.into_iter().enumerate().map(|(at, byte)| if at == 300 { byte ^ 1 } else { byte }).collect()
    }),
    ("F32_bundle_replaced", "bundle", |_| vec![0xff; 64]),
    ("F32_bundle_emptied", "bundle", |_| b"x".to_vec()),
    ("F32_head_altered", "head", |value| value.iter().map(|byte| byte ^ 1).collect()),
    ("F32_head_from_the_far_future", "head", |value| [&[0xff; 8], value.get(8..).unwrap_or_default()].concat()),
];

pub fn tests() -> Vec<(&'static str, Box<Test>)> {
    let damage = |(name, what, damage)| -> (&'static str, Box<Test>) {
        (name, Box::new(move |scene, line| damaged(scene, line, what, damage)))
    };
    let others: [(&'static str, Box<Test>); 2] =
        [(OTHER_TENANT, Box::new(of_another_tenant)), (CONTENDED, Box::new(contended))];
    DAMAGES.into_iter().map(damage).chain(others).collect()
}

/// A listener with that filter: shared data is that of all modules with one `vm_id`.
pub fn vandal() -> Result<Plugin> {
    let module = host_tests::repository().join("target").join("vandal.wasm");
    std::fs::write(&module, wat::parse_str(include_str!("vandal.wat"))?)?;
    let mut filter = example_filter_with(&json!({}))?;
    let code = filter.pointer_mut("/typed_config/config/vm_config/code").context("the filter has a VM")?;
    *code = json!({ "local": { "filename": module } });
    Ok(Plugin { instead: Some(filter), stops_headers_only: true, ..Plugin::default() })
}

fn value_of(line: &Line, what: &str) -> String {
    format!("/portcullis.{}/{}.{what}", line.publisher.fleet, line.publisher.name)
}

fn read(scene: &Scene, name: &str) -> Result<Vec<u8>> {
    let response = Connection::open(scene.envoy.address(VANDAL)?)?.send(&Request::get(name))?;
    ensure!(response.status == 200 && !response.body.is_empty(), "{name}: {response:?}");
    Ok(response.body)
}

fn write(scene: &Scene, name: &str, body: Vec<u8>) -> Result<()> {
    let request = Request { method: b"PUT".to_vec(), body: body.clone(), ..Request::get(name) };
    let response = Connection::open(scene.envoy.address(VANDAL)?)?.send(&request)?;
    ensure!(response.status == 200, "{name}: {response:?}");
    Ok(())
}

/// What was stored is not believed: who starts anew asks the endpoint.
fn damaged(scene: &Scene, line: &Line, what: &str, damage: Damage) -> Result<()> {
    line.offer(1);
    line.wait_for(scene, 1)?;
    let name = value_of(line, what);
    let bad = damage(read(scene, &name)?);
    write(scene, &name, bad.clone())?;
    ensure!(read(scene, &name)? == bad, "it is damaged");
    line.start_anew(scene, 6)?;
    line.wait_for(scene, 1)?;
    line.offer(2);
    line.wait_for(scene, 2)
}

/// A bundle that is good, and somebody else's, under our names.
fn of_another_tenant(scene: &Scene, line: &Line) -> Result<()> {
    let other = scene.lines.get(DAMAGES[0].0).context("there is another line")?;
    other.offer(8);
    other.wait_for(scene, 8)?;
    line.offer(1);
    line.wait_for(scene, 1)?;
    write(scene, &value_of(line, "bundle"), read(scene, &value_of(other, "bundle"))?)?;
    write(scene, &value_of(line, "head"), read(scene, &value_of(other, "head"))?)?;
    line.start_anew(scene, 6)?;
    line.wait_for(scene, 1)?;
    line.offer(2);
    line.wait_for(scene, 2)
}

/// Compare and swap fails again and again, and nobody's word about the others is worth anything.
fn contended(scene: &Scene, line: &Line) -> Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (ends, address) = (Arc::clone(&is_over), scene.envoy.address(VANDAL)?);
    let lease = format!("lease@{}/{AUTHORITY}", line.name);
    let names = ["bundle", "head", &lease, "workers"].map(|what| value_of(line, what));
    let overwritten = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&overwritten);
    let vandal = std::thread::spawn(move || -> Result<()> {
        let mut connection = Connection::open(address)?;
        while !ends.load(Ordering::Relaxed) {
            for name in &names {
                let body = vec![0xff; 32];
                connection.send(&Request { method: b"PUT".to_vec(), body, ..Request::get(name) })?;
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    });
    // However slow the machine is, so many values are overwritten while epochs come.
    let mut epoch = 0;
    while !vandal.is_finished() && (epoch < 3 || overwritten.load(Ordering::Relaxed) < 1000) {
        epoch += 1;
        line.offer(epoch);
        line.wait_for(scene, epoch)?;
    }
    is_over.store(true, Ordering::Relaxed);
    vandal.join().map_err(|_| anyhow!("the vandal panicked"))??;
    line.offer(epoch + 1);
    line.wait_for(scene, epoch + 1)
}
