//! One fleet: proxies that enforce the same policy.

use std::path::{Path, PathBuf};

use authz::distribution::WhenStale;
use authz::document::{Fields, Node, Unique};

use serde_json::Value;

use super::decisions::DecisionSettings;
use super::{flag, identifier, optional, path, seconds, token};
use crate::serve::auth::TokenHash;

/// A year, in seconds.
const YEAR: u64 = 366 * 24 * 3600;

/// One fleet.
pub(crate) struct FleetSettings {
    /// Its name in URLs and manifests.
    pub(crate) fleet: String,
    /// The name of what it enforces, in manifests.
    pub(crate) name: String,
    pub(crate) signing_key: PathBuf,
    /// Public keys of others who sign for this fleet: further replicas, second signers, the key before this one.
    pub(crate) trusted_keys: Vec<Value>,
    /// How many signatures a manifest needs before it is served.
    pub(crate) threshold: usize,
    /// How long a manifest is fresh. It is issued again at half of that.
    pub(crate) lifetime_seconds: u64,
    pub(crate) max_staleness_seconds: u64,
    pub(crate) when_stale: WhenStale,
    /// The epoch of the first manifest in an empty store.
    pub(crate) first_epoch: u64,
    pub(crate) proxies: Vec<ProxySettings>,
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) feeds: Vec<FeedSettings>,
    /// None if no decisions are kept.
    pub(crate) decisions: Option<DecisionSettings>,
}

/// A proxy, or several that share a credential.
pub(crate) struct ProxySettings {
    pub(crate) name: String,
    pub(crate) credential: ProxyCredential,
}

/// How a proxy says who it is.
pub(crate) enum ProxyCredential {
    Token(TokenHash),
    /// A DNS or URI name in the certificate that it presents.
    Certificate(String),
}

/// How the keys of an issuer may be fetched, where it is not what everybody should do.
#[derive(Clone)]
pub(crate) struct IssuerSettings {
    pub(crate) issuer: String,
    pub(crate) allow_http: bool,
    pub(crate) allow_private_addresses: bool,
    pub(crate) refresh_seconds: u64,
}

/// Somebody who tells us what is not good any more.
pub(crate) struct FeedSettings {
    pub(crate) feed: String,
    pub(crate) kind: FeedKind,
    /// The issuer of the policy whose keys sign what is told.
    pub(crate) issuer: String,
    /// Who we are to it.
    pub(crate) audiences: Vec<String>,
    /// What it has to present besides.
    pub(crate) token: Option<TokenHash>,
    /// How long what it revokes stays revoked: as long as the longest of its tokens lives.
    pub(crate) retention_seconds: u64,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedKind {
    /// OpenID Connect Back-Channel Logout 1.0.
    BackchannelLogout,
    /// Security events (RFC 8417) by push (RFC 8935): CAEP.
    Ssf,
}

impl FleetSettings {
    pub(super) fn read(node: &Node<'_>, folder: &Path, names: &Unique, tokens: &Unique) -> Option<Self> {
        let fields = node.object(&[
            "fleet",
            "name",
            "signing_key",
            "trusted_keys",
            "threshold",
            "lifetime_seconds",
            "max_staleness_seconds",
            "when_stale",
            "first_epoch",
            "proxies",
            "issuers",
            "feeds",
            "decisions",
        ])?;
        let fleet = fields.required("fleet").and_then(|node| identifier(&node, "fleet", names));
        let name = fields.required("name").and_then(|node| identifier(&node, "name", &Unique::default()));
        let signing_key = fields.required("signing_key").and_then(|node| path(&node, folder));
        let trusted_keys = optional(&fields, "trusted_keys", |node| node.list(|item| Some(item.value().clone())));
        let threshold = seconds(&fields, "threshold", 1, 1..=8);
        let lifetime_seconds = seconds(&fields, "lifetime_seconds", 3600, 10..=YEAR);
        let max_staleness_seconds =
            seconds(&fields, "max_staleness_seconds", 86_400, 0..=authz::limits::MAX_STALENESS_SECONDS);
        let when_stale = fields.optional("when_stale").map_or(Some(WhenStale::Serve), |node| read_when_stale(&node));
        let first_epoch = seconds(&fields, "first_epoch", 1, 1..=(1 << 53));
        let unique = Unique::default();
        let proxies = fields
            .required("proxies")
            .and_then(|node| node.filled_list(|item| ProxySettings::read(item, &unique, tokens)));
        let unique = Unique::default();
        let issuers = optional(&fields, "issuers", |node| node.list(|item| IssuerSettings::read(item, &unique)));
        let unique = Unique::default();
        let feeds = optional(&fields, "feeds", |node| node.list(|item| FeedSettings::read(item, &unique)));
        let decisions = optional(&fields, "decisions", |node| DecisionSettings::read(node, folder));
        Some(Self {
            fleet: fleet?,
            name: name?,
            signing_key: signing_key?,
            trusted_keys: trusted_keys?.unwrap_or_default(),
            threshold: usize::try_from(threshold?).ok()?,
            lifetime_seconds: lifetime_seconds?,
            max_staleness_seconds: max_staleness_seconds?,
            when_stale: when_stale?,
            first_epoch: first_epoch?,
            proxies: proxies?,
            issuers: issuers?.unwrap_or_default(),
            feeds: feeds?.unwrap_or_default(),
            decisions: decisions?,
        })
    }
}

fn read_when_stale(node: &Node<'_>) -> Option<WhenStale> {
    let name = node.text()?;
    let known = [WhenStale::Serve, WhenStale::Deny, WhenStale::DenyWrites].into_iter().find(|when| when.name() == name);
    known.or_else(|| node.refuse(format!("`{name}` is none of `serve`, `deny` and `deny-writes`")))
}

impl ProxySettings {
    fn read(node: &Node<'_>, unique: &Unique, tokens: &Unique) -> Option<Self> {
        let fields = node.object(&["proxy", "token_sha256", "certificate"])?;
        let name = fields.required("proxy").and_then(|node| identifier(&node, "proxy", unique));
        let credential = match (fields.optional("token_sha256"), fields.optional("certificate")) {
            (Some(node), None) => token(&node, tokens).map(ProxyCredential::Token),
            // As with tokens: one that is named twice would be one of two fleets' proxies.
            (None, Some(node)) => node
                .text()
                .filter(|name| tokens.claim("certificate", name, &node).is_some())
                .map(|name| ProxyCredential::Certificate(name.to_owned())),
            _ => node.refuse("says who it is by either `token_sha256` or `certificate`"),
        };
        Some(Self { name: name?, credential: credential? })
    }
}

impl IssuerSettings {
    /// What holds for an issuer that nothing is said about.
    pub(crate) fn strict(issuer: &str) -> Self {
        let refresh_seconds = DEFAULT_REFRESH_SECONDS;
        Self { issuer: issuer.to_owned(), allow_http: false, allow_private_addresses: false, refresh_seconds }
    }

    fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let fields = node.object(&["issuer", "allow_http", "allow_private_addresses", "refresh_seconds"])?;
        let issuer = text(&fields, "issuer");
        if let (Some(node), Some(issuer)) = (fields.optional("issuer"), &issuer) {
            unique.claim("issuer", issuer, &node)?;
        }
        let allow_http = flag(&fields, "allow_http");
        let allow_private_addresses = flag(&fields, "allow_private_addresses");
        let refresh_seconds = seconds(&fields, "refresh_seconds", DEFAULT_REFRESH_SECONDS, 1..=86_400);
        Some(Self {
            issuer: issuer?,
            allow_http: allow_http?,
            allow_private_addresses: allow_private_addresses?,
            refresh_seconds: refresh_seconds?,
        })
    }
}

/// Providers publish new keys well before they use them; five minutes is what most clients wait.
const DEFAULT_REFRESH_SECONDS: u64 = 300;

impl FeedSettings {
    fn read(node: &Node<'_>, unique: &Unique) -> Option<Self> {
        let fields = node.object(&["feed", "type", "issuer", "audiences", "token_sha256", "retention_seconds"])?;
        let feed = fields.required("feed").and_then(|node| identifier(&node, "feed", unique));
        let kind = fields.required("type").and_then(|node| match node.text()? {
            "backchannel-logout" => Some(FeedKind::BackchannelLogout),
            "ssf" => Some(FeedKind::Ssf),
            other => node.refuse(format!("`{other}` is none of `backchannel-logout` and `ssf`")),
        });
        let issuer = text(&fields, "issuer");
        let audiences = fields.required("audiences").and_then(|node| node.texts());
        let token = optional(&fields, "token_sha256", |node| token(node, &Unique::default()));
        let retention_seconds = seconds(&fields, "retention_seconds", 86_400, 60..=YEAR);
        Some(Self {
            feed: feed?,
            kind: kind?,
            issuer: issuer?,
            audiences: audiences?,
            token: token?,
            retention_seconds: retention_seconds?,
        })
    }
}

fn text<'f>(fields: &Fields<'f>, name: &'f str) -> Option<String> {
    fields.required(name).and_then(|node| node.text().map(str::to_owned))
}
