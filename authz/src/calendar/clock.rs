//! What clocks show at any time, for expressions.

use super::date::{DAY_SECONDS, Date};
use super::instant::time_of_day;
use super::zone::TimeZone;

/// A time zone: by its name, or by what its clocks are ahead.
#[derive(Debug)]
pub(crate) enum Zone {
    Named(TimeZone),
    /// In seconds.
    Ahead(i64),
}

/// A date and a time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    /// 0 to 365.
    pub(crate) day_of_year: i64,
    pub(crate) days_since_sunday: i64,
    /// Since midnight.
    seconds: i64,
}

impl Zone {
    pub(crate) const fn utc() -> Self {
        Self::Ahead(0)
    }

    /// The zone of this name in the IANA database, or this offset: `Asia/Dubai`, `+04:00`.
    ///
    /// # Errors
    ///
    /// Why there is none, and what to write instead.
    pub(crate) fn find(name: &str) -> Result<Self, String> {
        let (is_behind, offset) = match name.strip_prefix('-') {
            Some(offset) => (true, offset),
            None => (false, name.strip_prefix('+').unwrap_or(name)),
        };
        match time_of_day(offset).filter(|offset| *offset < DAY_SECONDS) {
            Some(offset) => Ok(Self::Ahead(if is_behind { offset.saturating_neg() } else { offset })),
            None => TimeZone::find(name).map(Self::Named),
        }
    }

    /// What its clocks show so many seconds after 1970 began in UTC.
    pub(crate) fn clock(&self, seconds: i64) -> Clock {
        let ahead = match self {
            Self::Named(zone) => zone.offset_at(seconds),
            Self::Ahead(ahead) => *ahead,
        };
        let (date, seconds) = Date::of_seconds(seconds.saturating_add(ahead));
        let year = date.year();
        let month = (1..=12).rev().find(|month| date.days_since(Date::month_start(year, *month)) >= 0).unwrap_or(1);
        Clock {
            year,
            month: i64::from(month),
            day: date.days_since(Date::month_start(year, month)).saturating_add(1),
            day_of_year: date.days_since(Date::month_start(year, 1)),
            days_since_sunday: date.days_since_sunday(),
            seconds,
        }
    }
}

impl Clock {
    pub(crate) const fn hour(&self) -> i64 {
        self.seconds / 3600
    }

    pub(crate) const fn minute(&self) -> i64 {
        self.seconds / 60 % 60
    }

    pub(crate) const fn second(&self) -> i64 {
        self.seconds % 60
    }
}
