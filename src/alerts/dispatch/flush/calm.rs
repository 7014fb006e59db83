//! What storms and flapping alerts have to do with a flush.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::super::flap::{flagged, is_all_the_news};
use super::super::super::storm::Due;
use super::super::super::throttle::config::SEVERITY;
use super::super::{Dispatcher, Group, Writes};
use super::{Context, Seen};
use crate::db::notification_log::Told;
use crate::db::outbox::OutboxRow;
use crate::model::notification::{AlertStatus, Reason};
use crate::model::timestamp::Timestamp;

impl Dispatcher {
    /// Alerts that ceased to flap are seen as they are.
    pub(super) fn release_flapping(&mut self, now: Timestamp, writes: &mut Writes) {
        let routing = Arc::clone(&self.routing);
        for released in self.flaps.release(&routing.flapping, now, writes) {
            self.place(released.alert, released.assumed_end, false, now);
        }
    }

    /// The messages of storms that are due.
    pub(super) fn storm_messages(&mut self, now: Timestamp, writes: &mut Writes) -> Vec<OutboxRow> {
        let routing = Arc::clone(&self.routing);
        let throttle = &self.throttle;
        let waits = |receiver: &str| throttle.gathers(receiver);
        let due = self.storms.take_due(&routing.storm, now, waits, writes);
        let mut rows = Vec::new();
        for due in due {
            for integration in self.storm_integrations(&due) {
                let row = self.throttle.storm_message(&due, &integration, now, writes);
                rows.push(row);
            }
        }
        rows
    }

    fn storm_integrations(&self, due: &Due) -> Vec<Arc<str>> {
        let mut integrations = self.throttle.gathering(&due.receiver);
        if due.to_all {
            let mut routes = self.routing.routes.iter();
            let route = routes.find(|route| route.receiver.name == due.receiver);
            for target in route.into_iter().flat_map(|route| &route.receiver.targets) {
                if !integrations.contains(&target.text) {
                    integrations.push(Arc::clone(&target.text));
                }
            }
        }
        integrations
    }

    /// Counts the alerts that the receiver is first to be told of, which may begin a storm; returns what the message is
    /// sent for.
    pub(super) fn news(
        &mut self,
        group: &mut Group,
        alerts: &[&Seen],
        told: Option<&Told>,
        reason: Reason,
        context: &Context<'_>,
        writes: &mut Writes,
    ) -> Reason {
        let routing = Arc::clone(&self.routing);
        let is_told = |hash: u64| told.is_some_and(|told| told.firing.binary_search(&hash).is_ok());
        let mut begun: Vec<&str> = Vec::new();
        for seen in alerts {
            let Some(member) = group.members.get_mut(&seen.alert.labels) else {
                continue;
            };
            let fires = seen.status == AlertStatus::Firing;
            let known = is_told(seen.fingerprint) || is_told(flagged(seen.fingerprint));
            let counts = !routing.storm.exempts(seen.alert.labels.value(SEVERITY));
            if fires && !known && !seen.acked && !member.counted && counts {
                begun.push(seen.alert.name());
            }
            // Each of its integrations, and each message that replaces an undelivered one, comes by here.
            member.counted = fires;
        }
        if !begun.is_empty() {
            let receiver = &context.route.receiver.name;
            let names = begun.into_iter();
            let begins = self
                .storms
                .begun(&routing.storm, receiver, names, context.now, writes);
            if begins {
                let held = |severity: &str| !routing.storm.exempts(severity);
                self.throttle.storm_begins(receiver, held, writes);
            }
        }
        match (reason, told) {
            (Reason::FirstNotification | Reason::NewAlerts, Some(told)) => {
                let (firing, _) = super::state_of(alerts, Some(told));
                let held = alerts.iter().filter(|seen| seen.flapping.is_some());
                let held: HashSet<u64> = held.map(|seen| seen.fingerprint).collect();
                if is_all_the_news(&firing, &told.firing, |hash| held.contains(&hash)) {
                    Reason::Flapping
                } else {
                    reason
                }
            }
            (reason, _) => reason,
        }
    }
}
