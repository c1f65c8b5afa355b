//! What the proxy's own statistics say of decisions (`docs/operations.md`). A request only counts in the worker's memory; the host is
//! told between requests. In Envoy only.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use authz::{Authorizer, Decision, Reason, UnixTime, Work};

use crate::decision_log::{Counts, DecisionLog};
use crate::hasher::OwnKeysHasher;
use crate::host::{self, Counter, Gauge};

/// How often the host is told, in milliseconds.
pub(crate) const INTERVAL_MILLISECONDS: u32 = 1000;

/// Most pairs of a rule and a reason with a number of their own: each is a time series in every proxy. What comes after that is
/// counted under [`OTHERS`].
const MAX_SERIES: usize = 1000;

/// What stands for the rule of a decision that is one too many. No rule can have this name, nor that of [`NO_RULE`].
const OTHERS: &str = "~others";

/// What stands for the rule where no rule decided.
const NO_RULE: &str = "~none";

/// Most issuers whose keys are counted.
const MAX_ISSUERS: usize = 100;

/// The statistics of one plugin in one worker.
#[derive(Clone, Default)]
pub(crate) struct DecisionMetrics(Rc<RefCell<Numbers>>);

#[derive(Default)]
struct Numbers {
    /// Each request looks here: what is sorted would compare its rule with a dozen others.
    by_rule: HashMap<Rc<str>, Vec<Series>, BuildHasherDefault<OwnKeysHasher>>,
    series: usize,
    told_at: Option<UnixTime>,
    tokens: Tokens,
    records: Records,
    memory: Option<Option<Gauge>>,
}

/// The decisions of one rule for one reason.
struct Series {
    reason: Reason,
    /// Those that the host was not told of.
    untold: u64,
    counter: Option<Counter>,
}

/// How tokens were verified.
#[derive(Default)]
struct Tokens {
    /// Under which authorizer they were counted, and how many the host was told of.
    told: (usize, Work),
    counters: Option<[Option<Counter>; 3]>,
    keys: BTreeMap<String, Gauge>,
}

/// What became of decision records.
#[derive(Default)]
struct Records {
    told: Counts,
    counters: Option<([Option<Counter>; 2], Option<Gauge>)>,
}

impl DecisionMetrics {
    /// Counts a decision.
    pub(crate) fn count(&self, decision: &Decision) {
        // Nobody holds it while a request is decided.
        if let Ok(mut numbers) = self.0.try_borrow_mut() {
            numbers.count(decision.rule().unwrap_or(NO_RULE), decision.reason());
        }
    }

    /// Tells the host what has come since it was last told, if that was long enough ago.
    pub(crate) fn tell(&self, authorizer: &Rc<Authorizer>, log: &DecisionLog) {
        let (Ok(now), Ok(mut numbers)) = (host::now(), self.0.try_borrow_mut()) else { return };
        // Whichever way the clock was set meanwhile.
        let since = |told: UnixTime| now.as_millis().abs_diff(told.as_millis());
        if numbers.told_at.is_some_and(|told| since(told) < u64::from(INTERVAL_MILLISECONDS)) {
            return;
        }
        numbers.told_at = Some(now);
        for (rule, series) in &mut numbers.by_rule {
            series.iter_mut().for_each(|series| series.tell(rule));
        }
        numbers.tokens.tell(authorizer);
        numbers.records.tell(log);
        let memory = numbers.memory.get_or_insert_with(|| Gauge::define("portcullis.linear_memory_bytes"));
        if let Some(memory) = memory {
            memory.set(host::linear_memory_bytes());
        }
    }
}

impl Numbers {
    fn count(&mut self, rule: &str, reason: Reason) {
        let has_room = self.series < MAX_SERIES;
        if let Some(series) = self.by_rule.get_mut(rule)
            && let Some(series) = series.iter_mut().find(|series| series.reason == reason)
        {
            series.untold = series.untold.saturating_add(1);
            return;
        }
        match rule {
            // There are no more of them than reasons.
            rule if has_room || rule == OTHERS => {
                self.series = self.series.saturating_add(1);
                let series = Series { reason, untold: 1, counter: None };
                self.by_rule.entry(rule.into()).or_default().push(series);
            }
            _ => self.count(OTHERS, reason),
        }
    }
}

impl Series {
    fn tell(&mut self, rule: &str) {
        if self.untold == 0 {
            return;
        }
        let effect = self.reason.effect().name();
        let name = || format!("portcullis.decisions.{effect}.{}.{rule}", self.reason.code());
        self.counter = self.counter.or_else(|| Counter::define(&name()));
        if let Some(counter) = self.counter {
            counter.add(self.untold);
            self.untold = 0;
        }
    }
}

impl Tokens {
    fn tell(&mut self, authorizer: &Rc<Authorizer>) {
        let counters = self.counters.get_or_insert_with(|| {
            ["remembered", "verified_by_proxy", "verified_in_module"]
                .map(|how| Counter::define(&format!("portcullis.tokens.{how}")))
        });
        // Each bundle counts its own.
        let (work, place) = (authorizer.work(), Rc::as_ptr(authorizer).addr());
        let told = if self.told.0 == place { self.told.1 } else { Work::default() };
        if self.told.0 != place {
            tell_keys(&mut self.keys, authorizer);
        }
        self.told = (place, work);
        let since = |count: fn(&Work) -> u64| count(&work).saturating_sub(count(&told));
        let native = since(|work| work.native);
        let in_module = since(|work| work.verified).saturating_sub(native);
        for (counter, count) in counters.iter().zip([since(|work| work.remembered), native, in_module]) {
            counter.iter().for_each(|counter| counter.add(count));
        }
    }
}

/// Says how many keys each issuer has: none, if it is not trusted any more.
fn tell_keys(gauges: &mut BTreeMap<String, Gauge>, authorizer: &Authorizer) {
    gauges.values().for_each(|gauge| gauge.set(0));
    for (issuer, keys) in authorizer.key_counts().take(MAX_ISSUERS) {
        // What a name of a metric can have.
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
        let issuer: String = issuer.chars().map(plain).collect();
        if !gauges.contains_key(&issuer)
            && gauges.len() < MAX_ISSUERS
            && let Some(gauge) = Gauge::define(&format!("portcullis.keys.{issuer}"))
        {
            gauges.insert(issuer.clone(), gauge);
        }
        if let Some(gauge) = gauges.get(&issuer) {
            gauge.set(u64::try_from(keys).unwrap_or(u64::MAX));
        }
    }
}

impl Records {
    fn tell(&mut self, log: &DecisionLog) {
        let (counts, waiting) = log.counts();
        let (counters, gauge) = self.counters.get_or_insert_with(|| {
            let counter = |what| Counter::define(&format!("portcullis.records.{what}"));
            (["recorded", "lost"].map(counter), Gauge::define("portcullis.records.waiting_bytes"))
        });
        let since = |count: fn(&Counts) -> u64| count(&counts).saturating_sub(count(&self.told));
        for (counter, count) in counters.iter().zip([since(|counts| counts.recorded), since(|counts| counts.lost)]) {
            counter.iter().for_each(|counter| counter.add(count));
        }
        if let Some(gauge) = gauge {
            gauge.set(u64::try_from(waiting).unwrap_or(u64::MAX));
        }
        self.told = counts;
    }
}
