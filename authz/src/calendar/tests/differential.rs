//! Every zone of the table against another implementation (`jiff`), which reads the whole time zone database.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use super::super::date::Date;
use super::super::{LocalTime, zone};
use crate::time::UnixTime;

/// Minutes, hours and days at which an error by one would be seen.
const AROUND: [i64; 13] = [-86_400, -7200, -3600, -1800, -60, -2, -1, 0, 1, 60, 1800, 3600, 86_400];

/// So many seconds that the times fall on all hours of all days of the week: 5 days and something.
const STEP: i64 = 457_321;

#[test]
fn every_zone_of_the_database_is_in_the_table() {
    let (zones, _) = zone::tests::table();
    let mut names: Vec<&str> = zones.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let database = TimeZoneDatabase::bundled();
    let mut expected: Vec<String> = database.available().map(|name| name.to_string()).collect();
    expected.retain(|name| name != "Factory");
    expected.sort_unstable();
    assert_eq!(names, expected, "the versions differ: see xtask/src/time_zones.rs");
}

#[test]
fn clocks_show_the_same_as_in_another_implementation() {
    let (zones, from) = zone::tests::table();
    let from: Timestamp = from.parse().unwrap();
    let until: Timestamp = "2041-01-01T00:00:00Z".parse().unwrap();
    let database = TimeZoneDatabase::bundled();
    let mut changes_seen = 0;
    for name in zones.iter().filter(|(_, known)| *known).map(|(name, _)| name) {
        let (ours, theirs) = (zone::tests::zone(name), database.get(name).unwrap());
        let changes = theirs.following(from).take_while(|change| change.timestamp() < until);
        let changes: Vec<i64> = changes.map(|change| change.timestamp().as_second()).collect();
        changes_seen += changes.len();
        let around = changes.iter().flat_map(|change| AROUND.map(|seconds| change + seconds));
        let (from, until) = (from.as_second(), until.as_second());
        let steps = (from..until).step_by(usize::try_from(STEP).unwrap());
        for seconds in steps.chain(around).filter(|seconds| *seconds >= from) {
            let expected = Timestamp::from_second(seconds).unwrap().to_zoned(theirs.clone());
            let month_and_day = [expected.month(), expected.day()].map(|number| u8::try_from(number).unwrap());
            let [hour, minute, second] = [expected.hour(), expected.minute(), expected.second()].map(i64::from);
            let date = Date::new(expected.year().into(), month_and_day[0], month_and_day[1]).unwrap();
            let local = ours.local(UnixTime::from_seconds(u64::try_from(seconds).unwrap()));
            assert_eq!(local, LocalTime { date, second: (hour * 60 + minute) * 60 + second }, "{name} {expected}");
            let weekday = i64::from(expected.weekday().to_sunday_zero_offset());
            assert_eq!(local.date.days_since_sunday(), weekday, "{name} {expected}");
        }
    }
    // Some 170 zones change their clocks, twice a year.
    assert!(changes_seen > 4000, "{changes_seen}");
}
