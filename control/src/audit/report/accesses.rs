//! What there was, put together.

use std::collections::BTreeMap;

use super::super::record::{Outcome, Record, Who};
use super::selection::Selection;
use super::timeline::Timeline;

/// Who: as far as the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) client: Option<String>,
    /// None of somebody without a credential that was good.
    pub(super) credential: Option<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Access {
    pub(super) action: Option<String>,
    pub(super) host: Option<String>,
    /// The path template of the rule that decided.
    pub(super) route: Option<String>,
}

/// How often, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) permits: u64,
    pub(super) denies: u64,
    pub(super) first: String,
    pub(super) last: String,
}

/// All of it.
#[derive(Default)]
pub(super) struct Accesses {
    pub(super) total: Counts,
    pub(super) by_identity: BTreeMap<Identity, BTreeMap<Access, Counts>>,
    pub(super) by_resource: BTreeMap<Access, Counts>,
    pub(super) denies_by_reason: BTreeMap<String, Counts>,
    pub(super) timeline: Timeline,
    /// Subjects that are hidden, and those that are not.
    pub(super) hidden: u64,
    pub(super) plain: u64,
}

impl Accesses {
    /// Takes a record, if it is one of those that are wanted.
    pub(super) fn take(&mut self, record: &Record, selection: &Selection) {
        if !selection.has_time(record) {
            return;
        }
        let everybody = record.principal.iter().chain(&record.further_principals);
        let wanted: Vec<&Who> = everybody.filter(|who| selection.has(who)).collect();
        if wanted.is_empty() && !(record.principal.is_none() && selection.is_about_all()) {
            return;
        }
        let access = Access::of(record);
        self.total.add(record);
        self.by_resource.entry(access.clone()).or_default().add(record);
        self.timeline.add(record);
        if record.decision == Outcome::Deny {
            self.denies_by_reason.entry(record.reason.clone()).or_default().add(record);
        }
        // One that came with two good credentials was an access of both.
        let mut identities: Vec<Identity> = wanted.iter().map(|who| Identity::of(who)).collect();
        if identities.is_empty() {
            identities.push(Identity::default());
        }
        for identity in identities {
            match &identity.subject {
                Some(subject) if subject.starts_with('~') => self.hidden = self.hidden.saturating_add(1),
                Some(_) => self.plain = self.plain.saturating_add(1),
                None => {}
            }
            self.by_identity.entry(identity).or_default().entry(access.clone()).or_default().add(record);
        }
    }
}

impl Identity {
    fn of(who: &Who) -> Self {
        Self {
            issuer: who.issuer.clone(),
            subject: who.subject.clone(),
            client: who.client.clone(),
            credential: Some(who.credential.clone()),
        }
    }

    /// A name for people.
    pub(super) fn name(&self) -> &str {
        match (&self.subject, &self.client, &self.credential) {
            (Some(name), _, _) | (None, Some(name), _) => name,
            (None, None, Some(_)) => "somebody with a good credential",
            (None, None, None) => "nobody known",
        }
    }
}

impl Access {
    fn of(record: &Record) -> Self {
        let resource = record.resource.as_ref();
        Self {
            action: record.action.clone(),
            host: resource.map(|resource| resource.host.clone()),
            route: record.route().map(str::to_owned),
        }
    }

    /// The host with the route, as far as they are known.
    pub(super) fn resource(&self) -> String {
        let host = self.host.as_deref().unwrap_or("unknown");
        format!("{host}{}", self.route.as_deref().unwrap_or(" (no route)"))
    }
}

impl Counts {
    fn add(&mut self, record: &Record) {
        match record.decision {
            Outcome::Permit => self.permits = self.permits.saturating_add(1),
            Outcome::Deny => self.denies = self.denies.saturating_add(1),
        }
        self.extend(&record.time, &record.time);
    }

    /// Adds others.
    pub(super) fn merge(&mut self, other: &Self) {
        self.permits = self.permits.saturating_add(other.permits);
        self.denies = self.denies.saturating_add(other.denies);
        self.extend(&other.first, &other.last);
    }

    pub(super) const fn sum(&self) -> u64 {
        self.permits.saturating_add(self.denies)
    }

    /// Times of one form, so their texts are in their order.
    fn extend(&mut self, first: &str, last: &str) {
        if self.first.is_empty() || first < self.first.as_str() {
            first.clone_into(&mut self.first);
        }
        if last > self.last.as_str() {
            last.clone_into(&mut self.last);
        }
    }
}
