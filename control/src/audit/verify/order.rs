//! The order of one worker's records in the files of one replica.
//!
//! Numbers grow. They may leap, as another replica may have those between; a single one that is ahead of its time was moved.

use super::finding::Place;

/// Where a worker is.
#[derive(Default)]
pub(super) struct Order {
    last: u64,
    /// A record that came before its time, unless the next one follows it.
    ahead: Option<(u64, Place)>,
}

impl Order {
    /// Takes the number of the next record; which record was moved, if one was.
    pub(super) fn take(&mut self, sequence: u64, place: &Place) -> Option<(u64, Place)> {
        let follows = |before: u64| before.checked_add(1) == Some(sequence);
        if self.ahead.as_ref().is_some_and(|(ahead, _)| follows(*ahead)) {
            (self.last, self.ahead) = (sequence, None);
            return None;
        }
        if follows(self.last) {
            self.last = sequence;
            return self.ahead.take();
        }
        if sequence <= self.last {
            return Some((sequence, place.clone()));
        }
        self.ahead = Some((sequence, place.clone()));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_is_none_and_what_was_moved_is_named() {
        for (numbers, moved) in [
            (&[1, 2, 3, 4][..], &[][..]),
            (&[5, 6, 21, 22, 41, 42], &[]),
            (&[1, 3, 5, 7], &[]),
            (&[1, 3, 2, 4, 5], &[3]),
            (&[1, 2, 9, 4, 5, 6, 7, 8, 3, 10, 11], &[3]),
            (&[1, 2, 4, 5, 3, 6], &[3]),
            (&[9, 1, 2, 3], &[9]),
        ] {
            let mut order = Order::default();
            let found = numbers.iter().filter_map(|number| order.take(*number, &Place::new("f".into(), *number)));
            assert_eq!(found.map(|(number, _)| number).collect::<Vec<u64>>(), moved, "{numbers:?}");
        }
    }
}
