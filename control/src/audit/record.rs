//! A decision record as it is read: one line of the log, version 2 (`docs/decision-log.md`).

use std::collections::{BTreeMap, BTreeSet};

use authz::Reason;
use authz::record::RecordId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The one version of the format that this program reads.
const VERSION: u64 = 2;

/// What stands before the id, which is the last member of every line.
const BEFORE_ID: &[u8] = b",\"id\":\"";

/// How many bytes the id takes, with what is around it.
const ID_BYTES: usize = BEFORE_ID.len() + 22 + b"\"}".len();

/// A line of the log.
#[derive(Clone, Copy)]
pub(crate) struct Line<'l>(&'l [u8]);

/// The members of a record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    version: u64,
    pub(crate) time: String,
    pub(crate) worker: String,
    pub(crate) sequence: u64,
    pub(crate) decision: Outcome,
    pub(crate) reason: String,
    /// Null, but never absent: so it is with `revision`.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) rule: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) revision: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) principal: Option<Who>,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) further_principals: Vec<Who>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) source: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) action: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) resource: Option<Resource>,
    #[serde(default, deserialize_with = "filled")]
    pub(crate) obligations: Vec<Obligation>,
    #[serde(default, deserialize_with = "present")]
    transaction: Option<String>,
    pub(crate) latency_class: LatencyClass,
    #[serde(default, deserialize_with = "present")]
    pub(crate) trace: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) span: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) shadow: Option<Shadow>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) candidate: Option<Candidate>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) audit: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) unsampled: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) lost: Option<Lost>,
    pub(crate) id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Permit,
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Obligation {
    Audit,
    Once,
    RateLimit,
    StripCredentials,
    Headers,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LatencyClass {
    None,
    Remembered,
    Verified,
    Asked,
}

/// Somebody who presented a credential that was good.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    pub(crate) credential: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) claims: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    pub(crate) host: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) route: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) path: Option<String>,
}

/// What would have been decided.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shadow {
    decision: Outcome,
    reason: String,
    #[serde(deserialize_with = "Option::deserialize")]
    rule: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Candidate {
    decision: Outcome,
    reason: String,
    #[serde(deserialize_with = "Option::deserialize")]
    rule: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    revision: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lost {
    pub(crate) permit: u64,
    pub(crate) deny: u64,
}

/// A member that may be absent and may not be null.
fn present<'d, D: serde::Deserializer<'d>, T: Deserialize<'d>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A list that may be absent and may not be empty.
fn filled<'d, D: serde::Deserializer<'d>, T: Deserialize<'d>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() { Err(serde::de::Error::invalid_length(0, &"at least one")) } else { Ok(list) }
}

impl<'l> Line<'l> {
    /// A line without its end.
    pub(crate) const fn new(text: &'l [u8]) -> Self {
        Self(text)
    }

    /// What the id is made of: the line up to `,"id":`. A claim may be named `id` too, so it is the last one that counts.
    pub(crate) fn hashed(self) -> Option<&'l [u8]> {
        let (hashed, id) = self.0.split_at_checked(self.0.len().checked_sub(ID_BYTES)?)?;
        (id.starts_with(BEFORE_ID) && id.ends_with(b"\"}")).then_some(hashed)
    }

    /// The record, if it is one in every particular; else what is wrong with it.
    pub(crate) fn parse(self) -> Result<(Record, RecordId), String> {
        let record: Record = serde_json::from_slice(self.0).map_err(|error| format!("is not a record: {error}"))?;
        let id = record.check()?;
        if self.hashed().is_none() {
            return Err("`id` is not at its end".to_owned());
        }
        Ok((record, id))
    }
}

impl Record {
    fn check(&self) -> Result<RecordId, String> {
        let hexadecimal = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_transaction = |text: &str| {
            text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let reasons = [Some(&self.reason), self.shadow.as_ref().map(|shadow| &shadow.reason)];
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.reason);
        let unknown = reasons.into_iter().chain([candidate]).flatten().find(|reason| !is_reason(reason));
        let parts = [
            (self.version == VERSION, "version"),
            (self.time.len() == 24 && self.time.ends_with('Z') && self.milliseconds().is_some(), "time"),
            (hexadecimal(&self.worker, 16), "worker"),
            (self.sequence > 0, "sequence"),
            (unknown.is_none(), "reason"),
            (self.trace.as_ref().is_none_or(|trace| hexadecimal(trace, 32)), "trace"),
            (self.span.as_ref().is_none_or(|span| hexadecimal(span, 16)), "span"),
            (self.transaction.as_ref().is_none_or(|transaction| is_transaction(transaction)), "transaction"),
            (self.audit != Some(false), "audit"),
            (self.unsampled != Some(0), "unsampled"),
            (self.obligations.iter().collect::<BTreeSet<_>>().len() == self.obligations.len(), "obligations"),
        ];
        if let Some((_, name)) = parts.into_iter().find(|(is_good, _)| !is_good) {
            return Err(format!("`{name}` is not as version {VERSION} has it"));
        }
        RecordId::parse(&self.id).ok_or_else(|| "`id` is not 16 bytes in base64url".to_owned())
    }

    /// When it was decided, in milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> Option<i64> {
        let time = OffsetDateTime::parse(&self.time, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos().checked_div(1_000_000)?).ok()
    }

    /// The route, where there is one, else the host.
    pub(crate) fn route(&self) -> Option<&str> {
        self.resource.as_ref().and_then(|resource| resource.route.as_deref())
    }
}

fn is_reason(code: &str) -> bool {
    Reason::ALL.iter().any(|reason| reason.code() == code)
}
