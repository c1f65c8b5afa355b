//! Points in time as the core sees them: an argument, never a clock.

use serde_json::Number;

/// Largest NumericDate that is accepted, in seconds: 2^53, where a JSON number stops being exact.
///
/// Beyond it other libraries wrapped to the far future or the past (jwt-simple audit 005).
const MAX_NUMERIC_DATE: f64 = 9_007_199_254_740_992.0;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored (RFC 7519 section 2, NumericDate).
///
/// # Example
///
/// ```
/// use authz::UnixTime;
///
/// let expiry = UnixTime::from_seconds(1_800_000_000);
/// assert!(expiry < expiry.plus_seconds(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime {
    millis: u64,
}

impl UnixTime {
    /// The end of the range: later than every other time.
    pub(crate) const END: Self = Self { millis: u64::MAX };

    /// The time `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// The time `seconds` seconds after the epoch, saturating at the end of the range.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self { millis: seconds.saturating_mul(1000) }
    }

    /// This time, in milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// This time, in whole seconds since the epoch.
    pub const fn as_seconds(self) -> u64 {
        self.millis.div_euclid(1000)
    }

    /// This time, `seconds` later, saturating at the end of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self { millis: self.millis.saturating_add(seconds.saturating_mul(1000)) }
    }

    /// This time, `seconds` earlier, saturating at the start of the range.
    #[must_use]
    pub const fn minus_seconds(self, seconds: u64) -> Self {
        Self { millis: self.millis.saturating_sub(seconds.saturating_mul(1000)) }
    }

    /// Reads a NumericDate (RFC 7519 section 2): a number of seconds from 0 to 2^53, a fraction is fine.
    pub(crate) fn from_numeric_date(number: &Number) -> Option<Self> {
        let seconds = number.as_f64()?;
        if !(0.0..=MAX_NUMERIC_DATE).contains(&seconds) {
            return None;
        }
        #[expect(
            clippy::as_conversions,
            reason = "the range check above leaves nothing to truncate but a fraction of a millisecond"
        )]
        let millis = (seconds * 1000.0) as u64;
        Some(Self { millis })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_numeric_date_is_a_number_of_seconds_within_range() {
        for (json, expected) in [
            ("0", Some(0)),
            ("1800000000", Some(1_800_000_000_000)),
            ("1800000000.5", Some(1_800_000_000_500)),
            ("9007199254740992", Some(9_007_199_254_740_992_000)),
            ("9007199254740994", None),
            ("9223372036854775808", None),
            ("-1", None),
            ("-0.5", None),
            ("1e300", None),
        ] {
            let number: Number = serde_json::from_str(json).unwrap();
            assert_eq!(UnixTime::from_numeric_date(&number), expected.map(UnixTime::from_millis), "{json}");
        }
    }
}
