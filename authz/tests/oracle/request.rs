//! A request, and who sends it, as the generator made it: both evaluators are given the same.

use std::sync::Arc;

use authz::{PeerCertificate, RequestHead};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub authority: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub source: Option<String>,
    pub peer: Option<Peer>,
    /// The credentials that stand in the headers, by their names in the bundle: what the evaluator knows without verifying.
    pub credentials: Vec<(String, Credential)>,
}

/// The certificate at the other end of the connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub uri_san: Option<String>,
    pub dns_san: Option<String>,
    pub subject_name: Option<String>,
    /// In hexadecimal digits.
    pub sha256: String,
    /// The same hash in base64url.
    pub thumbprint: String,
}

/// What a credential is about.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A token with these claims.
    Token(Arc<Value>),
    /// The API key with this entry in the bundle.
    ApiKey(Arc<Value>),
    /// The certificate of the connection.
    Peer(Peer),
}

impl Request {
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: Some(self.method.as_bytes()),
            authority: Some(self.authority.as_bytes()),
            scheme: Some(b"https"),
            path: Some(self.target.as_bytes()),
            peer: self.peer.as_ref().map(Peer::certificate),
            source: self.source.as_deref().map(str::as_bytes),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect(),
        }
    }

    /// For people who look for the reason of a difference.
    pub fn to_json(&self) -> Value {
        let headers: Vec<Value> =
            self.headers.iter().map(|(name, value)| json!([name, value.escape_ascii().to_string()])).collect();
        let credentials: Vec<Value> = self
            .credentials
            .iter()
            .map(|(name, credential)| match credential {
                Credential::Token(claims) => json!({ "name": name, "claims": **claims }),
                Credential::ApiKey(entry) => json!({ "name": name, "api_key": **entry }),
                Credential::Peer(_) => json!({ "name": name, "peer": true }),
            })
            .collect();
        let peer = self.peer.as_ref().map(|peer| {
            json!({ "uri_san": peer.uri_san, "dns_san": peer.dns_san, "subject_name": peer.subject_name, "sha256": peer.sha256 })
        });
        json!({
            "method": self.method, "authority": self.authority, "target": self.target, "headers": headers,
            "source": self.source, "peer": peer, "credentials": credentials,
        })
    }
}

impl Peer {
    fn certificate(&self) -> PeerCertificate<'_> {
        fn bytes(name: &Option<String>) -> Option<&[u8]> {
            name.as_deref().map(str::as_bytes)
        }
        PeerCertificate {
            uri_san: bytes(&self.uri_san),
            dns_san: bytes(&self.dns_san),
            subject_name: bytes(&self.subject_name),
            sha256: self.sha256.as_bytes(),
        }
    }
}
