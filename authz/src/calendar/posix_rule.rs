//! What the clocks of a place show, by the rule that POSIX keeps in `TZ` (POSIX.1-2024 section 8.3, with the hours of RFC 9636
//! section 3.3.1): a standard time and, in most of the rules that are longer, a daylight saving time with its two changes.

use std::ops::RangeInclusive;

use super::date::{Date, days_of_month};

/// A rule for the offset of local time from UTC, the same every year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PosixRule {
    /// Seconds that local time is ahead of UTC.
    standard: i64,
    daylight: Option<Daylight>,
}

/// The other of the two offsets. In Dublin it is the smaller one, in winter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Daylight {
    offset: i64,
    begins: Change,
    ends: Change,
}

/// When clocks are changed in a year, as they show it before the change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds from the beginning of the day; up to a week before or after it.
    time: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Day {
    /// `Jn`: day 1 to 365 of a year whose 29 February is not counted.
    Julian(i64),
    /// `n`: days since 1 January, 0 to 365.
    ZeroBased(i64),
    /// `Mm.w.d`: a weekday, Sunday is 0, the first of the month or a later one; the fifth is the last.
    Weekday { month: u8, week: i64, days_since_sunday: i64 },
}

impl PosixRule {
    /// Reads a rule, strictly: daylight saving time without its changes means something else in every system.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = name(text)?;
        let (behind, rest) = time(rest, 1..=2, 24)?;
        let standard = behind.saturating_neg();
        if rest.is_empty() {
            return Some(Self { standard, daylight: None });
        }
        let rest = name(rest)?;
        let (offset, rest) = if rest.starts_with(',') {
            (standard.saturating_add(3600), rest)
        } else {
            let (behind, rest) = time(rest, 1..=2, 24)?;
            (behind.saturating_neg(), rest)
        };
        let (begins, rest) = Change::parse(rest)?;
        let (ends, rest) = Change::parse(rest)?;
        rest.is_empty().then_some(Self { standard, daylight: Some(Daylight { offset, begins, ends }) })
    }

    /// Seconds that local time is ahead of UTC at a time, in seconds since the epoch.
    pub(super) fn offset_at(&self, seconds: i64) -> i64 {
        let Some(daylight) = &self.daylight else {
            return self.standard;
        };
        let year = Date::of_seconds(seconds).0.year();
        // The last change counts, and it may be one of the year before or, by the hours that it is away from its day, after.
        let years = [year.saturating_sub(1), year, year.saturating_add(1)];
        let changes = years.into_iter().flat_map(|year| {
            let begins = daylight.begins.seconds_in(year).saturating_sub(self.standard);
            let ends = daylight.ends.seconds_in(year).saturating_sub(daylight.offset);
            // One that ends where the next begins lasts all year (RFC 9636 section 3.3.1), so of two at once the beginning counts.
            [(ends, false), (begins, true)]
        });
        match changes.filter(|(change, _)| *change <= seconds).max() {
            Some((_, true)) => daylight.offset,
            _ => self.standard,
        }
    }
}

impl Change {
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (day, rest) = Day::parse(text.strip_prefix(',')?)?;
        let (time, rest) = rest.strip_prefix('/').map_or(Some((7200, rest)), |rest| time(rest, 1..=3, 167))?;
        Some((Self { day, time }, rest))
    }

    /// When it is in a year, in seconds since the epoch if local time were UTC.
    fn seconds_in(&self, year: i64) -> i64 {
        self.day.in_year(year).seconds().saturating_add(self.time)
    }
}

impl Day {
    fn parse(text: &str) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix('J') {
            let (day, rest) = number(rest, 1..=3, 1..=365)?;
            return Some((Self::Julian(day), rest));
        }
        let Some(rest) = text.strip_prefix('M') else {
            let (day, rest) = number(text, 1..=3, 0..=365)?;
            return Some((Self::ZeroBased(day), rest));
        };
        let (month, rest) = number(rest, 1..=2, 1..=12)?;
        let (week, rest) = number(rest.strip_prefix('.')?, 1..=1, 1..=5)?;
        let (days_since_sunday, rest) = number(rest.strip_prefix('.')?, 1..=1, 0..=6)?;
        Some((Self::Weekday { month: u8::try_from(month).ok()?, week, days_since_sunday }, rest))
    }

    fn in_year(&self, year: i64) -> Date {
        match *self {
            Self::Julian(day) if day > 59 => Date::month_start(year, 3).plus_days(day.saturating_sub(60)),
            Self::Julian(day) => Date::month_start(year, 1).plus_days(day.saturating_sub(1)),
            Self::ZeroBased(days) => Date::month_start(year, 1).plus_days(days),
            Self::Weekday { month, week, days_since_sunday } => {
                let start = Date::month_start(year, month);
                let first = days_since_sunday.saturating_sub(start.days_since_sunday()).rem_euclid(7);
                let days = week.saturating_sub(1).saturating_mul(7).saturating_add(first);
                // Only the fifth may be missing in its month; then it is the fourth.
                start.plus_days(if days < days_of_month(year, month) { days } else { days.saturating_sub(7) })
            }
        }
    }
}

/// What follows the name of a time: letters, or `<`, letters, digits and signs, `>`; three of them at least.
fn name(text: &str) -> Option<&str> {
    let (name, rest) = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?,
        None => text.split_at_checked(text.find(|c: char| !c.is_ascii_alphabetic())?)?,
    };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte));
    (plain && name.len() >= 3).then_some(rest)
}

/// `[+-]h[:mm[:ss]]` in seconds, and what follows. Not more than `most` hours.
fn time(text: &str, digits: RangeInclusive<usize>, most: i64) -> Option<(i64, &str)> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, mut rest) = number(rest, digits, 0..=most)?;
    let mut seconds = hours.saturating_mul(3600);
    for unit in [60, 1] {
        let Some(digits) = rest.strip_prefix(':') else { break };
        let (count, after) = number(digits, 2..=2, 0..=59)?;
        seconds = seconds.saturating_add(count.saturating_mul(unit));
        rest = after;
    }
    (seconds <= most.saturating_mul(3600)).then_some((seconds.saturating_mul(sign), rest))
}

/// All digits at the beginning, as a number, and what follows.
fn number(text: &str, digits: RangeInclusive<usize>, range: RangeInclusive<i64>) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    let number = digits.contains(&number.len()).then(|| number.parse().ok())??;
    range.contains(&number).then_some((number, rest))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_rule_has_the_offset_that_it_says() {
        let at = |year, month, day, hour: i64| Date::new(year, month, day).unwrap().seconds() + hour * 3600;
        for (rule, seconds, expected) in [
            ("UTC0", 0, 0),
            ("<+0545>-5:45", 0, 20_700),
            ("AAA-24:00:00", 0, 86_400),
            ("AAA+12:59:59", 0, -46_799),
            // An hour ahead if it does not say.
            ("EST5EDT,M3.2.0,M11.1.0", at(2027, 7, 1, 0), -14_400),
            ("EST5EDT4,M3.2.0,M11.1.0", at(2027, 7, 1, 0), -14_400),
            ("EST5EDT3:30,M3.2.0,M11.1.0", at(2027, 7, 1, 0), -12_600),
            // With J, 1 March is day 60 of every year; without, it is the one after day 58 or, in leap years, 59.
            ("AAA0BBB,J60/0,J61/0", at(2027, 3, 1, 0), 3600),
            ("AAA0BBB,J60/0,J61/0", at(2028, 2, 29, 23), 0),
            ("AAA0BBB,J60/0,J61/0", at(2028, 3, 1, 0), 3600),
            ("AAA0BBB,J59/0,J60/0", at(2028, 2, 28, 0), 3600),
            ("AAA0BBB,J59/0,J60/0", at(2028, 2, 29, 22), 3600),
            ("AAA0BBB,59/0,60/0", at(2027, 3, 1, 0), 3600),
            ("AAA0BBB,59/0,60/0", at(2028, 2, 29, 0), 3600),
            ("AAA0BBB,59/0,60/0", at(2028, 2, 28, 23), 0),
            ("AAA0BBB,0/0,365/0", at(2028, 12, 30, 22), 3600),
            ("AAA0BBB,0/0,365/0", at(2028, 12, 30, 23), 0),
            // A year of 365 days has no day 365; it is the first of the next.
            ("AAA0BBB,1/0,365/0", at(2027, 12, 31, 22), 3600),
            ("AAA0BBB,1/0,365/0", at(2027, 12, 31, 23), 0),
            // All year, also where one year meets the next.
            ("AAA0BBB,0/0,J365/25", at(2027, 12, 31, 23), 3600),
            ("AAA0BBB,0/0,J365/25", at(2028, 1, 1, 0), 3600),
            // The last Sunday of a month with four, and of one with five.
            ("AAA0BBB,M2.5.0/0,M3.1.0/0", at(2027, 2, 28, 0), 3600),
            ("AAA0BBB,M2.5.0/0,M3.1.0/0", at(2027, 2, 27, 23), 0),
            ("AAA0BBB,M1.5.0/0,M2.1.0/0", at(2027, 1, 31, 0), 3600),
            ("AAA0BBB,M1.5.0/0,M2.1.0/0", at(2027, 1, 30, 23), 0),
            // A week before its day and a week after it, across the turn of the year.
            ("AAA0BBB,J3/-167,M6.1.0", at(2026, 12, 27, 1), 3600),
            ("AAA0BBB,J3/-167,M6.1.0", at(2026, 12, 27, 0), 0),
            ("AAA0BBB,M6.1.0,J363/167", at(2027, 1, 4, 21), 3600),
            ("AAA0BBB,M6.1.0,J363/167", at(2027, 1, 4, 22), 0),
        ] {
            assert_eq!(PosixRule::parse(rule).unwrap().offset_at(seconds), expected, "{rule} {seconds}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for rule in [
            "",
            "UTC",
            "UT0",
            "UTC0 ",
            " UTC0",
            "UTC0\n",
            "U1C0",
            "<UTC0",
            "<UT>0",
            "<U_C>0",
            "UTC25",
            "UTC24:00:01",
            "UTC001",
            "UTC1:0",
            "UTC1:60",
            "UTC1:00:60",
            "UTC1:00:00:00",
            "UTC--1",
            "UTC+",
            ":UTC0",
            "Europe/Berlin",
            // Without changes, or with one.
            "EST5EDT",
            "EST5EDT,M3.2.0",
            "EST5EDT,",
            "EST5EDT,M3.2.0,",
            "EST5EDT,M3.2.0,M11.1.0,",
            "EST5,M3.2.0,M11.1.0",
            "EST5EDT,M0.2.0,M11.1.0",
            "EST5EDT,M13.2.0,M11.1.0",
            "EST5EDT,M3.0.0,M11.1.0",
            "EST5EDT,M3.6.0,M11.1.0",
            "EST5EDT,M3.2.7,M11.1.0",
            "EST5EDT,M3.2,M11.1.0",
            "EST5EDT,M3.02.0,M11.1.0",
            "EST5EDT,J0,J60",
            "EST5EDT,J366,J60",
            "EST5EDT,366,60",
            "EST5EDT,-1,60",
            "EST5EDT,0,60/168",
            "EST5EDT,0,60/-168",
            "EST5EDT,0,60/167:00:01",
            "EST5EDT,0,60/",
            "EST5EDT,0,60/2:",
            "EST5EDT,0,60/2:00:",
            "EST5EDT,0,60/0002",
            "EST5EDT,99999999999999999999,60",
        ] {
            assert_eq!(PosixRule::parse(rule), None, "{rule}");
        }
    }
}
