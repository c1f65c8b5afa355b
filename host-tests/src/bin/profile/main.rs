//! Which way the branches of the module go while it decides, from which engines are given hints (`xtask/src/branch_hints.rs`).
//!
//! A copy of the module that counts decides requests in the strict host, in the proportions in which a service gets them: mostly remembered tokens, some new
//! ones, some refused. All of them are the same in every run, the tokens and their signatures too, so that two builds of one commit give the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use host_tests::client::Request;
use host_tests::keys::KeyRing;
use host_tests::strict_host::{Personality, Setup, StrictHost};
use host_tests::token::TokenSpec;
use host_tests::workload::{claims, plugin};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasmtime::{Config, Engine, Module};

/// Count which way the branches of a module go.
#[derive(Parser)]
enum Command {
    /// Let a module that counts decide, and write down what it counted.
    Count {
        /// The module: a copy that counts in its memory `branch_counts`.
        module: PathBuf,
        /// Where the counts go: for each branch how often it was not taken and how often it was, each a `u64` in little-endian order.
        counts: PathBuf,
    },
    /// Make other tokens, with keys that nobody has afterwards.
    Mint {
        /// Where they go: host-tests/src/bin/profile/tokens.json.
        tokens: PathBuf,
    },
}

/// The time of the requests, in seconds since 1970: the tokens are of the same day.
const NOW: u64 = 1_800_000_000;

/// The algorithms, with the number of tokens of each.
const ALGORITHMS: [(&str, usize); 3] = [("RS256", 16), ("ES256", 8), ("EdDSA", 4)];

/// How many requests with a remembered token, and how many without one, come with each new one.
const REMEMBERED: usize = 20;
const PUBLIC: usize = 4;

/// Tokens as services get them, by their algorithm, and the keys of their issuer.
#[derive(Deserialize, Serialize)]
struct Tokens {
    keys: Vec<Value>,
    tokens: BTreeMap<String, Vec<String>>,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Count { module, counts } => Ok(fs::write(counts, count(&module)?)?),
        Command::Mint { tokens } => Ok(fs::write(tokens, serde_json::to_string_pretty(&mint()?)? + "\n")?),
    }
}

fn mint() -> Result<Tokens> {
    let keys = KeyRing::generate(ALGORITHMS.map(|(algorithm, _)| algorithm))?;
    let token = |key: &str, user| {
        TokenSpec { key: key.to_owned(), claims: claims(user), ..TokenSpec::default() }.mint(&keys, NOW)
    };
    let tokens = ALGORITHMS.map(|(algorithm, count)| {
        let tokens = (0..count).map(|user| token(algorithm, user)).collect::<Result<_>>()?;
        Ok((algorithm.to_owned(), tokens))
    });
    let keys = ALGORITHMS.map(|(algorithm, _)| Ok(keys.get(algorithm)?.jwk()));
    Ok(Tokens { keys: keys.into_iter().collect::<Result<_>>()?, tokens: tokens.into_iter().collect::<Result<_>>()? })
}

fn count(module: &Path) -> Result<Vec<u8>> {
    let mut config = Config::new();
    config.consume_fuel(true);
    let module = Module::from_file(&Engine::new(&config)?, module)?;
    let tokens: Tokens = serde_json::from_str(include_str!("tokens.json"))?;
    let mut sums: Vec<u64> = Vec::new();
    for (personality, effect, policy) in policies(&tokens) {
        let mut host = StrictHost::start_module(
            &module,
            policy.to_string().as_bytes(),
            &Setup { personality, ..Setup::default() },
        )?;
        decide(&mut host, &tokens, effect == "permit")?;
        let counts = host.read_memory("branch_counts")?.as_chunks().0.iter().copied().map(u64::from_le_bytes);
        sums.resize(counts.len(), 0);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }
    Ok(sums.into_iter().flat_map(u64::to_le_bytes).collect())
}

/// The requests of one worker, by whose policy good tokens are permitted or not.
fn decide(host: &mut StrictHost, tokens: &Tokens, is_permitted: bool) -> Result<()> {
    let all: Vec<&String> = tokens.tokens.values().flatten().collect();
    let known = all.first().context("there are tokens")?;
    for (round, token) in all.iter().enumerate() {
        // Verified in vain.
        send(host, round, Some(&forged(token)?), false)?;
        send(host, round, Some(token), is_permitted)?;
        for number in 0..REMEMBERED {
            send(host, number, Some(known), is_permitted)?;
        }
        for number in 0..PUBLIC {
            send(host, number, None, true)?;
        }
    }
    Ok(())
}

fn send(host: &mut StrictHost, number: usize, token: Option<&str>, is_permitted: bool) -> Result<()> {
    let request = match token {
        Some(token) => {
            Request::get(&format!("/service-{number}/items/17")).with("authorization", &format!("Bearer {token}"))
        }
        None => Request::get(&format!("/public/{number}")),
    };
    let outcome = host.handle(&request, NOW)?;
    ensure!(outcome.upstream.is_some() == is_permitted, "a request that is not decided as it should be: {outcome:?}");
    Ok(())
}

/// The token with another character within its signature.
fn forged(token: &str) -> Result<String> {
    let (signed, signature) = token.rsplit_once('.').context("a token has a signature")?;
    let (first, rest) = signature.split_at_checked(1).context("a signature is not empty")?;
    ensure!(rest.is_ascii(), "a signature is base64url");
    Ok(format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" }))
}

/// What the workers decide by: in Envoy as little as can be, and all that a decision may leave behind; a refusal for most; in Kong.
fn policies(tokens: &Tokens) -> [(Personality, &'static str, Value); 4] {
    let pseudonym_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let records = json!({ "decision_log": { "to": ["proxy_log"], "pseudonym_key": pseudonym_key } });
    let plain = json!({ "identity_headers": {} });
    [
        (Personality::Envoy, "permit", &plain),
        (Personality::Envoy, "permit", &records),
        (Personality::Envoy, "deny", &plain),
        (Personality::Wasmx, "permit", &plain),
    ]
    .map(|(personality, effect, more)| (personality, effect, plugin(&tokens.keys, 100, effect, more)))
}
