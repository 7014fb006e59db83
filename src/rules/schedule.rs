//! When a group is evaluated: at least once in each slot of its interval, and as soon as a scrape lands that feeds it.
//!
//! Slots are aligned to multiples of the interval, shifted by a hash of the group so that groups spread over it, as in
//! Prometheus. A landing evaluation stands in for the slot's own: with one target scraped at the same interval each
//! slot has exactly one evaluation, moments after its data. Landings never take more than a fifth of a group's time.

use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// The schedule of one group.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Duration,
    offset: Duration,
    last: Option<Timestamp>,
    last_cost: Duration,
}

/// What brought an evaluation about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// A scrape that feeds the group has landed.
    Landing,
    /// The slot is over.
    Slot,
}

/// What to do about a trigger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Evaluate at this time; `missed` slots went by without an evaluation.
    Evaluate {
        /// Time of the evaluation; later than that of the last one.
        at: Timestamp,
        /// Slots that went by.
        missed: u64,
    },
    /// Ask again at this time.
    Wait(Timestamp),
}

impl Schedule {
    /// A group's schedule; `hash` spreads the groups, `interval` is more than zero.
    pub fn new(interval: Duration, hash: u64) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        let offset = hash % u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        Self {
            interval,
            offset: Duration::from_millis(offset),
            last: None,
            last_cost: Duration::ZERO,
        }
    }

    /// The beginning of the slot that `now` lies in.
    pub fn slot(&self, now: Timestamp) -> Timestamp {
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        let offset = i64::try_from(self.offset.as_millis()).unwrap_or(0);
        Timestamp::from_millis(
            (now.millis() - offset)
                .div_euclid(interval)
                .saturating_mul(interval)
                + offset,
        )
    }

    /// The beginning of the next slot: when to wake where nothing lands.
    pub fn next_slot(&self, now: Timestamp) -> Timestamp {
        self.slot(now) + self.interval
    }

    /// Decides about a trigger at `now`.
    pub fn decide(&self, trigger: Trigger, now: Timestamp) -> Decision {
        let Some(last) = self.last else {
            let at = if trigger == Trigger::Slot {
                self.slot(now)
            } else {
                now
            };
            return Decision::Evaluate { at, missed: 0 };
        };
        if now <= last {
            // The clock stepped backwards: wait until it has caught up, at most one interval.
            let catch_up = last.since(now).min(self.interval) + Duration::from_millis(1);
            if last.since(now) <= self.interval {
                return Decision::Wait(now + catch_up);
            }
            return Decision::Evaluate { at: now, missed: 0 };
        }
        match trigger {
            Trigger::Landing => {
                let earliest = last + self.last_cost * 5;
                if now >= earliest {
                    return Decision::Evaluate {
                        at: now,
                        missed: self.missed(last, now),
                    };
                }
                // A landing that has to wait does not take the slot's own evaluation away.
                match self.decide_slot(last, now) {
                    Decision::Wait(until) => Decision::Wait(until.min(earliest)),
                    evaluate @ Decision::Evaluate { .. } => evaluate,
                }
            }
            Trigger::Slot => self.decide_slot(last, now),
        }
    }

    fn decide_slot(&self, last: Timestamp, now: Timestamp) -> Decision {
        let slot = self.slot(now);
        // Evaluated within the slot that just ended: its data is in. Wait for the next landing or slot.
        if last > slot - self.interval {
            return Decision::Wait(self.next_slot(now));
        }
        Decision::Evaluate {
            at: slot,
            missed: self.missed(last, slot),
        }
    }

    /// Whole slots between two evaluations that saw none.
    fn missed(&self, last: Timestamp, at: Timestamp) -> u64 {
        let slots = self.slot(at).since(self.slot(last)).as_millis() / self.interval.as_millis();
        // A landing may slip from one slot into the next and over its end: only a whole empty slot and more is a miss.
        u64::try_from(slots).unwrap_or(u64::MAX).saturating_sub(2)
    }

    /// Notes an evaluation and what it cost.
    pub fn evaluated(&mut self, at: Timestamp, cost: Duration) {
        self.last = Some(at);
        self.last_cost = cost;
    }

    /// The time of the last evaluation.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn schedule(last: Option<i64>, cost_ms: u64) -> Schedule {
        let mut schedule = Schedule::new(Duration::from_secs(10), 3_000);
        if let Some(last) = last {
            schedule.evaluated(at(last), Duration::from_millis(cost_ms));
        }
        schedule
    }

    #[test]
    fn slots_are_aligned_and_shifted_by_the_groups_hash() {
        assert_eq!(schedule(None, 0).slot(at(25_000)), at(23_000));
        assert_eq!(schedule(None, 0).next_slot(at(25_000)), at(33_000));
        assert_eq!(schedule(None, 0).slot(at(-1)), at(-7_000));
    }

    #[test]
    fn triggers_are_decided_by_slot_cost_and_clock() {
        let check =
            |last: Option<i64>, cost_ms: u64, trigger: Trigger, now: i64, want: Decision| {
                assert_eq!(
                    schedule(last, cost_ms).decide(trigger, at(now)),
                    want,
                    "{last:?} {trigger:?} {now}"
                );
            };
        let evaluate = |millis: i64, missed: u64| Decision::Evaluate {
            at: at(millis),
            missed,
        };
        // First evaluations: the slot's own time, or the landing's.
        check(None, 0, Trigger::Slot, 25_000, evaluate(23_000, 0));
        check(None, 0, Trigger::Landing, 25_000, evaluate(25_000, 0));
        // The slot 13_000..23_000 had a landing evaluation: its end needs none.
        check(
            Some(14_000),
            1,
            Trigger::Slot,
            23_005,
            Decision::Wait(at(33_000)),
        );
        // Nothing landed in it: the slot's end evaluates, on the dot.
        check(Some(12_000), 1, Trigger::Slot, 23_005, evaluate(23_000, 0));
        check(
            Some(14_000),
            1,
            Trigger::Landing,
            24_000,
            evaluate(24_000, 0),
        );
        // Landings pay for themselves: five times the last cost apart.
        check(
            Some(14_000),
            100,
            Trigger::Landing,
            14_100,
            Decision::Wait(at(14_500)),
        );
        // A group so slow that landings wait past the slot's end is evaluated there all the same.
        check(
            Some(14_000),
            4_000,
            Trigger::Landing,
            20_000,
            Decision::Wait(at(23_000)),
        );
        check(
            Some(14_000),
            4_000,
            Trigger::Landing,
            33_001,
            evaluate(33_000, 0),
        );
        // Three slots went by in between.
        check(Some(14_000), 1, Trigger::Slot, 63_100, evaluate(63_000, 3));
        // The clock stepped back: hold for up to an interval, then accept the new time.
        check(
            Some(14_000),
            1,
            Trigger::Landing,
            13_000,
            Decision::Wait(at(14_001)),
        );
        check(
            Some(100_000),
            1,
            Trigger::Landing,
            13_000,
            evaluate(13_000, 0),
        );
    }
}
