//! What pages and APIs are shown: groups, alerts and silences as they are at an instant.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::super::route::{MutedBy, Route, Routing};
use super::{Dispatcher, order, status};
use crate::model::alert::Alert;
use crate::model::labels::{ALERT_NAME, Fingerprint, Labels};
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

/// Which of the alerts that fire.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Each.
    All,
    /// Those of a name.
    Named(String),
    /// One.
    One(Fingerprint),
}

impl Wanted {
    /// Whether an alert with these labels is among them.
    pub fn takes(&self, labels: &Labels) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => labels.value(ALERT_NAME) == name,
            Self::One(fingerprint) => labels.fingerprint() == *fingerprint,
        }
    }
}

/// Alerts that fire, each once, and the groups they are in: what pages are made of. Nothing is in any order, so that a page
/// sorts no more than it shows, and not in the dispatcher.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The alerts.
    pub alerts: Vec<Viewed>,
    /// The groups that any of them is in.
    pub groups: Vec<ViewedGroup>,
}

/// One alert.
#[derive(Clone, Debug)]
pub struct Viewed {
    /// How it stands.
    pub shown: AlertSnapshot,
    /// Whether it is held because it changes too often.
    pub flaps: bool,
    /// Its groups, by their places in [`View::groups`].
    pub groups: SmallVec<[usize; 1]>,
}

/// One group, without its alerts.
#[derive(Clone, Debug)]
pub struct ViewedGroup {
    /// Its key.
    pub key: Arc<str>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// The labels it was formed by.
    pub labels: Labels,
    /// When it is flushed next.
    pub next_flush: Timestamp,
    /// As in [`GroupSnapshot::muted_by`].
    pub muted_by: Vec<String>,
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

    /// Alerts that fire, and their groups.
    pub fn view(&self, wanted: &Wanted, now: Timestamp) -> View {
        let mut view = View::default();
        let mut places: HashMap<&Labels, usize> = HashMap::new();
        for stored in self.alerts.values() {
            let alert = &stored.alert;
            if alert.is_resolved(now) || !wanted.takes(&alert.labels) {
                continue;
            }
            places.insert(&alert.labels, view.alerts.len());
            view.alerts.push(Viewed {
                shown: self.shown(Arc::clone(alert), now),
                flaps: self.flaps.held(&alert.labels).is_some(),
                groups: SmallVec::new(),
            });
        }
        if view.alerts.is_empty() {
            return view;
        }
        for group in self.groups.values() {
            let number = view.groups.len();
            let mut is_meant = false;
            let members = group.members.values().filter(|member| !member.lingering);
            for place in members.filter_map(|member| places.get(&member.alert.labels)) {
                view.alerts[*place].groups.push(number);
                is_meant = true;
            }
            if is_meant {
                let route = &self.routing.routes[group.route];
                view.groups.push(ViewedGroup {
                    key: Arc::clone(&group.key),
                    receiver: Arc::clone(&route.receiver.name),
                    labels: group.labels.clone(),
                    next_flush: group.next,
                    muted_by: muted_by(route, now),
                });
            }
        }
        view
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Restored;
    use super::*;
    use crate::alerts::config::tests::routing;
    use crate::model::alert::Course;

    #[test]
    fn each_alert_that_fires_is_seen_once_with_all_its_groups() {
        let routing = routing(
            "route: {receiver: a, routes: [{receiver: b, matchers: [job=db], continue: true}, {receiver: c}]}",
        )
        .unwrap();
        let now = Timestamp::from_millis(1_000_000_000);
        let mut dispatcher = Dispatcher::new(Arc::new(routing), Restored::default(), now);
        let alert = |name: &str, job: &str, ends_in: i64| Alert {
            labels: Labels::from_pairs([("alertname", name), ("job", job)]),
            annotations: Labels::empty(),
            starts_at: now - Duration::from_secs(60),
            ends_at: Timestamp::from_millis(now.millis() + ends_in),
            updated_at: now,
            generator_url: "".into(),
            value: None,
            course: Course::default(),
        };
        for alert in [
            alert("Slow", "db", 1_000),
            alert("Slow", "api", 1_000),
            alert("Down", "api", 1_000),
            alert("Over", "db", -1),
        ] {
            dispatcher.insert(alert, now);
        }
        let check = |wanted: Wanted, want: &[(&str, &str, &[&str])]| {
            let view = dispatcher.view(&wanted, now);
            let mut seen: Vec<(&str, &str, Vec<&str>)> = view
                .alerts
                .iter()
                .map(|one| {
                    let labels = &one.shown.alert.labels;
                    let groups = one
                        .groups
                        .iter()
                        .map(|group| &*view.groups[*group].receiver);
                    let mut groups: Vec<&str> = groups.collect();
                    groups.sort_unstable();
                    (labels.value("alertname"), labels.value("job"), groups)
                })
                .collect();
            seen.sort_unstable();
            let want: Vec<_> = want
                .iter()
                .map(|(name, job, groups)| (*name, *job, groups.to_vec()))
                .collect();
            assert_eq!(seen, want, "{wanted:?}");
        };
        let down = ("Down", "api", &["c"][..]);
        check(
            Wanted::All,
            &[down, ("Slow", "api", &["c"]), ("Slow", "db", &["b", "c"])],
        );
        check(
            Wanted::Named("Slow".to_owned()),
            &[("Slow", "api", &["c"]), ("Slow", "db", &["b", "c"])],
        );
        check(Wanted::One(alert("Down", "api", 0).fingerprint()), &[down]);
        check(Wanted::Named("Over".to_owned()), &[]);
    }
}
