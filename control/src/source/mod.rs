//! Policy sources: a file or a folder of YAML or JSON that becomes one bundle.
//!
//! Nothing here judges a policy. The sources become one JSON document, the production parser reads it, and its errors are
//! led back to the lines that somebody wrote.

mod finding;
mod folder;
mod layout;
mod scalar;
mod tree;
mod yaml;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use authz::limits::MAX_BUNDLE_BYTES;
use authz::{Bundle, BundleErrors, PluginConfiguration};
use serde::de::IgnoredAny;

pub(crate) use finding::{Finding, one_line};
pub(crate) use folder::{is_test_file, test_files, yaml_files};
pub(crate) use layout::Layout;
pub(crate) use tree::Position;
use tree::{Content, Node};

/// A document, and where each of its parts was written.
pub(crate) struct Source {
    root: Node,
}

/// Why there is no policy.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// It could not be read at all.
    Unreadable(String),
    /// It is not good.
    Refused(Vec<Finding>),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::Refused(findings) => {
                let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl Source {
    /// Reads a file, a folder, or standard input (`-`).
    pub(crate) fn load(path: &Path) -> Result<Self, SourceError> {
        if path.is_dir() {
            return folder::load(path).map(|root| Self { root });
        }
        parse_file(path).map(|root| Self { root })
    }

    /// The file or folder.
    pub(crate) fn name(&self) -> &str {
        &self.root.position.file
    }

    /// The lines on which the items of a list stand.
    pub(crate) fn lines(&self, list: &str) -> Vec<usize> {
        match self.root.member(list).map(|list| &list.content) {
            Some(Content::List(items)) => items.iter().map(|item| item.position.line).collect(),
            _ => Vec::new(),
        }
    }

    /// Where places of the document stand, or what they belong to.
    pub(crate) fn positions(&self, places: &[&str]) -> Vec<Position> {
        let known = self.root.places();
        let position = |place: &&str| finding::nearest(place, &known).unwrap_or(&self.root.position).clone();
        places.iter().map(position).collect()
    }

    /// The same policy with another revision.
    pub(crate) fn with_revision(mut self, revision: u64) -> Self {
        self.root.set("revision", Content::Number(revision.into()));
        self
    }

    /// The plugin configuration that has this policy as its bundle.
    pub(crate) fn into_plugin_configuration(self) -> Self {
        let mut root = Node { position: self.root.position.clone(), content: Content::Object(Vec::new()) };
        root.set("version", Content::Number(1.into()));
        root.set("bundle", self.root.content);
        Self { root }
    }

    /// The document as JSON, as the production parser reads it, in the order in which it was written.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Names are texts and numbers finite, so there is nothing that JSON could not say.
        serde_json::to_vec(&self.root).unwrap_or_default()
    }

    /// What the filter is configured with, or everything that is wrong with it: the document is a plugin configuration if it has
    /// `bundle`, or `trust`, which says whose bundles may be pushed; or else it is the bundle.
    pub(crate) fn plugin_configuration(&self) -> Result<PluginConfiguration, SourceError> {
        if self.root.member("bundle").is_some() || self.root.member("trust").is_some() {
            return self.parse(PluginConfiguration::parse);
        }
        self.parse(Bundle::parse).map(PluginConfiguration::from)
    }

    /// What a parser of the core makes of this document.
    pub(crate) fn parse<T>(&self, parser: impl Fn(&[u8]) -> Result<T, BundleErrors>) -> Result<T, SourceError> {
        parser(&self.to_json()).map_err(|errors| SourceError::Refused(finding::located(&errors, &self.root)))
    }
}

/// Reads one file.
fn parse_file(path: &Path) -> Result<Node, SourceError> {
    let (name, text) = (display_name(path), read_text(path)?);
    parse_text(&name, &text, is_json(path, &text)).map_err(SourceError::Refused)
}

/// JSON is YAML too, so there is one reader; but what is to be JSON has to be JSON.
fn parse_text(name: &Rc<str>, text: &str, is_json: bool) -> Result<Node, Vec<Finding>> {
    if is_json && let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let (line, column, problem) = (error.line(), error.column(), error.to_string());
        // The library ends its sentence with the position.
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem);
        let position = Position { file: Rc::clone(name), line, column };
        return Err(vec![Finding::new(position, "", &format!("not acceptable JSON: {problem}"))]);
    }
    yaml::parse(name, text)
}

/// The text of a file, within bounds.
fn read_text(path: &Path) -> Result<String, SourceError> {
    let text = read(path)?;
    let refused =
        |problem: &str| SourceError::Refused(vec![Finding::new(Position::whole(display_name(path)), "", problem)]);
    if text.len() > MAX_BUNDLE_BYTES {
        return Err(refused(&format!("has {} bytes, at most {MAX_BUNDLE_BYTES} are read", text.len())));
    }
    String::from_utf8(text).map_err(|_| refused("is not UTF-8"))
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let mut text = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut text).map(|_| text),
        _ => std::fs::read(path),
    };
    read.map_err(|error| SourceError::Unreadable(format!("{}: cannot be read: {error}", path.display())))
}

/// By its name; what has no name of its own is JSON if it starts like an object of JSON.
fn is_json(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => text.trim_start().starts_with('{'),
    }
}

/// The path as messages show it.
fn display_name(path: &Path) -> Rc<str> {
    let shown: PathBuf = path.strip_prefix(".").unwrap_or(path).to_owned();
    Rc::from(if shown.as_os_str().is_empty() { ".".into() } else { shown.display().to_string() })
}
