//! Values that must be in a set.

use std::fmt;

use super::outcome::Outcome;
use crate::document::Fields;
use crate::principal::Attribute;

/// Values that must be in a set: all of some, any of others.
#[derive(Debug)]
pub(in crate::policy) struct Demand {
    pub(super) all: Vec<String>,
    pub(super) any: Vec<String>,
}

impl Demand {
    pub(super) fn read<'n>(fields: &Fields<'n>, name: &'n str) -> Option<Option<Self>> {
        let Some(node) = fields.optional(name) else {
            return Some(None);
        };
        let parts = node.object(&["all", "any"])?;
        let texts = |name| parts.optional(name).map_or(Some(Vec::new()), |node| node.texts());
        let (all, any) = (texts("all"), texts("any"));
        let demand = Self { all: all?, any: any? };
        if demand.all.is_empty() && demand.any.is_empty() {
            return node.refuse("demands nothing; write `all`, `any` or both");
        }
        Some(Some(demand))
    }

    pub(super) fn evaluate(&self, attribute: &Attribute<Vec<String>>) -> Outcome {
        let values: &[String] = match attribute {
            Attribute::Malformed => return Outcome::Undecidable,
            Attribute::Absent => &[],
            Attribute::Present(values) => values,
        };
        let all = self.all.iter().all(|wanted| values.contains(wanted));
        let any = self.any.is_empty() || self.any.iter().any(|wanted| values.contains(wanted));
        Outcome::holds_if(all && any)
    }
}

impl Demand {
    /// What of it the set does not have.
    pub(super) fn lacking(&self, attribute: &Attribute<Vec<String>>) -> Self {
        let values: &[String] = if let Attribute::Present(values) = attribute { values } else { &[] };
        let has_any = self.any.iter().any(|wanted| values.contains(wanted));
        Self {
            all: self.all.iter().filter(|wanted| !values.contains(wanted)).cloned().collect(),
            any: if has_any { Vec::new() } else { self.any.clone() },
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, any) = (self.all.join(", "), self.any.join(", "));
        match (self.all.is_empty(), self.any.is_empty()) {
            (false, false) => write!(f, "{all} and one of {any}"),
            (false, true) => f.write_str(&all),
            (true, _) => write!(f, "one of {any}"),
        }
    }
}
