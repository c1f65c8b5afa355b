//! Every decision on record, through real Envoy and the real `portcullis serve`, at full load.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::{Connection, Request};
use host_tests::control::LISTENER;
use host_tests::decisions::Recorded;
use host_tests::envoy::WORKERS;
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::token::TokenSpec;
use host_tests::{now, secrets};
use libtest_mimic::Trial;
use serde_json::{Map, json};

use crate::failed;

/// How many clients ask at once, and how often each: as fast as they can. A worker has room for so many denials even if the endpoint takes none
/// meanwhile, so that whether one is lost is no question of the machine; `cargo xtask bench` makes a million.
const CLIENTS: usize = 4;
const REQUESTS: usize = 2_000;

/// What the records must not have: the bundle does not let them through.
const SUBJECT: &str = "subject-of-the-token";
const CLAIM: &str = "claim-that-nobody-shows";

pub fn trial() -> Trial {
    Trial::test("serve::every_decision_is_on_record_and_nothing_secret", || at_load().map_err(failed))
}

fn at_load() -> Result<()> {
    let mut keys = KeyRing::default();
    keys.add(SigningKey::generate("ES256", "key")?);
    let policy = json!({
        "version": 1,
        "issuers": [{ "issuer": "https://idp.example.com/", "audiences": ["orders-api"], "algorithms": ["ES256"],
            "jwks": { "keys": [keys.get("key")?.jwk()] } }],
        "rules": [{ "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] } }],
        "decision_log": {
            "to": ["control"], "fields": { "subject": "hash" }, "pseudonym_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        },
    });
    let recorded = Recorded::start(&portcullis()?, WORKERS, &policy)?;
    let claims = Map::from_iter([("sub".to_owned(), json!(SUBJECT)), ("department".to_owned(), json!(CLAIM))]);
    let token = TokenSpec { key: "key".to_owned(), claims, ..TokenSpec::default() }.mint(&keys, now())?;
    let good = Request::get("/orders").with("authorization", &format!("Bearer {token}"));
    let bad = Request::get("/orders").with("authorization", &format!("Bearer {token}AA"));
    let address = recorded.envoy.address(LISTENER)?;
    let ask = || -> Result<()> {
        let mut connection = Connection::open(address)?;
        for _ in 0..REQUESTS / 2 {
            ensure!(connection.send(&good)?.status == 200 && connection.send(&bad)?.status == 401);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| anyhow::bail!("a client panicked")))
    })?;
    let made = u64::try_from(CLIENTS * REQUESTS)?;
    ensure!(recorded.decisions()? == made, "{} decisions", recorded.decisions()?);
    let secrets =
        [secrets::credentials(&good), secrets::credentials(&bad), [SUBJECT, CLAIM].map(str::to_owned).to_vec()];
    let counts = recorded.end(made / 2, &secrets.concat())?;
    ensure!(counts.permits + counts.lost_permits == made / 2, "{counts:?}");
    Ok(())
}

/// The command, as it was built beside this test.
fn portcullis() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let path = test.parent().and_then(|folder| folder.parent()).context("a test is in a folder")?.join("portcullis");
    ensure!(path.is_file(), "{} is missing. Run `cargo build --workspace`", path.display());
    Ok(path)
}
