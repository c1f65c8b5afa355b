//! Fetches the keys of one issuer: discovery, if that is where its keys are named, then the key set.

use std::time::Duration;

use authz::document::{self, Node};
use reqwest::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::{Map, Value};

use super::address::{GuardedResolver, check_host};
use super::source::{KeySource, Location};

/// Key sets are some KiB, with certificate chains some tens of KiB.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From the first byte to the last: a server that sends a byte a second ends here too.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Members of keys that nobody here uses, and which change without the key: chains of certificates.
const CERTIFICATE_MEMBERS: [&str; 4] = ["x5c", "x5t", "x5t#S256", "x5u"];

/// Fetches. One for all issuers, so that connections are shared.
pub(super) struct Fetcher {
    guarded: Client,
    /// For issuers that are said to be in a network of ours.
    anywhere: Client,
}

/// What an issuer answered, to be asked for again only if it has changed.
pub(super) struct Remembered {
    url: Url,
    etag: String,
    keys: Value,
}

/// The keys that an issuer publishes now: a JWK set.
pub(super) struct Fetched {
    pub(super) keys: Value,
    pub(super) remembered: Option<Remembered>,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, String> {
        // No redirects: nobody but the policy says where keys come from. No proxy: it would resolve names in our place.
        let builder = || {
            Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TOTAL_TIMEOUT)
        };
        let failed = |error: reqwest::Error| format!("no client for fetching keys: {error}");
        Ok(Self {
            guarded: builder().dns_resolver(GuardedResolver).build().map_err(failed)?,
            anywhere: builder().build().map_err(failed)?,
        })
    }

    /// The keys of an issuer. What is not a key set with at least one key is an error, never "no keys".
    pub(super) async fn fetch(&self, source: &KeySource, last: Option<&Remembered>) -> Result<Fetched, String> {
        let url = match &source.location {
            Location::KeySet(url) => url.clone(),
            Location::Discovery(url) => self.discover(source, url).await?,
        };
        let url = parse_url(&url)?;
        let last = last.filter(|last| last.url == url);
        let answer = self.get(source, &url, last.map(|last| last.etag.as_str())).await?;
        let Answer::Changed { body, etag } = answer else {
            let last = last.ok_or("answers 304 without having been asked whether anything changed")?;
            return Ok(Fetched { keys: last.keys.clone(), remembered: None });
        };
        let keys = document::read(&body, read_key_set).map_err(|errors| format!("{url}: {errors}"))?;
        let remembered = etag.map(|etag| Remembered { url, etag, keys: keys.clone() });
        Ok(Fetched { keys, remembered })
    }

    /// OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3: where the keys are.
    async fn discover(&self, source: &KeySource, url: &str) -> Result<String, String> {
        let url = parse_url(url)?;
        let Answer::Changed { body, .. } = self.get(source, &url, None).await? else {
            return Err(format!("{url}: answers 304 without having been asked whether anything changed"));
        };
        let (issuer, keys) = document::read(&body, read_discovery).map_err(|errors| format!("{url}: {errors}"))?;
        // Section 4.3: it must be the issuer that was asked for, else one issuer could bring another's keys.
        if !source.is_named(&issuer) {
            return Err(format!("{url}: is about the issuer `{issuer}`, not about `{}`", source.issuer));
        }
        Ok(keys)
    }

    async fn get(&self, source: &KeySource, url: &Url, etag: Option<&str>) -> Result<Answer, String> {
        let failed = |why: &str| format!("{url}: {why}");
        match url.scheme() {
            "https" => {}
            "http" if source.rules.allow_http => {}
            _ => return Err(failed("is not https; if that is meant, say so with `allow_http` in serve.yaml")),
        }
        let client = if source.rules.allow_private_addresses {
            &self.anywhere
        } else {
            check_host(url).map_err(|why| failed(&why))?;
            &self.guarded
        };
        let mut request = client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(|error| failed(&causes(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
            status if status.is_redirection() => {
                return Err(failed(&format!("answers {}; redirects are not followed", status.as_u16())));
            }
            status => return Err(failed(&format!("answers {}", status.as_u16()))),
        }
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&causes(&error)))? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
                return Err(failed(&format!("answers more than {MAX_ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::Changed { body, etag })
    }
}

enum Answer {
    Changed { body: Vec<u8>, etag: Option<String> },
    Unchanged,
}

fn parse_url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))
}

/// An error with what caused it: the outermost one says only that sending failed.
fn causes(error: &reqwest::Error) -> String {
    let mut text = "cannot be fetched".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if error.is_timeout() { format!("{text} (no answer in time)") } else { text }
}

fn read_discovery(node: &Node<'_>) -> Option<(String, String)> {
    let fields = node.open_object()?;
    let text = |name| fields.required(name).and_then(|node| node.text().map(str::to_owned));
    let (issuer, keys) = (text("issuer"), text("jwks_uri"));
    Some((issuer?, keys?))
}

/// The set with its keys in an order of ours, so that a provider that shuffles them changes nothing.
fn read_key_set(node: &Node<'_>) -> Option<Value> {
    let mut keys = node.open_object()?.required("keys")?.filled_list(|item| match item.value() {
        Value::Object(members) => Some(without_certificates(members)),
        _ => item.refuse("is not a key: not an object"),
    })?;
    keys.sort_by_cached_key(Value::to_string);
    Some(serde_json::json!({ "keys": keys }))
}

fn without_certificates(key: &Map<String, Value>) -> Value {
    let members = key.iter().filter(|(name, _)| !CERTIFICATE_MEMBERS.contains(&name.as_str()));
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}
