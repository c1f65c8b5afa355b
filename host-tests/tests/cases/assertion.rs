//! The assertion, beyond single requests.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_tests::case::claims_of;
use host_tests::client::Request;
use host_tests::outcome::Outcome;
use host_tests::strict_host::{Fault, Setup, StrictHost};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::{NOW, Scene, failed};

type Test = (&'static str, fn(&Scene) -> Result<()>);

pub fn trials(scene: &Arc<Scene>) -> Vec<Trial> {
    let tests: [Test; 2] = [
        ("each_transaction_has_a_name_of_its_own_on_every_worker", transactions),
        ("the_hosts_own_crypto_signs_and_is_never_missed", native_signatures),
    ];
    let trial = |(name, test): Test| {
        let scene = Arc::clone(scene);
        Trial::test(format!("assertion::{name}"), move || test(&scene).map_err(failed))
    };
    tests.into_iter().map(trial).collect()
}

fn transactions(scene: &Scene) -> Result<()> {
    let (plugin, request) = (scene.plugin("assertion")?, request(scene)?);
    let mut names = BTreeSet::new();
    // The very same request, at the same time.
    for seed in [1, 2] {
        let mut host = StrictHost::start_in(plugin.as_bytes(), &Setup { seed, ..Setup::default() })?;
        for _ in 0..3 {
            let claims = claims_of(&assertion(&host.handle(&request, NOW)?)?).context("it is a JWT")?;
            names.insert(claims.get("txn").context("it has a name")?.to_string());
        }
    }
    ensure!(names.len() == 6, "{names:?}");
    Ok(())
}

/// P-256 is Envoy's to sign with. Where it cannot, and on hosts that are not Envoy, the module does it.
fn native_signatures(scene: &Scene) -> Result<()> {
    let (plugin, request) = (scene.plugin("assertion")?, request(scene)?);
    let mut host = StrictHost::start(plugin.as_bytes())?;
    ensure!(host.handle(&request, NOW)?.status == 200);
    let before = host.native_calls();
    let by_the_host = assertion(&host.handle(&request, NOW)?)?;
    ensure!(host.native_calls() == before.saturating_add(1), "the host was asked once");
    let instead = assertion(&host.handle_with_fault(&request, NOW, Some(Fault::NativeCryptoFails))?)?;
    let mut elsewhere = StrictHost::start_in_wasmx(plugin.as_bytes())?;
    let by_the_module = assertion(&elsewhere.handle(&request, NOW)?)?;
    ensure!(elsewhere.native_calls() == 0);
    let plugin: Value = serde_json::from_str(&plugin)?;
    let key = plugin.pointer("/bundle/assertion/key").context("the bundle has a key")?;
    for token in [by_the_host, instead, by_the_module] {
        verify(&token, key)?;
    }
    Ok(())
}

/// Checks the signature with other crypto than ours.
fn verify(token: &str, key: &Value) -> Result<()> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text);
    let coordinate = |name: &str| decode(key.get(name).and_then(Value::as_str).unwrap_or_default());
    let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let (message, signature) = token.rsplit_once('.').context("it has parts")?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(message.as_bytes(), &decode(signature)?).map_err(|_| anyhow!("the signature of {token} is not good"))
}

fn request(scene: &Scene) -> Result<Request> {
    Ok(Request::get("/orders").with("authorization", &scene.good_token(NOW)?))
}

fn assertion(outcome: &Outcome) -> Result<String> {
    let seen = outcome.upstream.as_ref().with_context(|| format!("{outcome:?}"))?;
    let mut tokens = seen.iter().filter(|(name, _)| name == "txn-token").map(|(_, value)| value.clone());
    let token = tokens.next().context("the upstream gets an assertion")?;
    ensure!(tokens.next().is_none(), "and one only");
    Ok(String::from_utf8(token)?)
}
