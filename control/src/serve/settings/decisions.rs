//! The decision log of a fleet: where it is kept, for how long, and who else gets it.

use std::path::{Path, PathBuf};

use authz::document::{Fields, Node, Unique};
use reqwest::Url;

use super::{identifier, optional, path, seconds};
use crate::audit::convert::Format;
use crate::serve::decisions::Rotation;

/// The decision log of a fleet.
pub(crate) struct DecisionSettings {
    pub(crate) folder: PathBuf,
    /// Which of several replicas this is: it stands in the names of files and in checkpoints.
    pub(crate) replica: String,
    pub(crate) rotation: Rotation,
    pub(crate) checkpoint_seconds: u64,
    pub(crate) outputs: Vec<OutputSettings>,
}

/// Somebody else who gets the records.
pub(crate) struct OutputSettings {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) to: Destination,
}

/// Where they go.
pub(crate) enum Destination {
    /// Files of their own.
    Files { folder: PathBuf },
    /// RFC 5424 over TCP, or over TLS where there are certificates that vouch for the other side (RFC 5425).
    Syslog { host: String, port: u16, ca: Option<PathBuf> },
    /// OTLP/HTTP.
    Otlp { url: Url, token_file: Option<PathBuf>, ca: Option<PathBuf> },
}

impl DecisionSettings {
    pub(super) fn read(node: &Node<'_>, base: &Path) -> Option<Self> {
        let fields = node.object(&[
            "folder",
            "replica",
            "rotate_mebibytes",
            "rotate_hours",
            "keep_days",
            "checkpoint_seconds",
            "outputs",
        ])?;
        let folder = fields.required("folder").and_then(|node| path(&node, base));
        let replica = match fields.optional("replica") {
            Some(node) => identifier(&node, "replica", &Unique::default()),
            None => host_name()
                .or_else(|| node.refuse("needs `replica`: this machine has no name that can stand in a file's")),
        };
        let mebibytes = seconds(&fields, "rotate_mebibytes", 64, 1..=4096);
        let hours = seconds(&fields, "rotate_hours", 24, 1..=8784);
        let keep_days = seconds(&fields, "keep_days", 90, 1..=36_600);
        let checkpoint_seconds = seconds(&fields, "checkpoint_seconds", 60, 1..=3600);
        let unique = Unique::default();
        let outputs = optional(&fields, "outputs", |node| node.list(|item| OutputSettings::read(item, base, &unique)));
        let rotation = Rotation {
            bytes: mebibytes?.saturating_mul(1024 * 1024),
            seconds: hours?.saturating_mul(3600),
            keep_days: keep_days?,
        };
        Some(Self {
            folder: folder?,
            replica: replica?,
            rotation,
            checkpoint_seconds: checkpoint_seconds?,
            outputs: outputs?.unwrap_or_default(),
        })
    }
}

/// The name of this machine, as far as it can stand in the name of a file.
fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_plain = name.bytes().all(plain) && (1..=64).contains(&name.len()) && !name.starts_with('.');
    is_plain.then_some(name)
}

impl OutputSettings {
    fn read(node: &Node<'_>, base: &Path, unique: &Unique) -> Option<Self> {
        let fields = node.object(&["output", "type", "format", "folder", "address", "url", "token_file", "ca"])?;
        let name = fields.required("output").and_then(|node| identifier(&node, "output", unique));
        let format = fields.required("format").and_then(|node| read_format(&node));
        let kind = fields.required("type")?;
        let (allowed, to): (&[&str], _) = match kind.text()? {
            "files" => (&["folder"], read_files(&fields, base)),
            "syslog" => (&["address", "ca"], read_syslog(&fields, base)),
            "otlp" => (&["url", "token_file", "ca"], read_otlp(&fields, base)),
            other => return kind.refuse(format!("`{other}` is none of `files`, `syslog` and `otlp`")),
        };
        let others =
            ["folder", "address", "url", "token_file", "ca"].into_iter().filter(|name| !allowed.contains(name));
        for name in others {
            if let Some(node) = fields.optional(name) {
                return node.refuse("is not for an output of this type");
            }
        }
        Some(Self { name: name?, format: format?, to: to? })
    }
}

fn read_format(node: &Node<'_>) -> Option<Format> {
    let name = node.text()?;
    let known = Format::ALL.into_iter().find(|format| format.name() == name);
    known.or_else(|| node.refuse(format!("`{name}` is none of `record`, `ecs`, `ocsf` and `cef`")))
}

fn read_files(fields: &Fields<'_>, base: &Path) -> Option<Destination> {
    let folder = fields.required("folder").and_then(|node| path(&node, base))?;
    Some(Destination::Files { folder })
}

fn read_syslog(fields: &Fields<'_>, base: &Path) -> Option<Destination> {
    let ca = optional(fields, "ca", |node| path(node, base));
    let address = fields.required("address").and_then(|node| {
        let text = node.text()?;
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        parts
            .filter(|(host, _): &(String, u16)| !host.is_empty())
            .or_else(|| node.refuse(format!("`{text}` is not a host and a port, such as `logs.example.com:6514`")))
    });
    let (host, port) = address?;
    // An IPv6 address stands in brackets before a port, and without them everywhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Destination::Syslog { host, port, ca: ca? })
}

fn read_otlp(fields: &Fields<'_>, base: &Path) -> Option<Destination> {
    let (ca, token_file) =
        (optional(fields, "ca", |node| path(node, base)), optional(fields, "token_file", |node| path(node, base)));
    let node = fields.required("url")?;
    let text = node.text()?;
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let Some(url) = url else {
        return node.refuse(format!("`{text}` is not a URL, such as `https://collector.example.com/v1/logs`"));
    };
    let is_local = url.host_str().is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host));
    if url.scheme() == "http" && !is_local && token_file.as_ref().is_some_and(Option::is_some) {
        return node.refuse("is not https: the token would travel in the clear");
    }
    Some(Destination::Otlp { url, token_file: token_file?, ca: ca? })
}
