//! The foreign vectors (`authz/conformance/README.md`) through the module: in the strict host all of them, each with the
//! clock that it asks for; in Envoy all that are right with the real clock. Natively and in Node they run in
//! `authz/src/conformance.rs`.
//!
//! A bundle that is refused lets nothing through: the strict host shows that the module refuses it; Envoy would not start.
//! What RFC 7520 and Wycheproof sign are no claims, so a filter refuses those tokens for their form, before their signature
//! counts. Their signatures are judged natively and in Node; those of the matrix and the provider shapes here.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use authz::{PluginConfiguration, Step, UnixTime};
use host_tests::client::{Connection, Request};
use host_tests::outcome::Outcome;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Scene, failed};
use host_tests::strict_host::StrictHost;

#[path = "../../../authz/conformance/case.rs"]
#[expect(dead_code, reason = "each of its two users needs some of the fields")]
mod case;

use case::{Case, Exception, Suite};

const SUITES: [(&str, &str); 7] = [
    ("rfc-vectors", include_str!("../../../authz/conformance/rfc-vectors.json")),
    ("jose-matrix", include_str!("../../../authz/conformance/jose-matrix.json")),
    ("claims-validation", include_str!("../../../authz/conformance/claims-validation.json")),
    ("wycheproof-jws", include_str!("../../../authz/conformance/wycheproof-jws.json")),
    ("wycheproof-jwk", include_str!("../../../authz/conformance/wycheproof-jwk.json")),
    ("wycheproof-jwe-as-bearer", include_str!("../../../authz/conformance/wycheproof-jwe-as-bearer.json")),
    ("provider-shapes", include_str!("../../../authz/conformance/provider-shapes.json")),
];

/// A case as a plugin configuration.
pub struct Vector {
    case: Case,
    plugin: Value,
    /// Whether the core takes the bundle.
    is_taken: bool,
    /// Whether the token is to be accepted.
    is_good: bool,
}

/// Judges the vectors of a suite; every difference.
type Run = fn(&Scene, &[Vector]) -> Result<Vec<String>>;

pub type Vectors = BTreeMap<&'static str, Vec<Vector>>;

/// The listeners that the vectors need: those with the same configuration share one.
pub fn plugins(vectors: &Vectors) -> BTreeMap<String, Value> {
    let vectors = vectors.values().flatten().filter(|vector| vector.is_for_envoy());
    vectors.map(|vector| (listener(&vector.plugin), vector.plugin.clone())).collect()
}

pub fn trials(scene: &Arc<Scene>, vectors: Vectors) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (suite, vectors) in vectors {
        let vectors = Arc::new(vectors);
        let engines: [(&str, Run); 3] = [("strict", in_strict_host), ("wasmx", in_wasmx), ("envoy", in_envoy)];
        for (engine, run) in engines {
            let (scene, vectors) = (Arc::clone(scene), Arc::clone(&vectors));
            let run = move || {
                let differences = run(&scene, &vectors)?;
                ensure!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
                Ok(())
            };
            trials.push(Trial::test(format!("{engine}::conformance::{suite}"), move || run().map_err(failed)));
        }
    }
    trials
}

fn in_strict_host(_: &Scene, vectors: &[Vector]) -> Result<Vec<String>> {
    in_host(vectors, StrictHost::start)
}

fn in_wasmx(_: &Scene, vectors: &[Vector]) -> Result<Vec<String>> {
    in_host(vectors, StrictHost::start_in_wasmx)
}

fn in_host(vectors: &[Vector], start: fn(&[u8]) -> Result<StrictHost>) -> Result<Vec<String>> {
    let mut hosts = BTreeMap::new();
    let mut differences = Vec::new();
    for vector in vectors {
        let configuration = vector.plugin.to_string();
        let host = hosts.entry(configuration).or_insert_with_key(|text| start(text.as_bytes()).ok());
        let now = vector.case.now;
        match host {
            Some(host) => differences.extend(vector.differences(now, |request, _| host.handle(request, now))?),
            None if vector.is_taken || vector.is_good => differences.push(format!("{}: no bundle", vector.case.id)),
            None => {}
        }
    }
    Ok(differences)
}

fn in_envoy(scene: &Scene, vectors: &[Vector]) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for vector in vectors.iter().filter(|vector| vector.is_for_envoy()) {
        let mut connection = Connection::open(scene.envoy.address(&listener(&vector.plugin))?)?;
        let send = |request: &Request, tag: &str| scene.send(&mut connection, request.clone(), tag);
        differences.extend(vector.differences(host_tests::now(), send)?);
    }
    Ok(differences)
}

impl Vector {
    fn read(case: Case, exceptions: &[Exception]) -> Self {
        let plugin = json!({ "version": 1, "bundle": case.bundle() });
        let is_taken = PluginConfiguration::parse(plugin.to_string().as_bytes()).is_ok();
        let is_exception = exceptions.iter().any(|exception| exception.id == case.id);
        let is_good = case.expect_http == "accept" && !is_exception;
        Self { case, plugin, is_taken, is_good }
    }

    /// Whether it is right with the real clock, and has a listener.
    fn is_for_envoy(&self) -> bool {
        self.is_taken && self.case.clock.as_deref() != Some("fixed")
    }

    /// Sends the token, again when it is remembered, and to each claim check. It has to be judged as the suite says, and for
    /// the reason that the core has.
    fn differences(&self, now: u64, mut send: impl FnMut(&Request, &str) -> Result<Outcome>) -> Result<Vec<String>> {
        let configuration = PluginConfiguration::parse(self.plugin.to_string().as_bytes())?;
        let core = configuration.into_authorizer();
        let token = ("/orders".to_owned(), if self.is_good { 200 } else { 401 });
        let checks = self.case.claim_checks.iter().enumerate();
        let checks = checks.map(|(number, check)| (format!("/checks/{number}"), if check.result { 200 } else { 403 }));
        let mut differences = Vec::new();
        for (path, status) in [token.clone(), token].into_iter().chain(checks) {
            let request = Request::get(&path).with("authorization", &format!("Bearer {}", self.case.token));
            let Step::Decided(authorization) = core.authorize(&request.head(), UnixTime::from_seconds(now)) else {
                bail!("{}: nobody has to be asked", self.case.id);
            };
            let decision = Outcome::of_authorization(&request, &authorization).decision;
            let tag = format!("{} {path}", self.case.id);
            match send(&request, &tag) {
                Ok(outcome) if outcome.status == status && outcome.decision == decision => {}
                other => differences.push(format!("{tag}: expected {status} {decision:?}, got {other:?}")),
            }
        }
        Ok(differences)
    }
}

/// Every suite.
pub fn read() -> Result<Vectors> {
    let exceptions: Vec<Exception> = serde_json::from_str(include_str!("../../../authz/conformance/exceptions.json"))?;
    let mut suites = BTreeMap::new();
    for (name, text) in SUITES {
        let suite: Suite = serde_json::from_str(text).with_context(|| name.to_owned())?;
        ensure!(suite.cases.len() == suite.count, "{name} is not complete");
        suites.insert(name, suite.cases);
    }
    // The keys of JWEs are for encryption; here they meet keys that are trusted, which must not help them either.
    let trusting = suites.values().flatten().find(|case| case.id == "matrix-ES256-ok-no-kid-in-token");
    let trusted = trusting.context("the case is there")?.jwks.clone();
    for case in suites.get_mut("wycheproof-jwe-as-bearer").into_iter().flatten() {
        case.jwks = trusted.clone();
    }
    let vectors = |cases: Vec<Case>| cases.into_iter().map(|case| Vector::read(case, &exceptions)).collect();
    Ok(suites.into_iter().map(|(name, cases)| (name, vectors(cases))).collect())
}

fn listener(plugin: &Value) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    plugin.to_string().hash(&mut hasher);
    format!("conformance-{:016x}", hasher.finish())
}
