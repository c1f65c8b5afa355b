//! Time zones by their names in the IANA time zone database, as far as a rule describes them.

use super::date::Date;
use super::posix_rule::PosixRule;
use crate::document::Node;
use crate::time::UnixTime;

/// A rule and the zones that follow it in each line, but for comments. `cargo xtask time-zones` makes it.
const TABLE: &str = include_str!("../../time-zones.txt");

/// What stands in place of a rule where none describes the zones.
const NO_RULE: &str = "?";

/// A time zone, by what its clocks show.
#[derive(Debug)]
pub(crate) struct TimeZone {
    rule: PosixRule,
}

/// What the clocks of a zone show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocalTime {
    pub(super) date: Date,
    /// Seconds since midnight, 0 to 86,399, as a clock shows them: on days of 23 or 25 hours it skips or repeats some.
    pub(super) second: i64,
}

impl TimeZone {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        match Self::find(node.text()?) {
            Ok(zone) => Some(zone),
            Err(why) => node.refuse(why),
        }
    }

    /// The zone of this name.
    ///
    /// # Errors
    ///
    /// Why there is none, and what to write instead.
    pub(super) fn find(name: &str) -> Result<Self, String> {
        let Some((rule, _)) = zones().find(|(_, zone)| *zone == name) else {
            let similar = similar(name).map(|zone| format!("; did you mean `{zone}`?")).unwrap_or_default();
            return Err(format!(
                "`{name}` is not a time zone; write its name in the IANA database, for example `Europe/Berlin` or `UTC`{similar}"
            ));
        };
        if rule == NO_RULE {
            return Err(format!(
                "the clocks of `{name}` will change in a way that no yearly rule describes, so it cannot be told what they show; write another zone, for example `UTC`"
            ));
        }
        let rule = PosixRule::parse(rule)
            .ok_or_else(|| format!("the rule of `{name}` in this module, `{rule}`, cannot be read"))?;
        Ok(Self { rule })
    }

    /// How far its clocks are ahead, in seconds, so many seconds after 1970 began.
    pub(super) fn offset_at(&self, seconds: i64) -> i64 {
        self.rule.offset_at(seconds)
    }

    /// What clocks show at a time.
    pub(super) fn local(&self, now: UnixTime) -> LocalTime {
        // The largest number of milliseconds, in seconds, is well within the range.
        let seconds = i64::try_from(now.as_millis() / 1000).unwrap_or(i64::MAX);
        let (date, second) = Date::of_seconds(seconds.saturating_add(self.offset_at(seconds)));
        LocalTime { date, second }
    }
}

/// All zones of the table, each with its rule before it.
fn zones() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let (rule, zones) = line.split_once(' ').unwrap_or((line, ""));
        zones.split(' ').map(move |zone| (rule, zone))
    })
}

/// The zone whose name or the last part of it is most like this one's: without regard to case, and with one character in
/// five that may differ.
fn similar(name: &str) -> Option<&'static str> {
    fn last(name: &str) -> &str {
        name.rsplit('/').next().unwrap_or(name)
    }
    let candidates = zones().map(|(_, zone)| {
        let whole = difference(name, zone);
        (difference(last(name), last(zone)).min(whole), whole, zone)
    });
    let near = candidates.filter(|(difference, ..)| *difference <= last(name).len() / 5);
    near.min().map(|(.., zone)| zone)
}

/// How many characters lie between the first and the last that differ.
fn difference(one: &str, other: &str) -> usize {
    let alike = |(one, other): &(u8, u8)| one.eq_ignore_ascii_case(other);
    let start = one.bytes().zip(other.bytes()).take_while(alike).count();
    let shorter = one.len().min(other.len()).saturating_sub(start);
    let end = one.bytes().rev().zip(other.bytes().rev()).take(shorter).take_while(alike).count();
    one.len().max(other.len()).saturating_sub(start).saturating_sub(end)
}

#[cfg(test)]
pub(super) mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::document;

    pub(crate) fn zone(name: &str) -> TimeZone {
        read(name).unwrap()
    }

    fn read(name: &str) -> Result<TimeZone, String> {
        let json = serde_json::json!(name).to_string();
        document::read(json.as_bytes(), TimeZone::read).map_err(|errors| errors.to_string())
    }

    /// The names of all zones, with whether a rule describes them, and since when it does.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn table() -> (Vec<(&'static str, bool)>, &'static str) {
        let (_, from) = TABLE.split_once(" since ").unwrap();
        let (from, _) = from.split_once(". ").unwrap();
        (zones().map(|(rule, zone)| (zone, rule != NO_RULE)).collect(), from)
    }

    #[test]
    fn every_rule_of_the_table_can_be_read() {
        assert!(zones().count() > 590);
        for (rule, name) in zones() {
            assert_eq!(read(name).is_ok(), rule != NO_RULE, "{name}");
        }
    }

    #[test]
    fn a_zone_that_is_not_known_is_refused() {
        for (name, similar) in [
            ("europe/berlin", "; did you mean `Europe/Berlin`?"),
            ("Asia/Berlin", "; did you mean `Europe/Berlin`?"),
            ("Europe/Berln", "; did you mean `Europe/Berlin`?"),
            ("Dubai", "; did you mean `Asia/Dubai`?"),
            ("New York", "; did you mean `America/New_York`?"),
            ("utc", "; did you mean `UTC`?"),
            ("CEST", ""),
            ("UTC+4", ""),
            ("CET-1", ""),
            ("#", ""),
            ("?", ""),
            ("Asia/Dubai UTC", ""),
            ("Factory", ""),
        ] {
            let expected = format!(
                "document: `{name}` is not a time zone; write its name in the IANA database, for example `Europe/Berlin` or `UTC`{similar}"
            );
            assert_eq!(read(name).unwrap_err(), expected);
        }
        assert_eq!(read("").unwrap_err(), "document: must not be empty");
        assert_eq!(
            read("Asia/Gaza").unwrap_err(),
            "document: the clocks of `Asia/Gaza` will change in a way that no yearly rule describes, so it cannot be told what they show; write another zone, for example `UTC`"
        );
    }
}
