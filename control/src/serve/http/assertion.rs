//! The keys by which services verify assertions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use super::Problem;
use crate::serve::published::Published;
use crate::serve::server::Server;

/// `GET /v1/fleets/{fleet}/assertion-keys`: the key set (RFC 7517 section 5) of the policy that is served. It is public, so whoever
/// verifies needs nothing of ours to ask for it; a policy without assertions has none.
pub(super) async fn keys(State(server): State<Arc<Server>>, Path(fleet): Path<String>) -> Result<Response, Problem> {
    let member = server.members.get(&fleet).ok_or_else(|| Problem::not_found("there is no such fleet"))?;
    let served = member.fleet.standing().served;
    let keys = served.as_deref().map(Published::assertion_keys);
    let keys = keys.ok_or_else(|| Problem::not_found("nothing was published yet"))?;
    let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "max-age=60")];
    Ok((headers, keys).into_response())
}
