//! Code × facts → a value, or why there is none. Every step is paid for.

use std::rc::Rc;

use super::arithmetic::{combine, negate};
use super::budget::Budget;
use super::code::Code;
use super::failure::Failure;
use super::function::Function;
use super::syntax::Operator;
use super::types::Kind;
use super::value::{List, Map, Text, Value};

/// What the variables are for one request. What is not there is none; what is malformed is an error.
pub(crate) trait Facts<'v> {
    type Variable;

    /// # Errors
    ///
    /// Something is there and is not what it must be.
    fn value(&self, variable: &Self::Variable) -> Result<Option<Value<'v>>, Failure>;

    /// One of the texts that a variable stands for.
    ///
    /// # Errors
    ///
    /// Something is there and is no text.
    fn text(&self, variable: &Self::Variable, name: &str) -> Result<Option<Text<'v>>, Failure>;

    /// Whether something is there under a name, whatever it is.
    ///
    /// # Errors
    ///
    /// That cannot be told.
    fn has_text(&self, variable: &Self::Variable, name: &str) -> Result<bool, Failure>;

    /// How many bytes are read to find one of the texts that a variable stands for.
    fn length(&self, variable: &Self::Variable) -> usize;
}

pub(super) struct Evaluation<'v, 'f, F: Facts<'v>> {
    facts: &'f F,
    /// The variables of the macros around.
    pub(super) locals: Vec<Value<'v>>,
    pub(super) budget: Budget,
}

impl<'v, 'f, F: Facts<'v>> Evaluation<'v, 'f, F> {
    pub(super) const fn new(facts: &'f F) -> Self {
        Self { facts, locals: Vec::new(), budget: Budget::full() }
    }

    /// The value of a part that must be true or false.
    pub(super) fn boolean(&mut self, code: &'v Code<F::Variable>) -> Result<bool, Failure> {
        match self.value(code)? {
            Value::Bool(value) => Ok(value),
            other => Err(Failure::WrongType("bool", other.kind())),
        }
    }

    pub(super) fn value(&mut self, code: &'v Code<F::Variable>) -> Result<Value<'v>, Failure> {
        self.budget.spend(1)?;
        match code {
            Code::Literal(literal) => Ok(Value::from_literal(literal)),
            Code::Variable { variable, name } => {
                self.facts.value(variable)?.ok_or_else(|| Failure::Absent(Rc::clone(name)))
            }
            Code::Text { variable, name, label } => {
                let name = self.text(name)?;
                self.budget.spend_on_text(self.facts.length(variable))?;
                self.facts.text(variable, &name)?.map(Value::Text).ok_or_else(|| Failure::Absent(Rc::clone(label)))
            }
            // The checker counts them as they are pushed.
            Code::Local(index) => {
                self.locals.get(*index).cloned().ok_or_else(|| Failure::Absent(Rc::from("a variable")))
            }
            Code::Select { operand, field, label } => {
                let map = self.map(operand, label)?;
                map.get(&Value::Text(Text::Borrowed(field))).ok_or_else(|| Failure::Absent(Rc::clone(label)))?
            }
            Code::Index { operand, index, label } => self.index(operand, index, label),
            Code::HasVariable(variable) => Ok(Value::Bool(self.facts.value(variable)?.is_some())),
            Code::HasText { variable, name } => {
                let name = self.text(name)?;
                self.budget.spend_on_text(self.facts.length(variable))?;
                self.facts.has_text(variable, &name).map(Value::Bool)
            }
            Code::HasField { operand, field } => {
                let map = self.map(operand, field)?;
                Ok(Value::Bool(map.get(&Value::Text(Text::Borrowed(field))).is_some()))
            }
            Code::Not(operand) => Ok(Value::Bool(!self.boolean(operand)?)),
            Code::Negate(operand) => negate(&self.value(operand)?),
            Code::Logic { settles, parts } => self.logic(*settles, parts).map(Value::Bool),
            Code::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                if self.boolean(condition)? { self.value(then) } else { self.value(otherwise) }
            }
            Code::Binary { operator, parts, is_strict } => {
                let [left, right] = &**parts;
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, left, right, *is_strict)
            }
            Code::Call(function, operand) => {
                let value = self.value(operand)?;
                self.spend_on(&value)?;
                value.apply(*function)
            }
            Code::CallText(function, parts) => self.call_text(*function, parts).map(Value::Bool),
            Code::Matches(regex, operand) => {
                let text = self.text(operand)?;
                // It takes a step of the machine for every byte, in the worst case for every state too.
                self.budget.spend(text.len() / 4)?;
                Ok(Value::Bool(regex.is_match(&text)))
            }
            Code::InNetwork(network, operand) => match self.value(operand)? {
                Value::Address(address) => Ok(Value::Bool(network.contains(address))),
                other => Err(Failure::WrongType(Function::InNetwork.name(), other.kind())),
            },
            Code::Clock(function, zone, operand) => {
                let value = self.value(operand)?;
                let wrong = Failure::WrongType(function.name(), value.kind());
                // A span of time is the same everywhere.
                if let Value::Duration(_) = value {
                    Err(wrong)
                } else {
                    value.clock(*function, zone).map(Value::Int).ok_or(wrong)
                }
            }
            Code::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::List(List::Made(Rc::from(items))))
            }
            Code::Map(entries) => self.make_map(entries),
            Code::Quantifier { quantifier, range, condition } => {
                self.quantify(*quantifier, range, condition).map(Value::Bool)
            }
            Code::Collect { range, condition, transform } => {
                self.collect(range, condition.as_deref(), transform.as_deref())
            }
        }
    }

    fn text(&mut self, code: &'v Code<F::Variable>) -> Result<Text<'v>, Failure> {
        match self.value(code)? {
            Value::Text(text) => Ok(text),
            other => Err(Failure::WrongType("string", other.kind())),
        }
    }

    fn map(&mut self, code: &'v Code<F::Variable>, name: &str) -> Result<Map<'v>, Failure> {
        match self.value(code)? {
            Value::Map(map) => {
                if let Map::Made(entries) = &map {
                    self.budget.spend(entries.len())?;
                }
                Ok(map)
            }
            // What is below something that is no object may mean anything.
            _ => Err(Failure::Malformed(Rc::from(name))),
        }
    }

    fn index(
        &mut self,
        operand: &'v Code<F::Variable>,
        index: &'v Code<F::Variable>,
        label: &Rc<str>,
    ) -> Result<Value<'v>, Failure> {
        let (operand, index) = (self.value(operand)?, self.value(index)?);
        match (operand, index) {
            (Value::Map(map), key) => {
                self.budget.spend(if let Map::Made(entries) = &map { entries.len() } else { 0 })?;
                map.get(&key).ok_or_else(|| Failure::Absent(Rc::clone(label)))?
            }
            (Value::List(list), index) => {
                let index = match index {
                    Value::Int(index) => index,
                    other => return Err(Failure::WrongTypes("[]", Kind::List, other.kind())),
                };
                let item = usize::try_from(index).ok().and_then(|index| list.get(index));
                item.ok_or(Failure::OutOfRange(index))?
            }
            (operand, index) => Err(Failure::WrongTypes("[]", operand.kind(), index.kind())),
        }
    }

    /// One part that settles it does so whatever is wrong with the others; else what is wrong with one leaves it open.
    fn logic(&mut self, settles: bool, parts: &'v [Code<F::Variable>]) -> Result<bool, Failure> {
        let mut outcome = Ok(!settles);
        for part in parts {
            match self.boolean(part) {
                Ok(value) if value == settles => return Ok(settles),
                Ok(_) => {}
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
        }
        outcome
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: Value<'v>,
        right: Value<'v>,
        is_strict: bool,
    ) -> Result<Value<'v>, Failure> {
        let symbol = operator.symbol();
        let budget = &mut self.budget;
        let mut order = || left.compare(&right, symbol, budget)?.ok_or(Failure::NotANumber);
        Ok(Value::Bool(match operator {
            Operator::Equal => left.equals(&right, is_strict, budget)?,
            Operator::NotEqual => !left.equals(&right, is_strict, budget)?,
            Operator::Less => order()?.is_lt(),
            Operator::AtMost => order()?.is_le(),
            Operator::Greater => order()?.is_gt(),
            Operator::AtLeast => order()?.is_ge(),
            Operator::In => self.contains(&left, right, is_strict)?,
            _ => return combine(operator, left, right, budget),
        }))
    }

    /// Whether a list has an item, or a map a key.
    fn contains(&mut self, wanted: &Value<'v>, range: Value<'v>, is_strict: bool) -> Result<bool, Failure> {
        match range {
            Value::List(list) => {
                let items = (0..list.len()).map(|index| list.get(index).unwrap_or(Ok(Value::Null)));
                self.equals_any(wanted, items, is_strict)
            }
            // What a claim is looked for in.
            Value::Map(Map::Made(entries)) if is_strict => {
                self.equals_any(wanted, entries.iter().map(|(key, _)| Ok(key.clone())), is_strict)
            }
            Value::Map(map) => {
                self.budget.spend(if let Map::Made(entries) = &map { entries.len() } else { 0 })?;
                match map.get(wanted) {
                    None if is_strict && !matches!(wanted, Value::Text(_)) && matches!(map, Map::Json(_)) => {
                        Err(Failure::WrongTypes("in", wanted.kind(), Kind::Map))
                    }
                    found => Ok(found.is_some()),
                }
            }
            other => Err(Failure::WrongTypes("in", wanted.kind(), other.kind())),
        }
    }

    /// One that is equal settles it; else one that cannot be compared leaves it open.
    fn equals_any(
        &mut self,
        wanted: &Value<'v>,
        items: impl Iterator<Item = Result<Value<'v>, Failure>>,
        is_strict: bool,
    ) -> Result<bool, Failure> {
        let mut outcome = Ok(false);
        for item in items {
            match item.and_then(|item| item.equals(wanted, is_strict, &mut self.budget)) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
        }
        outcome
    }

    fn call_text(&mut self, function: Function, parts: &'v [Code<F::Variable>; 2]) -> Result<bool, Failure> {
        let [text, part] = parts;
        let (text, part) = (self.text(text)?, self.text(part)?);
        self.budget.spend_on_text(text.len())?;
        Ok(match function {
            Function::StartsWith => text.starts_with(&*part),
            Function::EndsWith => text.ends_with(&*part),
            _ => text.contains(&*part),
        })
    }

    fn spend_on(&mut self, value: &Value<'_>) -> Result<(), Failure> {
        match value {
            Value::Text(text) => self.budget.spend_on_text(text.len()),
            _ => Ok(()),
        }
    }

    fn make_map(&mut self, entries: &'v [[Code<F::Variable>; 2]]) -> Result<Value<'v>, Failure> {
        let mut made: Vec<(Value<'v>, Value<'v>)> = Vec::with_capacity(entries.len());
        for [key, value] in entries {
            let (key, value) = (self.value(key)?, self.value(value)?);
            if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Text(_)) {
                return Err(Failure::WrongType("{}", key.kind()));
            }
            self.budget.spend(made.len())?;
            if made.iter().any(|(known, _)| known.is_same_key(&key)) {
                return Err(Failure::DuplicateKey);
            }
            made.push((key, value));
        }
        Ok(Value::Map(Map::Made(Rc::from(made))))
    }
}
