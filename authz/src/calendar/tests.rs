//! When windows hold, by the clocks of places that change them at odd times, and what is refused.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::date::Date;
use super::*;
use crate::document;

#[cfg(not(target_arch = "wasm32"))]
mod differential;

fn read(time: &Value) -> Result<TimeWindows, String> {
    document::read(time.to_string().as_bytes(), TimeWindows::read).map_err(|errors| errors.to_string())
}

/// A point in time, by its date-time in RFC 3339.
fn time(text: &str) -> UnixTime {
    document::read(json!(text).to_string().as_bytes(), read_instant).unwrap()
}

#[test]
fn clocks_show_what_they_show() {
    for (zone, at, expected) in [
        ("UTC", "2027-01-15T08:00:00Z", "2027-01-15 fri 08:00:00"),
        ("Asia/Dubai", "2027-01-15T08:00:00Z", "2027-01-15 fri 12:00:00"),
        ("Asia/Kathmandu", "2026-12-31T18:14:59Z", "2026-12-31 thu 23:59:59"),
        ("Asia/Kathmandu", "2026-12-31T18:15:00Z", "2027-01-01 fri 00:00:00"),
        // On both sides of the date line.
        ("Pacific/Kiritimati", "2027-01-15T10:00:00Z", "2027-01-16 sat 00:00:00"),
        ("Etc/GMT+12", "2027-01-15T11:59:59Z", "2027-01-14 thu 23:59:59"),
        ("Pacific/Pago_Pago", "2027-01-15T10:59:59Z", "2027-01-14 thu 23:59:59"),
        // The northern summer.
        ("Europe/Berlin", "2027-03-28T00:59:59Z", "2027-03-28 sun 01:59:59"),
        ("Europe/Berlin", "2027-03-28T01:00:00Z", "2027-03-28 sun 03:00:00"),
        ("Europe/Berlin", "2027-10-31T00:59:59Z", "2027-10-31 sun 02:59:59"),
        ("Europe/Berlin", "2027-10-31T01:00:00Z", "2027-10-31 sun 02:00:00"),
        ("America/New_York", "2028-03-12T06:59:59Z", "2028-03-12 sun 01:59:59"),
        ("America/New_York", "2028-03-12T07:00:00Z", "2028-03-12 sun 03:00:00"),
        ("America/New_York", "2028-11-05T06:00:00Z", "2028-11-05 sun 01:00:00"),
        // The southern summer, at the turn of a year too.
        ("Australia/Sydney", "2026-12-31T13:00:00Z", "2027-01-01 fri 00:00:00"),
        ("Australia/Sydney", "2027-04-03T15:59:59Z", "2027-04-04 sun 02:59:59"),
        ("Australia/Sydney", "2027-04-03T16:00:00Z", "2027-04-04 sun 02:00:00"),
        ("Australia/Sydney", "2027-10-02T16:00:00Z", "2027-10-03 sun 03:00:00"),
        ("Pacific/Chatham", "2027-09-25T14:00:00Z", "2027-09-26 sun 03:45:00"),
        // Changes at midnight and, with hours over 24, on the day after that of the rule: there is no 00:00 on that day.
        ("America/Santiago", "2027-09-05T03:59:59Z", "2027-09-04 sat 23:59:59"),
        ("America/Santiago", "2027-09-05T04:00:00Z", "2027-09-05 sun 01:00:00"),
        ("Asia/Jerusalem", "2027-03-25T23:59:59Z", "2027-03-26 fri 01:59:59"),
        ("Asia/Jerusalem", "2027-03-26T00:00:00Z", "2027-03-26 fri 03:00:00"),
        // Before the day of the rule.
        ("America/Nuuk", "2027-03-28T00:59:59Z", "2027-03-27 sat 22:59:59"),
        ("America/Nuuk", "2027-03-28T01:00:00Z", "2027-03-28 sun 00:00:00"),
        // Half an hour of summer time.
        ("Australia/Lord_Howe", "2027-04-03T14:59:59Z", "2027-04-04 sun 01:59:59"),
        ("Australia/Lord_Howe", "2027-04-03T15:00:00Z", "2027-04-04 sun 01:30:00"),
        ("Australia/Lord_Howe", "2027-10-02T15:30:00Z", "2027-10-03 sun 02:30:00"),
        // Two hours.
        ("Antarctica/Troll", "2027-03-28T01:00:00Z", "2027-03-28 sun 03:00:00"),
        // The winter time of Dublin is the exception to the rule.
        ("Europe/Dublin", "2027-01-15T12:00:00Z", "2027-01-15 fri 12:00:00"),
        ("Europe/Dublin", "2027-03-28T00:59:59Z", "2027-03-28 sun 00:59:59"),
        ("Europe/Dublin", "2027-03-28T01:00:00Z", "2027-03-28 sun 02:00:00"),
        ("Europe/Dublin", "2027-10-31T00:59:59Z", "2027-10-31 sun 01:59:59"),
        ("Europe/Dublin", "2027-10-31T01:00:00Z", "2027-10-31 sun 01:00:00"),
        // Near and far.
        ("Europe/Berlin", "1970-01-01T00:00:00Z", "1970-01-01 thu 01:00:00"),
        ("America/New_York", "1970-01-01T00:00:00Z", "1969-12-31 wed 19:00:00"),
        ("Europe/Berlin", "2200-07-01T12:00:00Z", "2200-07-01 tue 14:00:00"),
        ("Europe/Berlin", "9999-12-31T23:00:00Z", "10000-01-01 sat 00:00:00"),
    ] {
        let (date, rest) = expected.split_once(' ').unwrap();
        let (day, clock) = rest.split_once(' ').unwrap();
        let mut date = date.split('-').map(|part| part.parse::<i64>().unwrap());
        let year = date.next().unwrap();
        let [month, day_of_month] = [(); 2].map(|()| u8::try_from(date.next().unwrap()).unwrap());
        let (minutes, seconds) = clock.rsplit_once(':').unwrap();
        let second = instant::time_of_day(minutes).unwrap() + seconds.parse::<i64>().unwrap();
        let local = zone::tests::zone(zone).local(time(at));
        assert_eq!(local, LocalTime { date: Date::new(year, month, day_of_month).unwrap(), second }, "{zone} {at}");
        assert_eq!(DAYS[usize::try_from(local.date.days_since_sunday()).unwrap()], day, "{zone} {at}");
    }
}

#[test]
fn no_time_makes_it_panic() {
    let windows = json!({ "zone": "Europe/Dublin", "windows": [{ "from": "22:00", "to": "21:00" }] });
    for millis in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        read(&windows).unwrap().contains(UnixTime::from_millis(millis));
    }
}

/// Each time with whether it is in the windows.
fn assert_contains(windows: &Value, times: &[(&str, bool)]) {
    let read = read(windows).unwrap();
    for (at, expected) in times {
        assert_eq!(read.contains(time(at)), *expected, "{at} {windows}");
    }
}

#[test]
fn a_window_holds_on_its_days_from_one_time_to_another() {
    let windows =
        json!({ "zone": "Asia/Dubai", "windows": [{ "days": ["mon", "thu"], "from": "08:00", "to": "18:00" }] });
    assert_contains(
        &windows,
        &[
            ("2027-01-11T07:59:59+04:00", false),
            ("2027-01-11T08:00:00+04:00", true),
            ("2027-01-11T17:59:59+04:00", true),
            ("2027-01-11T18:00:00+04:00", false),
            ("2027-01-12T12:00:00+04:00", false),
            ("2027-01-14T12:00:00+04:00", true),
        ],
    );
    let last_millisecond = UnixTime::from_millis(time("2027-01-11T18:00:00+04:00").as_millis() - 1);
    assert!(read(&windows).unwrap().contains(last_millisecond));
    let windows = json!({ "zone": "UTC", "windows": [{ "from": "08:00", "to": "09:00" }, { "days": ["sun"], "from": "12:00", "to": "24:00" }] });
    assert_contains(
        &windows,
        &[
            ("2027-01-10T08:00:00Z", true),
            ("2027-01-10T09:00:00Z", false),
            ("2027-01-10T23:59:59Z", true),
            ("2027-01-11T00:00:00Z", false),
            ("2027-01-11T08:30:00Z", true),
            ("2027-01-11T12:00:00Z", false),
        ],
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_began() {
    let friday_night =
        |from: &str, to: &str| json!({ "zone": "UTC", "windows": [{ "days": ["fri"], "from": from, "to": to }] });
    assert_contains(
        &friday_night("22:00", "06:00"),
        &[
            ("2027-01-15T05:59:59Z", false),
            ("2027-01-15T21:59:59Z", false),
            ("2027-01-15T22:00:00Z", true),
            ("2027-01-16T05:59:59Z", true),
            ("2027-01-16T06:00:00Z", false),
            ("2027-01-16T22:00:00Z", false),
        ],
    );
    // To the same time of the next day: 24 hours.
    assert_contains(
        &friday_night("08:00", "08:00"),
        &[
            ("2027-01-15T07:59:59Z", false),
            ("2027-01-15T08:00:00Z", true),
            ("2027-01-16T07:59:59Z", true),
            ("2027-01-16T08:00:00Z", false),
        ],
    );
    for whole_day in [friday_night("00:00", "00:00"), friday_night("00:00", "24:00")] {
        assert_contains(
            &whole_day,
            &[
                ("2027-01-14T23:59:59Z", false),
                ("2027-01-15T00:00:00Z", true),
                ("2027-01-15T23:59:59Z", true),
                ("2027-01-16T00:00:00Z", false),
            ],
        );
    }
}

#[test]
fn an_hour_that_clocks_skip_is_no_time_and_one_that_they_repeat_is_two() {
    assert_contains(
        &json!({ "zone": "Europe/Berlin", "windows": [{ "days": ["sun"], "from": "02:00", "to": "03:00" }] }),
        &[
            ("2027-03-28T01:59:59+01:00", false),
            ("2027-03-28T02:00:00+01:00", false),
            ("2027-10-31T02:30:00+02:00", true),
            ("2027-10-31T02:30:00+01:00", true),
            ("2027-10-31T03:00:00+01:00", false),
        ],
    );
}

#[test]
fn a_period_has_its_ends_and_all_that_is_given_must_hold() {
    assert_contains(
        &json!({ "not_before": "2027-01-01T00:00:00+04:00", "not_after": "2027-12-31T23:59:59+04:00" }),
        &[
            ("2026-12-31T19:59:59Z", false),
            ("2026-12-31T20:00:00Z", true),
            ("2027-12-31T19:59:59Z", true),
            ("2027-12-31T20:00:00Z", false),
        ],
    );
    assert_contains(
        &json!({ "not_before": "2027-01-15T12:00:00Z", "zone": "UTC", "windows": [{ "from": "08:00", "to": "18:00" }] }),
        &[("2027-01-15T11:00:00Z", false), ("2027-01-15T12:00:00Z", true), ("2027-01-15T18:00:00Z", false)],
    );
    assert_contains(
        &json!({ "not_after": "2027-01-15T12:00:00Z", "zone": "UTC", "windows": [{ "from": "08:00", "to": "18:00" }] }),
        &[("2027-01-15T07:00:00Z", false), ("2027-01-15T12:00:00Z", true), ("2027-01-15T12:00:01Z", false)],
    );
}

#[test]
fn what_is_wrong_is_named() {
    let good = || json!([{ "from": "08:00", "to": "18:00" }]);
    for (time, expected) in [
        (json!([]), "document: expected an object, found a list"),
        (json!({}), "document: demands nothing; write `zone` and `windows`, `not_before` or `not_after`"),
        (
            json!({ "tz": "UTC" }),
            "document: unknown field `tz`; known here are `zone`, `windows`, `not_before`, `not_after`",
        ),
        (json!({ "windows": good() }), "zone: is missing"),
        (
            json!({ "zone": "UTC" }),
            "zone: belongs to `windows`, which are missing; `not_before` and `not_after` have their own offset",
        ),
        (
            json!({ "zone": "UTC", "windows": [] }),
            "windows: must not be empty; leave the field out if it is not wanted",
        ),
        (
            json!({ "zone": "UTC", "windows": [{ "days": [], "from": "08:00", "to": "18:00" }] }),
            "windows[0].days: must not be empty; leave the field out if it is not wanted",
        ),
        (
            json!({ "zone": "UTC", "windows": [{ "days": ["mon", "Tue", "mon"], "from": "08:00", "to": "18:00" }] }),
            "windows[0].days[1]: `Tue` is not a day; there are `sun`, `mon`, `tue`, `wed`, `thu`, `fri`, `sat`\nwindows[0].days[2]: day `mon` is already used at windows[0].days[0]",
        ),
        // All at once.
        (
            json!({ "zone": "GST", "windows": [{ "from": "8:00" }, { "from": "24:00", "to": "24:01" }], "not_after": "tomorrow" }),
            "zone: `GST` is not a time zone; write its name in the IANA database, for example `Europe/Berlin` or `UTC`\n\
             windows[0].from: `8:00` is not a time of the day; write for example `08:00` or `17:30`\n\
             windows[0].to: is missing\n\
             windows[1].from: `24:00` ends a day; write `00:00` for the beginning of the next\n\
             windows[1].to: `24:01` is not a time of the day; write for example `08:00` or `17:30`\n\
             not_after: `tomorrow` is not a date-time of RFC 3339 in whole seconds; write for example `2027-01-31T18:00:00+04:00` or `2027-01-31T14:00:00Z`",
        ),
        (json!({ "not_before": 1 }), "not_before: expected a string, found a number"),
        (
            json!({ "not_before": "1970-01-01T00:00:00+00:01" }),
            "not_before: `1970-01-01T00:00:00+00:01` lies before 1970",
        ),
        (
            json!({ "not_before": "2027-01-01T04:00:00+04:00", "not_after": "2027-01-01T00:00:00Z" }),
            "document: `not_after` is not later than `not_before`, so it would never hold",
        ),
    ] {
        assert_eq!(read(&time).unwrap_err(), expected);
    }
}
