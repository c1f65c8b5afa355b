//! From one type to another, and what else functions do with one value.

use std::rc::Rc;

use super::failure::Failure;
use super::function::Function;
use super::moment::{Duration, Fraction, Timestamp};
use super::types::Kind;
use super::value::{Text, Value};
use crate::calendar::Zone;

impl<'v> Value<'v> {
    /// What a function of one argument makes of a value.
    pub(super) fn apply(self, function: Function) -> Result<Self, Failure> {
        let wrong = Failure::WrongType(function.name(), self.kind());
        match function {
            Function::Size => self.size().map(Value::Int).ok_or(wrong),
            Function::Bool => self.to_bool().ok_or(wrong)?.map(Value::Bool).ok_or(Failure::Inconvertible(Kind::Bool)),
            Function::Int => self.to_int().ok_or(wrong)?.map(Value::Int).ok_or(Failure::Inconvertible(Kind::Int)),
            Function::Uint => self.to_uint().ok_or(wrong)?.map(Value::Uint).ok_or(Failure::Inconvertible(Kind::Uint)),
            Function::Double => {
                self.to_double().ok_or(wrong)?.map(Value::Double).ok_or(Failure::Inconvertible(Kind::Double))
            }
            Function::Text => self.into_text().map(Value::Text).ok_or(wrong),
            Function::Timestamp => {
                self.to_timestamp().ok_or(wrong)?.map(Value::Timestamp).ok_or(Failure::Inconvertible(Kind::Timestamp))
            }
            Function::Duration => {
                self.to_duration().ok_or(wrong)?.map(Value::Duration).ok_or(Failure::Inconvertible(Kind::Duration))
            }
            _ => self.clock(function, &Zone::utc()).map(Value::Int).ok_or(wrong),
        }
    }

    /// Characters of a text, items of a list, entries of a map.
    fn size(&self) -> Option<i64> {
        let size = match self {
            Self::Text(text) => text.chars().count(),
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            _ => return None,
        };
        i64::try_from(size).ok()
    }

    // Of each: none for a type that is never converted; within, none for a value that cannot be.

    fn to_bool(&self) -> Option<Option<bool>> {
        match self {
            Self::Bool(value) => Some(Some(*value)),
            Self::Text(text) => Some(match &**text {
                "1" | "t" | "true" | "TRUE" | "True" => Some(true),
                "0" | "f" | "false" | "FALSE" | "False" => Some(false),
                _ => None,
            }),
            _ => None,
        }
    }

    #[expect(
        clippy::as_conversions,
        reason = "a double strictly between -2^63 and 2^63 loses only what is behind its point"
    )]
    fn to_int(&self) -> Option<Option<i64>> {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Self::Int(number) => Some(Some(*number)),
            Self::Uint(number) => Some(i64::try_from(*number).ok()),
            Self::Double(number) => Some((number.abs() < LIMIT).then(|| number.trunc() as i64)),
            Self::Text(text) => Some(text.parse().ok().filter(|_| !text.starts_with('+'))),
            Self::Timestamp(at) => Some(Some(at.seconds())),
            _ => None,
        }
    }

    #[expect(clippy::as_conversions, reason = "a double from 0 to less than 2^64 loses only what is behind its point")]
    fn to_uint(&self) -> Option<Option<u64>> {
        const LIMIT: f64 = 18_446_744_073_709_551_616.0;
        match self {
            Self::Int(number) => Some(u64::try_from(*number).ok()),
            Self::Uint(number) => Some(Some(*number)),
            Self::Double(number) => Some((0.0..LIMIT).contains(number).then(|| number.trunc() as u64)),
            Self::Text(text) => Some(text.parse().ok().filter(|_| !text.starts_with('+'))),
            _ => None,
        }
    }

    #[expect(clippy::as_conversions, reason = "to the nearest double, which is what is asked for")]
    fn to_double(&self) -> Option<Option<f64>> {
        match self {
            Self::Int(number) => Some(Some(*number as f64)),
            Self::Uint(number) => Some(Some(*number as f64)),
            Self::Double(number) => Some(Some(*number)),
            // What a text says of a number must be one: no `inf`, no `nan`.
            Self::Text(text) => {
                Some(text.parse().ok().filter(|number: &f64| number.is_finite() && !text.starts_with('+')))
            }
            _ => None,
        }
    }

    fn into_text(self) -> Option<Text<'v>> {
        let text = match self {
            Self::Text(text) => return Some(text),
            Self::Bool(value) => value.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Uint(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Duration(span) => span.to_string(),
            Self::Timestamp(at) => {
                let clock = Zone::utc().clock(at.seconds());
                let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
                let fraction = Fraction(at.nanoseconds().unsigned_abs());
                let (year, month, day) = (clock.year, clock.month, clock.day);
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
            }
            _ => return None,
        };
        Some(Text::Made(Rc::from(text)))
    }

    fn to_timestamp(&self) -> Option<Option<Timestamp>> {
        match self {
            Self::Timestamp(at) => Some(Some(*at)),
            Self::Int(seconds) => Some(Timestamp::from_seconds(*seconds)),
            Self::Text(text) => Some(Timestamp::parse(text)),
            _ => None,
        }
    }

    fn to_duration(&self) -> Option<Option<Duration>> {
        match self {
            Self::Duration(span) => Some(Some(*span)),
            Self::Text(text) => Some(Duration::parse(text)),
            _ => None,
        }
    }

    /// What clocks show at a point in time, or how long a span is; none for anything else.
    pub(super) fn clock(&self, function: Function, zone: &Zone) -> Option<i64> {
        match (self, function) {
            (Self::Timestamp(at), Function::Milliseconds) => Some(at.milliseconds()),
            (Self::Timestamp(at), _) => {
                let clock = zone.clock(at.seconds());
                Some(match function {
                    Function::Year => clock.year,
                    Function::Month => clock.month.saturating_sub(1),
                    Function::Date => clock.day,
                    Function::DayOfMonth => clock.day.saturating_sub(1),
                    Function::DayOfWeek => clock.days_since_sunday,
                    Function::DayOfYear => clock.day_of_year,
                    Function::Hours => clock.hour(),
                    Function::Minutes => clock.minute(),
                    Function::Seconds => clock.second(),
                    _ => return None,
                })
            }
            (Self::Duration(span), Function::Hours) => Some(span.whole(3_600_000_000_000)),
            (Self::Duration(span), Function::Minutes) => Some(span.whole(60_000_000_000)),
            (Self::Duration(span), Function::Seconds) => Some(span.whole(1_000_000_000)),
            (Self::Duration(span), Function::Milliseconds) => Some(span.whole(1_000_000) % 1000),
            _ => None,
        }
    }
}
