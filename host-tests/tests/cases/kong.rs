//! What Kong's host does differently, and what the filter makes of it. Where the filter would call what it must not, the strict host
//! itself fails the test.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use host_tests::client::Request;
use host_tests::outcome::Outcome;
use host_tests::publisher::Publisher;
use host_tests::strict_host::{Fault, Personality, Setup, SharedData, StrictHost};
use host_tests::token::TokenSpec;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{NOW, Scene, failed};

type Test = (&'static str, fn(&Scene) -> Result<()>);

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let tests: [Test; 12] = [
        ("more_headers_than_it_hands_over_are_refused_unread", many_headers),
        ("an_owned_header_is_overwritten_once_or_the_request_is_refused", owned_headers),
        ("the_host_of_a_request_is_its_host_header", hosts),
        ("the_path_is_the_one_that_the_client_sent", paths),
        ("a_target_in_absolute_form_is_judged_by_its_path_and_the_host_header", absolute_form),
        ("what_was_used_once_stays_used_whatever_is_in_its_place", used_once),
        ("a_body_is_let_through_whether_or_not_it_is_in_memory", bodies),
        ("a_hop_that_is_known_by_its_address_is_believed", hops),
        ("what_it_cannot_do_is_refused_with_a_reason", refused),
        ("plugins_and_logs_of_kong_learn_who_asks", told),
        ("nginx_without_kong_has_a_variable_for_the_decision", without_kong),
        ("a_failing_host_call_never_lets_a_request_through", failing_host_calls),
    ];
    let trial = |(name, test): Test| {
        let scene = Arc::clone(scene);
        Trial::test(format!("wasmx::kong::{name}"), move || test(&scene).map_err(failed))
    };
    tests.into_iter().map(trial).collect()
}

/// Each line a request and its status and reason, to one host.
fn judge(host: &mut StrictHost, lines: &[(Request, u16, &str)]) -> Result<()> {
    for (request, status, reason) in lines {
        let outcome = host.handle(request, NOW)?;
        ensure!((outcome.status, outcome.decided("reason")) == (*status, Some(reason)), "{request:?}: {outcome:?}");
    }
    Ok(())
}

const PERMITTED: &str = "permitted_by_rule";

/// Host is one of them.
fn many_headers(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start_in_wasmx(scene.plugin("orders")?.as_bytes())?;
    let with =
        |count: usize| (0..count).fold(Request::get("/healthz"), |request, at| request.with(&format!("x-{at}"), "a"));
    let forged = with(95).with("x-portcullis-subject", "admin").with("x-portcullis-subject", "forged");
    let lines = [
        (with(95), 200, PERMITTED),
        (with(96), 431, "headers_too_many"),
        (forged, 431, "headers_too_many"),
        (with(5000), 431, "headers_too_many"),
        (with(1), 200, PERMITTED),
    ];
    judge(&mut host, &lines)
}

fn owned_headers(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start_in_wasmx(scene.plugin("orders")?.as_bytes())?;
    let (public, good) = (Request::get("/healthz"), scene.good_token(NOW)?);
    let with = |names: &[&str]| names.iter().fold(public.clone(), |request, name| request.with(name, "forged"));
    let orders = |name: &str| Request::get("/orders").with("authorization", &good).with(name, "forged");
    let lines = [
        (with(&["x-portcullis-subject"]), 200, PERMITTED),
        (with(&["x-portcullis-roles"]), 200, PERMITTED),
        // The host may not find a header of such a name, and add one.
        (with(&["x_portcullis.roles"]), 400, "header_repeated"),
        (with(&["x-portcullis-subject", "x-portcullis-subject"]), 400, "header_repeated"),
        (with(&["x-portcullis-subject", "X_PORTCULLIS_SUBJECT"]), 400, "header_repeated"),
        // The upstream could take it for the one that the filter sets.
        (orders("x_portcullis_subject"), 400, "header_repeated"),
        (orders("x-portcullis-subject"), 200, PERMITTED),
    ];
    judge(&mut host, &lines)?;
    let outcome = host.handle(&orders("X-Portcullis-Subject"), NOW)?;
    let subjects: Vec<_> = values(&outcome, "x-portcullis-subject");
    ensure!(subjects == ["user-1"], "{outcome:?}");
    // It cannot be removed, and arrives empty.
    let outcome = host.handle(&with(&["x-portcullis-roles"]), NOW)?;
    ensure!(values(&outcome, "x-portcullis-roles") == [""], "{outcome:?}");
    Ok(())
}

fn values(outcome: &Outcome, name: &str) -> Vec<String> {
    let headers = outcome.upstream.iter().flatten().filter(|(known, _)| known == name);
    headers.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

/// A configuration with one public rule.
fn public(target: &Value) -> String {
    let rules = json!([{ "id": "public", "effect": "permit", "public": true, "target": target }]);
    json!({ "version": 1, "bundle": { "version": 1, "revision": 1, "issuers": [], "rules": rules } }).to_string()
}

fn hosts(_: &Scene) -> Result<()> {
    let configuration = public(&json!({ "hosts": ["api.example.com"], "paths": ["/{path}"] }));
    let mut host = StrictHost::start_in_wasmx(configuration.as_bytes())?;
    let to = |name: &str| Request { host: name.as_bytes().to_vec(), ..Request::get("/x") };
    let lines = [
        (to("api.example.com"), 200, PERMITTED),
        (to("API.example.com:8000"), 200, PERMITTED),
        // What the host calls itself.
        (to("kong"), 401, "credential_missing"),
        (to("api.example.com").with("host", "other.example.com"), 400, "host_malformed"),
        (to(""), 400, "host_malformed"),
    ];
    judge(&mut host, &lines)
}

fn paths(_: &Scene) -> Result<()> {
    let mut host = StrictHost::start_in_wasmx(public(&json!({ "paths": ["/a/b"] })).as_bytes())?;
    let lines = [
        (Request::get("/a/b?c=/../d"), 200, PERMITTED),
        (Request::get("/a%2Fb"), 400, "path_ambiguous"),
        (Request::get("/a/./b"), 400, "path_ambiguous"),
        (Request::get("/x/../a/b"), 400, "path_ambiguous"),
        (Request::get("//a/b"), 400, "path_ambiguous"),
        (Request::get("/%61/b"), 200, PERMITTED),
    ];
    judge(&mut host, &lines)?;
    let outcome = host.handle(&Request::get("/%61/b"), NOW)?;
    ensure!(outcome.target.as_deref() == Some("/%61/b"), "{outcome:?}");
    Ok(())
}

/// nginx hands over the path of such a target only, and takes a host out of it that Kong neither routes by nor sends on: both go by the
/// header (`GET http://other.example.com/orders HTTP/1.1`, RFC 9112 section 3.2.2).
fn absolute_form(_: &Scene) -> Result<()> {
    let configuration = public(&json!({ "hosts": ["api.example.com"], "paths": ["/a/b"] }));
    let mut host = StrictHost::start_in_wasmx(configuration.as_bytes())?;
    let to = |name: &str, target: &str| Request { host: name.as_bytes().to_vec(), ..Request::get(target) };
    let lines = [
        (to("api.example.com", "http://api.example.com/a/b"), 200, PERMITTED),
        (to("api.example.com", "http://other.example.com:8000/a/b?c"), 200, PERMITTED),
        (to("other.example.com", "http://api.example.com/a/b"), 401, "credential_missing"),
        (to("api.example.com", "http://api.example.com/x/../a/b"), 400, "path_ambiguous"),
        (to("api.example.com", "http://api.example.com//a/b"), 400, "path_ambiguous"),
        (to("api.example.com", "http://api.example.com"), 401, "credential_missing"),
        // There is no path, and nginx makes one up for the upstream.
        (to("api.example.com", "http://api.example.com?/a/b"), 400, "path_malformed"),
        (to("api.example.com", "/a/b#/../c"), 400, "path_ambiguous"),
    ];
    judge(&mut host, &lines)?;
    let outcome = host.handle(&to("api.example.com", "http://other.example.com/a/b?c=d"), NOW)?;
    ensure!(outcome.target.as_deref() == Some("/a/b?c=d"), "{outcome:?}");
    Ok(())
}

/// What workers share may be another filter's, because the host compares 32 bits of a name only, or half of what is being written. A token
/// that was used is not taken for a new one then, nor is any other that is remembered in the same place.
fn used_once(scene: &Scene) -> Result<()> {
    let shared = SharedData::default();
    let mut configuration: Value = serde_json::from_str(&scene.plugin("bound")?)?;
    let members = configuration.as_object_mut().into_iter();
    members.for_each(|members| drop(members.insert("shared_data".to_owned(), json!(true))));
    let setup = Setup { personality: Personality::Wasmx, shared_data: Some(shared.clone()), ..Setup::default() };
    let start = || StrictHost::start_in(configuration.to_string().as_bytes(), &setup);
    let token: TokenSpec = serde_json::from_value(json!({ "key": "es256", "claims": { "jti": "once" } }))?;
    let once = Request::get("/transfers").with("authorization", &format!("Bearer {}", token.mint(&scene.keys, NOW)?));
    let mut host = start()?;
    judge(&mut host, &[(once.clone(), 200, PERMITTED), (once.clone(), 401, "credential_replayed")])?;
    // Each worker knows, and each instance of the host.
    judge(&mut start()?, &[(once.clone(), 401, "credential_replayed")])?;
    let torn = host.handle_with_fault(&once, NOW, Some(Fault::SharedDataTorn))?;
    ensure!((torn.status, torn.decided("reason")) == (503, Some("host_failure")), "{torn:?}");
    judge(&mut host, &[(once.clone(), 401, "credential_replayed")])?;
    let kept = shared.values();
    let foreign: [fn(&mut Vec<u8>); 5] = [
        |value| *value = b"{}".to_vec(),
        Vec::clear,
        |value| value.fill(0),
        |value| value.truncate(24),
        |value| value.extend([0; 24]),
    ];
    for (index, foreign) in foreign.into_iter().enumerate() {
        shared.damage(|_, value| foreign(value));
        let left = shared.values();
        judge(&mut host, &[(once.clone(), 503, "host_failure")]).with_context(|| format!("{index}"))?;
        ensure!(shared.values() == left, "{index}: what is not ours is not replaced");
        shared.damage(|name, value| *value = kept.get(name).cloned().unwrap_or_default());
    }
    judge(&mut host, &[(once, 401, "credential_replayed")])
}

fn bodies(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start_in_wasmx(scene.plugin("orders")?.as_bytes())?;
    host.set_time(NOW.saturating_mul(1000));
    for bytes in [1, 8 * 1024, 100 * 1024] {
        let outcome = host.send(&Request { body: vec![b'x'; bytes], ..Request::get("/healthz") })?;
        ensure!(outcome.status == 200, "{bytes}: {outcome:?}");
        let outcome = host.send(&Request { body: vec![b'x'; bytes], ..Request::get("/orders") })?;
        ensure!(outcome.status == 401, "{bytes}: {outcome:?}");
    }
    Ok(())
}

/// Whose certificate a connection has is not known there, so a bundle with such hops is refused; one with addresses only is not.
fn hops(_: &Scene) -> Result<()> {
    let by = |network: &str| json!({ "header": "l5d-client-id", "by": [{ "network": network }] });
    let rules = json!([
        { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
        { "id": "mesh", "effect": "permit", "target": { "paths": ["/mesh"] }, "condition": { "subjects": ["web.shop"] } },
    ]);
    let credentials = json!([{ "name": "client", "type": "peer", "forwarded": by("10.0.0.0/8"), "strip": true }]);
    let bundle = json!({ "version": 1, "revision": 1, "issuers": [], "credentials": credentials, "rules": rules });
    let mut host = StrictHost::start_in_wasmx(json!({ "version": 1, "bundle": bundle }).to_string().as_bytes())?;
    let (of, client) = (|path: &str| Request::get(path).with("l5d-client-id", "web.shop"), "l5d-client-id");
    host.set_connection("10.1.2.3:40000", None);
    let twice = of("/mesh").with(client, "web.shop");
    judge(&mut host, &[(of("/mesh"), 200, PERMITTED), (Request::get("/mesh"), 401, "credential_missing")])?;
    ensure!(host.handle(&twice, NOW)?.status == 400, "two are never decided on the convenient one");
    for stranger in ["192.0.2.1:40000", "110.0.0.1:40000"] {
        host.set_connection(stranger, None);
        judge(&mut host, &[(of("/mesh"), 401, "credential_missing")])?;
        let outcome = host.handle(&of("/healthz"), NOW)?;
        ensure!(values(&outcome, client) == [""], "it reaches the upstream: {outcome:?}");
    }
    Ok(())
}

fn refused(scene: &Scene) -> Result<()> {
    let publisher = Publisher::new("k1")?;
    let pushed = |more: &Value| {
        let mut configuration = json!({ "version": 1, "trust": publisher.trust() });
        let members = configuration.as_object_mut().into_iter();
        members.for_each(|members| members.extend(more.as_object().cloned().into_iter().flatten()));
        configuration.to_string()
    };
    let control = |address: &str| pushed(&json!({ "control": { "cluster": address, "authority": "c.example.com" } }));
    let lines = [
        (scene.plugin("opaque")?, "bundle: issuers: `introspection` works in Envoy only"),
        (scene.plugin("workloads")?, "bundle: credentials: the certificate of the connection"),
        (scene.plugin("bound")?, "add `\"shared_data\": true`"),
        (scene.plugin("conditions")?, "bundle: rules: `obligations.rate_limit` works in Envoy only"),
        (scene.plugin("partners")?, "bundle: credentials: one in a query parameter cannot be removed"),
        (control("portcullis-control"), "control.cluster: this host wants `host:port`"),
        (control("[::1]"), "control.cluster: this host wants `host:port`"),
        (pushed(&json!({ "management": { "path": "/portcullis" } })), "management: a bundle cannot be sent"),
        // It traps where there is no zone, and not only when a request comes.
        (pushed(&json!({ "shared_data": true })), "this host has no shared data"),
    ];
    for (configuration, sentence) in lines {
        let Err(refusal) = StrictHost::start_in_wasmx(configuration.as_bytes()) else {
            bail!("it is taken: {sentence}");
        };
        ensure!(format!("{refusal:#}").contains(sentence), "no `{sentence}` in: {refusal:#}");
    }
    let mut inline: Value = serde_json::from_str(&scene.plugin("bound")?)?;
    inline.as_object_mut().into_iter().for_each(|members| drop(members.insert("shared_data".to_owned(), json!(true))));
    let setup = Setup { personality: Personality::Wasmx, ..Setup::default() };
    ensure!(StrictHost::start_in(inline.to_string().as_bytes(), &setup).is_err(), "there is no zone");
    let setup = Setup { shared_data: Some(SharedData::default()), ..setup };
    StrictHost::start_in(inline.to_string().as_bytes(), &setup)?;
    StrictHost::start_in_wasmx(control("control.example.com:8443").as_bytes()).map(drop)
}

fn told(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start_in_wasmx(scene.plugin("orders")?.as_bytes())?;
    let request = Request::get("/orders").with("authorization", &scene.good_token(NOW)?);
    let context = host.begin(&request, NOW)?;
    ensure!(host.told(context, "x_portcullis_subject").as_deref() == Some("user-1"));
    let decision = host.told(context, "portcullis_decision").unwrap_or_default();
    ensure!(decision.contains("\"decision\":\"permit\""), "{decision}");
    let context = host.begin(&Request::get("/orders").with("x-portcullis-subject", "forged"), NOW)?;
    ensure!(host.told(context, "x_portcullis_subject").is_none(), "nobody asks");
    let decision = host.told(context, "portcullis_decision").unwrap_or_default();
    ensure!(decision.contains("\"reason\":\"credential_missing\""), "{decision}");
    Ok(())
}

fn without_kong(scene: &Scene) -> Result<()> {
    let setup = Setup { personality: Personality::Wasmx, is_without_kong: true, ..Setup::default() };
    let mut host = StrictHost::start_in(scene.plugin("orders")?.as_bytes(), &setup)?;
    let outcome = host.handle(&Request::get("/orders").with("authorization", &scene.good_token(NOW)?), NOW)?;
    ensure!(outcome.decided("decision") == Some("permit") && values(&outcome, "x-portcullis-subject") == ["user-1"]);
    Ok(())
}

fn failing_host_calls(scene: &Scene) -> Result<()> {
    let mut host = StrictHost::start_in_wasmx(scene.plugin("orders")?.as_bytes())?;
    let request = Request::get("/healthz").with("x-portcullis-subject", "admin");
    for fault in [Fault::HeadersUnavailable, Fault::HeadersDamaged, Fault::ClockFails, Fault::SetHeaderFails] {
        let outcome = host.handle_with_fault(&request, NOW, Some(fault))?;
        ensure!(outcome.status == 503, "{fault:?}: {outcome:?}");
        ensure!(host.handle(&request, NOW)?.status == 200, "after {fault:?}");
    }
    // Where there is no place for the record, or it cannot be written, nothing else changes.
    let outcome = host.handle_with_fault(&request, NOW, Some(Fault::RecordFails))?;
    ensure!(outcome.status == 200 && values(&outcome, "x-portcullis-subject") == [""], "{outcome:?}");
    Ok(())
}
