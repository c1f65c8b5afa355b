//! The answer to a client whose request is refused: RFC 9457 problem details and, where it applies, a challenge.

use crate::credential::{Credentials, Scheme};
use crate::policy::Challenge;
use crate::reason::Reason;
use crate::record::{Members, RecordId};

/// The media type of problem details (RFC 9457 section 6.1).
const PROBLEM_TYPE: &str = "application/problem+json";

/// An HTTP response. It says what RFC 6750 says and nothing that a stranger could learn from: the answers to a forged
/// signature, an unknown key, a wrong issuer and an expired token are byte for byte the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Why a request is refused, and what the client may be told about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// The scheme in which the client presented its credential.
    pub(crate) scheme: Scheme,
    pub(crate) challenge: Option<Challenge>,
    /// The nonce that its next proof must have.
    pub(crate) nonce: Option<String>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, scheme: Scheme::default(), challenge: None, nonce: None }
    }
}

impl Reply {
    /// The same, with the id by which the decision is found in the decision log: for whoever has to explain it. The id is a hash, and
    /// says nothing about the request.
    #[must_use]
    pub fn with_decision_id(&self, id: RecordId) -> Self {
        let mut reply = self.clone();
        // RFC 9457 section 3.1.5: what identifies this occurrence of the problem.
        if reply.headers.contains(&("content-type", PROBLEM_TYPE.to_owned()))
            && let Some(members) = reply.body.strip_suffix('}')
        {
            reply.body = format!(r#"{members},"instance":"urn:portcullis:decision:{id}"}}"#);
        }
        reply.headers.push(("portcullis-decision", id.to_string()));
        reply
    }

    /// The reply to a request that is refused; `metadata` is the URL at which clients learn where to get tokens.
    pub(crate) fn refused(refusal: Refusal, credentials: &Credentials, metadata: Option<&str>) -> Self {
        let status = refusal.reason.status();
        let mut headers = vec![("content-type", PROBLEM_TYPE.to_owned()), ("cache-control", "no-store".to_owned())];
        let mut challenges = Challenges::default();
        if refusal.reason == Reason::CredentialMissing && refusal.challenge.is_none() {
            for scheme in credentials.schemes() {
                challenges.begin(scheme);
                challenges.end(scheme, metadata);
            }
        } else if let Some(error) = error(&refusal) {
            challenges.begin(refusal.scheme);
            challenges.parameter("error", error);
            challenges.wanted(refusal.challenge.as_ref());
            challenges.end(refusal.scheme, metadata);
        }
        if !challenges.text.is_empty() {
            headers.push(("www-authenticate", challenges.text));
        }
        headers.extend(refusal.nonce.map(|nonce| ("dpop-nonce", nonce)));
        let mut body = Members::open(64);
        body.number("status", status.into());
        body.plain("title", title(status));
        body.plain("type", "about:blank");
        // It is ASCII.
        let body = String::from_utf8(body.into_bytes()).unwrap_or_default() + "}";
        Self { status, headers, body }
    }
}

/// Challenges, each a scheme and its parameters (RFC 9110 section 11.6.1).
#[derive(Default)]
struct Challenges {
    text: String,
    /// What stands before the next parameter.
    separator: &'static str,
}

impl Challenges {
    fn begin(&mut self, scheme: Scheme) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(scheme.name());
        self.separator = " ";
    }

    fn parameter(&mut self, name: &str, value: &str) {
        self.write([name, "=\"", value, "\""]);
    }

    fn write(&mut self, parts: [&str; 4]) {
        self.text.push_str(self.separator);
        for part in parts {
            self.text.push_str(part);
        }
        self.separator = ", ";
    }

    /// What the client is to come back with.
    fn wanted(&mut self, challenge: Option<&Challenge>) {
        match challenge {
            Some(Challenge::Scope(scope)) => self.parameter("scope", scope),
            Some(Challenge::StepUp { acr_values, max_age_seconds }) => {
                if let Some(values) = acr_values {
                    self.parameter("acr_values", values);
                }
                if let Some(seconds) = max_age_seconds {
                    self.write(["max_age", "=", &seconds.to_string(), ""]);
                }
            }
            None => {}
        }
    }

    fn end(&mut self, scheme: Scheme, metadata: Option<&str>) {
        if let Some(names) = scheme.algorithms() {
            self.parameter("algs", &names);
        }
        // RFC 9728 section 5.1: where clients learn where to get tokens.
        if let Some(url) = metadata {
            self.parameter("resource_metadata", url);
        }
    }
}

/// What is wrong with the credential that was sent. RFC 6750 section 3.1: `invalid_token` for every token that is not
/// accepted; `insufficient_scope` with what to ask for; `invalid_request` for more than one credential. RFC 9470 section 3:
/// `insufficient_user_authentication` with what is wanted.
fn error(refusal: &Refusal) -> Option<&'static str> {
    match (refusal.reason, &refusal.challenge) {
        (_, Some(Challenge::Scope(_))) => Some("insufficient_scope"),
        (_, Some(Challenge::StepUp { .. })) => Some("insufficient_user_authentication"),
        // RFC 9449 section 7.1 and 9.
        (Reason::ProofNonceNeeded, None) => Some("use_dpop_nonce"),
        (Reason::ProofInvalid | Reason::ProofMissing | Reason::CredentialReplayed, None)
            if refusal.scheme == Scheme::Dpop =>
        {
            Some("invalid_dpop_proof")
        }
        (Reason::CredentialRepeated, None) => Some("invalid_request"),
        (reason, None) if reason.status() == 401 => Some("invalid_token"),
        _ => None,
    }
}

/// RFC 9457 section 4.2.1: with `about:blank` the title is the status phrase.
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Service Unavailable",
    }
}
