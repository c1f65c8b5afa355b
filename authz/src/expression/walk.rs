//! The macros, evaluated: what is said of the items of a list.

use std::rc::Rc;

use super::code::{Code, Quantifier};
use super::evaluator::{Evaluation, Facts};
use super::failure::Failure;
use super::value::{List, Value};

impl<'v, F: Facts<'v>> Evaluation<'v, '_, F> {
    /// The items of a list or the keys of a map.
    fn range(&mut self, code: &'v Code<F::Variable>, operation: &'static str) -> Result<List<'v>, Failure> {
        match self.value(code)? {
            Value::List(list) => Ok(list),
            Value::Map(map) => {
                self.budget.spend(map.len())?;
                Ok(map.keys())
            }
            other => Err(Failure::WrongType(operation, other.kind())),
        }
    }

    /// A part in which the variable of a macro stands for an item.
    fn with<T>(
        &mut self,
        item: Result<Value<'v>, Failure>,
        judge: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.locals.push(item?);
        let outcome = judge(self);
        self.locals.pop();
        outcome
    }

    pub(super) fn quantify(
        &mut self,
        quantifier: Quantifier,
        range: &'v Code<F::Variable>,
        condition: &'v Code<F::Variable>,
    ) -> Result<bool, Failure> {
        let list = self.range(range, quantifier.name())?;
        let settles = quantifier == Quantifier::Any;
        let mut outcome = Ok(!settles);
        let mut count: usize = 0;
        for index in 0..list.len() {
            let Some(item) = list.get(index) else { break };
            match (quantifier, self.with(item, |this| this.boolean(condition))) {
                (Quantifier::One, holds) => count = count.saturating_add(usize::from(holds?)),
                (_, Ok(holds)) if holds == settles => return Ok(settles),
                (_, Ok(_)) => {}
                // Without steps nothing is decided any more.
                (_, Err(Failure::TooManySteps)) => return Err(Failure::TooManySteps),
                (_, Err(failure)) => outcome = outcome.and(Err(failure)),
            }
        }
        if quantifier == Quantifier::One { Ok(count == 1) } else { outcome }
    }

    pub(super) fn collect(
        &mut self,
        range: &'v Code<F::Variable>,
        condition: Option<&'v Code<F::Variable>>,
        transform: Option<&'v Code<F::Variable>>,
    ) -> Result<Value<'v>, Failure> {
        let list = self.range(range, if transform.is_some() { "map" } else { "filter" })?;
        let mut made = Vec::new();
        for index in 0..list.len() {
            let Some(item) = list.get(index) else { break };
            let item = item?;
            let kept = self.with(Ok(item.clone()), |this| {
                if let Some(condition) = condition
                    && !this.boolean(condition)?
                {
                    return Ok(None);
                }
                transform.map_or(Ok(Some(item)), |transform| this.value(transform).map(Some))
            })?;
            made.extend(kept);
        }
        Ok(Value::List(List::Made(Rc::from(made))))
    }
}

impl Quantifier {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "exists",
            Self::One => "exists_one",
        }
    }
}
