//! Questions to authorization servers: asked once, bounded, and never in the way of other requests.

use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use host_tests::authorization_server::Answer;
use host_tests::client::{Connection, Request};
use host_tests::envoy::WORKERS;
use host_tests::publisher::Publisher;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{NOW, Scene, failed};
use host_tests::strict_host::{Setup, StrictHost};

/// A listener on which a paused request stops its headers only.
pub const HEADERS_ONLY: &str = "headers-only";

type Test = (&'static str, fn(&Scene) -> Result<()>);

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let tests: [Test; 9] = [
        ("one_question_for_all_who_want_the_answer", single_flight),
        ("a_client_that_goes_away_takes_no_answer_with_it", disconnect),
        ("questions_are_bounded_and_leave_the_others_alone", bounds),
        ("what_cannot_be_asked_does_not_stop_the_link", unsent),
        ("an_answer_is_for_the_credential_that_asked", one_credential_is_not_another),
        ("a_request_that_waits_keeps_its_body_back", body_waits),
        ("a_host_that_cannot_keep_a_request_waiting_refuses_the_bundle", elsewhere),
        ("a_body_does_not_take_undecided_headers_along_in_envoy", body_waits_in_envoy),
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
    renewals(scene)
}

/// A question that cannot be sent is answered in the tick in which the link asks, too. What waited goes on as its own request, and the link
/// asks as the root context.
fn unsent(scene: &Scene) -> Result<()> {
    let publisher = Publisher::new("k1")?;
    let mut plugin: Value = serde_json::from_str(&scene.plugin("opaque")?)?;
    let policy = plugin.get_mut("bundle").context("a bundle")?;
    // What is pushed has an epoch.
    policy.as_object_mut().context("an object")?.remove("revision");
    let signed = publisher.publish(1, NOW, policy, &[]).in_one_piece()?;
    let control = json!({ "cluster": "control", "authority": "control.example.com" });
    let pushed = json!({ "version": 1, "trust": publisher.trust(), "control": control, "signed_bundle": signed });
    let setup = Setup { now: NOW.saturating_mul(1000), ..Setup::default() };
    let mut host = StrictHost::start_in(pushed.to_string().as_bytes(), &setup)?;
    let context = host.begin(&Request::get("/orders").with("x-gone", "t"), NOW)?;
    ensure!(host.is_waiting(context), "it waits: {}", host.log());
    let asked: Vec<_> = host.tick()?.into_iter().map(|call| call.cluster).collect();
    ensure!(asked == ["control"], "{asked:?} were asked");
    let outcome = host.finish(context)?;
    ensure!((outcome.status, outcome.decided("reason")) == (503, Some("introspection_failed")), "{outcome:?}");
    Ok(())
}

/// Strangers who fill all the room there is for them do not lock out a token that was good before, and when they go away
/// there is room again.
fn renewals(scene: &Scene) -> Result<()> {
    let mut host = host(scene)?;
    ensure!(host.handle_with(&request("known"), NOW, &|_| active())?.status == 200);
    let mut strangers = Vec::new();
    while strangers.len() < 1000 {
        let context = host.begin(&request(&format!("t{}", strangers.len())), NOW + 61)?;
        let is_waiting = host.is_waiting(context);
        strangers.push(context);
        if !is_waiting {
            break;
        }
    }
    ensure!(strangers.len() < 1000, "questions are not bounded");
    let known = host.begin(&request("known"), NOW + 61)?;
    ensure!(host.is_waiting(known), "there is room for it");
    for stranger in strangers {
        host.disconnect(stranger)?;
    }
    let other = host.begin(&request("other"), NOW + 61)?;
    ensure!(host.is_waiting(other), "those who went away make room");
    Ok(())
}

/// What the server of one credential vouches for is no token of another, remembered or not.
fn one_credential_is_not_another(scene: &Scene) -> Result<()> {
    let mut host = host(scene)?;
    let signed = Request::get("/orders").with("x-signed", "t");
    ensure!(host.handle(&signed, NOW)?.decided("reason") == Some("token_malformed"));
    ensure!(host.handle_with(&request("t"), NOW, &|_| active())?.status == 200);
    ensure!(host.handle(&signed, NOW)?.decided("reason") == Some("token_malformed"), "it is remembered for one only");
    Ok(())
}

/// With Envoy's `allow_on_headers_stop_iteration` the body is what would let an undecided request go on.
fn body_waits(scene: &Scene) -> Result<()> {
    let mut host = host(scene)?;
    let context = host.begin(&request("t"), NOW)?;
    ensure!(!host.lets_body_through(context)?, "it waits");
    for call in host.tick()? {
        host.answer(&call, active())?;
    }
    ensure!(host.lets_body_through(context)?, "it goes on");
    ensure!(host.finish(context)?.status == 200);
    let refused = host.begin(&Request::get("/orders"), NOW)?;
    ensure!(!host.lets_body_through(refused)?, "it is refused");
    host.finish(refused).map(drop)
}

fn body_waits_in_envoy(scene: &Scene) -> Result<()> {
    for (token, is_active, status) in [("with-body", true, 200), ("with-body-inactive", false, 401)] {
        let body = json!({ "active": is_active, "sub": "user-1", "scope": "orders.read" });
        scene.server.set(token, Answer { status: 200, body, delay_milliseconds: 200 })?;
        let mut request = request(token).with("x-portcullis-subject", "forged");
        (request.method, request.body) = (b"POST".to_vec(), b"hello".to_vec());
        let outcome = scene.send(&mut Connection::open(scene.envoy.address(HEADERS_ONLY)?)?, request, token)?;
        ensure!(outcome.status == status && outcome.decision.is_some(), "{outcome:?}");
        let forged = (("x-portcullis-subject").to_owned(), b"forged".to_vec());
        ensure!(!outcome.upstream.is_some_and(|headers| headers.contains(&forged)), "the header was taken along");
    }
    Ok(())
}

fn elsewhere(scene: &Scene) -> Result<()> {
    let Err(refusal) = StrictHost::start_in_wasmx(scene.plugin("opaque")?.as_bytes()) else {
        anyhow::bail!("the bundle is accepted");
    };
    ensure!(refusal.to_string().contains("`introspection` works in Envoy only"), "{refusal}");
    StrictHost::start_in_wasmx(scene.plugin("orders")?.as_bytes()).map(drop)
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
