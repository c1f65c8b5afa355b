//! What proxies ask for: the newest manifest, and documents.

use std::sync::Arc;
use std::time::Duration;

use authz::distribution::Digest;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::Problem;
use crate::serve::auth::{Caller, PeerNames};
use crate::serve::published::Published;
use crate::serve::server::{Member, Server};

/// The longest that a poll waits: proxies and what is between have timeouts too.
const MAX_WAIT_SECONDS: u64 = 60;

/// The media type of manifests.
pub(super) const MANIFEST_TYPE: &str = "application/portcullis-manifest+json";
const STATUS: HeaderName = HeaderName::from_static("portcullis-status");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The newest manifest; with `prefer: wait=N`, once there is one that is newer than that of `if-none-match`.
pub(super) async fn manifest(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (name, member) = proxy_of(&server, &headers, &peer, &fleet)?;
    let status = headers.get(STATUS).map(axum::http::HeaderValue::as_bytes);
    for key in member.status.record(&name, status) {
        member.keys.report_unknown(&key.issuer, &key.key_id);
    }
    let known = known_epoch(&headers);
    let _open = server.metrics.poll(&fleet);
    let served = wait_for_news(&server, &member, known, wait(&headers)).await;
    match served {
        Some(served) if known != Some(served.epoch()) => Ok((
            [
                (CONTENT_TYPE, MANIFEST_TYPE.to_owned()),
                (ETAG, format!("\"{}\"", served.epoch())),
                (CACHE_CONTROL, "no-store".to_owned()),
            ],
            served.manifest.text().to_owned(),
        )
            .into_response()),
        Some(served) => Ok((StatusCode::NOT_MODIFIED, [(ETAG, format!("\"{}\"", served.epoch()))]).into_response()),
        // No failure, so that nobody waits before asking again: the first publication has somewhere to go.
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Waits until there is something newer, or the time is over, or the endpoint shuts down; then what there is.
async fn wait_for_news(server: &Server, member: &Member, known: Option<u64>, wait: Duration) -> Option<Arc<Published>> {
    let mut standing = member.fleet.watch();
    let mut closing = server.closing.clone();
    // Who knows nothing takes whatever there is. A replica that lags behind the proxy is no news either.
    let is_news =
        |served: Option<&Arc<Published>>| served.is_some_and(|served| known.is_none_or(|known| served.epoch() > known));
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    loop {
        let served = standing.borrow_and_update().served.clone();
        if is_news(served.as_ref()) || *closing.borrow() {
            return served;
        }
        tokio::select! {
            _ = standing.changed() => {}
            _ = closing.changed() => {}
            () = &mut deadline => return served,
        }
    }
}

/// A document, by the digest that a manifest has of it.
pub(super) async fn document(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, member) = proxy(&server, &headers, &peer)?;
    let missing = || Problem::not_found("there is no such document for this fleet");
    let sha256 = Digest::from_hex(&sha256).ok_or_else(missing)?;
    let found = member.fleet.document(&sha256.to_string()).await;
    let found = found.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let document = found.filter(|document| document.sha256 == sha256).ok_or_else(missing)?;
    // Packed revocations are the one kind that is not JSON.
    let kind = if document.plain.starts_with(b"{") { "application/json" } else { "application/octet-stream" };
    let constant =
        [(CONTENT_TYPE, kind), (CACHE_CONTROL, "private, immutable, max-age=31536000"), (VARY, "accept-encoding")];
    Ok(match &document.gzip {
        Some(gzip) if accepts_gzip(&headers) => (constant, [(CONTENT_ENCODING, "gzip")], gzip.clone()).into_response(),
        _ => (constant, document.plain.clone()).into_response(),
    })
}

/// The proxy that calls, and its fleet, which has to be this one.
pub(super) fn proxy_of(
    server: &Server,
    headers: &HeaderMap,
    peer: &PeerNames,
    fleet: &str,
) -> Result<(String, Arc<Member>), Problem> {
    let (name, member) = proxy(server, headers, peer)?;
    if member.fleet.settings.fleet != fleet {
        return Err(Problem::not_found("this proxy is of another fleet"));
    }
    Ok((name, member))
}

/// The proxy that calls, and its fleet.
fn proxy(server: &Server, headers: &HeaderMap, peer: &PeerNames) -> Result<(String, Arc<Member>), Problem> {
    let Some(Caller::Proxy { fleet, name }) = server.callers.identify(headers, peer) else {
        return Err(Problem::unauthorized());
    };
    let member = server.members.get(&fleet).ok_or_else(Problem::unauthorized)?;
    Ok((name, Arc::clone(member)))
}

/// The epoch that the proxy has. What is no epoch of ours is none: then it gets what there is.
fn known_epoch(headers: &HeaderMap) -> Option<u64> {
    let tag = headers.get(IF_NONE_MATCH)?.to_str().ok()?;
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// `prefer: wait=N` (RFC 7240 section 4.3).
fn wait(headers: &HeaderMap) -> Duration {
    let preferences =
        headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let seconds =
        preferences.filter_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse::<u64>().ok()).next();
    Duration::from_secs(seconds.unwrap_or(0).min(MAX_WAIT_SECONDS))
}

/// Whether `accept-encoding` names gzip without refusing it (RFC 9110 section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.into_iter().any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim().parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}
