//! What holds for the module as a whole, beyond single requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use host_tests::client::{Connection, Request};
use host_tests::envoy::{Envoy, Plugin, Ports};
use host_tests::token::TokenSpec;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{NOW, Scene, failed};
use host_tests::strict_host::{self, Fault, Personality, Setup, StrictHost, UNUSED_IMPORTS, USED_IMPORTS};

type Test = (&'static str, fn(&Scene) -> Result<()>);

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let tests: [Test; 13] = [
        ("imports_and_exports_are_those_that_are_listed", imports_and_exports),
        ("newer_webassembly_than_kong_has_is_not_loaded", newer_webassembly),
        ("a_failing_host_call_never_lets_a_request_through", failing_host_calls),
        ("the_hosts_own_crypto_is_used_where_it_proved_itself_and_never_missed", native_crypto),
        ("trailers_cannot_carry_an_identity", trailers),
        ("a_request_that_nobody_announced_stays_where_it_is", strangers),
        ("remembered_tokens_stay_within_their_bound", remembered_tokens_are_bounded),
        ("memory_does_not_grow_with_requests", memory_is_flat),
        ("a_bad_configuration_is_refused_with_every_error_and_its_place", bad_configuration),
        ("envoy_refuses_a_bad_configuration_and_says_why", bad_configuration_in_envoy),
        ("a_stranger_cannot_tell_why_a_token_was_refused", refusals_look_the_same),
        ("a_candidate_is_put_on_record_and_decides_nothing", candidate),
        ("workers_live_through_all_of_this", no_worker_trapped),
    ];
    let trial = |(name, test): Test| {
        let scene = Arc::clone(scene);
        Trial::test(format!("module::{name}"), move || test(&scene).map_err(failed))
    };
    tests.into_iter().map(trial).collect()
}

fn imports_and_exports(_: &Scene) -> Result<()> {
    let module = strict_host::module()?;
    let imports: BTreeSet<String> =
        module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
    let listed: BTreeSet<String> = USED_IMPORTS.iter().chain(&UNUSED_IMPORTS).map(|name| (*name).to_owned()).collect();
    let (new, gone): (Vec<_>, Vec<_>) = (imports.difference(&listed).collect(), listed.difference(&imports).collect());
    ensure!(imports == listed, "imports {new:?} are not listed, {gone:?} are listed in vain");
    for import in module.imports() {
        let offered: &[&str] = match import.module() {
            "env" => &strict_host::BY_BOTH_HOSTS,
            _ => &strict_host::WASI_BY_BOTH_HOSTS,
        };
        ensure!(offered.contains(&import.name()), "not every host offers {}.{}", import.module(), import.name());
    }
    // Envoy enters the module once a request for every callback that is exported.
    let callbacks: BTreeSet<_> =
        module.exports().map(|export| export.name()).filter(|name| name.starts_with("proxy_on_")).collect();
    let wanted = [
        "configure",
        "context_create",
        "delete",
        "http_call_response",
        "memory_allocate",
        "request_body",
        "request_headers",
        "request_trailers",
        "tick",
        "vm_start",
    ];
    ensure!(
        callbacks
            == wanted
                .iter()
                .map(|name| format!("proxy_on_{name}"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect(),
        "exports {callbacks:?}"
    );
    Ok(())
}

/// The module itself is loaded by the same engine.
fn newer_webassembly(_: &Scene) -> Result<()> {
    let engine = strict_host::module()?.engine();
    let of_today = "(module (memory 1) (table 1 funcref) (func (result i32 i64) i32.const 1 i64.const 2)
        (func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle))";
    wasmtime::Module::new(engine, wat::parse_str(of_today)?)?;
    let newer = [
        "(module (func $f return_call $f))",
        "(module (memory 1) (memory 1))",
        "(module (memory i64 1))",
        "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
        "(module (func (param i64 i64) (result i64 i64) local.get 0 local.get 1 i64.mul_wide_u))",
        "(module (memory 1 (pagesize 1)))",
        "(module (tag))",
        "(module (memory 1 1 shared))",
    ];
    for text in newer {
        let binary = wat::parse_str(text)?;
        ensure!(wasmtime::Module::new(engine, binary).is_err(), "it is loaded: {text}");
    }
    Ok(())
}

fn strangers(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start(scene.plugin("orders")?.as_bytes())?;
    ensure!(!host.lets_strangers_through()?);
    // Of a request that was nothing but headers nothing is kept, and nothing more is let through.
    let all = host.begin(&Request::get("/healthz"), NOW)?;
    ensure!(!host.lets_body_through(all)?, "what cannot come goes on");
    let more = host.begin(&Request { body: b"hello".to_vec(), ..Request::get("/healthz") }, NOW)?;
    ensure!(host.lets_body_through(more)?, "a body does not go on");
    ensure!(host.handle(&Request::get("/healthz"), NOW)?.status == 200, "others go on");
    Ok(())
}

fn failing_host_calls(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start(scene.plugin("orders")?.as_bytes())?;
    let request =
        Request::get("/healthz").with("x-portcullis-subject", "admin").with("authorization", &scene.good_token(NOW)?);
    // What may be used once and cannot be remembered must not pass.
    let mut bound = StrictHost::start(scene.plugin("bound")?.as_bytes())?;
    let token: TokenSpec = serde_json::from_value(json!({ "key": "es256", "claims": { "jti": "once" } }))?;
    let once = Request::get("/transfers").with("authorization", &format!("Bearer {}", token.mint(&scene.keys, NOW)?));
    for fault in [Fault::SharedDataUnavailable, Fault::SharedDataContended] {
        let outcome = bound.handle_with_fault(&once, NOW, Some(fault))?;
        ensure!((outcome.status, outcome.decided("reason")) == (503, Some("host_failure")), "{fault:?}: {outcome:?}");
    }
    ensure!(bound.handle(&once, NOW)?.status == 200, "what did not pass was not used");
    // A permit that cannot be put on record is not carried out; a refusal is.
    let unrecorded = host.handle_with_fault(&request, NOW, Some(Fault::RecordFails))?;
    ensure!(unrecorded.status == 503, "{unrecorded:?}");
    for fault in [
        Fault::HeadersUnavailable,
        Fault::HeadersDamaged,
        Fault::ClockFails,
        Fault::SetHeaderFails,
        Fault::RemoveHeaderFails,
    ] {
        let outcome = host.handle_with_fault(&request, NOW, Some(fault))?;
        ensure!((outcome.status, outcome.decided("reason")) == (503, Some("host_failure")), "{fault:?}: {outcome:?}");
        ensure!(host.handle(&request, NOW)?.status == 200, "after {fault:?}");
    }
    Ok(())
}

/// RSA signatures are Envoy's to verify on a processor without FMA, which makes the module slow. Where Envoy cannot, on other processors and on
/// hosts that are not Envoy, the module does it, with the same answers.
fn native_crypto(scene: &Scene) -> Result<()> {
    let plugin = scene.plugin("orders")?;
    let statuses = |host: &mut StrictHost, subject: &str, fault| -> Result<[u16; 2]> {
        let status = |host: &mut StrictHost, forgery: &str| -> Result<u16> {
            let token = json!({ "key": "rs256", "claims": { "sub": subject }, "forgery": forgery });
            let token: TokenSpec = serde_json::from_value(token)?;
            let bearer = format!("Bearer {}", token.mint(&scene.keys, NOW)?);
            Ok(host.handle_with_fault(&Request::get("/orders").with("authorization", &bearer), NOW, fault)?.status)
        };
        Ok([status(host, "none")?, status(host, "flipped-signature")?])
    };
    let without_fma = Setup { is_without_fma: true, ..Setup::default() };
    let mut host = StrictHost::start_in(plugin.as_bytes(), &without_fma)?;
    let proofs = host.native_calls();
    ensure!(
        proofs > 0 && statuses(&mut host, "a", None)? == [200, 401] && host.native_calls() == proofs.saturating_add(2)
    );
    ensure!(statuses(&mut host, "b", Some(Fault::NativeCryptoFails))? == [200, 401]);
    let mut newer = StrictHost::start(plugin.as_bytes())?;
    let proofs = newer.native_calls();
    ensure!(proofs > 0 && statuses(&mut newer, "a", None)? == [200, 401] && newer.native_calls() == proofs);
    for is_without_fma in [false, true] {
        let setup = Setup { personality: Personality::Wasmx, is_without_fma, ..Setup::default() };
        let mut elsewhere = StrictHost::start_in(plugin.as_bytes(), &setup)?;
        ensure!(statuses(&mut elsewhere, "a", None)? == [200, 401] && elsewhere.native_calls() == 0);
    }
    Ok(())
}

/// RFC 9110 section 6.5.1: a recipient may merge trailers into the headers.
fn trailers(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start(scene.plugin("orders")?.as_bytes())?;
    let sent =
        [("x-portcullis-subject", "admin"), ("X_Portcullis.Roles", "admin"), ("x-checksum", "1"), ("grpc-status", "0")];
    ensure!(host.handle_trailers(&sent)? == ["x-checksum", "grpc-status"]);
    Ok(())
}

/// 100,000 principals, each with a token of its own, one after another: what is remembered of them is bounded.
fn remembered_tokens_are_bounded(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start(scene.plugin("orders")?.as_bytes())?;
    ensure!(host.handle(&Request::get("/healthz"), NOW)?.status == 200);
    let before = host.memory_bytes()?;
    let mut token: TokenSpec =
        serde_json::from_value(json!({ "key": "hs256", "claims": { "iss": "https://hmac.example.com/" } }))?;
    for number in 0..100_000 {
        token.claims.insert("sub".to_owned(), json!(format!("principal-{number}")));
        let request =
            Request::get("/orders").with("authorization", &format!("Bearer {}", token.mint(&scene.keys, NOW)?));
        ensure!(host.handle(&request, NOW)?.status == 200, "principal {number}");
    }
    let grown = host.memory_bytes()?.saturating_sub(before);
    let bound = authz::limits::MAX_CACHED_BYTES.saturating_mul(5).div_euclid(4);
    ensure!(grown <= bound, "memory has grown by {grown} bytes, at most {bound} are declared");
    Ok(())
}

fn memory_is_flat(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start(scene.plugin("orders")?.as_bytes())?;
    let good = Request::get("/orders").with("authorization", &scene.good_token(NOW)?);
    let bad = Request::get("/orders").with("authorization", &format!("Bearer {}", "a.".repeat(6000)));
    let mut serve = |count| -> Result<usize> {
        for _ in 0..count {
            ensure!(host.handle(&good, NOW)?.status == 200);
            ensure!(host.handle(&bad, NOW)?.status == 401);
        }
        host.memory_bytes()
    };
    let (warm, later) = (serve(50)?, serve(500)?);
    ensure!(warm == later, "{warm} bytes after 100 requests, {later} after 1,100");
    Ok(())
}

fn bad_configuration(_: &Scene) -> Result<()> {
    let Err(refusal) = StrictHost::start(bad_plugin_configuration().to_string().as_bytes()) else {
        bail!("the filter took it");
    };
    let log = refusal.to_string();
    for error in BAD_CONFIGURATION_ERRORS {
        ensure!(log.contains(error), "no `{error}` in:\n{log}");
    }
    Ok(())
}

fn bad_configuration_in_envoy(_: &Scene) -> Result<()> {
    let bad = Plugin { configuration: bad_plugin_configuration(), ..Plugin::default() };
    let plugins = BTreeMap::from([("bad".to_owned(), bad)]);
    let Err(refusal) = Envoy::start(&plugins, &std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into(), Ports::Free)
    else {
        bail!("Envoy took it");
    };
    let log = refusal.to_string();
    for error in BAD_CONFIGURATION_ERRORS {
        ensure!(log.contains(error), "no `{error}` in:\n{log}");
    }
    Ok(())
}

const BAD_CONFIGURATION_ERRORS: [&str; 4] = [
    "bundle.issuers[0].audiences: is missing",
    "bundle.rules[1].id: rule id `a` is already used at bundle.rules[0].id",
    "bundle.rules[0].target.paths[0]: `orders`: a path starts with `/`",
    "bundle.rules[1]: unknown field `effects`; known here are `id`, `effect`, ",
];

fn bad_plugin_configuration() -> Value {
    json!({ "version": 1, "bundle": {
        "version": 1, "revision": 1,
        "issuers": [{ "issuer": "https://idp.example.com/", "algorithms": ["ES256"], "jwks": { "keys": [] } }],
        "rules": [
            { "id": "a", "effect": "permit", "target": { "paths": ["orders"] } },
            { "id": "a", "effects": "permit", "effect": "deny", "target": {} },
        ],
    } })
}

/// A forged signature, an unknown key, a wrong issuer and an expired token get the same answer, byte for byte.
fn refusals_look_the_same(scene: &Scene) -> Result<()> {
    let bad_tokens = [
        r#"{ "key": "es256", "forgery": "flipped-signature" }"#,
        r#"{ "key": "es256", "header": { "kid": "unknown" } }"#,
        r#"{ "key": "es256", "claims": { "iss": "https://unknown.example" } }"#,
        r#"{ "key": "es256", "claims": { "exp": { "now": -1000 } } }"#,
        r#"{ "key": "es256", "claims": { "aud": "other" } }"#,
        r#"{ "key": "es256", "header": { "alg": "none" } }"#,
        r#"{ "key": "es256", "payload": "[]" }"#,
    ];
    let mut connection = Connection::open(scene.envoy.address("orders")?)?;
    let mut answers = BTreeSet::new();
    for token in bad_tokens {
        let token: TokenSpec = serde_json::from_str(token)?;
        let token = format!("Bearer {}", token.mint(&scene.keys, host_tests::now())?);
        let mut response = connection.send(&Request::get("/orders").with("authorization", &token))?;
        response.headers.retain(|(name, _)| name != "date");
        answers.insert(format!("{response:?}"));
    }
    ensure!(answers.len() == 1, "{answers:#?}");
    Ok(())
}

/// What a candidate bundle decides is seen and not felt, whichever way it differs.
fn candidate(scene: &Scene) -> Result<()> {
    let mut configuration: Value = serde_json::from_str(&scene.plugin("orders")?)?;
    let rules =
        json!([{ "id": "everything", "effect": "permit", "public": true, "target": { "paths": ["/private"] } }]);
    let candidate = json!({ "version": 1, "revision": 99, "issuers": [], "rules": rules });
    configuration.as_object_mut().context("a configuration is an object")?.insert("candidate".to_owned(), candidate);
    let mut host = StrictHost::start(configuration.to_string().as_bytes())?;
    for (path, status, would) in [("/healthz", 200, "deny"), ("/private", 401, "permit")] {
        let outcome = host.handle(&Request::get(path), NOW)?;
        let decided = outcome.decision.as_ref().and_then(|record| record.pointer("/candidate/decision")?.as_str());
        ensure!((outcome.status, decided) == (status, Some(would)), "{path}: {outcome:?}");
        let revision = outcome.decision.as_ref().and_then(|record| record.pointer("/candidate/revision")?.as_u64());
        ensure!(revision == Some(99), "{path}: {outcome:?}");
    }
    Ok(())
}

/// Envoy replaces a VM that has trapped and says so in its log; nothing in this run may have done that.
fn no_worker_trapped(scene: &Scene) -> Result<()> {
    let log = scene.envoy.error_log()?;
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("[wasm]") && (line.contains("error") || line.contains("critical")))
        // What the filter itself says is no trap.
        .filter(|line| !line.contains("portcullis: tokens cannot be introspected"))
        .collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    scene.envoy.admin("/ready").context("Envoy is alive").map(drop)
}
