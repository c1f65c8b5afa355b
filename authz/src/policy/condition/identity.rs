//! What must hold for one credential.

use std::fmt;

use super::authentication::Authentication;
use super::demand::Demand;
use super::outcome::{Lack, Outcome};
use super::{Reader, Situation};
use crate::document::Fields;
use crate::json::Json;
use crate::matching::{ClaimMatcher, Match};
use crate::policy::names::IssuerSet;
use crate::principal::{Attribute, Confirmation, Identity};

/// The fields that are about a credential.
pub(super) const IDENTITY_FIELDS: [&str; 13] = [
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
    "proof_of_possession",
    "actors",
];

/// Longest chain of actors that is followed: each is a level of a token that is bounded anyway.
const MAX_ACTORS: usize = 8;

/// What must hold for one credential. An absent field demands nothing; all that are there must hold.
#[derive(Debug, Default)]
pub(in crate::policy) struct IdentityCondition {
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
    /// Whether it must be bound to a key or certificate, which was proved when it was verified.
    proof_of_possession: Option<bool>,
    /// Who may act for the subject (RFC 8693 section 4.1): all actors of the chain must be among them.
    actors: Option<Vec<String>>,
}

/// One demand of a condition.
pub(in crate::policy) enum Part<'c> {
    Issuers(&'c [IssuerSet]),
    Named(&'static str, &'c [String]),
    Set(&'static str, &'c Demand),
    Claim(&'c ClaimMatcher),
    Authentication(&'c Authentication),
    Proof(bool),
}

impl IdentityCondition {
    /// Only that the credential is presented.
    pub(super) fn presented(credential: usize) -> Self {
        Self { credential, ..Self::default() }
    }

    pub(super) fn read(fields: &Fields<'_>, reader: Reader<'_>) -> Option<Self> {
        let issuers = fields
            .optional("issuers")
            .map_or(Some(None), |node| node.filled_list(|item| reader.names.issuers(item)).map(Some));
        let texts = |name| fields.optional(name).map_or(Some(None), |node| node.texts().map(Some));
        let (subjects, clients) = (texts("subjects"), texts("clients"));
        let (tenants, audiences, actors) = (texts("tenants"), texts("audiences"), texts("actors"));
        let scopes = read_scopes(fields);
        let (roles, groups) = (Demand::read(fields, "roles"), Demand::read(fields, "groups"));
        let claims = fields
            .optional("claims")
            .map_or(Some(Vec::new()), |node| node.filled_list(|item| ClaimMatcher::read(item, reader.scope())));
        let authentication =
            fields.optional("authentication").map_or(Some(None), |node| Authentication::read(&node).map(Some));
        let proof_of_possession =
            fields.optional("proof_of_possession").map_or(Some(None), |node| node.flag().map(Some));
        Some(Self {
            credential: reader.credential,
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
            proof_of_possession: proof_of_possession?,
            actors: actors?,
        })
    }

    /// Whom it is about, if the credential was presented.
    pub(super) fn identity<'s>(&self, situation: &Situation<'s>) -> Option<&'s Identity> {
        situation.principal.identity(self.credential)
    }

    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        match self.identity(situation) {
            None => Outcome::Lacks(Lack::Credential),
            Some(identity) => Outcome::all(self.parts().map(|part| part.evaluate(identity, situation))),
        }
    }

    /// What does not hold, in words.
    pub(super) fn misses(&self, situation: &Situation<'_>) -> Vec<String> {
        let Some(identity) = self.identity(situation) else {
            return vec!["its credential was not presented".to_owned()];
        };
        self.parts()
            .filter_map(|part| match part.evaluate(identity, situation) {
                Outcome::Holds => None,
                Outcome::Undecidable => Some(format!("{part}: malformed in the token")),
                outcome => Some(part.lacking(identity).unwrap_or_else(|| outcome.miss(&part))),
            })
            .collect()
    }

    /// What holds if all of this does, in words.
    pub(super) fn grounds(&self) -> Vec<String> {
        let grounds: Vec<String> = self.parts().map(|part| part.to_string()).collect();
        if grounds.is_empty() { vec!["its credential was presented".to_owned()] } else { grounds }
    }

    /// The scopes that are demanded.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flat_map(|demand| demand.all.iter().chain(&demand.any)).map(String::as_str)
    }

    pub(super) const fn authentication(&self) -> Option<&Authentication> {
        self.authentication.as_ref()
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let named = [
            ("subject", &self.subjects),
            ("client", &self.clients),
            ("tenant", &self.tenants),
            ("audience", &self.audiences),
            ("actors", &self.actors),
        ];
        let named = named.into_iter().filter_map(|(name, accepted)| Some(Part::Named(name, accepted.as_deref()?)));
        let sets = [("role", &self.roles), ("group", &self.groups), ("scope", &self.scopes)];
        let sets = sets.into_iter().filter_map(|(name, demand)| Some(Part::Set(name, demand.as_ref()?)));
        let issuers = self.issuers.as_deref().map(Part::Issuers);
        let claims = self.claims.iter().map(Part::Claim);
        let proof = self.proof_of_possession.map(Part::Proof);
        let authentication = self.authentication.as_ref().map(Part::Authentication);
        issuers.into_iter().chain(named).chain(sets).chain(claims).chain(proof).chain(authentication)
    }
}

impl Part<'_> {
    pub(super) fn evaluate(&self, identity: &Identity, situation: &Situation<'_>) -> Outcome {
        match self {
            Self::Issuers(accepted) => {
                let issuer = identity.issuer.as_deref();
                Outcome::holds_if(issuer.is_some_and(|issuer| accepted.iter().any(|set| set.contains(issuer))))
            }
            Self::Named("audience", wanted) => {
                Outcome::holds_if(wanted.iter().any(|wanted| identity.audience.contains(wanted)))
            }
            Self::Named("actors", accepted) => judge_actors(accepted, identity.claims.get("act")),
            Self::Named("subject", accepted) => one_of(accepted, identity.subject()),
            Self::Named("client", accepted) => one_of(accepted, identity.client()),
            Self::Named(_, accepted) => one_of(accepted, &identity.tenant),
            Self::Set("scope", demand) => demand.evaluate(identity.scopes()).or_lacks(Lack::Scope),
            Self::Set(name, demand) => demand.evaluate(set(identity, name)),
            Self::Claim(matcher) => match matcher.evaluate(identity.claims.all(), &situation.facts) {
                Match::Holds => Outcome::Holds,
                Match::Fails => Outcome::Fails,
                Match::Undecidable => Outcome::Undecidable,
            },
            Self::Authentication(wanted) => wanted.evaluate(identity, situation.now).or_lacks(Lack::Authentication),
            Self::Proof(wanted) => Outcome::holds_if((identity.confirmation != Confirmation::None) == *wanted),
        }
    }
}

impl Part<'_> {
    /// What is not in a set that must be, in words.
    fn lacking(&self, identity: &Identity) -> Option<String> {
        let Self::Set(name, demand) = self else { return None };
        Some(format!("{name} {} missing", demand.lacking(set(identity, name))))
    }
}

/// The set of this name.
fn set<'i>(identity: &'i Identity, name: &str) -> &'i Attribute<Vec<String>> {
    match name {
        "role" => identity.roles(),
        "group" => identity.groups(),
        _ => identity.scopes(),
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuers(sets) => {
                let names: Vec<&str> = sets.iter().flat_map(|set| set.iter()).take(5).map(String::as_str).collect();
                write!(f, "issuer is one of {}", names.join(", "))
            }
            Self::Named(name, accepted) => write!(f, "{name} is one of {}", accepted.join(", ")),
            Self::Set(name, demand) => write!(f, "{name} {demand}"),
            Self::Claim(matcher) => f.write_str(&matcher.describe()),
            Self::Authentication(wanted) => write!(f, "authentication: {wanted}"),
            Self::Proof(true) => f.write_str("proof of possession"),
            Self::Proof(false) => f.write_str("no proof of possession"),
        }
    }
}

fn read_scopes(fields: &Fields<'_>) -> Option<Option<Demand>> {
    let demand = Demand::read(fields, "scopes")?;
    let odd =
        demand.iter().flat_map(|demand| demand.all.iter().chain(&demand.any)).find(|scope| !is_scope_token(scope));
    match (odd, fields.optional("scopes")) {
        (Some(scope), Some(node)) => {
            let scope = scope.clone();
            node.refuse(format!("`{scope}` is not a scope (RFC 6749 section 3.3): no spaces, quotes or backslashes"))
        }
        _ => Some(demand),
    }
}

/// Whether somebody acts for the subject, and all of the chain may (RFC 8693 section 4.1, nested `act`).
fn judge_actors(accepted: &[String], act: Option<Json<'_>>) -> Outcome {
    let Some(act) = act else { return Outcome::Fails };
    let Some(mut act) = act.as_object() else { return Outcome::Undecidable };
    for _ in 0..MAX_ACTORS {
        let Some(Json::Text(actor)) = act.get("sub") else { return Outcome::Undecidable };
        if !accepted.iter().any(|accepted| accepted == actor) {
            return Outcome::Fails;
        }
        match act.get("act") {
            None => return Outcome::Holds,
            Some(Json::Object(next)) => act = next,
            Some(_) => return Outcome::Undecidable,
        }
    }
    Outcome::Undecidable
}

pub(super) fn one_of(accepted: &[String], actual: &Attribute<String>) -> Outcome {
    match actual {
        Attribute::Absent => Outcome::Fails,
        Attribute::Malformed => Outcome::Undecidable,
        Attribute::Present(actual) => Outcome::holds_if(accepted.contains(actual)),
    }
}

/// RFC 6749 section 3.3, `scope-token`; also what may stand in the challenge without escaping.
pub(super) fn is_scope_token(scope: &str) -> bool {
    scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
