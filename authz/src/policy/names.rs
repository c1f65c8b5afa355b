//! The names that rules may use: those of the bundle's issuers and credentials.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::document::Node;

/// The names in a bundle, whatever else may be wrong with it: a rule that names something that has an error of its own is
/// not reported for it.
#[derive(Default)]
pub(crate) struct Names<'n> {
    /// Each issuer with the names that stand for it: itself or, for a template, one for each tenant.
    issuers: BTreeMap<&'n str, Vec<String>>,
    exact: BTreeSet<String>,
    credentials: Vec<&'n str>,
}

impl<'n> Names<'n> {
    pub(crate) fn of(issuers: Option<&Node<'n>>, credentials: Option<&Node<'n>>) -> Self {
        let items = |node: Option<&Node<'n>>| {
            node.and_then(|node| node.value().as_array()).map(Vec::as_slice).unwrap_or_default()
        };
        let name_of = |item: &'n Value, field: &str| item.get(field).and_then(Value::as_str);
        let issuers = items(issuers).iter().filter_map(|issuer| {
            let name = name_of(issuer, "issuer")?;
            let tenants =
                issuer.get("tenants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let mut names: Vec<String> = tenants.map(|tenant| name.replace("{tenant}", tenant)).collect();
            if names.is_empty() {
                names.push(name.to_owned());
            }
            Some((name, names))
        });
        let credentials = items(credentials).iter().filter_map(|credential| name_of(credential, "name"));
        let issuers: BTreeMap<_, Vec<String>> = issuers.collect();
        let exact = issuers.values().flatten().cloned().collect();
        Self { issuers, exact, credentials: credentials.collect() }
    }

    /// The exact issuers that a rule means by a name.
    pub(crate) fn issuers(&self, node: &Node<'_>) -> Option<Vec<String>> {
        let name = node.text()?;
        let exact = || self.exact.get(name).map(|exact| vec![exact.clone()]);
        self.issuers.get(name).cloned().or_else(exact).or_else(|| {
            node.refuse(format!(
                "`{name}` is not a trusted issuer of this bundle; add it to `issuers` or correct the name"
            ))
        })
    }

    /// The index of the credential that a rule means by a name.
    pub(super) fn credential(&self, node: &Node<'_>) -> Option<usize> {
        let name = node.text()?;
        self.credentials.iter().position(|credential| *credential == name).or_else(|| {
            node.refuse(format!(
                "`{name}` is not a credential of this bundle; add it to `credentials` or correct the name"
            ))
        })
    }
}
