//! What becomes of the decisions of proxies: the files, and what the command says of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use host_tests::client::Request;
use serde_json::{Value, json};

use crate::common;
use crate::endpoint::{Home, bearer, sha256};
use crate::records::{ANONYMOUS, DENY, PERMIT, Said, Worker};

const TIME: &str = "2026-11-26T18:12:45.123Z";

/// A home whose endpoint keeps decisions.
pub fn home() -> Home {
    let mut home = Home::new();
    home.fleet()["decisions"] = json!({ "folder": "decisions", "replica": "a", "checkpoint_seconds": 1 });
    let key = home.trust()["keys"][0].to_string();
    common::write(home.path(), &[("public-key.json", &key)]);
    home
}

/// The files of the log, the oldest first.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    files
}

/// All lines of the log, with their ends.
fn lines(home: &Home) -> Vec<String> {
    let text: String =
        files(&home.path().join("decisions")).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// The records of the log, one after the other.
fn kept(home: &Home) -> String {
    lines(home).into_iter().filter(|line| !line.starts_with("{\"checkpoint\"")).collect()
}

/// What the command says of the log.
fn verify(home: &Home, more: &[&str]) -> (i32, Value) {
    let arguments = [&["audit", "verify", "decisions", "--keys", "public-key.json", "--output", "json"], more].concat();
    let (code, output, errors) = common::run(home.path(), &arguments);
    assert_eq!(errors, "");
    let report: Value = serde_json::from_str(&output).unwrap();
    let schema: Value = serde_json::from_str(&common::run(home.path(), &["schema", "audit-verification"]).1).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&report), "{report:#}");
    (code, report)
}

#[test]
fn a_batch_is_kept_as_it_came_and_once() {
    let home = home();
    let endpoint = home.start();
    let (mut one, mut other) = (Worker::new(1), Worker::new(2));
    let records: Vec<String> = [PERMIT, DENY, ANONYMOUS, PERMIT].map(|said| one.record(TIME, said)).into();
    let another = other.record(TIME, Said { others: r#","lost":{"permit":4,"deny":1}"#, ..DENY });
    assert_eq!(endpoint.decide(&records[..2].concat()), (204, String::new()));
    assert_eq!(endpoint.decide(&another).0, 204);
    // The answer was lost: the same records come again, with more. Then the first come late, by another way.
    assert_eq!(endpoint.decide(&records.concat()).0, 204);
    assert_eq!(endpoint.decide(&records[..2].concat()).0, 204);
    assert_eq!(
        kept(&home),
        [&records[0], &records[1], &another, &records[2], &records[3]].map(String::as_str).concat()
    );
    for (name, count) in [("received", 9), ("duplicates", 4), ("written", 5)] {
        let metric = format!("portcullis_control_decisions_{name}_total{{fleet=\"production\"}}");
        assert_eq!(endpoint.metric(&metric), Some(count), "{name}");
    }
    endpoint.until("a checkpoint is written after a while", |_| lines(&home).len() == 7);
    assert_eq!(verify(&home, &["--partial"]).0, 0);
    assert_eq!(endpoint.terminate(), Some(0));
    let (code, report) = verify(&home, &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((&report["records"], &report["checkpoints"], &report["workers"]), (&json!(5), &json!(3), &json!(2)));
    assert_eq!(report["lost"], json!({ "permit": 4, "deny": 1 }));
}

/// What a checkpoint says is what `portcullis schema audit-checkpoint` describes, and its signature is of no manifest.
#[test]
fn checkpoints_are_as_described() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let home = home();
    let endpoint = home.start();
    assert_eq!(endpoint.decide(&Worker::new(1).record(TIME, PERMIT)).0, 204);
    assert_eq!(endpoint.terminate(), Some(0));
    let schema: Value = serde_json::from_str(&common::run(home.path(), &["schema", "audit-checkpoint"]).1).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let decode = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let lines = lines(&home);
    assert_eq!(lines.len(), 3);
    for (index, cause) in [(0, "begin"), (2, "end")] {
        let line: Value = serde_json::from_str(&lines[index]).unwrap();
        let jws: Vec<&str> = line["checkpoint"].as_str().unwrap().split('.').collect();
        assert_eq!(decode(jws[0])["typ"], "portcullis-audit-checkpoint+jws");
        let payload = decode(jws[1]);
        assert!(schema.is_valid(&payload), "{payload:#}");
        assert_eq!(
            (&payload["cause"], &payload["fleet"], &payload["replica"]),
            (&json!(cause), &json!("production"), &json!("a"))
        );
        let manifest = json!({ "payload": jws[1], "signatures": [{ "protected": jws[0], "signature": jws[2] }] });
        let trust = authz::distribution::Trust::parse(home.trust().to_string().as_bytes()).unwrap();
        let read = authz::distribution::UnverifiedManifest::parse(manifest.to_string().as_bytes()).unwrap();
        assert!(read.verify(&trust).unwrap_err().to_string().contains("typ"));
    }
}

#[test]
fn what_is_no_batch_is_refused_with_its_place() {
    let mut home = home();
    let mut silent = home.fleet().clone();
    (silent["fleet"], silent["proxies"]) =
        (json!("staging"), json!([{ "proxy": "edge", "token_sha256": sha256("s") }]));
    silent.as_object_mut().unwrap().remove("decisions");
    home.settings["fleets"].as_array_mut().unwrap().push(silent);
    let endpoint = home.start();
    let mut worker = Worker::new(1);
    let good: Vec<String> = (0..4).map(|_| worker.record(TIME, PERMIT)).collect();
    let other = Worker::new(2).record(TIME, PERMIT);
    let whole = good.concat();
    for (batch, why) in [
        (String::new(), "there is no record"),
        (whole.trim_end().to_owned(), "line 4: has no end"),
        (format!("{}\n{}", good[0], good[1]), "line 2: is not a record"),
        (format!("{}{other}", good[0]), "line 2: is of the worker"),
        (format!("{}{}", good[0], good[2]), "line 2: has the number 3 after 1"),
        (format!("{}{}", good[1], good[0]), "line 2: has the number 1 after 2"),
        (whole.replacen("GET", "PUT", 1), "line 1: has an id that does not follow"),
        (whole.replace("\"version\":2", "\"version\":3"), "line 1: `version`"),
        (good[0].replace("permitted_by_rule", "because"), "line 1: `reason`"),
        (good[0].replace(",\"trace\"", ",\"color\":1,\"trace\""), "line 1: is not a record: unknown field `color`"),
        (whole.replace('\n', "\r\n"), "line 1: "),
        ("\u{0}\u{1}\n".to_owned(), "line 1: is not a record"),
    ] {
        let (status, answer) = endpoint.decide(&batch);
        assert_eq!(status, 400, "{why}: {answer}");
        assert!(answer.contains(why), "{why}: {answer}");
    }
    assert_eq!(endpoint.decide(&"x".repeat(1024 * 1024 + 1)).0, 413);
    for (path, token, status) in [
        ("production", Some(&*home.admin), 401),
        ("production", None, 401),
        ("production", Some("s"), 404),
        ("staging", Some("s"), 404),
        ("none", Some(&*home.proxy), 404),
    ] {
        let request = Request::get(&format!("/v1/fleets/{path}/decisions"));
        let mut request = token.map_or(request.clone(), |token| bearer(request, token));
        (request.method, request.body) = (b"POST".to_vec(), whole.clone().into_bytes());
        assert_eq!(endpoint.send(&request).status, status, "{path} with {token:?}");
    }
    assert_eq!(kept(&home), "");
    assert_eq!(endpoint.decide(&whole).0, 204);
}

/// Killed while it wrote, started again; and a second replica, to which the proxies went meanwhile.
#[test]
fn the_log_goes_on_where_it_ended() {
    let mut home = home();
    let (mut one, mut other) = (Worker::new(1), Worker::new(2));
    let mut batch = |count: usize| -> String { (0..count).map(|_| one.record(TIME, PERMIT)).collect() };
    let mut endpoint = home.start();
    let first = batch(20);
    assert_eq!(endpoint.decide(&first).0, 204);
    endpoint.kill();
    let half = other.record(TIME, DENY);
    let file = files(&home.path().join("decisions")).pop().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{}", half.split_at(half.len() / 2).0)).unwrap();
    let (code, report) = verify(&home, &[]);
    assert_eq!(code, 1, "half a record, and no end");
    assert_eq!(
        (&report["findings"][0]["code"], &report["findings"][1]["code"]),
        (&json!("malformed"), &json!("not_closed"))
    );

    assert_eq!(verify(&home, &["--partial"]).0, 0, "it may be written just now");

    let endpoint = home.start();
    assert!(endpoint.log().contains("half a line at the end was removed"), "{}", endpoint.log());
    // Two processes that wrote the same files would break each other's chain.
    let (code, _, errors) = common::run(home.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 2);
    assert!(errors.contains("another process writes there as the replica `a`"), "{errors}");
    // The answer of the first batch was lost with the process.
    assert_eq!(endpoint.decide(&first).0, 204);
    assert_eq!(endpoint.decide(&half).0, 204);
    let second = batch(20);
    home.fleet()["decisions"]["replica"] = json!("b");
    let replica = home.start();
    assert_eq!(replica.decide(&second).0, 204);
    assert_eq!(endpoint.decide(&batch(20)).0, 204);
    // The same records at both: the first answer was lost on its way.
    let third = batch(20);
    assert_eq!((replica.decide(&third).0, endpoint.decide(&third).0), (204, 204));
    assert_eq!((endpoint.terminate(), replica.terminate()), (Some(0), Some(0)));
    let (code, report) = verify(&home, &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((&report["records"], &report["duplicates"]), (&json!(81), &json!(20)));

    // What the other replica has is missing without it.
    for file in
        files(&home.path().join("decisions")).iter().filter(|file| file.to_str().unwrap().ends_with("-b.ndjson"))
    {
        std::fs::remove_file(file).unwrap();
    }
    let (code, report) = verify(&home, &[]);
    assert_eq!(code, 1);
    let missing = &report["findings"][0];
    assert_eq!((&missing["code"], &missing["sequence"]), (&json!("missing"), &json!(21)), "{report:#}");
}

/// A disk that is full: a file may have 256 KiB here, and every file is one more disk.
#[test]
fn what_the_disk_does_not_take_is_not_kept() {
    let home = home();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_portcullis")]);
    let endpoint = home.start_by(command);
    let mut worker = Worker::new(1);
    let batches: Vec<String> = (0..3).map(|_| (0..400).map(|_| worker.record(TIME, PERMIT)).collect()).collect();
    assert_eq!(endpoint.decide(&batches[0]).0, 204);
    let (status, answer) = endpoint.decide(&batches[1]);
    assert_eq!(status, 503, "{answer}");
    assert_eq!(kept(&home), batches[0], "nothing of it is left");
    assert_eq!(endpoint.decide(&batches[1]).0, 204, "on another disk");
    assert_eq!(endpoint.terminate(), Some(0));
    let (code, report) = verify(&home, &[]);
    assert_eq!((code, &report["records"]), (0, &json!(800)), "{report:#}");
}

/// Files that nobody should keep any longer go, whoever wrote them; others stay.
#[test]
fn old_files_are_removed() {
    let mut home = home();
    home.fleet()["decisions"]["keep_days"] = json!(30);
    let folder = home.path().join("decisions");
    let old = ["20260101T000000.000Z-a.ndjson", "20260101T000000.000Z-gone.ndjson", "notes.txt"];
    common::write(&folder, &old.map(|name| (name, "")));
    let young = "20260102T000000.000Z-gone.ndjson";
    common::write(&folder, &[(young, "")]);
    for name in old {
        assert!(Command::new("touch").args(["-d", "31 days ago"]).arg(folder.join(name)).status().unwrap().success());
    }
    let endpoint = home.start();
    endpoint.until("old files are removed", |_| !folder.join(old[0]).exists() && !folder.join(old[1]).exists());
    assert!(folder.join(young).exists() && folder.join("notes.txt").exists());
}
