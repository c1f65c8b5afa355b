//! The report as a table, as CSV and as JSON.

use std::io::Write as _;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

use super::accesses::{Access, Counts, Identity};
use super::regimes::{DEMANDS, DISCLAIMER};
use super::{Output, Report};
use crate::source::one_line;

impl Report<'_> {
    pub(super) fn print(&self, output: Output) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        match output {
            Output::Table => out.write_all(self.table().as_bytes()),
            Output::Csv => out.write_all(self.csv().as_bytes()),
            Output::Json => writeln!(out, "{:#}", self.json()),
            Output::Html => out.write_all(self.html().as_bytes()),
        }
    }

    /// A row for each identity, action and resource.
    fn rows(&self) -> impl Iterator<Item = (&Identity, &Access, &Counts)> {
        let identities = self.accesses.by_identity.iter();
        identities
            .flat_map(|(identity, accesses)| accesses.iter().map(move |(access, counts)| (identity, access, counts)))
    }

    fn table(&self) -> String {
        let mut accesses = Table::new();
        accesses
            .load_style(NOTHING)
            .set_header(["who", "issuer", "action", "resource", "permits", "denies", "first", "last"]);
        for (identity, access, counts) in self.rows() {
            accesses.add_row([
                one_line(identity.name()),
                one_line(identity.issuer.as_deref().unwrap_or_default()),
                one_line(access.action.as_deref().unwrap_or_default()),
                one_line(&access.resource()),
                counts.permits.to_string(),
                counts.denies.to_string(),
                counts.first.clone(),
                counts.last.clone(),
            ]);
        }
        let mut denies = Table::new();
        denies.load_style(NOTHING).set_header(["reason of denies", "count", "first", "last"]);
        for (reason, counts) in &self.accesses.denies_by_reason {
            denies.add_row([reason.clone(), counts.denies.to_string(), counts.first.clone(), counts.last.clone()]);
        }
        let summary = self.verification.summary().join("\n");
        format!("{accesses}\n\n{denies}\n\nThe log:\n{summary}\n")
    }

    fn csv(&self) -> String {
        let mut text = "issuer,subject,client,credential,action,host,route,permits,denies,first,last\r\n".to_owned();
        for (identity, access, counts) in self.rows() {
            let (permits, denies) = (counts.permits.to_string(), counts.denies.to_string());
            let fields = [
                identity.issuer.as_deref(),
                identity.subject.as_deref(),
                identity.client.as_deref(),
                identity.credential.as_deref(),
                access.action.as_deref(),
                access.host.as_deref(),
                access.route.as_deref(),
                Some(&permits),
                Some(&denies),
                Some(&counts.first),
                Some(&counts.last),
            ];
            let fields: Vec<String> = fields.into_iter().map(|field| csv_field(field.unwrap_or_default())).collect();
            text.push_str(&fields.join(","));
            text.push_str("\r\n");
        }
        text
    }

    /// The report, version 1 (`control/schema/audit-report.schema.json`).
    fn json(&self) -> Value {
        let accesses: Vec<Value> = self
            .rows()
            .map(|(identity, access, counts)| {
                json!({
                    "issuer": identity.issuer, "subject": identity.subject, "client": identity.client,
                    "credential": identity.credential, "action": access.action, "host": access.host,
                    "route": access.route, "permits": counts.permits, "denies": counts.denies,
                    "first": counts.first, "last": counts.last,
                })
            })
            .collect();
        let reasons: Vec<Value> = self.accesses.denies_by_reason.iter().map(|(reason, counts)| {
            json!({ "reason": reason, "denies": counts.denies, "first": counts.first, "last": counts.last })
        }).collect();
        let (minutes, steps) = self.accesses.timeline.steps();
        let steps: Vec<Value> = steps
            .iter()
            .map(|step| json!({ "begin": step.begin, "permits": step.permits, "denies": step.denies }))
            .collect();
        let demands: Vec<Value> = DEMANDS
            .iter()
            .map(|demand| {
                json!({
                    "regime": demand.regime, "clause": demand.clause, "asks": demand.asks,
                    "supports_evidence_for": demand.supports, "does_not_show": demand.not,
                })
            })
            .collect();
        json!({
            "version": 1,
            "selection": self.selection.words,
            "permits": self.accesses.total.permits,
            "denies": self.accesses.total.denies,
            "pseudonymous_subjects": self.accesses.hidden,
            "plain_subjects": self.accesses.plain,
            "accesses": accesses,
            "denies_by_reason": reasons,
            "over_time": { "step_minutes": minutes, "steps": steps },
            "verification": self.verification.to_json(),
            "regimes": { "disclaimer": DISCLAIMER, "demands": demands },
        })
    }
}

/// RFC 4180, and nothing that a spreadsheet takes for a formula: what is in the log came from clients.
fn csv_field(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
