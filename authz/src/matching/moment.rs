//! Dates of tokens, and the points in time that they are compared with.

use super::operand::{Facts, Scope};
use super::test::{Match, holds_if};
use crate::calendar::{parse_instant, read_instant};
use crate::document::Node;
use crate::json::Json;
use crate::time::UnixTime;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Now,
    At(UnixTime),
}

impl Moment {
    pub(super) fn read(node: &Node<'_>, scope: Scope<'_>) -> Option<Self> {
        match (node.text()?, scope) {
            ("now", Scope::Request(_)) => Some(Self::Now),
            ("now", Scope::Constants) => node.refuse("here is no request, and so no `now`"),
            _ => read_instant(node).map(Self::At),
        }
    }
}

/// A date in a token: seconds since 1970 (RFC 7519 section 2, NumericDate), or a date-time of RFC 3339.
pub(super) fn dated(
    value: Json<'_>,
    moment: Moment,
    facts: &Facts<'_>,
    holds: impl FnOnce(UnixTime, UnixTime) -> bool,
) -> Match {
    let date = match value {
        Json::Number(number) => UnixTime::from_numeric_date(number),
        Json::Text(text) => parse_instant(text),
        _ => None,
    };
    let moment = match moment {
        Moment::Now => facts.now,
        Moment::At(moment) => Some(moment),
    };
    match (date, moment) {
        (Some(date), Some(moment)) => holds_if(holds(date, moment)),
        _ => Match::Undecidable,
    }
}
