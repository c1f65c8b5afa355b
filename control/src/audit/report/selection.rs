//! Which records a report is about.

use authz::record::PseudonymKey;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::super::pseudonym::read_key;
use super::super::record::{Record, Who};
use super::Arguments;

/// Which records are wanted.
pub(super) struct Selection {
    since: Option<i64>,
    until: Option<i64>,
    issuer: Option<String>,
    subject: Option<String>,
    key: Option<PseudonymKey>,
    /// The same in words.
    pub(super) words: Vec<String>,
}

impl Selection {
    pub(super) fn new(arguments: &Arguments) -> Result<Self, String> {
        let key = arguments.pseudonym_key.as_deref().map(read_key).transpose()?;
        let words = [
            ("since", &arguments.since),
            ("until", &arguments.until),
            ("issuer", &arguments.issuer),
            ("subject", &arguments.subject),
        ];
        let words = words.into_iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")));
        Ok(Self {
            since: arguments.since.as_deref().map(milliseconds).transpose()?,
            until: arguments.until.as_deref().map(milliseconds).transpose()?,
            issuer: arguments.issuer.clone(),
            subject: arguments.subject.clone(),
            key,
            words: words.collect(),
        })
    }

    /// Whether it was decided in the time that is wanted.
    pub(super) fn has_time(&self, record: &Record) -> bool {
        let Some(time) = record.milliseconds() else { return false };
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }

    /// Whether nobody in particular is wanted.
    pub(super) const fn is_about_all(&self) -> bool {
        self.issuer.is_none() && self.subject.is_none()
    }

    /// Whether somebody is wanted.
    pub(super) fn has(&self, who: &Who) -> bool {
        let issuer = who.issuer.as_deref();
        self.issuer.as_ref().is_none_or(|wanted| issuer == Some(wanted))
            && self.subject.as_ref().is_none_or(|wanted| {
                let pseudonym =
                    self.key.as_ref().map(|key| key.pseudonym(issuer.unwrap_or_default(), "subject", wanted));
                let subject = who.subject.as_ref();
                subject == Some(wanted) || (pseudonym.is_some() && subject == pseudonym.as_ref())
            })
    }
}

/// A time in milliseconds since 1970; a date is its beginning in UTC.
fn milliseconds(text: &str) -> Result<i64, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| {
        format!("`{text}` is neither a date, such as 2026-11-26, nor a time, such as 2026-11-26T18:00:00Z")
    })?;
    let nanoseconds = time.to_offset(UtcOffset::UTC).unix_timestamp_nanos();
    i64::try_from(nanoseconds / 1_000_000).map_err(|_| format!("`{text}` is too far away"))
}
