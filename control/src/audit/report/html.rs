//! The report as one page: no scripts, and nothing from elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Report;
use super::accesses::{Access, Counts, Identity};
use super::markup::{bar, chart, escape, time};
use super::regimes::{DEMANDS, DISCLAIMER};

const STYLE: &str = include_str!("report.css");

/// A page with more rows than this nobody reads; the other formats have all.
const MAX_IDENTITIES: usize = 200;
const MAX_ROWS: usize = 500;

impl Report<'_> {
    pub(super) fn html(&self) -> String {
        let selection = self.selection.words.join(", ");
        let about = if selection.is_empty() { "everything in the log".to_owned() } else { selection };
        let title = "Who accessed what";
        let sections = [
            self.summary(),
            self.over_time(),
            self.identities(),
            self.resources(),
            self.denies(),
            self.integrity(),
            self.privacy(),
            regimes(),
        ];
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<p class=\"brand\">Portcullis access report</p>\n\
             <h1>{title}</h1>\n<p>About {}. All times are in UTC.</p>\n</header>\n<main>\n{}</main>\n</body>\n</html>\n",
            escape(&about),
            sections.concat(),
        )
    }

    fn summary(&self) -> String {
        let accesses = self.accesses;
        let identities = accesses.by_identity.keys().filter(|identity| identity.credential.is_some()).count();
        let resources: BTreeSet<_> = accesses.by_resource.keys().map(|access| (&access.host, &access.route)).collect();
        let (seal, words) = match (self.verification.is_clean(), self.verification.is_proved()) {
            (true, true) => ("good", "The log is whole"),
            (true, false) => ("open", "No alteration was found, without signatures"),
            (false, _) => ("bad", "The log was altered, or is not whole"),
        };
        let cards: String = [
            ("permitted", accesses.total.permits.to_string()),
            ("refused", accesses.total.denies.to_string()),
            ("identities", identities.to_string()),
            ("resources", resources.len().to_string()),
        ]
        .iter()
        .map(|(name, value)| format!("<div class=\"card\"><b>{value}</b><span>{name}</span></div>"))
        .collect();
        let period = match accesses.total.sum() {
            0 => "Nothing was decided.".to_owned(),
            _ => format!("From {} to {}.", time(&accesses.total.first), time(&accesses.total.last)),
        };
        format!(
            "<section>\n<div class=\"cards\">{cards}</div>\n<p>{period} <a class=\"{seal}\" href=\"#integrity\">{words}</a>.</p>\n</section>\n"
        )
    }

    fn over_time(&self) -> String {
        let (minutes, steps) = self.accesses.timeline.steps();
        if steps.is_empty() {
            return String::new();
        }
        let step = match minutes {
            1..60 => format!("{minutes} min"),
            60..1440 => format!("{} h", minutes / 60),
            _ => format!("{} days", minutes / 1440),
        };
        format!(
            "<section>\n<h2>Over time</h2>\n<p class=\"legend\"><i class=\"permit\"></i> permitted <i class=\"deny\"></i> refused; a bar is {step}</p>\n{}</section>\n",
            chart(&steps)
        )
    }

    fn identities(&self) -> String {
        let mut identities: Vec<(&Identity, Counts)> = self
            .accesses
            .by_identity
            .iter()
            .map(|(identity, accesses)| {
                let mut counts = Counts::default();
                accesses.values().for_each(|other| counts.merge(other));
                (identity, counts)
            })
            .collect();
        identities.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.sum()));
        let mut rows = String::new();
        let mut left = MAX_ROWS;
        for (identity, counts) in identities.iter().take(MAX_IDENTITIES) {
            let accesses = self.accesses.by_identity.get(identity).into_iter().flatten();
            let details: String = accesses
                .take(left)
                .map(|(access, counts)| {
                    format!(
                        "<tr><td>{}</td><td>{}</td>{}</tr>",
                        action(access),
                        escape(&access.resource()),
                        numbers(counts)
                    )
                })
                .collect();
            left =
                left.saturating_sub(self.accesses.by_identity.get(identity).map_or(0, std::collections::BTreeMap::len));
            let more =
                [("issuer", &identity.issuer), ("client", &identity.client), ("credential", &identity.credential)];
            let more: Vec<String> = more
                .into_iter()
                .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {}", escape(value))))
                .collect();
            let _ = writeln!(
                rows,
                "<details><summary><b>{}</b> <span>{}</span> <em>{}</em>{}</summary><table><tr><th>action</th><th>resource</th>{NUMBERS}</tr>{details}</table></details>",
                escape(identity.name()),
                more.join(", "),
                counts.sum(),
                bar(counts, identities.first().map_or(1, |(_, most)| most.sum())),
            );
        }
        let rest = identities.len().saturating_sub(MAX_IDENTITIES);
        let rest = if rest > 0 || left == 0 {
            format!("<p>This page does not show all ({rest} identities more); the report as CSV or JSON does.</p>\n")
        } else {
            String::new()
        };
        format!("<section>\n<h2>By identity</h2>\n{rows}{rest}</section>\n")
    }

    fn resources(&self) -> String {
        let mut resources: Vec<_> = self.accesses.by_resource.iter().collect();
        resources.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.sum()));
        let rows = resources.iter().take(MAX_ROWS).map(|(access, counts)| {
            format!("<tr><td>{}</td><td>{}</td>{}</tr>\n", action(access), escape(&access.resource()), numbers(counts))
        });
        let rows: String = rows.collect();
        format!(
            "<section>\n<h2>By resource</h2>\n<table>\n<tr><th>action</th><th>resource</th>{NUMBERS}</tr>\n{rows}</table>\n</section>\n"
        )
    }

    fn denies(&self) -> String {
        let mut reasons: Vec<_> = self.accesses.denies_by_reason.iter().collect();
        reasons.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.denies));
        let most = reasons.first().map_or(1, |(_, counts)| counts.denies);
        let rows = reasons.iter().map(|(reason, counts)| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escape(reason),
                bar(counts, most),
                counts.denies,
                time(&counts.first),
                time(&counts.last)
            )
        });
        let rows: String = rows.collect();
        if rows.is_empty() {
            return "<section>\n<h2>Refused, by reason</h2>\n<p>Nothing was refused.</p>\n</section>\n".to_owned();
        }
        format!(
            "<section>\n<h2>Refused, by reason</h2>\n<table>\n<tr><th>reason</th><th></th><th>refused</th><th>first</th><th>last</th></tr>\n{rows}</table>\n</section>\n"
        )
    }

    fn integrity(&self) -> String {
        let class = match (self.verification.is_clean(), self.verification.is_proved()) {
            (true, true) => "good",
            (true, false) => "open",
            (false, _) => "bad",
        };
        let lines: String =
            self.verification.summary().iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        let findings: String = self
            .verification
            .findings
            .iter()
            .take(MAX_ROWS)
            .map(|finding| format!("<li>{}</li>", escape(&finding.to_string())))
            .collect();
        let findings = if findings.is_empty() { findings } else { format!("<ul class=\"findings\">{findings}</ul>\n") };
        format!(
            "<section id=\"integrity\" class=\"{class}\">\n<h2>Is this the log that was written?</h2>\n<ul>{lines}</ul>\n{findings}\
             <p>Every record has a hash of itself and of the record before it of the same worker; the control endpoint signs at intervals what it has \
             written. What came after the last signature is protected by the hashes alone. This is about the whole log, whatever the report selects from it.</p>\n</section>\n"
        )
    }

    fn privacy(&self) -> String {
        let accesses = self.accesses;
        let subjects = match (accesses.hidden, accesses.plain) {
            (0, 0) => "No subject stands in the records of this report.".to_owned(),
            (hidden, 0) => format!("All subjects, {hidden} times, stand here under a pseudonym."),
            (0, plain) => {
                format!("All subjects, {plain} times, stand here under the name that their issuer gives them.")
            }
            (hidden, plain) => format!(
                "Subjects stand here {hidden} times under a pseudonym, and {plain} times under the name that their issuer gives them."
            ),
        };
        let first = self
            .verification
            .span
            .as_ref()
            .map(|(first, _)| format!(" The earliest record in these files is of {}.", time(first)));
        format!(
            "<section>\n<h2>Pseudonyms and retention</h2>\n<p>{subjects} A pseudonym begins with <code>~</code> and is a keyed hash: the same person has the same one \
             under the same key, and without the key nobody can tell who it is. With it one can; it is personal data all the same.</p>\n\
             <p>No token, key or query is in a decision log.{} How long files are kept is <code>keep_days</code> in the configuration of the control endpoint; \
             this report cannot see it, nor copies elsewhere.</p>\n</section>\n",
            first.unwrap_or_default()
        )
    }
}

fn regimes() -> String {
    let rows: String = DEMANDS
        .iter()
        .map(|demand| {
            format!(
                "<tr><td>{}<br><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escape(demand.regime),
                escape(demand.clause),
                escape(demand.asks),
                escape(demand.supports),
                escape(demand.not)
            )
        })
        .collect();
    format!(
        "<section>\n<h2>What this supports evidence for</h2>\n<p>{}</p>\n<table class=\"words\">\n<tr><th>regime</th><th>asks for</th><th>this report supports evidence for</th><th>it does not show</th></tr>\n{rows}</table>\n</section>\n",
        escape(DISCLAIMER)
    )
}

/// The headings of [`numbers`].
const NUMBERS: &str = "<th>permitted</th><th>refused</th><th>first</th><th>last</th>";

fn numbers(counts: &Counts) -> String {
    format!(
        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
        counts.permits,
        counts.denies,
        time(&counts.first),
        time(&counts.last)
    )
}

fn action(access: &Access) -> String {
    escape(access.action.as_deref().unwrap_or("unknown"))
}
