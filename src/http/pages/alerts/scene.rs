//! All alerts that there are now, with what is said of each.

use std::collections::HashSet;
use std::sync::Arc;

use smallvec::SmallVec;

use super::State;
use crate::alerts::dispatch::view::View;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::notification::FLAPPING;
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
    pub(in crate::http::pages) groups: SmallVec<[usize; 1]>,
}

/// A group of alerts.
#[derive(Clone, Debug)]
pub(in crate::http::pages) struct Group {
    pub(in crate::http::pages) key: Arc<str>,
    pub(in crate::http::pages) receiver: Arc<str>,
    pub(in crate::http::pages) labels: Labels,
    pub(in crate::http::pages) next: Timestamp,
    pub(in crate::http::pages) muted_by: Vec<String>,
}

impl Group {
    /// What orders groups that have the same first alert.
    pub(in crate::http::pages) fn name(&self) -> (&str, &str) {
        (&self.receiver, &self.key)
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(in crate::http::pages) struct Scene {
    pub(in crate::http::pages) alerts: Vec<Seen>,
    pub(in crate::http::pages) groups: Vec<Group>,
}

impl Scene {
    /// From what the routes and the rules know.
    pub(in crate::http::pages) fn of(view: View, pending: Vec<Alert>) -> Self {
        let groups: Vec<Group> = view
            .groups
            .into_iter()
            .map(|group| Group {
                key: group.key,
                receiver: group.receiver,
                labels: group.labels,
                next: group.next_flush,
                muted_by: group.muted_by,
            })
            .collect();
        let mut alerts = Vec::with_capacity(view.alerts.len() + pending.len());
        for viewed in view.alerts {
            let shown = viewed.shown;
            let muted = |group: &usize| !groups[*group].muted_by.is_empty();
            let quiet = [
                (State::Silenced, !shown.silenced_by.is_empty()),
                (State::Inhibited, shown.inhibited_by.is_some()),
                (State::Muted, viewed.groups.iter().all(muted)),
                (State::Acked, shown.acked_by.is_some()),
            ];
            let mut states = States::default();
            for (state, holds) in quiet {
                states.add(state, holds);
            }
            let active = quiet.iter().all(|(_, holds)| !holds);
            let flaps = viewed.flaps || shown.alert.annotations.get(FLAPPING).is_some();
            states.add(State::Active, active);
            states.add(State::Firing, true);
            states.add(State::Flapping, flaps);
            alerts.push(Seen {
                states,
                silenced_by: shown.silenced_by,
                inhibited_by: shown.inhibited_by,
                acked_by: shown.acked_by,
                alert: shown.alert,
                groups: viewed.groups,
            });
        }
        if !pending.is_empty() {
            let firing: HashSet<Labels> = alerts
                .iter()
                .map(|seen| seen.alert.labels.clone())
                .collect();
            let pending = pending
                .into_iter()
                .filter(|alert| !firing.contains(&alert.labels));
            alerts.extend(pending.map(|alert| Seen {
                alert: Arc::new(alert),
                states: States::of(&[State::Pending]),
                silenced_by: Vec::new(),
                inhibited_by: None,
                acked_by: None,
                groups: SmallVec::new(),
            }));
        }
        Self { alerts, groups }
    }
}
