//! Token introspection (RFC 7662): the authorization server is asked about tokens that only it can read.
//!
//! The core asks nobody. It says what is to be asked, takes the answer, remembers it for a while, and decides when it is
//! asked again: there is one way through, and a callout only interrupts it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::document::Node;
use crate::json;
use crate::limits::{MAX_INTROSPECTION_BYTES, MAX_INTROSPECTION_MILLISECONDS};
use crate::reason::Reason;

const DEFAULT_TIMEOUT_MILLISECONDS: u64 = 1000;

/// How long an answer is remembered, in seconds, where the bundle says nothing: so long a token is good after its end.
const DEFAULT_CACHE_SECONDS: u64 = 60;

/// The same for tokens that are not active: they do not become it.
const DEFAULT_NEGATIVE_CACHE_SECONDS: u64 = 60;

/// Where and how an authorization server is asked.
pub(super) struct Server {
    /// What the proxy calls it.
    cluster: String,
    authority: String,
    path: String,
    /// HTTP Basic with the client's password (RFC 6749 section 2.3.1).
    authorization: String,
    timeout: Duration,
    pub(super) cache_seconds: u64,
    pub(super) negative_cache_seconds: u64,
}

/// A question about one token, for the authorization server that issued it.
#[derive(Clone)]
pub struct Introspection {
    server: Rc<Server>,
    pub(super) issuer: Rc<str>,
    pub(super) token: Rc<str>,
    is_renewal: bool,
}

/// What the authorization server answered.
#[derive(Clone, Copy, Debug)]
pub struct IntrospectionResponse<'r> {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'r [u8],
}

/// Why the way of a token through its verification ends.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// It does not hold.
    Refused(Reason),
    /// Its authorization server has to be asked first.
    Pending(Introspection),
}

impl From<Reason> for Interruption {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl Server {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&[
            "endpoint",
            "cluster",
            "client_id",
            "client_secret",
            "timeout_milliseconds",
            "cache_seconds",
            "negative_cache_seconds",
        ])?;
        let endpoint = fields.required("endpoint").and_then(|node| read_endpoint(&node));
        let text = |name| fields.required(name).and_then(|node| node.text().map(str::to_owned));
        let (cluster, id, secret) = (text("cluster"), text("client_id"), text("client_secret"));
        let number = |name, range, default| fields.optional(name).map_or(Some(default), |node| node.integer(range));
        let timeout = number("timeout_milliseconds", 1..=MAX_INTROSPECTION_MILLISECONDS, DEFAULT_TIMEOUT_MILLISECONDS);
        let cache_seconds = number("cache_seconds", 1..=3600, DEFAULT_CACHE_SECONDS);
        let negative_cache_seconds = number("negative_cache_seconds", 1..=3600, DEFAULT_NEGATIVE_CACHE_SECONDS);
        let (authority, path) = endpoint?;
        let credentials = format!("{}:{}", form_encoded(&id?), form_encoded(&secret?));
        Some(Self {
            cluster: cluster?,
            authority,
            path,
            authorization: format!("Basic {}", STANDARD.encode(credentials)),
            timeout: Duration::from_millis(timeout?),
            cache_seconds: cache_seconds?,
            negative_cache_seconds: negative_cache_seconds?,
        })
    }
}

impl Introspection {
    pub(super) fn new(server: &Rc<Server>, issuer: &Rc<str>, token: &str, is_renewal: bool) -> Self {
        Self { server: Rc::clone(server), issuer: Rc::clone(issuer), token: Rc::from(token), is_renewal }
    }

    /// Whether the token was good before. Strangers cannot ask such questions, so there should always be room for them.
    pub const fn is_renewal(&self) -> bool {
        self.is_renewal
    }

    /// What the proxy calls the authorization server.
    pub fn cluster(&self) -> &str {
        &self.server.cluster
    }

    /// The headers of the request, pseudo-headers first (RFC 7662 section 2.1).
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", &self.server.authority),
            (":path", &self.server.path),
            ("authorization", &self.server.authorization),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
        ]
    }

    /// The body of the request.
    pub fn body(&self) -> String {
        format!("token={}&token_type_hint=access_token", form_encoded(&self.token))
    }

    /// How long the answer may take.
    pub fn timeout(&self) -> Duration {
        self.server.timeout
    }

    /// Whether the other question is the same, so that one answer does for both.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.token == other.token
    }
}

/// Without the token and the password.
impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// The claims of a token in an answer (RFC 7662 section 2.2). Whatever is not a clear answer is none.
pub(super) fn read_response(response: Option<IntrospectionResponse<'_>>) -> Result<Map<String, Value>, Reason> {
    let body = match response {
        Some(IntrospectionResponse { status: 200, body }) if body.len() <= MAX_INTROSPECTION_BYTES => body,
        _ => return Err(Reason::IntrospectionFailed),
    };
    let Ok(Value::Object(mut claims)) = json::parse(body) else {
        return Err(Reason::IntrospectionFailed);
    };
    match claims.remove("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(Reason::TokenInactive),
        _ => return Err(Reason::IntrospectionFailed),
    }
    // A refresh token is active too, and is not an access token.
    let is_access_token = |name: &str, accepted: &[&str]| match claims.get(name) {
        None => true,
        Some(Value::String(kind)) => accepted.iter().any(|accepted| kind.eq_ignore_ascii_case(accepted)),
        Some(_) => false,
    };
    // RFC 9449 section 6.2: a token that is bound says to what. One that does not is not a bearer token either.
    let is_dpop =
        claims.get("token_type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP"));
    if is_dpop && claims.get("cnf").and_then(|cnf| cnf.get("jkt")).is_none() {
        return Err(Reason::ClaimsMalformed);
    }
    if is_access_token("token_type", &["Bearer", "DPoP", "access_token"])
        && is_access_token("token_use", &["access_token", "access"])
    {
        return Ok(claims);
    }
    Err(Reason::TypeMismatch)
}

/// Authority and path of an `https` URL.
fn read_endpoint(node: &Node<'_>) -> Option<(String, String)> {
    let text = node.text()?;
    let split = || {
        let rest = text.strip_prefix("https://").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic()))?;
        let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
        (!authority.is_empty() && !path.contains('#')).then(|| (authority.to_owned(), path.to_owned()))
    };
    split().or_else(|| {
        node.refuse(format!(
            "`{text}` is not an `https` URL with a path, such as `https://login.example.com/introspect`"
        ))
    })
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
