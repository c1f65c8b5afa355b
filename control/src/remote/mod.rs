//! The commands that speak to a control endpoint.

mod publish;
mod revoke;
mod rollback;
mod sign;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{Certificate, Client, Method, Url};
use serde_json::Value;

use crate::check::{REFUSED, UNREADABLE};
use crate::source::one_line;
pub(crate) use publish::Arguments as PublishArguments;
pub(crate) use revoke::Arguments as RevokeArguments;
pub(crate) use rollback::Arguments as RollbackArguments;
pub(crate) use sign::Arguments as SignArguments;
pub(crate) use status::Arguments as StatusArguments;

pub(crate) use publish::run as publish;
pub(crate) use revoke::run as revoke;
pub(crate) use rollback::run as roll_back;
pub(crate) use sign::run as sign;
pub(crate) use status::run as status;

/// A publication has to travel, be read, and be kept.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which endpoint, for which fleet, as whom.
#[derive(Args)]
pub(crate) struct Endpoint {
    /// The control endpoint; `PORTCULLIS_URL` if not given, and this machine if that is not set.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The fleet; `PORTCULLIS_FLEET` if not given, and `production` if that is not set.
    #[arg(long)]
    fleet: Option<String>,
    /// The file of your token; `PORTCULLIS_TOKEN` is the token itself. It is never an argument, which others could see.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) that vouch for the endpoint, besides those that this machine trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum RemoteError {
    /// The endpoint, or the policy, says no.
    Refused(String),
    /// Nobody was asked, or nobody answered.
    Failed(String),
}

impl RemoteError {
    /// Says what is wrong; the exit code for it.
    fn report(&self) -> ExitCode {
        match self {
            Self::Refused(why) => {
                eprintln!("{why}");
                REFUSED.into()
            }
            Self::Failed(why) => {
                eprintln!("{why}");
                UNREADABLE.into()
            }
        }
    }
}

/// An endpoint that can be asked.
pub(crate) struct Remote {
    client: Client,
    base: Url,
    token: String,
    pub(crate) fleet: String,
}

impl Endpoint {
    /// The name of the fleet.
    pub(crate) fn fleet(&self) -> String {
        self.fleet.clone().or_else(|| variable("PORTCULLIS_FLEET")).unwrap_or_else(|| "production".to_owned())
    }

    /// Gets everything ready; nothing is sent yet.
    pub(crate) fn connect(&self) -> Result<Remote, RemoteError> {
        let url = self
            .to
            .clone()
            .or_else(|| variable("PORTCULLIS_URL"))
            .unwrap_or_else(|| "http://127.0.0.1:9470".to_owned());
        let base = Url::parse(&url).map_err(|error| RemoteError::Failed(format!("`{url}` is not a URL: {error}")))?;
        let is_local = base.host_str().is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host));
        if base.scheme() != "https" && !is_local {
            return Err(RemoteError::Failed(format!("`{url}`: your token would travel in the clear; use https")));
        }
        Ok(Remote { client: self.client()?, base, token: self.token()?, fleet: self.fleet() })
    }

    fn client(&self) -> Result<Client, RemoteError> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &self.ca {
            let failed = |why: String| RemoteError::Failed(format!("{}: {why}", file.display()));
            let text = std::fs::read(file).map_err(|error| failed(format!("cannot be read: {error}")))?;
            let certificates = Certificate::from_pem_bundle(&text).map_err(|error| failed(error.to_string()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        builder.build().map_err(|error| RemoteError::Failed(error.to_string()))
    }

    fn token(&self) -> Result<String, RemoteError> {
        let token = match &self.token_file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| RemoteError::Failed(format!("{}: cannot be read: {error}", file.display())))?,
            None => variable("PORTCULLIS_TOKEN").ok_or_else(|| {
                RemoteError::Failed("no token: name its file with --token-file, or set PORTCULLIS_TOKEN; `portcullis keygen --token` makes one".to_owned())
            })?,
        };
        Ok(token.trim().to_owned())
    }
}

impl Remote {
    /// Asks for something under the fleet: `status`.
    pub(crate) async fn get(&self, what: &str) -> Result<Value, RemoteError> {
        self.ask(Method::GET, what, None).await
    }

    /// Has something done to the fleet: `publish`.
    pub(crate) async fn post(&self, what: &str, body: &Value) -> Result<Value, RemoteError> {
        self.ask(Method::POST, what, Some(body.to_string())).await
    }

    async fn ask(&self, method: Method, what: &str, body: Option<String>) -> Result<Value, RemoteError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/v1/fleets/{}/{what}", self.base.path().trim_end_matches('/'), self.fleet));
        let failed = |why: String| RemoteError::Failed(format!("{url}: {why}"));
        let mut request = self.client.request(method, url.clone()).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| failed(causes(&error)))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| failed(causes(&error)))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.get("detail").and_then(Value::as_str).map(lines);
        let why = format!(
            "the endpoint answers {}: {}",
            status.as_u16(),
            detail.unwrap_or_else(|| "no reason given".to_owned())
        );
        if status.is_client_error() { Err(RemoteError::Refused(why)) } else { Err(failed(why)) }
    }
}

/// Text of the endpoint, line by line; nothing in it speaks to the terminal.
fn lines(text: &str) -> String {
    text.lines().map(one_line).collect::<Vec<_>>().join("\n")
}

/// Runs what asks an endpoint.
fn block_on<T>(asking: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| RemoteError::Failed(format!("no runtime: {error}")))?.block_on(asking)
}

/// The epoch in an answer.
fn epoch(answer: &Value) -> Result<u64, RemoteError> {
    let epoch = answer.get("epoch").and_then(Value::as_u64);
    epoch.ok_or_else(|| RemoteError::Failed("the endpoint answers without an epoch; is it one?".to_owned()))
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = "cannot be reached".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
