//! What a bundle says about its decision log: where records go, and what of a request may be in them.

use std::cell::Cell;
use std::collections::HashMap;

use super::pseudonym::PseudonymKey;
use crate::document::{Node, Unique};
use crate::limits::{MAX_RECORDED_CLAIMS, MAX_SAMPLING_INTERVAL};
use crate::matching::Pointer;
use crate::policy::{Names, Policy};

/// The decision log of a bundle.
#[derive(Debug)]
pub(crate) struct DecisionLog {
    pub(crate) to: Destinations,
    /// The names of the bundle's credentials, by their index.
    pub(super) credentials: Vec<String>,
    pub(super) subject: Showing,
    pub(super) client: Showing,
    pub(super) tenant: Showing,
    pub(super) session: Showing,
    pub(super) source: Showing,
    pub(super) path: Showing,
    pub(super) claims: Vec<ShownClaim>,
    pub(super) key: Option<PseudonymKey>,
    /// What the host is told beside the record.
    pub(super) told: Vec<Told>,
    /// The rules of whose permits only some are recorded, with the numbers of their entries.
    sampled: HashMap<String, usize>,
    sampling: Vec<Sampling>,
}

/// Where records go, besides the access log of the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// To the proxy's own log.
    pub proxy_log: bool,
    /// To the control endpoint.
    pub control: bool,
}

/// What the host may be told beside the record, for what comes after the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Client,
    DecisionId,
    Issuer,
    Reason,
    Rule,
    Subject,
    Tenant,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Showing {
    /// As it is.
    Plain,
    /// As a pseudonym.
    Hash,
    /// Not at all.
    Omit,
}

/// A claim that is shown.
#[derive(Debug)]
pub(super) struct ShownClaim {
    pub(super) name: String,
    pub(super) pointer: Pointer,
    pub(super) showing: Showing,
}

/// One of so many permits is recorded.
#[derive(Debug)]
struct Sampling {
    one_in: u64,
    seen: Cell<u64>,
}

/// What a bundle may hide.
const SHOWN: [&str; 6] = ["subject", "client", "tenant", "session", "source", "path"];

/// The name of the credential of a bundle that declares none.
const DEFAULT_CREDENTIAL: &str = "token";

impl DecisionLog {
    /// Whether the address of the client is in it.
    pub(crate) fn needs_source(&self) -> bool {
        self.source != Showing::Omit
    }

    /// Whether this permit by a rule is recorded. Each call counts as one.
    pub(crate) fn samples(&self, rule: Option<&str>) -> bool {
        let number = rule.and_then(|rule| self.sampled.get(rule));
        let Some(sampling) = number.and_then(|number| self.sampling.get(*number)) else { return true };
        let seen = sampling.seen.get();
        sampling.seen.set(seen.wrapping_add(1));
        seen.checked_rem(sampling.one_in) == Some(0)
    }

    pub(crate) fn read(node: &Node<'_>, names: &Names<'_>, policy: Option<&Policy>) -> Option<Self> {
        let fields = node.object(&["to", "fields", "claims", "pseudonym_key", "sampling", "filter_state"])?;
        let to = fields.required("to").and_then(|node| Destinations::read(&node));
        let shown = fields.optional("fields");
        let shown = shown.as_ref().map_or(Some(None), |node| node.object(&SHOWN).map(Some));
        let showing = |name, default| {
            let node = shown.as_ref().and_then(Option::as_ref).and_then(|fields| fields.optional(name));
            node.map_or(Some(default), |node| Showing::read(&node))
        };
        let (subject, client) = (showing("subject", Showing::Hash), showing("client", Showing::Plain));
        let (tenant, session) = (showing("tenant", Showing::Plain), showing("session", Showing::Omit));
        let (source, path) = (showing("source", Showing::Omit), showing("path", Showing::Omit));
        let unique = Unique::default();
        let claims = fields.optional("claims").map_or(Some(Vec::new()), |node| {
            let claims = node.filled_list(|item| ShownClaim::read(item, &unique))?;
            match claims.len() {
                0..=MAX_RECORDED_CLAIMS => Some(claims),
                _ => node
                    .refuse(format!("has more than {MAX_RECORDED_CLAIMS} claims: a record is made for every request")),
            }
        });
        let key = fields.optional("pseudonym_key").map_or(Some(None), |node| PseudonymKey::read(&node).map(Some));
        let unique = Unique::default();
        let sampling = fields
            .optional("sampling")
            .map_or(Some(Vec::new()), |node| node.filled_list(|item| read_sampling(item, &unique, policy)));
        let unique = Unique::default();
        let told = fields
            .optional("filter_state")
            .map_or(Some(Vec::new()), |node| node.filled_list(|item| Told::read(item, &unique)));
        shown?;
        let (told, to, key, claims) = (told?, to?, key?, claims?);
        let (subject, client, tenant, session, source, path) = (subject?, client?, tenant?, session?, source?, path?);
        let hides = [subject, client, tenant, session, source, path]
            .into_iter()
            .chain(claims.iter().map(|claim| claim.showing))
            .any(|showing| showing == Showing::Hash);
        match (hides, &key) {
            (true, None) => {
                return node.refuse(
                    "needs `pseudonym_key`, 32 random bytes in base64url, to hide what is `hash` (`subject` is, if nothing else is said)",
                );
            }
            (false, Some(_)) => {
                return node.refuse("has a `pseudonym_key`, and nothing in it is `hash`; remove the key");
            }
            _ => {}
        }
        let mut sampled = HashMap::new();
        let mut intervals = Vec::new();
        for (rules, one_in) in sampling? {
            sampled.extend(rules.into_iter().map(|rule| (rule, intervals.len())));
            intervals.push(Sampling { one_in, seen: Cell::new(0) });
        }
        let credentials = names.credentials().map(str::to_owned).collect::<Vec<_>>();
        let credentials = if credentials.is_empty() { vec![DEFAULT_CREDENTIAL.to_owned()] } else { credentials };
        Some(Self {
            to,
            credentials,
            subject,
            client,
            tenant,
            session,
            source,
            path,
            claims,
            key,
            told,
            sampled,
            sampling: intervals,
        })
    }
}

impl Destinations {
    fn read(node: &Node<'_>) -> Option<Self> {
        let unique = Unique::default();
        let names = node.filled_list(|item| {
            let name = item.text()?;
            if !["proxy_log", "control"].contains(&name) {
                return item.refuse(format!("`{name}` is neither `proxy_log` nor `control`"));
            }
            unique.claim("destination", name, item)?;
            Some(name.to_owned())
        })?;
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        Some(Self { proxy_log: has("proxy_log"), control: has("control") })
    }
}

impl Told {
    const ALL: [Self; 7] =
        [Self::Subject, Self::Client, Self::Tenant, Self::Issuer, Self::Rule, Self::Reason, Self::DecisionId];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::DecisionId => "decision_id",
            Self::Issuer => "issuer",
            Self::Reason => "reason",
            Self::Rule => "rule",
            Self::Subject => "subject",
            Self::Tenant => "tenant",
        }
    }

    fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let name = node.text()?;
        let Some(told) = Self::ALL.into_iter().find(|told| told.name() == name) else {
            return node.refuse(format!("`{name}` is none of `{}`", Self::ALL.map(Self::name).join("`, `")));
        };
        unique.claim("value", name, node)?;
        Some(told)
    }
}

impl Showing {
    fn read(node: &Node<'_>) -> Option<Self> {
        match node.text()? {
            "plain" => Some(Self::Plain),
            "hash" => Some(Self::Hash),
            "omit" => Some(Self::Omit),
            other => node.refuse(format!("`{other}` is none of `plain`, `hash` and `omit`")),
        }
    }
}

impl ShownClaim {
    fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let fields = node.object(&["name", "pointer", "as"])?;
        let name = fields.required("name").and_then(|node| {
            let name = node.text()?;
            unique.claim("claim", name, &node)?;
            Some(name.to_owned())
        });
        let pointer = fields.required("pointer").and_then(|node| Pointer::read(&node));
        let showing = fields.required("as").and_then(|node| match Showing::read(&node)? {
            Showing::Omit => node.refuse("leaves it out; then remove the claim"),
            showing => Some(showing),
        });
        Some(Self { name: name?, pointer: pointer?, showing: showing? })
    }
}

/// Rules, and of how many of their permits one is recorded.
fn read_sampling(node: &Node<'_>, unique: &Unique, policy: Option<&Policy>) -> Option<(Vec<String>, u64)> {
    let fields = node.object(&["rules", "one_in"])?;
    let rules = fields.required("rules").and_then(|node| {
        node.filled_list(|item| {
            let rule = item.text()?;
            if policy.is_some_and(|policy| !policy.permits_by(rule)) {
                return item
                    .refuse(format!("`{rule}` is not a permit rule of this bundle; denials are always recorded"));
            }
            unique.claim("rule", rule, item)?;
            Some(rule.to_owned())
        })
    });
    let one_in = fields.required("one_in").and_then(|node| node.integer(2..=MAX_SAMPLING_INTERVAL));
    Some((rules?, one_in?))
}
