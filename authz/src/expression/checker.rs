//! Tree → code: resolves every name and checks every type, and finds everything that is wrong on the way.

use std::rc::Rc;

use super::code::Code;
use super::environment::{Environment, Shape};
use super::mistake::{Mistake, suggestion};
use super::syntax::{Expression, Kind, Literal, Operator};
use super::types::Type;

/// A part that is good, and its type.
pub(super) struct Checked<V> {
    pub(super) code: Code<V>,
    pub(super) of: Type,
}

pub(super) struct Checker<'e, V> {
    pub(super) environment: &'e Environment<V>,
    /// The variables of the macros around a part.
    pub(super) locals: Vec<(String, Type)>,
    pub(super) mistakes: Vec<Mistake>,
    variables: Vec<V>,
}

impl<'e, V: Clone> Checker<'e, V> {
    pub(super) const fn new(environment: &'e Environment<V>) -> Self {
        Self { environment, locals: Vec::new(), mistakes: Vec::new(), variables: Vec::new() }
    }

    /// Checks an expression that says yes or no; returns its code and all variables that it mentions.
    pub(super) fn check_condition(
        expression: &Expression,
        environment: &'e Environment<V>,
    ) -> Result<(Code<V>, Vec<V>), Vec<Mistake>> {
        let mut checker = Self::new(environment);
        match (checker.condition(expression), checker.mistakes) {
            (Some(code), mistakes) if mistakes.is_empty() => Ok((code, checker.variables)),
            (_, mistakes) => Err(mistakes),
        }
    }

    /// A part that says yes or no. None only after what is wrong was remembered; so are all functions here.
    pub(super) fn condition(&mut self, expression: &Expression) -> Option<Code<V>> {
        let Checked { code, of } = self.check(expression)?;
        match of {
            Type::Bool | Type::Dyn | Type::Claim => Some(code),
            other => self.refuse(expression.at, format!("must be true or false, and is of type {other}")),
        }
    }

    pub(super) fn check(&mut self, expression: &Expression) -> Option<Checked<V>> {
        let at = expression.at;
        match &expression.kind {
            Kind::Literal(literal) => Some(Checked { of: type_of(literal), code: Code::Literal(literal.clone()) }),
            Kind::Name { .. } | Kind::Select { .. } | Kind::Index { .. } => self.named(expression),
            Kind::Call { receiver, name, arguments } => self.call(at, receiver.as_deref(), name, arguments),
            Kind::Not(operand) => {
                let operand = Box::new(self.condition(operand)?);
                Some(Checked { code: Code::Not(operand), of: Type::Bool })
            }
            Kind::Negate(operand) => {
                let Checked { code, of } = self.check(operand)?;
                match of {
                    Type::Int | Type::Double | Type::Dyn | Type::Claim => {
                        Some(Checked { code: Code::Negate(Box::new(code)), of })
                    }
                    other => self.refuse(at, format!("`-` has no meaning for a value of type {other}")),
                }
            }
            Kind::Binary(operator, parts) => self.binary(at, *operator, parts),
            Kind::And(parts) => self.logic(false, parts),
            Kind::Or(parts) => self.logic(true, parts),
            Kind::Conditional(parts) => self.conditional(at, parts),
            Kind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.check(item)).collect();
                let items: Vec<Checked<V>> = items.into_iter().collect::<Option<_>>()?;
                let of = Type::list(joined(items.iter().map(|item| &item.of)));
                Some(Checked { code: Code::List(items.into_iter().map(|item| item.code).collect()), of })
            }
            Kind::Map(entries) => self.map(entries),
        }
    }

    fn logic(&mut self, settles: bool, parts: &[Expression]) -> Option<Checked<V>> {
        let parts: Vec<_> = parts.iter().map(|part| self.condition(part)).collect();
        let parts = parts.into_iter().collect::<Option<_>>()?;
        Some(Checked { code: Code::Logic { settles, parts }, of: Type::Bool })
    }

    fn conditional(&mut self, at: usize, parts: &[Expression; 3]) -> Option<Checked<V>> {
        let [condition, then, otherwise] = parts;
        let (condition, then, otherwise) = (self.condition(condition), self.check(then), self.check(otherwise));
        let (condition, then, otherwise) = (condition?, then?, otherwise?);
        if !then.of.is_comparable(&otherwise.of) {
            let (one, other) = (then.of, otherwise.of);
            return self
                .refuse(at, format!("both sides of `:` must be of one type, and are of types {one} and {other}"));
        }
        let of = then.of.joined(&otherwise.of);
        Some(Checked { code: Code::Conditional(Box::new([condition, then.code, otherwise.code])), of })
    }

    fn map(&mut self, entries: &[(Expression, Expression)]) -> Option<Checked<V>> {
        let mut checked = Vec::with_capacity(entries.len());
        let mut is_complete = true;
        for (key, value) in entries {
            let (at, key, value) = (key.at, self.check(key), self.check(value));
            match (key, value) {
                (Some(key), Some(value)) => {
                    let is_key =
                        matches!(key.of, Type::Bool | Type::Int | Type::Uint | Type::Text | Type::Dyn | Type::Claim);
                    if !is_key {
                        let why = format!("a key is a string, an int, a uint or a bool, and not of type {}", key.of);
                        return self.refuse(at, why);
                    }
                    checked.push((key, value));
                }
                _ => is_complete = false,
            }
        }
        if !is_complete {
            return None;
        }
        let of = Type::map(
            joined(checked.iter().map(|(key, _)| &key.of)),
            joined(checked.iter().map(|(_, value)| &value.of)),
        );
        let entries = checked.into_iter().map(|(key, value)| [key.code, value.code]).collect();
        Some(Checked { code: Code::Map(entries), of })
    }

    /// A name, a field or an item.
    fn named(&mut self, expression: &Expression) -> Option<Checked<V>> {
        let at = expression.at;
        if let Some(path) = self.path(expression) {
            match self.environment.find(&path) {
                Some((Shape::Value(of), variable)) => {
                    let (variable, of) = (self.remember(variable), of.clone());
                    return Some(Checked { code: Code::Variable { variable, name: Rc::from(path) }, of });
                }
                Some((Shape::Texts, _)) => {
                    let why = format!(
                        "`{path}` is asked for one name at a time: `{path}['x-name']`, `'x-name' in {path}` or `has({path}.name)`"
                    );
                    return self.refuse(at, why);
                }
                None => {}
            }
            let fields = self.environment.fields(&path);
            if !fields.is_empty() {
                let why = format!("`{path}` is no value; it has the fields `{}`", fields.join("`, `"));
                return self.refuse(at, why);
            }
        }
        match &expression.kind {
            Kind::Name { name, is_absolute } => self.name(at, name, *is_absolute),
            Kind::Select { operand, field } => self.select(expression, operand, field),
            Kind::Index { operand, index } => self.index(expression, operand, index),
            _ => None,
        }
    }

    fn name(&mut self, at: usize, name: &str, is_absolute: bool) -> Option<Checked<V>> {
        let local = self.locals.iter().rposition(|(local, _)| local == name && !is_absolute);
        if let Some((index, (_, of))) = local.and_then(|index| Some((index, self.locals.get(index)?))) {
            return Some(Checked { code: Code::Local(index), of: of.clone() });
        }
        let known = self.environment.roots();
        let locals = self.locals.iter().map(|(local, _)| local.as_str());
        let similar = suggestion(name, known.iter().copied().chain(locals));
        let why = format!("`{name}` is not known{similar}; known are `{}`", known.join("`, `"));
        self.refuse(at, why)
    }

    fn select(&mut self, whole: &Expression, operand: &Expression, field: &str) -> Option<Checked<V>> {
        let path = self.path(operand);
        if let Some(path) = &path {
            if let Some((Shape::Texts, variable)) = self.environment.find(path) {
                let (variable, label) = (self.remember(variable), label(whole));
                let name = Box::new(Code::text(field));
                return Some(Checked { code: Code::Text { variable, name, label }, of: Type::Text });
            }
            let fields = self.environment.fields(path);
            if !fields.is_empty() {
                let similar = suggestion(field, fields.iter().copied());
                let why = format!("`{path}` has no `{field}`{similar}; it has `{}`", fields.join("`, `"));
                return self.refuse(whole.at, why);
            }
        }
        let Checked { code, of } = self.check(operand)?;
        let of = match of {
            Type::Map(keys, values) if keys.is_comparable(&Type::Text) => Type::clone(&values),
            Type::Dyn | Type::Claim => of,
            other => return self.refuse(whole.at, format!("a value of type {other} has no field `{field}`")),
        };
        let operand = Box::new(code);
        Some(Checked { code: Code::Select { operand, field: field.to_owned(), label: label(whole) }, of })
    }

    fn index(&mut self, whole: &Expression, operand: &Expression, index: &Expression) -> Option<Checked<V>> {
        let path = self.path(operand);
        if let Some((Shape::Texts, variable)) = path.as_ref().and_then(|path| self.environment.find(path)) {
            let variable = self.remember(variable);
            let name = self.text(index, "[]")?;
            return Some(Checked {
                code: Code::Text { variable, name: Box::new(name), label: label(whole) },
                of: Type::Text,
            });
        }
        if let (Some(path), Kind::Literal(Literal::Text(field))) = (&path, &index.kind)
            && !self.environment.fields(path).is_empty()
        {
            return self.select(whole, operand, field);
        }
        let (operand, index) = (self.check(operand), self.check(index));
        let (operand, index) = (operand?, index?);
        let of = match &operand.of {
            Type::Map(keys, values) if keys.is_comparable(&index.of) => Type::clone(values),
            Type::List(items) if matches!(index.of, Type::Int | Type::Dyn | Type::Claim) => Type::clone(items),
            Type::Dyn | Type::Claim => operand.of.clone(),
            other => {
                let why = format!("a value of type {other} has no items under a key of type {}", index.of);
                return self.refuse(whole.at, why);
            }
        };
        let (operand, index) = (Box::new(operand.code), Box::new(index.code));
        Some(Checked { code: Code::Index { operand, index, label: label(whole) }, of })
    }

    fn binary(&mut self, at: usize, operator: Operator, parts: &[Expression; 2]) -> Option<Checked<V>> {
        let [left, right] = parts;
        if let (Operator::In, Some(path)) = (operator, self.path(right))
            && let Some((Shape::Texts, variable)) = self.environment.find(&path)
        {
            let variable = self.remember(variable);
            let name = Box::new(self.text(left, "in")?);
            return Some(Checked { code: Code::HasText { variable, name }, of: Type::Bool });
        }
        let (left, right) = (self.check(left), self.check(right));
        let (left, right) = (left?, right?);
        let Some(of) = operator.result(&left.of, &right.of) else {
            let (operator, one, other) = (operator.symbol(), left.of, right.of);
            return self.refuse(at, format!("`{operator}` has no meaning for values of types {one} and {other}"));
        };
        // `null` and what `dyn()` is about are compared as CEL does: nothing of another type is equal.
        let is_strict =
            (left.of.has_claims() || right.of.has_claims()) && left.of != Type::Null && right.of != Type::Null;
        let parts = Box::new([left.code, right.code]);
        Some(Checked { code: Code::Binary { operator, parts, is_strict }, of })
    }

    /// A part that is a text.
    pub(super) fn text(&mut self, expression: &Expression, operation: &str) -> Option<Code<V>> {
        let Checked { code, of } = self.check(expression)?;
        match of {
            Type::Text | Type::Dyn | Type::Claim => Some(code),
            other => {
                self.refuse(expression.at, format!("`{operation}` wants a string here, and this is of type {other}"))
            }
        }
    }

    /// The name that a part is, with its dots, unless it begins with the variable of a macro.
    pub(super) fn path(&self, expression: &Expression) -> Option<String> {
        match &expression.kind {
            Kind::Name { name, is_absolute } => {
                let is_local = !is_absolute && self.locals.iter().any(|(local, _)| local == name);
                (!is_local).then(|| name.clone())
            }
            Kind::Select { operand, field } => Some(format!("{}.{field}", self.path(operand)?)),
            Kind::Index { operand, index } => match &index.kind {
                Kind::Literal(Literal::Text(field)) => {
                    let path = self.path(operand)?;
                    (!self.environment.fields(&path).is_empty()).then(|| format!("{path}.{field}"))
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn remember(&mut self, variable: &V) -> V {
        self.variables.push(variable.clone());
        variable.clone()
    }
}

impl<V> Code<V> {
    pub(super) fn text(text: &str) -> Self {
        Self::Literal(Literal::Text(text.to_owned()))
    }
}

const fn type_of(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::Text(_) => Type::Text,
        Literal::Timestamp(_) => Type::Timestamp,
        Literal::Duration(_) => Type::Duration,
    }
}

/// The type of all together; of none, whatever is wanted.
fn joined<'t>(types: impl Iterator<Item = &'t Type>) -> Type {
    types.cloned().reduce(|one, other| one.joined(&other)).unwrap_or(Type::Dyn)
}

/// How a part is called when something is wrong with its value.
fn label(expression: &Expression) -> Rc<str> {
    fn write(expression: &Expression) -> String {
        match &expression.kind {
            Kind::Name { name, .. } => name.clone(),
            Kind::Select { operand, field } => format!("{}.{field}", write(operand)),
            Kind::Index { operand, index } => match &index.kind {
                Kind::Literal(Literal::Text(key)) => format!("{}['{key}']", write(operand)),
                Kind::Literal(Literal::Int(index)) => format!("{}[{index}]", write(operand)),
                _ => format!("{}[..]", write(operand)),
            },
            _ => "(..)".to_owned(),
        }
    }
    Rc::from(write(expression))
}
