//! Feeds: those who know first what is not good any more say so, and it is revoked.
//!
//! What they say is signed with the keys that the policy trusts their tokens with, so a feed needs no other secret. It only
//! ever takes away: nothing that is told here permits anything.

use std::sync::Arc;

use authz::Statement;
use authz::distribution::{DocumentKind, Documents};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::reply::json_reply;
use super::{Problem, read_body};
use crate::serve::auth::bearer_token;
use crate::serve::clock;
use crate::serve::events::{self, Said};
use crate::serve::fleet::ChangeError;
use crate::serve::server::{Member, Server};
use crate::serve::settings::{FeedKind, FeedSettings};

/// A token of at most 16 KiB, in a form.
const MAX_EVENT_BYTES: usize = 32 * 1024;

/// Why an event is not taken, in the words of RFC 8935 section 2.4.
struct Rejection {
    code: &'static str,
    description: String,
}

/// OpenID Connect Back-Channel Logout 1.0 section 2.5.
pub(super) async fn backchannel_logout(
    State(server): State<Arc<Server>>,
    Path((fleet, feed)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let member = member(&server, &fleet)?;
    let settings = feed_settings(member, &feed, FeedKind::BackchannelLogout, &headers)?;
    let body = read_body(body, MAX_EVENT_BYTES).await?;
    let no_store = [(CACHE_CONTROL, "no-store")];
    let token = form_field(&body, "logout_token").ok_or_else(|| Problem::bad_request("has no `logout_token`"))?;
    match take(member, settings, token.as_bytes()).await {
        Ok(()) => Ok((no_store, StatusCode::OK).into_response()),
        Err(FeedError::Rejected(rejection)) => {
            let body = json!({ "error": "invalid_request", "error_description": rejection.description });
            Ok((StatusCode::BAD_REQUEST, no_store, json_reply(&body)).into_response())
        }
        Err(FeedError::Failed(error)) => Err(error.into()),
    }
}

/// Push-based delivery of security event tokens (RFC 8935 section 2).
pub(super) async fn ssf(
    State(server): State<Arc<Server>>,
    Path((fleet, feed)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let member = member(&server, &fleet)?;
    let settings = feed_settings(member, &feed, FeedKind::Ssf, &headers)?;
    let body = read_body(body, MAX_EVENT_BYTES).await?;
    match take(member, settings, body.trim_ascii()).await {
        Ok(()) => Ok(StatusCode::ACCEPTED.into_response()),
        Err(FeedError::Rejected(rejection)) => {
            let body = json!({ "err": rejection.code, "description": rejection.description });
            let language = [("content-language", "en")];
            Ok((StatusCode::BAD_REQUEST, language, json_reply(&body)).into_response())
        }
        Err(FeedError::Failed(error)) => Err(error.into()),
    }
}

enum FeedError {
    Rejected(Rejection),
    Failed(ChangeError),
}

/// Verifies what a feed says, and revokes what it is about. It is answered after the epoch is made: a transmitter that gets no
/// such answer sends the event again.
async fn take(member: &Member, feed: &FeedSettings, token: &[u8]) -> Result<(), FeedError> {
    let reject = |code, description: String| {
        tracing::warn!(target: "audit", fleet = member.fleet.settings.fleet, feed = feed.feed, code, description, "event refused");
        FeedError::Rejected(Rejection { code, description })
    };
    let token_type = match feed.kind {
        FeedKind::BackchannelLogout => "logout+jwt",
        FeedKind::Ssf => "secevent+jwt",
    };
    let issuer = issuer_entry(member, &feed.issuer).map_err(FeedError::Failed)?;
    let statement = Statement::verify(&issuer, token_type, token).map_err(|reason| {
        // A key that is not known here may just be new.
        member.keys.report_unknown(&feed.issuer, "");
        reject("authentication_failed", format!("is not a `{token_type}` of {}: {}", feed.issuer, reason.code()))
    })?;
    let said = events::read(statement.claims(), feed, clock::seconds());
    let Said { entries, what } = said.map_err(|error| reject(error.code, error.description))?;
    if entries.is_empty() {
        return Ok(());
    }
    let why = format!("{}: {what}", feed.feed);
    member.revoker.revoke(&member.fleet, entries, why).await.map(drop).map_err(FeedError::Failed)
}

/// What the policy says of an issuer, with its keys.
fn issuer_entry(member: &Member, issuer: &str) -> Result<Bytes, ChangeError> {
    let standing = member.fleet.standing();
    let document =
        |kind| standing.newest.as_ref().and_then(|newest| newest.contents.get(&kind)).map(|text| &text.plain[..]);
    let documents = Documents {
        policy: document(DocumentKind::Policy)
            .ok_or_else(|| ChangeError::Conflict("nothing was published yet".to_owned()))?,
        keys: document(DocumentKind::Keys),
        ..Documents::default()
    };
    let bundle = documents.assemble(0)?;
    let entries = bundle.get("issuers").and_then(Value::as_array).into_iter().flatten();
    let entry = entries.into_iter().find(|entry| entry.get("issuer").and_then(Value::as_str) == Some(issuer));
    let entry = entry
        .ok_or_else(|| ChangeError::Conflict(format!("the policy does not name the issuer `{issuer}` of this feed")))?;
    Ok(entry.to_string().into())
}

fn member<'s>(server: &'s Server, fleet: &str) -> Result<&'s Arc<Member>, Problem> {
    server.members.get(fleet).ok_or_else(|| Problem::not_found("there is no such feed"))
}

fn feed_settings<'m>(
    member: &'m Member,
    feed: &str,
    kind: FeedKind,
    headers: &HeaderMap,
) -> Result<&'m FeedSettings, Problem> {
    let found = member.fleet.settings.feeds.iter().find(|settings| settings.feed == feed && settings.kind == kind);
    let found = found.ok_or_else(|| Problem::not_found("there is no such feed"))?;
    let is_known = |hash: &crate::serve::auth::TokenHash| bearer_token(headers).is_some_and(|token| hash.is_of(token));
    if found.token.as_ref().is_none_or(is_known) { Ok(found) } else { Err(Problem::unauthorized()) }
}

/// The one field of this name of a form.
fn form_field(body: &[u8], name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(body).filter(|(field, _)| field == name);
    let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
    Some(value.into_owned())
}
