//! Decision → effects: what the proxy has to do with the request.

mod identity_headers;
mod reply;

pub(crate) use identity_headers::IdentityHeaders;
pub use reply::Reply;

use crate::http::RequestHead;
use crate::jwt::Principal;
use crate::reason::Reason;

/// What the proxy has to do. There is nothing between forwarding and refusing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request to the upstream, after these edits, in this order.
    Forward(HeaderEdits),
    /// Answer the client; the upstream never sees the request.
    Reply(Reply),
}

/// Edits of the request headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Headers to remove, all their occurrences, each name as the client spelled it.
    pub remove: Vec<Vec<u8>>,
    /// Headers to set, exactly once each: name and value.
    pub set: Vec<(String, String)>,
}

/// The edits that a permitted request needs before it may go upstream, or why it may not go.
///
/// Every header that only Portcullis may set is removed first, on public paths too, so that the client cannot speak as
/// the filter (CVE-2026-33433 and its two successors).
pub(crate) fn forward(
    head: &RequestHead<'_>,
    principal: &Principal,
    owned: &IdentityHeaders,
) -> Result<HeaderEdits, Reason> {
    let set = owned.values(principal).ok_or(Reason::ObligationFailed)?;
    let mut remove: Vec<Vec<u8>> = Vec::new();
    for (name, _) in &head.headers {
        if owned.contains(name) && !remove.iter().any(|known| known == name) {
            remove.push(name.to_vec());
        }
    }
    Ok(HeaderEdits { remove, set })
}

/// Whether `Connection` asks a next hop to remove a header that only Portcullis may set (RFC 9110 section 7.6.1).
pub(crate) fn nominates_owned_header(head: &RequestHead<'_>, owned: &IdentityHeaders) -> bool {
    head.values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|name| owned.contains(name.trim_ascii()))
}
