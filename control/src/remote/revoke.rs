//! `portcullis revoke`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Endpoint, RemoteError, block_on, epoch};
use crate::serve::clock;

/// What is not good any more.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Arguments {
    /// Whose tokens: an issuer of the policy.
    #[arg(long, value_name = "ISSUER")]
    issuer: String,
    /// One token, by its `jti`.
    #[arg(long, value_name = "ID", allow_hyphen_values = true, group = "what", conflicts_with_all = ["subject", "session", "client", "kid"])]
    jti: Option<String>,
    /// Everything of a subject (`sub`).
    #[arg(long, value_name = "SUBJECT", allow_hyphen_values = true, group = "what", conflicts_with_all = ["session", "client", "kid"])]
    subject: Option<String>,
    /// Everything of a session (`sid`).
    #[arg(long, value_name = "SESSION", allow_hyphen_values = true, group = "what", conflicts_with_all = ["client", "kid"])]
    session: Option<String>,
    /// Everything that was issued to a client.
    #[arg(long, value_name = "CLIENT", allow_hyphen_values = true, group = "what", conflicts_with = "kid")]
    client: Option<String>,
    /// Everything that was signed with a key.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, group = "what")]
    kid: Option<String>,
    /// Only what was issued before this time: `now`, RFC 3339, or seconds since 1970. Alone: everything of the issuer.
    #[arg(long, value_name = "TIME", group = "what")]
    issued_before: Option<String>,
    /// For how long, in seconds: at least as long as the tokens live that are meant; 30 days if not given.
    #[arg(long = "for", value_name = "SECONDS", default_value = "2592000")]
    seconds: u64,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Revokes, and prints the epoch.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let revoked = arguments.entry().and_then(|entry| {
        let remote = arguments.endpoint.connect()?;
        block_on(async { epoch(&remote.post("revocations", &json!({ "entries": [entry] })).await?) })
    });
    match revoked {
        Ok(epoch) => {
            println!("epoch {epoch}");
            ExitCode::SUCCESS
        }
        Err(error) => error.report(),
    }
}

impl Arguments {
    /// The entry of the bundle that says so (docs/bundle.md).
    fn entry(&self) -> Result<Value, RemoteError> {
        let selectors = [
            ("token_id", &self.jti),
            ("subject", &self.subject),
            ("session", &self.session),
            ("client", &self.client),
            ("key_id", &self.kid),
        ];
        let named = selectors.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        let mut entry = Map::from_iter([("issuer".to_owned(), json!(self.issuer))]);
        entry.extend(named);
        if let Some(before) = &self.issued_before {
            entry.insert("issued_before".to_owned(), json!(read_time(before)?));
        }
        entry.insert("until".to_owned(), json!(clock::seconds().saturating_add(self.seconds)));
        Ok(Value::Object(entry))
    }
}

fn read_time(text: &str) -> Result<u64, RemoteError> {
    if text == "now" {
        return Ok(clock::seconds());
    }
    let date = || OffsetDateTime::parse(text, &Rfc3339).ok().and_then(|date| u64::try_from(date.unix_timestamp()).ok());
    text.parse().ok().or_else(date).ok_or_else(|| {
        RemoteError::Failed(format!(
            "`{text}` is not a time: `now`, RFC 3339 such as `2027-01-01T08:00:00Z`, or seconds since 1970"
        ))
    })
}
