//! Rules that permit more than somebody is likely to have meant.

use super::Finding;
use super::model::{Kind, Rule};

pub(super) fn find(rule: &Rule<'_>) -> Option<Finding> {
    if rule.condition.is_some() {
        return None;
    }
    let tail = rule.target.tail();
    let (code, message) = match (rule.kind, rule.target.has_paths(), tail) {
        (Kind::Permit, false, _) => (
            "over-broad",
            "permits whoever has a credential, on every path; say which `paths`, or what must hold (`condition`)"
                .to_owned(),
        ),
        (Kind::Public, false, _) => {
            ("public-over-broad", "permits everybody, on every path; say which `paths`".to_owned())
        }
        (Kind::Public, true, Some(path)) => (
            "public-over-broad",
            format!(
                "permits everybody whatever comes to stand below `{path}`; name the paths, or `{{name}}` for one segment"
            ),
        ),
        _ => return None,
    };
    Some(Finding::new(code, &format!("{}.target", rule.place), format!("`{}` {message}", rule.id)))
}
