//! A folder of files that are one policy together, and the tests beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::{Content, Member, Node, Position};
use super::{Finding, SourceError, display_name, parse_file};

/// Most files of a policy: more means that the wrong folder was named.
const MAX_FILES: usize = 10_000;

/// Reads all files of a policy and puts them together, in the order of their paths.
pub(super) fn load(folder: &Path) -> Result<Node, SourceError> {
    let files = files(folder, &|path| !is_test_file(path))?;
    if files.is_empty() {
        let folder = display_name(folder);
        return Err(SourceError::Unreadable(format!(
            "{folder}: has no policy: no *.yaml, *.yml or *.json that is no test"
        )));
    }
    let (mut parts, mut findings) = (Vec::new(), Vec::new());
    for file in &files {
        match parse_file(file) {
            Ok(part) => parts.push(part),
            Err(SourceError::Refused(refused)) => findings.extend(refused),
            Err(unreadable) => return Err(unreadable),
        }
    }
    let root = merge(Position::whole(display_name(folder)), parts, &mut findings);
    if findings.is_empty() { Ok(root) } else { Err(SourceError::Refused(findings)) }
}

/// The test files at `path`: those in a folder, or those beside a file.
pub(crate) fn test_files(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    let here = Path::new(".");
    files(folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(here), &is_test_file)
}

/// The YAML files at `path`, tests and all: those below a folder, or the file itself.
pub(crate) fn yaml_files(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    if path.is_dir() { files(path, &|path| !has_extension(path, &["json"])) } else { Ok(vec![path.to_owned()]) }
}

/// Lists of several parts are joined; every other field stands in one part only.
fn merge(position: Position, parts: Vec<Node>, findings: &mut Vec<Finding>) -> Node {
    let mut members: Vec<Member> = Vec::new();
    let mut indices: BTreeMap<String, usize> = BTreeMap::new();
    for part in parts {
        let Content::Object(fields) = part.content else {
            findings.push(Finding::new(
                part.position,
                "",
                "a part of a policy is an object of fields, such as `rules`",
            ));
            continue;
        };
        for field in fields {
            let known = indices.get(&field.name).and_then(|index| members.get_mut(*index));
            match known.map(|known| (&mut known.value.content, &known.position)) {
                None => {
                    indices.insert(field.name.clone(), members.len());
                    members.push(field);
                }
                Some((Content::List(all), _)) if let Content::List(items) = field.value.content => all.extend(items),
                Some((_, first)) => {
                    let problem = format!("is already set at {first}; only lists may stand in several files");
                    findings.push(Finding::new(field.position, &field.name, &problem));
                }
            }
        }
    }
    Node { position, content: Content::Object(members) }
}

/// The files below a folder that are wanted, in the order of their paths. Hidden ones are not looked at, and folders are not
/// followed through links, so that none is read twice.
fn files(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>, SourceError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| SourceError::Unreadable(format!("{}: cannot be read: {error}", display_name(&folder)));
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if is_source(&path) && wanted(&path) && path.is_file() {
                found.push(path);
            }
        }
        if found.len() > MAX_FILES {
            let folder = display_name(&folder);
            return Err(SourceError::Unreadable(format!(
                "{folder}: more than {MAX_FILES} files; name the policy's folder"
            )));
        }
    }
    found.sort();
    Ok(found)
}

fn is_source(path: &Path) -> bool {
    has_extension(path, &["yaml", "yml", "json"])
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| known.contains(&extension))
}

/// `orders_test.yaml` and `orders.test.yaml` are tests of a policy, not part of it.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.ends_with("_test") || stem.ends_with(".test")
}
