//! Tokens of a real OpenID provider, judged by the keys that it publishes, until it replaces them: in the strict host, and in
//! an Envoy that takes up new keys while it runs.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use host_tests::case::Expectation;
use host_tests::client::{Connection, Request};
use host_tests::envoy::Plugin;
use host_tests::now;
use host_tests::provider::{Provider, Rotation};
use host_tests::token::TokenSpec;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Scene, check, failed};
use host_tests::strict_host::{Call, StrictHost};

/// The listener whose keys change.
pub const LISTENER: &str = "provider";

/// What Envoy calls the provider, to ask it about opaque tokens.
pub const CLUSTER: &str = "provider";

/// Who we are: the audience.
const ORDERS: &str = "https://orders.example.com";

/// What the provider signs with; it also knows the last one by its newer name (RFC 9864).
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// How many new connections reach every worker.
const CONNECTIONS: usize = 10;

/// What Envoy starts with: the provider, and with it its keys, comes later.
pub fn plugin_without_issuers() -> Plugin {
    Plugin { configuration: configuration(0, json!([])), is_discovered: true, ..Plugin::default() }
}

pub fn trial(scene: &Arc<Scene>) -> Trial {
    let scene = Arc::clone(scene);
    Trial::test("provider::tokens_are_as_good_as_the_keys_that_their_provider_publishes", move || {
        run(&scene).map_err(failed)
    })
}

fn run(scene: &Scene) -> Result<()> {
    let mut provider = scene.provider.lock().map_err(|_| anyhow!("another test panicked"))?;
    let mut strict = take_up(scene, &provider, 1)?;
    let mut connection = Connection::open(scene.envoy.address(LISTENER)?)?;
    let mut judge = |provider: &Provider, strict: &mut StrictHost, visits: &[Visit]| -> Result<()> {
        let ask = |call: &Call| {
            let authorization = call.headers.get("authorization").map(String::as_str);
            let answer = provider.introspect(authorization.unwrap_or_default(), &call.body).ok()?;
            Some((200, answer.to_string().into_bytes()))
        };
        for (name, request, expected) in visits {
            check(expected, &strict.handle_with(request, now(), &ask)?).with_context(|| format!("strict: {name}"))?;
            check(expected, &scene.send(&mut connection, request.clone(), name)?)
                .with_context(|| format!("envoy: {name}"))?;
        }
        Ok(())
    };
    judge(&provider, &mut strict, &visits(scene, &provider)?)?;

    let old = mint_all(&provider)?;
    let opaque = provider.mint(&format!("{ORDERS}/opaque"), "orders.read", None)?;
    let opaque = |expected| [visit("opaque, around the rotation", get("Bearer", &opaque), expected)];
    judge(&provider, &mut strict, &opaque(permitted()))?;
    judge(&provider, &mut strict, &expecting(&old, "before the rotation", &permitted()))?;
    provider.rotate(Rotation::Replace)?;
    let new = mint_all(&provider)?;
    judge(&provider, &mut strict, &expecting(&old, "after the rotation, by the old keys", &permitted()))?;
    judge(&provider, &mut strict, &expecting(&new, "after the rotation, too early", &refused(401, "key_unknown")))?;
    let mut strict = take_up(scene, &provider, 2)?;
    // On the same connection, by a worker that remembers the old tokens as verified.
    judge(&provider, &mut strict, &expecting(&old, "after the rotation, too late", &refused(401, "key_unknown")))?;
    // The provider has forgotten them too, and the new revision asks again.
    judge(&provider, &mut strict, &opaque(refused(401, "token_inactive")))?;
    judge(&provider, &mut strict, &expecting(&new, "after the rotation, by the new keys", &permitted()))
}

/// Puts the keys that the provider publishes now into the running Envoy, and into a new strict host.
fn take_up(scene: &Scene, provider: &Provider, revision: u64) -> Result<StrictHost> {
    let issuer = json!({
        "issuer": provider.issuer(), "preset": "oauth2", "audiences": [ORDERS], "algorithms": ALGORITHMS,
        "jwks": provider.jwks()?,
        "introspection": {
            // Envoy's cluster for it has no TLS here.
            "endpoint": provider.endpoint("introspection_endpoint")?.replace("http://", "https://"),
            "cluster": CLUSTER, "client_id": "gateway", "client_secret": "secret-of-gateway",
        },
        // Client credentials have no end user, and opaque tokens of them no subject.
        "required_claims": ["client_id"],
    });
    let configuration = configuration(revision, json!([issuer]));
    scene.envoy.update(LISTENER, &configuration)?;
    for attempt in 0..100 {
        let mut revisions = (0..CONNECTIONS).map(|index| {
            let tag = format!("revision {revision}, attempt {attempt}, connection {index}");
            let mut connection = Connection::open(scene.envoy.address(LISTENER)?)?;
            let outcome = scene.send(&mut connection, Request::get("/healthz"), &tag)?;
            Ok(outcome.decision.and_then(|decision| decision.get("revision")?.as_u64()))
        });
        if revisions.all(|seen: Result<_>| seen.is_ok_and(|seen| seen == Some(revision))) {
            return StrictHost::start(configuration.to_string().as_bytes());
        }
    }
    bail!("Envoy does not take up revision {revision}")
}

fn configuration(revision: u64, issuers: Value) -> Value {
    let mut credential = json!({
        "name": "client", "type": "jwt", "dpop": {},
        "from": [{ "header": "authorization", "scheme": "Bearer" }, { "header": "authorization", "scheme": "DPoP" }],
    });
    if let (Some(issuer), Some(members)) = (issuers.pointer("/0/issuer"), credential.as_object_mut()) {
        members.insert("opaque".to_owned(), issuer.clone());
    }
    json!({ "version": 1, "bundle": {
        "version": 1, "revision": revision, "issuers": issuers, "credentials": [credential],
        "rules": [
            { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
            {
                "id": "orders-read", "effect": "permit", "target": { "methods": ["GET"], "paths": ["/orders"] },
                "condition": { "scopes": { "all": ["orders.read"] } },
            },
            {
                "id": "orders-write", "effect": "permit", "target": { "methods": ["POST"], "paths": ["/orders"] },
                "condition": { "scopes": { "all": ["orders.write"] } },
            },
        ],
    } })
}

/// A sentence, a request, and what must become of it.
type Visit = (String, Request, Expectation);

fn visits(scene: &Scene, provider: &Provider) -> Result<Vec<Visit>> {
    let mint = |resource: &str, scopes: &str| provider.mint(resource, scopes, None);
    let insufficient = |rule: &str| Expectation {
        rule: Some(format!("orders-{rule}")),
        challenge: Some(format!("Bearer error=\"insufficient_scope\", scope=\"orders.{rule}\"")),
        ..refused(403, "scope_insufficient")
    };
    let reader = mint(&format!("{ORDERS}/ES256"), "orders.read")?;
    let writer = mint(&format!("{ORDERS}/ES256"), "orders.write")?;
    let invoices = mint("https://invoices.example.com/ES256", "orders.read")?;
    let unknown_algorithm = mint(&format!("{ORDERS}/ES512"), "orders.read")?;
    let opaque = mint(&format!("{ORDERS}/opaque"), "orders.read")?;
    let other_opaque = mint("https://invoices.example.com/opaque", "orders.read")?;
    let subject = vec!["x-portcullis-subject".to_owned()];
    let mut visits = expecting(&mint_all(provider)?, "good", &told(provider));
    visits.extend([
        visit("no scope to read", get("Bearer", &writer), insufficient("read")),
        visit(
            "no scope to write",
            Request { method: b"POST".to_vec(), ..get("Bearer", &reader) },
            insufficient("write"),
        ),
        visit("for another resource", get("Bearer", &invoices), refused(401, "audience_mismatch")),
        visit("an algorithm of no use", get("Bearer", &unknown_algorithm), refused(401, "algorithm_refused")),
        visit("opaque", get("Bearer", &opaque), Expectation { upstream_without: subject, ..permitted() }),
        visit("opaque, for another resource", get("Bearer", &other_opaque), refused(401, "audience_mismatch")),
        visit("opaque, of nobody", get("Bearer", "made-up"), refused(401, "token_inactive")),
    ]);
    visits.extend(bound_visits(scene, provider)?);
    Ok(visits)
}

/// RFC 9449 sections 5 and 7: the key that asked for the token is the one that uses it.
fn bound_visits(scene: &Scene, provider: &Provider) -> Result<[Visit; 5]> {
    let asking: TokenSpec = serde_json::from_value(json!({ "key": "client/es256", "without": ["ath"] }))?;
    let asking = asking.mint_proof(&scene.keys, now(), "POST", provider.endpoint("token_endpoint")?, "")?;
    let token = provider.mint(&format!("{ORDERS}/EdDSA"), "orders.read", Some(&asking))?;
    let proof = |key: &str| {
        let spec: TokenSpec = serde_json::from_value(json!({ "key": key }))?;
        spec.mint_proof(&scene.keys, now(), "GET", "http://api.example.com/orders", &token)
    };
    let proved = get("DPoP", &token).with("dpop", &proof("client/es256")?);
    let stolen = get("DPoP", &token).with("dpop", &proof("stranger/es256")?);
    Ok([
        visit("bound, with a proof", proved.clone(), told(provider)),
        visit("bound, with a proof that was used", proved, refused(401, "credential_replayed")),
        visit("bound, with the proof of a thief", stolen, refused(401, "proof_invalid")),
        visit("bound, without a proof", get("DPoP", &token), refused(401, "proof_missing")),
        visit("bound, as a bearer token", get("Bearer", &token), refused(401, "proof_missing")),
    ])
}

fn visit(name: &str, request: Request, expected: Expectation) -> Visit {
    (name.to_owned(), request, expected)
}

fn get(scheme: &str, token: &str) -> Request {
    Request::get("/orders").with("authorization", &format!("{scheme} {token}"))
}

/// A token for each algorithm, with its name.
fn mint_all(provider: &Provider) -> Result<Vec<(&'static str, String)>> {
    let mint = |name| Ok((name, provider.mint(&format!("{ORDERS}/{name}"), "orders.read", None)?));
    ALGORITHMS.into_iter().chain(["Ed25519"]).map(mint).collect()
}

/// The same of each token.
fn expecting(tokens: &[(&str, String)], when: &str, expected: &Expectation) -> Vec<Visit> {
    tokens
        .iter()
        .map(|(name, token)| visit(&format!("{name}, {when}"), get("Bearer", token), expected.clone()))
        .collect()
}

fn permitted() -> Expectation {
    Expectation {
        status: 200,
        reason: Some("permitted_by_rule".to_owned()),
        rule: Some("orders-read".to_owned()),
        ..Expectation::default()
    }
}

/// Permitted, and the upstream is told who asks.
fn told(provider: &Provider) -> Expectation {
    let told = [("subject", "web"), ("client", "web"), ("issuer", provider.issuer()), ("scopes", "orders.read")];
    let upstream = told.into_iter().map(|(name, value)| (format!("x-portcullis-{name}"), value.to_owned())).collect();
    Expectation { upstream, ..permitted() }
}

fn refused(status: u16, reason: &str) -> Expectation {
    Expectation { status, reason: Some(reason.to_owned()), ..Expectation::default() }
}
