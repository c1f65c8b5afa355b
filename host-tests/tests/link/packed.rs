//! A million revoked tokens: what they cost a worker is what `docs/distribution.md` says, and each of them is refused.

use anyhow::{Context as _, Result, ensure};
use authz::UnixTime;
use authz::distribution::{DocumentKind, PackedKind, RevocationPacker};
use host_tests::client::Request;
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::publisher::Publication;
use host_tests::strict_host::{Setup, StrictHost};
use host_tests::token::TokenSpec;
use serde_json::{Value, json};

use crate::NOW;
use crate::fleet::{Fleet, Test, epoch, in_strict_host};

const ISSUER: &str = "https://idp.example.com/";
const REVOKED: usize = 1_000_000;

/// The most that they take of a worker's memory: the document, the next one, and what was shared before, while it is replaced.
const MOST_BYTES: usize = 36 << 20;

/// The most instructions that they add to a request whose token is remembered.
const MOST_FUEL: u64 = 2000;

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let tests: [Test; 1] = [("a_million_revoked_tokens", a_million_revoked_tokens)];
    in_strict_host(tests)
}

fn a_million_revoked_tokens() -> Result<()> {
    let fleet = Fleet::new()?;
    let keys = KeyRing::generate(["es256"])?;
    let key = keys.get("es256").map(SigningKey::jwk)?;
    let mut packer = RevocationPacker::default();
    let until = UnixTime::from_seconds(NOW + 3600);
    for number in 0..REVOKED {
        ensure!(packer.add(PackedKind::Token, ISSUER, &format!("revoked-{number}"), until), "an end in this century");
    }
    let packed = packer.pack().context("a million fit")?;
    let publish = |epoch: u64, packed: Option<&[u8]>| {
        let policy = (DocumentKind::Policy, policy(epoch, &key).to_string().into_bytes());
        let packed = packed.map(|packed| (DocumentKind::PackedRevocations, packed.to_vec()));
        fleet.publisher.sign(epoch, NOW, std::iter::once(policy).chain(packed).collect())
    };
    let mut workers = [worker(&fleet, 1)?, worker(&fleet, 2)?];
    let names = ["kept", "revoked-0", "revoked-999999"];
    let tokens: Vec<String> = names.iter().map(|name| token(&keys, name)).collect::<Result<_>>()?;

    take(&fleet, &mut workers, &publish(1, None))?;
    let mut plain = Vec::new();
    for worker in &mut workers {
        for token in &tokens {
            let outcome = worker.send(&request(token))?;
            ensure!(outcome.status == 200, "a token is good until it is revoked: {outcome:?}");
        }
        plain.push((fuel(worker, &tokens[0])?, worker.memory_bytes()?));
    }
    // A document, another one that takes its place, and the same again.
    for (epoch, packed) in [(2, packed.clone()), (3, with_one_more(&packed)?), (4, with_one_more(&packed)?)] {
        take(&fleet, &mut workers, &publish(epoch, Some(&packed)))?;
        for (worker, (plain_fuel, plain_bytes)) in workers.iter_mut().zip(&plain) {
            for ((name, token), expected) in names.iter().zip(&tokens).zip([200, 401, 401]) {
                ensure!(status(worker, token)? == expected, "{name} in epoch {epoch}");
            }
            let fuel = fuel(worker, &tokens[0])?.saturating_sub(*plain_fuel);
            let bytes = worker.memory_bytes()?.saturating_sub(*plain_bytes);
            ensure!(fuel <= MOST_FUEL, "{fuel} instructions more, at most {MOST_FUEL} are declared");
            ensure!(bytes <= MOST_BYTES, "{bytes} bytes more, at most {MOST_BYTES} are declared");
        }
    }
    Ok(())
}

fn with_one_more(packed: &[u8]) -> Result<Vec<u8>> {
    let mut packer =
        RevocationPacker::with(packed.to_vec(), UnixTime::from_seconds(NOW)).map_err(anyhow::Error::msg)?;
    ensure!(packer.add(PackedKind::Session, ISSUER, "s", UnixTime::from_seconds(NOW + 60)), "an end in this century");
    packer.pack().context("a million fit")
}

fn token(keys: &KeyRing, id: &str) -> Result<String> {
    let claims = json!({ "jti": id }).as_object().cloned().unwrap_or_default();
    TokenSpec { key: "es256".to_owned(), claims, ..TokenSpec::default() }.mint(keys, NOW)
}

fn policy(epoch: u64, key: &Value) -> Value {
    let mut policy = host_tests::publisher::policy(epoch);
    policy["issuers"] =
        json!([{ "issuer": ISSUER, "audiences": ["orders-api"], "algorithms": ["ES256"], "jwks": { "keys": [key] } }]);
    policy
}

fn worker(fleet: &Fleet, seed: u8) -> Result<StrictHost> {
    let setup = Setup { memory_bytes: Some(64 << 20), ..fleet.setup(seed, NOW * 1000) };
    StrictHost::start_in(fleet.configuration.to_string().as_bytes(), &setup)
}

/// Lets all workers go on until each decides by what was published.
fn take(fleet: &Fleet, workers: &mut [StrictHost], publication: &Publication) -> Result<()> {
    fleet.endpoint.offer(publication);
    for _ in 0..1000 {
        let mut is_done = true;
        for worker in workers.iter_mut() {
            fleet.run(worker, 1)?;
            is_done &= epoch(worker)? == Some(publication.epoch);
        }
        if is_done {
            return Ok(());
        }
    }
    anyhow::bail!("epoch {} is not adopted: {}", publication.epoch, workers[0].log())
}

fn request(token: &str) -> Request {
    Request::get("/orders").with("authorization", &format!("Bearer {token}"))
}

fn status(worker: &mut StrictHost, token: &str) -> Result<u16> {
    Ok(worker.send(&request(token))?.status)
}

/// The instructions of a request whose token is remembered.
fn fuel(worker: &mut StrictHost, token: &str) -> Result<u64> {
    worker.send(&request(token))?;
    let context = worker.begin(&request(token), NOW)?;
    let fuel = worker.fuel_used();
    worker.finish(context)?;
    Ok(fuel)
}
