//! Whom the worker leaves alone: those with their places taken, and those whose circuit is open.

use std::collections::HashMap;

use super::{Place, Worker};
use crate::db::outbox::{Outcome, Restraint, Take};
use crate::model::timestamp::Timestamp;
use crate::notify::breaker::{Admission, Change};
use crate::notify::integration::{Delivered, SendError};

impl Worker {
    /// Opens or closes a receiver's circuit.
    pub(super) fn judge(
        &mut self,
        place: &Place,
        result: &Result<Delivered, SendError>,
        now: Timestamp,
    ) {
        let receivers = self.with.receivers.load();
        let circuits = &self.with.circuits;
        let rate_limited = circuits.was_rate_limited(place);
        let change = circuits.record(&receivers.delivery.breaker, place, result, now);
        let (receiver, integration) = place;
        match change {
            None => {}
            Some(Change::Opened) => {
                self.with.metrics.circuit_opened(receiver, integration);
                let error = result.as_ref().err().map(ToString::to_string);
                tracing::warn!(
                    %receiver,
                    %integration,
                    error,
                    "circuit opened: the receiver fails again and again, notifications wait in the outbox"
                );
                // What was claimed and not begun waits there too.
                if let Some(lane) = self.lanes.get_mut(place) {
                    let waiting = lane.waiting.drain(..);
                    self.unwritten
                        .extend(waiting.map(|claimed| (claimed.notification, Outcome::Unsent)));
                }
            }
            Some(Change::Closed) => {
                self.with.metrics.circuit_closed(receiver, integration);
                tracing::info!(%receiver, %integration, "circuit closed: the receiver answers again");
                self.look = true;
                // Who asked to slow down is not sent everything at once.
                if !rate_limited {
                    self.revived.push(place.clone());
                }
            }
        }
    }

    /// Whom no more is claimed for, or less: those with their places taken, and those whose circuit is open.
    pub(super) fn restraints(&self, now: Timestamp) -> Vec<Restraint> {
        let receivers = self.with.receivers.load();
        let overdue = Take::WrittenBy(now - receivers.delivery.policy.expiry);
        let mut takes: HashMap<Place, Take> = HashMap::new();
        for (place, _) in self.with.circuits.open() {
            let under_way = self.lanes.get(&place).map_or(0, |lane| lane.under_way);
            let take = match self.with.circuits.admission(&place, now) {
                Admission::One if under_way == 0 => Take::One,
                Admission::One | Admission::Nothing(_) => overdue,
                Admission::All => continue,
            };
            takes.insert(place, take);
        }
        for (place, lane) in &self.lanes {
            if !lane.is_idle() {
                takes.insert(place.clone(), Take::Nothing);
            }
        }
        let restraint = |((receiver, integration), take): (Place, Take)| Restraint {
            receiver: receiver.to_string(),
            integration: integration.to_string(),
            take,
        };
        takes.into_iter().map(restraint).collect()
    }
}
