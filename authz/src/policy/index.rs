//! Finds the rules that may apply to a request without asking all of them: by host, then segment by segment.
//!
//! It only leaves out what cannot apply; [`super::target::Target`] has the last word, so a mistake here could lose a rule
//! and never make one apply. That none is lost is what the tests compare with asking all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hasher as _;

use hashbrown::HashTable;

use super::rule::Rule;
use super::target::{Shape, folded};
use crate::bytes::ShortHasher;
use crate::http::AccessRequest;
use crate::steps::pause;

/// Rules by the hosts that they name, and those that name none.
#[derive(Debug, Default)]
pub(super) struct RuleIndex {
    anywhere: PathTree,
    /// By exact host and by suffix with its leading dot; neither can be taken for the other.
    hosts: HashMap<String, PathTree>,
}

/// Rules by their paths. Of literals there is only a [`key`]: should two of them have the same, their rules are found for both.
#[derive(Debug, Default)]
struct PathTree {
    /// Those whose path may end here, whatever the method.
    ends: Vec<usize>,
    /// Those that may go on in any way from here.
    tails: Vec<usize>,
    literals: HashTable<(u64, PathTree)>,
    any: Option<Box<PathTree>>,
}

/// A hash of a segment, the same whatever its case: the paths of deny rules are compared without regard to case.
fn key(segment: &str) -> u64 {
    if segment.is_ascii() {
        return key_of_ascii(segment);
    }
    let mut hasher = ShortHasher::default();
    folded(segment).for_each(|character| hasher.write(character.encode_utf8(&mut [0; 4]).as_bytes()));
    hasher.finish()
}

fn key_of_ascii(segment: &str) -> u64 {
    let mut hasher = ShortHasher::default();
    segment.bytes().for_each(|byte| hasher.write(&[byte.to_ascii_lowercase()]));
    hasher.finish()
}

impl RuleIndex {
    pub(super) async fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            match rule.target.host_keys() {
                None => index.anywhere.insert(number, rule),
                Some(keys) => {
                    for key in keys {
                        index.hosts.entry(key).or_default().insert(number, rule);
                    }
                }
            }
            pause().await;
        }
        index
    }

    /// Frees it, in steps.
    pub(super) async fn release(self) {
        let mut trees: Vec<PathTree> = self.hosts.into_values().chain([self.anywhere]).collect();
        while let Some(tree) = trees.pop() {
            trees.extend(tree.literals.into_iter().map(|(_, tree)| tree));
            trees.extend(tree.any.map(|any| *any));
            pause().await;
        }
    }

    /// The numbers of the rules that may apply, in order, each once.
    pub(super) fn candidates(&self, request: &AccessRequest<'_>) -> Vec<usize> {
        let host = request.host.as_str();
        let (segments, mut found) = (request.path.segments(), Vec::with_capacity(4));
        self.anywhere.collect(segments, &mut found);
        if !self.hosts.is_empty() {
            let suffixes = host.match_indices('.').filter_map(|(at, _)| host.get(at..));
            for tree in std::iter::once(host).chain(suffixes).filter_map(|key| self.hosts.get(key)) {
                tree.collect(segments, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl PathTree {
    fn insert(&mut self, number: usize, rule: &Rule) {
        let Some(shapes) = rule.target.path_shapes() else {
            self.tails.push(number);
            return;
        };
        for shapes in shapes {
            let mut tree = &mut *self;
            let mut has_tail = false;
            for shape in shapes {
                match shape {
                    Shape::Literal(text) => {
                        let key = key(text);
                        let place = tree.literals.entry(key, |(known, _)| *known == key, |(known, _)| *known);
                        tree = &mut place.or_insert_with(|| (key, Self::default())).into_mut().1;
                    }
                    Shape::Any => tree = tree.any.get_or_insert_default(),
                    Shape::Tail => has_tail = true,
                }
            }
            if has_tail { tree.tails.push(number) } else { tree.ends.push(number) }
        }
    }

    fn collect(&self, segments: &[Cow<'_, str>], found: &mut Vec<usize>) {
        found.extend(&self.tails);
        match segments.split_first() {
            None => found.extend(&self.ends),
            Some((segment, rest)) => {
                // Targets are ASCII; what had to be decoded may be anything.
                let key = match segment {
                    Cow::Borrowed(segment) => key_of_ascii(segment),
                    Cow::Owned(segment) => key(segment),
                };
                if let Some((_, tree)) = self.literals.find(key, |(known, _)| *known == key) {
                    tree.collect(rest, found);
                }
                if let Some(tree) = &self.any {
                    tree.collect(rest, found);
                }
            }
        }
    }
}
