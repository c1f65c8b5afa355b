//! What administrators do.

use std::sync::Arc;

use authz::document::{self, Node};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::poll::MANIFEST_TYPE;
use super::reply::json_reply;
use super::{Problem, admin, read_body};
use crate::serve::auth::PeerNames;
use crate::serve::changes::{self, Publication};
use crate::serve::published::{Cause, Document};
use crate::serve::server::{Member, Server};

/// As large as a policy may be.
const MAX_PUBLICATION_BYTES: usize = authz::limits::MAX_BUNDLE_BYTES;

/// Every other request.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// How many epochs the history tells.
const MAX_HISTORY: usize = 100;

/// `POST /v1/fleets/{fleet}/publish`
pub(super) async fn publish(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (who, member) = admin(&server, &headers, &peer, &fleet)?;
    let body = read_body(body, MAX_PUBLICATION_BYTES).await?;
    let publication = read(&body, read_publication)?;
    let cause = Cause::of(&who, "publish", format!("policy {}", publication.policy.sha256));
    let epoch = changes::publish(&member.fleet, &member.keys, &publication, &cause).await?;
    Ok(json_reply(&json!({ "epoch": epoch })))
}

/// `POST /v1/fleets/{fleet}/revocations`
pub(super) async fn revoke(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (who, member) = admin(&server, &headers, &peer, &fleet)?;
    let body = read_body(body, MAX_REQUEST_BYTES).await?;
    let entries = read(&body, |node| {
        node.object(&["entries"])?.required("entries")?.filled_list(|item| Some(item.value().clone()))
    })?;
    let cause = Cause::of(&who, "revoke", json!(entries).to_string());
    let epoch = changes::revoke(&member.fleet, &entries, &cause).await?;
    Ok(json_reply(&json!({ "epoch": epoch })))
}

/// `POST /v1/fleets/{fleet}/rollback`
pub(super) async fn roll_back(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (who, member) = admin(&server, &headers, &peer, &fleet)?;
    let body = read_body(body, MAX_REQUEST_BYTES).await?;
    let to = read(&body, |node| node.object(&["to"])?.required("to")?.integer(0..=(1 << 53)))?;
    let cause = Cause::of(&who, "rollback", format!("to epoch {to}"));
    let epoch = changes::roll_back(&member.fleet, &member.keys, to, &cause).await?;
    Ok(json_reply(&json!({ "epoch": epoch })))
}

/// `GET /v1/fleets/{fleet}/manifests/{epoch}`
pub(super) async fn manifest(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path((fleet, epoch)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, member) = admin(&server, &headers, &peer, &fleet)?;
    let manifest = member.fleet.manifest(epoch).await?;
    Ok(([(CONTENT_TYPE, MANIFEST_TYPE)], manifest).into_response())
}

/// `POST /v1/fleets/{fleet}/manifests/{epoch}/signatures`
pub(super) async fn sign(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path((fleet, epoch)): Path<(String, u64)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (who, member) = admin(&server, &headers, &peer, &fleet)?;
    let body = read_body(body, MAX_REQUEST_BYTES).await?;
    let signature = read(&body, |node| {
        let fields = node.object(&["protected", "signature"])?;
        let (protected, signature) = (fields.required("protected"), fields.required("signature"));
        let (protected, signature) = (protected.and_then(|node| node.text()), signature.and_then(|node| node.text()));
        Some(json!({ "protected": protected?, "signature": signature? }))
    })?;
    member.fleet.add_signature(epoch, &signature).await?;
    tracing::info!(target: "audit", fleet, epoch, who, action = "sign", "signature added");
    let served = member.fleet.standing().served.map(|served| served.epoch());
    Ok(json_reply(&json!({ "epoch": epoch, "served_epoch": served })))
}

/// `GET /v1/fleets/{fleet}/status`
pub(super) async fn status(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, member) = admin(&server, &headers, &peer, &fleet)?;
    Ok(json_reply(&fleet_status(&member).await))
}

/// `GET /v1/fleets/{fleet}/history`
pub(super) async fn history(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<PeerNames>,
    Path(fleet): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, member) = admin(&server, &headers, &peer, &fleet)?;
    let epochs = member.fleet.history(MAX_HISTORY).await?;
    Ok(json_reply(&json!({ "version": 1, "fleet": fleet, "epochs": epochs })))
}

/// The status of a fleet, version 1 (`control/schema/fleet-status.schema.json`).
async fn fleet_status(member: &Member) -> Value {
    let standing = member.fleet.standing();
    let served = standing.served.as_deref().map(|served| {
        let seconds = |time: authz::UnixTime| time.as_millis() / 1000;
        let payload = served.payload();
        json!({ "epoch": payload.epoch, "issued_at": seconds(payload.issued_at), "expires_at": seconds(payload.expires_at) })
    });
    let newest = standing.newest.as_deref().map(crate::serve::published::Published::epoch);
    let sources = member.fleet.key_sources(standing.newest.as_deref());
    json!({
        "version": 1,
        "fleet": member.fleet.settings.fleet,
        "name": member.fleet.settings.name,
        "at": crate::serve::clock::seconds(),
        "served": served,
        "newest_epoch": newest,
        "proxies": member.proxies().await,
        "issuers": member.keys.status(&sources),
    })
}

fn read<T>(body: &[u8], parse: impl Fn(&Node<'_>) -> Option<T>) -> Result<T, Problem> {
    document::read(body, parse).map_err(|errors| Problem::bad_request(errors.to_string()))
}

fn read_publication(node: &Node<'_>) -> Option<Publication> {
    let fields = node.object(&["policy", "credentials", "tests"])?;
    let text = |value: &Value| Document::new(Bytes::from(value.to_string()));
    let policy = fields.required("policy").and_then(|node| {
        node.open_object()?;
        let mut policy = node.value().clone();
        // A bundle that was built has one; here it is the epoch.
        policy.as_object_mut().map(|members| members.remove("revision"));
        Some(text(&policy))
    });
    let credentials = fields.optional("credentials").map(|node| text(node.value()));
    let tests = fields.optional("tests").map(|node| text(node.value()));
    Some(Publication { policy: policy?, credentials, tests })
}
