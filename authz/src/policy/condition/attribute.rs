//! What must hold for an attribute that the bundle declares.

use std::fmt;
use std::rc::Rc;

use super::outcome::{Lack, Outcome};
use super::{Reader, Situation};
use crate::document::{Fields, Node};
use crate::matching::{Match, Test};
use crate::policy::attribute::Declaration;
use crate::principal::Attribute;

/// An attribute, and the test that its value must pass.
#[derive(Debug)]
pub(in crate::policy) struct AttributeCondition {
    declaration: Rc<Declaration>,
    test: Test,
}

impl AttributeCondition {
    pub(super) fn read_list(fields: &Fields<'_>, reader: Reader<'_>) -> Option<Vec<Self>> {
        let Some(node) = fields.optional("attributes") else { return Some(Vec::new()) };
        node.filled_list(|item| Self::read(item, reader))
    }

    fn read(node: &Node<'_>, reader: Reader<'_>) -> Option<Self> {
        let fields = node.object(Test::FIELDS_OF_ATTRIBUTE)?;
        // Where the declarations have an error of their own, nothing more is said about the names.
        let declaration = fields.required("name").and_then(|name| reader.attributes?.find(&name));
        let test = Test::read(node, &fields, reader.scope());
        let (declaration, test) = (declaration?, test?);
        if !test.fits(|value| declaration.kind.has(value)) {
            let (name, kind) = (&declaration.name, declaration.kind);
            return node.refuse(format!("`{name}` is a {kind}, which this test can never be true of"));
        }
        Some(Self { declaration, test })
    }

    /// The credential that it is about.
    pub(super) fn credential(&self) -> Option<usize> {
        self.declaration.credential()
    }

    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        if self.credential().is_some_and(|credential| situation.principal.identity(credential).is_none()) {
            return Outcome::Lacks(Lack::Credential);
        }
        let value = self.declaration.value(situation.principal, situation.head);
        let value = match &value {
            Attribute::Absent => Attribute::Absent,
            Attribute::Malformed => Attribute::Malformed,
            Attribute::Present(value) => Attribute::Present(value.into()),
        };
        match self.test.evaluate(value, &situation.facts) {
            Match::Holds => Outcome::Holds,
            Match::Fails => Outcome::Fails,
            Match::Undecidable => Outcome::Undecidable,
        }
    }
}

impl fmt::Display for AttributeCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attribute {} {}", self.declaration.name, self.test)
    }
}
