//! The requests of the demo: who sends them, and what is to become of them.

use std::net::Ipv4Addr;

use anyhow::Result;
use host_tests::client::Request;
use host_tests::keys::KeyRing;
use host_tests::token::{Forgery, TokenSpec};
use serde_json::{Value, json};

/// What clients call the API.
const HOST: &str = "api.bank.example";

/// Addresses of this machine that stand for networks of the policy.
const ANYWHERE: [u8; 4] = [127, 0, 0, 1];
pub(crate) const REGULATOR: [u8; 4] = [127, 0, 0, 2];
pub(crate) const BLOCKED: [u8; 4] = [127, 0, 0, 3];

/// The key of the partner bank, to which its tokens are bound.
pub(crate) const PARTNER_KEY: &str = "partner-bank";

/// The key of the operations team: it opens nothing but this demo, on this machine.
pub(crate) const API_KEY: &str = "ops_live_1.demo";

/// One request.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) who: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) from: Ipv4Addr,
    pub(crate) status: u16,
    token: Option<TokenSpec>,
    /// Whether the request has a proof that the client has the partner's key (RFC 9449).
    has_proof: bool,
    header: Option<(&'static str, &'static str)>,
}

impl Step {
    fn new(who: &'static str, method: &'static str, path: &'static str, status: u16) -> Self {
        Self { who, method, path, status, from: ANYWHERE.into(), token: None, has_proof: false, header: None }
    }

    fn token(self, token: TokenSpec) -> Self {
        Self { token: Some(token), ..self }
    }

    fn proof(self) -> Self {
        Self { has_proof: true, ..self }
    }

    fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn sent_from(self, address: [u8; 4]) -> Self {
        Self { from: address.into(), ..self }
    }

    /// The same with another `jti`, so that a token that may be used once can be used again.
    pub(crate) fn with_token_id(&self, id: &str) -> Self {
        let mut step = self.clone();
        if let Some(token) = &mut step.token {
            token.claims.insert("jti".to_owned(), json!(id));
        }
        step
    }

    /// Whether curl can send it.
    pub(crate) fn is_worth_repeating(&self) -> bool {
        !self.has_proof && (self.status == 200 || self.token.is_none())
    }

    pub(crate) fn request(&self, keys: &KeyRing, now: u64) -> Result<Request> {
        let mut request = Request { method: self.method.into(), host: HOST.into(), ..Request::get(self.path) };
        if let Some(spec) = &self.token {
            let token = spec.mint(keys, now)?;
            let scheme = if self.has_proof { "DPoP" } else { "Bearer" };
            request = request.with("authorization", &format!("{scheme} {token}"));
            if self.has_proof {
                let proof = TokenSpec { key: PARTNER_KEY.to_owned(), ..TokenSpec::default() };
                let uri = format!("https://{HOST}{}", self.path);
                request = request.with("dpop", &proof.mint_proof(keys, now, self.method, &uri, &token)?);
            }
        }
        Ok(match self.header {
            Some((name, value)) => request.with(name, value),
            None => request,
        })
    }
}

/// All requests, in the order of the table.
pub(crate) fn steps() -> Vec<Step> {
    let get = |who, path, status| Step::new(who, "GET", path, status);
    let post = |who, path, status| Step::new(who, "POST", path, status);
    let (accounts, transfers) = ("/customers/alice/accounts", "/customers/alice/transfers");
    let (balances, ledger) = ("/open-banking/accounts/4711/balances", "/internal/ledger/entries");
    let alice = || customer(json!({ "tier": "gold" }));
    let forged = |forgery| TokenSpec { forgery, ..alice() };
    vec![
        get("anybody", "/healthz", 200),
        get("nobody in particular", accounts, 401),
        get("customer Alice", accounts, 200).token(alice()),
        get("Alice, in the path of Bob", "/customers/bob/accounts", 403).token(alice()),
        get("Alice, who claims to be Bob in a header", accounts, 200)
            .token(alice())
            .header("X-Portcullis-Subject", "bob"),
        get("Alice, from a blocked network", accounts, 403).token(alice()).sent_from(BLOCKED),
        get("a customer whose account is frozen", accounts, 403).token(customer(json!({ "account_status": "frozen" }))),
        get("Alice, with yesterday's token", accounts, 401).token(customer(json!({ "exp": { "now": -86_400 } }))),
        get("Alice, with a token for another API", accounts, 401)
            .token(customer(json!({ "aud": "https://shop.example" }))),
        get("an attacker: alg none", accounts, 401).token(forged(Forgery::AlgNone)),
        get("an attacker: other claims, same signature", accounts, 401).token(forged(Forgery::OtherClaims)),
        get("an attacker: HS256 with the public key", accounts, 401).token(forged(Forgery::PublicKeyAsSecret)),
        get("an attacker: an ambiguous path", "/customers;x/alice/accounts", 400),
        post("Alice, who has not confirmed", transfers, 401).token(transfer(json!({ "acr": "password" }))),
        post("Alice, at too great a risk", transfers, 403).token(transfer(json!({ "risk_score": 80 }))),
        post("Alice, who has confirmed it", transfers, 200).token(transfer(json!({}))),
        post("the same transfer again", transfers, 401).token(transfer(json!({}))),
        get("a partner bank", balances, 200).token(partner()).proof(),
        get("a thief with its token, but not its key", balances, 401).token(partner()),
        get("the partner bank, without a consent", "/open-banking/accounts/4712/balances", 403)
            .token(partner())
            .proof(),
        get("the regulator", "/reports/2026/q3", 200).token(regulator()).sent_from(REGULATOR),
        get("the regulator, from elsewhere", "/reports/2026/q3", 403).token(regulator()),
        post("the regulator, writing", "/reports/2026/q3", 403).token(regulator()).sent_from(REGULATOR),
        post("a settlement job", ledger, 200).token(service("production")),
        // Not 403: a certificate, which was not presented either, would do instead.
        post("a settlement job, from staging", ledger, 401).token(service("staging")),
        get("a settlement job, as administrator", "/admin/users", 403).token(service("production")),
        get("operations, with an API key", "/internal/metrics", 200).header("x-api-key", API_KEY),
    ]
}

fn customer(claims: Value) -> TokenSpec {
    let own = json!({ "client_id": "mobile-app", "scope": "openid accounts.read" });
    token("customers-1", "https://login.bank.example", "at+jwt", "alice", merged(own, claims))
}

/// A token for one transfer, which Alice has just confirmed.
fn transfer(claims: Value) -> TokenSpec {
    let confirmed = json!({
        "jti": "transfer-1", "scope": "transfers.write", "acr": "urn:bank.example:strong", "amr": ["pwd", "hwk"],
        "auth_time": { "now": -60 }, "risk_score": 12, "transfer": { "amount": 1200 },
    });
    customer(merged(confirmed, claims))
}

/// A token that is bound to the partner's key, with what one customer consented to.
fn partner() -> TokenSpec {
    let consent = json!({ "type": "account_information", "accounts": ["4711"], "actions": ["balances"] });
    let claims = json!({
        "client_id": "partner-bank", "roles": ["aisp"], "cnf": { "jkt": format!("${PARTNER_KEY}") },
        "authorization_details": [consent],
    });
    token("partners-1", "https://partners.bank.example", "at+jwt", "partner-bank", claims)
}

fn regulator() -> TokenSpec {
    let claims = json!({ "realm_access": { "roles": ["auditor"] } });
    token("regulator-1", "https://id.regulator.example", "JWT", "examiner-7", claims)
}

fn service(environment: &str) -> TokenSpec {
    let claims = json!({ "groups": ["payments"], "https://bank.example/environment": environment });
    token("workloads-1", "https://workloads.bank.example", "JWT", "settlement", claims)
}

fn token(key: &str, issuer: &str, token_type: &str, subject: &str, claims: Value) -> TokenSpec {
    // Ten minutes: no issuer of the policy may give less than fifteen.
    let common = json!({
        "iss": issuer, "sub": subject, "aud": "https://api.bank.example", "jti": "demo", "exp": { "now": 600 },
    });
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
