//! What proxies have decided.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};

use super::{Problem, poll, read_body};
use crate::serve::auth::PeerNames;
use crate::serve::decisions::NotKept;
use crate::serve::server::Server;

/// As large as a batch may be.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// `POST /v1/fleets/{fleet}/decisions`: 204 says that the records are on the disk.
pub(super) async fn keep(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let (name, member) = poll::proxy_of(&server, &headers, &peer, &fleet)?;
    let log = member.decisions.as_ref();
    let log = log.ok_or_else(|| Problem::not_found("this fleet keeps no decisions: serve.yaml has no `decisions`"))?;
    let batch = read_body(body, MAX_BATCH_BYTES).await?;
    log.keep(batch).await.map_err(|not_kept| match not_kept {
        NotKept::Malformed(why) => {
            tracing::warn!(target: "audit", fleet, proxy = name, why, "decisions that are none were refused");
            Problem::bad_request(why)
        }
        NotKept::Unavailable(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why),
    })?;
    Ok(StatusCode::NO_CONTENT)
}
