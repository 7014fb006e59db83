//! What follows an attempt: done, again, or given up. Pure; the worker acts on it.

use std::time::Duration;

use super::integration::{Delivered, SendError};
use crate::db::outbox::Outcome;
use crate::model::timestamp::Timestamp;

/// When to try again and when to give up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The wait after the first failed attempt, about.
    pub first_wait: Duration,
    /// How it grows with each further one.
    pub growth: Growth,
    /// The longest wait.
    pub longest_wait: Duration,
    /// How long after its writing a notification is given up, where it says nothing else: the outbox outlives a
    /// receiver's outage of up to an hour. Alertmanager gives up after `group_interval` and tells anew; in its place the
    /// notification says so.
    pub expiry: Duration,
}

/// How waits grow, and how they are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Growth {
    /// Each is twice the one before, shortened by up to half of it.
    Doubling,
    /// Each is half as long again as the one before, give or take up to half of it: Alertmanager's
    /// (`cenkalti/backoff`, `NewExponentialBackOff`).
    Upstream,
}

impl Growth {
    fn factor(self) -> f64 {
        match self {
            Self::Doubling => 2.0,
            Self::Upstream => 1.5,
        }
    }

    /// The least and the most of a wait that is really waited.
    fn spread(self) -> (f64, f64) {
        match self {
            Self::Doubling => (0.5, 1.0),
            Self::Upstream => (0.5, 1.5),
        }
    }
}

impl Policy {
    /// When a notification is given up that was written at `created_at`, and perhaps says when itself.
    pub fn expires_at(&self, created_at: Timestamp, said: Option<Timestamp>) -> Timestamp {
        said.unwrap_or_else(|| created_at + self.expiry)
    }

    /// Alertmanager's waits.
    pub fn upstream() -> Self {
        Self {
            growth: Growth::Upstream,
            longest_wait: Duration::from_secs(60),
            ..Self::default()
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(500),
            growth: Growth::Doubling,
            longest_wait: Duration::from_secs(300),
            expiry: Duration::from_secs(3600),
        }
    }
}

/// What follows the attempt number `attempt` (from 1) at a notification that is given up at `expires_at`. `jitter`, in 0 to
/// 1, spreads retries of many over time.
pub fn decide(
    policy: &Policy,
    result: &Result<Delivered, SendError>,
    attempt: u32,
    expires_at: Timestamp,
    now: Timestamp,
    jitter: f64,
) -> Outcome {
    let error = match result {
        Ok(delivered) => {
            return Outcome::Delivered {
                status: delivered.status.clone(),
                sent: delivered.sent.clone(),
            };
        }
        Err(error) => error,
    };
    let told = format!("{}: {}", error.reason, error.detail);
    if !error.retryable {
        return Outcome::Failed { error: told };
    }
    // What the other side asks for is a lower bound: to come earlier would only be refused again.
    let wait = backoff(policy, attempt, jitter).max(error.retry_after.unwrap_or_default());
    let at = now + wait;
    if at >= expires_at {
        return Outcome::Expired { error: told };
    }
    Outcome::Retry { at, error: told }
}

fn backoff(policy: &Policy, attempt: u32, jitter: f64) -> Duration {
    let growths = i32::try_from(attempt.saturating_sub(1).min(100)).unwrap_or(100);
    let wait = policy.first_wait.as_secs_f64() * policy.growth.factor().powi(growths);
    let wait = wait.min(policy.longest_wait.as_secs_f64());
    let (least, most) = policy.growth.spread();
    Duration::try_from_secs_f64(wait * (least + (most - least) * jitter.clamp(0.0, 1.0)))
        .unwrap_or(policy.longest_wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::integration::Reason;

    const CREATED: Timestamp = Timestamp::from_millis(1_000_000);

    fn failed(retryable: bool, retry_after: Option<u64>) -> Result<Delivered, SendError> {
        Err(SendError {
            reason: Reason::ServerError,
            retryable,
            retry_after: retry_after.map(Duration::from_secs),
            detail: "answered 503".to_owned(),
        })
    }

    /// `want` is the wait in milliseconds, or the name of the end.
    fn check(
        result: &Result<Delivered, SendError>,
        attempt: u32,
        age_s: u64,
        jitter: f64,
        want: Result<u64, &str>,
    ) {
        let now = CREATED + Duration::from_secs(age_s);
        let policy = Policy::default();
        let expires_at = policy.expires_at(CREATED, None);
        let got = match decide(&policy, result, attempt, expires_at, now, jitter) {
            Outcome::Retry { at, .. } => Ok(u64::try_from(at.since(now).as_millis()).unwrap()),
            Outcome::Delivered { .. } => Err("delivered"),
            Outcome::Failed { .. } => Err("failed"),
            Outcome::Expired { .. } => Err("expired"),
            Outcome::Unsent => Err("unsent"),
        };
        assert_eq!(
            got, want,
            "attempt {attempt} after {age_s} s, jitter {jitter}"
        );
    }

    #[test]
    fn waits_double_up_to_five_minutes() {
        let error = failed(true, None);
        for (attempt, want) in [
            (1, 500),
            (2, 1000),
            (3, 2000),
            (9, 128_000),
            (11, 300_000),
            (4_000_000_000, 300_000),
        ] {
            check(&error, attempt, 1, 1.0, Ok(want));
        }
        check(&error, 1, 1, 0.0, Ok(250));
        check(&error, 3, 1, 0.5, Ok(1500));
    }

    #[test]
    fn upstream_waits_are_alertmanagers() {
        for (attempt, jitter, want) in [
            (1, 0.5, 500),
            (1, 0.0, 250),
            (1, 1.0, 750),
            (2, 0.5, 750),
            (3, 0.5, 1125),
            (99, 0.5, 60_000),
            (u32::MAX, 1.0, 90_000),
        ] {
            let wait = backoff(&Policy::upstream(), attempt, jitter);
            assert_eq!(wait, Duration::from_millis(want), "{attempt} {jitter}");
        }
    }

    #[test]
    fn the_other_sides_wish_is_a_lower_bound() {
        check(&failed(true, Some(7)), 1, 1, 1.0, Ok(7000));
        check(&failed(true, Some(1)), 11, 1, 1.0, Ok(300_000));
        check(&failed(true, Some(0)), 1, 1, 1.0, Ok(500));
    }

    #[test]
    fn what_cannot_succeed_is_not_repeated() {
        check(&failed(false, None), 1, 1, 1.0, Err("failed"));
        check(&Ok(Delivered::default()), 1, 1, 1.0, Err("delivered"));
    }

    #[test]
    fn it_expires_when_no_attempt_would_come_in_time() {
        check(&failed(true, None), 1, 3599, 1.0, Ok(500));
        check(&failed(true, None), 2, 3599, 1.0, Err("expired"));
        check(&failed(true, None), 1, 3600, 1.0, Err("expired"));
        check(&failed(true, Some(3600)), 1, 1, 1.0, Err("expired"));
    }

    #[test]
    fn a_success_counts_however_late() {
        check(&Ok(Delivered::default()), 9, 99_999, 1.0, Err("delivered"));
    }

    #[test]
    fn a_clock_that_stepped_back_does_not_expire() {
        let now = CREATED - Duration::from_secs(5000);
        let outcome = decide(
            &Policy::default(),
            &failed(true, None),
            1,
            Policy::default().expires_at(CREATED, None),
            now,
            1.0,
        );
        assert!(matches!(outcome, Outcome::Retry { .. }));
    }

    #[test]
    fn what_says_itself_when_it_is_given_up_is_given_up_then() {
        let said = CREATED + Duration::from_secs(10);
        let at = |age_s| {
            let now = CREATED + Duration::from_secs(age_s);
            let policy = Policy::default();
            let expires_at = policy.expires_at(CREATED, Some(said));
            decide(&policy, &failed(true, None), 1, expires_at, now, 1.0)
        };
        assert!(matches!(at(9), Outcome::Retry { .. }));
        assert!(matches!(at(10), Outcome::Expired { .. }));
    }
}
