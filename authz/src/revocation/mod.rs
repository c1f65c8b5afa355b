//! Revocation: what was good when it was issued and is not any more. Entries die by themselves.

mod packed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::document::{Fields, Node};
use crate::limits::{MAX_LEEWAY_SECONDS, MAX_REVOCATIONS};
use crate::policy::{IssuerSet, Names};
use crate::principal::{Attribute, Identity};
use crate::steps::pause;
use crate::time::UnixTime;
use packed::PackedRevocations;
pub(crate) use packed::{Fingerprints, MAX_PACKED_BYTES};
pub use packed::{PackedKind, RevocationPacker};

/// What an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Token,
    Subject,
    Session,
    Client,
    Key,
    /// Everything of the issuer.
    Issuer,
}

/// The fields that name what is revoked.
const SELECTORS: [(&str, Kind); 5] = [
    ("token_id", Kind::Token),
    ("subject", Kind::Subject),
    ("session", Kind::Session),
    ("client", Kind::Client),
    ("key_id", Kind::Key),
];

/// When an entry applies.
#[derive(Debug)]
struct Entry {
    /// Whose; shared, for a template may stand for thousands.
    issuers: IssuerSet,
    /// Only to what was issued before this time; what does not say when it was issued counts as issued before.
    issued_before: Option<UnixTime>,
    /// Everything that it concerns has expired by then.
    until: UnixTime,
}

/// Whether a revocation has died. A token that has expired may be good for as long as clocks may differ, and so is what revokes it: the
/// longest leeway counts, whatever the issuer's is.
pub fn is_over(until: UnixTime, now: UnixTime) -> bool {
    now >= until.plus_seconds(MAX_LEEWAY_SECONDS)
}

/// Of what kind, of which issuer and what; of a template with several issuers without one, so that it is kept once.
type Key = (Kind, String, String);

/// All revocations of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    entries: BTreeMap<Key, Vec<Entry>>,
    packed: Option<PackedRevocations>,
}

impl Revocations {
    pub(crate) async fn read(node: &Node<'_>, names: &Names<'_>) -> Option<Self> {
        let entries = node.list_in_steps(|item| read_entry(item, names)).await?;
        if entries.len() > MAX_REVOCATIONS {
            return node.refuse(format!("has {} entries, at most {MAX_REVOCATIONS} are read", entries.len()));
        }
        let mut revocations = BTreeMap::<_, Vec<Entry>>::new();
        for (what, entry) in entries {
            revocations.entry(what).or_default().push(entry);
            pause().await;
        }
        Some(Self { entries: revocations, packed: None })
    }

    /// Adds those of a packed document, in steps.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) async fn add_packed(&mut self, document: Rc<Vec<u8>>) -> Result<(), String> {
        self.packed = Some(PackedRevocations::read(document).await?);
        Ok(())
    }

    /// Frees them, in steps.
    pub(crate) async fn release(self) {
        for entry in self.entries {
            drop(entry);
            pause().await;
        }
    }

    /// Whether a verified token was revoked. Asked on every request, for remembered tokens too.
    pub(crate) fn concern(&self, identity: &Identity, now: UnixTime) -> bool {
        let Some(issuer) = identity.issuer.as_deref() else { return false };
        self.packed.as_ref().is_some_and(|packed| packed.concern(issuer, identity, now))
            || (!self.entries.is_empty() && self.name(issuer, identity, now))
    }

    /// Whether an entry names a token of this issuer.
    fn name(&self, issuer: &str, identity: &Identity, now: UnixTime) -> bool {
        let applies = |entry: &Entry| {
            let before = |limit| identity.issued_at.is_none_or(|issued_at| issued_at < limit);
            !is_over(entry.until, now) && entry.issued_before.is_none_or(before) && entry.issuers.contains(issuer)
        };
        let is_named = |kind: Kind, name: &str| {
            let of = |issuer: &str| self.entries.get(&(kind, issuer.to_owned(), name.to_owned()));
            [issuer, ""].into_iter().filter_map(of).flatten().any(applies)
        };
        let concerns = |kind: Kind, attribute: &Attribute<String>| match attribute {
            Attribute::Absent => false,
            Attribute::Present(name) => is_named(kind, name),
            // It may be any of those that are revoked.
            Attribute::Malformed => {
                let of = |issuer: &str| {
                    let (first, issuer) = ((kind, issuer.to_owned(), String::new()), issuer.to_owned());
                    self.entries
                        .range(first..)
                        .take_while(move |((other, name, _), _)| *other == kind && *name == issuer)
                };
                [issuer, ""].into_iter().flat_map(of).flat_map(|(_, entries)| entries).any(applies)
            }
        };
        concerns(Kind::Subject, identity.subject())
            || concerns(Kind::Session, identity.session())
            || concerns(Kind::Client, identity.client())
            || identity.token_id.as_deref().is_some_and(|name| is_named(Kind::Token, name))
            || identity.key_id.as_deref().is_some_and(|name| is_named(Kind::Key, name))
            || is_named(Kind::Issuer, "")
    }
}

fn read_entry(node: &Node<'_>, names: &Names<'_>) -> Option<(Key, Entry)> {
    let fields =
        node.object(&["issuer", "token_id", "subject", "session", "client", "key_id", "issued_before", "until"])?;
    let issuers = fields.required("issuer").and_then(|node| names.issuers(&node));
    let issued_before = read_time(&fields, "issued_before");
    let until = fields.required("until").and_then(|_| read_time(&fields, "until"))?;
    let mut selectors = SELECTORS.iter().filter_map(|(name, kind)| Some((*kind, fields.optional(name)?)));
    let (kind, name) = match (selectors.next(), selectors.next(), issued_before?) {
        (Some((kind, name)), None, _) => (kind, name.text()?.to_owned()),
        (None, None, Some(_)) => (Kind::Issuer, String::new()),
        (None, None, None) => {
            return node.refuse("revokes everything of the issuer for ever; say `issued_before`, or what it is about");
        }
        (_, _, _) => return node.refuse("is about more than one thing; write one entry for each"),
    };
    let issuers = issuers?;
    let alone = issuers.first().filter(|_| issuers.len() == 1).cloned().unwrap_or_default();
    Some(((kind, alone, name), Entry { issuers, issued_before: issued_before?, until: until? }))
}

fn read_time<'n>(fields: &Fields<'n>, name: &'n str) -> Option<Option<UnixTime>> {
    fields
        .optional(name)
        .map_or(Some(None), |node| node.integer(0..=(1 << 53)).map(|seconds| Some(UnixTime::from_seconds(seconds))))
}
