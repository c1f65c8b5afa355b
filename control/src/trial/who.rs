//! Who asks: the credentials that a request presents.

use authz::document::{Fields, Node};
use serde_json::{Map, Value};

use super::policy::{Kind, TestCredential, TestPolicy};
use super::request::text;

/// A credential that is presented.
pub(crate) struct Presented {
    /// The index of the credential in the policy.
    pub(crate) credential: usize,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// A token of this issuer that says this.
    Token {
        issuer: String,
        claims: Map<String, Value>,
        header: Map<String, Value>,
        /// Members of both that a good token has and this one has not.
        without: Vec<String>,
        /// Whether it is no JWT, so that its authorization server is asked.
        opaque: bool,
    },
    /// A token or API key as it stands here.
    Literal(String),
    /// The certificate of the connection.
    Peer(Peer),
}

/// What the proxy knows of a certificate.
pub(crate) struct Peer {
    pub(crate) uri_san: Option<String>,
    pub(crate) dns_san: Option<String>,
    pub(crate) subject_name: Option<String>,
    pub(crate) sha256: String,
}

/// `anonymous`, one credential, or several.
pub(crate) fn read(node: &Node<'_>, policy: &TestPolicy) -> Option<Vec<Presented>> {
    match node.value() {
        Value::String(text) if text == "anonymous" => Some(Vec::new()),
        Value::Array(_) => node.filled_list(|item| read_presented(item, policy)),
        _ => read_presented(node, policy).map(|presented| vec![presented]),
    }
}

fn read_presented(node: &Node<'_>, policy: &TestPolicy) -> Option<Presented> {
    let fields =
        node.object(&["credential", "issuer", "claims", "header", "without", "opaque", "token", "api_key", "peer"])?;
    let kinds = ["token", "api_key", "peer"];
    let exclusive: Vec<&str> = kinds.into_iter().filter(|name| fields.optional(name).is_some()).collect();
    let says = ["issuer", "claims", "header", "without", "opaque"];
    let says = says.into_iter().any(|name| fields.optional(name).is_some());
    if exclusive.len() > 1 || (says && !exclusive.is_empty()) {
        return node.refuse(
            "one credential is either a token of an issuer, or a literal `token`, an `api_key` or a `peer`; write a list for several",
        );
    }
    let kind = match exclusive.first() {
        Some(&"api_key") => Kind::ApiKey,
        Some(&"peer") => Kind::Peer,
        _ => Kind::Jwt,
    };
    let (index, credential) = read_credential(node, &fields, kind, policy)?;
    let what = match exclusive.first() {
        Some(&"token") => fields.required("token")?.text().map(|token| What::Literal(token.to_owned())),
        Some(&"api_key") => read_api_key(&fields.required("api_key")?, policy),
        Some(&"peer") => read_peer(&fields.required("peer")?),
        _ => read_token(node, &fields, credential, policy),
    };
    Some(Presented { credential: index, what: what? })
}

/// The credential that is named, or the first of the kind.
fn read_credential<'p>(
    node: &Node<'_>,
    fields: &Fields<'_>,
    kind: Kind,
    policy: &'p TestPolicy,
) -> Option<(usize, &'p TestCredential)> {
    let of_kind = || policy.credentials.iter().enumerate().filter(move |(_, credential)| credential.kind == kind);
    match fields.optional("credential") {
        None => of_kind().next().or_else(|| node.refuse("the policy has no `credentials` of this type")),
        Some(node) => {
            let name = node.text()?;
            let found = of_kind().find(|(_, credential)| credential.name == name);
            found.or_else(|| {
                let known: Vec<&str> = of_kind().map(|(_, credential)| credential.name.as_str()).collect();
                node.refuse(format!("`{name}` is no credential of this type in the policy: `{}`", known.join("`, `")))
            })
        }
    }
}

fn read_token(node: &Node<'_>, fields: &Fields<'_>, credential: &TestCredential, policy: &TestPolicy) -> Option<What> {
    let opaque = fields.optional("opaque").map_or(Some(false), |node| node.flag());
    let issuer = match fields.optional("issuer") {
        Some(node) => read_issuer(&node, policy),
        None => {
            let default = policy.default_issuer(credential, opaque == Some(true)).map(str::to_owned);
            default.or_else(|| node.refuse("the policy trusts no issuer, so nobody can have a token"))
        }
    };
    let object = |name| {
        fields.optional(name).map_or(Some(Map::new()), |node| {
            node.open_object()?;
            node.value().as_object().cloned()
        })
    };
    let (claims, header) = (object("claims"), object("header"));
    let without = fields.optional("without").map_or(Some(Vec::new()), |node| node.texts());
    let (issuer, opaque) = (issuer?, opaque?);
    let has_key = policy.issuer(&issuer).is_some_and(|(issuer, _)| issuer.key.is_some());
    Some(What::Token { issuer, claims: claims?, header: header?, without: without?, opaque: opaque || !has_key })
}

/// A token of an issuer that the policy does not know proves nothing: its name is most likely misspelt.
fn read_issuer(node: &Node<'_>, policy: &TestPolicy) -> Option<String> {
    let name = node.text()?;
    if policy.issuer(name).is_some() {
        return Some(name.to_owned());
    }
    let known: Vec<&str> = policy.issuer_names().take(10).collect();
    node.refuse(format!(
        "`{name}` is not a trusted issuer of the policy: `{}`; a token that only says so has it in `claims`: {{ iss: .. }}",
        known.join("`, `")
    ))
}

fn read_api_key(node: &Node<'_>, policy: &TestPolicy) -> Option<What> {
    let id = node.text()?;
    let key = policy.api_keys.get(id).cloned().map(What::Literal);
    key.or_else(|| node.refuse(format!("the policy has no API key with the id `{id}`")))
}

fn read_peer(node: &Node<'_>) -> Option<What> {
    let fields = node.object(&["uri_san", "dns_san", "subject_name", "sha256"])?;
    let (uri_san, dns_san) = (text(&fields, "uri_san"), text(&fields, "dns_san"));
    let (subject_name, sha256) = (text(&fields, "subject_name"), text(&fields, "sha256"));
    let sha256 = sha256?.unwrap_or_else(|| "0".repeat(64));
    Some(What::Peer(Peer { uri_san: uri_san?, dns_san: dns_san?, subject_name: subject_name?, sha256 }))
}
