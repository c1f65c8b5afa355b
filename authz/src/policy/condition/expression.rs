//! What must hold, as an expression: what its names stand for.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde_json::Value as Json;

use super::outcome::Outcome;
use super::{Reader, Situation};
use crate::document::Node;
use crate::expression::{Environment, Facts, Failure, List, Program, Shape, Text, Timestamp, Type, Value};
use crate::http::{parse_source, query};
use crate::policy::attribute::{AttributeType, Attributes, Declaration};
use crate::principal::{Attribute, Identity};

/// An expression, about one credential and the request.
#[derive(Debug)]
pub(in crate::policy) struct ExpressionCondition {
    text: String,
    program: Program<Variable>,
    /// The index of the credential.
    credential: usize,
}

/// What a name stands for.
#[derive(Clone, Debug)]
enum Variable {
    Claims,
    Principal(Field),
    Method,
    Host,
    Path,
    Time,
    Headers,
    Query,
    Address,
    Capture(String),
    Attribute(Rc<Declaration>),
}

/// What a credential says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Subject,
    Issuer,
    Client,
    Tenant,
    Scopes,
    Roles,
    Groups,
    Audiences,
    Acr,
    Amr,
    AuthTime,
}

/// The names, their types and what they stand for: `docs/expressions.md` has the same table.
fn environment(reader: Reader<'_>) -> Environment<Variable> {
    use Field::{Acr, Amr, Audiences, AuthTime, Client, Groups, Issuer, Roles, Scopes, Subject, Tenant};
    let texts = || Type::list(Type::Text);
    let mut environment = Environment::new();
    let values = [
        ("claims", Type::map(Type::Text, Type::Claim), Variable::Claims),
        ("principal.subject", Type::Text, Variable::Principal(Subject)),
        ("principal.issuer", Type::Text, Variable::Principal(Issuer)),
        ("principal.client", Type::Text, Variable::Principal(Client)),
        ("principal.tenant", Type::Text, Variable::Principal(Tenant)),
        ("principal.scopes", texts(), Variable::Principal(Scopes)),
        ("principal.roles", texts(), Variable::Principal(Roles)),
        ("principal.groups", texts(), Variable::Principal(Groups)),
        ("principal.audiences", texts(), Variable::Principal(Audiences)),
        ("principal.acr", Type::Text, Variable::Principal(Acr)),
        ("principal.amr", texts(), Variable::Principal(Amr)),
        ("principal.auth_time", Type::Timestamp, Variable::Principal(AuthTime)),
        ("request.method", Type::Text, Variable::Method),
        ("request.host", Type::Text, Variable::Host),
        ("request.path", Type::Text, Variable::Path),
        ("request.time", Type::Timestamp, Variable::Time),
        ("source.address", Type::Address, Variable::Address),
    ];
    for (name, of, variable) in values {
        environment.declare(name, Shape::Value(of), variable);
    }
    environment.declare("request.headers", Shape::Texts, Variable::Headers);
    environment.declare("request.query", Shape::Texts, Variable::Query);
    for capture in reader.captures {
        environment.declare(
            format!("captures.{capture}"),
            Shape::Value(Type::Text),
            Variable::Capture(capture.clone()),
        );
    }
    for declaration in reader.attributes.into_iter().flat_map(Attributes::iter) {
        let of = match declaration.kind {
            AttributeType::Boolean => Type::Bool,
            AttributeType::Number => Type::Double,
            AttributeType::String => Type::Text,
        };
        let name = format!("attributes.{}", declaration.name);
        environment.declare(name, Shape::Value(of), Variable::Attribute(Rc::clone(declaration)));
    }
    environment
}

impl ExpressionCondition {
    pub(super) fn read(node: &Node<'_>, reader: Reader<'_>) -> Option<Self> {
        let text = node.text()?;
        if reader.attributes.is_none() && text.contains("attributes") {
            // Their declarations have an error of their own.
            return None;
        }
        match Program::compile(text, &environment(reader)) {
            Ok(program) => Some(Self { text: text.to_owned(), program, credential: reader.credential }),
            Err(mistakes) => {
                for mistake in mistakes {
                    let _: Option<()> = node.refuse(mistake.describe(text).to_string());
                }
                None
            }
        }
    }

    /// Whether it is about a credential.
    pub(super) fn is_about_somebody(&self) -> bool {
        self.program.variables().iter().any(|variable| match variable {
            Variable::Claims | Variable::Principal(_) => true,
            Variable::Attribute(declaration) => declaration.credential().is_some(),
            _ => false,
        })
    }

    pub(super) fn needs_source(&self) -> bool {
        self.program.variables().iter().any(|variable| matches!(variable, Variable::Address))
    }

    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        self.judge(situation).map_or(Outcome::Undecidable, Outcome::holds_if)
    }

    /// Whether it holds, or why that cannot be decided. A credential that was not presented says nothing, so that a deny rule for
    /// all who are not staff denies anonymous clients too.
    fn judge(&self, situation: &Situation<'_>) -> Result<bool, Failure> {
        let nobody = Identity::default();
        let identity = situation.principal.identity(self.credential).unwrap_or(&nobody);
        self.program.evaluate(&FactsOfRequest { situation, identity })
    }

    /// That it does not hold, in words.
    pub(super) fn miss(&self, situation: &Situation<'_>) -> String {
        match self.judge(situation) {
            Ok(holds) => Outcome::holds_if(holds).miss(self),
            Err(failure) => format!("{self}: cannot be decided: {failure}"),
        }
    }
}

impl fmt::Display for ExpressionCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expression `{}`", self.text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// What the names stand for in one request.
struct FactsOfRequest<'v, 's> {
    situation: &'v Situation<'s>,
    identity: &'v Identity,
}

impl<'v> Facts<'v> for FactsOfRequest<'v, '_> {
    type Variable = Variable;

    fn value(&self, variable: &Variable) -> Result<Option<Value<'v>>, Failure> {
        let Situation { facts, head, now, .. } = self.situation;
        let text = |text: &'v str| Value::Text(Text::Borrowed(text));
        Ok(match variable {
            Variable::Claims => Some(Value::from_claims(&self.identity.claims)),
            Variable::Principal(field) => field.of(self.identity)?,
            Variable::Method => facts.request.map(|request| text(request.method)),
            Variable::Host => facts.request.map(|request| text(request.host.as_str())),
            Variable::Path => self.path()?,
            Variable::Time => Timestamp::from_unix(*now).map(Value::Timestamp),
            Variable::Address => match head.source {
                Some(source) => Some(Value::Address(parse_source(source).ok_or_else(|| malformed("source.address"))?)),
                None => None,
            },
            Variable::Capture(name) => {
                facts.captures.iter().find(|(capture, _)| capture == name).map(|(_, value)| text(value))
            }
            Variable::Attribute(declaration) => self.attribute(declaration)?,
            // They are never asked for as a whole.
            Variable::Headers | Variable::Query => None,
        })
    }

    /// Every copy must say the same: nobody knows which one the upstream takes (CVE-2020-25017).
    fn text(&self, variable: &Variable, name: &str) -> Result<Option<Text<'v>>, Failure> {
        let values = self.values(variable, name)?;
        let place = if matches!(variable, Variable::Headers) { "request.headers" } else { "request.query" };
        let malformed = || malformed(&format!("{place}['{name}']"));
        let Some((first, rest)) = values.split_first() else { return Ok(None) };
        if rest.iter().any(|other| other != first) {
            return Err(malformed());
        }
        // CVE-2026-73552: what is not UTF-8 is neither this nor that.
        let text = match first {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Text::Borrowed),
            Cow::Owned(bytes) => std::str::from_utf8(bytes).map(|text| Text::Made(Rc::from(text))),
        };
        text.map(Some).map_err(|_| malformed())
    }

    fn has_text(&self, variable: &Variable, name: &str) -> Result<bool, Failure> {
        self.values(variable, name).map(|values| !values.is_empty())
    }
}

impl<'v> FactsOfRequest<'v, '_> {
    /// All values under a name.
    fn values(&self, variable: &Variable, name: &str) -> Result<Vec<Cow<'v, [u8]>>, Failure> {
        let head = self.situation.head;
        match variable {
            Variable::Headers => {
                let named = head.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
                Ok(named.map(|(_, value)| Cow::Borrowed(*value)).collect())
            }
            // One that cannot be decoded may be this one.
            _ => query::values(head, name).map_err(|_| malformed("request.query")),
        }
    }

    fn attribute(&self, declaration: &Declaration) -> Result<Option<Value<'v>>, Failure> {
        let malformed = || malformed(&format!("attributes.{}", declaration.name));
        match declaration.value(self.situation.principal, self.situation.head) {
            Attribute::Absent => Ok(None),
            Attribute::Malformed => Err(malformed()),
            Attribute::Present(Json::Bool(value)) => Ok(Some(Value::Bool(value))),
            Attribute::Present(Json::String(text)) => Ok(Some(Value::Text(Text::Made(Rc::from(text))))),
            Attribute::Present(number) => Value::double(&number).map(Some).ok_or_else(malformed),
        }
    }

    /// The path as rules see it: decoded. A slash within a segment would make two paths look alike.
    fn path(&self) -> Result<Option<Value<'v>>, Failure> {
        let Some(request) = self.situation.facts.request else { return Ok(None) };
        let segments = request.path.segments();
        if segments.iter().any(|segment| segment.contains('/')) {
            return Err(malformed("request.path"));
        }
        let end = if request.path.has_trailing_slash() && !segments.is_empty() { "/" } else { "" };
        let path = format!("/{}{end}", segments.join("/"));
        Ok(Some(Value::Text(Text::Made(Rc::from(path)))))
    }
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Subject => "principal.subject",
            Self::Issuer => "principal.issuer",
            Self::Client => "principal.client",
            Self::Tenant => "principal.tenant",
            Self::Scopes => "principal.scopes",
            Self::Roles => "principal.roles",
            Self::Groups => "principal.groups",
            Self::Audiences => "principal.audiences",
            Self::Acr => "principal.acr",
            Self::Amr => "principal.amr",
            Self::AuthTime => "principal.auth_time",
        }
    }

    fn of(self, identity: &Identity) -> Result<Option<Value<'_>>, Failure> {
        match self {
            Self::Subject => self.text(&identity.subject),
            Self::Issuer => Ok(identity.issuer.as_deref().map(|issuer| Value::Text(Text::Borrowed(issuer)))),
            Self::Client => self.text(&identity.client),
            Self::Tenant => self.text(&identity.tenant),
            Self::Acr => self.text(&identity.acr),
            Self::Scopes => self.texts(&identity.scopes),
            Self::Roles => self.texts(&identity.roles),
            Self::Groups => self.texts(&identity.groups),
            Self::Amr => self.texts(&identity.amr),
            Self::Audiences => Ok(Some(Value::List(List::Texts(&identity.audience)))),
            Self::AuthTime => match identity.auth_time {
                Attribute::Absent => Ok(None),
                Attribute::Malformed => Err(malformed(self.name())),
                Attribute::Present(at) => {
                    Timestamp::from_unix(at).map(Value::Timestamp).map(Some).ok_or_else(|| malformed(self.name()))
                }
            },
        }
    }

    fn text(self, attribute: &Attribute<String>) -> Result<Option<Value<'_>>, Failure> {
        match attribute {
            Attribute::Absent => Ok(None),
            Attribute::Malformed => Err(malformed(self.name())),
            Attribute::Present(text) => Ok(Some(Value::Text(Text::Borrowed(text)))),
        }
    }

    /// Who is not said to have any has none, as in every other condition.
    fn texts(self, attribute: &Attribute<Vec<String>>) -> Result<Option<Value<'_>>, Failure> {
        match attribute {
            Attribute::Absent => Ok(Some(Value::List(List::Texts(&[])))),
            Attribute::Malformed => Err(malformed(self.name())),
            Attribute::Present(texts) => Ok(Some(Value::List(List::Texts(texts)))),
        }
    }
}

fn malformed(name: &str) -> Failure {
    Failure::Malformed(Rc::from(name))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::policy::Names;

    #[test]
    fn every_name_is_documented_with_its_type() {
        let page = include_str!("../../../../docs/expressions.md");
        let captures = ["NAME".to_owned()];
        let reader = Reader { names: &Names::default(), attributes: None, captures: &captures, credential: 0 };
        for (name, shape) in environment(reader).iter() {
            let of = match shape {
                Shape::Value(of) => of.to_string(),
                Shape::Texts => "map(string, string)".to_owned(),
            };
            assert!(page.contains(&format!("| `{name}` | {of} |")), "no row for {name}: {of}");
        }
    }
}
