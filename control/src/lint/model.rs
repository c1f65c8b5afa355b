//! A policy as its JSON says it, which the production parser has found good.

use serde_json::Value;

use super::index::Index;
use super::target::Target;

/// The parts of a policy that findings are about.
pub(super) struct Policy<'v> {
    pub(super) rules: Vec<Rule<'v>>,
    index: Index,
    credentials: &'v [Value],
    pub(super) issuers: &'v [Value],
}

/// One rule.
pub(super) struct Rule<'v> {
    /// Its place in the bundle.
    pub(super) place: String,
    pub(super) id: &'v str,
    pub(super) kind: Kind,
    /// Whether it is only watched: then it settles nothing for others.
    pub(super) is_shadow: bool,
    pub(super) target: Target,
    pub(super) condition: Option<&'v Value>,
    /// What it obliges to: `obligations` and `once`.
    pub(super) duties: [Option<&'v Value>; 2],
}

/// What a rule does, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deny,
    /// Permits everybody.
    Public,
    /// Permits CORS preflights.
    Preflight,
    /// Permits whoever has a credential.
    Permit,
}

impl<'v> Policy<'v> {
    pub(super) fn of(bundle: &'v Value) -> Self {
        let rules = list(bundle, "rules").iter().enumerate().map(|(index, rule)| Rule::of(rule, index));
        let rules: Vec<Rule<'v>> = rules.collect();
        let mut index = Index::default();
        rules.iter().enumerate().for_each(|(number, rule)| index.insert(number, &rule.target));
        Self { rules, index, credentials: list(bundle, "credentials"), issuers: list(bundle, "issuers") }
    }

    /// The rules that may cover this one, itself among them, with their numbers and in their order.
    pub(super) fn covering(&self, rule: &Rule<'_>) -> Vec<(usize, &Rule<'v>)> {
        let candidates = self.index.candidates(&rule.target).into_iter();
        candidates.filter_map(|number| Some((number, self.rules.get(number)?))).collect()
    }

    /// The credential of this name; none for the one of a policy that declares none.
    pub(super) fn credential(&self, name: &str) -> Option<&'v Value> {
        self.credentials.iter().find(|credential| text(credential, "name") == name)
    }

    /// The name of the credential that a condition is about if it names none.
    pub(super) fn first_credential(&self) -> &'v str {
        self.credentials.first().map(|credential| text(credential, "name")).unwrap_or_default()
    }

    /// Whether a condition, if there is one, is about the credential that a rule without one wants.
    pub(super) fn wants_first_credential(&self, condition: Option<&Value>) -> bool {
        let named = condition.and_then(|condition| condition.get("credential")).and_then(Value::as_str);
        named.is_none_or(|name| name == self.first_credential())
    }
}

impl<'v> Rule<'v> {
    fn of(rule: &'v Value, index: usize) -> Self {
        let is_set = |name: &str| rule.get(name) == Some(&Value::Bool(true));
        let kind = match text(rule, "effect") {
            "deny" => Kind::Deny,
            _ if is_set("public") => Kind::Public,
            _ if is_set("preflight") => Kind::Preflight,
            _ => Kind::Permit,
        };
        Self {
            place: format!("rules[{index}]"),
            id: text(rule, "id"),
            kind,
            is_shadow: text(rule, "mode") == "shadow",
            target: Target::of(rule.get("target").unwrap_or(&Value::Null)),
            condition: rule.get("condition"),
            duties: [rule.get("obligations"), rule.get("once").filter(|_| is_set("once"))],
        }
    }

    /// Whether it applies to everything that the other is about.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.target.covers(&other.target, self.kind == Kind::Deny)
    }

    /// Whether the condition is that of the other, and means the same there: a variable of the path is a segment of another number in
    /// another template.
    pub(super) fn has_condition_of(&self, other: &Self) -> bool {
        let has_captures =
            |condition: &Value| ["\"capture\"", "captures"].iter().any(|word| condition.to_string().contains(word));
        self.condition == other.condition
            && (!self.condition.is_some_and(has_captures) || self.target.is_written_as(&other.target))
    }
}

/// The items of a list; none if it is not there.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text; empty if it is not there.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
