//! What is revoked: a document of entries, and one of those that are packed when the entries have become many.

use std::fmt::Display;
use std::sync::Arc;

use authz::UnixTime;
use authz::distribution::{DocumentKind, PackedKind, RevocationPacker, revocation_is_over};
use serde_json::{Value, json};

use super::clock;
use super::fleet::ChangeError;
use super::published::{Contents, Document, Published};

/// From so many entries on those that can be are packed. A proxy reads twice as many, and fetches what is packed again each time.
const PACK_FROM: usize = 10_000;

/// The entries that still concern something. Those of issuers that a policy does not name any more are kept: a later one may name
/// them again.
pub(super) fn living(published: Option<&Published>) -> Result<Vec<Value>, ChangeError> {
    let document = published.and_then(|published| published.contents.get(&DocumentKind::Revocations));
    let Some(document) = document else { return Ok(Vec::new()) };
    let document: Value = serde_json::from_slice(&document.plain).map_err(unreadable)?;
    let entries = document.get("entries").and_then(Value::as_array).ok_or_else(|| unreadable("it has no `entries`"))?;
    let now = clock::now();
    let until = |entry: &Value| entry.get("until").and_then(Value::as_u64).map(UnixTime::from_seconds);
    let is_alive = |entry: &&Value| until(entry).is_none_or(|until| !revocation_is_over(until, now));
    Ok(entries.iter().filter(is_alive).cloned().collect())
}

/// Nothing is made of what cannot be read: it would not be revoked any more.
fn unreadable(why: impl Display) -> ChangeError {
    ChangeError::Unavailable(format!("what was revoked until now cannot be read: {why}"))
}

/// Makes what is revoked now the revocations of other contents.
pub(super) fn carry_over(newest: Option<&Published>, contents: &mut Contents) -> Result<(), ChangeError> {
    let packed = newest.and_then(|newest| newest.contents.get(&DocumentKind::PackedRevocations));
    contents.remove(&DocumentKind::PackedRevocations);
    contents.extend(packed.map(|packed| (DocumentKind::PackedRevocations, Arc::clone(packed))));
    replace(contents, living(newest)?)
}

/// Makes these the entries, packed if they are many and there is room.
pub(super) fn replace(contents: &mut Contents, mut entries: Vec<Value>) -> Result<(), ChangeError> {
    if entries.len() > PACK_FROM {
        let mut packer = match contents.get(&DocumentKind::PackedRevocations) {
            Some(packed) => RevocationPacker::with(packed.plain.to_vec(), clock::now()).map_err(unreadable)?,
            None => RevocationPacker::default(),
        };
        let rest: Vec<Value> = entries.iter().filter(|entry| !pack(&mut packer, entry)).cloned().collect();
        if let Some(packed) = packer.pack().filter(|_| !packer.is_empty()) {
            contents.insert(DocumentKind::PackedRevocations, Document::new(packed));
            entries = rest;
        }
    }
    contents.remove(&DocumentKind::Revocations);
    if !entries.is_empty() {
        let document = Document::json(&json!({ "version": 1, "entries": entries }));
        contents.insert(DocumentKind::Revocations, document);
    }
    Ok(())
}

/// Packs an entry, if it is about nothing but one token or session until some time. The issuer of several tenants stands for those
/// that the policy has then, so it stays.
fn pack(packer: &mut RevocationPacker, entry: &Value) -> bool {
    let Some(members) = entry.as_object().filter(|members| members.len() == 3) else { return false };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let (Some(issuer), Some(until)) = (text("issuer"), members.get("until").and_then(Value::as_u64)) else {
        return false;
    };
    let token = text("token_id").map(|name| (PackedKind::Token, name));
    let Some((kind, name)) = token.or_else(|| Some((PackedKind::Session, text("session")?))) else { return false };
    !issuer.contains("{tenant}") && packer.add(kind, issuer, name, UnixTime::from_seconds(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_again_is_packed() {
        let until = clock::seconds() + 3600;
        let entry = |name: &str, value: &str| json!({ "issuer": "https://a", name: value, "until": until });
        let mut kept = vec![
            entry("subject", "s"),
            json!({ "issuer": "https://a", "token_id": "t", "issued_before": 5, "until": until }),
            json!({ "issuer": "https://{tenant}", "token_id": "t", "until": until }),
            json!({ "issuer": "https://a", "token_id": "t", "until": 1_u64 << 40 }),
        ];
        let tokens = (0..PACK_FROM).map(|number| entry("token_id", &number.to_string()));
        let mut contents = Contents::new();
        replace(&mut contents, kept.iter().cloned().chain(tokens).chain([entry("session", "x")]).collect()).unwrap();
        let documents: Value = serde_json::from_slice(&contents[&DocumentKind::Revocations].plain).unwrap();
        assert_eq!(documents["entries"], json!(kept));
        // Each session leaves a mark of its issuer, too.
        let packed = |contents: &Contents| (contents[&DocumentKind::PackedRevocations].plain.len() - 8) / 12;
        assert_eq!(packed(&contents), PACK_FROM + 2);

        // What is packed stays when there is more, and few entries are not packed.
        kept.push(entry("token_id", "more"));
        replace(&mut contents, kept.clone()).unwrap();
        assert_eq!(packed(&contents), PACK_FROM + 2);
        let tokens = (0..=PACK_FROM).map(|number| entry("token_id", &format!("next-{number}")));
        replace(&mut contents, tokens.collect()).unwrap();
        assert_eq!(packed(&contents), PACK_FROM * 2 + 3);
        assert!(!contents.contains_key(&DocumentKind::Revocations));
    }

    /// Or no policy could be published any more, and none issued again, until every proxy denied everything.
    #[test]
    fn where_there_is_no_room_entries_stay_entries() {
        let full: Vec<u8> =
            (0_u64..1 << 20).flat_map(|number| [&number.to_be_bytes()[..], &[0xff; 4]].concat()).collect();
        let full = Document::new([b"revoked1".as_slice(), &full].concat());
        let mut contents = Contents::from([(DocumentKind::PackedRevocations, Arc::clone(&full))]);
        let until = clock::seconds() + 3600;
        let token = |number: usize| json!({ "issuer": "https://a", "token_id": number.to_string(), "until": until });
        let entries: Vec<Value> = (0..=PACK_FROM).map(token).collect();
        replace(&mut contents, entries.clone()).unwrap();
        assert_eq!(contents[&DocumentKind::PackedRevocations].sha256, full.sha256);
        let document: Value = serde_json::from_slice(&contents[&DocumentKind::Revocations].plain).unwrap();
        assert_eq!(document["entries"], json!(entries));
    }
}
