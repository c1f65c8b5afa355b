//! A trusted issuer: whose tokens count, verified with which keys, under which conditions.

use std::rc::Rc;

use serde_json::Value;

use super::introspection::Server;
use super::mapping::ClaimMapping;
use super::preset;
use crate::document::{Fields, Node, Unique};
use crate::jose::{KeySet, normalized_type};
use crate::limits::{MAX_ISSUER_BYTES, MAX_LEEWAY_SECONDS, MAX_LIFETIME_SECONDS, MAX_STALENESS_SECONDS, MAX_TENANTS};
use crate::matching::{ClaimMatcher, Scope};

/// Tolerance for clocks that differ, in seconds, where an issuer says nothing.
const DEFAULT_LEEWAY_SECONDS: u64 = 60;

/// What stands for the tenant in the name of a multi-tenant issuer.
const TENANT: &str = "{tenant}";

/// One trusted issuer. Its validation is in `validation.rs`.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    name: Rc<str>,
    /// What signs its tokens; none if only its authorization server can tell.
    pub(super) keys: Option<Rc<KeySet>>,
    /// The name as the bundle has it, template and all, if its keys are pushed apart from the policy.
    pub(super) keys_from: Option<Rc<str>>,
    /// Who is asked about the tokens that no key tells of.
    pub(super) server: Option<Rc<Server>>,
    /// The tenant that this issuer stands for, if its name is made from a template.
    pub(super) tenant: Option<String>,
    /// Who we are to it. None where something else says that a token is for us.
    pub(super) audiences: Option<Rc<Audiences>>,
    /// Whether its tokens may be padded, against RFC 7515.
    pub(super) padded: bool,
    pub(super) leeway_seconds: u64,
    pub(super) max_lifetime_seconds: Option<u64>,
    pub(super) max_age_seconds: Option<u64>,
    /// In lower case without `application/`; `None` is a token without `typ`.
    pub(super) token_types: Rc<[Option<String>]>,
    pub(super) required: Rc<[ClaimMatcher]>,
    /// What must hold for the JOSE header.
    pub(super) required_header: Rc<[ClaimMatcher]>,
    pub(super) mapping: Rc<ClaimMapping>,
}

/// Who we are to an issuer.
#[derive(Debug)]
pub(super) enum Audiences {
    /// One of these must be in the token.
    Any(Vec<String>),
    /// All of these must be in the token.
    All(Vec<String>),
}

impl TrustedIssuer {
    pub(super) const fn name(&self) -> &Rc<str> {
        &self.name
    }

    /// Reads an issuer: one or, where its name is a template, one for each tenant.
    pub(super) fn read(node: &Node<'_>, unique: &Unique) -> Option<Vec<Self>> {
        let with_preset = preset::apply(node)?;
        let own = node.open_object()?;
        let node = node.with_value(&with_preset);
        let fields = node.object(&[
            "issuer",
            "preset",
            "tenants",
            "audiences",
            "algorithms",
            "jwks",
            "secrets",
            "keys_from",
            "introspection",
            "leeway_seconds",
            "max_lifetime_seconds",
            "max_age_seconds",
            "token_types",
            "required_claims",
            "required_header",
            "padded",
            "claims",
        ])?;
        let issuer = fields.required("issuer").and_then(|node| match node.text()? {
            name if name.len() > MAX_ISSUER_BYTES => node.refuse(format!("is longer than {MAX_ISSUER_BYTES} bytes")),
            name => Some((node, name)),
        });
        let server = fields.optional("introspection").map_or(Some(None), |node| Server::read(&node).map(Some));
        let has_keys = ["jwks", "secrets", "keys_from"].iter().any(|name| fields.optional(name).is_some());
        let asks_only = fields.optional("introspection").is_some() && !has_keys;
        let keys_from = fields.optional("keys_from").map_or(Some(false), |node| read_keys_from(&node).map(|()| true));
        let keys = if asks_only { Some(None) } else { KeySet::read(&fields).map(Some) };
        // A preset may say these; who writes them wants them to count.
        let idle = ["algorithms", "token_types", "required_header", "padded"];
        if let Some(idle) = idle.iter().filter(|_| asks_only).find_map(|name| own.optional(name)) {
            return idle.refuse("is about signed tokens, and there are no keys: add `jwks`, or remove it");
        }
        let audiences = match fields.optional("audiences") {
            // Something else says that a token is for us: who signed it, or a server that knows who asks.
            None if asks_only => Some(None),
            None if fields.optional("required_header").is_some() && fields.optional("introspection").is_none() => {
                Some(None)
            }
            _ => fields.required("audiences").and_then(|node| Audiences::read(&node)).map(Some),
        };
        let padded = fields.optional("padded").map_or(Some(false), |node| node.flag());
        let seconds = |name, range| fields.optional(name).map_or(Some(None), |node| node.integer(range).map(Some));
        let leeway_seconds = seconds("leeway_seconds", 0..=MAX_LEEWAY_SECONDS);
        let max_lifetime_seconds = seconds("max_lifetime_seconds", 1..=MAX_LIFETIME_SECONDS);
        let max_age_seconds = seconds("max_age_seconds", 1..=MAX_LIFETIME_SECONDS);
        let token_types = match fields.optional("token_types") {
            Some(node) => read_token_types(&node),
            None => Some(vec![None, Some("jwt".to_owned()), Some("at+jwt".to_owned())]),
        };
        let tests = |name| fields.optional(name).map_or(Some(Vec::new()), |node| node.filled_list(read_required_claim));
        let (required, required_header) = (tests("required_claims"), tests("required_header"));
        let mapping = ClaimMapping::read(fields.optional("claims").as_ref());
        let tenants = read_tenants(&fields);
        let (issuer_node, issuer) = issuer?;
        let prototype = Self {
            name: Rc::from(issuer),
            keys: keys?.map(Rc::new),
            keys_from: keys_from?.then(|| Rc::from(issuer)),
            server: server?.map(Rc::new),
            tenant: None,
            audiences: audiences?.map(Rc::new),
            padded: padded?,
            leeway_seconds: leeway_seconds?.unwrap_or(DEFAULT_LEEWAY_SECONDS),
            max_lifetime_seconds: max_lifetime_seconds?,
            max_age_seconds: max_age_seconds?,
            token_types: token_types?.into(),
            required: required?.into(),
            required_header: required_header?.into(),
            mapping: Rc::new(mapping?),
        };
        prototype.for_tenants(tenants?, &issuer_node, unique)
    }

    /// One issuer for each tenant, and its name must have a place for them. The keys are shared: they are the provider's.
    fn for_tenants(self, tenants: Option<Vec<String>>, node: &Node<'_>, unique: &Unique) -> Option<Vec<Self>> {
        match (self.name.matches(TENANT).count(), tenants) {
            (0, None) => {
                unique.claim("issuer", &self.name, node)?;
                Some(vec![self])
            }
            (1, Some(tenants)) => tenants.into_iter().map(|tenant| self.for_tenant(tenant, node, unique)).collect(),
            (_, None) => node.refuse(format!(
                "`{TENANT}` needs a list of `tenants`: whoever else the provider serves is not trusted"
            )),
            (_, Some(_)) => {
                node.refuse(format!("with `tenants` the name needs `{TENANT}` where the tenant stands, once"))
            }
        }
    }

    fn for_tenant(&self, tenant: String, node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let name = self.name.replace(TENANT, &tenant);
        unique.claim("issuer", &name, node)?;
        Some(Self {
            name: Rc::from(name),
            keys: self.keys.clone(),
            keys_from: self.keys_from.clone(),
            server: self.server.clone(),
            tenant: Some(tenant),
            audiences: self.audiences.clone(),
            token_types: Rc::clone(&self.token_types),
            required: Rc::clone(&self.required),
            required_header: Rc::clone(&self.required_header),
            mapping: Rc::clone(&self.mapping),
            ..*self
        })
    }
}

impl Audiences {
    fn read(node: &Node<'_>) -> Option<Self> {
        if !node.value().is_object() {
            return node.texts().map(Self::Any);
        }
        let fields = node.object(&["all"])?;
        fields.required("all")?.texts().map(Self::All)
    }

    pub(super) fn accept(&self, audience: &[String]) -> bool {
        match self {
            Self::Any(ours) => ours.iter().any(|ours| audience.contains(ours)),
            Self::All(ours) => ours.iter().all(|ours| audience.contains(ours)),
        }
    }
}

fn read_tenants(fields: &Fields<'_>) -> Option<Option<Vec<String>>> {
    let Some(node) = fields.optional("tenants") else {
        return Some(None);
    };
    let plain = |tenant: &str| tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let tenant = |item: &Node<'_>| match item.text()? {
        tenant if plain(tenant) => Some(tenant.to_owned()),
        tenant => item.refuse(format!("`{tenant}` is not a tenant: letters, digits and `-_.`")),
    };
    let tenants = node.filled_list(tenant)?;
    if tenants.len() > MAX_TENANTS {
        return node.refuse(format!("has {} entries, at most {MAX_TENANTS} are read", tenants.len()));
    }
    Some(Some(tenants))
}

/// Where the control endpoint finds the keys. The filter never asks there: it gets them pushed.
fn read_keys_from(node: &Node<'_>) -> Option<()> {
    let fields = node.object(&["discovery", "jwks_uri", "staleness_seconds"])?;
    let url = |name| fields.optional(name).map_or(Some(false), |node| read_url(&node).map(|()| true));
    let (discovery, jwks_uri) = (url("discovery"), url("jwks_uri"));
    let staleness =
        fields.optional("staleness_seconds").map_or(Some(0), |node| node.integer(1..=MAX_STALENESS_SECONDS));
    staleness?;
    match (discovery?, jwks_uri?) {
        (true, false) | (false, true) => Some(()),
        _ => node.refuse("needs either `discovery`, the URL of the issuer's metadata, or `jwks_uri`, that of its keys"),
    }
}

/// Plain `http` is for issuers on the endpoint's own machine or network: the endpoint asks them only if its own settings say so.
fn read_url(node: &Node<'_>) -> Option<()> {
    let text = node.text()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_url = rest.is_some_and(|rest| {
        !rest.starts_with('/') && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    });
    if is_url { Some(()) } else { node.refuse(format!("`{text}` is not an `https` URL without fragment")) }
}

fn read_token_types(node: &Node<'_>) -> Option<Vec<Option<String>>> {
    node.filled_list(|item| match item.value() {
        Value::Null => Some(None),
        _ => item.text().map(|name| Some(normalized_type(name))),
    })
}

/// A name is a claim that must be there and not null; an object is a test that it must pass.
fn read_required_claim(item: &Node<'_>) -> Option<ClaimMatcher> {
    match item.value() {
        Value::String(_) => item.text().map(ClaimMatcher::present),
        _ => ClaimMatcher::read(item, Scope::Constants),
    }
}
