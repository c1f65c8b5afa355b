//! Explanations, for people and for programs.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use authz::{Decision, Effect, Reason, RuleTrace};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::Judgement;
use crate::source::one_line;
use crate::trial::named;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// What each reason means, in a table.
const REASONS: &str = include_str!("../../../docs/reasons.md");

/// How explanations are printed.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Output {
    /// For people, with colours on a terminal.
    Text,
    /// For programs: `portcullis schema explanation`.
    Json,
}

impl Output {
    /// Prints the explanation. Colours stay where they are seen: on a terminal, unless `NO_COLOR` is set.
    pub(super) fn print(self, judgement: &Judgement) -> std::io::Result<()> {
        let text = match self {
            Self::Text => text(judgement),
            Self::Json => json(judgement),
        };
        anstream::stdout().write_all(text.as_bytes())
    }
}

/// What a reason means: its row in the table.
fn meaning(reason: Reason) -> &'static str {
    let start = format!("| `{}` | {} | ", reason.code(), reason.status());
    let row = REASONS.lines().find_map(|line| line.strip_prefix(&start));
    row.and_then(|row| row.strip_suffix(" |")).unwrap_or_default()
}

/// The explanation, version 1 (`control/schema/explanation.schema.json`).
fn json(judgement: &Judgement) -> String {
    let decision = &judgement.decision;
    let rule = |rule: &RuleTrace| {
        json!({
            "id": rule.id, "effect": rule.effect.name(), "shadow": rule.is_shadow, "applies": rule.applies,
            "grounds": rule.grounds, "misses": rule.misses,
        })
    };
    let explanation = json!({
        "version": 1,
        "revision": judgement.revision,
        "decision": decision.effect().name(),
        "reason": decision.reason().code(),
        "meaning": meaning(decision.reason()),
        "status": decision.reason().status(),
        "rule": decision.rule(),
        "shadow": decision.shadow().map(named),
        "candidate": decision.candidate().map(named),
        "rules": judgement.rules.iter().map(rule).collect::<Vec<Value>>(),
        "nearest": judgement.nearest.as_ref().map(|nearest| json!({ "id": nearest.id, "misses": nearest.misses })),
    });
    format!("{explanation:#}\n")
}

/// With the codes of colours, which whoever prints it removes where nobody sees them.
fn text(judgement: &Judgement) -> String {
    let (decision, reason) = (&judgement.decision, judgement.decision.reason());
    let request = one_line(&format!("{} {}", judgement.method, judgement.target));
    let width = judgement.rules.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    let rules: String = judgement.rules.iter().map(|rule| rule_text(rule, width)).collect();
    let rules = match (rules.as_str(), judgement.is_before_rules()) {
        ("", true) => "no rule was asked: the request did not get so far\n".to_owned(),
        ("", false) => "no rule is about such a request: none has a target that matches\n".to_owned(),
        (rules, _) => format!("rules that are about such a request:\n{rules}"),
    };
    let nearest = judgement.nearest.as_ref().map(|nearest| {
        let misses = one_line(&nearest.misses.join("; "));
        format!("\nnearest: {}: {misses}\n", nearest.id)
    });
    format!(
        "{}, status {} {QUIET}({request}){QUIET:#}\n  {}\n{}{}\n{rules}{}",
        decision_text(decision),
        reason.status(),
        meaning(reason),
        beside("with the rules in shadow", decision.shadow()),
        beside("under the candidate", decision.candidate()),
        nearest.unwrap_or_default()
    )
}

fn decision_text(decision: &Decision) -> String {
    let style = if decision.effect() == Effect::Permit { GOOD } else { BAD };
    let rule = decision.rule().map(|rule| format!(", rule {rule}")).unwrap_or_default();
    format!("{style}{}{style:#}: {}{rule}", decision.effect().name(), decision.reason().code())
}

/// A decision that does not count, if there is one.
fn beside(whose: &str, decision: Option<&Decision>) -> String {
    decision.map(|decision| format!("  {whose}: {}\n", decision_text(decision))).unwrap_or_default()
}

fn rule_text(rule: &RuleTrace, width: usize) -> String {
    let shadow = if rule.is_shadow { " (shadow)" } else { "" };
    let (effect, id) = (rule.effect.name(), &rule.id);
    let (verdict, details) = match (rule.applies, rule.misses.is_empty(), rule.grounds.is_empty()) {
        (true, true, true) => ("applies to everybody", &rule.grounds),
        (true, true, false) => ("applies:", &rule.grounds),
        // Only a deny rule applies where something cannot be decided.
        (true, false, _) => ("applies, because it cannot be decided:", &rule.misses),
        (false, _, _) => ("does not apply:", &rule.misses),
    };
    let details: String = details.iter().map(|detail| format!("      {}\n", one_line(detail))).collect();
    format!("  {id:width$}  {effect:6}  {verdict}{shadow}\n{details}")
}

impl Judgement {
    /// Whether the request was refused before any rule was asked.
    const fn is_before_rules(&self) -> bool {
        !matches!(
            self.decision.reason(),
            Reason::CredentialMissing | Reason::NoRulePermits | Reason::PermittedByRule | Reason::DeniedByRule
        )
    }
}
