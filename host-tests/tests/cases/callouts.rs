//! Questions to authorization servers: asked once, bounded, and never in the way of other requests.

use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use host_tests::authorization_server::Answer;
use host_tests::client::{Connection, Request};
use host_tests::envoy::WORKERS;
use libtest_mimic::Trial;
use serde_json::json;

use crate::strict_host::StrictHost;
use crate::{NOW, Scene, failed};

type Test = (&'static str, fn(&Scene) -> Result<()>);

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let tests: [Test; 5] = [
        ("one_question_for_all_who_want_the_answer", single_flight),
        ("a_client_that_goes_away_takes_no_answer_with_it", disconnect),
        ("questions_are_bounded_and_leave_the_others_alone", bounds),
        ("a_host_that_cannot_keep_a_request_waiting_refuses_the_bundle", elsewhere),
        ("envoy_asks_once_for_each_worker", single_flight_in_envoy),
    ];
    let trial = |(name, test): Test| {
        let scene = Arc::clone(scene);
        Trial::test(format!("callouts::{name}"), move || test(&scene).map_err(failed))
    };
    tests.into_iter().map(trial).collect()
}

fn request(token: &str) -> Request {
    Request::get("/orders").with("authorization", &format!("Bearer {token}"))
}

fn active() -> Option<(u16, Vec<u8>)> {
    let claims = json!({ "active": true, "sub": "user-1", "scope": "orders.read" });
    Some((200, claims.to_string().into_bytes()))
}

fn host(scene: &Scene) -> Result<StrictHost> {
    StrictHost::start(scene.plugin("opaque")?.as_bytes())
}

fn single_flight(scene: &Scene) -> Result<()> {
    let mut host = host(scene)?;
    let waiting = [host.begin(&request("t"), NOW)?, host.begin(&request("t"), NOW)?, host.begin(&request("t"), NOW)?];
    ensure!(waiting.iter().all(|context| host.is_waiting(*context)), "they wait");
    let calls = host.tick()?;
    let [call] = calls.as_slice() else { anyhow::bail!("{} calls", calls.len()) };
    ensure!(
        (call.cluster.as_str(), call.body.as_str()) == ("authorization-server", "token=t&token_type_hint=access_token")
    );
    // Whoever comes meanwhile waits too, and other requests do not.
    let late = host.begin(&request("t"), NOW)?;
    ensure!(host.handle(&Request::get("/healthz"), NOW)?.status == 200);
    ensure!(host.tick()?.is_empty(), "it is asked once");
    host.answer(call, active())?;
    for context in waiting.into_iter().chain([late]) {
        let outcome = host.finish(context)?;
        ensure!(outcome.status == 200, "{outcome:?}");
    }
    ensure!(host.handle(&request("t"), NOW)?.status == 200, "the answer is remembered");
    ensure!(host.handle(&request("t"), NOW + 61)?.status == 503, "but not for ever");
    Ok(())
}

fn disconnect(scene: &Scene) -> Result<()> {
    let mut host = host(scene)?;
    let (first, second) = (host.begin(&request("t"), NOW)?, host.begin(&request("t"), NOW)?);
    let calls = host.tick()?;
    host.disconnect(first)?;
    host.answer(calls.first().context("the server is asked")?, active())?;
    ensure!(host.finish(second)?.status == 200, "the other one goes on");
    // Nobody is left, and the answer is of use all the same.
    let alone = host.begin(&request("u"), NOW)?;
    let calls = host.tick()?;
    host.disconnect(alone)?;
    host.answer(calls.first().context("the server is asked")?, active())?;
    ensure!(host.handle(&request("u"), NOW)?.status == 200);
    Ok(())
}

/// A stranger makes as many questions as there may be.
fn bounds(scene: &Scene) -> Result<()> {
    let mut host = host(scene)?;
    let mut waiting = Vec::new();
    let refused = loop {
        let context = host.begin(&request(&format!("t{}", waiting.len())), NOW)?;
        if !host.is_waiting(context) {
            break host.finish(context)?;
        }
        waiting.push(context);
        ensure!(waiting.len() < 1000, "questions are not bounded");
    };
    ensure!((refused.status, refused.decided("reason")) == (503, Some("introspection_failed")), "{refused:?}");
    let signed = Request::get("/orders").with("authorization", &scene.good_token(NOW)?);
    ensure!(host.handle(&signed, NOW)?.status == 403, "a token that can be verified is judged");
    for call in host.tick()? {
        host.answer(&call, None)?;
    }
    for context in waiting {
        ensure!(host.finish(context)?.status == 503, "nobody is let in without an answer");
    }
    let context = host.begin(&request("later"), NOW)?;
    ensure!(host.is_waiting(context), "there is room again");
    Ok(())
}

fn elsewhere(scene: &Scene) -> Result<()> {
    let Err(refusal) = StrictHost::start_elsewhere(scene.plugin("opaque")?.as_bytes()) else {
        anyhow::bail!("the bundle is accepted");
    };
    ensure!(refusal.to_string().contains("`introspection` works in Envoy only"), "{refusal}");
    StrictHost::start_elsewhere(scene.plugin("orders")?.as_bytes()).map(drop)
}

fn single_flight_in_envoy(scene: &Scene) -> Result<()> {
    let body = json!({ "active": true, "sub": "user-1", "scope": "orders.read" });
    scene.server.set("slow-and-shared", Answer { status: 200, body, delay_milliseconds: 200 })?;
    let address = scene.envoy.address("opaque")?;
    let clients: Vec<_> =
        (0..20).map(|_| thread::spawn(move || Connection::open(address)?.send(&request("slow-and-shared")))).collect();
    for client in clients {
        let response = client.join().ok().context("a client panicked")??;
        ensure!(response.status == 200, "{response:?}");
    }
    let asked = scene.server.asked("slow-and-shared")?;
    ensure!((1..=WORKERS).contains(&asked), "asked {asked} times for {WORKERS} workers");
    Ok(())
}
