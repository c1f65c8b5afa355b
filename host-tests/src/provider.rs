//! A real OpenID provider, oidc-provider on Node.js (`host-tests/provider`): it publishes its own keys and mints tokens.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::client::{Connection, Request};

/// The client that asks for tokens, with its password.
const CLIENT: &str = "web:secret-of-web";

/// What it does with its keys: all at once, or as providers do whose tokens are to be good all the time.
#[derive(Clone, Copy, Debug)]
pub enum Rotation {
    /// It has new ones, and none of the old.
    Replace,
    /// It publishes new ones beside those that it signs with.
    Announce,
    /// It signs with those that it announced, and publishes the old ones still.
    Switch,
    /// It publishes only those that it signs with.
    Withdraw,
}

/// A running provider. It ends when this is dropped.
pub struct Provider {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    issuer: String,
    metadata: Value,
}

impl Provider {
    /// Starts a provider with new keys on a free port.
    ///
    /// # Errors
    ///
    /// No Node.js, no provider, or it does not start.
    pub fn start() -> Result<Self> {
        let mut child = Command::new("node")
            .arg(script()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Node.js could not be started. Run `cargo xtask test`, which installs it")?;
        let input = child.stdin.take().context("the provider has an input")?;
        let output = BufReader::new(child.stdout.take().context("the provider has an output")?).lines();
        let mut provider = Self { child, input, output, issuer: String::new(), metadata: Value::Null };
        provider.issuer = provider.next_line()?;
        // OpenID Connect Discovery 1.0 section 4.
        let discovery = format!("{}/.well-known/openid-configuration", provider.issuer);
        provider.metadata = answer(&discovery, Request::get(""))?;
        Ok(provider)
    }

    /// Its name, `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of an endpoint, as its metadata names it.
    ///
    /// # Errors
    ///
    /// They name none.
    pub fn endpoint(&self, name: &str) -> Result<&str> {
        self.metadata.get(name).and_then(Value::as_str).with_context(|| format!("the provider has no `{name}`"))
    }

    /// Its address.
    ///
    /// # Errors
    ///
    /// It does not listen on this machine.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.issuer.strip_prefix("http://").context("the issuer is a URL of this machine")?;
        Ok(address.parse()?)
    }

    /// Asks about a token as a proxy does, with this `Authorization` and body (RFC 7662 section 2.1).
    ///
    /// # Errors
    ///
    /// No answer.
    pub fn introspect(&self, authorization: &str, body: &str) -> Result<Value> {
        let mut request = Request::get("")
            .with("authorization", authorization)
            .with("content-type", "application/x-www-form-urlencoded");
        request.method = b"POST".to_vec();
        request.body = body.as_bytes().to_vec();
        answer(self.endpoint("introspection_endpoint")?, request)
    }

    /// The keys that it publishes now.
    ///
    /// # Errors
    ///
    /// No answer.
    pub fn jwks(&self) -> Result<Value> {
        answer(self.endpoint("jwks_uri")?, Request::get(""))
    }

    /// Changes its keys.
    ///
    /// # Errors
    ///
    /// It is not alive.
    pub fn rotate(&mut self, rotation: Rotation) -> Result<()> {
        let command = match rotation {
            Rotation::Replace => "replace",
            Rotation::Announce => "announce",
            Rotation::Switch => "switch",
            Rotation::Withdraw => "withdraw",
        };
        writeln!(self.input, "{command}")?;
        self.next_line().map(drop)
    }

    /// An access token of the client `web` for a resource, by client credentials (RFC 6749 section 4.4, RFC 8707); with a
    /// proof of possession, one that is bound to its key (RFC 9449 section 5).
    ///
    /// # Errors
    ///
    /// The provider gives none.
    pub fn mint(&self, resource: &str, scopes: &str, proof: Option<&str>) -> Result<String> {
        let mut request = Request::get("")
            .with("authorization", &format!("Basic {}", STANDARD.encode(CLIENT)))
            .with("content-type", "application/x-www-form-urlencoded");
        if let Some(proof) = proof {
            request = request.with("dpop", proof);
        }
        request.method = b"POST".to_vec();
        request.body = format!("grant_type=client_credentials&resource={resource}&scope={}", scopes.replace(' ', "+"))
            .into_bytes();
        let answer = answer(self.endpoint("token_endpoint")?, request)?;
        let token = answer.get("access_token").and_then(Value::as_str).context("the provider gives a token")?;
        Ok(token.to_owned())
    }

    fn next_line(&mut self) -> Result<String> {
        Ok(self.output.next().context("the provider ended")??)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Nothing can be done about a provider that is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script() -> Result<PathBuf> {
    let path = std::env::var_os("PROVIDER_PATH").map(PathBuf::from);
    path.context("PROVIDER_PATH is not set. Run `cargo xtask test`, which installs the provider and sets it")
}

/// Sends a request to a URL of this machine; the JSON of the answer.
fn answer(url: &str, mut request: Request) -> Result<Value> {
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_at_checked(rest.find('/')?))
        .with_context(|| format!("`{url}` is no URL of this machine"))?;
    (request.host, request.path) = (host.into(), path.into());
    let response = Connection::open(host.parse()?)?.send(&request)?;
    let body = String::from_utf8_lossy(&response.body).into_owned();
    ensure!(response.status == 200, "{url} answers {}: {body}", response.status);
    serde_json::from_str(&body).with_context(|| format!("{url} answers no JSON: {body}"))
}
