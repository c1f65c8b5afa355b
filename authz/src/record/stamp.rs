//! The time of a record as text.

use crate::calendar::Zone;
use crate::time::UnixTime;

/// The last time that was written: most of the next one is the same.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    /// In seconds since 1970.
    second: Option<u64>,
    text: String,
}

/// How many bytes of a stamp are about the second: `2026-11-26T18:12:45`.
const MILLISECONDS: usize = ".000Z".len();

impl Stamp {
    /// A time in UTC, with milliseconds (RFC 3339 section 5.6).
    pub(super) fn at(&mut self, now: UnixTime) -> &str {
        if self.second != Some(now.as_seconds()) {
            let clock = Zone::utc().clock(i64::try_from(now.as_seconds()).unwrap_or(i64::MAX));
            self.text = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000Z",
                clock.year,
                clock.month,
                clock.day,
                clock.hour(),
                clock.minute(),
                clock.second()
            );
            self.second = Some(now.as_seconds());
        }
        let milliseconds = format!(".{:03}Z", now.as_millis().rem_euclid(1000));
        self.text.truncate(self.text.len().saturating_sub(MILLISECONDS));
        self.text.push_str(&milliseconds);
        &self.text
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_stamp_is_the_time_whatever_was_written_before() {
        let mut stamp = Stamp::default();
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (7, "1970-01-01T00:00:00.007Z"),
            (1_795_716_765_999, "2026-11-26T18:12:45.999Z"),
            (1_795_716_766_000, "2026-11-26T18:12:46.000Z"),
            (1_795_716_765_120, "2026-11-26T18:12:45.120Z"),
            (951_782_400_050, "2000-02-29T00:00:00.050Z"),
        ] {
            assert_eq!(stamp.at(UnixTime::from_millis(millis)), text);
        }
    }
}
