//! How many alerts fire and how many are over, kept as they change: to count them all at each flush would cost more than
//! the flush.

use std::collections::BTreeMap;

use super::Dispatcher;
use crate::model::silence::SilenceState;
use crate::model::timestamp::Timestamp;

/// Number of alerts and groups, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Alerts that fire.
    pub firing: usize,
    /// Alerts that ended and are remembered.
    pub resolved: usize,
    /// Groups.
    pub groups: usize,
    /// Silences by state.
    pub silences: [(SilenceState, usize); 3],
    /// Acks that hold.
    pub acks: usize,
    /// Receivers in a storm.
    pub storms: usize,
    /// Alerts held as firing because they flap.
    pub flapping: usize,
}

/// Alerts by their ends.
#[derive(Debug)]
pub(super) struct Census {
    /// How many end when, of those that end after `looked`.
    ends: BTreeMap<Timestamp, usize>,
    /// Their number.
    firing: usize,
    /// The number of the others.
    resolved: usize,
    /// The latest time asked about.
    looked: Timestamp,
}

impl Default for Census {
    fn default() -> Self {
        Self {
            ends: BTreeMap::new(),
            firing: 0,
            resolved: 0,
            looked: Timestamp::MIN,
        }
    }
}

impl Census {
    pub(super) fn of(ends: impl Iterator<Item = Timestamp>) -> Self {
        let mut census = Self::default();
        ends.for_each(|end| census.add(end));
        census
    }

    pub(super) fn add(&mut self, end: Timestamp) {
        if end > self.looked {
            *self.ends.entry(end).or_default() += 1;
            self.firing += 1;
        } else {
            self.resolved += 1;
        }
    }

    pub(super) fn remove(&mut self, end: Timestamp) {
        if end <= self.looked {
            self.resolved -= 1;
            return;
        }
        self.firing -= 1;
        if let Some(count) = self.ends.get_mut(&end) {
            *count -= 1;
            if *count == 0 {
                self.ends.remove(&end);
            }
        }
    }

    /// How many fire, and how many are over, at `now`, which does not go back.
    fn look(&mut self, now: Timestamp) -> (usize, usize) {
        while let Some(first) = self.ends.first_entry().filter(|first| *first.key() <= now) {
            let ended = first.remove();
            self.firing -= ended;
            self.resolved += ended;
        }
        self.looked = self.looked.max(now);
        (self.firing, self.resolved)
    }
}

impl Dispatcher {
    /// Counts for metrics.
    pub fn counts(&mut self, now: Timestamp) -> Counts {
        let (firing, resolved) = self.census.look(now);
        Counts {
            firing,
            resolved,
            groups: self.groups.len(),
            silences: self.silences.counts(now),
            acks: self.acks.count(),
            storms: self.storms.count(),
            flapping: self.flaps.count(),
        }
    }

    /// Counts all alerts anew: their times changed.
    pub(super) fn recount(&mut self) {
        let ends = self.alerts.values().map(|stored| stored.alert.ends_at);
        self.census = Census::of(ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_counted_as_they_come_end_and_go() {
        let at = Timestamp::from_millis;
        let mut census = Census::of([10, 10, 20, 30].map(at).into_iter());
        assert_eq!(census.look(at(0)), (4, 0));
        assert_eq!(census.look(at(10)), (2, 2));
        census.remove(at(10));
        census.add(at(40));
        assert_eq!(census.look(at(10)), (3, 1));
        census.remove(at(30));
        census.add(at(5));
        assert_eq!(census.look(at(39)), (1, 3));
        census.remove(at(40));
        assert_eq!(census.look(at(50)), (0, 3));
        assert!(census.ends.is_empty());
    }
}
