//! Whether PostgreSQL is asked at all: a circuit breaker, so that requests do not pile up on time-outs while it is down.

use std::time::Duration;

use parking_lot::Mutex;

use super::super::DbError;
use crate::clock::Clock;
use crate::model::circuit::{self, Admission, Change, Event, Settings, State};
use crate::model::timestamp::Timestamp;

/// Three failures in a row open it. A probe costs one statement, so the pauses are short.
const SETTINGS: Settings = Settings {
    failures: 3,
    pause: Duration::from_secs(2),
    longest_pause: Duration::from_secs(15),
};

/// The circuit.
#[derive(Debug)]
pub(super) struct Gate {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    /// Whether somebody tries whether it is back.
    probing: bool,
    /// The first failure since the last answer, and the last one's text.
    failing: Option<(Timestamp, String)>,
    /// When the server answered last.
    answered: Option<Timestamp>,
}

/// What lets a statement through. Where it is the one that tries, the next may try once this is gone.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    of: &'a Gate,
    probes: bool,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probes {
            self.of.inner.lock().probing = false;
        }
    }
}

impl Gate {
    pub(super) fn new(clock: Clock) -> Self {
        let inner = Mutex::default();
        Self { clock, inner }
    }

    /// Lets a statement through, or not.
    pub(super) fn enter(&self, action: &'static str) -> Result<Pass<'_>, DbError> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let refused = |wait: Duration, inner: &Inner| DbError::Unavailable {
            action,
            reason: inner
                .failing
                .as_ref()
                .map_or_else(String::new, |(_, reason)| reason.clone()),
            retry_after: wait.max(Duration::from_secs(1)),
            down: true,
        };
        match circuit::admission(inner.state, now) {
            Admission::All => Ok(Pass {
                of: self,
                probes: false,
            }),
            Admission::One if !inner.probing => {
                inner.probing = true;
                Ok(Pass {
                    of: self,
                    probes: true,
                })
            }
            Admission::One => Err(refused(SETTINGS.pause, &inner)),
            Admission::Nothing(until) => Err(refused(until.since(now), &inner)),
        }
    }

    /// Takes note of how an attempt ended; what changed with it.
    pub(super) fn note<T>(&self, result: &Result<T, DbError>) -> Option<Change> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let event = match result {
            Err(DbError::Unavailable {
                reason, down: true, ..
            }) => {
                let since = inner.failing.as_ref().map_or(now, |(since, _)| *since);
                inner.failing = Some((since, reason.clone()));
                Event::Failed { retry_after: None }
            }
            _ => {
                inner.failing = None;
                inner.answered = Some(now);
                Event::Answered
            }
        };
        let (state, change) = circuit::after(&SETTINGS, inner.state, event, now);
        inner.state = state;
        change
    }

    /// Whether the server answered anything in the last while.
    pub(super) fn answered_within(&self, time: Duration) -> bool {
        let now = self.clock.now();
        let answered = self.inner.lock().answered;
        answered.is_some_and(|answered| now.since(answered) <= time)
    }

    /// Since when it fails, and why; nothing where it answered last.
    pub(super) fn failing(&self) -> Option<(Timestamp, String)> {
        self.inner.lock().failing.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Result<(), DbError> {
        Err(DbError::Unavailable {
            action: "read",
            reason: "no answer".to_owned(),
            retry_after: Duration::from_secs(5),
            down: true,
        })
    }

    #[test]
    fn after_three_failures_nobody_waits_and_one_at_a_time_tries_whether_it_is_back() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000));
        let gate = Gate::new(clock.clone());
        for _ in 0..3 {
            assert!(gate.enter("read").is_ok());
            gate.note(&down());
        }
        let refused = gate.enter("read").unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(2));
        let probe = gate.enter("read");
        assert!(probe.is_ok() && gate.enter("read").is_err());
        // Who gave up without an answer leaves the place to the next.
        drop(probe);
        let probe = gate.enter("read");
        assert_eq!(gate.note(&Ok(())), Some(Change::Closed));
        drop(probe);
        assert!(gate.enter("read").is_ok() && gate.failing().is_none());
    }

    #[test]
    fn a_lock_that_was_not_had_in_time_is_no_failure_of_the_server() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000));
        let gate = Gate::new(clock);
        let busy: Result<(), _> = Err(DbError::Unavailable {
            action: "write",
            reason: "lock timeout".to_owned(),
            retry_after: Duration::from_secs(1),
            down: false,
        });
        for _ in 0..10 {
            assert_eq!(gate.note(&busy), None);
        }
        assert!(gate.enter("write").is_ok());
    }

    #[test]
    fn an_answer_tells_of_the_server_for_a_while_and_a_failure_does_not() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000));
        let gate = Gate::new(clock.clone());
        let while_ = Duration::from_secs(2);
        gate.note(&down());
        assert!(!gate.answered_within(while_));
        gate.note(&Ok(()));
        clock.advance(while_);
        gate.note(&down());
        assert!(gate.answered_within(while_));
        clock.advance(Duration::from_millis(1));
        assert!(!gate.answered_within(while_));
    }
}
