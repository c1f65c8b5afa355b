//! What decisions cost, in instructions and memory of the strict host: `host-tests/ratchet.json` says how much.
//!
//! Instructions are counted and not timed, so the figures are the same on every machine. More than is written fails, so that
//! whoever makes it dearer says so; clearly less fails too, so that what was won is written down and cannot be lost again.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::keys::SigningKey;
use host_tests::strict_host::{Setup, StrictHost};
use host_tests::token::{Forgery, TokenSpec};
use host_tests::workload::{claims, plugin};
use libtest_mimic::Trial;
use serde::Deserialize;
use serde_json::{Value, json};
use wasmparser::{KnownCustom, Payload};

use crate::{NOW, Scene, failed};

/// How much a figure may differ, in percent: signatures and hash tables are not the same in every run.
const MARGIN: u64 = 3;

/// What is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratchet {
    /// Instructions of Wasmtime from the call of the host to the decision; the median of some requests.
    instructions: BTreeMap<String, u64>,
    /// Bytes of the module, and of its linear memory.
    bytes: BTreeMap<String, u64>,
    /// How many branches engines are told the way of.
    branch_hints: u64,
}

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let scene = Arc::clone(scene);
    vec![Trial::test("ratchet::what_decisions_cost_is_what_is_written", move || compare(&scene).map_err(failed))]
}

fn compare(scene: &Scene) -> Result<()> {
    let text = std::fs::read_to_string(host_tests::repository().join("host-tests/ratchet.json"))?;
    let written: Ratchet = serde_json::from_str(&text)?;
    let (instructions, bytes) = (instructions(scene)?, bytes(scene)?);
    let hints = branch_hints()?;
    let name_hints = |count| BTreeMap::from([("branch_hints".to_owned(), count)]);
    let differences: Vec<String> = differences(&written.instructions, &instructions)
        .chain(differences(&written.bytes, &bytes))
        .chain(differences(&name_hints(written.branch_hints), &name_hints(hints)))
        .collect();
    let measured = json!({ "instructions": instructions, "bytes": bytes, "branch_hints": hints });
    ensure!(
        differences.is_empty(),
        "{}\nIf this is what a change is meant to cost, or saves, write it into host-tests/ratchet.json:\n{measured:#}",
        differences.join("\n"),
    );
    Ok(())
}

fn differences<'f>(
    written: &'f BTreeMap<String, u64>,
    measured: &'f BTreeMap<String, u64>,
) -> impl Iterator<Item = String> + 'f {
    let names = written.keys().chain(measured.keys().filter(|name| !written.contains_key(*name)));
    names.filter_map(|name| {
        let (before, now) = (written.get(name), measured.get(name));
        let is_same = before
            .zip(now)
            .is_some_and(|(before, now)| before.abs_diff(*now).saturating_mul(100) <= before.saturating_mul(MARGIN));
        let show = |figure: Option<&u64>| figure.map_or_else(|| "nothing".to_owned(), u64::to_string);
        (!is_same).then(|| format!("{name}: {} is written, {} was measured", show(before), show(now)))
    })
}

fn instructions(scene: &Scene) -> Result<BTreeMap<String, u64>> {
    let permitting = policy(scene, 100, "permit", Vec::new())?;
    let denying = policy(scene, 100, "deny", Vec::new())?;
    let mut envoy = StrictHost::start(permitting.as_bytes())?;
    let without_fma = Setup { is_without_fma: true, ..Setup::default() };
    let mut without_fma = StrictHost::start_in(permitting.as_bytes(), &without_fma)?;
    let mut refusing = StrictHost::start(denying.as_bytes())?;
    let mut asserting = StrictHost::start(with_assertion(&permitting, p256())?.as_bytes())?;
    let mut asserting_elsewhere = StrictHost::start_in_wasmx(with_assertion(&permitting, p256())?.as_bytes())?;
    let mut asserting_by_eddsa = StrictHost::start(with_assertion(&permitting, ed25519())?.as_bytes())?;
    let mut recording = StrictHost::start(with_records(&permitting)?.as_bytes())?;
    let public = Request::get("/public/17");
    let figures = [
        ("public", median(&mut envoy, |_| Ok(public.clone()))?),
        ("warm", median(&mut envoy, |_| bearer(scene, "rs256", 0, Forgery::None))?),
        ("warm_asserted_by_es256_in_envoy", median(&mut asserting, |_| bearer(scene, "rs256", 0, Forgery::None))?),
        ("warm_asserted_by_es256", median(&mut asserting_elsewhere, |_| bearer(scene, "rs256", 0, Forgery::None))?),
        ("warm_asserted_by_eddsa", median(&mut asserting_by_eddsa, |_| bearer(scene, "rs256", 0, Forgery::None))?),
        ("warm_recorded", median(&mut recording, |_| bearer(scene, "rs256", 0, Forgery::None))?),
        ("warm_denied_by_rule", median(&mut refusing, |_| bearer(scene, "rs256", 0, Forgery::None))?),
        ("cold_rs256_by_proxy", median(&mut without_fma, |number| bearer(scene, "rs256", number, Forgery::None))?),
        ("cold_rs256", median(&mut envoy, |number| bearer(scene, "rs256", number, Forgery::None))?),
        ("cold_es256", median(&mut envoy, |number| bearer(scene, "es256", number, Forgery::None))?),
        ("cold_eddsa", median(&mut envoy, |number| bearer(scene, "eddsa", number, Forgery::None))?),
        ("bad_rs256", median(&mut envoy, |number| bearer(scene, "rs256", number, Forgery::FlippedSignature))?),
    ];
    Ok(figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect())
}

/// The same, with records that name everybody by a pseudonym.
fn with_records(configuration: &str) -> Result<String> {
    let mut configuration: Value = serde_json::from_str(configuration)?;
    let bundle = configuration.pointer_mut("/bundle").and_then(Value::as_object_mut).context("a bundle")?;
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    bundle.insert("decision_log".to_owned(), json!({ "to": ["proxy_log"], "pseudonym_key": key }));
    Ok(configuration.to_string())
}

/// What the decision about one of these requests takes, when everything has been done before.
fn median(host: &mut StrictHost, request: impl Fn(usize) -> Result<Request>) -> Result<u64> {
    const REQUESTS: usize = 31;
    let mut figures = Vec::new();
    for number in 0..REQUESTS {
        let context = host.begin(&request(number)?, NOW)?;
        figures.push(host.fuel_used());
        host.finish(context)?;
    }
    figures.sort_unstable();
    figures.get(REQUESTS / 2).copied().context("there are figures")
}

fn bytes(scene: &Scene) -> Result<BTreeMap<String, u64>> {
    let module = std::fs::metadata(host_tests::repository().join("dist/portcullis.wasm"))?.len();
    let keys = (0..100).map(|number| Ok(SigningKey::generate("ES256", &format!("key-{number}"))?.jwk()));
    let mut host = StrictHost::start(policy(scene, 1000, "permit", keys.collect::<Result<_>>()?)?.as_bytes())?;
    let at_start = u64::try_from(host.memory_bytes()?)?;
    let declared = 8 * 1024 * 1024;
    ensure!(at_start <= declared, "1,000 rules and 100 keys take {at_start} bytes, {declared} are declared");
    for number in 0..10_000 {
        host.handle(&bearer(scene, "es256", number, Forgery::None)?, NOW)?;
    }
    let with_tokens = u64::try_from(host.memory_bytes()?)?;
    let figures =
        [("module", module), ("linear_1000_rules_100_keys", at_start), ("linear_and_10000_tokens", with_tokens)];
    Ok(figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect())
}

fn branch_hints() -> Result<u64> {
    let module = std::fs::read(host_tests::repository().join("dist/portcullis.wasm"))?;
    let mut count = 0_u64;
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        if let Payload::CustomSection(section) = payload?
            && let KnownCustom::BranchHints(functions) = section.as_known()
        {
            for function in functions {
                count = count.saturating_add(u64::from(function?.hints.count()));
            }
        }
    }
    Ok(count)
}

/// A plugin configuration with so many rules about a claim, each about the paths of one service, and one public rule.
fn policy(scene: &Scene, rules: usize, effect: &str, more_keys: Vec<Value>) -> Result<String> {
    let names = ["rs256", "es256", "eddsa"].into_iter();
    let keys: Vec<Value> = names.map(|name| Ok(scene.keys.get(name)?.jwk())).collect::<Result<_>>()?;
    Ok(plugin(&[keys, more_keys].concat(), rules, effect, &json!({ "identity_headers": {} })).to_string())
}

/// The same, and every permitted request has an assertion that is signed with this key.
fn with_assertion(plugin: &str, key: Value) -> Result<String> {
    let mut plugin: Value = serde_json::from_str(plugin)?;
    let bundle = plugin.get_mut("bundle").and_then(Value::as_object_mut).context("there is a bundle")?;
    let assertion = json!({ "issuer": "https://gateway.example.com", "audience": "trust.example.com", "key": key });
    bundle.insert("assertion".to_owned(), assertion);
    Ok(plugin.to_string())
}

/// RFC 7515 appendix A.3.1.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

/// RFC 8037 appendix A.1.
fn ed25519() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

/// A request with the token of one of many users, as common providers make it.
fn bearer(scene: &Scene, key: &str, number: usize, forgery: Forgery) -> Result<Request> {
    let token = TokenSpec { key: key.to_owned(), claims: claims(number), forgery, ..TokenSpec::default() };
    let token = token.mint(&scene.keys, NOW)?;
    Ok(Request::get("/service-7/items/17").with("authorization", &format!("Bearer {token}")))
}
