//! What no log and no record may have: parts of a credential, secrets of the bundle, claims that the bundle does not let through.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use host_tests::client::Request;
use host_tests::secrets::{of_configuration, of_request};
use host_tests::strict_host::StrictHost;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{NOW, Scene, failed};

/// That a log with a secret would be found.
pub fn trial(scene: &Arc<Scene>) -> Trial {
    let scene = Arc::clone(scene);
    Trial::test("secrets::are_found_in_logs", move || are_found(&scene).map_err(failed))
}

fn are_found(scene: &Scene) -> Result<()> {
    let token = scene.good_token(NOW)?;
    let request = Request::get("/orders").with("authorization", &token);
    let configuration = json!({ "bundle": { "issuers": [{ "introspection": { "client_secret": "p@ss word" } }] } });
    ensure_hidden(&["a request for /orders was refused"], &request, &configuration)?;
    let parts: Vec<&str> = token.trim_start_matches("Bearer ").split('.').collect();
    ensure!(parts.len() == 3, "a token has three parts");
    for secret in parts.into_iter().chain(["p@ss word", "https://idp.example.com/"]) {
        let log = format!("it had {secret}, and was refused");
        ensure!(ensure_hidden(&[&log], &request, &configuration).is_err(), "{secret} is not found");
    }
    in_strict_host()
}

/// The strict host itself ends a request of which a record has something secret: here a header has what the rule is called.
fn in_strict_host() -> Result<()> {
    let rule = "rule-that-is-called-like-a-credential";
    let bundle = json!({
        "version": 1,
        "revision": 1,
        "issuers": [],
        "rules": [{ "id": rule, "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } }],
    });
    let mut host = StrictHost::start(json!({ "version": 1, "bundle": bundle }).to_string().as_bytes())?;
    let request = Request::get("/healthz");
    ensure!(host.handle(&request, NOW)?.status == 200);
    let error = host.handle(&request.with("x-api-key", rule), NOW).err().context("its record has a credential")?;
    ensure!(format!("{error:?}").contains("a log or a record has"), "{error:?}");
    Ok(())
}

/// An error if one of the texts has something secret of a request or of the plugin configuration. No bundle of the cases lets a claim into its log.
pub fn ensure_hidden(texts: &[&str], request: &Request, configuration: &Value) -> Result<()> {
    let secrets = [of_request(request), of_configuration(configuration)].concat();
    texts.iter().try_for_each(|text| host_tests::secrets::ensure_hidden(text, &secrets))
}
