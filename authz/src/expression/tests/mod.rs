//! Expressions by themselves; in rules they are tested with everything else.

mod conformance;
#[cfg(not(target_arch = "wasm32"))]
mod differential;
mod hostile;
mod mistakes;
mod values;

use std::collections::BTreeMap;

use super::checker::Checker;
use super::evaluator::Evaluation;
use super::{Environment, Facts, Failure, Shape, Text, Type, Value, parser};

/// Names with values of any type.
#[derive(Default)]
pub(super) struct Bindings(pub(super) BTreeMap<String, Value<'static>>);

impl<'v> Facts<'v> for Bindings {
    type Variable = String;

    fn value(&self, name: &String) -> Result<Option<Value<'v>>, Failure> {
        Ok(self.0.get(name).cloned())
    }

    fn text(&self, _: &String, _: &str) -> Result<Option<Text<'v>>, Failure> {
        Ok(None)
    }

    fn has_text(&self, _: &String, _: &str) -> Result<bool, Failure> {
        Ok(false)
    }

    fn length(&self, _: &String) -> usize {
        0
    }
}

/// What an expression comes to, whatever its type; or what is wrong with it, from whomever.
pub(super) fn outcome<T>(text: &str, bindings: &Bindings, judge: impl FnOnce(Value<'_>) -> T) -> Result<T, String> {
    let mut environment = Environment::new();
    for name in bindings.0.keys() {
        environment.declare(name, Shape::Value(Type::Dyn), name.clone());
    }
    let describe = |mistake: super::Mistake| mistake.describe(text).to_string();
    let expression = parser::parse(text).map_err(describe)?;
    let mut checker = Checker::new(&environment);
    match (checker.check(&expression), checker.mistakes) {
        (Some(checked), mistakes) if mistakes.is_empty() => {
            Evaluation::new(bindings).value(&checked.code).map(judge).map_err(|failure| failure.to_string())
        }
        (_, mistakes) => Err(mistakes.into_iter().map(describe).collect::<Vec<_>>().join("\n")),
    }
}
