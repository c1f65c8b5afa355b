//! Days of the Gregorian calendar, counted (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
//!
//! Years begin in March here, so that the leap day is the last of its year and every month before it has its fixed place. 400
//! such years are an era, which always has the same days. Arithmetic saturates, so that no number can panic; the years that
//! milliseconds in a `u64` can reach, about 584 million, are far from saturating.

/// Seconds of a day; leap seconds are none (POSIX).
pub(super) const DAY_SECONDS: i64 = 86_400;

const ERA_DAYS: i64 = 146_097;

/// Days from 0000-03-01, on which an era begins, to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Days from the first of March to the end of December.
const MARCH_TO_DECEMBER_DAYS: i64 = 306;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// Days since 1970-01-01.
    days: i64,
}

impl Date {
    /// The day on which a time in seconds since the epoch lies, and its second of that day, where clocks show UTC.
    pub(super) const fn of_seconds(seconds: i64) -> (Self, i64) {
        (Self { days: seconds.div_euclid(DAY_SECONDS) }, seconds.rem_euclid(DAY_SECONDS))
    }

    /// The first day of a month, 1 to 12.
    pub(super) fn month_start(year: i64, month: u8) -> Self {
        let month = i64::from(month);
        let (year, month) =
            if month > 2 { (year, month.saturating_sub(3)) } else { (year.saturating_sub(1), month.saturating_add(9)) };
        // Months from March on have 31, 30, 31, 30, 31 days, 153 together, and again.
        let days_before_month = month.saturating_mul(153).saturating_add(2) / 5;
        let era_days = year.div_euclid(400).saturating_mul(ERA_DAYS);
        let days = era_days.saturating_add(days_before_year(year.rem_euclid(400))).saturating_add(days_before_month);
        Self { days: days.saturating_sub(EPOCH_DAYS) }
    }

    /// The day of this number in a month, if the month has it.
    pub(super) fn new(year: i64, month: u8, day: u8) -> Option<Self> {
        let known = (1..=12).contains(&month) && day >= 1 && i64::from(day) <= days_of_month(year, month);
        known.then(|| Self::month_start(year, month).plus_days(i64::from(day).saturating_sub(1)))
    }

    /// The year in which this day lies, from January to December.
    pub(super) const fn year(self) -> i64 {
        let days = self.days.saturating_add(EPOCH_DAYS);
        let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        // By the length of an average year, so it may be the other year in the days around the first of March. Both lead to
        // the same January.
        let year = day.saturating_mul(400) / ERA_DAYS;
        let from_january = day.saturating_sub(days_before_year(year)) >= MARCH_TO_DECEMBER_DAYS;
        let year = era.saturating_mul(400).saturating_add(year);
        if from_january { year.saturating_add(1) } else { year }
    }

    pub(super) const fn plus_days(self, days: i64) -> Self {
        Self { days: self.days.saturating_add(days) }
    }

    /// How many days lie between an earlier day and this one.
    pub(super) const fn days_since(self, earlier: Self) -> i64 {
        self.days.saturating_sub(earlier.days)
    }

    /// Days since the last Sunday, 0 to 6. The epoch was a Thursday.
    pub(super) const fn days_since_sunday(self) -> i64 {
        self.days.saturating_add(4).rem_euclid(7)
    }

    /// The beginning of this day in seconds since the epoch, where clocks show UTC.
    pub(super) const fn seconds(self) -> i64 {
        self.days.saturating_mul(DAY_SECONDS)
    }
}

/// How many days a month has.
pub(super) fn days_of_month(year: i64, month: u8) -> i64 {
    let (next_year, next_month) =
        if month == 12 { (year.saturating_add(1), 1) } else { (year, month.saturating_add(1)) };
    Date::month_start(next_year, next_month).days.saturating_sub(Date::month_start(year, month).days)
}

/// Days of an era before its year of this number, 0 to 399.
const fn days_before_year(year: i64) -> i64 {
    year.saturating_mul(365).saturating_add(year / 4).saturating_sub(year / 100)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = Date::new(1600, 1, 1).unwrap();
        assert_eq!(expected.days, -135_140);
        assert_eq!(expected.days_since_sunday(), 6);
        for year in 1600..2400 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for (month, days) in (1..).zip([31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
            {
                for day in 1..=days {
                    assert_eq!(Date::new(year, month, day), Some(expected), "{year}-{month}-{day}");
                    assert_eq!(expected.year(), year, "{year}-{month}-{day}");
                    expected = expected.plus_days(1);
                }
                assert_eq!(Date::new(year, month, days + 1), None);
            }
        }
        assert_eq!(expected, Date::of_seconds(13_569_465_600).0);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for (year, month, day) in [(2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 2, 29), (2100, 2, 29)] {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_second_belongs_to_its_day() {
        assert_eq!(Date::of_seconds(-1), (Date { days: -1 }, 86_399));
        assert_eq!(Date::of_seconds(0), (Date { days: 0 }, 0));
        assert_eq!(Date::of_seconds(86_400), (Date { days: 1 }, 0));
    }

    #[test]
    fn the_end_of_time_does_not_panic() {
        for seconds in [i64::MIN, i64::MAX] {
            let (date, _) = Date::of_seconds(seconds);
            assert_eq!(Date::month_start(date.year(), 1).year(), date.year());
        }
        for year in [i64::MIN, i64::MAX] {
            Date::month_start(year, 12).year();
            Date::new(year, 12, 31);
        }
    }
}
