//! A rule: where it applies, what must hold, permit or deny.

use std::rc::Rc;

use super::condition::Condition;
use super::names::Names;
use super::target::Target;
use crate::decision::Effect;
use crate::document::{Node, Unique};
use crate::limits::MAX_RULE_ID_BYTES;

/// One rule of the policy.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Rc<str>,
    pub(super) kind: Kind,
    pub(super) target: Target,
    /// Whether a token may be used once under this rule.
    once: bool,
}

/// What a rule does, and to whom.
#[derive(Debug)]
pub(super) enum Kind {
    /// Permits everybody, anonymous principals included.
    PermitPublic,
    /// Permits everybody, but only to ask whether they may: a CORS preflight.
    PermitPreflight,
    /// Permits principals for whom the condition holds; at the least it wants them to be authenticated.
    Permit(Condition),
    /// Denies; without a condition everybody, with one the principals for whom it holds.
    Deny(Option<Condition>),
}

impl Rule {
    pub(super) fn read(node: &Node<'_>, unique: &Unique, names: &Names<'_>) -> Option<Self> {
        let fields = node.object(&["id", "effect", "public", "preflight", "target", "condition", "once"])?;
        let id = fields.required("id").and_then(|node| {
            let id = read_id(&node)?;
            unique.claim("rule id", id, &node)?;
            Some(Rc::from(id))
        });
        let effect = fields.required("effect").and_then(|node| match node.text()? {
            "permit" => Some(Effect::Permit),
            "deny" => Some(Effect::Deny),
            other => node.refuse(format!("`{other}` is not an effect; write `permit` or `deny`")),
        });
        let public = fields.optional("public").map_or(Some(false), |node| node.flag());
        let preflight = fields.optional("preflight").map_or(Some(false), |node| node.flag());
        let target = fields.required("target").and_then(|node| Target::read(&node));
        let condition = match fields.optional("condition") {
            Some(node) => Condition::read(&node, names).map(Some),
            None => Some(None),
        };
        let once = fields.optional("once").map_or(Some(false), |node| node.flag());
        let kind = match (effect?, public?, preflight?, condition?) {
            (Effect::Permit, false, false, condition) => {
                Some(Kind::Permit(condition.unwrap_or_else(Condition::authenticated)))
            }
            (Effect::Permit, true, false, None) => Some(Kind::PermitPublic),
            (Effect::Permit, false, true, None) => Some(Kind::PermitPreflight),
            (Effect::Permit, true, true, None) => node.refuse("`public` permits preflights too; remove `preflight`"),
            (Effect::Permit, _, _, Some(_)) => {
                node.refuse("a public rule permits everybody and can have no `condition`; remove one of the two")
            }
            (Effect::Deny, false, false, condition) => Some(Kind::Deny(condition)),
            (Effect::Deny, _, _, _) => node.refuse(
                "`public` and `preflight` belong to permit rules; a deny rule without `condition` applies to everybody",
            ),
        };
        let (kind, once) = (kind?, once?);
        if once && !matches!(kind, Kind::Permit(_)) {
            return node.refuse("`once` belongs to permit rules that are not public: it is about the token");
        }
        Some(Self { id: id?, kind, target: target?, once })
    }

    /// The index of the credential that may be used once under this rule.
    pub(super) const fn once_credential(&self) -> Option<usize> {
        match &self.kind {
            Kind::Permit(condition) if self.once => Some(condition.credential()),
            _ => None,
        }
    }

    /// Permit or deny.
    pub(super) const fn effect(&self) -> Effect {
        match self.kind {
            Kind::PermitPublic | Kind::PermitPreflight | Kind::Permit(_) => Effect::Permit,
            Kind::Deny(_) => Effect::Deny,
        }
    }
}

fn read_id<'n>(node: &Node<'n>) -> Option<&'n str> {
    let id = node.text()?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte));
    if !plain || id.len() > MAX_RULE_ID_BYTES {
        return node
            .refuse(format!("`{id}` is not a rule id: letters, digits and `-_./:`, at most {MAX_RULE_ID_BYTES}"));
    }
    Some(id)
}
