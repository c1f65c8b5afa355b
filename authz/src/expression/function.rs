//! The functions, as a table; and what a call of one must look like.

use regex_lite::RegexBuilder;

use super::checker::{Checked, Checker};
use super::code::Code;
use super::macros;
use super::mistake::suggestion;
use super::moment::{Duration, Timestamp};
use super::syntax::{Expression, Kind as Syntax, Literal};
use super::types::{Kind, Type};
use crate::calendar::Zone;
use crate::http::Network;
use crate::limits::MAX_REGEX_BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
    InNetwork,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Timestamp,
    Duration,
    Year,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// How a function is called.
struct Signature {
    name: &'static str,
    function: Function,
    form: Form,
    /// Of which types its first argument, or what it is called on, may be.
    accepts: &'static [Kind],
    second: Second,
    result: Type,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `f(x)`
    Plain,
    /// `x.f()`
    Method,
    Both,
}

/// What follows the first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    Nothing,
    Text,
    /// Written in the text, so that it is compiled when a bundle is read.
    Pattern,
    Network,
    /// A time zone, if it is not UTC.
    Zone,
}

const fn plain(name: &'static str, function: Function, accepts: &'static [Kind], result: Type) -> Signature {
    Signature { name, function, form: Form::Plain, accepts, second: Second::Nothing, result }
}

const fn of_text(name: &'static str, function: Function, second: Second) -> Signature {
    let form = if matches!(second, Second::Pattern) { Form::Both } else { Form::Method };
    Signature { name, function, form, accepts: &[Kind::Text], second, result: Type::Bool }
}

const fn of_time(name: &'static str, function: Function, accepts: &'static [Kind]) -> Signature {
    Signature { name, function, form: Form::Method, accepts, second: Second::Zone, result: Type::Int }
}

const AT: &[Kind] = &[Kind::Timestamp];
const TIME: &[Kind] = &[Kind::Timestamp, Kind::Duration];

const FUNCTIONS: &[Signature] = &[
    Signature {
        name: "size",
        function: Function::Size,
        form: Form::Both,
        accepts: &[Kind::Text, Kind::List, Kind::Map],
        second: Second::Nothing,
        result: Type::Int,
    },
    of_text("startsWith", Function::StartsWith, Second::Text),
    of_text("endsWith", Function::EndsWith, Second::Text),
    of_text("contains", Function::Contains, Second::Text),
    of_text("matches", Function::Matches, Second::Pattern),
    Signature {
        name: "inNetwork",
        function: Function::InNetwork,
        form: Form::Method,
        accepts: &[Kind::Address],
        second: Second::Network,
        result: Type::Bool,
    },
    plain("bool", Function::Bool, &[Kind::Bool, Kind::Text], Type::Bool),
    plain("int", Function::Int, &[Kind::Int, Kind::Uint, Kind::Double, Kind::Text, Kind::Timestamp], Type::Int),
    plain("uint", Function::Uint, &[Kind::Int, Kind::Uint, Kind::Double, Kind::Text], Type::Uint),
    plain("double", Function::Double, &[Kind::Int, Kind::Uint, Kind::Double, Kind::Text], Type::Double),
    plain(
        "string",
        Function::Text,
        &[Kind::Bool, Kind::Int, Kind::Uint, Kind::Double, Kind::Text, Kind::Timestamp, Kind::Duration],
        Type::Text,
    ),
    plain("timestamp", Function::Timestamp, &[Kind::Int, Kind::Text, Kind::Timestamp], Type::Timestamp),
    plain("duration", Function::Duration, &[Kind::Text, Kind::Duration], Type::Duration),
    of_time("getFullYear", Function::Year, AT),
    of_time("getMonth", Function::Month, AT),
    of_time("getDate", Function::Date, AT),
    of_time("getDayOfMonth", Function::DayOfMonth, AT),
    of_time("getDayOfWeek", Function::DayOfWeek, AT),
    of_time("getDayOfYear", Function::DayOfYear, AT),
    of_time("getHours", Function::Hours, TIME),
    of_time("getMinutes", Function::Minutes, TIME),
    of_time("getSeconds", Function::Seconds, TIME),
    of_time("getMilliseconds", Function::Milliseconds, TIME),
];

impl Function {
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|signature| signature.function == self).map_or("", |signature| signature.name)
    }
}

impl<V: Clone> Checker<'_, V> {
    pub(super) fn call(
        &mut self,
        at: usize,
        receiver: Option<&Expression>,
        name: &str,
        arguments: &[Expression],
    ) -> Option<Checked<V>> {
        match (receiver, name, arguments) {
            (None, "has", _) => return self.has(at, arguments),
            // CEL's own way to say that a type is to be checked when it is evaluated.
            (None, "dyn", [argument]) => return Some(Checked { of: Type::Dyn, ..self.check(argument)? }),
            (Some(range), name, _) if Self::is_loop(name) => return self.walk(at, range, name, arguments),
            _ => {}
        }
        let Some(signature) = FUNCTIONS.iter().find(|signature| signature.name == name) else {
            let known = FUNCTIONS.iter().map(|signature| signature.name).chain(macros::names()).chain(["has", "dyn"]);
            return self.refuse(at, format!("there is no function `{name}`{}", suggestion(name, known)));
        };
        match (signature.form, receiver) {
            (Form::Plain, Some(_)) => return self.refuse(at, format!("`{name}` is no method; write `{name}(..)`")),
            (Form::Method, None) => return self.refuse(at, format!("`{name}` is a method; write `x.{name}(..)`")),
            _ => {}
        }
        let arguments: Vec<&Expression> = receiver.into_iter().chain(arguments).collect();
        let (first, second) = match (signature.second, arguments.as_slice()) {
            (Second::Nothing | Second::Zone, [first]) => (first, None),
            (Second::Text | Second::Pattern | Second::Network | Second::Zone, [first, second]) => {
                (first, Some(*second))
            }
            _ => return self.refuse(at, format!("`{name}` is called with the wrong number of arguments")),
        };
        let operand = self.check(first)?;
        if let Some(kind) = operand.of.kind()
            && !signature.accepts.contains(&kind)
        {
            return self.refuse(first.at, format!("`{name}` has no meaning for a value of type {}", operand.of));
        }
        let code = self.applied(signature, operand, first, second)?;
        Some(Checked { code, of: signature.result.clone() })
    }

    fn applied(
        &mut self,
        signature: &Signature,
        operand: Checked<V>,
        first: &Expression,
        second: Option<&Expression>,
    ) -> Option<Code<V>> {
        let (name, function) = (signature.name, signature.function);
        let Some(second) = second else { return self.constant(signature, operand.code, first.at) };
        if signature.second == Second::Text {
            let second = self.text(second, name)?;
            return Some(Code::CallText(function, Box::new([operand.code, second])));
        }
        let Syntax::Literal(Literal::Text(text)) = &second.kind else {
            return self
                .refuse(second.at, format!("`{name}` wants a string in quotes here, which is read with the bundle"));
        };
        let operand_code = Box::new(operand.code);
        match signature.second {
            Second::Pattern => match RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build() {
                Ok(regex) => Some(Code::Matches(regex, operand_code)),
                Err(error) => {
                    self.refuse(second.at, format!("`{text}` is not a regular expression that can be used: {error}"))
                }
            },
            Second::Network => match Network::parse(text) {
                Some(network) => Some(Code::InNetwork(network, operand_code)),
                None => {
                    let why = format!("`{text}` is not a network such as `10.0.0.0/8`, `2001:db8::/32` or `127.0.0.1`");
                    self.refuse(second.at, why)
                }
            },
            _ if operand.of == Type::Duration => {
                self.refuse(second.at, format!("`{name}` of a duration has no time zone; leave it out"))
            }
            _ => match Zone::find(text) {
                Ok(zone) => Some(Code::Clock(function, zone, operand_code)),
                Err(why) => self.refuse(second.at, why),
            },
        }
    }

    /// Times that are written in the text are read with it.
    fn constant(&mut self, signature: &Signature, operand: Code<V>, at: usize) -> Option<Code<V>> {
        match (signature.function, operand) {
            (Function::Timestamp, Code::Literal(Literal::Text(text))) => match Timestamp::parse(&text) {
                Some(timestamp) => Some(Code::Literal(Literal::Timestamp(timestamp))),
                None => self.refuse(
                    at,
                    format!("`{text}` is not a date-time of RFC 3339; write for example `2027-01-31T18:00:00+04:00`"),
                ),
            },
            (Function::Duration, Code::Literal(Literal::Text(text))) => match Duration::parse(&text) {
                Some(duration) => Some(Code::Literal(Literal::Duration(duration))),
                None => self.refuse(at, format!("`{text}` is not a duration; write for example `90s` or `1h30m`")),
            },
            (function, operand) => Some(Code::Call(function, Box::new(operand))),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_function_is_documented() {
        let page = include_str!("../../../docs/expressions.md");
        let macros = macros::names().map(|name| format!(".{name}("));
        for call in FUNCTIONS.iter().map(|signature| format!("{}(", signature.name)).chain(macros) {
            assert!(page.contains(&call), "{call} is not documented");
        }
    }
}
