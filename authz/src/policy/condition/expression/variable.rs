//! The names that an expression may use.

use std::rc::Rc;

use crate::expression::{Environment, Shape, Type};
use crate::policy::attribute::{AttributeType, Attributes, Declaration};
use crate::policy::condition::Reader;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Variable {
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
pub(super) enum Field {
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
pub(super) fn environment(reader: Reader<'_>) -> Environment<Variable> {
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

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::policy::Names;

    #[test]
    fn every_name_is_documented_with_its_type() {
        let page = include_str!("../../../../../docs/expressions.md");
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
