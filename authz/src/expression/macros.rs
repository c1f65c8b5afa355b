//! The macros: what looks like a function and is none.

use super::checker::{Checked, Checker};
use super::code::{Code, Quantifier};
use super::environment::Shape;
use super::mistake::Mistake;
use super::syntax::{Expression, Kind};
use super::types::Type;
use crate::limits::MAX_EXPRESSION_LOOPS;

/// Those that walk over the items of a list or the keys of a map.
const LOOPS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];

/// The names of all macros that are written like methods.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LOOPS.into_iter()
}

impl<V: Clone> Checker<'_, V> {
    /// `has(a.b)`: whether it is there.
    pub(super) fn has(&mut self, at: usize, arguments: &[Expression]) -> Option<Checked<V>> {
        let [Expression { kind: Kind::Select { operand, field }, .. }] = arguments else {
            return self.refuse(
                at,
                "`has` is about one field: `has(claims.risk)`; for a key in quotes write `'risk' in claims`",
            );
        };
        if let Some(path) = self.path(operand) {
            if let Some((Shape::Value(_), variable)) = self.environment.find(&format!("{path}.{field}")) {
                let variable = self.remember(variable);
                return Some(Checked { code: Code::HasVariable(variable), of: Type::Bool });
            }
            if let Some((Shape::Texts, variable)) = self.environment.find(&path) {
                let (variable, name) = (self.remember(variable), Box::new(Code::text(field)));
                return Some(Checked { code: Code::HasText { variable, name }, of: Type::Bool });
            }
        }
        let whole = arguments.first()?;
        let Checked { code, of: _ } = self.check(whole)?;
        match code {
            Code::Select { operand, field, .. } => {
                Some(Checked { code: Code::HasField { operand, field }, of: Type::Bool })
            }
            _ => self.refuse(at, "`has` is about a field that may be missing"),
        }
    }

    /// `list.all(x, ..)` and the like; none if it is none of them.
    pub(super) fn walk(
        &mut self,
        at: usize,
        range: &Expression,
        name: &str,
        arguments: &[Expression],
    ) -> Option<Checked<V>> {
        let range = self.check(range);
        let (variable, parts) = match arguments.split_first() {
            Some((Expression { kind: Kind::Name { name: variable, is_absolute: false }, .. }, parts))
                if parts.len() == 1 || (name == "map" && parts.len() == 2) =>
            {
                (variable, parts)
            }
            _ => {
                return self
                    .refuse(at, format!("`{name}` wants a name and what is said of it: `roles.{name}(role, ..)`"));
            }
        };
        if self.locals.len() >= MAX_EXPRESSION_LOOPS {
            return self.refuse(at, format!("more than {MAX_EXPRESSION_LOOPS} macros are within each other"));
        }
        let range = range?;
        let item = match &range.of {
            Type::List(items) => Type::clone(items),
            Type::Map(keys, _) => Type::clone(keys),
            Type::Claim => Type::Claim,
            Type::Dyn => Type::Dyn,
            other => {
                return self.refuse(at, format!("`{name}` is for lists and maps, not for a value of type {other}"));
            }
        };
        self.locals.push((variable.clone(), item.clone()));
        let checked = match parts {
            [condition] if name != "map" => self.condition(condition).map(|condition| (Some(condition), None)),
            [transform] => self.check(transform).map(|transform| (None, Some(transform))),
            [condition, transform] => {
                let (condition, transform) = (self.condition(condition), self.check(transform));
                condition.zip(transform).map(|(condition, transform)| (Some(condition), Some(transform)))
            }
            _ => None,
        };
        self.locals.pop();
        let (condition, transform) = checked?;
        let range = Box::new(range.code);
        let quantifier = match name {
            "all" => Quantifier::All,
            "exists" => Quantifier::Any,
            "exists_one" => Quantifier::One,
            _ => {
                let of = Type::list(transform.as_ref().map_or(item, |transform| transform.of.clone()));
                let transform = transform.map(|transform| Box::new(transform.code));
                return Some(Checked {
                    code: Code::Collect { range, condition: condition.map(Box::new), transform },
                    of,
                });
            }
        };
        let condition = Box::new(condition?);
        Some(Checked { code: Code::Quantifier { quantifier, range, condition }, of: Type::Bool })
    }

    pub(super) fn is_loop(name: &str) -> bool {
        LOOPS.contains(&name)
    }

    pub(super) fn refuse<T>(&mut self, at: usize, why: impl Into<String>) -> Option<T> {
        self.mistakes.push(Mistake::new(at, why));
        None
    }
}
