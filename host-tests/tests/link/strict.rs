//! Bundles that are pushed, through the module in the strict host: every refusal, every way in, and what one worker makes of them.

use anyhow::{Context as _, Result, bail, ensure};
use authz::distribution::DocumentKind;
use host_tests::client::Request;
use host_tests::publisher::{Publication, Publisher, policy};
use host_tests::strict_host::{Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::fleet::{Fleet, Test, epoch, in_strict_host, last_error, with_management};
use crate::{FUEL_PER_MILLISECOND, NOW};

pub fn trials() -> Vec<Trial> {
    let tests: [Test; 8] = [
        ("nothing_passes_until_a_bundle_is_adopted", closed_at_first),
        ("every_vector_ends_as_it_says", vectors),
        ("clocks_may_jump", clocks),
        ("failures_are_retried_with_pauses", retries),
        ("a_bundle_can_be_inline_or_sent_to_the_listener", other_ways_in),
        ("keys_that_tokens_name_in_vain_are_reported_once_in_a_while", unknown_keys),
        ("memory_does_not_grow_with_pushes", memory_is_flat),
        ("a_document_that_has_not_changed_is_not_fetched_again", unchanged_documents),
    ];
    in_strict_host(tests)
}

fn closed_at_first() -> Result<()> {
    let fleet = with_management(Fleet::new()?)?;
    let mut host = fleet.worker(1)?;
    for path in ["/healthz", "/orders"] {
        let outcome = host.send(&Request::get(path))?;
        ensure!((outcome.status, outcome.decided("reason")) == (503, Some("bundle_missing")), "{outcome:?}");
    }
    ensure!(host.send(&Request::get("/portcullis/ready"))?.status == 503);
    fleet.publish(1);
    fleet.run(&mut host, 20)?;
    ensure!(host.send(&Request::get("/healthz"))?.status == 200);
    ensure!(host.send(&Request::get("/orders"))?.status == 401);
    let ready = host.send(&Request::get("/portcullis/ready"))?;
    ensure!(ready.status == 200 && ready.body.contains("\"epoch\":1"), "{ready:?}");
    // Elsewhere below the path there is nothing, and other listeners know nothing of it.
    ensure!(host.send(&Request::get("/portcullis/other"))?.status == 401);
    ensure!(host.send(&Request { method: b"DELETE".to_vec(), ..Request::get("/portcullis/bundle") })?.status == 405);
    Ok(())
}

/// The published vectors, through the module: by the control endpoint, with a status that says why.
fn vectors() -> Result<()> {
    let path = host_tests::repository().join("authz/distribution/vectors.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    for case in file["cases"].as_array().context("there are cases")? {
        // What was adopted before is another worker's word there; rolled back and reused epochs have a case of their own.
        if case.get("adopted").is_some() {
            continue;
        }
        let mut trust = file["trust"].clone();
        trust["threshold"] = case["threshold"].clone();
        let control = json!({ "cluster": "control", "authority": "control.example.com" });
        let management = json!({ "path": "/portcullis" });
        let configuration = json!({ "version": 1, "trust": trust, "control": control, "management": management });
        let now = case["now"].as_u64().context("a case has a time")? * 1000;
        let setup = Setup { now, ..Setup::default() };
        let mut host = StrictHost::start_in(configuration.to_string().as_bytes(), &setup)?;
        let mut calls = host.tick()?;
        while let Some(call) = calls.pop() {
            let path = call.headers.get(":path").map(String::as_str).unwrap_or_default();
            if call.headers.contains_key("if-none-match") {
                continue;
            }
            let body = match path.strip_prefix("/v1/documents/") {
                None => case["manifest"].as_str().map(str::as_bytes),
                Some(digest) => document(case, digest),
            };
            host.answer(&call, Some(body.map_or((404, Vec::new()), |body| (200, body.to_vec()))))?;
            calls.extend(host.calls());
        }
        let (expect, reason) = (case["expect"].as_str().context("a case expects something")?, last_error(&mut host)?);
        // Who asks for documents by their digests cannot be sent one that is not listed, and gets none in the place of another.
        let is_unlisted = ["a document that is not listed", "a document was altered"]
            .contains(&case["name"].as_str().unwrap_or_default());
        let is_adopted = epoch(&mut host)?.is_some();
        ensure!(is_unlisted || (is_adopted == (expect == "adopted")), "{}: {reason}", case["name"]);
        ensure!(is_unlisted || is_adopted || reason == expect, "{}: {reason}", case["name"]);
    }
    Ok(())
}

fn document<'c>(case: &'c Value, digest: &str) -> Option<&'c [u8]> {
    let documents = case["documents"].as_array()?.iter().filter_map(Value::as_str);
    documents.map(str::as_bytes).find(|text| authz::distribution::Digest::of(text).to_string() == digest)
}

fn clocks() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut host = fleet.worker(1)?;
    fleet.publish(1);
    fleet.run(&mut host, 5)?;
    let year = 365 * 86_400;
    for (index, (time, status)) in
        [(NOW + 3600, 200), (NOW - 3600, 200), (NOW + 10 * year, 503), (0, 200), (NOW, 503)].into_iter().enumerate()
    {
        host.set_time(time * 1000);
        fleet.run(&mut host, 20)?;
        let outcome = host.send(&Request::get("/healthz"))?;
        ensure!(outcome.status == status, "{time}: {outcome:?}");
        // A bundle that is fresh by that clock is adopted then.
        let epoch_then = 10 + u64::try_from(index)?;
        fleet.endpoint.offer(&fleet.publisher.publish(epoch_then, time, &policy(epoch_then), &[]));
        fleet.run(&mut host, 600)?;
        ensure!(epoch(&mut host)? == Some(epoch_then), "at {time}");
    }
    Ok(())
}

fn retries() -> Result<()> {
    let fleet = with_management(Fleet::new()?)?;
    let mut host = fleet.worker(1)?;
    // A minute of refusals, of whatever kind, is a handful of attempts.
    let mut attempts = 0;
    for _ in 0..600 {
        for call in host.tick()? {
            attempts += 1;
            let timeout = call.timeout;
            ensure!((1..=60_000).contains(&timeout), "{timeout} ms");
            match attempts % 4 {
                0 => host.answer(&call, None)?,
                1 => host.answer(&call, Some((302, Vec::new())))?,
                2 => host.answer(&call, Some((200, b"<html>".to_vec())))?,
                _ => host.respond(&call, &[(":status", "200")], b"{}".to_vec())?,
            }
        }
    }
    ensure!((6..=20).contains(&attempts), "{attempts} attempts in a minute");
    ensure!(host.log().matches("portcullis: nothing is adopted").count() <= attempts, "{}", host.log());
    fleet.publish(1);
    fleet.run(&mut host, 170)?;
    ensure!(epoch(&mut host)? == Some(1), "within the longest pause it is back");
    for (answer, reason) in [
        (Some((401, Vec::new())), "unauthorized"),
        (None, "unreachable"),
        (Some((504, Vec::new())), "timeout"),
        (Some((500, Vec::new())), "unreachable"),
        (Some((304, Vec::new())), "unreachable"),
        (Some((200, vec![b' '; 70_000])), "too_large"),
    ] {
        let fleet = with_management(Fleet::new()?)?;
        let mut host = fleet.worker(1)?;
        let call = host.tick()?.pop().context("it asks")?;
        host.answer(&call, answer.clone())?;
        let found = last_error(&mut host)?;
        // That nothing has changed is no failure, and is no bundle either.
        let expected = if answer.is_some_and(|(status, _)| status == 304) { "" } else { reason };
        ensure!(found == expected && epoch(&mut host)?.is_none(), "{found} instead of {expected}");
    }
    Ok(())
}

fn other_ways_in() -> Result<()> {
    let mut fleet = with_management(Fleet::new()?)?;
    let inline = fleet.publisher.publish(5, NOW, &policy(5), &[]);
    fleet.configuration["signed_bundle"] = inline.in_one_piece()?;
    fleet.configuration.as_object_mut().context("an object")?.remove("control");
    let mut host = fleet.worker(1)?;
    ensure!(epoch(&mut host)? == Some(5), "inline");
    ensure!(fleet.shared.size().0 == 0, "a VM that may be for trying changes nothing");
    let put = |publication: &Publication| -> Result<Request> {
        let body = publication.in_one_piece()?.to_string().into_bytes();
        Ok(Request { method: b"PUT".to_vec(), body, ..Request::get("/portcullis/bundle") })
    };
    let next = fleet.publisher.publish(6, NOW, &policy(6), &[]);
    let outcome = host.send(&put(&next)?)?;
    ensure!((outcome.status, outcome.body.as_str()) == (200, r#"{"epoch":6}"#), "{outcome:?}");
    ensure!(epoch(&mut host)? == Some(6));
    // A worker on another listener, which knows no other way in.
    fleet.configuration.as_object_mut().context("an object")?.remove("management");
    fleet.configuration["shared_data"] = json!(true);
    let mut other = fleet.worker(2)?;
    ensure!(epoch(&mut other)? == Some(6), "what is inline is older");
    let forged = Publisher::new("k1")?.publish(7, NOW, &policy(7), &[]);
    for (request, reason) in [
        (put(&inline)?, "rolled_back"),
        (put(&forged)?, "signature_invalid"),
        (Request { body: b"{}".to_vec(), ..put(&next)? }, "malformed"),
    ] {
        let outcome = host.send(&request)?;
        ensure!(outcome.status == 422 && outcome.body.contains(reason), "{outcome:?}");
        ensure!(epoch(&mut host)? == Some(6));
    }
    ensure!(last_error(&mut host)? == "malformed");
    // A configuration whose bundle is not good is no bad configuration.
    let fleet = with_management(Fleet::new()?)?;
    let mut configuration = fleet.configuration.clone();
    configuration["signed_bundle"] = forged.in_one_piece()?;
    let mut host = StrictHost::start_in(configuration.to_string().as_bytes(), &fleet.setup(1, NOW * 1000))?;
    ensure!(epoch(&mut host)?.is_none() && last_error(&mut host)? == "signature_invalid");
    Ok(())
}

fn unknown_keys() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut keyed = policy(1);
    keyed["issuers"] = json!([{ "issuer": "https://idp.example.com", "audiences": ["a"], "algorithms": ["EdDSA"],
        "keys_from": { "discovery": "https://idp.example.com/.well-known/openid-configuration" } }]);
    let keys = json!({ "version": 1, "issuers": { "https://idp.example.com": { "keys": [fleet.publisher.jwk()] } } });
    fleet.endpoint.offer(&fleet.publisher.publish(1, NOW, &keyed, &[(DocumentKind::Keys, keys)]));
    let mut host = fleet.worker(1)?;
    fleet.run(&mut host, 5)?;
    let before = fleet.endpoint.requests();
    // Ten thousand made-up keys a second, for a minute.
    for number in 0..600 {
        for kid in 0..20 {
            let part = |value: Value| {
                base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, value.to_string())
            };
            let header = part(json!({ "alg": "EdDSA", "kid": format!("made-up-{number}-{kid}") }));
            let token = format!("Bearer {header}.{}.AAAA", part(json!({ "iss": "https://idp.example.com" })));
            let outcome = host.send(&Request::get("/orders").with("authorization", &token))?;
            ensure!(outcome.decided("reason") == Some("key_unknown"), "{outcome:?}");
        }
        fleet.run(&mut host, 1)?;
    }
    let reports: Vec<Value> =
        fleet.endpoint.statuses().into_iter().filter_map(|status| status.get("unknown_keys").cloned()).collect();
    ensure!((5..=7).contains(&reports.len()), "{} reports in a minute", reports.len());
    ensure!(reports[0] == json!([{ "issuer": "https://idp.example.com", "kid": "made-up-0-0" }]), "{reports:?}");
    let asked = fleet.endpoint.requests() - before;
    ensure!(asked <= 20, "{asked} requests in a minute");
    Ok(())
}

/// Successive pushes of a bundle of a megabyte, each another one, while requests are served by the old one and the new one.
fn memory_is_flat() -> Result<()> {
    let fleet = Fleet::new()?;
    let setup = Setup {
        memory_bytes: Some(MEMORY_FOR_A_MEGABYTE),
        fuel_per_millisecond: Some(FUEL_PER_MILLISECOND),
        ..fleet.setup(1, NOW * 1000)
    };
    let mut host = StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)?;
    let large = |epoch: u64| {
        let mut large = policy(epoch);
        let rules = large["rules"].as_array_mut().map(|rules| {
            rules.extend((0..8000).map(|number| {
                let path = format!("/service-{number}/items/{{id}}/revision-{epoch}");
                json!({ "id": format!("rule-{number}"), "effect": "permit", "target": { "methods": ["GET"], "paths": [path] },
                    "condition": { "scopes": { "all": ["items.read"] } } })
            }));
        });
        rules.map(|()| large).unwrap_or_default()
    };
    let mut warm = 0;
    // The first poll does not wait, and each later one is answered with the next.
    fleet.endpoint.offer(&fleet.publisher.publish(1, NOW, &large(1), &[]));
    let mut calls = host.tick()?;
    for epoch in 1..=PUSHES {
        while let Some(call) = calls.pop() {
            let path = call.headers.get(":path").context("a request has a path")?;
            let answer = fleet.endpoint.answer(path, &call.headers, false);
            if answer.status == 304 {
                let next = fleet.publisher.publish(epoch + 1, NOW, &large(epoch + 1), &[]);
                ensure!(next.documents.iter().all(|(_, text)| text.len() > 1_000_000), "it is large");
                fleet.endpoint.offer(&next);
                calls.push(call);
                break;
            }
            host.answer(&call, Some((answer.status, answer.body)))?;
            calls.extend(host.calls());
            while host.is_hurried() {
                calls.extend(host.tick()?);
            }
        }
        ensure!(host.send(&Request::get(&format!("/epoch/{epoch}")))?.status == 200, "after push {epoch}");
        ensure!(host.send(&Request::get(&format!("/epoch/{}", epoch + 1)))?.status == 401);
        if epoch == WARM_PUSHES {
            warm = host.memory_bytes()?;
        }
    }
    let memory = host.memory_bytes()?;
    ensure!(
        memory.saturating_sub(warm) <= FRAGMENTS,
        "{warm} bytes after {WARM_PUSHES} pushes, {memory} after {PUSHES}"
    );
    Ok(())
}

/// What a bundle of a megabyte takes, its successor beside it while it is read.
const MEMORY_FOR_A_MEGABYTE: usize = 64 * 1024 * 1024;

/// What an allocator may still scatter after so many pushes: far less than anything that is kept of each.
const FRAGMENTS: usize = 256 * 1024;

/// How many bundles are pushed.
const PUSHES: u64 = 1000;

/// After how many of them every long list has found a place that is large enough.
const WARM_PUSHES: u64 = 160;

fn unchanged_documents() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut host = fleet.worker(1)?;
    let revocations = |id: &str| {
        let entries = json!([{ "issuer": "https://idp.example.com", "token_id": id, "until": NOW + 60 }]);
        vec![(DocumentKind::Revocations, json!({ "version": 1, "entries": entries }))]
    };
    let mut known = policy(1);
    known["issuers"] = json!([{ "issuer": "https://idp.example.com", "audiences": ["a"], "algorithms": ["EdDSA"], "jwks": { "keys": [] } }]);
    fleet.endpoint.offer(&fleet.publisher.publish(1, NOW, &known, &revocations("a")));
    fleet.run(&mut host, 5)?;
    let waiting = fleet.publisher.publish(2, NOW, &known, &revocations("b"));
    fleet.endpoint.offer(&waiting);
    // The poll that waits is answered now; then only the new document is fetched.
    let requests = fleet.endpoint.requests();
    let mut fresh =
        StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &fleet.setup(9, (NOW + 60) * 1000))?;
    let made = fleet.run(&mut fresh, 3)?;
    ensure!(epoch(&mut fresh)? == Some(2), "{made}");
    ensure!(fleet.endpoint.requests() - requests == 3, "manifest, one document, the next poll");
    if waiting.documents.len() != 2 {
        bail!("there are two documents");
    }
    Ok(())
}
