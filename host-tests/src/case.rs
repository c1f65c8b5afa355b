//! The case format: a request and a token, and what must become of them. `host-tests/README.md` describes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::authorization_server::{Answer, AuthorizationServer};
use crate::client::Request;
use crate::keys::KeyRing;
use crate::outcome::Outcome;
use crate::token::TokenSpec;

const PATH: &str = "/orders";
const HOST: &str = "api.example.com";

/// A file of cases that share one bundle.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The name of a file in `host-tests/bundles`, without `.json`.
    pub bundle: String,
    /// Whether clients connect with mutual TLS.
    #[serde(default)]
    pub tls: bool,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, as a sentence.
    pub name: String,
    /// The method; GET if not given.
    pub method: Option<String>,
    /// The request target; `/orders` if not given.
    pub path: Option<String>,
    /// The host; `api.example.com` if not given.
    pub host: Option<String>,
    /// Further headers: name and value. Each character up to U+00FF is one byte.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// A header that is made long or many.
    pub bulk: Option<Bulk>,
    /// The token.
    pub token: Option<TokenSpec>,
    /// The workload whose certificate the client presents, where the file says `tls`.
    pub client: Option<String>,
    /// A second token, for `{second}` in `headers`, `authorization` and `path`, where `{token}` stands for the first.
    pub second: Option<TokenSpec>,
    /// A proof of possession, for the `DPoP` header; the authority that it names is that of the case.
    pub proof: Option<TokenSpec>,
    /// What the authorization server answers about the token of the request (RFC 7662).
    pub introspection: Option<Answer>,
    /// How often one worker asks it.
    pub asked: Option<usize>,
    /// What must become of the very same request when it is sent again.
    pub again: Option<Expectation>,
    /// What must become of it with a new proof that has the nonce of the first answer (RFC 9449 section 9).
    pub with_nonce: Option<Expectation>,
    /// The `Authorization` headers, `{token}` standing for the token; one `Bearer {token}` if there is a token.
    pub authorization: Option<Vec<String>>,
    /// What must become of it.
    pub expect: Expectation,
    /// What must become of it in Envoy instead, where Envoy itself changes or refuses the request first.
    pub envoy: Option<Expectation>,
}

/// A header of a size that nobody writes into a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The name.
    pub name: String,
    /// The text that is repeated.
    pub text: String,
    /// How often it is repeated within one value.
    #[serde(default = "once")]
    pub times: usize,
    /// How many such headers there are.
    #[serde(default = "once")]
    pub headers: usize,
}

const fn once() -> usize {
    1
}

/// What must become of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The status that the client gets.
    pub status: u16,
    /// The reason in the decision record; not given where the filter is not asked.
    pub reason: Option<String>,
    /// The rule in the decision record; not given where no rule decided.
    pub rule: Option<String>,
    /// Headers that the upstream must see, exactly once, with this value.
    #[serde(default)]
    pub upstream: BTreeMap<String, String>,
    /// Headers that the upstream must not see.
    #[serde(default)]
    pub upstream_without: Vec<String>,
    /// The request target that the upstream must see; the one that was sent if not given.
    pub upstream_target: Option<String>,
    /// Claims of the assertion (`Txn-Token`) that the upstream must see, exactly once.
    #[serde(default)]
    pub assertion: BTreeMap<String, Value>,
    /// The challenge, `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The JSON that the filter itself answers with.
    pub body: Option<Value>,
}

/// Reads all case files of a folder, by name.
///
/// # Errors
///
/// A file that is not as documented.
pub fn read_all(folder: &Path) -> Result<BTreeMap<String, CaseFile>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().context("a case file has a name")?.to_string_lossy().into_owned();
        let file = parse(&fs::read_to_string(&path)?).with_context(|| format!("{}", path.display()))?;
        files.insert(name, file);
    }
    Ok(files)
}

/// Reads the text of a case file.
///
/// # Errors
///
/// It is not as documented.
pub fn parse(text: &str) -> Result<CaseFile> {
    Ok(toml::from_str(text)?)
}

/// Reads a bundle of `host-tests/bundles` and puts the test keys into it, as a plugin configuration.
///
/// # Errors
///
/// It cannot be read, or names a key that is not there.
pub fn read_plugin_configuration(path: &Path, keys: &KeyRing) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut bundle: Value = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    keys.fill_in(&mut bundle)?;
    Ok(serde_json::json!({ "version": 1, "bundle": bundle }))
}

impl Case {
    /// The request, with a token minted for the time `now`.
    ///
    /// # Errors
    ///
    /// A key that is not there.
    pub fn request(&self, keys: &KeyRing, now: u64) -> Result<Request> {
        self.request_with_nonce(keys, now, None)
    }

    /// The same, with this nonce in the proof.
    ///
    /// # Errors
    ///
    /// A key that is not there.
    pub fn request_with_nonce(&self, keys: &KeyRing, now: u64, nonce: Option<&str>) -> Result<Request> {
        let mint = |token: &Option<TokenSpec>| token.as_ref().map_or(Ok(String::new()), |token| token.mint(keys, now));
        let (token, second) = (mint(&self.token)?, mint(&self.second)?);
        let filled =
            |text: &str| bytes(&keys.fill_in_hashes(text).replace("{token}", &token).replace("{second}", &second));
        let mentioned =
            self.path.iter().chain(self.headers.iter().map(|(_, value)| value)).any(|text| text.contains("{token}"));
        let default = if token.is_empty() || mentioned { Vec::new() } else { vec!["Bearer {token}".to_owned()] };
        let authorization = self.authorization.clone().unwrap_or(default);
        let mut headers: Vec<_> =
            authorization.iter().map(|value| (b"authorization".to_vec(), filled(value))).collect();
        headers.extend(self.headers.iter().map(|(name, value)| (bytes(name), filled(value))));
        if let Some(proof) = &self.proof {
            let (host, path) = (self.host.as_deref().unwrap_or(HOST), self.path.as_deref().unwrap_or(PATH));
            let path = path.split('?').next().unwrap_or(path);
            let method = self.method.as_deref().unwrap_or("GET");
            let mut proof = proof.clone();
            proof.claims.extend(nonce.map(|nonce| ("nonce".to_owned(), Value::from(nonce))));
            let proof = proof.mint_proof(keys, now, method, &format!("http://{host}{path}"), &token)?;
            headers.push((b"dpop".to_vec(), proof.into_bytes()));
        }
        if let Some(bulk) = &self.bulk {
            let header = (bytes(&bulk.name), bytes(&bulk.text.repeat(bulk.times)));
            headers.extend(std::iter::repeat_n(header, bulk.headers));
        }
        Ok(Request {
            method: bytes(self.method.as_deref().unwrap_or("GET")),
            path: filled(self.path.as_deref().unwrap_or(PATH)),
            host: bytes(self.host.as_deref().unwrap_or(HOST)),
            headers,
            body: Vec::new(),
        })
    }
}

impl Case {
    /// Tells the authorization server what to answer about the token of a request.
    ///
    /// # Errors
    ///
    /// The server panicked.
    pub fn instruct(&self, server: &AuthorizationServer, request: &Request, keys: &KeyRing, now: u64) -> Result<()> {
        let Some(answer) = &self.introspection else { return Ok(()) };
        let body = crate::token::resolve_claims(&answer.body, keys, now)?;
        server.set(&token_of(request), Answer { body, ..answer.clone() })
    }

    /// Checks how often the authorization server was asked, by so many workers at most.
    ///
    /// # Errors
    ///
    /// It was asked more often, or not at all.
    pub fn check_asked(&self, server: &AuthorizationServer, request: &Request, workers: usize) -> Result<()> {
        let Some(expected) = self.asked else { return Ok(()) };
        let asked = server.asked(&token_of(request))?;
        let most = expected.saturating_mul(workers);
        ensure!((expected..=most).contains(&asked), "asked {asked} times, expected {expected} to {most}");
        Ok(())
    }
}

/// The last word of the first `Authorization` header.
fn token_of(request: &Request) -> String {
    let value = request.headers.iter().find(|(name, _)| name == b"authorization").map(|(_, value)| value.as_slice());
    let token = value.unwrap_or_default().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    String::from_utf8_lossy(token).into_owned()
}

impl Expectation {
    /// Compares; a description of every difference.
    pub fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: &dyn std::fmt::Debug, actual: &dyn std::fmt::Debug| {
            if format!("{expected:?}") != format!("{actual:?}") {
                differences.push(format!("{what}: expected {expected:?}, got {actual:?}"));
            }
        };
        compare("status", &self.status, &outcome.status);
        compare("reason", &self.reason.as_deref(), &outcome.decided("reason"));
        compare("rule", &self.rule.as_deref(), &outcome.decided("rule"));
        let is_forwarded = self.status == 200 && self.body.is_none();
        compare("reached the upstream", &is_forwarded, &outcome.upstream.is_some());
        let empty = Vec::new();
        let upstream = outcome.upstream.as_ref().unwrap_or(&empty);
        let seen = |name: &str| -> Vec<String> {
            upstream
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.iter().map(|byte| char::from(*byte)).collect())
                .collect()
        };
        for (name, value) in &self.upstream {
            compare(&format!("upstream's {name}"), &vec![value], &seen(name));
        }
        for name in &self.upstream_without {
            // Kong's host cannot remove a header. What the upstream must not see arrives there empty: this is the one place where the
            // tests take that for absent, as every upstream behind Kong has to (`kong-config/README.md`).
            let values = seen(name).into_iter().filter(|value| !(outcome.empties && value.is_empty()));
            compare(&format!("upstream's {name}"), &Vec::<String>::new(), &values.collect::<Vec<_>>());
        }
        if !self.assertion.is_empty() {
            let claims: Vec<Value> = seen("txn-token").iter().filter_map(|token| claims_of(token)).collect();
            let told = |claims: &Value| -> BTreeMap<String, Value> {
                self.assertion.keys().filter_map(|name| Some((name.clone(), claims.get(name)?.clone()))).collect()
            };
            compare("assertion", &vec![&self.assertion], &claims.iter().map(told).collect::<Vec<_>>());
        }
        if let Some(target) = &self.upstream_target {
            compare("upstream's target", &Some(target), &outcome.target.as_ref());
        }
        if let Some(challenge) = &self.challenge {
            compare("challenge", &vec![challenge], &outcome.header("www-authenticate"));
        }
        if let Some(body) = &self.body {
            compare("body", &Some(body), &serde_json::from_str::<Value>(&outcome.body).ok().as_ref());
        }
        differences
    }
}

/// What a JWT says, whoever signed it.
pub fn claims_of(token: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()
}

/// Each character up to U+00FF is one byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}
