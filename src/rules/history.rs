//! The last evaluations of a rule, for who asks why it did what it did. Bounded, in memory only: a start forgets them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// How many evaluations of a rule are kept.
pub const KEPT: usize = 20;
/// The longest error that is kept, in bytes.
const LONGEST_ERROR: usize = 500;

/// One evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The instant it was evaluated at.
    pub at: Timestamp,
    /// How long that took.
    pub took: Duration,
    /// What was read.
    pub reading: Reading,
    /// Why it failed.
    pub error: Option<Box<str>>,
}

/// What the expression read and yielded; nothing where it failed before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Samples read from the store.
    pub samples: u64,
    /// Series read from the store.
    pub series: u64,
    /// Series of the result.
    pub results: usize,
}

/// The last [`KEPT`] evaluations, the newest first.
#[derive(Clone, Debug, Default)]
pub struct History(VecDeque<Evaluation>);

impl History {
    /// Adds one; the oldest goes where there are too many.
    pub fn add(&mut self, at: Timestamp, took: Duration, reading: Reading, error: Option<String>) {
        self.0.truncate(KEPT - 1);
        self.0.push_front(Evaluation {
            at,
            took,
            reading,
            error: error.map(|mut error| {
                error.truncate(error.floor_char_boundary(LONGEST_ERROR));
                error.into_boxed_str()
            }),
        });
    }

    /// The evaluations, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Evaluation> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_twenty_are_kept_and_long_errors_are_cut() {
        let mut history = History::default();
        for millis in 0..50 {
            let error = (millis == 49).then(|| "ä".repeat(1000));
            let at = Timestamp::from_millis(millis);
            history.add(at, Duration::ZERO, Reading::default(), error);
        }
        let kept: Vec<&Evaluation> = history.iter().collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].at.millis(), kept[19].at.millis()), (49, 30));
        assert_eq!(kept[0].error.as_ref().unwrap().len(), LONGEST_ERROR);
    }
}
