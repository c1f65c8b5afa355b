//! The closed vocabulary of why a request was permitted or denied.

use crate::decision::Effect;

/// Declares the reasons once: variant, code and HTTP status.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $variant:ident = $code:literal, $status:literal;)+) => {
        /// Why a request was permitted or denied.
        ///
        /// One code is at once metric label, log field, test expectation and, through [`Reason::status`], the HTTP
        /// status. The client never sees the code: what it may learn is said by RFC 6750 and no more.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of a request's journey.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code of this reason, for example `token_expired`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The HTTP status that a denied client gets; 200 stands for "forwarded to the upstream", or for a document.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// Permit or deny. A rule permits, or what was asked for is public by itself; everything else denies.
            pub const fn effect(self) -> Effect {
                match self {
                    Self::PermittedByRule | Self::MetadataServed => Effect::Permit,
                    _ => Effect::Deny,
                }
            }
        }
    };
}

reasons! {
    /// No bundle is active, so nothing can be decided.
    BundleMissing = "bundle_missing", 503;
    /// The bundle is older than its publisher allows, and nothing newer has come.
    BundleStale = "bundle_stale", 503;
    /// The host could not hand over the request, or could not carry out what was decided.
    HostFailure = "host_failure", 503;
    /// The method is absent or not a token (RFC 9110 section 9.1).
    MethodMalformed = "method_malformed", 400;
    /// The authority is absent, ambiguous or not a host (RFC 9110 section 7.2).
    HostMalformed = "host_malformed", 400;
    /// The request target is not a path, or is not well formed (RFC 3986 section 3.3).
    PathMalformed = "path_malformed", 400;
    /// The path may mean something else to the upstream: dot segments, encoded slashes, `;` parameters and the like.
    PathAmbiguous = "path_ambiguous", 400;
    /// The `Connection` header names a header that only Portcullis may set (CVE-2024-45410).
    HeaderNominated = "header_nominated", 400;
    /// The request has more headers than the host can hand over, so that one that matters may be missing (RFC 6585 section 5).
    HeadersTooMany = "headers_too_many", 431;
    /// A header that is to be replaced stands twice, or in two spellings, and the host can only overwrite the first (Kong).
    HeaderRepeated = "header_repeated", 400;
    /// The client asked for the metadata of the resource, which is for everybody (RFC 9728 section 3).
    MetadataServed = "metadata_served", 200;
    /// More than one `Authorization` header: never decided on the convenient one (RFC 6750 section 2).
    CredentialRepeated = "credential_repeated", 400;
    /// A credential is needed and none was sent.
    CredentialMissing = "credential_missing", 401;
    /// The `Authorization` header is not `Bearer` and one token (RFC 6750 section 2.1).
    CredentialMalformed = "credential_malformed", 401;
    /// The token is longer than is ever looked at.
    TokenTooLong = "token_too_long", 401;
    /// Not a JWS in compact serialization with a JSON header and JSON claims (RFC 7515 section 7.1, RFC 7519 section 7.2).
    TokenMalformed = "token_malformed", 401;
    /// The header asks for an extension or form that is not understood: `crit`, `b64`, `enc`, `zip`, `cty` (RFC 7515 section 4.1.11).
    HeaderUnsupported = "header_unsupported", 401;
    /// The algorithm is `none`, unknown, or not one that the issuer may use (RFC 8725 section 3.1).
    AlgorithmRefused = "algorithm_refused", 401;
    /// No trusted issuer has this `iss`.
    IssuerUnknown = "issuer_unknown", 401;
    /// The issuer has no key for this `kid` and algorithm, or more than one would fit.
    KeyUnknown = "key_unknown", 401;
    /// The signature is not that of the key.
    SignatureInvalid = "signature_invalid", 401;
    /// A registered claim is absent where it must be there, or has the wrong type (RFC 7519 section 4.1).
    ClaimsMalformed = "claims_malformed", 401;
    /// The `typ` of the header is not one that the issuer's tokens may have (RFC 8725 section 3.11).
    TypeMismatch = "type_mismatch", 401;
    /// The token is not meant for us (RFC 7519 section 4.1.3).
    AudienceMismatch = "audience_mismatch", 401;
    /// `exp` has passed (RFC 7519 section 4.1.4).
    TokenExpired = "token_expired", 401;
    /// `nbf` has not come yet (RFC 7519 section 4.1.5).
    TokenNotYetValid = "token_not_yet_valid", 401;
    /// `iat` lies in the future (RFC 7519 section 4.1.6).
    TokenIssuedInFuture = "token_issued_in_future", 401;
    /// `exp` - `iat` is longer than the issuer's tokens may live.
    LifetimeExceeded = "lifetime_exceeded", 401;
    /// `iat` lies further back than the issuer's tokens may be old.
    TokenTooOld = "token_too_old", 401;
    /// The authorization server says that the token is not active (RFC 7662 section 2.2).
    TokenInactive = "token_inactive", 401;
    /// The authorization server gave no clear answer about the token in time, so that nobody knows whether it is good.
    IntrospectionFailed = "introspection_failed", 503;
    /// The token is bound to a key or certificate, and no proof of possession fits (RFC 7800 section 3).
    ProofMissing = "proof_missing", 401;
    /// The proof of possession is not one for this request, token and key, or is too old (RFC 9449 section 4.3).
    ProofInvalid = "proof_invalid", 401;
    /// The proof of possession does not have the nonce that we gave (RFC 9449 section 9).
    ProofNonceNeeded = "proof_nonce_needed", 401;
    /// What may be used once was used before: a proof of possession or a one-time token.
    CredentialReplayed = "credential_replayed", 401;
    /// The API key is unknown, wrong or expired.
    ApiKeyInvalid = "api_key_invalid", 401;
    /// The credential was good and has been revoked.
    CredentialRevoked = "credential_revoked", 401;
    /// A deny rule applies.
    DeniedByRule = "denied_by_rule", 403;
    /// A permit rule would apply if the token had the scope (RFC 6750 section 3.1, `insufficient_scope`).
    ScopeInsufficient = "scope_insufficient", 403;
    /// A permit rule would apply if the end user had authenticated more strongly or more recently (RFC 9470).
    AuthenticationInsufficient = "authentication_insufficient", 401;
    /// No rule permits the request.
    NoRulePermits = "no_rule_permits", 403;
    /// The rule permits, but what it obliges us to do cannot be done (XACML 3.0 section 7.18).
    ObligationFailed = "obligation_failed", 403;
    /// A permit rule applies.
    PermittedByRule = "permitted_by_rule", 200;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn codes_are_unique_and_only_permits_are_200() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let permits = matches!(reason, Reason::PermittedByRule | Reason::MetadataServed);
            assert_eq!(reason.status() == 200, permits, "{}", reason.code());
        }
    }
}
