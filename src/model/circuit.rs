//! A circuit breaker: who fails again and again is left alone for a while.
//!
//! ```text
//!            `failures` temporary failures in a row          the pause is over: one attempt
//! closed ───────────────────────────────────────▶ open ─────────────────────────────────▶ half open
//!    ▲                                             ▲                                         │  │
//!    │                                             └──── it fails: a pause twice as long ────┘  │
//!    └──────────────────────────────── it answers ──────────────────────────────────────────────┘
//! ```
//!
//! Decisions only: who keeps the state and acts on it is not known here.

use std::time::Duration;

use super::timestamp::Timestamp;

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Temporary failures in a row that open it; 0 never opens it.
    pub failures: u32,
    /// The first pause; each attempt that fails doubles it.
    pub pause: Duration,
    /// The longest pause, where no longer one is asked for.
    pub longest_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// It never opens.
    pub fn off() -> Self {
        Self {
            failures: 0,
            ..Self::default()
        }
    }
}

/// Where a circuit stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Everything is tried.
    Closed {
        /// Temporary failures since the last answer.
        failures: u32,
    },
    /// Nothing is tried before `until`, one thing from then on.
    Open {
        /// When it opened.
        since: Timestamp,
        /// When one may be tried.
        until: Timestamp,
        /// The pause that `until` came from.
        pause: Duration,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What an attempt showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was answered: done, or refused for good.
    Answered,
    /// It may be done later.
    Failed {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
}

/// What is worth saying.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// From now on it is left alone.
    Opened,
    /// It answers again.
    Closed,
}

/// What may be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Everything.
    All,
    /// One, to see whether it is answered.
    One,
    /// Nothing before this time.
    Nothing(Timestamp),
}

/// The state after an attempt that ended at `now`.
pub fn after(
    settings: &Settings,
    state: State,
    event: Event,
    now: Timestamp,
) -> (State, Option<Change>) {
    match (state, event) {
        (State::Closed { .. }, Event::Answered) => (State::default(), None),
        (State::Open { .. }, Event::Answered) => (State::default(), Some(Change::Closed)),
        (State::Closed { failures }, Event::Failed { retry_after }) => {
            let failures = failures.saturating_add(1);
            if settings.failures == 0 || failures < settings.failures {
                return (State::Closed { failures }, None);
            }
            let opened = State::Open {
                since: now,
                until: now + settings.pause.max(retry_after.unwrap_or_default()),
                pause: settings.pause,
            };
            (opened, Some(Change::Opened))
        }
        (
            State::Open {
                since,
                until,
                pause,
            },
            Event::Failed { retry_after },
        ) => {
            // What was under way when it opened says nothing new, unless it asks for a longer pause.
            let tried_anew = now >= until;
            let pause = if tried_anew {
                pause.saturating_mul(2).min(settings.longest_pause)
            } else {
                pause
            };
            let asked = now + retry_after.unwrap_or_default();
            let until = if tried_anew { now + pause } else { until };
            let state = State::Open {
                since,
                until: until.max(asked),
                pause,
            };
            (state, None)
        }
    }
}

/// What may be tried at `now`.
pub fn admission(state: State, now: Timestamp) -> Admission {
    match state {
        State::Closed { .. } => Admission::All,
        // A clock that stepped back does not lengthen the pause.
        State::Open { since, until, .. } if now >= until || now < since => Admission::One,
        State::Open { until, .. } => Admission::Nothing(until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const SETTINGS: Settings = Settings {
        failures: 3,
        pause: Duration::from_secs(5),
        longest_pause: Duration::from_secs(15),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(START.millis() + seconds * 1000)
    }

    /// Each step: second, event (`ok`, `no`, or `no` with the seconds asked for), and what then holds at that second.
    fn check(settings: &Settings, steps: &[(i64, &str, &str)]) {
        let mut state = State::default();
        for (second, event, want) in steps {
            let event = match event.split_once(' ') {
                None if *event == "ok" => Event::Answered,
                None => Event::Failed { retry_after: None },
                Some((_, wait)) => Event::Failed {
                    retry_after: Some(Duration::from_secs(wait.parse().unwrap())),
                },
            };
            let (next, change) = after(settings, state, event, at(*second));
            state = next;
            let admission = match admission(state, at(*second)) {
                Admission::All => "all".to_owned(),
                Admission::One => "one".to_owned(),
                Admission::Nothing(until) => {
                    format!("nothing until {}", (until.millis() - START.millis()) / 1000)
                }
            };
            let got = match change {
                None => admission,
                Some(change) => format!("{change:?}, {admission}").to_lowercase(),
            };
            assert_eq!(got, *want, "at second {second} of {steps:?}");
        }
    }

    #[test]
    fn failures_in_a_row_open_it() {
        check(
            &SETTINGS,
            &[
                (0, "no", "all"),
                (1, "no", "all"),
                (2, "no", "opened, nothing until 7"),
            ],
        );
    }

    #[test]
    fn an_answer_between_them_begins_anew() {
        check(
            &SETTINGS,
            &[
                (0, "no", "all"),
                (1, "no", "all"),
                (2, "ok", "all"),
                (3, "no", "all"),
                (4, "no", "all"),
                (5, "no", "opened, nothing until 10"),
            ],
        );
    }

    #[test]
    fn the_pause_grows_with_each_attempt_that_fails_and_one_answer_closes_it() {
        check(
            &SETTINGS,
            &[
                (0, "no", "all"),
                (0, "no", "all"),
                (0, "no", "opened, nothing until 5"),
                (5, "no", "nothing until 15"),
                (15, "no", "nothing until 30"),
                (31, "no", "nothing until 46"),
                (46, "ok", "closed, all"),
                (47, "no", "all"),
                (48, "no", "all"),
                (49, "no", "opened, nothing until 54"),
            ],
        );
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_lengthen_the_pause_unless_it_asks_to() {
        check(
            &SETTINGS,
            &[
                (0, "no", "all"),
                (0, "no", "all"),
                (0, "no", "opened, nothing until 5"),
                (1, "no", "nothing until 5"),
                (2, "no 60", "nothing until 62"),
                (3, "no 1", "nothing until 62"),
                (4, "ok", "closed, all"),
            ],
        );
    }

    #[test]
    fn a_wait_that_the_receiver_asks_for_is_a_lower_bound() {
        check(
            &SETTINGS,
            &[
                (0, "no 40", "all"),
                (0, "no 40", "all"),
                (0, "no 40", "opened, nothing until 40"),
                (40, "no 2", "nothing until 50"),
                (50, "no 100", "nothing until 150"),
            ],
        );
    }

    #[test]
    fn zero_failures_never_open_it() {
        let steps: Vec<_> = (0..50).map(|second| (second, "no", "all")).collect();
        check(&Settings::off(), &steps);
    }

    #[test]
    fn it_is_half_open_when_the_pause_is_over_and_when_the_clock_steps_back() {
        let open = State::Open {
            since: at(10),
            until: at(15),
            pause: Duration::from_secs(5),
        };
        assert_eq!(admission(open, at(14)), Admission::Nothing(at(15)));
        assert_eq!(admission(open, at(15)), Admission::One);
        assert_eq!(admission(open, at(-3600)), Admission::One);
    }
}
