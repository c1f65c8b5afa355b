//! Records in the formats of SIEMs: as they are kept here, and as the published schemas have them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::common;
use crate::records::{ANONYMOUS, DENY, PERMIT, Said, Worker};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audit/golden").join(name)
}

/// One of each kind that there is.
pub fn log() -> String {
    let mut worker = Worker::new(0x9f3c_51d0_a4e8_7b62);
    let outcome = |decision: &str, reason: &str, rule: &str| {
        format!(r#""decision":"{decision}","reason":"{reason}","rule":{rule},"revision":7"#)
    };
    let denied = outcome("deny", "denied_by_rule", r#""no|pipes=here""#);
    let plain = outcome("permit", "permitted_by_rule", r#""reports""#);
    let missing = outcome("deny", "credential_missing", "null");
    let replaced = outcome("deny", "token_expired", "null");
    let kinds = [
        PERMIT,
        DENY,
        ANONYMOUS,
        Said { outcome: &missing, about: r#""action":"DELETE","resource":{"host":"api.example.com"},"#, ..ANONYMOUS },
        // Nothing could be read, and there is no bundle.
        Said {
            outcome: r#""decision":"deny","reason":"bundle_missing","rule":null,"revision":null"#,
            about: "",
            latency_class: "none",
            others: "",
        },
        // All that there can be.
        Said {
            outcome: &plain,
            about: r#""principal":{"credential":"token","subject":"alice","issuer":"https://login.example.com","client":"web","tenant":"blue","session":"s-1","claims":{"department":"finance","id":"42"}},"further_principals":[{"credential":"mesh","subject":"spiffe://example.com/shop"}],"source":"192.0.2.7","action":"PATCH","resource":{"host":"api.example.com","route":"/reports/{*}","path":"/reports/2026"},"obligations":["audit","headers"],"#,
            latency_class: "verified",
            others: r#","trace":"4bf92f3577b34da6a3ce929d0e0e4736","span":"00f067aa0ba902b7","transaction":"9f3cQ2mVvQ6kYb1t8hZr5A","shadow":{"decision":"deny","reason":"no_rule_permits","rule":null},"candidate":{"decision":"permit","reason":"permitted_by_rule","rule":"reports","revision":8},"audit":true,"unsampled":5,"lost":{"permit":3,"deny":0}"#,
        },
        // Whatever would end something else.
        Said {
            outcome: &denied,
            about: r#""principal":{"credential":"token","subject":"o'neil \"|=\\ \n\r\t</script> müller 東京","issuer":"https://login.example.com/a=b|c","client":"<b>\u0000"},"source":"2001:db8::1","action":"M|X=1","resource":{"host":"api.example.com","route":"/a=b|c/{id}","path":"/a=b|c/\\n"},"#,
            latency_class: "verified",
            others: "",
        },
        // An API key that says no subject, and an address that is hidden.
        Said {
            outcome: &plain,
            about: r#""principal":{"credential":"partner"},"source":"~AAAAAAAAAAAAAAAAAAAAAA","action":"PUT","resource":{"host":"api.example.com","route":"/reports/{*}","path":"~BBBBBBBBBBBBBBBBBBBBBB"},"#,
            latency_class: "none",
            others: "",
        },
        Said {
            outcome: &replaced,
            about: r#""action":"GET","resource":{"host":"api.example.com"},"#,
            latency_class: "asked",
            others: "",
        },
    ];
    let time = |index: usize| format!("2026-11-26T18:12:{:02}.{:03}Z", 45 + index, 100 * index);
    kinds.iter().enumerate().map(|(index, said)| worker.record(&time(index), *said)).collect()
}

fn convert(format: &str, log: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path(), &[("log.ndjson", log)]);
    let (code, output, errors) = common::run(folder.path(), &["audit", "convert", "--format", format, "log.ndjson"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    output.lines().map(str::to_owned).collect()
}

/// With `GOLDEN=write` the files are written anew; what changed is for people to judge.
#[test]
fn every_format_is_as_it_was() {
    for format in ["record", "ecs", "ocsf", "cef"] {
        let file = golden(&format!("{format}.txt"));
        let text: String = convert(format, &log()).iter().map(|line| format!("{line}\n")).collect();
        if std::env::var("GOLDEN").is_ok_and(|what| what == "write") {
            std::fs::write(&file, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&file).unwrap(), "{format}");
    }
    assert_eq!(log(), std::fs::read_to_string(golden("record.txt")).unwrap());
}

#[test]
fn the_records_are_as_the_schema_has_them() {
    let schema = schema(&host_tests::repository().join("authz/schema/decision-record.schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in log().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let complaints: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{line}: {complaints:?}");
    }
}

fn schema(file: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The published schema refuses what it does not know: `control/tests/audit/ocsf/README.md`.
#[test]
fn ocsf_is_as_its_schema_has_it() {
    let file = golden("../ocsf/api_activity-1.8.0.schema.json");
    let schema = schema(&file);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut activities = BTreeSet::new();
    for line in convert("ocsf", &log()) {
        let event: Value = serde_json::from_str(&line).unwrap();
        let complaints: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{line}: {complaints:?}");
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"].as_u64(), Some(600_300 + activity));
        activities.insert(activity);
        let mut odd = event.clone();
        odd["actor"]["subject"] = "alice".into();
        assert!(!validator.is_valid(&odd), "the schema takes everything");
    }
    assert_eq!(activities.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 99]);
}

/// Every field is one of ECS, with its type, or is under `portcullis`: `control/tests/audit/ecs/README.md`.
#[test]
fn ecs_has_only_fields_of_ecs() {
    let table = std::fs::read_to_string(golden("../ecs/fields.csv")).unwrap();
    let fields: BTreeMap<&str, &str> = table.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
    let mut used = BTreeSet::new();
    for line in convert("ecs", &log()) {
        let event: Value = serde_json::from_str(&line).unwrap();
        let mut leaves = Vec::new();
        collect(&event, "", &mut leaves);
        for (name, value) in leaves.iter().filter(|(name, _)| !name.starts_with("portcullis.")) {
            let (kind, normalization) =
                fields.get(name.as_str()).unwrap_or_else(|| panic!("{name}")).split_once(',').unwrap();
            assert_eq!(value.is_array(), normalization == "array", "{name}");
            assert_eq!(value.is_number(), kind == "long", "{name}");
            used.insert(name.clone());
        }
    }
    assert_eq!(used, fields.keys().map(|name| (*name).to_owned()).collect(), "the table has what is used");
}

fn collect(value: &Value, name: &str, leaves: &mut Vec<(String, Value)>) {
    match value.as_object() {
        Some(members) => members.iter().for_each(|(member, value)| {
            let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
            collect(value, &name, leaves);
        }),
        None => leaves.push((name.to_owned(), value.clone())),
    }
}

/// Read back by the rules of the format: seven fields between bars, then keys and values.
#[test]
fn cef_can_be_read_again() {
    let records: Vec<Value> = log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, record) in convert("cef", &log()).iter().zip(&records) {
        let (header, extension) = cef(line);
        assert_eq!(
            header[..5],
            ["CEF:0", "Portcullis", "Portcullis", env!("CARGO_PKG_VERSION"), record["reason"].as_str().unwrap()]
        );
        let value = |key: &str| extension.get(key).map(String::as_str);
        assert_eq!(value("externalId"), record["id"].as_str());
        assert_eq!(value("act"), record["decision"].as_str());
        assert_eq!(value("suid"), record["principal"]["subject"].as_str());
        assert_eq!(value("cs2"), record["principal"]["issuer"].as_str());
        assert_eq!(value("cs1"), record["rule"].as_str());
        assert_eq!(value("cs4"), record["resource"]["route"].as_str());
        assert_eq!(value("request"), record["resource"]["path"].as_str());
        let others: Value = serde_json::from_str(value("cs6").unwrap()).unwrap();
        assert_eq!(others["worker"], record["worker"]);
        for (key, _) in extension.iter().filter(|(key, _)| key.starts_with("cs") && !key.ends_with("Label")) {
            assert!(extension.contains_key(&format!("{key}Label")), "{key}");
        }
    }
}

/// A reader of CEF, as its guide describes it.
fn cef(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut header, mut field, mut characters) = (Vec::new(), String::new(), line.chars());
    while header.len() < 7 {
        match characters.next().unwrap() {
            '\\' => field.push(characters.next().unwrap()),
            '|' => header.push(std::mem::take(&mut field)),
            character => field.push(character),
        }
    }
    let rest = characters.as_str();
    // A key is what stands between the last space and an equals sign that nothing escapes.
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut value, mut escaped) = (String::new(), false);
    for character in rest.chars() {
        match character {
            'n' if escaped => value.push('\n'),
            'r' if escaped => value.push('\r'),
            _ if escaped => value.push(character),
            '\\' => {}
            '=' => {
                let (before, key) = value.rsplit_once(' ').map_or(("", value.as_str()), |parts| parts);
                let (before, key) = (before.to_owned(), key.to_owned());
                if let Some((_, last)) = pairs.last_mut() {
                    *last = before;
                }
                pairs.push((key, String::new()));
                value.clear();
            }
            _ => value.push(character),
        }
        escaped = character == '\\' && !escaped;
    }
    pairs.last_mut().unwrap().1 = value;
    (header, pairs.into_iter().collect())
}

#[test]
fn what_is_no_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = log();
    let first = log.lines().next().unwrap();
    common::write(folder.path(), &[("log.ndjson", &format!("{first}\n{{}}\n{first}\n"))]);
    let (code, output, errors) = common::run(folder.path(), &["audit", "convert", "--format", "ecs", "log.ndjson"]);
    assert_eq!((code, output.lines().count()), (1, 2));
    assert!(errors.starts_with("log.ndjson:2: is not a record"), "{errors}");
    let (code, _, errors) = common::run(folder.path(), &["audit", "convert", "--format", "ecs", "nowhere"]);
    assert_eq!(code, 2);
    assert!(errors.starts_with("nowhere: cannot be read"), "{errors}");
}

/// What the schema refuses is refused, member by member.
#[test]
fn records_are_read_as_they_are_described() {
    let schema = schema(&host_tests::repository().join("authz/schema/decision-record.schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    for line in log().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        alter(&record, &mut |altered| texts.push(altered.to_string()));
    }
    // In the order that a line has: the id comes last.
    let lines: Vec<String> = texts.iter().map(|text| with_id_last(text)).collect();
    common::write(folder.path(), &[("log.ndjson", &lines.concat())]);
    let (_, _, errors) = common::run(folder.path(), &["audit", "convert", "--format", "record", "log.ndjson"]);
    let refused: BTreeSet<usize> =
        errors.lines().map(|line| line.split(':').nth(1).unwrap().parse::<usize>().unwrap() - 1).collect();
    assert!(texts.len() > 300, "{}", texts.len());
    for (index, text) in texts.iter().enumerate() {
        let record: Value = serde_json::from_str(text).unwrap();
        // Without these it is a record of an access log, which the schema is about too.
        let in_a_log =
            ["time", "worker", "sequence", "id", "latency_class"].iter().all(|name| record.get(name).is_some());
        let is_good = in_a_log && validator.is_valid(&record);
        assert_eq!(!refused.contains(&index), is_good, "{text}");
    }
}

/// Takes a member away, makes it another, and adds one, everywhere.
fn alter(record: &Value, give: &mut impl FnMut(&Value)) {
    let mut pointers = Vec::new();
    objects(record, "", &mut pointers);
    for pointer in pointers {
        let names: Vec<String> = record.pointer(&pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        let mut with = record.clone();
        with.pointer_mut(&pointer).unwrap()["no_such_member"] = "x".into();
        give(&with);
        for name in names {
            let mut less = record.clone();
            less.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&name);
            give(&less);
            for other in [Value::Null, (-1).into(), 0.into(), "".into(), Value::Bool(false), serde_json::json!([])] {
                let mut odd = record.clone();
                odd.pointer_mut(&pointer).unwrap()[&name] = other;
                give(&odd);
            }
        }
    }
}

fn objects(value: &Value, pointer: &str, pointers: &mut Vec<String>) {
    if let Some(members) = value.as_object() {
        pointers.push(pointer.to_owned());
        members.iter().for_each(|(name, value)| objects(value, &format!("{pointer}/{name}"), pointers));
    }
    if let Some(items) = value.as_array() {
        items.iter().enumerate().for_each(|(index, item)| objects(item, &format!("{pointer}/{index}"), pointers));
    }
}

fn with_id_last(text: &str) -> String {
    let mut record: Value = serde_json::from_str(text).unwrap();
    let id = record.as_object_mut().unwrap().remove("id");
    let rest = record.to_string();
    id.map_or_else(|| format!("{rest}\n"), |id| format!("{},\"id\":{id}}}\n", rest.strip_suffix('}').unwrap()))
}
