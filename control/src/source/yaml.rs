//! Reads YAML 1.2, and with it JSON, as strictly as the production parser reads JSON: no name twice, bounded in depth and
//! size with aliases counted in full, nothing that two readers understand differently.

use std::collections::BTreeMap;
use std::rc::Rc;

use authz::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};
use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::finding::Finding;
use super::scalar;
use super::tree::{Content, Member, Node, Position, member_place};

/// Reads the one document of a file. All errors at once, as far as the text can be understood.
pub(super) fn parse(file: &Rc<str>, text: &str) -> Result<Node, Vec<Finding>> {
    let mut builder = Builder {
        file: Rc::clone(file),
        open: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        values_left: MAX_JSON_VALUES,
        findings: Vec::new(),
    };
    let end = builder.build(text);
    builder.findings.extend(end.err());
    match builder.root {
        _ if !builder.findings.is_empty() => Err(builder.findings),
        Some(root) => Ok(root),
        None => Ok(Node { position: Position::whole(builder.file), content: Content::Null }),
    }
}

/// The comments of a file that can be read, in order.
pub(super) fn comments(text: &str) -> Vec<String> {
    let options = granit_parser::options! { disallow_directives: true, emit_comments: true };
    let events = Parser::new_from_str_with_options(text, options).filter_map(Result::ok);
    let comment = |event| if let Event::Comment(text, _) = event { Some(text.trim().to_owned()) } else { None };
    events.filter_map(|(event, _)| comment(event)).collect()
}

struct Builder {
    file: Rc<str>,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Node>,
    values_left: usize,
    /// What is wrong, where reading can go on.
    findings: Vec<Finding>,
}

/// A list or object whose end has not come yet.
struct Open {
    position: Position,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Object {
        members: Vec<Member>,
        names: BTreeMap<String, Position>,
        /// The name whose value is next.
        next: Option<(String, Position)>,
    },
}

impl Builder {
    /// An error is one after which nothing can be understood any more.
    fn build(&mut self, text: &str) -> Result<(), Finding> {
        let options = granit_parser::options! { disallow_directives: true, emit_comments: false };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| {
                let position = self.position(error.marker());
                self.finding(position, &format!("not acceptable YAML: {}", error.info()))
            })?;
            let position = self.position(&span.start);
            match event {
                Event::DocumentStart(..) if self.root.is_some() => {
                    return Err(self.finding(position, "a second document starts here; a file has one"));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), &position);
                    self.scalar(&text, style, anchor, position)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), &position);
                    self.start(Items::List(Vec::new()), anchor, position)?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), &position);
                    let items = Items::Object { members: Vec::new(), names: BTreeMap::new(), next: None };
                    self.start(items, anchor, position)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(position)?,
                Event::Alias(anchor) => self.alias(anchor, position)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, position: Position) -> Result<(), Finding> {
        if self.wants_name() {
            return self.name(text, style, position);
        }
        let resolved = match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Ok(Content::Text(text.to_owned())),
        };
        let content = resolved.unwrap_or_else(|problem| {
            let finding = self.finding(position.clone(), &problem);
            self.findings.push(finding);
            Content::Null
        });
        self.add(Node { position, content }, anchor)
    }

    /// Takes the name of a member.
    fn name(&mut self, name: &str, style: ScalarStyle, position: Position) -> Result<(), Finding> {
        let place = member_place(&self.place(), name);
        let problem = match self.open.last_mut().map(|open| &mut open.items) {
            Some(Items::Object { names, next, .. }) => {
                *next = Some((name.to_owned(), position.clone()));
                let first = names.insert(name.to_owned(), position.clone());
                first.map(|first| format!("`{name}` stands twice, first at {first}; remove one of the two"))
            }
            _ => None,
        };
        let is_merge = name == "<<" && style == ScalarStyle::Plain;
        let merge = is_merge.then(|| "merge keys are no part of YAML 1.2; write the fields out".to_owned());
        self.findings.extend(problem.or(merge).map(|problem| Finding::new(position, &place, &problem)));
        Ok(())
    }

    fn start(&mut self, items: Items, anchor: usize, position: Position) -> Result<(), Finding> {
        if self.wants_name() {
            return Err(self.finding(position, "a name is a word or a text, no list and no object"));
        }
        if self.is_too_deep(1) {
            return Err(self.finding(position, &too_deep()));
        }
        self.open.push(Open { position, anchor, items });
        Ok(())
    }

    fn end(&mut self, position: Position) -> Result<(), Finding> {
        let Some(open) = self.open.pop() else {
            return Err(self.finding(position, "not acceptable YAML: an end without a start"));
        };
        let content = match open.items {
            Items::List(items) => Content::List(items),
            Items::Object { members, .. } => Content::Object(members),
        };
        self.add(Node { position: open.position, content }, open.anchor)
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<(), Finding> {
        if self.wants_name() {
            return Err(self.finding(position, "an alias cannot stand for a name; write the name out"));
        }
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.finding(position, "this alias stands within what it stands for"));
        };
        if self.is_too_deep(node.depth()) {
            return Err(self.finding(position, &too_deep()));
        }
        let values = node.values().saturating_sub(1);
        let Some(values_left) = self.values_left.checked_sub(values) else {
            return Err(self.finding(position, &too_many()));
        };
        self.values_left = values_left;
        let node = node.clone();
        self.add(node, 0)
    }

    /// Puts a value into what is open.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Finding> {
        let Some(values_left) = self.values_left.checked_sub(1) else {
            return Err(self.finding(node.position, &too_many()));
        };
        self.values_left = values_left;
        // 0 is no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Object { members, next, .. }) => {
                members.extend(next.take().map(|(name, position)| Member { name, position, value: node }));
            }
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, position: &Position) {
        let problem =
            tag.map(|tag| format!("the tag `{}` is not read; remove it, and quote what is text", tag.original()));
        let finding = problem.map(|problem| self.finding(position.clone(), &problem));
        self.findings.extend(finding);
    }

    fn wants_name(&self) -> bool {
        matches!(self.open.last(), Some(Open { items: Items::Object { next: None, .. }, .. }))
    }

    fn is_too_deep(&self, more: usize) -> bool {
        self.open.len().saturating_add(more) > usize::try_from(MAX_JSON_DEPTH).unwrap_or_default()
    }

    fn finding(&self, position: Position, problem: &str) -> Finding {
        Finding::new(position, &self.place(), problem)
    }

    /// The place of the value that comes next, in the words of the production parser.
    fn place(&self) -> String {
        self.open.iter().fold(String::new(), |place, open| match &open.items {
            Items::List(items) => format!("{place}[{}]", items.len()),
            Items::Object { next: Some((name, _)), .. } => member_place(&place, name),
            Items::Object { next: None, .. } => place,
        })
    }

    fn position(&self, marker: &Marker) -> Position {
        Position { file: Rc::clone(&self.file), line: marker.line(), column: marker.col().saturating_add(1) }
    }
}

fn too_deep() -> String {
    format!("is nested too deeply; at most {MAX_JSON_DEPTH} levels are read")
}

fn too_many() -> String {
    format!("too many values; at most {MAX_JSON_VALUES} are read, with every alias counted in full")
}
