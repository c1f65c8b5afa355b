//! What one claim must be.

use super::operand::{Facts, Scope};
use super::pointer::Pointer;
use super::test::{Match, Test};
use crate::document::Node;
use crate::json::JsonObject;

/// A test, and the claim that must pass it.
#[derive(Debug)]
pub(crate) struct ClaimMatcher {
    pub(super) pointer: Pointer,
    pub(super) test: Test,
}

impl ClaimMatcher {
    pub(crate) fn read(node: &Node<'_>, scope: Scope<'_>) -> Option<Self> {
        let fields = node.object(Test::FIELDS_WITH_POINTER)?;
        let pointer = fields.required("pointer").and_then(|node| Pointer::read(&node));
        let test = Test::read(node, &fields, scope);
        Some(Self { pointer: pointer?, test: test? })
    }

    /// A claim that must be there and not null.
    pub(crate) fn present(name: &str) -> Self {
        Self { pointer: Pointer::to_claim(name), test: Test::Exists(true) }
    }

    pub(crate) fn evaluate(&self, claims: JsonObject<'_>, facts: &Facts<'_>) -> Match {
        self.test.evaluate(self.pointer.find(claims), facts)
    }

    /// In words, for explanations.
    pub(crate) fn describe(&self) -> String {
        format!("claim {} {}", self.pointer, self.test)
    }
}
