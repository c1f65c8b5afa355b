//! Revocation: what was good when it was issued and is not any more. Entries die by themselves.

use std::collections::BTreeMap;

use crate::document::{Fields, Node};
use crate::limits::MAX_REVOCATIONS;
use crate::principal::{Attribute, Identity};
use crate::time::UnixTime;

/// What an entry names. Together with the issuer it is what is looked up.
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
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Only to what was issued before this time; what does not say when it was issued counts as issued before.
    issued_before: Option<UnixTime>,
    /// The entry is dead from this time on: everything that it concerns has expired.
    until: UnixTime,
}

/// All revocations of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Revocations(BTreeMap<(Kind, String, String), Vec<Entry>>);

impl Revocations {
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let entries = node.list(read_entry)?;
        if entries.len() > MAX_REVOCATIONS {
            return node.refuse(format!("has {} entries, at most {MAX_REVOCATIONS} are read", entries.len()));
        }
        let mut revocations = BTreeMap::<_, Vec<Entry>>::new();
        for (key, entry) in entries {
            revocations.entry(key).or_default().push(entry);
        }
        Some(Self(revocations))
    }

    /// Whether a verified token was revoked. Asked on every request, for remembered tokens too.
    pub(crate) fn concern(&self, identity: &Identity, now: UnixTime) -> bool {
        let Some(issuer) = identity.issuer.as_deref().filter(|_| !self.0.is_empty()) else {
            return false;
        };
        let text = |attribute: &Attribute<String>| match attribute {
            Attribute::Present(text) => Some(text.clone()),
            Attribute::Absent | Attribute::Malformed => None,
        };
        let named = [
            (Kind::Token, identity.token_id.clone()),
            (Kind::Subject, text(&identity.subject)),
            (Kind::Session, text(&identity.session)),
            (Kind::Client, text(&identity.client)),
            (Kind::Key, identity.key_id.clone()),
            (Kind::Issuer, Some(String::new())),
        ];
        let keys = named.into_iter().filter_map(|(kind, name)| Some((kind, issuer.to_owned(), name?)));
        keys.filter_map(|key| self.0.get(&key)).flatten().any(|entry| {
            let before = |limit| identity.issued_at.is_none_or(|issued_at| issued_at < limit);
            now < entry.until && entry.issued_before.is_none_or(before)
        })
    }
}

fn read_entry(node: &Node<'_>) -> Option<((Kind, String, String), Entry)> {
    let fields =
        node.object(&["issuer", "token_id", "subject", "session", "client", "key_id", "issued_before", "until"])?;
    let issuer = fields.required("issuer").and_then(|node| node.text());
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
    Some(((kind, issuer?.to_owned(), name), Entry { issued_before: issued_before?, until: until? }))
}

fn read_time<'n>(fields: &Fields<'n>, name: &'n str) -> Option<Option<UnixTime>> {
    fields
        .optional(name)
        .map_or(Some(None), |node| node.integer(0..=(1 << 53)).map(|seconds| Some(UnixTime::from_seconds(seconds))))
}
