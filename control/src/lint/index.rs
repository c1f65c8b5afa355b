//! Finds the rules whose paths may cover those of another without comparing all with all. It only leaves out what cannot;
//! [`Target::covers`] has the last word.

use std::collections::HashMap;

use super::target::{Segments, Target};

/// Rules by their paths, segment by segment. Literals are in lower case: deny rules do not regard it.
#[derive(Default)]
pub(super) struct Index {
    ends: Vec<usize>,
    /// Those that may go on in any way from here.
    tails: Vec<usize>,
    /// None for a variable.
    next: HashMap<Option<String>, Index>,
}

impl Index {
    pub(super) fn insert(&mut self, number: usize, target: &Target) {
        if !target.has_paths() {
            self.tails.push(number);
        }
        for (segments, has_tail) in target.shapes() {
            let lower = segments.iter().map(|segment| segment.as_ref().map(|text| text.to_ascii_lowercase()));
            let end = lower.fold(&mut *self, |index, segment| index.next.entry(segment).or_default());
            if has_tail { end.tails.push(number) } else { end.ends.push(number) }
        }
    }

    /// The numbers of the rules that may cover a target, in order: those that may cover its first path.
    pub(super) fn candidates(&self, target: &Target) -> Vec<usize> {
        let mut found = Vec::new();
        match target.shapes().next() {
            Some((segments, _)) => self.collect(segments, &mut found),
            None => found.extend(&self.tails),
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn collect(&self, segments: &Segments, found: &mut Vec<usize>) {
        found.extend(&self.tails);
        let Some((first, rest)) = segments.split_first() else {
            found.extend(&self.ends);
            return;
        };
        let literal = first.as_ref().and_then(|text| self.next.get(&Some(text.to_ascii_lowercase())));
        for next in literal.into_iter().chain(self.next.get(&None)) {
            next.collect(rest, found);
        }
    }
}
