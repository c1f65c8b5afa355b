//! `cargo xtask demo`: real tokens, judged by the real module in a real Envoy that runs `envoy-config/envoy.yaml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use host_tests::client::{Connection, Request};
use host_tests::envoy::{self, Envoy, Plugin, Ports};
use host_tests::keys::{KeyRing, SigningKey};
use host_tests::token::{Forgery, TokenSpec};
use host_tests::{now, upstream};
use serde_json::{Value, json};

/// Shows Portcullis deciding requests.
#[derive(Parser)]
struct Arguments {
    /// Leave Envoy running and print curl lines to try.
    #[arg(long)]
    keep: bool,
}

/// How long the demo's tokens live, in seconds.
const LIFETIME: i64 = 3600;

fn main() -> ExitCode {
    match show(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show(arguments: Arguments) -> Result<()> {
    let mut plugin = envoy::example_plugin_configuration()?;
    let keys = mint_keys(&mut plugin)?;
    let ports = if arguments.keep { Ports::OfTheFile } else { Ports::Free };
    let plugin = Plugin { configuration: plugin, ..Plugin::default() };
    let envoy = Envoy::start(&BTreeMap::from([("ingress".to_owned(), plugin)]), &upstream::start()?.into(), ports)?;
    let address = envoy.address("ingress")?;

    println!("\nA bank's API behind Envoy: its customers, a partner bank, the regulator and its own services.\n");
    let steps = steps();
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["who", "request", "status", "rule", "reason", "the upstream saw"]);
    let mut unexpected = Vec::new();
    for step in &steps {
        let row = step.run(&keys, &envoy, address)?;
        if row.status != step.status {
            unexpected.push(format!("{}: expected {}, got {}", step.who, step.status, row.status));
        }
        table.add_row(row.cells(step));
    }
    println!("{table}\n");
    ensure!(unexpected.is_empty(), "not what this demo is to show:\n{}", unexpected.join("\n"));
    if arguments.keep {
        print_curl_lines(&steps, &keys, address)?;
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// Makes a fresh key for every key in the plugin configuration, and puts its public half there.
fn mint_keys(plugin: &mut Value) -> Result<KeyRing> {
    let mut keys = KeyRing::default();
    let issuers =
        plugin.pointer_mut("/bundle/issuers").and_then(Value::as_array_mut).context("the bundle has issuers")?;
    for jwk in issuers.iter_mut().filter_map(|issuer| issuer.pointer_mut("/jwks/keys")?.as_array_mut()).flatten() {
        let member =
            |name: &str| jwk.get(name).and_then(Value::as_str).with_context(|| format!("the key has `{name}`"));
        let key = SigningKey::generate(member("alg")?, member("kid")?)?;
        *jwk = key.jwk();
        keys.add(key);
    }
    Ok(keys)
}

/// One request of the demo.
struct Step {
    who: &'static str,
    method: &'static str,
    path: &'static str,
    token: Option<TokenSpec>,
    header: Option<(&'static str, &'static str)>,
    status: u16,
}

/// What became of it.
struct Row {
    status: u16,
    rule: String,
    reason: String,
    upstream: String,
}

impl Step {
    fn request(&self, keys: &KeyRing) -> Result<Request> {
        let mut request = Request { method: self.method.into(), ..Request::get(self.path) };
        if let Some(token) = &self.token {
            request = request.with("authorization", &format!("Bearer {}", token.mint(keys, now())?));
        }
        Ok(match self.header {
            Some((name, value)) => request.with(name, value),
            None => request,
        })
    }

    fn run(&self, keys: &KeyRing, envoy: &Envoy, address: SocketAddr) -> Result<Row> {
        let tag = format!("demo: {}", self.who);
        let response = Connection::open(address)?.send(&self.request(keys)?.with("user-agent", &tag))?;
        let entry = envoy.access_log_entry(&tag)?;
        let record: Value =
            entry.get("portcullis").and_then(Value::as_str).map_or(Ok(Value::Null), serde_json::from_str)?;
        let field = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("–").to_owned();
        let seen = upstream::seen(&response.body).unwrap_or_default().headers;
        let identity = seen.iter().filter(|(name, _)| name == "x-portcullis-subject" || name == "x-portcullis-roles");
        let identity = identity.map(|(name, value)| {
            format!("{} {}", name.trim_start_matches("x-portcullis-"), String::from_utf8_lossy(value))
        });
        let upstream = match (response.status, identity.collect::<Vec<_>>().join(", ")) {
            (200, identity) if identity.is_empty() => "the request".to_owned(),
            (200, identity) => identity,
            _ => "nothing".to_owned(),
        };
        Ok(Row { status: response.status, rule: field("rule"), reason: field("reason"), upstream })
    }
}

impl Row {
    fn cells(self, step: &Step) -> Vec<Cell> {
        let color = if self.status == 200 { Color::Green } else { Color::Red };
        vec![
            Cell::new(step.who),
            Cell::new(format!("{} {}", step.method, step.path)),
            Cell::new(self.status).fg(color).add_attribute(Attribute::Bold),
            Cell::new(self.rule),
            Cell::new(self.reason),
            Cell::new(self.upstream),
        ]
    }
}

fn print_curl_lines(steps: &[Step], keys: &KeyRing, address: SocketAddr) -> Result<()> {
    println!("Envoy keeps running at http://{address}; Ctrl-C stops it. The tokens are good for an hour. To try:\n");
    for step in steps.iter().filter(|step| step.status == 200 || step.token.is_none()) {
        println!("# {} → {}", step.who, step.status);
        let token = step.token.as_ref().map(|token| token.mint(keys, now())).transpose()?;
        let authorization = token.map(|token| format!(" -H 'authorization: Bearer {token}'")).unwrap_or_default();
        println!("curl -i -X {} 'http://{address}{}'{authorization}\n", step.method, step.path);
    }
    Ok(())
}

fn steps() -> Vec<Step> {
    let get = |who, path, token, status| Step { who, method: "GET", path, token, header: None, status };
    let post = |who, path, token, status| Step { who, method: "POST", path, token, header: None, status };
    let forged = |forgery| TokenSpec { forgery, ..customer(json!({})) };
    let spoofed = Some(("X-Portcullis-Subject", "admin"));
    vec![
        get("anybody", "/healthz", None, 200),
        get("nobody in particular", "/accounts/4711", None, 401),
        get("customer Alice", "/accounts/4711", Some(customer(json!({}))), 200),
        Step {
            header: spoofed,
            ..get("Alice, who claims to be admin in a header", "/accounts/4711", Some(customer(json!({}))), 200)
        },
        post("Alice, without the scope", "/payments", Some(customer(json!({}))), 403),
        post("Alice, with the scope", "/payments", Some(customer(json!({ "scope": "payments.write" }))), 200),
        get(
            "a customer whose account is frozen",
            "/accounts/4711",
            Some(customer(json!({ "account_status": "frozen" }))),
            403,
        ),
        get(
            "Alice, with yesterday's token",
            "/accounts/4711",
            Some(customer(json!({ "exp": { "now": -86_400 } }))),
            401,
        ),
        get(
            "Alice, with a token for another API",
            "/accounts/4711",
            Some(customer(json!({ "aud": "https://shop.example" }))),
            401,
        ),
        get("an attacker: alg none", "/accounts/4711", Some(forged(Forgery::AlgNone)), 401),
        get("an attacker: other claims, same signature", "/accounts/4711", Some(forged(Forgery::OtherClaims)), 401),
        get("an attacker: HS256 with the public key", "/accounts/4711", Some(forged(Forgery::PublicKeyAsSecret)), 401),
        get("an attacker: an ambiguous path", "/accounts;role=admin/4711", None, 400),
        get("a partner bank", "/open-banking/accounts/4711", Some(partner()), 200),
        get("a partner bank, at customers' doors", "/accounts/4711", Some(partner()), 403),
        get("the regulator", "/reports/2026/q3", Some(regulator()), 200),
        post("the regulator, writing", "/reports/2026/q3", Some(regulator()), 403),
        post("the payments service", "/internal/ledger/entries", Some(service("production")), 200),
        post("the payments service, from staging", "/internal/ledger/entries", Some(service("staging")), 403),
        get("the payments service, as administrator", "/admin/users", Some(service("production")), 403),
    ]
}

fn customer(claims: Value) -> TokenSpec {
    token(
        "customers-1",
        "https://login.bank.example",
        "JWT",
        "alice",
        merged(json!({ "scope": "openid accounts.read" }), claims),
    )
}

fn partner() -> TokenSpec {
    token("partners-1", "https://partners.bank.example", "at+jwt", "partner-bank", json!({ "roles": ["aisp"] }))
}

fn regulator() -> TokenSpec {
    let claims = json!({ "realm_access": { "roles": ["auditor"] } });
    token("regulator-1", "https://id.regulator.example", "JWT", "examiner-7", claims)
}

fn service(environment: &str) -> TokenSpec {
    let claims = json!({ "groups": ["payments"], "https://bank.example/environment": environment });
    token("workloads-1", "https://workloads.bank.example", "JWT", "payments-service", claims)
}

fn token(key: &str, issuer: &str, token_type: &str, subject: &str, claims: Value) -> TokenSpec {
    let common =
        json!({ "iss": issuer, "sub": subject, "aud": "https://api.bank.example", "exp": { "now": LIFETIME - 60 } });
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    TokenSpec {
        key: key.to_owned(),
        header: object(json!({ "typ": token_type })),
        claims: object(merged(common, claims)),
        ..TokenSpec::default()
    }
}

fn merged(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}
