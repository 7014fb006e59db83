//! All alerts that there are now, with what is said of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::State;
use crate::alerts::dispatch::view::Snapshot;
use crate::model::alert::Alert;
use crate::model::labels::{Fingerprint, Labels};
use crate::model::notification::{AlertStatus, FLAPPING};
use crate::model::timestamp::Timestamp;

/// What is said of an alert, as a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::http::pages) struct States(u8);

impl States {
    pub(in crate::http::pages) fn of(states: &[State]) -> Self {
        Self(states.iter().fold(0, |all, state| all | Self::bit(*state)))
    }

    pub(in crate::http::pages) fn has(self, state: State) -> bool {
        self.0 & Self::bit(state) != 0
    }

    pub(in crate::http::pages) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The strongest first.
    pub(in crate::http::pages) fn list(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| self.has(*state))
    }

    fn add(&mut self, state: State, holds: bool) {
        if holds {
            self.0 |= Self::bit(state);
        }
    }

    fn bit(state: State) -> u8 {
        let place = State::ALL.iter().position(|other| *other == state);
        1 << place.unwrap_or_default()
    }
}

/// An alert and what is said of it.
#[derive(Clone, Debug)]
pub(in crate::http::pages) struct Seen {
    pub(in crate::http::pages) alert: Arc<Alert>,
    pub(in crate::http::pages) states: States,
    pub(in crate::http::pages) silenced_by: Vec<Arc<str>>,
    pub(in crate::http::pages) inhibited_by: Option<String>,
    pub(in crate::http::pages) acked_by: Option<Arc<str>>,
    /// The groups it is in, by their places.
    pub(in crate::http::pages) groups: Vec<usize>,
}

/// A group of alerts.
#[derive(Clone, Debug)]
pub(in crate::http::pages) struct Group {
    pub(in crate::http::pages) receiver: Arc<str>,
    pub(in crate::http::pages) labels: Labels,
    pub(in crate::http::pages) next: Timestamp,
    pub(in crate::http::pages) muted_by: Vec<String>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(in crate::http::pages) struct Scene {
    pub(in crate::http::pages) alerts: Vec<Seen>,
    pub(in crate::http::pages) groups: Vec<Group>,
}

impl Scene {
    /// From what the routes and the rules know.
    pub(in crate::http::pages) fn of(
        snapshot: Snapshot,
        pending: Vec<Alert>,
        flapping: &HashSet<Fingerprint>,
    ) -> Self {
        let mut scene = Self::default();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for group in snapshot.groups {
            let place = scene.groups.len();
            for shown in group.alerts {
                if shown.status != AlertStatus::Firing {
                    continue;
                }
                if let Some(known) = places.get(&shown.alert.labels) {
                    scene.alerts[*known].groups.push(place);
                    continue;
                }
                places.insert(shown.alert.labels.clone(), scene.alerts.len());
                scene.alerts.push(Seen {
                    states: States::default(),
                    silenced_by: shown.silenced_by,
                    inhibited_by: shown.inhibited_by,
                    acked_by: shown.acked_by,
                    alert: shown.alert,
                    groups: vec![place],
                });
            }
            scene.groups.push(Group {
                receiver: group.receiver,
                labels: group.labels,
                next: group.next_flush,
                muted_by: group.muted_by,
            });
        }
        for seen in &mut scene.alerts {
            let muted = |group: &usize| !scene.groups[*group].muted_by.is_empty();
            let muted = seen.groups.iter().all(muted);
            let quiet = [
                (State::Silenced, !seen.silenced_by.is_empty()),
                (State::Inhibited, seen.inhibited_by.is_some()),
                (State::Muted, muted),
                (State::Acked, seen.acked_by.is_some()),
            ];
            for (state, holds) in quiet {
                seen.states.add(state, holds);
            }
            let active = quiet.iter().all(|(_, holds)| !holds);
            let flaps = flapping.contains(&seen.alert.fingerprint())
                || seen.alert.annotations.get(FLAPPING).is_some();
            seen.states.add(State::Active, active);
            seen.states.add(State::Firing, true);
            seen.states.add(State::Flapping, flaps);
        }
        for alert in pending {
            if places.contains_key(&alert.labels) {
                continue;
            }
            scene.alerts.push(Seen {
                alert: Arc::new(alert),
                states: States::of(&[State::Pending]),
                silenced_by: Vec::new(),
                inhibited_by: None,
                acked_by: None,
                groups: Vec::new(),
            });
        }
        scene
    }
}
