//! The request that is asked about, on the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Map, Value, json};

use super::output::Output;

/// Who asks for what.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy: a folder, a YAML or JSON file, or `-` for standard input.
    #[arg(default_value = ".")]
    pub(super) policy: PathBuf,
    /// The method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The path, with the query.
    #[arg(long, required_unless_present = "case")]
    path: Option<String>,
    /// The host; `api.example.com` if not given.
    #[arg(long)]
    host: Option<String>,
    /// A header; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The address at the other end of the connection.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// When it happens, such as `2026-01-01T12:00:00Z`; now if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Who asks: a token, which is verified with the keys of the policy.
    #[arg(long, conflicts_with_all = ["issuer", "claims"])]
    token: Option<String>,
    /// Who asks: somebody with a good token of this issuer, signed with a key for tests; the first issuer if only `--claims`
    /// is given.
    #[arg(long)]
    issuer: Option<String>,
    /// What that token says besides, as JSON; `{ "now": N }` is the time N seconds from now.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// The name of the credential that the token is; the first if not given.
    #[arg(long, value_name = "NAME")]
    credential: Option<String>,
    /// Instead of a request: the case of this name in a test file.
    #[arg(long, num_args = 2, value_names = ["FILE", "NAME"], conflicts_with_all = ["method", "path", "host", "headers", "source", "at", "token", "issuer", "claims", "credential"])]
    pub(super) case: Vec<String>,
    /// How the explanation is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) output: Output,
}

impl Arguments {
    /// Whether the token is signed here.
    pub(super) const fn mints(&self) -> bool {
        self.issuer.is_some() || self.claims.is_some()
    }

    /// The request as a test file would say it.
    pub(super) fn document(&self) -> Result<Value, String> {
        let given = [("path", &self.path), ("host", &self.host), ("source", &self.source)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        let mut request = Map::from_iter(given);
        request.insert("method".to_owned(), json!(self.method));
        request.insert("headers".to_owned(), json!(self.headers()?));
        let mut document = Map::from_iter([("request".to_owned(), Value::Object(request))]);
        document.insert("now".to_owned(), self.at.as_ref().map_or_else(|| json!(clock()), |at| json!(at)));
        document.extend(self.who()?.map(|who| ("who".to_owned(), who)));
        Ok(Value::Object(document))
    }

    fn headers(&self) -> Result<BTreeMap<&str, Vec<&str>>, String> {
        let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| format!("`{header}` is not a header like `x-request-id: 1`: it has no colon"))?;
            headers.entry(name.trim()).or_default().push(value.trim());
        }
        Ok(headers)
    }

    /// None for nobody.
    fn who(&self) -> Result<Option<Value>, String> {
        if self.token.is_none() && !self.mints() {
            return Ok(None);
        }
        let given = [("token", &self.token), ("issuer", &self.issuer), ("credential", &self.credential)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        let mut who = Map::from_iter(given);
        if let Some(claims) = &self.claims {
            let claims: Value =
                serde_json::from_str(claims).map_err(|error| format!("the claims are not acceptable JSON: {error}"))?;
            who.insert("claims".to_owned(), claims);
        }
        Ok(Some(Value::Object(who)))
    }
}

/// In seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "whoever gives no time asks about now")]
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
