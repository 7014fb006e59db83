//! A circuit breaker for each integration of each receiver: who fails again and again is left alone for a while.
//! The circuit itself is `model::circuit`.
//!
//! While it is open notifications wait in the outbox without attempts; they expire as ever. A refusal for good is an
//! answer too: the receiver is there. A wait that the receiver asks for (`Retry-After`) lengthens the pause.
//!
//! The state is kept in memory: after a restart or a reload everybody is tried again, since either may have mended it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::integration::{Reason, SendError};
use super::outbox::Place;
use crate::model::circuit::{Admission, Change, Event, Settings, State, admission, after};
use crate::model::timestamp::Timestamp;

/// What the result of an attempt to send shows.
pub fn event_of<T>(result: &Result<T, SendError>) -> Event {
    match result {
        Err(error) if error.retryable => Event::Failed {
            retry_after: error.retry_after,
        },
        Ok(_) | Err(_) => Event::Answered,
    }
}

/// A circuit as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Circuit {
    /// Where it stands.
    pub state: State,
    /// The last failure's class and text, empty where there was none since the last answer; never a secret.
    pub last_error: String,
    rate_limited: bool,
}

/// The circuits of all receivers; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Circuits(Arc<Mutex<BTreeMap<Place, Circuit>>>);

impl Circuits {
    /// Forgets everything; returns those that were open.
    pub fn reset(&self, places: impl Iterator<Item = Place>) -> Vec<Place> {
        let fresh = places.map(|place| (place, Circuit::default())).collect();
        let old = std::mem::replace(&mut *self.0.lock(), fresh);
        let open = old
            .into_iter()
            .filter(|(_, circuit)| matches!(circuit.state, State::Open { .. }));
        open.map(|(place, _)| place).collect()
    }

    /// Takes note of an attempt; says what changed, and whether what waits may be tried at once.
    pub fn record<T>(
        &self,
        settings: &Settings,
        place: &Place,
        result: &Result<T, SendError>,
        now: Timestamp,
    ) -> Option<Change> {
        let mut circuits = self.0.lock();
        let circuit = circuits.entry(place.clone()).or_default();
        let (state, change) = after(settings, circuit.state, event_of(result), now);
        circuit.state = state;
        match result {
            Err(error) if error.retryable => {
                circuit.last_error = format!("{}: {}", error.reason, error.detail);
                circuit.rate_limited = error.reason == Reason::RateLimited;
            }
            Ok(_) | Err(_) => circuit.last_error.clear(),
        }
        change
    }

    /// What may be sent to a receiver's integration.
    pub fn admission(&self, place: &Place, now: Timestamp) -> Admission {
        let circuits = self.0.lock();
        let state = circuits.get(place).map(|circuit| circuit.state);
        admission(state.unwrap_or_default(), now)
    }

    /// Whether the last failure was a request to slow down.
    pub fn was_rate_limited(&self, place: &Place) -> bool {
        let circuits = self.0.lock();
        circuits
            .get(place)
            .is_some_and(|circuit| circuit.rate_limited)
    }

    /// All of them, by receiver and integration.
    pub fn list(&self) -> Vec<(Place, Circuit)> {
        let circuits = self.0.lock();
        let pair = |(place, circuit): (&Place, &Circuit)| (place.clone(), circuit.clone());
        circuits.iter().map(pair).collect()
    }

    /// Those that are open.
    pub fn open(&self) -> Vec<(Place, State)> {
        let circuits = self.0.lock();
        let open = circuits
            .iter()
            .filter(|(_, circuit)| matches!(circuit.state, State::Open { .. }));
        open.map(|(place, circuit)| (place.clone(), circuit.state))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_good_is_an_answer() {
        let refused: Result<(), _> = Err(SendError::permanent(Reason::ClientError, "answered 400"));
        assert_eq!(event_of(&refused), Event::Answered);
        let busy: Result<(), _> = Err(SendError::temporary(Reason::ServerError, "answered 503"));
        assert_eq!(event_of(&busy), Event::Failed { retry_after: None });
    }
}
