//! The module traps, at many points of every callback: no request goes on undecided, and the next VM serves as if nothing had been.
//!
//! The host does it, by giving a callback less work than it takes. A build that traps where somebody wrote a trap would be another module
//! than the one that proxies load, and would trap at the places that somebody thought of; this one traps between any two blocks of the
//! code that is shipped, that of the libraries and of `proxy_on_memory_allocate` within host calls too.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::outcome::Outcome;
use host_tests::publisher::{Publisher, policy};
use host_tests::strict_host::{self, Personality, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::json;

use crate::{NOW, Scene, failed};

/// At how many points of a callback.
const POINTS: u64 = 40;

/// At how many of them it has to trap. Work is counted a block at a time, so that the last blocks of a short callback may be done all
/// the same.
const MIN_TRAPS: u64 = 20;

/// Something that happens to a host, with the callback that traps.
struct Scenario {
    callback: &'static str,
    what: &'static str,
    bundle: &'static str,
    hosts: &'static [Personality],
    act: Act,
}

/// When a callback traps.
#[derive(Clone, Copy)]
enum Act {
    /// While the host starts.
    Start,
    /// While this is done.
    Then(fn(&Scene, &mut StrictHost) -> Result<()>),
}

const BOTH: &[Personality] = &[Personality::Envoy, Personality::Wasmx];
const ENVOY: &[Personality] = &[Personality::Envoy];

/// One line for each.
const SCENARIOS: [Scenario; 16] = [
    on("_initialize", "", "orders", BOTH, Act::Start),
    on("proxy_on_context_create", "of_the_plugin", "orders", BOTH, Act::Start),
    on("proxy_on_vm_start", "", "orders", BOTH, Act::Start),
    on("proxy_on_configure", "", "orders", BOTH, Act::Start),
    on("proxy_on_configure", "with_a_link", PUSHED, BOTH, Act::Start),
    on("proxy_on_context_create", "", "orders", BOTH, Act::Then(announced)),
    on("proxy_on_request_headers", "", "orders", BOTH, Act::Then(forged)),
    on("proxy_on_request_headers", "of_the_public", "orders", BOTH, Act::Then(public)),
    on("proxy_on_request_headers", "refused", "orders", BOTH, Act::Then(refused)),
    on("proxy_on_request_body", "", "orders", BOTH, Act::Then(body)),
    // Kong's host has no trailers, and never calls it.
    on("proxy_on_request_trailers", "", "orders", ENVOY, Act::Then(trailers)),
    on("proxy_on_delete", "", "orders", BOTH, Act::Then(end)),
    // A request that waits for an answer is Envoy's; such a bundle is refused elsewhere.
    on("proxy_on_tick", "with_a_question", "opaque", ENVOY, Act::Then(question)),
    on("proxy_on_http_call_response", "", "opaque", ENVOY, Act::Then(question)),
    on("proxy_on_tick", "with_a_link", PUSHED, BOTH, Act::Then(pushed)),
    on("proxy_on_http_call_response", "with_a_link", PUSHED, BOTH, Act::Then(answered)),
];

const fn on(
    callback: &'static str,
    what: &'static str,
    bundle: &'static str,
    hosts: &'static [Personality],
    act: Act,
) -> Scenario {
    Scenario { callback, what, bundle, hosts, act }
}

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
    trials.push(Trial::test("module::every_callback_traps", || every_callback().map_err(failed)));
    trials
}

/// A callback that is new gets a line, for each host that calls it.
fn every_callback() -> Result<()> {
    let module = strict_host::module()?;
    let exported = module.exports().map(|export| export.name()).filter(|name| name.starts_with("proxy_on_"));
    let exported: BTreeSet<_> = exported.filter(|name| *name != "proxy_on_memory_allocate").collect();
    for personality in BOTH {
        let trapped = SCENARIOS.iter().filter(|scenario| scenario.hosts.contains(personality));
        let mut trapped: BTreeSet<_> = trapped.map(|scenario| scenario.callback).collect();
        trapped.remove("_initialize");
        if *personality == Personality::Wasmx {
            trapped.insert("proxy_on_request_trailers");
        }
        ensure!(trapped == exported, "{personality:?}: {trapped:?} trap, and {exported:?} are exported");
    }
    Ok(())
}

fn run(scene: &Scene, scenario: &Scenario, personality: Personality) -> Result<()> {
    let configuration = configuration(scene, scenario.bundle)?;
    let start = |trap| {
        let setup = Setup { personality, now: NOW.saturating_mul(1000), trap, ..Setup::default() };
        StrictHost::start_in(configuration.as_bytes(), &setup)
    };
    let act = |host: &mut StrictHost| match scenario.act {
        Act::Start => Ok(()),
        Act::Then(act) => act(scene, host),
    };
    let mut host = start(None)?;
    act(&mut host)?;
    let work = host.fuel_used_in(scenario.callback).context("the callback is called")?;
    let mut traps = 0_u64;
    for point in 0..POINTS {
        let instructions = work.saturating_mul(point).div_euclid(POINTS);
        let trap = (scenario.callback, instructions);
        let trapped = match scenario.act {
            // A host that did not start has no requests.
            Act::Start => start(Some(trap)).is_err(),
            Act::Then(act) => {
                let mut host = start(None)?;
                host.trap_in(trap.0, trap.1);
                let trapped = act(scene, &mut host).is_err();
                let gone_on = host.gone_on();
                gone_on.iter().try_for_each(decided).with_context(|| format!("after {instructions} of {work}"))?;
                trapped
            }
        };
        traps = traps.saturating_add(trapped.into());
    }
    ensure!(traps >= MIN_TRAPS, "it trapped {traps} times");
    act(&mut start(None)?).context("afterwards")
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
    let publisher = publisher()?;
    let control = json!({ "cluster": "control.example.com:8443", "authority": "control.example.com" });
    let signed = publisher.publish(1, NOW, &policy(1), &[]).in_one_piece()?;
    Ok(json!({ "version": 1, "trust": publisher.trust(), "control": control, "signed_bundle": signed }).to_string())
}

fn publisher() -> Result<&'static Publisher> {
    static PUBLISHER: OnceLock<Option<Publisher>> = OnceLock::new();
    PUBLISHER.get_or_init(|| Publisher::new("k1").ok()).as_ref().context("a key is made")
}

fn request(path: &str) -> Request {
    Request::get(path).with("x-portcullis-subject", "forged")
}

fn good(scene: &Scene) -> Result<Request> {
    Ok(request("/orders").with("authorization", &scene.good_token(NOW)?))
}

/// Another request was announced before, and has not begun: both have to be known.
fn announced(scene: &Scene, host: &mut StrictHost) -> Result<()> {
    host.announce()?;
    forged(scene, host)
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
    let context = host.begin(&Request { body: b"hello".to_vec(), ..good(scene)? }, NOW)?;
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

/// A newer bundle with the same policy comes, before a request.
fn answered(_: &Scene, host: &mut StrictHost) -> Result<()> {
    let newer = publisher()?.publish(2, NOW, &policy(1), &[]);
    for call in host.tick()? {
        host.answer(&call, Some((200, newer.manifest.clone().into_bytes())))?;
    }
    host.begin(&request("/epoch/1"), NOW).map(drop)
}
