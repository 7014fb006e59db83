//! A bucket of tokens for each client, and no more buckets than there is room for.
//!
//! A bucket holds as many tokens as a window has requests and fills up evenly over one. Buckets lie in two halves: what is
//! used moves into the newer one, and when that is full the older one is dropped, so that those used last stay.

use std::collections::HashMap;
use std::hash::Hash;

use super::config::Rate;
use crate::model::timestamp::Timestamp;

/// What is left to a client, and since when it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// How a client stands after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Requests that would pass now.
    pub remaining: u64,
    /// Seconds until all of them would.
    pub full_in: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It passes.
    Pass(Standing),
    /// It is too much; another one passes in so many seconds.
    Refuse(Standing, u64),
}

/// Takes a token at `now`, where there is one. A clock that stepped back fills nothing up.
pub fn decide(rate: Rate, bucket: Option<Bucket>, now: Timestamp) -> (Bucket, Verdict) {
    let most = f64::from(rate.requests);
    let per_second = most / rate.per.as_secs_f64();
    let mut tokens = bucket.map_or(most, |bucket| {
        let refilled = now.since(bucket.at).as_secs_f64() * per_second;
        // A hair more, so that a token is there at the very instant it is due.
        (bucket.tokens + refilled + 1e-9).min(most)
    });
    let passes = tokens >= 1.0;
    if passes {
        tokens -= 1.0;
    }
    let seconds = |missing: f64| (missing / per_second - 1e-6).ceil().max(0.0) as u64;
    let standing = Standing {
        remaining: tokens as u64,
        full_in: seconds(most - tokens),
    };
    let verdict = match passes {
        true => Verdict::Pass(standing),
        false => Verdict::Refuse(standing, seconds(1.0 - tokens).max(1)),
    };
    (Bucket { tokens, at: now }, verdict)
}

/// Buckets by client.
#[derive(Debug)]
pub struct Buckets<K> {
    newer: HashMap<K, Bucket>,
    older: HashMap<K, Bucket>,
    most: usize,
}

impl<K: Hash + Eq> Buckets<K> {
    /// Room for so many.
    pub fn new(most: usize) -> Self {
        Self {
            newer: HashMap::new(),
            older: HashMap::new(),
            most,
        }
    }

    /// Takes a token of a client; returns how many others were forgotten for it.
    pub fn take(&mut self, client: K, rate: Rate, now: Timestamp) -> (Verdict, u64) {
        if let Some(bucket) = self.newer.get_mut(&client) {
            let (left, verdict) = decide(rate, Some(*bucket), now);
            *bucket = left;
            return (verdict, 0);
        }
        let known = self.older.remove(&client);
        let mut forgotten = 0;
        if self.newer.len() >= (self.most / 2).max(1) {
            forgotten = self.older.len() as u64;
            self.older = std::mem::take(&mut self.newer);
        }
        let (bucket, verdict) = decide(rate, known, now);
        self.newer.insert(client, bucket);
        (verdict, forgotten)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rate(requests: u32, seconds: u64) -> Rate {
        Rate {
            requests,
            per: Duration::from_secs(seconds),
            loopback: true,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_bucket_empties_and_fills_up_evenly() {
        // Two for each ten seconds: one every five.
        let mut bucket = None;
        let mut check = |millis: i64, want: Result<u64, u64>, full_in: u64| {
            let (left, verdict) = decide(rate(2, 10), bucket, at(millis));
            bucket = Some(left);
            let (standing, got) = match verdict {
                Verdict::Pass(standing) => (standing, Ok(standing.remaining)),
                Verdict::Refuse(standing, wait) => (standing, Err(wait)),
            };
            assert_eq!((got, standing.full_in), (want, full_in), "at {millis}");
        };
        check(0, Ok(1), 5);
        check(0, Ok(0), 10);
        check(0, Err(5), 10);
        check(4_000, Err(1), 6);
        check(5_000, Ok(0), 10);
        // The clock stepped back.
        check(1_000, Err(5), 10);
        check(100_000, Ok(1), 5);
    }

    #[test]
    fn fast_rates_are_counted_though_the_clock_counts_milliseconds() {
        let mut buckets = Buckets::new(4);
        let mut passed = 0;
        for millis in 0..1_000 {
            for _ in 0..20 {
                let (verdict, _) = buckets.take("a", rate(10_000, 1), at(millis));
                passed += u32::from(matches!(verdict, Verdict::Pass(_)));
            }
        }
        assert!(
            (19_900..=20_000).contains(&passed),
            "{passed}: full at first, and once more"
        );
    }

    #[test]
    fn those_that_ask_often_are_remembered_among_any_number() {
        let mut buckets = Buckets::new(10);
        let one = rate(1, 3_600);
        assert!(matches!(buckets.take(0, one, at(0)).0, Verdict::Pass(_)));
        let mut forgotten = 0;
        for other in 1..1_000 {
            forgotten += buckets.take(other, one, at(0)).1;
            assert!(buckets.len() <= 10);
            assert!(matches!(buckets.take(0, one, at(0)).0, Verdict::Refuse(..)));
        }
        assert_eq!(forgotten as usize + buckets.len(), 1_000);
    }
}
