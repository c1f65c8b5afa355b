//! Points in time and spans between them, in nanoseconds (CEL, "Timestamp and Duration").

use std::fmt;

use crate::calendar::rfc3339_seconds;
use crate::time::UnixTime;

const SECOND: i128 = 1_000_000_000;

/// 0001-01-01T00:00:00Z, in seconds.
const FIRST_SECOND: i128 = -62_135_596_800;

/// 9999-12-31T23:59:59Z, in seconds.
const LAST_SECOND: i128 = 253_402_300_799;

/// A point in time of the years 1 to 9999, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i128);

/// A span of time, in nanoseconds: 292 years at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(i64);

impl Timestamp {
    fn new(nanoseconds: i128) -> Option<Self> {
        (FIRST_SECOND..=LAST_SECOND).contains(&nanoseconds.div_euclid(SECOND)).then_some(Self(nanoseconds))
    }

    pub(super) fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(i128::from(seconds).checked_mul(SECOND)?)
    }

    /// None after the year 9999.
    pub(crate) fn from_unix(time: UnixTime) -> Option<Self> {
        Self::new(i128::from(time.as_millis()).checked_mul(1_000_000)?)
    }

    /// A date-time of RFC 3339, with a fraction of up to nine digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (seconds, nanoseconds) = match text.split_once('.') {
            None => (rfc3339_seconds(text)?, 0),
            Some((start, rest)) => {
                let (digits, zone) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
                (rfc3339_seconds(&format!("{start}{zone}"))?, fraction(digits)?)
            }
        };
        Self::new(i128::from(seconds).checked_mul(SECOND)?.checked_add(i128::from(nanoseconds))?)
    }

    /// Whole seconds since 1970, rounded down.
    pub(super) fn seconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(SECOND)).unwrap_or_default()
    }

    /// The milliseconds of its second.
    pub(super) fn milliseconds(self) -> i64 {
        i64::try_from(self.0.rem_euclid(SECOND) / 1_000_000).unwrap_or_default()
    }

    pub(super) fn plus(self, duration: Duration) -> Option<Self> {
        Self::new(self.0.checked_add(i128::from(duration.0))?)
    }

    pub(super) fn minus(self, duration: Duration) -> Option<Self> {
        Self::new(self.0.checked_sub(i128::from(duration.0))?)
    }

    pub(super) fn since(self, other: Self) -> Option<Duration> {
        i64::try_from(self.0.checked_sub(other.0)?).ok().map(Duration)
    }

    pub(super) fn nanoseconds(self) -> i64 {
        i64::try_from(self.0.rem_euclid(SECOND)).unwrap_or_default()
    }
}

impl Duration {
    /// `1h30m`, `-1.5s`, `100ms`: numbers with units, the sign before all of them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
            let (unit, after) =
                [("ns", 1), ("us", 1000), ("ms", 1_000_000), ("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND)]
                    .into_iter()
                    .find_map(|(name, unit)| Some((unit, after.strip_prefix(name)?)))?;
            total = total.checked_add(scaled(number, unit)?)?;
            rest = after;
        }
        let total = if is_negative { total.checked_neg()? } else { total };
        i64::try_from(total).ok().map(Self)
    }

    /// In whole units of so many nanoseconds, towards zero.
    pub(super) const fn whole(self, unit: i64) -> i64 {
        match self.0.checked_div(unit) {
            Some(whole) => whole,
            None => 0,
        }
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

/// Digits after a point, in nanoseconds.
fn fraction(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| format!("{digits:0<9}").parse().ok())?
}

/// A decimal number of units, in nanoseconds; a fraction of one is dropped.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty()) || part.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(i128::from) };
    let part = part.get(..part.len().min(15))?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = digits(part)?.checked_mul(unit)?.checked_div(scale)?;
    digits(whole)?.checked_mul(unit)?.checked_add(part)
}

impl fmt::Display for Duration {
    /// In seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanoseconds) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}{}s", nanoseconds / 1_000_000_000, Fraction(nanoseconds % 1_000_000_000))
    }
}

/// Nanoseconds as the digits after a point, without the zeros at the end.
pub(super) struct Fraction(pub(super) u64);

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ".{}", format!("{:09}", self.0).trim_end_matches('0')) }
    }
}
