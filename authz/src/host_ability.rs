//! What not every proxy can do.

/// Something that a bundle may want of a proxy, beyond handing over requests and doing with them what was decided. On a proxy that
/// cannot do it the bundle must not be used ([`crate::Authorizer::demands`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAbility {
    /// To keep a request waiting while an authorization server is asked ([`crate::Step::Introspect`]).
    Introspection,
    /// To say whose certificate the connection has, with its hash ([`crate::PeerCertificate`]).
    PeerCertificate,
    /// To remember, for all of its workers, what was used ([`crate::Authorization::use_once`]).
    UseOnce,
    /// To limit the rate of requests by what a rule says ([`crate::Decision::rate_limit`]).
    RateLimit,
    /// To change the target of a request, from which a credential is removed.
    TargetEdits,
}

impl HostAbility {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Introspection, Self::PeerCertificate, Self::UseOnce, Self::RateLimit, Self::TargetEdits];
}
