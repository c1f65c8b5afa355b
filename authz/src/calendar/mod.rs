//! When a rule applies: at hours of the week by the clocks of a place, and from one point in time to another.

mod clock;
mod date;
mod instant;
mod posix_rule;
mod zone;

#[cfg(test)]
mod tests;

pub(crate) use clock::Zone;
use date::{DAY_SECONDS, Date};
pub(crate) use instant::{parse_instant, read_instant, rfc3339_seconds};
use zone::{LocalTime, TimeZone};

use crate::document::{Node, Unique};
use crate::time::UnixTime;

/// Days of the week, in the order of [`Date::days_since_sunday`].
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The times at which a rule applies. All that is given must hold.
#[derive(Debug)]
pub(crate) struct TimeWindows {
    local: Option<LocalWindows>,
    not_before: Option<UnixTime>,
    not_after: Option<UnixTime>,
}

impl TimeWindows {
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["zone", "windows", "not_before", "not_after"])?;
        if fields.is_empty() {
            return node.refuse("demands nothing; write `zone` and `windows`, `not_before` or `not_after`");
        }
        let local = match (fields.optional("zone"), fields.optional("windows")) {
            (None, None) => Some(None),
            (Some(zone), None) => zone
                .refuse("belongs to `windows`, which are missing; `not_before` and `not_after` have their own offset"),
            (_, Some(windows)) => {
                let zone = fields.required("zone").and_then(|node| TimeZone::read(&node));
                LocalWindows::read(zone, &windows).map(Some)
            }
        };
        let instant = |name| fields.optional(name).map_or(Some(None), |node| read_instant(&node).map(Some));
        let (not_before, not_after) = (instant("not_before"), instant("not_after"));
        let (not_before, not_after) = (not_before?, not_after?);
        if let (Some(not_before), Some(not_after)) = (not_before, not_after)
            && not_before >= not_after
        {
            return node.refuse("`not_after` is not later than `not_before`, so it would never hold");
        }
        Some(Self { local: local?, not_before, not_after })
    }

    /// Whether a time is one of these.
    pub(crate) fn contains(&self, now: UnixTime) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= now)
            && self.not_after.is_none_or(|not_after| now <= not_after)
            && self.local.as_ref().is_none_or(|local| local.contains(now))
    }
}

/// Hours of the week by the clocks of a place. One of them must hold.
#[derive(Debug)]
struct LocalWindows {
    zone: TimeZone,
    windows: Vec<Window>,
}

impl LocalWindows {
    fn read(zone: Option<TimeZone>, windows: &Node<'_>) -> Option<Self> {
        let windows = windows.filled_list(Window::read);
        Some(Self { zone: zone?, windows: windows? })
    }

    fn contains(&self, now: UnixTime) -> bool {
        let local = self.zone.local(now);
        self.windows.iter().any(|window| window.contains(local))
    }
}

/// From one time of the day to another, on some days or all. One that is over midnight belongs to the day on which it began.
#[derive(Debug)]
struct Window {
    /// Days since Sunday.
    days: Option<Vec<i64>>,
    /// Seconds since midnight.
    from: i64,
    to: i64,
}

impl Window {
    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["days", "from", "to"])?;
        let unique = Unique::default();
        let days = fields
            .optional("days")
            .map_or(Some(None), |node| node.filled_list(|item| read_day(item, &unique)).map(Some));
        let from = fields.required("from").and_then(|node| read_time(&node, DAY_SECONDS.saturating_sub(1)));
        let to = fields.required("to").and_then(|node| read_time(&node, DAY_SECONDS));
        Some(Self { days: days?, from: from?, to: to? })
    }

    fn contains(&self, local: LocalTime) -> bool {
        let LocalTime { date, second } = local;
        if self.from < self.to {
            return (self.from..self.to).contains(&second) && self.is_on(date);
        }
        (second >= self.from && self.is_on(date)) || (second < self.to && self.is_on(date.plus_days(-1)))
    }

    fn is_on(&self, date: Date) -> bool {
        self.days.as_ref().is_none_or(|days| days.contains(&date.days_since_sunday()))
    }
}

fn read_day(node: &Node<'_>, unique: &Unique) -> Option<i64> {
    let text = node.text()?;
    let Some((day, _)) = (0..).zip(DAYS).find(|(_, day)| *day == text) else {
        return node.refuse(format!("`{text}` is not a day; there are `{}`", DAYS.join("`, `")));
    };
    unique.claim("day", text, node)?;
    Some(day)
}

/// Reads a time of the day, in seconds since midnight.
fn read_time(node: &Node<'_>, latest: i64) -> Option<i64> {
    let text = node.text()?;
    match instant::time_of_day(text) {
        Some(seconds) if seconds <= latest => Some(seconds),
        Some(_) => node.refuse("`24:00` ends a day; write `00:00` for the beginning of the next"),
        None => node.refuse(format!("`{text}` is not a time of the day; write for example `08:00` or `17:30`")),
    }
}
