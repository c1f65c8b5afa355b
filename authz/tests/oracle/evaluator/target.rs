//! Where a rule applies.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{list, text};
use crate::request::Request;

/// What the variables of the path stand for if the request is in the target of the rule: what they do in every path that fits.
pub fn captures(rule: &Value, request: &Request) -> Option<BTreeMap<String, String>> {
    let target = &rule["target"];
    let is_deny = rule["effect"] == "deny";
    let one_of = |field: &str, fits: &dyn Fn(&str) -> bool| {
        target.get(field).is_none_or(|values| list(values).iter().any(|value| fits(value.as_str().unwrap())))
    };
    let host = host(&request.authority);
    let (segments, has_slash) = path(&request.target);
    let is_in = one_of("hosts", &|pattern| host_fits(pattern, &host))
        && one_of("methods", &|method| method == request.method)
        && one_of("grpc", &|method| request.method == "POST" && grpc_fits(method, &segments, has_slash, is_deny));
    if !is_in {
        return None;
    }
    match target.get("paths") {
        None => Some(BTreeMap::new()),
        Some(templates) => list(templates)
            .iter()
            .filter_map(|template| template_fits(template.as_str().unwrap(), &segments, has_slash, is_deny))
            .reduce(|one, other| one.into_iter().filter(|(name, value)| other.get(name) == Some(value)).collect()),
    }
}

/// The host of the request in lower case and without its port.
pub fn host(authority: &str) -> String {
    let host = match authority.strip_prefix('[') {
        Some(rest) => &authority[..=rest.find(']').unwrap() + 1],
        None => authority.split(':').next().unwrap(),
    };
    host.to_ascii_lowercase()
}

fn host_fits(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some(below) => host.len() > below.len() && host.ends_with(below),
        None => pattern == host,
    }
}

/// The segments of the path, decoded, and whether a slash stands at its end.
fn path(target: &str) -> (Vec<String>, bool) {
    let path = target.split('?').next().unwrap();
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| text::decode(segment).unwrap());
    (segments.collect(), path.ends_with('/'))
}

/// `/package.Service/Method`.
fn grpc_fits(method: &str, segments: &[String], has_slash: bool, is_deny: bool) -> bool {
    let [service, name] = segments else { return false };
    let (wanted_service, wanted_name) = method.split_once('/').unwrap();
    (is_deny || !has_slash)
        && literal_fits(wanted_service, service, is_deny)
        && (wanted_name == "*" || literal_fits(wanted_name, name, is_deny))
}

/// A deny rule covers the path in whatever case.
fn literal_fits(literal: &str, segment: &str, is_deny: bool) -> bool {
    let folded = |text: &str| text.to_uppercase().to_lowercase();
    literal == segment || is_deny && folded(literal) == folded(segment)
}

fn template_fits(
    template: &str,
    segments: &[String],
    has_slash: bool,
    is_deny: bool,
) -> Option<BTreeMap<String, String>> {
    let wanted: Vec<&str> = template.split('/').filter(|part| !part.is_empty()).collect();
    let mut captures = BTreeMap::new();
    for (index, part) in wanted.iter().enumerate() {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix("=**}")) {
            // Any number of segments, none too; whether a slash stands behind them is no matter.
            captures.insert(name.to_owned(), segments.get(index..)?.join("/"));
            return Some(captures);
        }
        let segment = segments.get(index)?;
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => drop(captures.insert(name.to_owned(), segment.clone())),
            None if literal_fits(part, segment, is_deny) => {}
            None => return None,
        }
    }
    let ends_alike = is_deny || template.ends_with('/') == has_slash;
    (segments.len() == wanted.len() && ends_alike).then_some(captures)
}
