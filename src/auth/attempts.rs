//! Failed logins, and when there were too many.
//!
//! An attempt counts as failed before its password is looked at, so that many at once are not more than many in a row; a
//! success takes it back. Names that nobody has are locked like others: a lock tells nothing.
//!
//! Counted are the name from one address, and, ten times as patiently, the name from everywhere and the address with every
//! name: who does not know the password cannot lock its owner out with five tries.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// The most names and addresses remembered; beyond it the oldest are forgotten.
const MOST: usize = 20_000;
/// The wider counts are this much more patient.
const WIDER: u32 = 10;
/// A lock doubles with each further failure, up to this many times.
const DOUBLINGS: u32 = 3;

/// How many failed logins are borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many within the window lock.
    pub attempts: u32,
    /// After how long without an attempt all is forgotten.
    pub window: Duration,
    /// How long the first lock lasts.
    pub lock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 5,
            window: Duration::from_secs(15 * 60),
            lock: Duration::from_secs(60),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Counted {
    Pair(String, IpAddr),
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
    locked_until: Option<Timestamp>,
}

/// Who failed how often.
#[derive(Debug, Default)]
pub struct Attempts {
    failures: HashMap<Counted, Failures>,
}

impl Attempts {
    /// Counts an attempt as failed, or says how long to wait.
    ///
    /// # Errors
    /// The time until the lock ends.
    pub fn begin(
        &mut self,
        limits: Limits,
        name: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let keys = keys(name, address);
        let wait = keys.iter().filter_map(|key| {
            let until = self.failures.get(key)?.locked_until?;
            (until > now).then(|| until.since(now))
        });
        if let Some(wait) = wait.max() {
            return Err(wait);
        }
        if self.failures.len() >= MOST {
            self.forget(limits, now);
        }
        for key in keys {
            let patience = match key {
                Counted::Pair(..) => limits.attempts,
                Counted::Name(_) | Counted::Address(_) => limits.attempts.saturating_mul(WIDER),
            };
            let failures = self.failures.entry(key).or_insert(Failures {
                count: 0,
                last: now,
                locked_until: None,
            });
            if now.since(failures.last) > limits.window {
                failures.count = 0;
            }
            failures.count += 1;
            failures.last = now;
            if failures.count >= patience {
                let doublings = (failures.count - patience).min(DOUBLINGS);
                failures.locked_until = Some(now + limits.lock * 2_u32.pow(doublings));
            }
        }
        Ok(())
    }

    /// Takes an attempt back: it succeeded.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        for key in keys(name, address) {
            match key {
                // Another account behind this address is no better known by it.
                Counted::Address(_) => {
                    if let Some(failures) = self.failures.get_mut(&key) {
                        failures.count = failures.count.saturating_sub(1);
                        failures.locked_until = None;
                    }
                }
                Counted::Pair(..) | Counted::Name(_) => {
                    self.failures.remove(&key);
                }
            }
        }
    }

    fn forget(&mut self, limits: Limits, now: Timestamp) {
        self.failures.retain(|_, failures| {
            now.since(failures.last) <= limits.window
                || failures.locked_until.is_some_and(|until| until > now)
        });
        if self.failures.len() < MOST {
            return;
        }
        let mut times: Vec<Timestamp> = self.failures.values().map(|known| known.last).collect();
        let (_, median, _) = times.select_nth_unstable(MOST / 2);
        let median = *median;
        self.failures.retain(|_, failures| failures.last > median);
    }
}

fn keys(name: &str, address: IpAddr) -> [Counted; 3] {
    let name: String = name.to_lowercase().chars().take(64).collect();
    [
        Counted::Pair(name.clone(), address),
        Counted::Name(name),
        Counted::Address(address),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + seconds * 1000)
    }

    fn begin(attempts: &mut Attempts, name: &str, address: IpAddr, seconds: i64) -> Option<u64> {
        attempts
            .begin(Limits::default(), name, address, at(seconds))
            .err()
            .map(|wait| wait.as_secs())
    }

    #[test]
    fn the_fifth_failure_locks_and_each_further_one_longer() {
        let mut attempts = Attempts::default();
        for second in 0..5 {
            assert_eq!(begin(&mut attempts, "ada", HERE, second), None);
        }
        assert_eq!(begin(&mut attempts, "ADA", HERE, 5), Some(59));
        assert_eq!(begin(&mut attempts, "ada", THERE, 5), None);
        assert_eq!(begin(&mut attempts, "bob", HERE, 5), None);
        assert_eq!(begin(&mut attempts, "ada", HERE, 64), None);
        assert_eq!(begin(&mut attempts, "ada", HERE, 64), Some(120));
        // It does not grow without end.
        let mut now = 64;
        for _ in 0..10 {
            now += 3600 / 4;
            assert_eq!(begin(&mut attempts, "ada", HERE, now), None);
        }
        assert!(begin(&mut attempts, "ada", HERE, now).is_some_and(|wait| wait <= 8 * 60));
    }

    #[test]
    fn success_and_time_forget() {
        let mut attempts = Attempts::default();
        for _ in 0..3 {
            for _ in 0..4 {
                assert_eq!(begin(&mut attempts, "ada", HERE, 0), None);
            }
            attempts.succeeded("ada", HERE);
        }
        for _ in 0..4 {
            assert_eq!(begin(&mut attempts, "ada", HERE, 10), None);
        }
        for _ in 0..4 {
            assert_eq!(begin(&mut attempts, "ada", HERE, 10 + 15 * 60 + 1), None);
        }
    }

    #[test]
    fn one_name_from_many_addresses_is_locked_in_the_end() {
        let mut attempts = Attempts::default();
        let mut refused = None;
        for last in 0..100_u8 {
            let address = IpAddr::from([198, 51, 100, last]);
            if begin(&mut attempts, "ada", address, 0).is_some() {
                refused = Some(last);
                break;
            }
        }
        assert_eq!(refused, Some(50));
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::default();
        for n in 0..u32::try_from(MOST).unwrap() {
            let address = IpAddr::from(n.to_be_bytes());
            assert_eq!(
                begin(&mut attempts, &format!("n{n}"), address, n.into()),
                None
            );
        }
        assert!(attempts.failures.len() <= MOST + 3);
    }
}
