//! Permits and denies over time, in as many steps as can be looked at.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::super::record::{Outcome, Record};

const MINUTE: i64 = 60_000;

/// What a step may be, in minutes: up to a week.
const STEPS: [i64; 10] = [1, 5, 15, 60, 180, 360, 720, 1440, 2880, 10_080];

/// More steps than this cannot be told apart.
const MAX_STEPS: i64 = 72;

/// Counts by minute.
#[derive(Default)]
pub(super) struct Timeline(BTreeMap<i64, (u64, u64)>);

/// One step.
pub(super) struct Step {
    /// When it begins: `2026-11-26 18:00`.
    pub(super) begin: String,
    pub(super) permits: u64,
    pub(super) denies: u64,
}

impl Timeline {
    pub(super) fn add(&mut self, record: &Record) {
        let minute = record.milliseconds().unwrap_or_default().div_euclid(MINUTE);
        let (permits, denies) = self.0.entry(minute).or_default();
        let count = if record.decision == Outcome::Permit { permits } else { denies };
        *count = count.saturating_add(1);
    }

    /// How long a step is, in minutes, and all steps from the first to the last, empty ones too.
    pub(super) fn steps(&self) -> (i64, Vec<Step>) {
        let (Some((first, _)), Some((last, _))) = (self.0.first_key_value(), self.0.last_key_value()) else {
            return (1, Vec::new());
        };
        let span = last.saturating_sub(*first);
        let step = STEPS.into_iter().find(|step| span.checked_div(*step).is_some_and(|steps| steps < MAX_STEPS));
        // Beyond a year, as many weeks as it takes.
        let step = step.unwrap_or_else(|| (span / MAX_STEPS / 10_080).saturating_add(1).saturating_mul(10_080));
        let begin = |minute: i64| minute.div_euclid(step).saturating_mul(step);
        let mut steps = Vec::new();
        let mut at = begin(*first);
        while at <= *last {
            let next = at.saturating_add(step);
            let within = self.0.range(at..next).map(|(_, counts)| counts);
            let (permits, denies) = within.fold((0_u64, 0_u64), |(permits, denies), (more, other)| {
                (permits.saturating_add(*more), denies.saturating_add(*other))
            });
            steps.push(Step { begin: label(at), permits, denies });
            at = next;
        }
        (step, steps)
    }
}

fn label(minute: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(minute.saturating_mul(60)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{} {:02}:{:02}", time.date(), time.hour(), time.minute())
}
