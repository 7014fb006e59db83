//! When a target is scraped: on slots `offset + n × interval` of wall time, the offset peculiar to target and host.
//!
//! ```text
//! wall time  |----o---------|----o---------|----o---      interval 15 s, offset o
//! scrape          ▓▓             ▓▓▓▓▓▓▓▓▓▓▓▓▓▓ ·  ▓▓      · a missed slot
//! ```
//!
//! Everything here is arithmetic on times that are handed in.

use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// How close to its slot a scrape must begin for its samples to carry the slot's own time: equal distances compress
/// well (Prometheus uses the same 2 ms).
const ALIGN_MILLIS: i64 = 2;
/// The first scrape of a new target comes within this time, not a whole interval later.
const FIRST_WITHIN_MILLIS: u64 = 500;

/// The slots of one target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slots {
    interval_ms: i64,
    offset_ms: i64,
    hash: u64,
}

/// What a scrape's samples are stamped with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The time.
    pub at: Timestamp,
    /// The clock stands before the last scrape: the time was held just behind that one.
    pub held: bool,
}

impl Slots {
    /// Slots every `interval`; `hash` of target and host spreads the targets over it.
    pub fn new(interval: Duration, hash: u64) -> Self {
        let interval_ms = i64::try_from(interval.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let offset = hash % interval_ms.unsigned_abs();
        Self {
            interval_ms,
            offset_ms: i64::try_from(offset).unwrap_or(0),
            hash,
        }
    }

    /// The first slot strictly after `time`.
    pub fn after(&self, time: Timestamp) -> Timestamp {
        let since = (time.millis() - self.offset_ms).rem_euclid(self.interval_ms);
        Timestamp::from_millis(time.millis().saturating_add(self.interval_ms - since))
    }

    /// When a target that was found at `now` is scraped first.
    pub fn first(&self, now: Timestamp) -> Timestamp {
        let spread = Duration::from_millis(self.hash % FIRST_WITHIN_MILLIS);
        (now + spread).min(self.after(now))
    }

    /// The slot to wait for after the one at `slot` was dealt with at `now`, and how many were missed between. A clock
    /// that stepped back misses nothing.
    pub fn next(&self, slot: Timestamp, now: Timestamp) -> (Timestamp, u64) {
        // A timer may fire a moment early; the slot that was just dealt with does not come twice.
        let early = slot.millis() - now.millis();
        let from = if (0..self.interval_ms / 2).contains(&early) {
            slot
        } else {
            now
        };
        let next = self.after(from);
        let missed = (next.millis() - self.after(slot).millis()) / self.interval_ms;
        (next, u64::try_from(missed).unwrap_or(0))
    }
}

/// The time for samples of a scrape that begins at `now` for `slot`, after one stamped `last`.
pub fn stamp(slot: Timestamp, now: Timestamp, last: Option<Timestamp>) -> Stamp {
    let close = (now.millis() - slot.millis()).abs() <= ALIGN_MILLIS;
    let at = if close { slot } else { now };
    match last {
        Some(last) if at <= last => Stamp {
            at: last + Duration::from_millis(1),
            held: true,
        },
        Some(_) | None => Stamp { at, held: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn slots_are_equally_spaced_and_offset() {
        let slots = Slots::new(Duration::from_secs(10), 10_003);
        assert_eq!(slots.after(at(0)), at(3));
        assert_eq!(slots.after(at(3)), at(10_003));
        assert_eq!(slots.after(at(-5)), at(3));
        assert_eq!(slots.first(at(20_000)), at(20_003));
        assert_eq!(
            slots.first(at(20_100)),
            at(20_103),
            "soon, not a whole interval later"
        );
    }

    #[test]
    fn slow_scrapes_miss_slots_and_are_counted() {
        let slots = Slots::new(Duration::from_secs(10), 0);
        let check = |slot, now, want| {
            let (next, missed) = slots.next(at(slot), at(now));
            assert_eq!((next.millis(), missed), want, "slot {slot}, now {now}");
        };
        check(10_000, 10_500, (20_000, 0));
        check(10_000, 9_999, (20_000, 0));
        check(10_000, 20_000, (30_000, 1));
        check(10_000, 35_000, (40_000, 2));
        check(10_000, 3_000, (10_000, 0));
        check(100_000, 3_000, (10_000, 0));
        check(10_123, 10_200, (20_000, 0));
    }

    #[test]
    fn a_clock_that_steps_back_holds_the_time() {
        let check = |slot, now, last: Option<i64>, want, held| {
            let stamp = stamp(at(slot), at(now), last.map(at));
            assert_eq!(stamp, Stamp { at: at(want), held }, "{slot} {now} {last:?}");
        };
        check(10_000, 10_002, None, 10_000, false);
        check(10_000, 10_003, None, 10_003, false);
        check(10_000, 9_999, Some(5_000), 10_000, false);
        check(10_000, 10_000, Some(10_000), 10_001, true);
        check(10_000, 10_000, Some(90_000), 90_001, true);
    }
}
