//! Protected resource metadata (RFC 9728): where clients learn where to get tokens for us.

use serde_json::{Map, Value};

use super::Reply;
use crate::credential::Credentials;
use crate::document::Node;
use crate::http::{AccessRequest, Host, Path, RequestHead};
use crate::reason::Reason;

/// RFC 9728 section 3: stands between the host and the path of the resource.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata: served by somebody else, or by us.
#[derive(Debug)]
pub(crate) struct ResourceMetadata {
    url: String,
    document: Option<Document>,
}

/// A document that we serve.
#[derive(Debug)]
struct Document {
    host: String,
    path: String,
    body: String,
}

impl ResourceMetadata {
    /// Reads a URL, or the document itself.
    pub(crate) fn read(node: &Node<'_>, credentials: &Credentials) -> Option<Self> {
        if node.value().is_string() {
            return Some(Self { url: read_url(node)?.to_owned(), document: None });
        }
        let fields = node.open_object()?;
        let resource = fields.required("resource").and_then(|node| Some((read_url(&node)?, node)));
        let servers = fields.optional("authorization_servers");
        let servers = servers.map_or(Some(()), |node| node.filled_list(|item| read_url(item).map(drop)).map(drop));
        let (resource, resource_node) = resource?;
        servers?;
        // RFC 9728 section 3.1.
        let (authority, path) = split(resource);
        let url = format!("https://{authority}{WELL_KNOWN}{path}");
        let path = format!("{WELL_KNOWN}{path}");
        let Ok(host) = Host::parse(authority.as_bytes()) else {
            return resource_node.refuse(format!("`{authority}` is not a host"));
        };
        if resource.contains('?') || Path::parse(path.as_bytes()).is_err() {
            return resource_node
                .refuse("must have no query and a plain path, because the metadata is served below it");
        }
        let body = complete(node.value().as_object()?.clone(), credentials);
        let document = Document { host: host.as_str().to_owned(), path, body: Value::Object(body).to_string() };
        Some(Self { url, document: Some(document) })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The answer to a request for the document, if this is one. It is for everybody: who asks has no token yet.
    pub(crate) fn answer(&self, head: &RequestHead<'_>) -> Result<Option<Reply>, Reason> {
        match &self.document {
            // Only what may be meant is read twice.
            Some(document) if head.path.is_some_and(|path| path.starts_with(WELL_KNOWN.as_bytes())) => {
                Ok(document.answer(&AccessRequest::parse(head)?))
            }
            _ => Ok(None),
        }
    }
}

impl Document {
    fn answer(&self, request: &AccessRequest<'_>) -> Option<Reply> {
        let is_for_it = matches!(request.method, "GET" | "HEAD")
            && request.host.as_str() == self.host
            && Path::parse(self.path.as_bytes()).is_ok_and(|path| path == request.path);
        is_for_it.then(|| Reply {
            status: 200,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("cache-control", "max-age=300".to_owned()),
                // Clients in browsers come from other origins.
                ("access-control-allow-origin", "*".to_owned()),
            ],
            body: self.body.clone(),
        })
    }
}

/// The document with what follows from the bundle itself, where it does not say it.
fn complete(mut document: Map<String, Value>, credentials: &Credentials) -> Map<String, Value> {
    for (name, value) in credentials.metadata() {
        document.entry(name).or_insert(value);
    }
    document
}

/// Authority and path of an `https` URL; a path that is only a slash is none.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or_default();
    (authority, if path == "/" { "" } else { path })
}

/// A URL that can stand in a challenge as it is.
fn read_url<'n>(node: &Node<'n>) -> Option<&'n str> {
    let text = node.text()?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\#".contains(&byte);
    if !text.starts_with("https://") || !text.bytes().all(plain) {
        return node.refuse(format!("`{text}` is not an `https` URL without fragment"));
    }
    Some(text)
}
