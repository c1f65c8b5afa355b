//! What no log and no record may have: credentials, and the secrets of a configuration.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::client::Request;

/// What is shorter may stand anywhere by chance.
const LEAST: usize = 16;
const LEAST_CLAIM: usize = 8;

/// Headers with what is no secret: the names of hosts and of cases, and a trace.
const OPEN_HEADERS: [&str; 4] = ["user-agent", "origin", "host", "traceparent"];

/// Members of a plugin configuration that are secret.
const SECRET_MEMBERS: [&str; 6] = ["client_secret", "d", "k", "pseudonym_key", "secret", "token"];

/// That a text has none of these.
///
/// # Errors
///
/// It has one: with both.
pub fn ensure_hidden<'s>(text: &str, secrets: impl IntoIterator<Item = &'s String>) -> Result<()> {
    let shown = secrets.into_iter().find(|secret| text.contains(secret.as_str()));
    ensure!(shown.is_none(), "a log or a record has {shown:?}: {text}");
    Ok(())
}

/// Pieces of credentials, wherever a request has them, and the claims of tokens.
pub fn of_request(request: &Request) -> Vec<String> {
    let pieces = credentials(request);
    let claims: Vec<String> = pieces.iter().flat_map(|piece| claims(piece)).collect();
    pieces.into_iter().chain(claims).collect()
}

/// Pieces of credentials, wherever a request has them.
pub fn credentials(request: &Request) -> Vec<String> {
    let name = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    let headers = request.headers.iter().filter(|(key, _)| !OPEN_HEADERS.contains(&name(key).as_str()));
    let query = request.path.splitn(2, |byte| *byte == b'?').nth(1);
    let values = headers.map(|(_, value)| value.as_slice()).chain(query);
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let pieces = values.flat_map(|value| value.split(|byte| !is_of_token(byte)));
    pieces.filter(|piece| piece.len() >= LEAST).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
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
