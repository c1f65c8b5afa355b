//! The decision: a value, never an error.

use std::fmt;
use std::rc::Rc;

use crate::policy::Obligations;
use crate::reason::Reason;
use crate::record::{self, Members};

/// The revision (epoch) of a bundle: the number that whoever publishes it raises with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub(crate) u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Revision> for u64 {
    fn from(revision: Revision) -> Self {
        revision.0
    }
}

/// What a rule does to the requests that it applies to (XACML 3.0, Effect).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request may pass.
    Permit,
    /// The request is refused, whatever any other rule says.
    Deny,
}

impl Effect {
    /// `permit` or `deny`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

/// A decision about one request: what, why, by which rule, under which revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    reason: Reason,
    rule: Option<Rc<str>>,
    revision: Option<Revision>,
    shadow: Option<Box<Decision>>,
    candidate: Option<Box<Decision>>,
    is_for_audit: bool,
    rate_limit: Option<String>,
}

impl Decision {
    pub(crate) const fn new(reason: Reason, rule: Option<Rc<str>>, revision: Option<Revision>) -> Self {
        Self { reason, rule, revision, shadow: None, candidate: None, is_for_audit: false, rate_limit: None }
    }

    /// The same decision, with what would have been decided if rules that are only watched were enforced.
    pub(crate) fn beside(self, shadow: Option<Self>) -> Self {
        Self { shadow: shadow.map(Box::new), ..self }
    }

    /// Says what a bundle that is only tried would have decided.
    pub(crate) fn set_candidate(&mut self, candidate: Option<Self>) {
        self.candidate = candidate.map(Box::new);
    }

    /// The same decision, with the marks that rules put on it.
    pub(crate) fn with_marks(self, obligations: &[Rc<Obligations>]) -> Self {
        let is_for_audit = obligations.iter().any(|obligations| obligations.audit);
        let rate_limit = obligations.iter().find_map(|obligations| obligations.rate_limit.clone());
        Self { is_for_audit, rate_limit, ..self }
    }

    /// The same decision, turned into a denial because its obligations cannot be met.
    pub(crate) fn denied_for(self, reason: Reason) -> Self {
        debug_assert_ne!(reason, Reason::PermittedByRule);
        Self { reason, ..self }
    }

    /// Permit or deny. A rule permits, or what was asked for is public by itself; everything else denies.
    pub const fn effect(&self) -> Effect {
        self.reason.effect()
    }

    /// Why.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The rule that decided or, where a scope is missing, the rule that would have permitted.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// The revision of the bundle under which the decision was made; none if there is no bundle.
    pub const fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// What would have been decided if the rules that are only watched were enforced; none if none of them is about the
    /// request.
    pub fn shadow(&self) -> Option<&Self> {
        self.shadow.as_deref()
    }

    /// What a bundle that is only tried would have decided; none if there is none, or if it would have to ask somebody first.
    pub fn candidate(&self) -> Option<&Self> {
        self.candidate.as_deref()
    }

    /// Whether it is to be kept for auditors.
    pub const fn is_for_audit(&self) -> bool {
        self.is_for_audit
    }

    /// What the host limits the rate of the request by, if a rule says so.
    pub fn rate_limit(&self) -> Option<&str> {
        self.rate_limit.as_deref()
    }

    /// The decision record without a log (`authz/schema/decision-record.schema.json`), as one line of JSON.
    ///
    /// It holds nothing of the request or of the token.
    pub fn to_record(&self) -> Vec<u8> {
        let mut members = Members::open(PLAIN_RECORD_BYTES);
        members.member(&[record::VERSION]);
        self.write_outcome(&mut members);
        self.write_others(&mut members);
        let mut line = members.into_bytes();
        line.push(b'}');
        line
    }

    /// What was decided, by which rule of which bundle, and why.
    pub(crate) fn write_outcome(&self, members: &mut Members) {
        self.write_decision(members);
        self.write_revision(members);
    }

    /// What would have been decided otherwise, and the marks of rules.
    pub(crate) fn write_others(&self, members: &mut Members) {
        if let Some(shadow) = &self.shadow {
            members.object("shadow", |members| shadow.write_decision(members));
        }
        if let Some(candidate) = &self.candidate {
            members.object("candidate", |members| candidate.write_outcome(members));
        }
        if self.is_for_audit {
            members.raw("audit", b"true");
        }
    }

    fn write_decision(&self, members: &mut Members) {
        // In as few pieces as can be, for every request has a record. The id of a rule has nothing that must be escaped.
        let opening: &[u8] = match self.effect() {
            Effect::Permit => b"\"decision\":\"permit\",\"reason\":\"",
            Effect::Deny => b"\"decision\":\"deny\",\"reason\":\"",
        };
        let reason = self.reason.code().as_bytes();
        match &self.rule {
            Some(rule) => members.member(&[opening, reason, b"\",\"rule\":\"", rule.as_bytes(), b"\""]),
            None => members.member(&[opening, reason, b"\",\"rule\":null"]),
        }
    }

    fn write_revision(&self, members: &mut Members) {
        match self.revision {
            Some(revision) => members.number("revision", revision.0),
            None => members.raw("revision", b"null"),
        }
    }
}

/// What most records without a log need.
const PLAIN_RECORD_BYTES: usize = 160;
