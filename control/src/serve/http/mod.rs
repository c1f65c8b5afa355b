//! The HTTP interface (`control/schema/openapi.json`).

mod admin;
mod assertion;
mod decisions;
mod feeds;
mod listener;
mod poll;
mod reply;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Limited};

pub(crate) use self::listener::{certificates, listen, serve, tls};
use self::reply::Problem;
use super::auth::{Caller, PeerNames};
use super::server::{Member, Server};

/// How long a request may take to send its body.
const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// The description of this interface.
const OPENAPI: &str = include_str!("../../../schema/openapi.json");

/// All routes. A test holds them together with the description.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v1/fleets/{fleet}/manifest", get(poll::manifest))
        .route("/v1/documents/{sha256}", get(poll::document))
        .route("/v1/fleets/{fleet}/decisions", post(decisions::keep))
        .route("/v1/fleets/{fleet}/publish", post(admin::publish))
        .route("/v1/fleets/{fleet}/revocations", post(admin::revoke))
        .route("/v1/fleets/{fleet}/rollback", post(admin::roll_back))
        .route("/v1/fleets/{fleet}/status", get(admin::status))
        .route("/v1/fleets/{fleet}/history", get(admin::history))
        .route("/v1/fleets/{fleet}/manifests/{epoch}", get(admin::manifest))
        .route("/v1/fleets/{fleet}/manifests/{epoch}/signatures", post(admin::sign))
        .route("/v1/fleets/{fleet}/feeds/backchannel-logout/{feed}", post(feeds::backchannel_logout))
        .route("/v1/fleets/{fleet}/feeds/ssf/{feed}", post(feeds::ssf))
        .route("/v1/fleets/{fleet}/assertion-keys", get(assertion::keys))
        .route("/v1/openapi.json", get(openapi))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || Problem::not_found("there is nothing here; /v1/openapi.json says what there is"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(middleware::from_fn_with_state(Arc::clone(&server), observe))
        .with_state(server)
}

/// Counts and logs every answer, by route: a path that somebody makes up is no label.
async fn observe(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    if *server.closing.borrow() {
        // Whoever asks again asks another replica.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let status = response.status().as_u16();
    server.metrics.answered(&route, status);
    tracing::debug!(%method, route, status, "answered");
    response
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn healthz() -> Response {
    "alive\n".into_response()
}

async fn readyz(State(server): State<Arc<Server>>) -> Response {
    match server.unready() {
        None => "ready\n".into_response(),
        Some(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], server.metrics()).into_response()
}

/// The administrator who calls, and the fleet, if it is one of hers.
fn admin(
    server: &Server,
    headers: &HeaderMap,
    peer: &PeerNames,
    fleet: &str,
) -> Result<(String, Arc<Member>), Problem> {
    let Some(Caller::Admin { name, fleets }) = server.callers.identify(headers, peer) else {
        tracing::warn!(target: "audit", fleet, "refused: no administrator");
        return Err(Problem::unauthorized());
    };
    let is_hers = fleets.is_none_or(|fleets| fleets.iter().any(|own| own == fleet));
    let member = server.members.get(fleet).filter(|_| is_hers);
    let member =
        member.ok_or_else(|| Problem::not_found(format!("there is no fleet `{fleet}` that you administer")))?;
    Ok((name, Arc::clone(member)))
}

/// The whole body of a request, if it has no more bytes than that and comes in time.
async fn read_body(body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, most).collect()).await;
    let read = read.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"))?;
    let too_large = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {most} bytes are read"));
    Ok(read.map_err(too_large)?.to_bytes())
}
