//! What the names of an expression stand for in one request.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value as Json;

use super::variable::{Field, Variable};
use crate::expression::{Facts, Failure, List, Text, Timestamp, Value};
use crate::http::{parse_source, query};
use crate::policy::attribute::Declaration;
use crate::policy::condition::Situation;
use crate::principal::{Attribute, Identity};

/// What the names stand for in one request.
pub(super) struct FactsOfRequest<'v, 's> {
    pub(super) situation: &'v Situation<'s>,
    pub(super) identity: &'v Identity,
}

impl<'v> Facts<'v> for FactsOfRequest<'v, '_> {
    type Variable = Variable;

    fn value(&self, variable: &Variable) -> Result<Option<Value<'v>>, Failure> {
        let Situation { facts, head, now, .. } = self.situation;
        let text = |text: &'v str| Value::Text(Text::Borrowed(text));
        Ok(match variable {
            Variable::Claims => Some(Value::from_claims(self.identity.claims.all())),
            Variable::Principal(field) => field.of(self.identity)?,
            Variable::Method => facts.request.map(|request| text(request.method)),
            Variable::Host => facts.request.map(|request| text(request.host.as_str())),
            Variable::Path => self.path()?,
            Variable::Time => Timestamp::from_unix(*now).map(Value::Timestamp),
            Variable::Address => match head.source {
                Some(source) => Some(Value::Address(parse_source(source).ok_or_else(|| malformed("source.address"))?)),
                None => None,
            },
            Variable::Capture(name) => facts.capture(name).map(text),
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

    fn length(&self, variable: &Variable) -> usize {
        match variable {
            Variable::Query => self.situation.head.path.map_or(0, <[u8]>::len),
            _ => 0,
        }
    }
}

impl<'v> FactsOfRequest<'v, '_> {
    /// All values under a name.
    fn values(&self, variable: &Variable, name: &str) -> Result<Vec<Cow<'v, [u8]>>, Failure> {
        let head = self.situation.head;
        match variable {
            // Envoy hands it over as the host of the request, and other proxies as a header too.
            Variable::Headers if name.eq_ignore_ascii_case("host") => Err(malformed("request.headers['host']")),
            // Which of the two an upstream takes nobody knows.
            Variable::Headers if head.has_alias(&name.to_ascii_lowercase()) => {
                Err(malformed(&format!("request.headers['{name}']")))
            }
            Variable::Headers => {
                let named = head.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
                Ok(named.map(|(_, value)| Cow::Borrowed(*value)).collect())
            }
            // One that cannot be decoded may be this one.
            _ => query::readings(head, name).map_err(|_| malformed("request.query")),
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
            Self::Subject => self.text(identity.subject()),
            Self::Issuer => Ok(identity.issuer.as_deref().map(|issuer| Value::Text(Text::Borrowed(issuer)))),
            Self::Client => self.text(identity.client()),
            Self::Tenant => self.text(&identity.tenant),
            Self::Acr => self.text(identity.acr()),
            Self::Scopes => self.texts(identity.scopes()),
            Self::Roles => self.texts(identity.roles()),
            Self::Groups => self.texts(identity.groups()),
            Self::Amr => self.texts(identity.amr()),
            Self::Audiences => Ok(Some(Value::List(List::Texts(&identity.audience)))),
            Self::AuthTime => match *identity.auth_time() {
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
