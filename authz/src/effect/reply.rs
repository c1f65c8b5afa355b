//! The answer to a client whose request is refused: RFC 9457 problem details and, where it applies, a challenge.

use serde_json::json;

use crate::credential::{Credentials, Scheme};
use crate::policy::Challenge;
use crate::reason::Reason;
use crate::record::RecordId;

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
        // Each challenge is a scheme and its parameters (RFC 9110 section 11.6.1).
        let mut challenges = match (refusal.reason, &refusal.challenge) {
            (Reason::CredentialMissing, None) => credentials.schemes().map(|scheme| (scheme, Vec::new())).collect(),
            (reason, challenge) => {
                let parameters = error_parameters(reason, refusal.scheme, challenge.as_ref());
                parameters.map(|parameters| (refusal.scheme, parameters)).into_iter().collect::<Vec<_>>()
            }
        };
        for (scheme, parameters) in &mut challenges {
            parameters.extend(scheme.algorithms().map(|names| format!(r#"algs="{names}""#)));
            // RFC 9728 section 5.1: where clients learn where to get tokens.
            parameters.extend(metadata.map(|url| format!(r#"resource_metadata="{url}""#)));
        }
        if !challenges.is_empty() {
            let text = |(scheme, parameters): &(Scheme, Vec<String>)| {
                format!("{} {}", scheme.name(), parameters.join(", ")).trim_end().to_owned()
            };
            headers.push(("www-authenticate", challenges.iter().map(text).collect::<Vec<_>>().join(", ")));
        }
        headers.extend(refusal.nonce.map(|nonce| ("dpop-nonce", nonce)));
        let body = json!({ "type": "about:blank", "title": title(status), "status": status }).to_string();
        Self { status, headers, body }
    }
}

/// What is wrong with the credential that was sent. RFC 6750 section 3.1: `invalid_token` for every token that is not
/// accepted; `insufficient_scope` with what to ask for; `invalid_request` for more than one credential. RFC 9470 section 3:
/// `insufficient_user_authentication` with what is wanted.
fn error_parameters(reason: Reason, scheme: Scheme, challenge: Option<&Challenge>) -> Option<Vec<String>> {
    let error = |error: &str| vec![format!(r#"error="{error}""#)];
    match (reason, challenge) {
        (_, Some(Challenge::Scope(scope))) => {
            Some([error("insufficient_scope"), vec![format!(r#"scope="{scope}""#)]].concat())
        }
        (_, Some(Challenge::StepUp { acr_values, max_age_seconds })) => {
            let mut parameters = error("insufficient_user_authentication");
            parameters.extend(acr_values.as_ref().map(|values| format!(r#"acr_values="{values}""#)));
            parameters.extend(max_age_seconds.map(|seconds| format!("max_age={seconds}")));
            Some(parameters)
        }
        // RFC 9449 section 7.1 and 9.
        (Reason::ProofNonceNeeded, None) => Some(error("use_dpop_nonce")),
        (Reason::ProofInvalid | Reason::ProofMissing | Reason::CredentialReplayed, None) if scheme == Scheme::Dpop => {
            Some(error("invalid_dpop_proof"))
        }
        (Reason::CredentialRepeated, None) => Some(error("invalid_request")),
        (reason, None) if reason.status() == 401 => Some(error("invalid_token")),
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
