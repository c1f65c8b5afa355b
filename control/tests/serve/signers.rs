//! Fleets that want two signatures.

use serde_json::{Value, json};

use crate::common;
use crate::endpoint::{Home, policy};

#[test]
fn nothing_is_served_before_the_second_signature() {
    let mut home = Home::new();
    let (code, second, _) =
        common::run(home.path(), &["keygen", "second-key.json", "--algorithm", "ES256", "--key-id", "second"]);
    assert_eq!(code, 0);
    let (_, stranger, _) = common::run(home.path(), &["keygen", "stranger-key.json"]);
    assert!(stranger.contains("Ed25519"));
    let second: Value = serde_json::from_str(&second).unwrap();
    home.fleet()["trusted_keys"] = json!([second]);
    home.fleet()["threshold"] = json!(2);
    let endpoint = home.start();
    assert_eq!(endpoint.publish(&policy("a")), 1);
    assert_eq!(endpoint.poll(None, 0).status, 204);
    let (_, table, _) = home.run(&endpoint, &["status"]);
    assert!(table.contains("epoch 1 waits for more signatures"), "{table}");

    let (code, _, errors) = home.run(&endpoint, &["sign", "1", "--signing-key", "stranger-key.json"]);
    assert_eq!(code, 1);
    assert!(errors.contains("by one of the keys"), "{errors}");
    // The same signer twice is one signer.
    let (code, _, errors) = home.run(&endpoint, &["sign", "1", "--signing-key", "signing-key.json"]);
    assert_eq!(code, 1, "{errors}");
    assert_eq!(endpoint.poll(None, 0).status, 204);
    let (code, output, errors) = home.run(&endpoint, &["sign", "1", "--signing-key", "second-key.json"]);
    assert_eq!((code, output.as_str()), (0, "epoch 1 is served\n"), "{errors}");

    let manifest = String::from_utf8(endpoint.poll(None, 0).body).unwrap();
    let mut trust = home.trust();
    trust["threshold"] = json!(2);
    trust["keys"].as_array_mut().unwrap().push(second);
    let trust = authz::distribution::Trust::parse(trust.to_string().as_bytes()).unwrap();
    authz::distribution::UnverifiedManifest::parse(manifest.as_bytes()).unwrap().verify(&trust).unwrap();

    // The next one waits again, and what was served goes on.
    assert_eq!(endpoint.publish(&policy("b")), 2);
    assert_eq!(endpoint.served().0["epoch"], 1);
    // And so it is after a restart.
    drop(endpoint);
    let endpoint = home.start();
    endpoint.until("what was complete is served", |endpoint| endpoint.poll(None, 0).status == 200);
    assert_eq!(endpoint.served().0["epoch"], 1);
}
