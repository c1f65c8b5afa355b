//! Decision → effects: what the proxy has to do with the request.

mod assertion;
mod identity_headers;
mod reply;
mod resource_metadata;

pub use assertion::assertion_keys;
pub(crate) use assertion::{Assertion, Minted};
pub(crate) use identity_headers::IdentityHeaders;
pub(crate) use reply::Refusal;
pub use reply::Reply;
pub(crate) use resource_metadata::ResourceMetadata;

use std::rc::Rc;

use crate::credential::{self, Place};
use crate::http::{RequestHead, is_same_folded, query};
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
    let is_forged = |name: &[u8]| is_hops(name) && !is_plain(name);
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

/// What must not have been used before: the proofs that credentials brought along and, where rules say `once`, the
/// tokens themselves. A token that cannot be told from others, or never ends, cannot be used once.
pub(crate) fn use_once(principal: &Principal, all: &[Rc<Obligations>]) -> Result<Vec<UseOnce>, Reason> {
    let mut use_once = principal.use_once.clone();
    // What one of them demands holds whatever the order; two may demand the same.
    for (number, obligations) in all.iter().enumerate() {
        let Some(credential) = obligations.once else { continue };
        if all.iter().take(number).any(|earlier| earlier.once == Some(credential)) {
            continue;
        }
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
    /// Makes them right for a host that cannot remove headers, and overwrites only the first of several: what was to be removed is overwritten
    /// with nothing.
    ///
    /// # Errors
    ///
    /// [`Reason::HeaderRepeated`] where the upstream would see another value too, under the name or under one that it may take for
    /// it: of a name that is not plain nginx may find none, and add another (`ignore_invalid_headers off`);
    /// [`Reason::ObligationFailed`] where more than headers has to change.
    pub(crate) fn by_overwriting(&mut self, head: &RequestHead<'_>) -> Result<(), Reason> {
        let count = |name: &[u8]| head.headers.iter().filter(|(other, _)| is_same_folded(other, name)).count();
        let mut set = Vec::with_capacity(self.remove.len().saturating_add(self.set.len()));
        for name in std::mem::take(&mut self.remove) {
            let replaced = self.set.iter().any(|(other, _)| other.as_bytes().eq_ignore_ascii_case(&name));
            let is_alias = self.set.iter().any(|(other, _)| is_same_folded(other.as_bytes(), &name));
            match (count(&name), replaced, String::from_utf8(name)) {
                (1, true, Ok(_)) => {}
                (1, false, Ok(name)) if !is_alias && is_plain(name.as_bytes()) => set.push((name, Vec::new())),
                _ => return Err(Reason::HeaderRepeated),
            }
        }
        for (name, _) in &self.set {
            if name.starts_with(':') {
                return Err(Reason::ObligationFailed);
            }
            if count(name.as_bytes()) > 1 {
                return Err(Reason::HeaderRepeated);
            }
        }
        set.append(&mut self.set);
        self.set = set;
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) {
        if !self.remove.iter().any(|known| known == name) {
            self.remove.push(name.to_vec());
        }
    }
}

/// Whether no server takes the name of a header for invalid or for another.
fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Whether `Connection` asks a next hop to remove a header that only Portcullis may set (RFC 9110 section 7.6.1).
pub(crate) fn nominates_owned_header(head: &RequestHead<'_>, owned: &IdentityHeaders) -> bool {
    head.values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|name| owned.contains(name.trim_ascii()))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::principal::Identity;
    use crate::time::UnixTime;

    /// Two rules that permit may each want another token to be used once.
    #[test]
    fn every_token_that_a_rule_wants_once_is_used_once() {
        let identity = |token_id: &str| {
            Rc::new(Identity {
                issuer: Some("https://idp.example.com".into()),
                token_id: Some(token_id.to_owned()),
                good_until: Some(UnixTime::from_seconds(100)),
                ..Identity::default()
            })
        };
        let principal =
            Principal { identities: vec![(0, identity("user")), (1, identity("device"))], ..Principal::default() };
        let once = |credentials: &[Option<usize>]| {
            let obligations: Vec<_> =
                credentials.iter().map(|once| Rc::new(Obligations::default().with_once(*once))).collect();
            use_once(&principal, &obligations).unwrap().len()
        };
        assert_eq!(once(&[None]), 0);
        assert_eq!(once(&[Some(0), None, Some(0)]), 1);
        assert_eq!(once(&[Some(0), Some(1)]), 2);
    }

    /// What becomes of edits, and of what the client sent, on a host that cannot remove headers.
    #[test]
    fn what_cannot_be_removed_is_overwritten_or_the_request_is_refused() {
        type Names<'n> = &'n [&'n str];
        type Headers<'h> = &'h [(&'h str, &'h str)];
        let overwritten = |sent: Names<'static>, remove: &[&str], set: Headers<'_>| {
            let headers = sent.iter().map(|name| (name.as_bytes(), &b"forged"[..])).collect();
            let head = RequestHead { headers, ..RequestHead::default() };
            let set = set.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            let remove = remove.iter().map(|name| name.as_bytes().to_vec()).collect();
            let mut edits = HeaderEdits { remove, set };
            edits.by_overwriting(&head)?;
            assert!(edits.remove.is_empty());
            Ok(edits.set.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect())
        };
        let subject: Headers<'_> = &[("x-subject", "alice")];
        type Case<'c> = (Names<'c>, Names<'c>, Headers<'c>, Result<Names<'c>, Reason>);
        let cases: [Case<'_>; 10] = [
            (&[], &[], subject, Ok(&["x-subject=alice"])),
            (&["X-Subject"], &["X-Subject"], subject, Ok(&["x-subject=alice"])),
            (&["X-Roles", "other"], &["X-Roles"], subject, Ok(&["X-Roles=", "x-subject=alice"])),
            (&["x-roles"], &["x-roles"], &[], Ok(&["x-roles="])),
            // nginx may not find it, and add one of this name.
            (&["x_roles"], &["x_roles"], &[], Err(Reason::HeaderRepeated)),
            (&["x_subject"], &["x_subject"], subject, Err(Reason::HeaderRepeated)),
            (&["x-subject", "x-subject"], &["x-subject"], subject, Err(Reason::HeaderRepeated)),
            (&["x-roles", "x.roles"], &["x-roles", "x.roles"], &[], Err(Reason::HeaderRepeated)),
            (&["cookie", "Cookie"], &[], &[("cookie", "kept=1")], Err(Reason::HeaderRepeated)),
            (&[], &[], &[(":path", "/")], Err(Reason::ObligationFailed)),
        ];
        for (sent, remove, set, expected) in cases {
            let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
            assert_eq!(overwritten(sent, remove, set), expected, "{sent:?}");
        }
    }
}
