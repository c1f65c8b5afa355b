//! Decision → effects: what the proxy has to do with the request.

mod identity_headers;
mod reply;
mod resource_metadata;

pub(crate) use identity_headers::IdentityHeaders;
pub(crate) use reply::Refusal;
pub use reply::Reply;
pub(crate) use resource_metadata::ResourceMetadata;

use std::rc::Rc;

use crate::credential::{self, Place};
use crate::http::{RequestHead, query};
use crate::policy::Obligations;
use crate::principal::Principal;
use crate::reason::Reason;
use crate::use_once::UseOnce;

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
    pub set: Vec<(String, Vec<u8>)>,
}

/// The edits that a permitted request needs before it may go upstream, or why it may not go.
///
/// Every header that only Portcullis may set is removed first, on public paths too, so that the client cannot speak as
/// the filter (CVE-2026-33433 and its two successors).
pub(crate) fn forward(
    head: &RequestHead<'_>,
    principal: &Principal,
    stripped: &[&Place],
    owned: &IdentityHeaders,
    obligations: &[Rc<Obligations>],
    is_hops: impl Fn(&[u8]) -> bool,
) -> Result<HeaderEdits, Reason> {
    let mut edits = HeaderEdits { remove: Vec::new(), set: owned.values(principal).ok_or(Reason::ObligationFailed)? };
    for obligations in obligations {
        obligations.add_headers(principal, &mut edits.set).ok_or(Reason::ObligationFailed)?;
    }
    let is_stripped = |name: &[u8]| stripped.iter().any(|place| place.is_header(name));
    // What a hop that is believed wrote stands under the name itself; another spelling of it is somebody else's.
    let is_forged =
        |name: &[u8]| is_hops(name) && !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    for (name, _) in
        head.headers.iter().filter(|(name, _)| owned.contains(name) || is_stripped(name) || is_forged(name))
    {
        edits.remove(name);
    }
    let cookies: Vec<&str> = stripped.iter().filter_map(|place| place.cookie()).collect();
    if !cookies.is_empty() {
        edits.remove(b"cookie");
        edits.set.extend(credential::cookies_without(head, &cookies).map(|kept| ("cookie".to_owned(), kept)));
    }
    let parameters: Vec<&str> = stripped.iter().filter_map(|place| place.query_parameter()).collect();
    if !parameters.is_empty() {
        let target = query::without(head, &parameters).ok_or(Reason::ObligationFailed)?;
        edits.set.push((":path".to_owned(), target));
    }
    Ok(edits)
}

/// What must not have been used before: the proofs that credentials brought along and, where the rule says `once`, the
/// token itself. A token that cannot be told from others, or never ends, cannot be used once.
pub(crate) fn use_once(principal: &Principal, obligations: &[Rc<Obligations>]) -> Result<Vec<UseOnce>, Reason> {
    let mut use_once = principal.use_once.clone();
    // What one of them demands holds whatever the order.
    if let Some(credential) = obligations.iter().find_map(|obligations| obligations.once) {
        let identity = principal.identity(credential).ok_or(Reason::ObligationFailed)?;
        let (Some(issuer), Some(token_id), Some(until)) = (&identity.issuer, &identity.token_id, identity.good_until)
        else {
            return Err(Reason::ObligationFailed);
        };
        use_once.push(UseOnce::new(&[b"token", issuer.as_bytes(), token_id.as_bytes()], until));
    }
    Ok(use_once)
}

impl HeaderEdits {
    fn remove(&mut self, name: &[u8]) {
        if !self.remove.iter().any(|known| known == name) {
            self.remove.push(name.to_vec());
        }
    }
}

/// Whether `Connection` asks a next hop to remove a header that only Portcullis may set (RFC 9110 section 7.6.1).
pub(crate) fn nominates_owned_header(head: &RequestHead<'_>, owned: &IdentityHeaders) -> bool {
    head.values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|name| owned.contains(name.trim_ascii()))
}
