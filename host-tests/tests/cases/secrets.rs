//! What no log and no record may have: parts of a credential, secrets of the bundle, claims that the bundle does not let through.

use std::sync::Arc;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_tests::client::Request;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{NOW, Scene, failed};

/// What is shorter may stand anywhere by chance.
const LEAST: usize = 16;
const LEAST_CLAIM: usize = 8;

/// Headers with what is no secret: the names of hosts and of cases, and a trace.
const OPEN_HEADERS: [&str; 4] = ["user-agent", "origin", "host", "traceparent"];

/// Members of a plugin configuration that are secret.
const SECRET_MEMBERS: [&str; 5] = ["client_secret", "d", "k", "secret", "token"];

/// That a log with a secret would be found.
pub fn trial(scene: &Arc<Scene>) -> Trial {
    let scene = Arc::clone(scene);
    Trial::test("secrets::are_found_in_logs", move || are_found(&scene).map_err(failed))
}

fn are_found(scene: &Scene) -> Result<()> {
    let token = scene.good_token(NOW)?;
    let request = Request::get("/orders").with("authorization", &token);
    let configuration = json!({ "bundle": { "issuers": [{ "introspection": { "client_secret": "p@ss word" } }] } });
    ensure_hidden(&["a request for /orders was refused"], &request, &configuration)?;
    let parts: Vec<&str> = token.trim_start_matches("Bearer ").split('.').collect();
    ensure!(parts.len() == 3, "a token has three parts");
    for secret in parts.into_iter().chain(["p@ss word", "https://idp.example.com/"]) {
        let log = format!("it had {secret}, and was refused");
        ensure!(ensure_hidden(&[&log], &request, &configuration).is_err(), "{secret} is not found");
    }
    Ok(())
}

/// An error if one of the texts has something secret of a request or of the plugin configuration. No bundle of the cases lets a claim into its log.
pub fn ensure_hidden(texts: &[&str], request: &Request, configuration: &Value) -> Result<()> {
    let mut secrets = of_request(request);
    secrets.extend(of_configuration(configuration));
    let shown = secrets.iter().find(|secret| texts.iter().any(|text| text.contains(secret.as_str())));
    ensure!(shown.is_none(), "a log has {shown:?}: {texts:?}");
    Ok(())
}

/// Pieces of credentials, wherever a request has them, and the claims of tokens.
pub fn of_request(request: &Request) -> Vec<String> {
    let name = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    let headers = request.headers.iter().filter(|(key, _)| !OPEN_HEADERS.contains(&name(key).as_str()));
    let query = request.path.splitn(2, |byte| *byte == b'?').nth(1);
    let values = headers.map(|(_, value)| value.as_slice()).chain(query);
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let pieces = values.flat_map(|value| value.split(|byte| !is_of_token(byte)));
    let pieces: Vec<String> =
        pieces.filter(|piece| piece.len() >= LEAST).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    let claims: Vec<String> = pieces.iter().flat_map(|piece| claims(piece)).collect();
    pieces.into_iter().chain(claims).collect()
}

/// The texts in a part of a token.
fn claims(piece: &str) -> Vec<String> {
    let part = URL_SAFE_NO_PAD.decode(piece).ok().and_then(|part| serde_json::from_slice::<Value>(&part).ok());
    let Some(Value::Object(members)) = part else { return Vec::new() };
    let texts = members.into_iter().filter(|(name, _)| name != "typ").filter_map(|(_, value)| match value {
        Value::String(text) if text.len() >= LEAST_CLAIM => Some(text),
        _ => None,
    });
    texts.collect()
}

/// The secrets in a plugin configuration.
pub fn of_configuration(configuration: &Value) -> Vec<String> {
    match configuration {
        Value::Array(items) => items.iter().flat_map(of_configuration).collect(),
        Value::Object(members) => {
            let of_member = |(name, value): (&String, &Value)| match value.as_str() {
                Some(text) if SECRET_MEMBERS.contains(&name.as_str()) => vec![text.to_owned()],
                _ => of_configuration(value),
            };
            members.iter().flat_map(of_member).collect()
        }
        _ => Vec::new(),
    }
}
