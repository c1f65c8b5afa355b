//! What an evaluation may cost.

use super::failure::Failure;
use crate::limits::{MAX_EXPRESSION_STEPS, MAX_EXPRESSION_TEXT_BYTES};

/// The steps that are left. Once they are used up, everything fails.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn full() -> Self {
        Self(MAX_EXPRESSION_STEPS)
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Failure> {
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(Failure::TooManySteps)
            }
        }
    }

    /// A step for every 32 bytes that are looked at.
    pub(super) fn spend_on_text(&mut self, bytes: usize) -> Result<(), Failure> {
        self.spend(bytes / 32)
    }

    /// Before a text of so many bytes is made.
    pub(super) fn make_text(&mut self, bytes: usize) -> Result<(), Failure> {
        if bytes > MAX_EXPRESSION_TEXT_BYTES { Err(Failure::TooLong) } else { self.spend_on_text(bytes) }
    }
}
