//! What pages and APIs are shown: groups, alerts and silences as they are at an instant.

use std::sync::Arc;

use super::super::route::{MutedBy, Route, Routing};
use super::{Dispatcher, order, status};
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::notification::AlertStatus;
use crate::model::timestamp::Timestamp;

/// The groups as pages and APIs show them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The groups, by receiver and key.
    pub groups: Vec<GroupSnapshot>,
}

/// One group.
#[derive(Clone, Debug)]
pub struct GroupSnapshot {
    /// Its key.
    pub key: Arc<str>,
    /// The route it belongs to.
    pub route_id: Arc<str>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// The labels it was formed by.
    pub labels: Labels,
    /// When it is flushed next.
    pub next_flush: Timestamp,
    /// Time intervals that keep it quiet: mute intervals that hold, or the active ones where none of them does.
    pub muted_by: Vec<String>,
    /// Its alerts, in the order of a notification.
    pub alerts: Vec<AlertSnapshot>,
}

/// One alert, of a group or by itself.
#[derive(Clone, Debug)]
pub struct AlertSnapshot {
    /// The alert.
    pub alert: Arc<Alert>,
    /// Firing or resolved now.
    pub status: AlertStatus,
    /// Fingerprint of an alert that inhibits it.
    pub inhibited_by: Option<String>,
    /// Ids of the silences that match it.
    pub silenced_by: Vec<Arc<str>>,
    /// The ack that holds for it.
    pub acked_by: Option<Arc<str>>,
}

/// What stands around an alert, whether there is one or not.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The routes that hold.
    pub routing: Arc<Routing>,
    /// Fingerprint of an alert that inhibits it.
    pub inhibited_by: Option<String>,
    /// Ids of the silences that match it.
    pub silenced_by: Vec<Arc<str>>,
}

impl Dispatcher {
    /// What stands around an alert with these labels at an instant.
    pub fn standing_of(&self, labels: &Labels, at: Timestamp) -> Standing {
        let inhibited = self.inhibitor.inhibited(labels, at);
        Standing {
            routing: Arc::clone(&self.routing),
            inhibited_by: inhibited.map(|(by, _)| by.to_string()),
            silenced_by: self.silences.silenced_by(labels, at),
        }
    }

    /// The groups and their alerts now.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let mut groups: Vec<GroupSnapshot> = self
            .groups
            .values()
            .map(|group| {
                let route = &self.routing.routes[group.route];
                let mut alerts: Vec<Arc<Alert>> = group
                    .members
                    .values()
                    .filter(|member| !member.lingering)
                    .map(|member| Arc::clone(&member.alert))
                    .collect();
                order::sort(&mut alerts);
                GroupSnapshot {
                    key: Arc::clone(&group.key),
                    route_id: Arc::clone(&route.id),
                    receiver: Arc::clone(&route.receiver.name),
                    labels: group.labels.clone(),
                    next_flush: group.next,
                    muted_by: muted_by(route, now),
                    alerts: alerts
                        .into_iter()
                        .map(|alert| self.shown(alert, now))
                        .collect(),
                }
            })
            .filter(|group| !group.alerts.is_empty())
            .collect();
        groups.sort_by(|a, b| (&a.receiver, &a.key).cmp(&(&b.receiver, &b.key)));
        Snapshot { groups }
    }

    /// The alerts that fire, each with the receivers of its routes, in no order.
    pub fn firing(&self, now: Timestamp) -> Vec<(AlertSnapshot, Vec<Arc<str>>)> {
        self.alerts
            .values()
            .filter(|stored| !stored.alert.is_resolved(now))
            .map(|stored| {
                let routes = self.routing.matching(&stored.alert.labels);
                let receiver = |route: usize| Arc::clone(&self.routing.routes[route].receiver.name);
                let receivers = routes.into_iter().map(receiver).collect();
                (self.shown(Arc::clone(&stored.alert), now), receivers)
            })
            .collect()
    }

    pub(super) fn shown(&self, alert: Arc<Alert>, now: Timestamp) -> AlertSnapshot {
        AlertSnapshot {
            status: status(&alert, now),
            inhibited_by: self
                .inhibitor
                .inhibited(&alert.labels, now)
                .map(|(by, _)| by.to_string()),
            silenced_by: self.silences.silenced_by(&alert.labels, now),
            acked_by: self
                .acks
                .holding(&alert.labels)
                .map(|ack| Arc::clone(&ack.id)),
            alert,
        }
    }
}

fn muted_by(route: &Route, now: Timestamp) -> Vec<String> {
    let holding = route.mute.iter().filter(|interval| interval.contains(now));
    let intervals: Vec<_> = match route.muted_at(now) {
        None => return Vec::new(),
        Some(MutedBy::Inactive) => route.active.iter().collect(),
        Some(MutedBy::Interval(_)) => holding.collect(),
    };
    intervals
        .into_iter()
        .map(|interval| interval.name.clone())
        .collect()
}
