//! Which requests a target is about, and whether another is about all of them.
//!
//! The production code matches one request; here are all of them at once. What is not sure does not count as covered.

use serde_json::Value;

/// A target; an absent list is everything.
#[derive(PartialEq)]
pub(super) struct Target {
    hosts: Option<Vec<String>>,
    methods: Option<Vec<String>>,
    paths: Option<Vec<Template>>,
    /// The paths as they are written, with the names of their variables.
    written: Option<Vec<String>>,
}

/// Literals, and none for a variable.
pub(super) type Segments = [Option<String>];

/// A path template, or gRPC method.
#[derive(PartialEq)]
struct Template {
    /// None for a variable.
    segments: Vec<Option<String>>,
    has_tail: bool,
    trailing_slash: bool,
}

impl Target {
    pub(super) fn of(target: &Value) -> Self {
        let texts = |name: &str| {
            let items = target.get(name)?.as_array()?.iter();
            Some(items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        };
        let templates = |texts: &Vec<String>, read: fn(&str) -> Template| texts.iter().map(|text| read(text)).collect();
        let hosts = texts("hosts").map(|hosts| hosts.iter().map(|host| host.to_ascii_lowercase()).collect());
        if let Some(grpc) = texts("grpc") {
            let (methods, paths) = (Some(vec!["POST".to_owned()]), Some(templates(&grpc, Template::of_grpc)));
            return Self { hosts, methods, paths, written: Some(grpc) };
        }
        let written = texts("paths");
        let paths = written.as_ref().map(|paths| templates(paths, Template::of));
        Self { hosts, methods: texts("methods"), paths, written }
    }

    /// Whether it is about every request that the other is about. A deny rule takes paths with and without a trailing slash and in
    /// whatever case.
    pub(super) fn covers(&self, other: &Self, is_deny: bool) -> bool {
        covers_all(self.methods.as_ref(), other.methods.as_ref(), |own, other| own == other)
            && covers_all(self.hosts.as_ref(), other.hosts.as_ref(), |own, other| covers_host(own, other))
            && covers_all(self.paths.as_ref(), other.paths.as_ref(), |own, other| own.covers(other, is_deny))
    }

    /// Whether the paths are the same in every letter.
    pub(super) fn is_written_as(&self, other: &Self) -> bool {
        self.written == other.written
    }

    pub(super) const fn has_paths(&self) -> bool {
        self.paths.is_some()
    }

    /// The segments of each path, and whether more may follow.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&Segments, bool)> {
        self.paths.iter().flatten().map(|template| (template.segments.as_slice(), template.has_tail))
    }

    /// The first path after which anything may follow.
    pub(super) fn tail(&self) -> Option<&str> {
        let mut paths = self.paths.iter().flatten().zip(self.written.iter().flatten());
        paths.find(|(template, _)| template.has_tail).map(|(_, written)| written.as_str())
    }
}

/// Whether each of the others is within one of these.
fn covers_all<T>(own: Option<&Vec<T>>, others: Option<&Vec<T>>, covers: impl Fn(&T, &T) -> bool) -> bool {
    match (own, others) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(others)) => others.iter().all(|other| own.iter().any(|own| covers(own, other))),
    }
}

fn covers_host(own: &str, other: &str) -> bool {
    match own.strip_prefix('*') {
        // `*.example.com` is about every host below it, and so about `*.eu.example.com`.
        Some(suffix) => other.ends_with(suffix),
        None => own == other,
    }
}

impl Template {
    fn of(text: &str) -> Self {
        let rest = text.strip_prefix('/').unwrap_or(text);
        let (rest, trailing_slash) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, rest.is_empty()),
        };
        let (rest, has_tail) = match rest.rsplit_once('/') {
            Some((before, last)) if last.ends_with("=**}") => (before, true),
            None if rest.ends_with("=**}") => ("", true),
            _ => (rest, false),
        };
        let segment = |segment: &str| (!segment.starts_with('{')).then(|| segment.to_owned());
        Self { segments: rest.split('/').filter(|_| !rest.is_empty()).map(segment).collect(), has_tail, trailing_slash }
    }

    fn of_grpc(text: &str) -> Self {
        let segment = |segment: &str| (segment != "*").then(|| segment.to_owned());
        Self { segments: text.split('/').map(segment).collect(), has_tail: false, trailing_slash: false }
    }

    fn covers(&self, other: &Self, is_deny: bool) -> bool {
        let (own_length, other_length) = (self.segments.len(), other.segments.len());
        let is_long_enough =
            if self.has_tail { other_length >= own_length } else { other_length == own_length && !other.has_tail };
        let ending = self.has_tail || is_deny || self.trailing_slash == other.trailing_slash;
        is_long_enough
            && ending
            && self.segments.iter().zip(&other.segments).all(|(own, other)| match (own, other) {
                (None, _) => true,
                (Some(own), Some(other)) => own == other || (is_deny && own.eq_ignore_ascii_case(other)),
                (Some(_), None) => false,
            })
    }
}
