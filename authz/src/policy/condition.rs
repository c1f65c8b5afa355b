//! What must hold for a rule to apply (XACML 3.0, Condition).

use super::names::{IssuerSet, Names};
use crate::document::{Fields, Node};
use crate::jwt::{ClaimMatcher, Match};
use crate::limits::MAX_LIFETIME_SECONDS;
use crate::principal::{Attribute, Identity, Principal};
use crate::time::UnixTime;

/// Whether a condition holds. What cannot be decided is neither: it denies where it stands in a deny rule and permits
/// nothing where it stands in a permit rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds.
    Holds,
    /// It does not hold, and this is all that is missing: the client can be told.
    Lacks(Lack),
    /// It does not hold.
    Fails,
    /// An attribute that it needs is malformed.
    Undecidable,
}

/// The one thing that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The credential was not presented.
    Credential,
    /// A scope (RFC 6750 section 3.1).
    Scope,
    /// A stronger or fresher authentication (RFC 9470).
    Authentication,
}

/// The condition of a rule: what must hold for one credential, and for others besides. An absent field demands nothing;
/// all that are there must hold.
#[derive(Debug)]
pub(super) struct Condition {
    /// The index of the credential.
    credential: usize,
    issuers: Option<Vec<IssuerSet>>,
    subjects: Option<Vec<String>>,
    clients: Option<Vec<String>>,
    tenants: Option<Vec<String>>,
    audiences: Option<Vec<String>>,
    scopes: Option<Demand>,
    roles: Option<Demand>,
    groups: Option<Demand>,
    claims: Vec<ClaimMatcher>,
    authentication: Option<Authentication>,
    also: Vec<Condition>,
}

impl Condition {
    /// The condition that somebody is authenticated, by the first credential of the bundle.
    pub(super) const fn authenticated() -> Self {
        Self {
            credential: 0,
            issuers: None,
            subjects: None,
            clients: None,
            tenants: None,
            audiences: None,
            scopes: None,
            roles: None,
            groups: None,
            claims: Vec::new(),
            authentication: None,
            also: Vec::new(),
        }
    }

    pub(super) fn read(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        let fields = node.object(&[
            "credential",
            "issuers",
            "subjects",
            "clients",
            "tenants",
            "audiences",
            "scopes",
            "roles",
            "groups",
            "claims",
            "authentication",
            "also",
        ])?;
        if fields.is_empty() {
            return node.refuse("demands nothing; leave it out, or say what must hold");
        }
        let credential = fields.optional("credential").map_or(Some(0), |node| names.credential(&node));
        let issuers = fields
            .optional("issuers")
            .map_or(Some(None), |node| node.filled_list(|item| names.issuers(item)).map(Some));
        let texts = |name| fields.optional(name).map_or(Some(None), |node| node.texts().map(Some));
        let (subjects, clients) = (texts("subjects"), texts("clients"));
        let (tenants, audiences) = (texts("tenants"), texts("audiences"));
        let scopes = Demand::read(&fields, "scopes");
        let (roles, groups) = (Demand::read(&fields, "roles"), Demand::read(&fields, "groups"));
        let claims = fields.optional("claims").map_or(Some(Vec::new()), |node| node.filled_list(ClaimMatcher::read));
        let authentication =
            fields.optional("authentication").map_or(Some(None), |node| Authentication::read(&node).map(Some));
        // One level: a condition for each other credential is all there is to say.
        let also = fields
            .optional("also")
            .map_or(Some(Vec::new()), |node| node.filled_list(|item| Self::read_also(item, names)));
        let condition = Self {
            credential: credential?,
            issuers: issuers?,
            subjects: subjects?,
            clients: clients?,
            tenants: tenants?,
            audiences: audiences?,
            scopes: scopes?,
            roles: roles?,
            groups: groups?,
            claims: claims?,
            authentication: authentication?,
            also: also?,
        };
        if let Some(scope) = condition.scope_list().find(|scope| !is_scope_token(scope)) {
            return node
                .refuse(format!("`{scope}` is not a scope (RFC 6749 section 3.3): no spaces, quotes or backslashes"));
        }
        Some(condition)
    }

    fn read_also(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        node.open_object()?.required("credential")?;
        let condition = Self::read(node, names)?;
        if !condition.also.is_empty() {
            return node.refuse("`also` cannot stand within `also`; put all of them into one list");
        }
        Some(condition)
    }

    /// The index of the credential that this is about.
    pub(super) const fn credential(&self) -> usize {
        self.credential
    }

    /// Whether the condition holds for a principal.
    pub(super) fn evaluate(&self, principal: &Principal, now: UnixTime) -> Outcome {
        let own = principal
            .identity(self.credential)
            .map_or(Outcome::Lacks(Lack::Credential), |identity| self.judge(identity, now));
        self.also.iter().map(|condition| condition.evaluate(principal, now)).fold(own, and)
    }

    fn judge(&self, identity: &Identity, now: UnixTime) -> Outcome {
        let issuer = self.issuers.as_ref().map(|issuers| {
            let issuer = identity.issuer.as_deref();
            holds_if(issuer.is_some_and(|issuer| issuers.iter().any(|set| set.contains(issuer))))
        });
        let audience = self
            .audiences
            .as_ref()
            .map(|wanted| holds_if(wanted.iter().any(|wanted| identity.audience.contains(wanted))));
        let named =
            [(&self.subjects, &identity.subject), (&self.clients, &identity.client), (&self.tenants, &identity.tenant)];
        let named = named.into_iter().filter_map(|(accepted, actual)| Some(one_of(accepted.as_ref()?, actual)));
        let sets = [(&self.roles, &identity.roles), (&self.groups, &identity.groups)];
        let sets = sets.into_iter().filter_map(|(demand, actual)| Some(demand.as_ref()?.evaluate(actual)));
        let claims = self.claims.iter().map(|matcher| match matcher.evaluate(&identity.claims) {
            Match::Holds => Outcome::Holds,
            Match::Fails => Outcome::Fails,
            Match::Undecidable => Outcome::Undecidable,
        });
        let scopes = self.scopes.as_ref().map(|demand| lacking(demand.evaluate(&identity.scopes), Lack::Scope));
        let authentication =
            self.authentication.as_ref().map(|wanted| lacking(wanted.evaluate(identity, now), Lack::Authentication));
        let parts = [issuer, audience].into_iter().flatten().chain(named).chain(sets).chain(claims);
        parts.chain(scopes).chain(authentication).fold(Outcome::Holds, and)
    }

    /// The scopes that would satisfy this condition, for the challenge of RFC 6750 section 3.
    pub(super) fn scope_list(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flat_map(|demand| demand.all.iter().chain(&demand.any)).map(String::as_str)
    }

    /// The authentication that is wanted, for the challenge of RFC 9470 section 3.
    pub(super) const fn authentication(&self) -> Option<&Authentication> {
        self.authentication.as_ref()
    }
}

/// Conjunction: one part that fails settles it; one that cannot be decided leaves the whole undecidable. Two things that
/// are missing are more than the client could be told.
fn and(left: Outcome, right: Outcome) -> Outcome {
    match (left, right) {
        (Outcome::Holds, other) | (other, Outcome::Holds) => other,
        (Outcome::Lacks(left), Outcome::Lacks(right)) if left == right => Outcome::Lacks(left),
        (Outcome::Fails | Outcome::Lacks(_), _) | (_, Outcome::Fails | Outcome::Lacks(_)) => Outcome::Fails,
        (Outcome::Undecidable, Outcome::Undecidable) => Outcome::Undecidable,
    }
}

const fn holds_if(condition: bool) -> Outcome {
    if condition { Outcome::Holds } else { Outcome::Fails }
}

fn lacking(outcome: Outcome, lack: Lack) -> Outcome {
    if outcome == Outcome::Fails { Outcome::Lacks(lack) } else { outcome }
}

fn one_of(accepted: &[String], actual: &Attribute<String>) -> Outcome {
    match actual {
        Attribute::Absent => Outcome::Fails,
        Attribute::Malformed => Outcome::Undecidable,
        Attribute::Present(actual) => holds_if(accepted.contains(actual)),
    }
}

/// Values that must be in a set: all of some, any of others.
#[derive(Debug)]
struct Demand {
    all: Vec<String>,
    any: Vec<String>,
}

impl Demand {
    fn read<'n>(fields: &Fields<'n>, name: &'n str) -> Option<Option<Self>> {
        let Some(node) = fields.optional(name) else {
            return Some(None);
        };
        let parts = node.object(&["all", "any"])?;
        let texts = |name| parts.optional(name).map_or(Some(Vec::new()), |node| node.texts());
        let (all, any) = (texts("all"), texts("any"));
        let demand = Self { all: all?, any: any? };
        if demand.all.is_empty() && demand.any.is_empty() {
            return node.refuse("demands nothing; write `all`, `any` or both");
        }
        Some(Some(demand))
    }

    fn evaluate(&self, attribute: &Attribute<Vec<String>>) -> Outcome {
        let values: &[String] = match attribute {
            Attribute::Malformed => return Outcome::Undecidable,
            Attribute::Absent => &[],
            Attribute::Present(values) => values,
        };
        let all = self.all.iter().all(|wanted| values.contains(wanted));
        let any = self.any.is_empty() || self.any.iter().any(|wanted| values.contains(wanted));
        holds_if(all && any)
    }
}

/// Tolerance for providers whose clocks are ahead, in seconds.
const AUTH_TIME_LEEWAY_SECONDS: u64 = 60;

/// How strongly and how recently the end user must have authenticated.
#[derive(Debug)]
pub(super) struct Authentication {
    /// One of these classes, in the order of preference.
    pub(super) acr: Option<Vec<String>>,
    amr: Option<Demand>,
    pub(super) max_age_seconds: Option<u64>,
}

impl Authentication {
    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["acr", "amr", "max_age_seconds"])?;
        let acr = fields.optional("acr").map_or(Some(None), |node| node.texts().map(Some));
        let amr = Demand::read(&fields, "amr");
        let max_age_seconds = fields
            .optional("max_age_seconds")
            .map_or(Some(None), |node| node.integer(0..=MAX_LIFETIME_SECONDS).map(Some));
        let authentication = Self { acr: acr?, amr: amr?, max_age_seconds: max_age_seconds? };
        if let Some(acr) = authentication.acr.iter().flatten().find(|acr| !is_scope_token(acr)) {
            return node
                .refuse(format!("`{acr}` is not an authentication context class: no spaces, quotes or backslashes"));
        }
        if let Self { acr: None, amr: None, max_age_seconds: None } = authentication {
            return node.refuse("demands nothing; write `acr`, `amr` or `max_age_seconds`");
        }
        Some(authentication)
    }

    fn evaluate(&self, identity: &Identity, now: UnixTime) -> Outcome {
        let acr = self.acr.as_ref().map(|accepted| one_of(accepted, &identity.acr));
        let amr = self.amr.as_ref().map(|demand| demand.evaluate(&identity.amr));
        let age = self.max_age_seconds.map(|oldest| match identity.auth_time {
            Attribute::Absent => Outcome::Fails,
            Attribute::Malformed => Outcome::Undecidable,
            // A provider that dates an authentication into the future has not said when it was.
            Attribute::Present(at) if at > now.plus_seconds(AUTH_TIME_LEEWAY_SECONDS) => Outcome::Undecidable,
            Attribute::Present(at) => holds_if(now <= at.plus_seconds(oldest)),
        });
        [acr, amr, age].into_iter().flatten().fold(Outcome::Holds, and)
    }
}

/// RFC 6749 section 3.3, `scope-token`; also what may stand in the challenge without escaping.
fn is_scope_token(scope: &str) -> bool {
    scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
