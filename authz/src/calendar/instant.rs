//! Dates and times as people write them.

use super::date::{DAY_SECONDS, Date};
use crate::document::Node;
use crate::time::UnixTime;

/// Reads a date-time of RFC 3339, in whole seconds. Like everywhere else, leap seconds are none.
pub(crate) fn read_instant(node: &Node<'_>) -> Option<UnixTime> {
    let text = node.text()?;
    let Some(seconds) = rfc3339_seconds(text) else {
        return node.refuse(format!(
            "`{text}` is not a date-time of RFC 3339 in whole seconds; write for example `2027-01-31T18:00:00+04:00` or `2027-01-31T14:00:00Z`"
        ));
    };
    match u64::try_from(seconds) {
        Ok(seconds) => Some(UnixTime::from_seconds(seconds)),
        Err(_) => node.refuse(format!("`{text}` lies before 1970")),
    }
}

/// The same in a token; none for anything else, and before 1970.
pub(crate) fn parse_instant(text: &str) -> Option<UnixTime> {
    u64::try_from(rfc3339_seconds(text)?).ok().map(UnixTime::from_seconds)
}

/// A date-time of RFC 3339 in whole seconds since 1970, or before.
pub(crate) fn rfc3339_seconds(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let date = Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)?;
    let (time, zone) = rest.split_at_checked(8)?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let ahead = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        ("+", offset) => time_of_day(offset).filter(|offset| *offset < DAY_SECONDS)?,
        ("-", offset) => time_of_day(offset).filter(|offset| *offset < DAY_SECONDS)?.saturating_neg(),
        _ => return None,
    };
    let seconds = hour.saturating_mul(60).saturating_add(minute).saturating_mul(60).saturating_add(second);
    let known = hour < 24 && minute < 60 && second < 60;
    known.then(|| date.seconds().saturating_add(seconds).saturating_sub(ahead))
}

/// `HH:MM` from `00:00` to `24:00`, in seconds.
pub(super) fn time_of_day(text: &str) -> Option<i64> {
    let [hour, minute] = numbers(text, ':', [2, 2])?;
    let seconds = hour.saturating_mul(60).saturating_add(minute).saturating_mul(60);
    (minute < 60 && seconds <= DAY_SECONDS).then_some(seconds)
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part = parts.next()?;
        let plain = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = plain.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_date_time_is_one_point_in_time() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T04:00:00+04:00", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("2027-01-15T13:45:00+05:45", 1_800_000_000),
            ("2027-01-14T22:30:00-09:30", 1_800_000_000),
            ("2028-02-29T23:59:59-00:00", 1_835_481_599),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(rfc3339_seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_time_is_none() {
        for text in [
            "",
            "2027-01-15",
            "2027-01-15T08:00Z",
            "2027-01-15 08:00:00Z",
            "2027-01-15t08:00:00z",
            "2027-01-15T08:00:00.0Z",
            "2027-01-15T08:00:00Z ",
            "2027-01-15T08:00:60Z",
            "2027-01-15T08:60:00Z",
            "2027-01-15T24:00:00Z",
            "2027-02-29T08:00:00Z",
            "2027-00-15T08:00:00Z",
            "2027-1-15T08:00:00Z",
            "2027-01-15-01T08:00:00Z",
            "2027-01-15T08:00:00",
            "2027-01-15T08:00:00ZZ",
            "2027-01-15T08:00:é0Z",
            "2027-01-15T08:00:00é",
            "+2027-01-15T08:00:00Z",
            "2027-01-15T08:00:00+4",
            "2027-01-15T08:00:00+0400",
            "2027-01-15T08:00:00+04",
            "2027-01-15T08:00:00+24:00",
            "2027-01-15T08:00:00+04:60",
            "2027-01-15T08:00:00\u{2212}04:00",
            "2027-01-15T08:00:00 04:00",
        ] {
            assert_eq!(rfc3339_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_the_day_has_four_digits() {
        for (text, expected) in [("00:00", Some(0)), ("23:59", Some(86_340)), ("24:00", Some(86_400))] {
            assert_eq!(time_of_day(text), expected, "{text}");
        }
        for text in ["", "8:00", "08:0", "0800", "08:00:00", "24:01", "25:00", "08:60", "-8:00", "08.00", "8:00 "] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }
}
