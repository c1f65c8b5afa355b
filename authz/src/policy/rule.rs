//! A rule: where it applies, what must hold, permit or deny.

use std::rc::Rc;

use super::attribute::Attributes;
use super::condition::{Audience, Condition, Reader};
use super::names::Names;
use super::obligation::Obligations;
use super::target::Target;
use crate::decision::Effect;
use crate::document::{Node, Unique};
use crate::limits::MAX_RULE_ID_BYTES;

/// One rule of the policy.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Rc<str>,
    pub(super) kind: Kind,
    pub(super) target: Rc<Target>,
    /// What a permit obliges us to do.
    pub(super) obligations: Rc<Obligations>,
    /// Whether the rule is only watched: evaluated and reported, and never enforced.
    pub(super) is_shadow: bool,
}

/// What a rule does, and to whom.
#[derive(Debug)]
pub(super) enum Kind {
    /// Permits everybody, anonymous principals included, if the condition about the request holds.
    PermitPublic(Option<Condition>),
    /// Permits everybody, but only to ask whether they may: a CORS preflight.
    PermitPreflight,
    /// Permits principals for whom the condition holds; at the least it wants them to be authenticated.
    Permit(Condition),
    /// Denies; without a condition everybody, with one the principals for whom it holds.
    Deny(Option<Condition>),
}

impl Rule {
    pub(super) fn read(
        node: &Node<'_>,
        unique: &Unique,
        names: &Names<'_>,
        attributes: Option<&Attributes>,
    ) -> Option<Self> {
        let fields = node.object(&[
            "id",
            "effect",
            "mode",
            "public",
            "preflight",
            "target",
            "condition",
            "once",
            "obligations",
        ])?;
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
        let is_shadow = fields.optional("mode").map_or(Some(false), |node| match node.text()? {
            "enforce" => Some(false),
            "shadow" => Some(true),
            other => node.refuse(format!("`{other}` is not a mode; write `enforce` or `shadow`")),
        });
        let public = fields.optional("public").map_or(Some(false), |node| node.flag());
        let preflight = fields.optional("preflight").map_or(Some(false), |node| node.flag());
        let target = fields.required("target").and_then(|node| Target::read(&node));
        let variables = target.as_ref().map(Target::variables).unwrap_or_default();
        let reader = Reader { names, attributes, captures: &variables, credential: 0 };
        let audience = match effect {
            Some(Effect::Deny) => Audience::Anybody,
            _ if public == Some(true) => Audience::Public,
            _ => Audience::Authenticated,
        };
        let condition =
            fields.optional("condition").map_or(Some(None), |node| Condition::read(&node, reader, audience).map(Some));
        let credential = fields.optional("condition").and_then(|node| names.credential_of(&node)).unwrap_or_default();
        let once = fields.optional("once").map_or(Some(false), |node| node.flag());
        let obligations = fields
            .optional("obligations")
            .map_or_else(|| Some(Obligations::default()), |node| Obligations::read(&node, names, credential));
        let kind = Kind::new(node, effect?, public?, preflight?, condition?)?;
        let once = once?;
        if once && !matches!(kind, Kind::Permit(_)) {
            return node.refuse("`once` belongs to permit rules that are not public: it is about the token");
        }
        if let (Kind::Deny(_), Some(node)) = (&kind, fields.optional("obligations")) {
            return node.refuse("belongs to permit rules: what is denied goes nowhere");
        }
        let kind = if once { kind.for_bearers_of(credential) } else { kind };
        let obligations = Rc::new(obligations?.with_once(once.then_some(credential)));
        Some(Self { id: id?, kind, target: Rc::new(target?), obligations, is_shadow: is_shadow? })
    }

    /// Permit or deny.
    pub(super) const fn effect(&self) -> Effect {
        match self.kind {
            Kind::PermitPublic(_) | Kind::PermitPreflight | Kind::Permit(_) => Effect::Permit,
            Kind::Deny(_) => Effect::Deny,
        }
    }

    /// What must hold, if anything is said.
    pub(super) const fn condition(&self) -> Option<&Condition> {
        match &self.kind {
            Kind::Permit(condition) => Some(condition),
            Kind::PermitPublic(condition) | Kind::Deny(condition) => condition.as_ref(),
            Kind::PermitPreflight => None,
        }
    }
}

impl Kind {
    /// The same, for whom this credential is there.
    fn for_bearers_of(self, credential: usize) -> Self {
        match self {
            Self::Permit(condition) => Self::Permit(condition.and_authenticated(credential)),
            other => other,
        }
    }

    fn new(
        node: &Node<'_>,
        effect: Effect,
        public: bool,
        preflight: bool,
        condition: Option<Condition>,
    ) -> Option<Self> {
        match (effect, public, preflight, condition) {
            (Effect::Permit, false, false, condition) => {
                Some(Self::Permit(condition.unwrap_or_else(|| Condition::authenticated(0))))
            }
            (Effect::Permit, true, false, condition) => Some(Self::PermitPublic(condition)),
            (Effect::Permit, false, true, None) => Some(Self::PermitPreflight),
            (Effect::Permit, true, true, _) => node.refuse("`public` permits preflights too; remove `preflight`"),
            (Effect::Permit, false, true, Some(_)) => {
                node.refuse("a preflight has no credential and can have no `condition`; remove one of the two")
            }
            (Effect::Deny, false, false, condition) => Some(Self::Deny(condition)),
            (Effect::Deny, _, _, _) => node.refuse(
                "`public` and `preflight` belong to permit rules; a deny rule without `condition` applies to everybody",
            ),
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
