//! Who accessed what, and under which name somebody is in a log.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;
use crate::formats::log;
use crate::records::{DENY, PERMIT, Said, Worker};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path(), &[("log.ndjson", text), ("log.key", &format!("{KEY}\n"))]);
    folder
}

fn report(folder: &Path, more: &[&str]) -> (i32, String, String) {
    common::run(folder, &[&["audit", "report", "log.ndjson"], more].concat())
}

fn json_report(folder: &Path, more: &[&str]) -> Value {
    let (code, output, errors) = report(folder, &[more, &["--output", "json"]].concat());
    assert_eq!((code, errors.as_str()), (0, ""));
    serde_json::from_str(&output).unwrap()
}

#[test]
fn every_access_is_in_every_form() {
    let folder = folder(&log());
    let json = json_report(folder.path(), &[]);
    let schema: Value = serde_json::from_str(&common::run(folder.path(), &["schema", "audit-report"]).1).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json), "{json:#}");
    assert_eq!((&json["permits"], &json["denies"]), (&json!(4), &json!(5)));
    let steps = json["over_time"]["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["permits"].as_u64().unwrap()).sum::<u64>(), 4);
    let accesses = json["accesses"].as_array().unwrap();
    let find = |name: &str, value: &str| accesses.iter().filter(|access| access[name] == value).count();
    assert_eq!(find("subject", "alice"), 1);
    // Two good credentials: an access of both.
    assert_eq!(find("subject", "spiffe://example.com/shop"), 1);
    assert_eq!(find("subject", "~q3V0dGVkLWJ5LWEta2V5Zg"), 2);
    assert_eq!((&json["pseudonymous_subjects"], &json["plain_subjects"]), (&json!(2), &json!(3)));
    assert_eq!(json["verification"]["lost"], json!({ "permit": 3, "deny": 0 }));

    let (code, csv, _) = report(folder.path(), &["--output", "csv"]);
    assert_eq!((code, csv.matches("\r\n").count()), (0, accesses.len() + 1));
    assert!(
        csv.contains(
            "https://login.example.com,alice,web,token,PATCH,api.example.com,/reports/{*},1,0,2026-11-26T18:12:50.500Z"
        ),
        "{csv}"
    );
    let (code, table, _) = report(folder.path(), &[]);
    assert_eq!(code, 0);
    for part in [
        "alice",
        "nobody known",
        "scope_insufficient",
        "9 records of 1 workers",
        "lost, as the workers counted: 3 permits, 0 denies",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }
}

/// What clients say is no markup, no command of a terminal and no formula.
#[test]
fn nothing_in_a_log_speaks_to_those_who_read_the_report() {
    let mut worker = Worker::new(1);
    let about = |subject: &str| {
        format!(
            r#""principal":{{"credential":"token","subject":"{subject}"}},"action":"GET","resource":{{"host":"api.example.com","route":"/<i>"}},"#
        )
    };
    let subjects = [
        "<script>alert(1)</script>",
        r#"\" onload=\"alert(1)"#,
        "=HYPERLINK(1)",
        r"\u001b[31mred\u001b[0m",
        r"\u202egnp.exe",
        r#"a,\"b\"\nc"#,
    ];
    let log: String = subjects
        .iter()
        .map(|subject| worker.record("2026-11-26T18:12:45.123Z", Said { about: &about(subject), ..PERMIT }))
        .collect();
    let folder = folder(&log);
    let (_, html, _) = report(folder.path(), &["--output", "html"]);
    for markup in
        ["<script", "\" onload=", "<i>", "\u{1b}", "\u{202e}", "http://", "https://", "src=", "url(", "@import"]
    {
        assert!(!html.contains(markup), "{markup}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("default-src 'none'"), "{html}");
    let (_, csv, _) = report(folder.path(), &["--output", "csv"]);
    assert!(csv.contains(",'=HYPERLINK(1),") && csv.contains(",\"a,\"\"b\"\"\nc\","), "{csv}");
    let (_, table, _) = report(folder.path(), &[]);
    assert!(!table.contains('\u{1b}'), "{table}");
}

#[test]
fn a_page_says_what_it_is_about_and_whether_the_log_is_whole() {
    let folder = folder(&log());
    let (code, html, _) = report(folder.path(), &["--output", "html", "--since", "2026-11-26"]);
    assert_eq!(code, 0);
    for part in [
        "About since 2026-11-26.",
        "No alteration was found, without signatures",
        "2 times under a pseudonym, and 3 times under the name",
        "supports evidence",
        "no legal advice",
        "credential_missing",
        "<svg",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    let altered = log().replacen("orders-read", "orders-evil", 1);
    common::write(folder.path(), &[("log.ndjson", &altered)]);
    let (code, html, errors) = report(folder.path(), &["--output", "html"]);
    assert_eq!(code, 1);
    assert!(
        html.contains("The log was altered")
            && html.contains("log.ndjson:1: worker 9f3c51d0a4e87b62, record 1: changed"),
        "{html}"
    );
    assert!(errors.starts_with("log.ndjson:1: worker 9f3c51d0a4e87b62, record 1: changed"), "{errors}");
}

#[test]
fn a_report_is_about_those_who_are_asked_for() {
    let mut worker = Worker::new(1);
    let who = |issuer: &str, subject: &str| {
        format!(
            r#""principal":{{"credential":"token","subject":"{subject}","issuer":"{issuer}"}},"action":"GET","resource":{{"host":"api.example.com"}},"#
        )
    };
    let alice = who("https://login.example.com", "~6p1E_X9nwlOWQd4KTrAlYQ");
    let namesake = who("https://login.example.org", "alice");
    let records = [("08:00", &alice), ("09:00", &alice), ("10:00", &namesake)];
    let mut log: String = records
        .iter()
        .map(|(time, about)| worker.record(&format!("2026-11-26T{time}:00.000Z"), Said { about, ..PERMIT }))
        .collect();
    log.push_str(&worker.record("2026-11-27T08:00:00.000Z", DENY));
    let folder = folder(&log);
    let permits = |more: &[&str]| {
        let report = json_report(folder.path(), more);
        report["permits"].as_u64().unwrap() + report["denies"].as_u64().unwrap()
    };
    assert_eq!(permits(&[]), 4);
    assert_eq!(permits(&["--subject", "alice"]), 1);
    assert_eq!(permits(&["--subject", "alice", "--pseudonym-key", "log.key"]), 3);
    assert_eq!(
        permits(&["--subject", "alice", "--pseudonym-key", "log.key", "--issuer", "https://login.example.com"]),
        2
    );
    assert_eq!(permits(&["--issuer", "https://login.example.org"]), 1);
    assert_eq!(permits(&["--since", "2026-11-26T09:00:00Z", "--until", "2026-11-27"]), 2);
    assert_eq!(permits(&["--since", "2026-11-27T10:00:00+02:00"]), 1);
    let (code, _, errors) = report(folder.path(), &["--since", "yesterday"]);
    assert_eq!(code, 2);
    assert!(errors.contains("`yesterday` is neither a date"), "{errors}");
}

/// Computed by another implementation of HMAC, from the definition in docs/decision-log.md.
#[test]
fn pseudonyms_are_as_they_are_defined() {
    let folder = folder("");
    for (arguments, pseudonym) in [
        (&["--issuer", "https://login.example.com", "alice"][..], "~6p1E_X9nwlOWQd4KTrAlYQ"),
        (&["--field", "source", "192.0.2.7"], "~Vxbd9jPZh1dgcMiHZu-AHA"),
    ] {
        let (code, output, errors) =
            common::run(folder.path(), &[&["audit", "pseudonym", "--key", "log.key"], arguments].concat());
        assert_eq!((code, output.trim(), errors.as_str()), (0, pseudonym, ""));
    }
    common::write(folder.path(), &[("short.key", "AAEC")]);
    let (code, _, errors) = common::run(folder.path(), &["audit", "pseudonym", "--key", "short.key", "alice"]);
    assert_eq!(code, 2);
    assert!(errors.starts_with("short.key: is not a key"), "{errors}");
}
