//! The module traps, at many points of every callback: no request goes on undecided, and the next VM serves as if nothing had been.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::outcome::Outcome;
use host_tests::publisher::{Publisher, policy};
use host_tests::strict_host::{Personality, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::{NOW, Scene, failed};

/// At how many points of a callback.
const POINTS: u64 = 40;

/// Something that happens to a host, with the callback that traps.
struct Scenario {
    callback: &'static str,
    what: &'static str,
    bundle: &'static str,
    hosts: &'static [Personality],
    act: fn(&Scene, &mut StrictHost) -> Result<()>,
}

const BOTH: &[Personality] = &[Personality::Envoy, Personality::Wasmx];
const ENVOY: &[Personality] = &[Personality::Envoy];

const SCENARIOS: [Scenario; 11] = [
    Scenario { callback: "proxy_on_configure", what: "", bundle: "orders", hosts: BOTH, act: nothing },
    Scenario { callback: "proxy_on_context_create", what: "", bundle: "orders", hosts: BOTH, act: forged },
    Scenario { callback: "proxy_on_request_headers", what: "", bundle: "orders", hosts: BOTH, act: forged },
    Scenario {
        callback: "proxy_on_request_headers",
        what: "of_the_public",
        bundle: "orders",
        hosts: BOTH,
        act: public,
    },
    Scenario { callback: "proxy_on_request_headers", what: "refused", bundle: "orders", hosts: BOTH, act: refused },
    Scenario { callback: "proxy_on_request_body", what: "", bundle: "orders", hosts: BOTH, act: body },
    Scenario { callback: "proxy_on_request_trailers", what: "", bundle: "orders", hosts: ENVOY, act: trailers },
    Scenario { callback: "proxy_on_delete", what: "", bundle: "orders", hosts: BOTH, act: end },
    Scenario { callback: "proxy_on_tick", what: "with_a_question", bundle: "opaque", hosts: ENVOY, act: question },
    Scenario { callback: "proxy_on_http_call_response", what: "", bundle: "opaque", hosts: ENVOY, act: question },
    Scenario { callback: "proxy_on_tick", what: "with_a_link", bundle: PUSHED, hosts: BOTH, act: pushed },
];

/// The bundle that is pushed.
const PUSHED: &str = "pushed";

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for scenario in &SCENARIOS {
        for personality in scenario.hosts {
            let (name, _) = Personality::ALL.into_iter().find(|(_, known)| known == personality).unwrap_or_default();
            let name = format!("{name}::traps::{}_{}", scenario.callback, scenario.what);
            let scene = Arc::clone(scene);
            trials.push(Trial::test(name, move || run(&scene, scenario, *personality).map_err(failed)));
        }
    }
    trials
}

fn run(scene: &Scene, scenario: &Scenario, personality: Personality) -> Result<()> {
    let configuration = configuration(scene, scenario.bundle)?;
    let setup = |trap| Setup { personality, now: NOW.saturating_mul(1000), trap, ..Setup::default() };
    let mut host = StrictHost::start_in(configuration.as_bytes(), &setup(None))?;
    (scenario.act)(scene, &mut host)?;
    let work = host.fuel_used_in(scenario.callback).context("the callback is called")?;
    let mut traps = 0_u64;
    for point in 0..POINTS {
        let instructions = work.saturating_mul(point).div_euclid(POINTS);
        if scenario.callback == "proxy_on_configure" {
            let trap = Some((scenario.callback, instructions));
            ensure!(StrictHost::start_in(configuration.as_bytes(), &setup(trap)).is_err(), "it did not trap");
            traps = traps.saturating_add(1);
            continue;
        }
        let mut host = StrictHost::start_in(configuration.as_bytes(), &setup(None))?;
        host.trap_in(scenario.callback, instructions);
        // Work is counted a block at a time, so that the last block of a callback may be done all the same.
        traps = traps.saturating_add((scenario.act)(scene, &mut host).is_err().into());
        host.gone_on().iter().try_for_each(decided).with_context(|| format!("after {instructions} of {work}"))?;
    }
    ensure!(traps > 0, "it never trapped");
    let mut host = StrictHost::start_in(configuration.as_bytes(), &setup(None))?;
    (scenario.act)(scene, &mut host).context("afterwards")
}

/// A request that went on was permitted, and says of the client what the filter says.
fn decided(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.decided("decision") == Some("permit"), "it went on undecided: {outcome:?}");
    let forged = ("x-portcullis-subject".to_owned(), b"forged".to_vec());
    ensure!(outcome.upstream.as_ref().is_none_or(|headers| !headers.contains(&forged)), "it is forged: {outcome:?}");
    Ok(())
}

fn configuration(scene: &Scene, bundle: &str) -> Result<String> {
    if bundle != PUSHED {
        return scene.plugin(bundle);
    }
    let publisher = Publisher::new("k1")?;
    let control = json!({ "cluster": "control.example.com:8443", "authority": "control.example.com" });
    let signed = publisher.publish(1, NOW, &policy(1), &[]).in_one_piece()?;
    Ok(json!({ "version": 1, "trust": publisher.trust(), "control": control, "signed_bundle": signed }).to_string())
}

fn request(path: &str) -> Request {
    Request::get(path).with("x-portcullis-subject", "forged")
}

fn good(scene: &Scene) -> Result<Request> {
    Ok(request("/orders").with("authorization", &scene.good_token(NOW)?))
}

fn nothing(_: &Scene, _: &mut StrictHost) -> Result<()> {
    Ok(())
}

fn forged(scene: &Scene, host: &mut StrictHost) -> Result<()> {
    host.begin(&good(scene)?, NOW).map(drop)
}

fn public(_: &Scene, host: &mut StrictHost) -> Result<()> {
    host.begin(&request("/healthz"), NOW).map(drop)
}

fn refused(_: &Scene, host: &mut StrictHost) -> Result<()> {
    host.begin(&request("/orders"), NOW).map(drop)
}

fn body(scene: &Scene, host: &mut StrictHost) -> Result<()> {
    let context = host.begin(&good(scene)?, NOW)?;
    host.lets_body_through(context).map(drop)
}

fn trailers(_: &Scene, host: &mut StrictHost) -> Result<()> {
    host.handle_trailers(&[("x-portcullis-subject", "forged")]).map(drop)
}

fn end(scene: &Scene, host: &mut StrictHost) -> Result<()> {
    let context = host.begin(&good(scene)?, NOW)?;
    host.finish(context).map(drop)
}

/// A request waits for an authorization server, and goes on with its answer.
fn question(_: &Scene, host: &mut StrictHost) -> Result<()> {
    let request = request("/orders").with("authorization", "Bearer t");
    host.begin(&request, NOW)?;
    let claims = json!({ "active": true, "sub": "user-1", "scope": "orders.read" });
    for call in host.tick()? {
        host.answer(&call, Some((200, claims.to_string().into_bytes())))?;
    }
    Ok(())
}

fn pushed(_: &Scene, host: &mut StrictHost) -> Result<()> {
    host.begin(&request("/epoch/1"), NOW)?;
    host.tick().map(drop)
}
