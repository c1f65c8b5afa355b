//! What a million revoked tokens cost a decision, natively: whose token is remembered is looked up among them each time.

use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use authz::UnixTime;
use authz::distribution::{Documents, PackedKind, RevocationPacker};
use comfy_table::Table;
use host_tests::client::Request;
use serde_json::{Value, json};

use super::median;
use super::report::table;
use super::scale::{REPETITIONS, nanoseconds_per_decision};
use super::tokens::{AUDIENCE, ISSUER, Kind, Tokens};

/// How many are revoked.
const REVOKED: usize = 1_000_000;

const KEY: &str = "es256";

/// What was measured.
pub(crate) struct Revocations {
    document_bytes: usize,
    without: Vec<f64>,
    with: Vec<f64>,
}

/// Measures with and without them, in turn.
pub(crate) fn measure() -> Result<Revocations> {
    let tokens = Tokens::new()?;
    let policy = json!({
        "version": 1,
        "issuers": [{ "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["ES256"], "jwks": { "keys": [tokens.key(KEY)?] } }],
        "rules": [{ "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] } }],
    });
    let policy = policy.to_string();
    let mut packer = RevocationPacker::default();
    let until = UnixTime::from_seconds(host_tests::now()).plus_seconds(86_400);
    for number in 0..REVOKED {
        ensure!(packer.add(PackedKind::Token, ISSUER, &format!("revoked-{number}"), until), "an end in this century");
    }
    let packed = Rc::new(packer.pack().context("a million fit")?);
    let document_bytes = packed.len();
    let documents = Documents { policy: policy.as_bytes(), ..Documents::default() };
    let plain = documents.authorizer(1)?;
    let revoking = Documents { packed_revocations: Some(&packed), ..documents }.authorizer(2)?;
    let request = |token: &String| Request::get("/orders").with("authorization", &format!("Bearer {token}"));
    let requests: Vec<Request> = tokens.mint(Kind::Warm(KEY))?.iter().map(request).collect();
    let mut revoked = Revocations { document_bytes, without: Vec::new(), with: Vec::new() };
    for _ in 0..REPETITIONS {
        revoked.without.push(nanoseconds_per_decision(&plain, &requests)?);
        revoked.with.push(nanoseconds_per_decision(&revoking, &requests)?);
    }
    Ok(revoked)
}

impl Revocations {
    /// For programs: the object `revoked` of the summary.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "tokens": REVOKED,
            "document_bytes": self.document_bytes,
            "native_nanoseconds_added": median(&self.with) - median(&self.without),
            "raw": { "with": self.with, "without": self.without },
        })
    }

    /// For people.
    pub(crate) fn table(&self) -> Table {
        let mut table = table(["revoked tokens", "document, bytes", "native, ns, token remembered"]);
        for (tokens, bytes, samples) in [(0, 0, &self.without), (REVOKED, self.document_bytes, &self.with)] {
            table.add_row([tokens.to_string(), bytes.to_string(), format!("{:.0}", median(samples))]);
        }
        table
    }
}
