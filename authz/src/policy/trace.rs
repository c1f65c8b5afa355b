//! Why a policy decided as it did: each rule that applies to the request, and what did not hold in it.
//!
//! Off the way of requests; it asks the same functions.

use super::condition::{Condition, Leaf, Outcome};
use super::evaluation::{Policy, Question};
use super::rule::Rule;
use crate::decision::Effect;

/// What became of one rule whose target matches the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTrace {
    /// Its id.
    pub id: String,
    /// Permit or deny.
    pub effect: Effect,
    /// Whether it is only watched.
    pub is_shadow: bool,
    /// Whether it applies: its condition holds or, for a deny rule, cannot be evaluated.
    pub applies: bool,
    /// What its condition wants and what holds, in words, if all of it does; empty without a condition.
    pub grounds: Vec<String>,
    /// What did not hold, in words; empty if everything did.
    pub misses: Vec<String>,
    /// What became of each of [`RuleOutline::parts`], in their order: whether it holds, by itself; none where that cannot be
    /// decided, or is not asked because its credential was not presented.
    pub parts: Vec<Option<bool>>,
}

/// What a rule consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOutline {
    /// Its id.
    pub id: String,
    /// Whether it is only watched.
    pub is_shadow: bool,
    /// The parts of its condition that have no parts, in words.
    pub parts: Vec<String>,
}

impl Policy {
    /// Every rule whose target matches, in the order of the bundle.
    pub(crate) fn trace(&self, question: &Question<'_>) -> Vec<RuleTrace> {
        self.applicable(question.request).map(|rule| rule.trace(question)).collect()
    }

    /// All rules, in the order of the bundle.
    pub(crate) fn outlines(&self) -> impl Iterator<Item = RuleOutline> {
        self.rules.iter().map(|rule| RuleOutline {
            id: rule.id.to_string(),
            is_shadow: rule.is_shadow,
            parts: rule.leaves().iter().map(Leaf::to_string).collect(),
        })
    }
}

impl Rule {
    fn trace(&self, question: &Question<'_>) -> RuleTrace {
        let outcome = self.outcome(question);
        RuleTrace {
            id: self.id.to_string(),
            effect: self.effect(),
            is_shadow: self.is_shadow,
            applies: match self.effect() {
                Effect::Permit => outcome == Outcome::Holds,
                Effect::Deny => matches!(outcome, Outcome::Holds | Outcome::Undecidable),
            },
            grounds: self.grounds(question),
            misses: self.misses(question),
            parts: self
                .in_situation(question, |situation| self.leaves().iter().map(|leaf| leaf.holds(situation)).collect()),
        }
    }

    fn leaves(&self) -> Vec<Leaf<'_>> {
        self.condition().map(Condition::leaves).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::{Authorizer, Bundle, RequestHead, RuleTrace, UnixTime};

    /// The one rule about a request for `/`, with a header.
    fn trace(effect: &str, condition: &Value) -> RuleTrace {
        let rule = json!({ "id": "a", "effect": effect, "target": {}, "condition": condition });
        let bundle = json!({ "version": 1, "revision": 1, "issuers": [], "rules": [rule] });
        let authorizer = Authorizer::new(Bundle::parse(bundle.to_string().as_bytes()).unwrap());
        let head = RequestHead {
            method: Some(b"GET"),
            authority: Some(b"a.example"),
            path: Some(b"/"),
            headers: vec![(b"x-tier", b"gold")],
            ..RequestHead::default()
        };
        authorizer.explain(&head, UnixTime::from_seconds(0)).rules.into_iter().next().unwrap()
    }

    #[test]
    fn what_applies_has_grounds_and_what_does_not_has_misses() {
        let tier = |value: &str| json!({ "headers": [{ "name": "x-tier", "equals": value }] });
        let told = |effect: &str, condition: Value| {
            let RuleTrace { applies, grounds, misses, .. } = trace(effect, &condition);
            (applies, grounds.join("; "), misses.join("; "))
        };
        let (gold, none) = ("header `x-tier` is \"gold\"".to_owned(), String::new());
        assert_eq!(told("deny", tier("gold")), (true, gold.clone(), none.clone()));
        assert_eq!(told("deny", json!({ "any": [tier("lead"), tier("gold")] })), (true, gold, none.clone()));
        let missed = "header `x-tier` is \"lead\": not so".to_owned();
        assert_eq!(told("deny", tier("lead")), (false, none.clone(), missed));
        // What cannot be decided denies, and has no grounds.
        let source = json!({ "source": { "networks": ["10.0.0.0/8"] } });
        let undecided = "client address in 10.0.0.0/8: cannot be decided".to_owned();
        assert_eq!(told("deny", source.clone()), (true, none.clone(), undecided.clone()));
        let expression = |text: &str| json!({ "expression": text });
        let text = "request.headers['x-tier'] == 'gold'";
        assert_eq!(told("deny", expression(text)), (true, format!("expression `{text}`"), none.clone()));
        let text = "request.headers['x-tier'] == 'lead'";
        assert_eq!(told("deny", expression(text)), (false, none.clone(), format!("expression `{text}`: not so")));
        let text = "int(request.headers['x-tier']) > 1 || request.query.a == 'b'";
        let why = format!("expression `{text}`: cannot be decided: a value cannot be converted to int");
        assert_eq!(told("deny", expression(text)), (true, none.clone(), why));
        let why = "expression `claims.risk > 50`: cannot be decided: `claims.risk` is not there".to_owned();
        assert_eq!(told("deny", expression("claims.risk > 50")), (true, none.clone(), why));
        let missed = format!("its credential was not presented; {undecided}");
        assert_eq!(told("permit", source), (false, none, missed));
    }
    #[test]
    fn each_part_is_judged_by_itself_whatever_the_whole_comes_to() {
        let tier = |value: &str| json!({ "headers": [{ "name": "x-tier", "equals": value }] });
        let condition = json!({
            "any": [tier("lead"), { "not": tier("gold") }],
            "source": { "networks": ["10.0.0.0/8"] },
            "scopes": { "any": ["a"] },
        });
        // No scope is asked for of a credential that is not there, and nobody knows the address.
        assert_eq!(trace("permit", &condition).parts, [None, None, Some(false), Some(true)]);
        // That it is not there is seen where nothing else is demanded of it.
        assert_eq!(trace("permit", &tier("gold")).parts, [Some(false), Some(true)]);
        assert_eq!(trace("deny", &tier("gold")).parts, [Some(true)]);
    }

    #[test]
    fn an_outline_names_the_parts_in_the_order_of_the_trace() {
        let condition = json!({ "source": { "networks": ["10.0.0.0/8"] }, "scopes": { "any": ["a"] } });
        let rule = json!({ "id": "a", "effect": "permit", "mode": "shadow", "target": {}, "condition": condition });
        let bundle = json!({ "version": 1, "revision": 1, "issuers": [], "rules": [rule] });
        let outline = Bundle::parse(bundle.to_string().as_bytes()).unwrap().rules().next().unwrap();
        assert_eq!((outline.id.as_str(), outline.is_shadow), ("a", true));
        assert_eq!(outline.parts, ["scope one of a", "client address in 10.0.0.0/8"]);
    }
}
