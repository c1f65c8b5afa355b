//! What can be done to a fleet: publish, revoke, roll back, issue again. Each is one epoch.

use std::collections::BTreeSet;
use std::sync::Arc;

use authz::distribution::DocumentKind;
use serde_json::Value;

use super::clock;
use super::fleet::{ChangeError, Fleet};
use super::keys::{KeySource, Keys};
use super::published::{Cause, Contents, Document, Published};
use super::revocations;

/// What a policy needs beside it, as it came with the request.
pub(crate) struct Publication {
    pub(crate) policy: Arc<Document>,
    pub(crate) credentials: Option<Arc<Document>>,
    pub(crate) tests: Option<Arc<Document>>,
}

/// Publishes a policy. Revocations stay, and so do the keys of its issuers.
pub(crate) async fn publish(
    fleet: &Fleet,
    keys: &Keys,
    publication: &Publication,
    cause: &Cause,
) -> Result<u64, ChangeError> {
    let mut contents = Contents::from([(DocumentKind::Policy, Arc::clone(&publication.policy))]);
    let more = [(DocumentKind::Credentials, &publication.credentials), (DocumentKind::Tests, &publication.tests)];
    contents.extend(more.into_iter().filter_map(|(kind, document)| Some((kind, document.clone()?))));
    replace_policy(fleet, keys, &contents, cause).await
}

/// Publishes the policy of an earlier epoch again. Keys and revocations are those of now: going back to a rule is no reason to
/// trust again what was revoked since.
pub(crate) async fn roll_back(fleet: &Fleet, keys: &Keys, to: u64, cause: &Cause) -> Result<u64, ChangeError> {
    let contents = fleet.contents_of(to).await?;
    replace_policy(fleet, keys, &contents, cause).await
}

async fn replace_policy(fleet: &Fleet, keys: &Keys, contents: &Contents, cause: &Cause) -> Result<u64, ChangeError> {
    let policy = contents.get(&DocumentKind::Policy).map(|policy| policy.plain.clone()).unwrap_or_default();
    let sources = KeySource::all(&policy, &fleet.settings.issuers);
    keys.ensure(&sources, fleet.standing().newest.as_deref()).await?;
    fleet
        .advance(cause, |newest| {
            let mut next = contents.clone();
            next.remove(&DocumentKind::Keys);
            next.extend(keys.document(&sources, newest).map(|keys| (DocumentKind::Keys, keys)));
            revocations::carry_over(newest, &mut next)?;
            Ok(Some(next))
        })
        .await
}

/// Adds revocations. Dead ones are dropped on the way.
pub(crate) async fn revoke(fleet: &Fleet, entries: &[Value], cause: &Cause) -> Result<u64, ChangeError> {
    fleet
        .advance(cause, |newest| {
            let newest = newest.ok_or_else(nothing_published)?;
            check_issuers(newest, entries)?;
            let mut all = revocations::living(Some(newest))?;
            let mut known: BTreeSet<String> = all.iter().map(Value::to_string).collect();
            let added: Vec<Value> = entries.iter().filter(|entry| known.insert(entry.to_string())).cloned().collect();
            if added.is_empty() {
                return Ok(None);
            }
            all.extend(added);
            let mut contents = newest.contents.clone();
            revocations::replace(&mut contents, all)?;
            Ok(Some(contents))
        })
        .await
}

/// Issues the same again, before what there is stops being fresh: a proxy believes a signature, not an answer "not modified".
pub(crate) async fn issue_again(fleet: &Fleet) -> Result<u64, ChangeError> {
    let cause = Cause::own("issue again", "the manifest would not be fresh much longer");
    fleet
        .advance(&cause, |newest| {
            let Some(newest) = newest.filter(|newest| is_half_gone(newest)) else { return Ok(None) };
            let mut contents = newest.contents.clone();
            revocations::carry_over(Some(newest), &mut contents)?;
            Ok(Some(contents))
        })
        .await
}

/// Whether half of the time in which a manifest is fresh is over.
fn is_half_gone(published: &Published) -> bool {
    let payload = published.payload();
    let lifetime = payload.expires_at.as_millis().saturating_sub(payload.issued_at.as_millis());
    clock::now().as_millis() >= payload.issued_at.as_millis().saturating_add(lifetime / 2)
}

fn nothing_published() -> ChangeError {
    ChangeError::Conflict("nothing was published yet, so there is nothing that this could change".to_owned())
}

/// Refuses revocations for issuers that the policy does not name: they would concern nobody.
fn check_issuers(newest: &Published, entries: &[Value]) -> Result<(), ChangeError> {
    let policy = newest.contents.get(&DocumentKind::Policy);
    let names = policy.map(|policy| issuer_names(&policy.plain)).unwrap_or_default();
    let stranger = entries.iter().find_map(|entry| {
        entry.get("issuer").and_then(Value::as_str).filter(|issuer| !names.iter().any(|name| name == issuer))
    });
    match stranger {
        None => Ok(()),
        Some(issuer) => Err(ChangeError::Conflict(format!(
            "`{issuer}` is not an issuer of the policy; it names {}",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The issuers of a policy, a template with its tenants.
pub(crate) fn issuer_names(policy: &[u8]) -> Vec<String> {
    let policy: Value = serde_json::from_slice(policy).unwrap_or_default();
    let issuers = policy.get("issuers").and_then(Value::as_array).into_iter().flatten();
    let names = issuers.filter_map(|issuer| {
        let name = issuer.get("issuer")?.as_str()?;
        let tenants = issuer.get("tenants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let tenants: Vec<String> = tenants.map(|tenant| name.replace("{tenant}", tenant)).collect();
        Some(std::iter::once(name.to_owned()).chain(tenants))
    });
    names.flatten().collect()
}
