//! The names that rules may use: those of the bundle's issuers and credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use crate::document::Node;

/// The exact names that one name stands for, shared by all who use it: a template may stand for thousands.
pub(crate) type IssuerSet = Rc<BTreeSet<String>>;

/// The names in a bundle, whatever else may be wrong with it: a rule that names something that has an error of its own is
/// not reported for it.
#[derive(Default)]
pub(crate) struct Names<'n> {
    /// Each issuer with the names that stand for it: itself or, for a template, one for each tenant.
    issuers: BTreeMap<&'n str, IssuerSet>,
    /// The issuers whose authorization server is asked about their tokens.
    introspected: BTreeSet<&'n str>,
    /// Each name that stands for an issuer, alone.
    exact: BTreeMap<String, IssuerSet>,
    /// Each credential with its type.
    credentials: Vec<(&'n str, Option<&'n str>)>,
}

impl<'n> Names<'n> {
    pub(crate) fn of(issuers: Option<&Node<'n>>, credentials: Option<&Node<'n>>) -> Self {
        let items = |node: Option<&Node<'n>>| {
            node.and_then(|node| node.value().as_array()).map(Vec::as_slice).unwrap_or_default()
        };
        let name_of = |item: &'n Value, field: &str| item.get(field).and_then(Value::as_str);
        let mut sets: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for issuer in items(issuers) {
            let Some(name) = name_of(issuer, "issuer") else { continue };
            let tenants =
                issuer.get("tenants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let names: Vec<String> = tenants.map(|tenant| name.replace("{tenant}", tenant)).collect();
            // Two entries may share a template, for tenants with different audiences: its name stands for all of them.
            let set = sets.entry(name).or_default();
            set.extend(if names.is_empty() { vec![name.to_owned()] } else { names });
        }
        let introspected = items(issuers).iter().filter(|issuer| {
            // A template is no issuer that a token without claims could be of.
            issuer.get("introspection").is_some() && issuer.get("tenants").is_none()
        });
        let introspected = introspected.filter_map(|issuer| name_of(issuer, "issuer")).collect();
        let alone = |name: &String| (name.clone(), Rc::new(BTreeSet::from([name.clone()])));
        let exact = sets.values().flatten().map(alone).collect();
        let issuers = sets.into_iter().map(|(name, set)| (name, Rc::new(set))).collect();
        let credentials = items(credentials)
            .iter()
            .filter_map(|credential| Some((name_of(credential, "name")?, name_of(credential, "type"))));
        Self { issuers, introspected, exact, credentials: credentials.collect() }
    }

    /// The exact issuers that a rule means by a name.
    pub(crate) fn issuers(&self, node: &Node<'_>) -> Option<IssuerSet> {
        let name = node.text()?;
        self.issuers.get(name).or_else(|| self.exact.get(name)).cloned().or_else(|| {
            node.refuse(format!(
                "`{name}` is not a trusted issuer of this bundle; add it to `issuers` or correct the name"
            ))
        })
    }

    /// The issuer that is meant by a name and must be one with `introspection`.
    pub(crate) fn introspected(&self, node: &Node<'_>) -> Option<Rc<str>> {
        match self.introspected.get(node.text()?) {
            Some(name) => Some(Rc::from(*name)),
            None => node.refuse("names no single issuer of this bundle that has `introspection`"),
        }
    }

    /// The names of the credentials, by their index.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().map(|(name, _)| *name)
    }

    /// The index of the credential that a rule means by a name.
    pub(crate) fn credential(&self, node: &Node<'_>) -> Option<usize> {
        let name = node.text()?;
        self.credentials.iter().position(|(credential, _)| *credential == name).or_else(|| {
            node.refuse(format!(
                "`{name}` is not a credential of this bundle; add it to `credentials` or correct the name"
            ))
        })
    }

    /// The index of the credential that a condition is about, whatever else may be wrong with it.
    pub(super) fn credential_of(&self, condition: &Node<'_>) -> Option<usize> {
        let name = condition.value().get("credential")?.as_str()?;
        self.credentials.iter().position(|(credential, _)| *credential == name)
    }

    /// The index of the credential that is meant by a name and must be of the type `peer`.
    pub(crate) fn peer(&self, node: &Node<'_>) -> Option<usize> {
        let index = self.credential(node)?;
        match self.credentials.get(index) {
            Some((_, Some("peer"))) => Some(index),
            _ => node.refuse("names a credential that is not of the type `peer`"),
        }
    }
}
