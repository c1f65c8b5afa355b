//! What is revoked: a document of entries, and one of those that are packed when the entries have become many.

use authz::UnixTime;
use authz::distribution::{DocumentKind, PackedKind, RevocationPacker};
use serde_json::{Value, json};

use super::clock;
use super::fleet::ChangeError;
use super::published::{Contents, Document, Published};

/// From so many entries on those that can be are packed. A proxy reads twice as many, and fetches what is packed again each time.
const PACK_FROM: usize = 10_000;

/// The entries that still concern something. Those of issuers that a policy does not name any more are kept: a later one may name
/// them again.
pub(super) fn living(published: Option<&Published>) -> Vec<Value> {
    let document = published.and_then(|published| published.contents.get(&DocumentKind::Revocations));
    let document: Value = document.and_then(|text| serde_json::from_slice(&text.plain).ok()).unwrap_or_default();
    let entries = document.get("entries").and_then(Value::as_array).into_iter().flatten();
    let now = clock::seconds();
    let is_alive = |entry: &&Value| entry.get("until").and_then(Value::as_u64).is_none_or(|until| now < until);
    entries.filter(is_alive).cloned().collect()
}

/// Makes these the entries, packed if they are many.
pub(super) fn replace(contents: &mut Contents, mut entries: Vec<Value>) -> Result<(), ChangeError> {
    if entries.len() > PACK_FROM {
        let packed = contents.get(&DocumentKind::PackedRevocations).map(|document| document.plain.to_vec());
        let mut packer = packed
            .map_or_else(|| Ok(RevocationPacker::default()), |packed| RevocationPacker::with(packed, clock::now()))
            .map_err(ChangeError::Unavailable)?;
        entries.retain(|entry| !pack(&mut packer, entry));
        if !packer.is_empty() {
            let packed = packer.pack().map_err(ChangeError::Conflict)?;
            contents.insert(DocumentKind::PackedRevocations, Document::new(packed));
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
}
