//! Whom the worker leaves alone for a while: those whose circuit is open.

use super::{CLAIMED_AT_ONCE, Place, Receivers, Worker};
use crate::db::outbox::{Claimed, Lane, Take};
use crate::model::circuit::{Admission, Change};
use crate::model::timestamp::Timestamp;
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
            }
            Some(Change::Closed) => {
                self.with.metrics.circuit_closed(receiver, integration);
                tracing::info!(%receiver, %integration, "circuit closed: the receiver answers again");
                // Who asked to slow down is not sent everything at once.
                if !rate_limited {
                    self.revive(place);
                }
            }
        }
    }

    /// Whether a claimed notification may be begun, with so many under way to the same integration.
    pub(super) fn may_start(
        &self,
        place: &Place,
        claimed: &Claimed,
        under_way: u32,
        now: Timestamp,
    ) -> bool {
        match self.with.circuits.admission(place, now) {
            Admission::All => true,
            Admission::One if under_way == 0 => true,
            // It is given up without asking anybody.
            Admission::One | Admission::Nothing(_) => {
                let receivers = self.with.receivers.load();
                let policy = &receivers.delivery.policy;
                let created_at = claimed.notification.created_at;
                now >= policy.expires_at(created_at, claimed.expires_at)
            }
        }
    }

    /// What may be claimed for those whose circuit is open.
    pub(super) fn restraints(&self, now: Timestamp) -> Vec<(Lane, Take)> {
        let receivers = self.with.receivers.load();
        let expired_by = now - receivers.delivery.policy.expiry;
        let restraint = |(place, _): (Place, _)| {
            let lane = self.lanes.get(&place);
            let is_free = lane.is_none_or(|lane| lane.under_way == 0 && lane.waiting.is_empty());
            let take = match self.with.circuits.admission(&place, now) {
                Admission::All => return None,
                Admission::One if is_free => Take::One,
                Admission::One | Admission::Nothing(_) if is_free => {
                    Take::WrittenBy(expired_by, CLAIMED_AT_ONCE)
                }
                Admission::One | Admission::Nothing(_) => Take::UpTo(0),
            };
            Some(((place.0, place.1.to_string().into()), take))
        };
        let open = self.with.circuits.open().into_iter();
        open.filter_map(restraint).collect()
    }

    /// When the next one of those may be tried.
    pub(super) fn next_trial(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.with.circuits.open().into_iter();
        let until = |(place, _)| match self.with.circuits.admission(&place, now) {
            Admission::Nothing(until) => Some(until),
            Admission::One | Admission::All => None,
        };
        open.filter_map(until).min()
    }

    /// Closes every circuit: a reload may have mended what was wrong.
    pub(super) fn close_all(&mut self, receivers: &Receivers) {
        for place in self.with.circuits.reset(receivers.places().cloned()) {
            let (receiver, integration) = &place;
            tracing::info!(%receiver, %integration, "circuit closed by a reload: the receiver is tried anew");
            self.with.metrics.circuit_closed(receiver, integration);
            self.revive(&place);
        }
    }

    /// Makes due what waits for an integration.
    fn revive(&mut self, (receiver, integration): &Place) {
        let lane = (receiver.to_string(), integration.to_string());
        self.unwritten.revived.push(lane);
        self.look = true;
    }
}
