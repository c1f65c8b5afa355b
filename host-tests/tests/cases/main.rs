//! One set of cases, three engines: the core natively, the built module in a strict in-process host, and real Envoy.

mod assertion;
mod authzen;
mod callouts;
mod conformance;
mod kong;
mod module;
mod paths;
mod personality;
mod provider;
mod ratchet;
mod secrets;
mod traps;
mod wasmx;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use authz::{IntrospectionResponse, PluginConfiguration, Step, UnixTime};
use conformance::Vectors;
use host_tests::authorization_server::AuthorizationServer;
use host_tests::case::{self, Case, CaseFile, Expectation};
use host_tests::client::{Connection, Request};
use host_tests::envoy::{Backends, Envoy, Plugin, Ports};
use host_tests::keys::KeyRing;
use host_tests::outcome::Outcome;
use host_tests::provider::Provider;
use host_tests::strict_host::StrictHost;
use host_tests::tls::{Pki, Workload};
use host_tests::token::TokenSpec;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// The time at which the cases happen where the clock is ours.
const NOW: u64 = 1_800_000_000;

/// Keys that the cases name.
const KEYS: [&str; 16] = [
    "rs256",
    "rs384",
    "rs512",
    "ps256",
    "ps384",
    "ps512",
    "es256",
    "es384",
    "eddsa",
    "hs256",
    "hs384",
    "hs512",
    "second/es256",
    "stranger/es256",
    "client/es256",
    "client/eddsa",
];

/// Workloads that the cases name.
const WORKLOADS: [&str; 3] = ["web", "batch", "ingress"];

/// What the bundles call the authorization server that answers as the cases say.
const AUTHORIZATION_SERVER: &str = "authorization-server";

/// Where clients connect from.
const SOURCE: &str = "127.0.0.1:40000";

/// What all cases share.
struct Scene {
    keys: KeyRing,
    pki: Pki,
    plugins: BTreeMap<String, Plugin>,
    server: Arc<AuthorizationServer>,
    provider: Mutex<Provider>,
    envoy: Envoy,
    differences: wasmx::Differences,
    /// What clients sent through Envoy that its log must not have.
    sent: Mutex<BTreeSet<String>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (scene, files, vectors) = match set_up() {
        Ok(set_up) => set_up,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let scene = Arc::new(scene);
    let mut trials = wasmx::trials(&scene, &files);
    for (file_name, file) in files {
        let bundle = Arc::new(file.bundle);
        for case in file.cases {
            let engines: [(&str, Run); 3] = [("native", natively), ("strict", in_strict_host), ("envoy", in_envoy)];
            for (engine, run) in engines {
                let name = format!("{engine}::{file_name}::{}", case.name.replace(' ', "_"));
                let (scene, bundle, case) = (Arc::clone(&scene), Arc::clone(&bundle), case.clone());
                trials.push(Trial::test(name, move || run(&scene, &bundle, &case).map_err(failed)));
            }
        }
    }
    trials.extend(assertion::trials(&scene));
    trials.extend(module::trials(&scene));
    trials.extend(ratchet::trials(&scene));
    trials.extend(callouts::trials(&scene));
    trials.extend(kong::trials(&scene));
    trials.extend(traps::trials(&scene));
    trials.extend(conformance::trials(&scene, vectors));
    trials.push(paths::trial(&scene));
    trials.push(personality::trial(&scene));
    trials.push(provider::trial(&scene));
    trials.push(secrets::trial(&scene));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(error) = scene.ensure_silent() {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

type Run = fn(&Scene, &str, &Case) -> Result<()>;

fn set_up() -> Result<(Scene, BTreeMap<String, CaseFile>, Vectors)> {
    let folder = |name: &str| host_tests::repository().join("host-tests").join(name);
    let mut files = case::read_all(&folder("cases"))?;
    files.extend(authzen::read()?);
    let mut keys = KeyRing::generate(KEYS)?;
    let pki = Pki::generate(WORKLOADS)?;
    for (name, workload) in pki.workloads() {
        keys.add_certificate(name, workload.sha256());
    }
    let mut mtls = host_tests::envoy::example_mtls()?;
    pki.fill_in(&mut mtls);
    let bundle = |name: &String| -> PathBuf { folder("bundles").join(name).with_extension("json") };
    let mut plugins = BTreeMap::new();
    for file in files.values() {
        let configuration = case::read_plugin_configuration(&bundle(&file.bundle), &keys)?;
        let transport = file.tls.then(|| mtls.clone());
        plugins.insert(file.bundle.clone(), Plugin { configuration, transport, ..Plugin::default() });
    }
    let vectors = conformance::read()?;
    for (name, configuration) in conformance::plugins(&vectors) {
        plugins.insert(name, Plugin { configuration, ..Plugin::default() });
    }
    let opaque = plugins.get("opaque").context("there is a bundle with introspection")?;
    plugins.insert(callouts::HEADERS_ONLY.to_owned(), Plugin { stops_headers_only: true, ..opaque.clone() });
    plugins.insert(paths::LISTENER.to_owned(), paths::plugin()?);
    plugins.insert(provider::LISTENER.to_owned(), provider::plugin_without_issuers());
    let server = Arc::new(AuthorizationServer::default());
    let provider = Provider::start()?;
    let authorization_servers = vec![(AUTHORIZATION_SERVER, server.start()?), (provider::CLUSTER, provider.address()?)];
    let backends = Backends { upstream: host_tests::upstream::start()?, authorization_servers, control: Vec::new() };
    let envoy = Envoy::start(&plugins, &backends, Ports::Free)?;
    let differences = wasmx::Differences::read()?;
    let provider = Mutex::new(provider);
    Ok((Scene { keys, pki, plugins, server, provider, envoy, differences, sent: Mutex::default() }, files, vectors))
}

fn natively(scene: &Scene, bundle: &str, case: &Case) -> Result<()> {
    let configuration = PluginConfiguration::parse(scene.plugin(bundle)?.as_bytes())?;
    let authorizer = configuration.into_authorizer();
    let request = case.request(&scene.keys, NOW)?;
    let client = case.client.as_ref().map(|name| scene.pki.workload(name)).transpose()?;
    let sha256 = client.map(Workload::sha256_hex).unwrap_or_default();
    let server = AuthorizationServer::default();
    case.instruct(&server, &request, &scene.keys, NOW)?;
    // The core remembers nothing; what was used once is remembered here, as a shell would.
    let mut used = BTreeSet::new();
    let mut send = |request: &Request| {
        let mut head = request.head();
        head.peer = client.map(|client| client.certificate(&sha256)).filter(|_| authorizer.needs_peer());
        head.source = authorizer.needs_source().then_some(SOURCE.as_bytes());
        let now = UnixTime::from_seconds(NOW);
        let authorization = loop {
            match authorizer.authorize(&head, now) {
                Step::Decided(authorization) => break authorization,
                Step::Introspect(question) => {
                    let headers: BTreeMap<_, _> = question.headers().into_iter().collect();
                    let answer = answer_of(&server, question.cluster(), headers.get("authorization"), &question.body());
                    let response =
                        answer.as_ref().map(|(status, body)| IntrospectionResponse { status: *status, body });
                    authorizer.introspected(&question, response, now);
                }
            }
        };
        let is_first = authorization.use_once().iter().all(|once| used.insert(*once.key()));
        let authorization = if is_first { authorization } else { authorizer.replayed(authorization) };
        Outcome::of_authorization(request, &authorization)
    };
    let outcome = send(&request);
    check(&case.expect, &outcome)?;
    if let Some(expected) = &case.with_nonce {
        let request = case.request_with_nonce(&scene.keys, NOW, Some(nonce_of(&outcome)?))?;
        check(expected, &send(&request)).context("with nonce")?;
    }
    case.again.as_ref().map_or(Ok(()), |again| check(again, &send(&request)).context("again"))?;
    case.check_asked(&server, &request, 1)
}

/// What an authorization server says in time, and one that the proxy does not know never.
fn answer_of(
    server: &AuthorizationServer,
    cluster: &str,
    authorization: Option<&&str>,
    body: &str,
) -> Option<(u16, Vec<u8>)> {
    let is_known = cluster == AUTHORIZATION_SERVER;
    let answer = is_known.then(|| server.answer(authorization.copied().unwrap_or_default(), body))?;
    (answer.delay_milliseconds == 0).then(|| (answer.status, answer.body.to_string().into_bytes()))
}

fn in_strict_host(scene: &Scene, bundle: &str, case: &Case) -> Result<()> {
    judge(scene, StrictHost::start(scene.plugin(bundle)?.as_bytes())?, bundle, case, &case.expect)
}

/// Sends the request of a case to a host, and then a good one.
fn judge(scene: &Scene, mut host: StrictHost, bundle: &str, case: &Case, expected: &Expectation) -> Result<()> {
    host.set_connection(SOURCE, case.client.as_ref().map(|name| scene.pki.workload(name)).transpose()?);
    let request = case.request(&scene.keys, NOW)?;
    let server = AuthorizationServer::default();
    case.instruct(&server, &request, &scene.keys, NOW)?;
    let mut send = |request: &Request| {
        host.handle_with(request, NOW, &|call| {
            let authorization = call.headers.get("authorization").map(String::as_str);
            answer_of(&server, &call.cluster, authorization.as_ref(), &call.body)
        })
    };
    let outcome = send(&request)?;
    check(expected, &outcome)?;
    if let Some(expected) = &case.with_nonce {
        let request = case.request_with_nonce(&scene.keys, NOW, Some(nonce_of(&outcome)?))?;
        check(expected, &send(&request)?).context("with nonce")?;
    }
    if let Some(again) = &case.again {
        check(again, &send(&request)?).context("again")?;
    }
    // The same worker serves the next good request.
    check(&healthy(), &send(&Request::get("/healthz"))?).context("afterwards")?;
    let record = outcome.decision.as_ref().map(Value::to_string).unwrap_or_default();
    let plugin = scene.plugins.get(bundle).context("the bundle was read")?;
    secrets::ensure_hidden(&[host.log(), &record], &request, &plugin.configuration)?;
    case.check_asked(&server, &request, 1)
}

fn in_envoy(scene: &Scene, bundle: &str, case: &Case) -> Result<()> {
    let address = scene.envoy.address(bundle)?;
    let is_tls = scene.plugins.get(bundle).is_some_and(|plugin| plugin.transport.is_some());
    let open = || match is_tls {
        true => Connection::open_tls(address, &scene.pki, case.client.as_deref()),
        false => Connection::open(address),
    };
    let mut connection = open()?;
    let request = case.request(&scene.keys, host_tests::now())?;
    case.instruct(&scene.server, &request, &scene.keys, host_tests::now())?;
    let expected = case.envoy.as_ref().unwrap_or(&case.expect);
    let outcome = scene.send(&mut connection, request.clone(), &case.name)?;
    check(expected, &outcome)?;
    if let Some(expected) = &case.with_nonce {
        let request = case.request_with_nonce(&scene.keys, host_tests::now(), Some(nonce_of(&outcome)?))?;
        let outcome = scene.send(&mut open()?, request, &format!("{} (with nonce)", case.name))?;
        check(expected, &outcome).context("with nonce")?;
    }
    if let Some(again) = &case.again {
        // On new connections, so that every worker is asked.
        for attempt in 0..6 {
            let tag = format!("{} (again {attempt})", case.name);
            let outcome = scene.send(&mut open()?, request.clone(), &tag)?;
            check(again, &outcome).context("again")?;
        }
    }
    // A connection belongs to one worker: the same worker serves the next good request. Where Envoy has closed it, enough
    // new ones reach every worker.
    let mut connections: Vec<Connection> =
        if connection.is_open() { vec![connection] } else { (0..6).map(|_| open()).collect::<Result<_>>()? };
    for (index, connection) in connections.iter_mut().enumerate() {
        let tag = format!("{} (afterwards {index})", case.name);
        check(&healthy(), &scene.send(connection, Request::get("/healthz"), &tag)?).context("afterwards")?;
    }
    case.check_asked(&scene.server, &request, host_tests::envoy::WORKERS)
}

impl Scene {
    fn plugin(&self, bundle: &str) -> Result<String> {
        Ok(self.plugins.get(bundle).context("the bundle was read")?.configuration.to_string())
    }

    /// The value of an `Authorization` header that is good at the time `now`.
    fn good_token(&self, now: u64) -> Result<String> {
        let token: TokenSpec = serde_json::from_value(serde_json::json!({ "key": "es256" }))?;
        Ok(format!("Bearer {}", token.mint(&self.keys, now)?))
    }

    /// An error if Envoy's own log has something secret of what it was sent, or of what it was configured with.
    fn ensure_silent(&self) -> Result<()> {
        let log = self.envoy.error_log()?;
        let sent = self.sent.lock().ok().context("nobody panicked")?;
        let configured =
            self.plugins.values().flat_map(|plugin| host_tests::secrets::of_configuration(&plugin.configuration));
        let secrets: Vec<String> = sent.iter().cloned().chain(configured).collect();
        host_tests::secrets::ensure_hidden(&log, &secrets)
    }

    /// Sends a request through Envoy; `tag` finds it again in the access log.
    fn send(&self, connection: &mut Connection, request: Request, tag: &str) -> Result<Outcome> {
        let secrets = host_tests::secrets::of_request(&request);
        let response = connection.send(&request.with("user-agent", tag))?;
        // What Envoy cannot even parse has no headers in its log, and no decision.
        let unparsable = response.status == 400 && response.headers.iter().all(|(name, _)| name != "cache-control");
        let decision = if unparsable { Value::Null } else { self.envoy.access_log_entry(tag)? };
        let entry = decision.get("portcullis").map(Value::to_string).unwrap_or_default();
        host_tests::secrets::ensure_hidden(&entry, &secrets)?;
        self.sent.lock().ok().context("nobody panicked")?.extend(secrets);
        let record = decision.get("portcullis").and_then(Value::as_str).map(serde_json::from_str).transpose()?;
        Ok(Outcome::of_response(response, record))
    }
}

fn healthy() -> Expectation {
    Expectation {
        status: 200,
        reason: Some("permitted_by_rule".to_owned()),
        rule: Some("health".to_owned()),
        ..Expectation::default()
    }
}

/// The nonce in an answer.
fn nonce_of(outcome: &Outcome) -> Result<&str> {
    outcome.header("dpop-nonce").first().copied().context("the answer has a nonce")
}

fn check(expected: &Expectation, outcome: &Outcome) -> Result<()> {
    let differences = expected.differences(outcome);
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:?}").into()
}
