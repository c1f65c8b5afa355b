//! `serve.yaml`: what the endpoint serves, to whom, and where it keeps it (`control/schema/serve.schema.json`).

mod decisions;
mod fleet;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use authz::document::{self, Fields, Node, Unique};

use super::auth::TokenHash;
use crate::source::{Source, SourceError};
pub(crate) use decisions::{DecisionSettings, Destination};
pub(crate) use fleet::{FeedKind, FeedSettings, FleetSettings, IssuerSettings, ProxyCredential};

/// The one version of the format that this program reads.
const VERSION: u64 = 1;

/// Where the endpoint listens if nobody says: on this machine only.
const DEFAULT_LISTEN: &str = "127.0.0.1:9470";

/// Everything that `serve.yaml` says.
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) storage: StorageSettings,
    /// How often the store is asked for what other replicas have done.
    pub(crate) store_poll: Duration,
    pub(crate) admins: Vec<AdminSettings>,
    pub(crate) fleets: Vec<FleetSettings>,
}

/// PEM files.
pub(crate) struct TlsSettings {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Who vouches for the certificates of proxies.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Where everything is kept.
pub(crate) enum StorageSettings {
    Folder(PathBuf),
    S3 { bucket: String, region: String, endpoint: Option<String>, allow_http: bool },
}

/// Somebody who may change what fleets enforce.
pub(crate) struct AdminSettings {
    pub(crate) name: String,
    pub(crate) token: TokenHash,
    /// None for all.
    pub(crate) fleets: Option<Vec<String>>,
}

impl Settings {
    /// Reads the file. Paths in it are relative to its folder.
    pub(crate) fn load(file: &Path) -> Result<Self, SourceError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        Source::load(file)?.parse(|text| document::read(text, |node| Self::read(node, folder)))
    }

    fn read(node: &Node<'_>, folder: &Path) -> Option<Self> {
        let fields =
            node.object(&["version", "listen", "tls", "storage", "store_poll_milliseconds", "admins", "fleets"])?;
        let version = fields.required("version").and_then(|node| document::read_version(&node, VERSION));
        let listen = match fields.optional("listen") {
            None => DEFAULT_LISTEN.parse().ok(),
            Some(node) => read_address(&node),
        };
        let tls = optional(&fields, "tls", |node| read_tls(node, folder));
        let storage = fields.required("storage").and_then(|node| read_storage(&node, folder));
        let store_poll = milliseconds(&fields, "store_poll_milliseconds", 500, 50..=60_000);
        let (admins, tokens) = (Unique::default(), Unique::default());
        let admins =
            fields.required("admins").and_then(|node| node.filled_list(|item| read_admin(item, &admins, &tokens)));
        let names = Unique::default();
        let fleets = fields
            .required("fleets")
            .and_then(|node| node.filled_list(|item| FleetSettings::read(item, folder, &names, &tokens)));
        version?;
        Some(Self {
            listen: listen?,
            tls: tls?,
            storage: storage?,
            store_poll: store_poll?,
            admins: admins?,
            fleets: fleets?,
        })
    }
}

fn read_address(node: &Node<'_>) -> Option<SocketAddr> {
    let text = node.text()?;
    text.parse().ok().or_else(|| {
        node.refuse(format!("`{text}` is not an address and a port, such as `127.0.0.1:9470` or `[::]:9470`"))
    })
}

fn read_tls(node: &Node<'_>, folder: &Path) -> Option<TlsSettings> {
    let fields = node.object(&["certificate", "key", "client_ca"])?;
    let file = |name| fields.required(name).and_then(|node| path(&node, folder));
    let (certificate, key) = (file("certificate"), file("key"));
    let client_ca = optional(&fields, "client_ca", |node| path(node, folder));
    Some(TlsSettings { certificate: certificate?, key: key?, client_ca: client_ca? })
}

fn read_storage(node: &Node<'_>, folder: &Path) -> Option<StorageSettings> {
    let fields = node.object(&["folder", "s3"])?;
    match (fields.optional("folder"), fields.optional("s3")) {
        (Some(node), None) => path(&node, folder).map(StorageSettings::Folder),
        (None, Some(node)) => read_bucket(&node),
        _ => node.refuse("says where everything is kept: either `folder` or `s3`"),
    }
}

fn read_bucket(node: &Node<'_>) -> Option<StorageSettings> {
    let fields = node.object(&["bucket", "region", "endpoint", "allow_http"])?;
    let bucket = fields.required("bucket").and_then(|node| node.text().map(str::to_owned));
    let region = optional(&fields, "region", |node| node.text().map(str::to_owned));
    let endpoint = optional(&fields, "endpoint", |node| node.text().map(str::to_owned));
    let allow_http = flag(&fields, "allow_http");
    let region = region?.unwrap_or_else(|| "us-east-1".to_owned());
    Some(StorageSettings::S3 { bucket: bucket?, region, endpoint: endpoint?, allow_http: allow_http? })
}

fn read_admin(node: &Node<'_>, names: &Unique, tokens: &Unique) -> Option<AdminSettings> {
    let fields = node.object(&["admin", "token_sha256", "fleets"])?;
    let name = fields.required("admin").and_then(|node| identifier(&node, "admin", names));
    let token = fields.required("token_sha256").and_then(|node| token(&node, tokens));
    let fleets = optional(&fields, "fleets", |node| node.texts());
    Some(AdminSettings { name: name?, token: token?, fleets: fleets? })
}

/// An optional field: `Some(None)` if it is not there, `None` if it is wrong.
fn optional<'f, T>(fields: &Fields<'f>, name: &'f str, read: impl FnOnce(&Node<'_>) -> Option<T>) -> Option<Option<T>> {
    fields.optional(name).map_or(Some(None), |node| read(&node).map(Some))
}

/// A flag that is off where it is not there.
fn flag<'f>(fields: &Fields<'f>, name: &'f str) -> Option<bool> {
    fields.optional(name).map_or(Some(false), |node| node.flag())
}

fn seconds<'f>(fields: &Fields<'f>, name: &'f str, default: u64, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    fields.optional(name).map_or(Some(default), |node| node.integer(range))
}

fn milliseconds<'f>(
    fields: &Fields<'f>,
    name: &'f str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Option<Duration> {
    seconds(fields, name, default, range).map(Duration::from_millis)
}

fn path(node: &Node<'_>, folder: &Path) -> Option<PathBuf> {
    node.text().map(|text| folder.join(text))
}

/// A name that stands in URLs, in the store and in logs as it is.
fn identifier(node: &Node<'_>, what: &str, unique: &Unique) -> Option<String> {
    let text = node.text()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.len() > 64 || !text.bytes().all(plain) || text.starts_with('.') {
        return node.refuse(format!("`{text}` is not a name: up to 64 letters, digits and `-_.`, no dot at the start"));
    }
    unique.claim(what, text, node)?;
    Some(text.to_owned())
}

/// The hash of a token. No two may be the same: nobody could say who it was.
fn token(node: &Node<'_>, unique: &Unique) -> Option<TokenHash> {
    let text = node.text()?;
    let Some(hash) = TokenHash::from_hexadecimal(text) else {
        return node.refuse(
            "is not the SHA-256 of a token in 64 hexadecimal digits; `portcullis keygen --token` makes a token and says its hash",
        );
    };
    unique.claim("token", text, node)?;
    Some(hash)
}
