//! Conditions that can never hold.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Finding;
use super::model::{Policy, Rule, list, text};
use super::{claims, contradiction};

/// One object of a condition, at whatever depth.
pub(super) struct Part<'v> {
    pub(super) value: &'v Value,
    pub(super) place: String,
    /// The name of the credential that it is about.
    pub(super) credential: &'v str,
    /// Whether it stands in the `all` of another, which must hold with it.
    is_conjunct: bool,
}

pub(super) fn find(policy: &Policy<'_>, rule: &Rule<'_>) -> Vec<Finding> {
    let mut parts = Vec::new();
    if let Some(value) = rule.condition {
        let (place, credential) = (format!("{}.condition", rule.place), policy.first_credential());
        collect(Part { value, place, credential, is_conjunct: false }, &mut parts);
    }
    let of_part = |part: &Part<'_>| {
        let mut findings: Vec<Finding> = unprovable(policy, part).into_iter().chain(never(part)).collect();
        contradiction::find(list(part.value, "claims"), &format!("{}.claims", part.place), &mut findings);
        findings.extend(claims::find(policy, part));
        findings
    };
    parts.iter().flat_map(of_part).collect()
}

/// A condition, and those within it.
fn collect<'v>(mut part: Part<'v>, parts: &mut Vec<Part<'v>>) {
    if let Some(name) = part.value.get("credential").and_then(Value::as_str) {
        part.credential = name;
    }
    let (value, credential) = (part.value, part.credential);
    let place = part.place.clone();
    parts.push(part);
    for name in ["all", "any"] {
        for (index, value) in list(value, name).iter().enumerate() {
            let place = format!("{place}.{name}[{index}]");
            collect(Part { value, place, credential, is_conjunct: name == "all" }, parts);
        }
    }
    if let Some(value) = value.get("not") {
        collect(Part { value, place: format!("{place}.not"), credential, is_conjunct: false }, parts);
    }
}

/// A proof is wanted that nobody is asked for.
fn unprovable(policy: &Policy<'_>, part: &Part<'_>) -> Option<Finding> {
    if part.value.get("proof_of_possession") != Some(&Value::Bool(true)) {
        return None;
    }
    let binds = |credential: &Value| {
        let certificate = credential.get("certificate_bound");
        credential.get("dpop").is_some() || certificate.is_some_and(|bound| *bound != Value::Bool(false))
    };
    if policy.credential(part.credential).is_some_and(binds) {
        return None;
    }
    let credential = match part.credential {
        "" => "the credential".to_owned(),
        name => format!("the credential `{name}`"),
    };
    let message = format!(
        "can never hold, because {credential} has neither `dpop` nor `certificate_bound`; declare one of them, or remove this"
    );
    Some(Finding::new("impossible-proof", &format!("{}.proof_of_possession", part.place), message))
}

/// The periods of all that must hold together have nothing in common. Those of one object the parser has compared.
fn never(part: &Part<'_>) -> Option<Finding> {
    if part.is_conjunct {
        return None;
    }
    let mut times = Vec::new();
    collect_times(part.value, &mut times);
    let instants = |name: &str| times.iter().filter_map(|time| instant(text(time, name))).collect::<Vec<_>>();
    let (from, until) = (instants("not_before").into_iter().max()?, instants("not_after").into_iter().min()?);
    let message =
        "can never hold, because one of its times ends before another begins; move one of them, or put both into `any`";
    (from > until).then(|| Finding::new("impossible-condition", &part.place, message.to_owned()))
}

fn collect_times<'v>(condition: &'v Value, times: &mut Vec<&'v Value>) {
    times.extend(condition.get("time"));
    for part in list(condition, "all") {
        collect_times(part, times);
    }
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
