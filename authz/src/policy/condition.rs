//! What must hold for a rule to apply (XACML 3.0, Condition).

use serde_json::Value;

use crate::bundle::reader::{Fields, Node};
use crate::jwt::{Attribute, Identity, Pointer};

/// Whether a condition holds. What cannot be decided is neither: it denies where it stands in a deny rule and permits
/// nothing where it stands in a permit rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It holds.
    Holds,
    /// All of it holds but for a scope that the token does not have.
    LacksScope,
    /// It does not hold.
    Fails,
    /// An attribute that it needs is malformed.
    Undecidable,
}

/// The condition of a rule. An absent field demands nothing; all that are there must hold.
#[derive(Debug, Default)]
pub(super) struct Condition {
    issuers: Option<Vec<String>>,
    scopes: Option<Demand>,
    roles: Option<Demand>,
    groups: Option<Demand>,
    claims: Vec<ClaimMatcher>,
}

impl Condition {
    pub(super) fn read(node: &Node<'_>, issuer_names: &[&str]) -> Option<Self> {
        let fields = node.object(&["issuers", "scopes", "roles", "groups", "claims"])?;
        let issuers = fields.optional("issuers").map_or(Some(None), |node| {
            node.filled_list(|item| match item.text()? {
                name if issuer_names.contains(&name) => Some(name.to_owned()),
                name => item.refuse(format!(
                    "`{name}` is not a trusted issuer of this bundle; add it to `issuers` or correct the name"
                )),
            })
            .map(Some)
        });
        let demand = |name| Demand::read(&fields, name);
        let (scopes, roles, groups) = (demand("scopes"), demand("roles"), demand("groups"));
        let claims = fields.optional("claims").map_or(Some(Vec::new()), |node| node.filled_list(ClaimMatcher::read));
        let condition = Self { issuers: issuers?, scopes: scopes?, roles: roles?, groups: groups?, claims: claims? };
        if let Some(scope) = condition.scope_list().find(|scope| !is_scope_token(scope)) {
            return node
                .refuse(format!("`{scope}` is not a scope (RFC 6749 section 3.3): no spaces, quotes or backslashes"));
        }
        Some(condition)
    }

    /// Whether the condition holds for a verified identity.
    pub(super) fn evaluate(&self, identity: &Identity) -> Outcome {
        let issuer =
            self.issuers.as_ref().map(|issuers| holds_if(issuers.iter().any(|issuer| issuer == identity.issuer())));
        let roles = self.roles.as_ref().map(|demand| demand.evaluate(identity.roles()));
        let groups = self.groups.as_ref().map(|demand| demand.evaluate(identity.groups()));
        let claims = self.claims.iter().map(|matcher| matcher.evaluate(identity));
        let others = [issuer, roles, groups].into_iter().flatten().chain(claims).fold(Outcome::Holds, and);
        let scopes = self.scopes.as_ref().map_or(Outcome::Holds, |demand| demand.evaluate(identity.scopes()));
        match (others, scopes) {
            (Outcome::Holds, Outcome::Fails) => Outcome::LacksScope,
            (others, scopes) => and(others, scopes),
        }
    }

    /// The scopes that would satisfy this condition, for the challenge of RFC 6750 section 3.
    pub(super) fn scope_list(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flat_map(|demand| demand.all.iter().chain(&demand.any)).map(String::as_str)
    }
}

/// Conjunction: one part that fails settles it; one that cannot be decided leaves the whole undecidable.
fn and(left: Outcome, right: Outcome) -> Outcome {
    match (left, right) {
        (Outcome::Holds, other) | (other, Outcome::Holds) => other,
        (Outcome::Undecidable, Outcome::Undecidable) => Outcome::Undecidable,
        // A failed part makes the whole false whatever the other would have been.
        (Outcome::Fails | Outcome::LacksScope, _) | (_, Outcome::Fails | Outcome::LacksScope) => Outcome::Fails,
    }
}

const fn holds_if(condition: bool) -> Outcome {
    if condition { Outcome::Holds } else { Outcome::Fails }
}

/// Values that must be in a set: all of some, any of others.
#[derive(Debug)]
struct Demand {
    all: Vec<String>,
    any: Vec<String>,
}

impl Demand {
    fn read<'n>(fields: &Fields<'n>, name: &'n str) -> Option<Option<Self>> {
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

    fn evaluate(&self, attribute: &Attribute) -> Outcome {
        let values: &[String] = match attribute {
            Attribute::Malformed => return Outcome::Undecidable,
            Attribute::Absent => &[],
            Attribute::Present(values) => values,
        };
        let all = self.all.iter().all(|wanted| values.contains(wanted));
        let any = self.any.is_empty() || self.any.iter().any(|wanted| values.contains(wanted));
        holds_if(all && any)
    }
}

/// What one claim must be. Types are compared too: `true` is not `"true"`.
#[derive(Debug)]
struct ClaimMatcher {
    pointer: Pointer,
    test: ClaimTest,
}

#[derive(Debug)]
enum ClaimTest {
    Contains(Value),
    OneOf(Vec<Value>),
}

impl ClaimMatcher {
    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["pointer", "equals", "one_of", "contains"])?;
        let pointer = fields.required("pointer").and_then(|node| Pointer::read(&node));
        let tests = (fields.optional("equals"), fields.optional("one_of"), fields.optional("contains"));
        let test = match tests {
            (Some(value), None, None) => scalar(&value).map(|value| ClaimTest::OneOf(vec![value])),
            (None, Some(values), None) => values.filled_list(scalar).map(ClaimTest::OneOf),
            (None, None, Some(value)) => scalar(&value).map(ClaimTest::Contains),
            _ => node.refuse("needs exactly one of `equals`, `one_of`, `contains`"),
        };
        Some(Self { pointer: pointer?, test: test? })
    }

    fn evaluate(&self, identity: &Identity) -> Outcome {
        match (&self.test, self.pointer.find(identity.claims())) {
            (_, None) => Outcome::Fails,
            (ClaimTest::OneOf(values), Some(claim)) => equals_any(values, claim),
            (ClaimTest::Contains(value), Some(Value::Array(items))) => {
                holds_if(items.iter().any(|item| same(item, value)))
            }
            (ClaimTest::Contains(_), Some(_)) => Outcome::Undecidable,
        }
    }
}

/// A claim of another type than all values is malformed, not merely different: `"true"` where a boolean is expected may
/// mean anything.
fn equals_any(values: &[Value], claim: &Value) -> Outcome {
    if values.iter().any(|value| same(value, claim)) {
        return Outcome::Holds;
    }
    let same_type = values.iter().any(|value| std::mem::discriminant(value) == std::mem::discriminant(claim));
    if same_type { Outcome::Fails } else { Outcome::Undecidable }
}

/// Equality of JSON values; numbers by value, so that 1 and 1.0 are one (a host may hand the bundle on as floating point).
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

fn scalar(node: &Node<'_>) -> Option<Value> {
    match node.value() {
        Value::Array(_) | Value::Object(_) => node.refuse("must be a string, a number, a boolean or null"),
        scalar => Some(scalar.clone()),
    }
}

/// RFC 6749 section 3.3, `scope-token`; also what may stand in the challenge without escaping.
fn is_scope_token(scope: &str) -> bool {
    scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
