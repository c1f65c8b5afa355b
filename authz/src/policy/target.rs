//! Where a rule applies: hosts, methods and paths (XACML 3.0, Target).

use crate::decision::Effect;
use crate::document::Node;
use crate::http::{AccessRequest, Path};
use crate::limits::MAX_PATH_SEGMENTS;

/// The target of a rule. An absent list applies everywhere.
#[derive(Debug)]
pub(super) struct Target {
    hosts: Option<Vec<HostPattern>>,
    methods: Option<Vec<String>>,
    paths: Option<Vec<PathTemplate>>,
}

impl Target {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["hosts", "methods", "paths"])?;
        let hosts = fields.optional("hosts").map_or(Some(None), |node| node.filled_list(HostPattern::read).map(Some));
        let methods = fields.optional("methods").map_or(Some(None), |node| node.filled_list(read_method).map(Some));
        let paths = fields.optional("paths").map_or(Some(None), |node| node.filled_list(PathTemplate::read).map(Some));
        Some(Self { hosts: hosts?, methods: methods?, paths: paths? })
    }

    /// Whether a rule of this effect applies to the request.
    pub(super) fn matches(&self, request: &AccessRequest<'_>, effect: Effect) -> bool {
        let all_or_any = |patterns: Option<bool>| patterns.unwrap_or(true);
        all_or_any(self.methods.as_ref().map(|methods| methods.iter().any(|method| method == request.method)))
            && all_or_any(self.hosts.as_ref().map(|hosts| hosts.iter().any(|host| host.matches(request.host.as_str()))))
            && all_or_any(self.paths.as_ref().map(|paths| paths.iter().any(|path| path.matches(&request.path, effect))))
    }
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
    segments: Vec<SegmentPattern>,
    /// Whether any number of further segments may follow.
    open_end: bool,
    trailing_slash: bool,
}

#[derive(Debug)]
enum SegmentPattern {
    Literal(String),
    /// Any one segment.
    Capture,
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
        let mut template = Self { segments: Vec::new(), open_end: false, trailing_slash };
        let mut names: Vec<&str> = Vec::new();
        for segment in rest.split('/').filter(|_| !rest.is_empty()) {
            if template.segments.len() >= MAX_PATH_SEGMENTS {
                return Err(format!("has more than {MAX_PATH_SEGMENTS} segments, which no accepted request path has"));
            }
            if template.open_end || (trailing_slash && segment.ends_with("=**}")) {
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
                template.open_end = true;
            } else {
                template.segments.push(SegmentPattern::Capture);
            }
        }
        Ok(template)
    }

    fn matches(&self, path: &Path<'_>, effect: Effect) -> bool {
        let segments = path.segments();
        let enough =
            if self.open_end { segments.len() >= self.segments.len() } else { segments.len() == self.segments.len() };
        // Many upstreams take `/admin/` or `/Admin` for `/admin`. A deny rule covers them all; a permit rule says exactly what
        // it permits.
        let ending = self.open_end || effect == Effect::Deny || path.has_trailing_slash() == self.trailing_slash;
        enough
            && ending
            && self.segments.iter().zip(segments).all(|(pattern, segment)| match pattern {
                SegmentPattern::Literal(literal) => {
                    literal == segment || (effect == Effect::Deny && literal.eq_ignore_ascii_case(segment))
                }
                SegmentPattern::Capture => true,
            })
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
