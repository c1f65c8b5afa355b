//! What must hold for a rule to apply (XACML 3.0, Condition).

mod attribute;
mod authentication;
mod context;
mod demand;
mod expression;
mod identity;
mod leaf;
mod outcome;

use crate::calendar::TimeWindows;
use crate::document::{Fields, Node};
use crate::http::RequestHead;
use crate::matching::{Facts, Scope};
use crate::principal::Principal;
use crate::time::UnixTime;
use attribute::AttributeCondition;
use authentication::Authentication;
use context::{SourceCondition, TextCondition};
use expression::ExpressionCondition;
use identity::{IDENTITY_FIELDS, IdentityCondition};
pub(super) use leaf::Leaf;
pub(super) use outcome::{Lack, Outcome};

use super::attribute::Attributes;
use super::names::Names;

/// A condition. All parts of one object of the bundle must hold; `any` and `not` say otherwise of what stands in them.
#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// Of a credential.
    Identity(Box<IdentityCondition>),
    /// Of an attribute that the bundle declares.
    Attribute(AttributeCondition),
    /// Of the address of the client.
    Source(SourceCondition),
    /// Of a header or a query parameter.
    Text(TextCondition),
    /// Of the time.
    Time(TimeWindows),
    /// Of whatever an expression says.
    Expression(Box<ExpressionCondition>),
}

/// For whom a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody, whoever they are: its condition is about the request only.
    Public,
    /// Who is authenticated, in any case.
    Authenticated,
    /// Whoever the condition is about: it denies, and an anonymous client must not escape it by being anonymous.
    Anybody,
}

/// What a condition is judged by.
pub(super) struct Situation<'s> {
    pub(super) principal: &'s Principal,
    pub(super) head: &'s RequestHead<'s>,
    pub(super) facts: Facts<'s>,
    pub(super) now: UnixTime,
}

/// What conditions are read with.
#[derive(Clone, Copy)]
pub(super) struct Reader<'r> {
    pub(super) names: &'r Names<'r>,
    /// The attributes that the bundle declares; none if there is something wrong with them.
    pub(super) attributes: Option<&'r Attributes>,
    /// The variables that every path of the target has.
    pub(super) captures: &'r [String],
    /// The credential that a condition is about if it names none.
    pub(super) credential: usize,
}

impl Reader<'_> {
    const fn scope(&self) -> Scope<'_> {
        Scope::Request(self.captures)
    }
}

impl Condition {
    /// Reads the condition of a rule.
    pub(super) fn read(node: &Node<'_>, reader: Reader<'_>, audience: Audience) -> Option<Self> {
        let condition = Self::read_object(node, reader)?;
        match audience {
            Audience::Public if condition.is_about_somebody() => node.refuse(
                "a public rule is for everybody, so its condition can only be about the request, not about credentials",
            ),
            // However it is met, somebody has to be there: where the condition does not say who, the first credential is wanted
            // besides.
            Audience::Authenticated if !condition.says_who() => Some(condition.and_authenticated(reader.credential)),
            Audience::Public | Audience::Authenticated | Audience::Anybody => Some(condition),
        }
    }

    /// The condition that somebody is authenticated, by this credential.
    pub(super) fn authenticated(credential: usize) -> Self {
        Self::Identity(Box::new(IdentityCondition::presented(credential)))
    }

    /// This condition, and that somebody is authenticated by this credential.
    pub(super) fn and_authenticated(self, credential: usize) -> Self {
        Self::All(vec![Self::authenticated(credential), self])
    }

    fn read_object(node: &Node<'_>, reader: Reader<'_>) -> Option<Self> {
        let fields = node.object(FIELDS)?;
        if fields.is_empty() {
            return node.refuse("demands nothing; leave it out, or say what must hold");
        }
        let credential =
            fields.optional("credential").map_or(Some(reader.credential), |node| reader.names.credential(&node));
        let reader = Reader { credential: credential?, ..reader };
        let has_identity = IDENTITY_FIELDS.iter().any(|name| fields.optional(name).is_some());
        let identity = if has_identity { IdentityCondition::read(&fields, reader).map(Some) } else { Some(None) };
        let attributes = AttributeCondition::read_list(&fields, reader);
        let source = fields.optional("source").map_or(Some(None), |node| SourceCondition::read(&node).map(Some));
        let time = fields.optional("time").map_or(Some(None), |node| TimeWindows::read(&node).map(Some));
        let (headers, query) =
            (TextCondition::read_headers(&fields, reader), TextCondition::read_query(&fields, reader));
        let expression =
            fields.optional("expression").map_or(Some(None), |node| ExpressionCondition::read(&node, reader).map(Some));
        let (all, any) = (Self::read_list(&fields, "all", reader), Self::read_list(&fields, "any", reader));
        let not = fields.optional("not").map_or(Some(None), |node| Self::read_object(&node, reader).map(Some));
        let mut parts: Vec<Self> = identity?.map(|identity| Self::Identity(Box::new(identity))).into_iter().collect();
        parts.extend(attributes?.into_iter().map(Self::Attribute));
        parts.extend(source?.map(Self::Source));
        parts.extend(time?.map(Self::Time));
        parts.extend(headers?.into_iter().chain(query?).map(Self::Text));
        parts.extend(expression?.map(|expression| Self::Expression(Box::new(expression))));
        parts.extend(all?.unwrap_or_default());
        parts.extend(any?.map(Self::Any));
        parts.extend(not?.map(|not| Self::Not(Box::new(not))));
        Some(Self::All(parts))
    }

    fn read_list<'n>(fields: &Fields<'n>, name: &'n str, reader: Reader<'_>) -> Option<Option<Vec<Self>>> {
        fields
            .optional(name)
            .map_or(Some(None), |node| node.filled_list(|item| Self::read_object(item, reader)).map(Some))
    }

    fn is_about_somebody(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_about_somebody),
            Self::Not(condition) => condition.is_about_somebody(),
            Self::Identity(_) => true,
            Self::Attribute(attribute) => attribute.credential().is_some(),
            Self::Expression(expression) => expression.is_about_somebody(),
            Self::Source(_) | Self::Text(_) | Self::Time(_) => false,
        }
    }

    /// Whether the condition of a rule says itself whose credential it wants: by a field about one, or by a choice of them.
    fn says_who(&self) -> bool {
        let Self::All(parts) = self else { return self.demands_somebody() };
        parts.iter().any(|part| match part {
            Self::Identity(_) => true,
            Self::Any(alternatives) => alternatives.iter().all(Self::demands_somebody),
            _ => false,
        })
    }

    /// Whether it cannot hold for an anonymous client, in whichever way it is met.
    fn demands_somebody(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().any(Self::demands_somebody),
            Self::Any(parts) => parts.iter().all(Self::demands_somebody),
            Self::Identity(_) => true,
            Self::Attribute(attribute) => attribute.credential().is_some(),
            // An expression can say that something is not there.
            Self::Not(_) | Self::Source(_) | Self::Text(_) | Self::Time(_) | Self::Expression(_) => false,
        }
    }

    /// Whether the condition needs the address at the other end of the connection.
    pub(super) fn needs_source(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_source),
            Self::Not(condition) => condition.needs_source(),
            Self::Source(_) => true,
            Self::Text(text) => text.needs_source(),
            Self::Expression(expression) => expression.needs_source(),
            Self::Identity(_) | Self::Attribute(_) | Self::Time(_) => false,
        }
    }

    /// Whether the condition needs the certificate of the peer.
    pub(super) fn needs_peer(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_peer),
            Self::Not(condition) => condition.needs_peer(),
            Self::Text(text) => text.needs_peer(),
            Self::Source(_) | Self::Identity(_) | Self::Attribute(_) | Self::Time(_) | Self::Expression(_) => false,
        }
    }

    /// Whether the condition holds. A total function.
    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        match self {
            Self::All(parts) => Outcome::all(parts.iter().map(|part| part.evaluate(situation))),
            Self::Any(parts) => Outcome::any(parts.iter().map(|part| part.evaluate(situation))),
            Self::Not(condition) => condition.evaluate(situation).negated(),
            Self::Identity(identity) => identity.evaluate(situation),
            Self::Attribute(attribute) => attribute.evaluate(situation),
            Self::Source(source) => source.evaluate(situation),
            Self::Text(text) => text.evaluate(situation),
            Self::Time(windows) => Outcome::holds_if(windows.contains(situation.now)),
            Self::Expression(expression) => expression.evaluate(situation),
        }
    }

    /// What does not hold, in words; of alternatives that of which the least does not hold.
    pub(super) fn misses(&self, situation: &Situation<'_>) -> Vec<String> {
        if self.evaluate(situation) == Outcome::Holds {
            return Vec::new();
        }
        match self {
            Self::All(parts) => parts.iter().flat_map(|part| part.misses(situation)).collect(),
            Self::Any(parts) => {
                parts.iter().map(|part| part.misses(situation)).min_by_key(Vec::len).unwrap_or_default()
            }
            Self::Not(_) => vec!["what must not hold does, or cannot be decided".to_owned()],
            Self::Identity(identity) => identity.misses(situation),
            Self::Attribute(attribute) => vec![self.evaluate(situation).miss(attribute)],
            Self::Source(source) => vec![self.evaluate(situation).miss(source)],
            Self::Text(text) => vec![self.evaluate(situation).miss(text)],
            Self::Time(_) => vec!["the time is none of those that it is for".to_owned()],
            Self::Expression(expression) => vec![expression.miss(situation)],
        }
    }

    /// What holds, in words, if the whole does; of alternatives the first.
    pub(super) fn grounds(&self, situation: &Situation<'_>) -> Vec<String> {
        if self.evaluate(situation) != Outcome::Holds {
            return Vec::new();
        }
        match self {
            Self::All(parts) => parts.iter().flat_map(|part| part.grounds(situation)).collect(),
            Self::Any(parts) => {
                let holding = parts.iter().find(|part| part.evaluate(situation) == Outcome::Holds);
                holding.map(|part| part.grounds(situation)).unwrap_or_default()
            }
            Self::Not(_) => vec!["what must not hold does not".to_owned()],
            Self::Identity(identity) => identity.grounds(),
            Self::Attribute(attribute) => vec![attribute.to_string()],
            Self::Source(source) => vec![source.to_string()],
            Self::Text(text) => vec![text.to_string()],
            Self::Time(_) => vec!["the time is one of those that it is for".to_owned()],
            Self::Expression(expression) => vec![expression.to_string()],
        }
    }

    /// The scopes that would satisfy this condition, for the challenge of RFC 6750 section 3: of alternatives the first
    /// that wants some.
    pub(super) fn scopes(&self) -> Vec<&str> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::scopes).collect(),
            Self::Any(parts) => parts.iter().map(Self::scopes).find(|scopes| !scopes.is_empty()).unwrap_or_default(),
            Self::Identity(identity) => identity.scopes().collect(),
            Self::Not(_)
            | Self::Attribute(_)
            | Self::Source(_)
            | Self::Text(_)
            | Self::Time(_)
            | Self::Expression(_) => Vec::new(),
        }
    }

    /// The authentication that is wanted, for the challenge of RFC 9470 section 3.
    pub(super) fn authentication(&self) -> Option<&Authentication> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::authentication),
            Self::Identity(identity) => identity.authentication(),
            Self::Not(_)
            | Self::Attribute(_)
            | Self::Source(_)
            | Self::Text(_)
            | Self::Time(_)
            | Self::Expression(_) => None,
        }
    }
}

/// The fields of a condition.
const FIELDS: &[&str] = &[
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
    "attributes",
    "source",
    "time",
    "headers",
    "query",
    "expression",
    "all",
    "any",
    "not",
];
