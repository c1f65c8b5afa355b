//! Where a rule applies: hosts, methods and paths (XACML 3.0, Target).

use std::borrow::Cow;

use crate::decision::Effect;
use crate::document::Node;
use crate::http::{AccessRequest, Path};
use crate::limits::MAX_PATH_SEGMENTS;
use crate::matching::Captures;

/// The target of a rule. An absent list applies everywhere.
#[derive(Debug)]
pub(super) struct Target {
    hosts: Option<Vec<HostPattern>>,
    methods: Option<Vec<String>>,
    paths: Option<Vec<PathTemplate>>,
}

impl Target {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["hosts", "methods", "paths", "grpc"])?;
        let hosts = fields.optional("hosts").map_or(Some(None), |node| node.filled_list(HostPattern::read).map(Some));
        let methods = fields.optional("methods").map_or(Some(None), |node| node.filled_list(read_method).map(Some));
        let paths = fields.optional("paths").map_or(Some(None), |node| node.filled_list(PathTemplate::read).map(Some));
        if let (Some(grpc), true) =
            (fields.optional("grpc"), ["methods", "paths"].iter().any(|name| fields.optional(name).is_some()))
        {
            return grpc.refuse("says which paths and methods these are; remove `methods` and `paths`");
        }
        let grpc =
            fields.optional("grpc").map_or(Some(None), |node| node.filled_list(PathTemplate::read_grpc).map(Some));
        let (hosts, methods, paths) = (hosts?, methods?, paths?);
        Some(match grpc? {
            Some(grpc) => Self { hosts, methods: Some(vec!["POST".to_owned()]), paths: Some(grpc) },
            None => Self { hosts, methods, paths },
        })
    }

    /// The hosts, each as it is or, with `*.` before it, with its leading dot; none for all.
    pub(super) fn host_keys(&self) -> Option<impl Iterator<Item = String>> {
        let key = |pattern: &HostPattern| match pattern {
            HostPattern::Exact(name) | HostPattern::Suffix(name) => name.clone(),
        };
        self.hosts.as_ref().map(|hosts| hosts.iter().map(key))
    }

    /// The paths, segment by segment; none for all.
    pub(super) fn path_shapes(&self) -> Option<impl Iterator<Item = impl Iterator<Item = Shape<'_>>>> {
        fn shape(segment: &SegmentPattern) -> Shape<'_> {
            match segment {
                SegmentPattern::Literal(text) => Shape::Literal(text),
                SegmentPattern::Capture(_) => Shape::Any,
            }
        }
        self.paths.as_ref().map(|paths| {
            paths.iter().map(move |path| path.segments.iter().map(shape).chain(path.tail.iter().map(|_| Shape::Tail)))
        })
    }

    /// The variables that every path has, so that conditions can speak of them.
    pub(super) fn variables(&self) -> Vec<String> {
        let Some((first, rest)) = self.paths.as_deref().and_then(<[PathTemplate]>::split_first) else {
            return Vec::new();
        };
        let everywhere = |name: &&str| rest.iter().all(|path| path.names().any(|other| other == *name));
        first.names().filter(everywhere).map(str::to_owned).collect()
    }

    /// What the variables stand for in the path of a request that this matches. One that stands for several things, because several paths
    /// match, is not among them: nobody knows which is meant.
    pub(super) fn captures<'r>(&'r self, request: &'r AccessRequest<'_>, effect: Effect) -> Captures<'r> {
        let paths = self.paths.iter().flatten().filter(|path| path.matches(&request.path, effect));
        let mut all = paths.map(|path| path.captures(&request.path));
        let mut captures = all.next().unwrap_or_default();
        for others in all {
            captures.retain(|capture| others.contains(capture));
        }
        captures
    }

    /// The first path template that matches a request, as it is written in the bundle.
    pub(super) fn route(&self, request: &AccessRequest<'_>, effect: Effect) -> Option<&str> {
        self.paths.iter().flatten().find(|path| path.matches(&request.path, effect)).map(|path| &*path.text)
    }

    /// Whether a rule of this effect applies to the request.
    pub(super) fn matches(&self, request: &AccessRequest<'_>, effect: Effect) -> bool {
        let all_or_any = |patterns: Option<bool>| patterns.unwrap_or(true);
        all_or_any(self.methods.as_ref().map(|methods| methods.iter().any(|method| method == request.method)))
            && all_or_any(self.hosts.as_ref().map(|hosts| hosts.iter().any(|host| host.matches(request.host.as_str()))))
            && all_or_any(self.paths.as_ref().map(|paths| paths.iter().any(|path| path.matches(&request.path, effect))))
    }
}

/// A part of a path template, as the index sees it.
pub(super) enum Shape<'t> {
    Literal(&'t str),
    /// One segment.
    Any,
    /// Any number of segments, at the end.
    Tail,
}

fn read_method(node: &Node<'_>) -> Option<String> {
    let method = node.text()?;
    let upper = method.to_ascii_uppercase();
    match crate::http::method_token(upper.as_bytes()) {
        None => node.refuse(format!("`{method}` is not an HTTP method (RFC 9110 section 9.1)")),
        Some(_) if method != upper => {
            node.refuse(format!("methods are case-sensitive (RFC 9110 section 9.1); write `{upper}`"))
        }
        Some(_) => Some(upper),
    }
}

/// A host, or `*.` and a suffix for any number of labels before it.
#[derive(Debug)]
enum HostPattern {
    Exact(String),
    /// With its leading dot.
    Suffix(String),
}

impl HostPattern {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        let (wildcard, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        if !crate::http::is_host(name) || (wildcard && crate::http::is_address(name)) {
            return node.refuse(format!("`{text}` is not a host; write for example `api.example.com` or `*.example.com`, without scheme, port or path"));
        }
        let name = crate::http::canonical_host(name).into_owned();
        Some(if wildcard { Self::Suffix(format!(".{name}")) } else { Self::Exact(name) })
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Suffix(suffix) => host.ends_with(suffix.as_str()),
        }
    }
}

/// A path template: literal segments, `{name}` for one segment and, at the end, `{name=**}` for any number.
///
/// The forms are those of Envoy's URI templates and of `google.api.http`.
#[derive(Debug)]
struct PathTemplate {
    /// As it is written.
    text: Box<str>,
    segments: Vec<SegmentPattern>,
    /// The name of any number of further segments, if they may follow.
    tail: Option<String>,
    trailing_slash: bool,
}

#[derive(Debug)]
enum SegmentPattern {
    Literal(String),
    /// Any one segment, under this name.
    Capture(String),
}

impl PathTemplate {
    fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        Self::parse(text).map_or_else(|why| node.refuse(format!("`{text}`: {why}")), Some)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a path starts with `/`".to_owned());
        };
        let (rest, trailing_slash) = match rest.strip_suffix('/') {
            Some("") => return Err("has an empty segment (`//`), which no accepted request path has".to_owned()),
            Some(rest) => (rest, true),
            None => (rest, rest.is_empty()),
        };
        let mut template = Self { text: text.into(), segments: Vec::new(), tail: None, trailing_slash };
        let mut names: Vec<&str> = Vec::new();
        for segment in rest.split('/').filter(|_| !rest.is_empty()) {
            if template.segments.len() >= MAX_PATH_SEGMENTS {
                return Err(format!("has more than {MAX_PATH_SEGMENTS} segments, which no accepted request path has"));
            }
            if template.tail.is_some() || (trailing_slash && segment.ends_with("=**}")) {
                return Err("nothing can follow `{name=**}`".to_owned());
            }
            let Some(variable) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
                template.segments.push(SegmentPattern::Literal(literal(segment)?));
                continue;
            };
            let (name, tail) = variable.strip_suffix("=**").map_or((variable, false), |name| (name, true));
            if !is_name(name) {
                return Err(format!(
                    "`{segment}` is not a variable; write `{{name}}`, or `{{name=**}}` at the end, with letters, digits and `_`"
                ));
            }
            if names.contains(&name) {
                return Err(format!("the variable `{name}` stands twice"));
            }
            names.push(name);
            if tail {
                template.tail = Some(name.to_owned());
            } else {
                template.segments.push(SegmentPattern::Capture(name.to_owned()));
            }
        }
        Ok(template)
    }

    fn matches(&self, path: &Path<'_>, effect: Effect) -> bool {
        let segments = path.segments();
        let enough = if self.tail.is_some() {
            segments.len() >= self.segments.len()
        } else {
            segments.len() == self.segments.len()
        };
        // Many upstreams take `/admin/` or `/Admin` for `/admin`. A deny rule covers them all; a permit rule says exactly what
        // it permits.
        let ending = self.tail.is_some() || effect == Effect::Deny || path.has_trailing_slash() == self.trailing_slash;
        enough
            && ending
            && self.segments.iter().zip(segments).all(|(pattern, segment)| match pattern {
                SegmentPattern::Literal(literal) => {
                    literal == segment || (effect == Effect::Deny && is_same_in_any_case(literal, segment))
                }
                SegmentPattern::Capture(_) => true,
            })
    }
}

/// Many more requests are asked about than rules deny.
#[cold]
fn is_same_in_any_case(literal: &str, segment: &str) -> bool {
    folded(literal).eq(folded(segment))
}

/// The characters of a segment without regard to case, as upstreams may compare them that know more than ASCII: `K` may be the sign for
/// Kelvin, and `s` a long one.
pub(super) fn folded(segment: &str) -> impl Iterator<Item = char> {
    // The dot that a Turkish capital keeps is nothing by itself.
    let fold =
        |character: char| character.to_uppercase().flat_map(char::to_lowercase).filter(|part| *part != '\u{307}');
    segment.chars().flat_map(fold)
}

impl PathTemplate {
    /// The names of its variables.
    fn names(&self) -> impl Iterator<Item = &str> {
        let captures = self.segments.iter().filter_map(|segment| match segment {
            SegmentPattern::Capture(name) => Some(name.as_str()),
            SegmentPattern::Literal(_) => None,
        });
        captures.chain(self.tail.as_deref())
    }

    /// What its variables stand for in a path that it matches.
    fn captures<'r>(&'r self, path: &'r Path<'_>) -> Captures<'r> {
        let segments = path.segments();
        let pairs = self.segments.iter().zip(segments);
        let mut captures: Captures<'r> = pairs
            .filter_map(|(pattern, segment)| match pattern {
                SegmentPattern::Capture(name) => Some((name.as_str(), Cow::Borrowed(&**segment))),
                SegmentPattern::Literal(_) => None,
            })
            .collect();
        if let Some(name) = &self.tail {
            let rest = segments.get(self.segments.len()..).unwrap_or_default();
            captures.push((name, Cow::Owned(rest.join("/"))));
        }
        captures
    }

    /// A gRPC method, `package.Service/Method`, or `package.Service/*` (the path of a gRPC request is made of them).
    fn read_grpc(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        let is_plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
        };
        let method = |method: &str| match method {
            "*" => Some(SegmentPattern::Capture("method".to_owned())),
            method => is_plain(method).then(|| SegmentPattern::Literal(method.to_owned())),
        };
        let parse = || {
            let (service, name) = text.split_once('/').filter(|(service, _)| is_plain(service))?;
            Some(Self {
                text: format!("/{text}").into(),
                segments: vec![SegmentPattern::Literal(service.to_owned()), method(name)?],
                tail: None,
                trailing_slash: false,
            })
        };
        parse().or_else(|| node.refuse(format!("`{text}` is not `package.Service/Method` or `package.Service/*`")))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A literal segment is compared with the decoded one, so it is written decoded; what no path can contain is an error,
/// not a rule that never applies.
fn literal(segment: &str) -> Result<String, String> {
    if let Some(character) =
        segment.chars().find(|character| "{}*?#%;\\".contains(*character) || character.is_control())
    {
        return Err(match character {
            '%' => "paths are compared decoded; write the character itself instead of its `%` form".to_owned(),
            '{' | '}' | '*' => {
                format!("`{segment}`: a variable is a whole segment, `{{name}}`, or `{{name=**}}` at the end")
            }
            '?' | '#' => "a path template has no query or fragment".to_owned(),
            _ => format!("`{segment}` holds a character that no accepted request path has"),
        });
    }
    match segment {
        "" => Err("has an empty segment (`//`), which no accepted request path has".to_owned()),
        "." | ".." => Err("has a dot segment, which no accepted request path has".to_owned()),
        literal => Ok(literal.to_owned()),
    }
}
