//! The answer to a client whose request is refused: RFC 9457 problem details and, where it applies, a challenge.

use serde_json::json;

use crate::credential::Credentials;
use crate::policy::Challenge;
use crate::reason::Reason;

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

impl Reply {
    /// The reply to a request that is denied for `reason`; `metadata` is the URL at which clients learn where to get tokens.
    pub(crate) fn denied(
        reason: Reason,
        challenge: Option<&Challenge>,
        credentials: &Credentials,
        metadata: Option<&str>,
    ) -> Self {
        let status = reason.status();
        let mut headers =
            vec![("content-type", "application/problem+json".to_owned()), ("cache-control", "no-store".to_owned())];
        let mut challenges = match (reason, challenge) {
            (Reason::CredentialMissing, None) => credentials.challenges(),
            _ => error_challenge(reason, challenge).into_iter().collect(),
        };
        if let Some(url) = metadata {
            // RFC 9728 section 5.1: where clients learn where to get tokens.
            for challenge in &mut challenges {
                let separator = if challenge.contains('=') { "," } else { "" };
                challenge.push_str(&format!(r#"{separator} resource_metadata="{url}""#));
            }
        }
        if !challenges.is_empty() {
            headers.push(("www-authenticate", challenges.join(", ")));
        }
        let body = json!({ "type": "about:blank", "title": title(status), "status": status }).to_string();
        Self { status, headers, body }
    }
}

/// What is wrong with the credential that was sent. RFC 6750 section 3.1: `invalid_token` for every token that is not
/// accepted; `insufficient_scope` with what to ask for; `invalid_request` for more than one credential. RFC 9470 section 3:
/// `insufficient_user_authentication` with what is wanted.
fn error_challenge(reason: Reason, challenge: Option<&Challenge>) -> Option<String> {
    match (reason, challenge) {
        (_, Some(Challenge::Scope(scope))) => Some(format!(r#"Bearer error="insufficient_scope", scope="{scope}""#)),
        (_, Some(Challenge::StepUp { acr_values, max_age_seconds })) => {
            let acr_values =
                acr_values.as_ref().map(|values| format!(r#", acr_values="{values}""#)).unwrap_or_default();
            let max_age = max_age_seconds.map(|seconds| format!(", max_age={seconds}")).unwrap_or_default();
            Some(format!(r#"Bearer error="insufficient_user_authentication"{acr_values}{max_age}"#))
        }
        // RFC 9449 section 7.1.
        (Reason::ProofInvalid, None) => Some(r#"DPoP error="invalid_dpop_proof""#.to_owned()),
        (Reason::CredentialRepeated, None) => Some(r#"Bearer error="invalid_request""#.to_owned()),
        (reason, None) if reason.status() == 401 => Some(r#"Bearer error="invalid_token""#.to_owned()),
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
