//! A trial as the bytes of a request: tokens are minted and put where the policy looks for them.

use authz::{PeerCertificate, RequestHead};
use serde_json::{Map, Value, json};

use super::Trial;
use super::issuer::TestIssuer;
use super::policy::{Place, TestPolicy};
use super::who::{Peer, Presented, What};

/// A request, and what is known besides.
pub(crate) struct Message<'t> {
    method: String,
    target: String,
    host: String,
    scheme: String,
    source: Option<String>,
    headers: Vec<(String, String)>,
    peer: Option<&'t Peer>,
    /// What the authorization server says of opaque tokens: token and answer.
    pub(crate) answers: Vec<(String, String)>,
}

impl<'t> Message<'t> {
    /// The request of a trial; `id` is its own among all trials.
    pub(crate) fn new(trial: &'t Trial, id: usize, policy: &TestPolicy) -> Self {
        let request = &trial.request;
        let mut message = Self {
            method: request.method.clone(),
            target: request.target.clone(),
            host: request.host.clone(),
            scheme: request.scheme.clone(),
            source: request.source.clone(),
            headers: request.headers.clone(),
            peer: None,
            answers: Vec::new(),
        };
        for (index, presented) in trial.who.iter().enumerate() {
            message.present(presented, &format!("test-token-{id}-{index}"), trial.now, policy);
        }
        message
    }

    /// The issuer and the claims of a token, if they say all about it: a good token of the first credential otherwise, that is
    /// bound to nothing.
    pub(crate) fn principal(
        presented: &Presented,
        now: u64,
        policy: &TestPolicy,
    ) -> Option<(String, Map<String, Value>)> {
        let What::Token { issuer: name, claims, header, without, opaque: false } = &presented.what else { return None };
        let (issuer, tenant) = policy.issuer(name)?;
        let of_header = issuer.header();
        let is_plain = header.is_empty() && !without.iter().any(|member| of_header.contains_key(member));
        let claims = changed(issuer.claims(name, tenant, now), claims, without, now);
        (presented.credential == 0 && is_plain && !claims.contains_key("cnf")).then(|| (name.clone(), claims))
    }

    /// What the core sees of it.
    pub(crate) fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: Some(self.method.as_bytes()),
            authority: Some(self.host.as_bytes()),
            scheme: Some(self.scheme.as_bytes()),
            path: Some(self.target.as_bytes()),
            peer: self.peer.map(certificate),
            source: self.source.as_deref().map(str::as_bytes),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
        }
    }

    /// The headers as the proxy has them, those of HTTP/2 for the request line too; names in lower case.
    pub(crate) fn all_headers(&self) -> Vec<(String, String)> {
        let line = [(":method", &self.method), (":path", &self.target), (":authority", &self.host)];
        let line = line.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
        line.chain(self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))).collect()
    }

    fn present(&mut self, presented: &'t Presented, opaque_token: &str, now: u64, policy: &TestPolicy) {
        let value = match &presented.what {
            What::Peer(peer) => {
                self.peer = Some(peer);
                return;
            }
            What::Literal(value) => value.clone(),
            What::Token { issuer, claims, header, without, opaque } => {
                let Some((issuer, tenant, name)) = policy.issuer(issuer).map(|(found, tenant)| (found, tenant, issuer))
                else {
                    return;
                };
                let claims = changed(issuer.claims(name, tenant, now), claims, without, now);
                match &issuer.key {
                    Some(key) if !opaque => {
                        TestIssuer::sign(key, &changed(issuer.header(), header, without, now), &claims)
                    }
                    _ => {
                        self.answers.push((opaque_token.to_owned(), answer(claims)));
                        opaque_token.to_owned()
                    }
                }
            }
        };
        if let Some(credential) = policy.credentials.get(presented.credential) {
            self.put(&credential.place, &value);
        }
    }

    /// Puts a credential where the policy looks for it.
    fn put(&mut self, place: &Place, value: &str) {
        match place {
            Place::Header { name, scheme } => {
                let value = scheme.as_ref().map_or(value.to_owned(), |scheme| format!("{scheme} {value}"));
                self.headers.push((name.clone(), value));
            }
            Place::Cookie(name) => self.headers.push(("cookie".to_owned(), format!("{name}={value}"))),
            Place::Query(name) => {
                let separator = if self.target.contains('?') { '&' } else { '?' };
                self.target.push_str(&format!("{separator}{name}={value}"));
            }
            Place::Connection => {}
        }
    }
}

fn certificate(peer: &Peer) -> PeerCertificate<'_> {
    PeerCertificate {
        uri_san: peer.uri_san.as_deref().map(str::as_bytes),
        dns_san: peer.dns_san.as_deref().map(str::as_bytes),
        subject_name: peer.subject_name.as_deref().map(str::as_bytes),
        sha256: peer.sha256.as_bytes(),
    }
}

/// What a good token says, changed as the case wants it. `{ now: N }` is the time N seconds from now.
fn changed(
    mut members: Map<String, Value>,
    changes: &Map<String, Value>,
    without: &[String],
    now: u64,
) -> Map<String, Value> {
    let resolved = |value: &Value| match value.get("now").and_then(Value::as_i64) {
        Some(offset) => json!(now.saturating_add_signed(offset)),
        None => value.clone(),
    };
    members.extend(changes.iter().map(|(name, value)| (name.clone(), resolved(value))));
    members.retain(|name, _| !without.contains(name));
    members
}

/// What an authorization server answers about a token that says this (RFC 7662 section 2.2): active, unless it says else.
fn answer(mut claims: Map<String, Value>) -> String {
    claims.entry("active").or_insert(json!(true));
    Value::Object(claims).to_string()
}
