//! What a logout token or a security event says, as revocations.

use serde_json::{Map, Value, json};

use super::settings::{FeedKind, FeedSettings};

/// How old an event may be, and how far in the future: clocks differ, and transmitters try again for some time.
const MAX_AGE_SECONDS: u64 = 24 * 3600;
const MAX_CLOCK_DIFFERENCE_SECONDS: u64 = 300;

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// SSF 1.0 section 8.1.4: the transmitter tries whether we listen.
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
/// CAEP 1.0: the session is over.
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
/// CAEP 1.0: what tokens say, or what they were given for, is not so any more.
const OUTDATED: [&str; 2] = [
    "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
    "https://schemas.openid.net/secevent/caep/event-type/credential-change",
];

/// Revocations, and a line about why.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) entries: Vec<Value>,
    pub(crate) what: String,
}

/// Why an event is not taken: a code of RFC 8935 section 2.4, and a sentence.
#[derive(Debug)]
pub(crate) struct EventError {
    pub(crate) code: &'static str,
    pub(crate) description: String,
}

/// Reads the claims of a statement whose signature was verified. What is not understood is refused, so that nobody believes
/// something to be revoked that is not.
pub(crate) fn read(claims: &Map<String, Value>, feed: &FeedSettings, now: u64) -> Result<Said, EventError> {
    let issued_at = check_common(claims, feed, now)?;
    let events = claims.get("events").and_then(Value::as_object).ok_or_else(|| invalid("has no `events`"))?;
    let id = text(claims, "jti").ok_or_else(|| invalid("has no `jti`"))?;
    let what = format!("{} {id}: {}", feed.issuer, events.keys().cloned().collect::<Vec<_>>().join(", "));
    let entries = match feed.kind {
        FeedKind::BackchannelLogout => vec![logout(claims, events, feed, issued_at, now)?],
        FeedKind::Ssf => {
            let mut entries = Vec::new();
            for (name, event) in events {
                entries.extend(security_event(claims, name, event, feed, issued_at, now)?);
            }
            entries
        }
    };
    Ok(Said { entries, what })
}

/// Issuer, audience and times (RFC 8417 section 2.2, Back-Channel Logout section 2.6); when it was issued.
fn check_common(claims: &Map<String, Value>, feed: &FeedSettings, now: u64) -> Result<u64, EventError> {
    if text(claims, "iss") != Some(&feed.issuer) {
        return Err(EventError { code: "invalid_issuer", description: format!("is not from {}", feed.issuer) });
    }
    let is_ours =
        |value: &Value| value.as_str().is_some_and(|audience| feed.audiences.iter().any(|own| own == audience));
    let for_us = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
        Some(audience) => is_ours(audience),
        None => false,
    };
    if !for_us {
        return Err(EventError {
            code: "invalid_audience",
            description: "is not for one of the audiences of this feed".to_owned(),
        });
    }
    let issued_at = time(claims, "iat")?.ok_or_else(|| invalid("has no `iat`"))?;
    if issued_at > now.saturating_add(MAX_CLOCK_DIFFERENCE_SECONDS) || issued_at < now.saturating_sub(MAX_AGE_SECONDS) {
        return Err(invalid("`iat` is in the future, or more than a day ago"));
    }
    if time(claims, "exp")?.is_some_and(|expires_at| now >= expires_at.saturating_add(MAX_CLOCK_DIFFERENCE_SECONDS)) {
        return Err(invalid("has expired"));
    }
    Ok(issued_at.min(now))
}

/// A session is over, or all of somebody's.
fn logout(
    claims: &Map<String, Value>,
    events: &Map<String, Value>,
    feed: &FeedSettings,
    issued_at: u64,
    now: u64,
) -> Result<Value, EventError> {
    if !events.get(LOGOUT).is_some_and(Value::is_object) {
        return Err(invalid("has no logout event"));
    }
    // Section 2.6 step 7: an ID token must not pass for a logout token.
    if claims.contains_key("nonce") {
        return Err(invalid("has a `nonce`"));
    }
    match (text(claims, "sid"), text(claims, "sub")) {
        (Some(session), _) => Ok(session_entry(session, feed, now)),
        (None, Some(subject)) => Ok(subject_entry(subject, issued_at, feed, now)),
        (None, None) => Err(invalid("has neither `sub` nor `sid`")),
    }
}

fn security_event(
    claims: &Map<String, Value>,
    name: &str,
    event: &Value,
    feed: &FeedSettings,
    issued_at: u64,
    now: u64,
) -> Result<Vec<Value>, EventError> {
    if name == VERIFICATION {
        return Ok(Vec::new());
    }
    if name != SESSION_REVOKED && !OUTDATED.contains(&name) {
        return Err(invalid(&format!("`{name}` is not an event that is understood here")));
    }
    // In the token (SSF 1.0 section 3), or in the event, as drafts had it.
    let subject = claims.get("sub_id").or_else(|| event.get("subject")).ok_or_else(|| invalid("has no `sub_id`"))?;
    let at = event.get("event_timestamp").and_then(Value::as_u64).map_or(issued_at, |at| at.min(now));
    let (user, session) = match subject.get("format").and_then(Value::as_str) {
        Some("complex") => (subject.get("user"), subject.get("session")),
        _ => (Some(subject), None),
    };
    let session = session.map(|session| session.get("id").and_then(Value::as_str));
    match (session, user.map(|user| subject_of(user, feed))) {
        // Only that session, and not whatever else its user does.
        (Some(Some(session)), _) if name == SESSION_REVOKED => Ok(vec![session_entry(session, feed, now)]),
        (Some(None), _) => Err(invalid("the session has no `id`")),
        (_, Some(subject)) => Ok(vec![subject_entry(subject?, at, feed, now)]),
        (_, None) => Err(invalid("the subject names neither a user nor a session")),
    }
}

/// RFC 9493 section 3.2.3: only what the issuer says of its own subjects counts.
fn subject_of<'s>(subject: &'s Value, feed: &FeedSettings) -> Result<&'s str, EventError> {
    let member = |name: &str| subject.get(name).and_then(Value::as_str);
    match (member("format"), member("iss"), member("sub")) {
        (Some("iss_sub"), Some(issuer), Some(subject)) if issuer == feed.issuer && !subject.is_empty() => Ok(subject),
        (Some("iss_sub"), Some(_), _) => Err(invalid("the subject is that of another issuer, or has no `sub`")),
        _ => Err(invalid("the subject is not identified by `iss_sub`, as tokens are")),
    }
}

fn session_entry(session: &str, feed: &FeedSettings, now: u64) -> Value {
    json!({ "issuer": feed.issuer, "session": session, "until": now.saturating_add(feed.retention_seconds) })
}

/// Everything that was issued to somebody until then, the second of the event included.
fn subject_entry(subject: &str, at: u64, feed: &FeedSettings, now: u64) -> Value {
    json!({
        "issuer": feed.issuer,
        "subject": subject,
        "issued_before": at.saturating_add(1),
        "until": now.saturating_add(feed.retention_seconds),
    })
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A time, if it is there; what is no number is no time, and never "absent".
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, EventError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_u64().map(Some).ok_or_else(|| invalid(&format!("`{name}` is not a time in whole seconds")))
        }
    }
}

fn invalid(description: &str) -> EventError {
    EventError { code: "invalid_request", description: description.to_owned() }
}
