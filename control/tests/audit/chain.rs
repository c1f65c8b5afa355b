//! What the core writes is what this reads.

use authz::record::Chain;
use authz::{Authorizer, Bundle, RequestHead, Step, UnixTime};
use serde_json::json;

use crate::common;

#[test]
fn records_of_the_core_are_a_good_log() {
    let target = |path: &str| json!({ "paths": [path] });
    let bundle = json!({
        "version": 1, "revision": 7, "issuers": [],
        "rules": [
            { "id": "health", "effect": "permit", "public": true, "target": target("/healthz") },
            { "id": "no-admin", "effect": "deny", "target": target("/admin/{rest=**}") },
        ],
        "decision_log": {
            "to": ["control"], "pseudonym_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "fields": { "path": "hash", "source": "plain" },
        },
    });
    let authorizer = Authorizer::new(Bundle::parse(bundle.to_string().as_bytes()).unwrap());
    let mut chain = Chain::new(0x9f3c);
    let mut log = Vec::new();
    for second in 0..30 {
        let now = UnixTime::from_seconds(1_795_716_765 + second);
        let path: &[u8] =
            [&b"/healthz"[..], b"/admin/users", b"/\xff", b"/other?token=secret"][usize::try_from(second % 4).unwrap()];
        let head = RequestHead {
            method: Some(b"GET"),
            authority: Some(b"api.example.com"),
            path: Some(path),
            source: Some(b"192.0.2.7:40000"),
            headers: vec![(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")],
            ..RequestHead::default()
        };
        let Step::Decided(authorization) = authorizer.authorize(&head, now) else { panic!("nobody is asked") };
        chain.leave_out();
        let draft = chain.draft(&authorization, false, now);
        log.extend(chain.commit(draft));
        log.push(b'\n');
    }
    let folder = tempfile::tempdir().unwrap();
    let log = String::from_utf8(log).unwrap();
    common::write(folder.path(), &[("log.ndjson", &log)]);
    let (code, output, errors) = common::run(folder.path(), &["audit", "verify", "log.ndjson"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(output.starts_with("30 records of 1 workers"), "{output}");
    assert!(output.contains("left out by sampling: 30 permits"), "{output}");
    for format in ["ecs", "ocsf", "cef"] {
        let (code, output, errors) =
            common::run(folder.path(), &["audit", "convert", "--format", format, "log.ndjson"]);
        assert_eq!((code, output.lines().count(), errors.as_str()), (0, 30, ""), "{format}");
    }
}
