//! What of alerts and groups outlives the process: alerts that others posted, and when each group is due.
//!
//! Changes are noted here as they happen and written with the next transaction, which for posted alerts comes before their
//! sender is answered. Alerts of our own rules are not stored, their groups' timers are.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Dispatcher, Group, Stored};
use crate::alerts::route::Route;
use crate::db::alert_state::{GroupTimer, PostedRow, StateChanges};
use crate::model::alert::Alert;
use crate::model::timestamp::Timestamp;

/// What changed since it was last written.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    /// By number; `None` where the alert is over.
    alerts: BTreeMap<i64, Option<PostedRow>>,
    timers: HashMap<i64, Option<GroupTimer>>,
}

impl Unwritten {
    /// Notes an alert's state; `before` is the one it takes the place of.
    pub(super) fn alert(&mut self, stored: &Stored, before: Option<&Alert>) {
        let is_changed = before.is_none_or(|before| says_else(before, &stored.alert));
        let noted = self.alerts.get(&stored.row);
        let is_noted = matches!(noted, Some(Some(noted)) if noted.is_changed);
        let row = PostedRow {
            id: stored.row,
            alert: Arc::clone(&stored.alert),
            assumed_end: stored.assumed_end,
            is_changed: is_changed || is_noted,
        };
        self.alerts.insert(stored.row, Some(row));
    }

    /// Notes that an alert is over.
    pub(super) fn forget(&mut self, stored: &mut Stored) {
        if stored.row != 0 {
            self.alerts.insert(std::mem::take(&mut stored.row), None);
        }
    }

    /// Notes when a group is due.
    pub(super) fn group(&mut self, group: &Group) {
        let timer = GroupTimer {
            next: group.next,
            has_flushed: group.has_flushed,
        };
        self.timers.insert(group.timer, Some(timer));
    }

    /// Notes that a group is gone.
    pub(super) fn gone(&mut self, timer: i64) {
        self.timers.insert(timer, None);
    }
}

/// Whether two states of an alert differ in more than their times.
fn says_else(a: &Alert, b: &Alert) -> bool {
    a.starts_at != b.starts_at
        || a.annotations != b.annotations
        || a.generator_url != b.generator_url
        || a.value != b.value
        || a.course != b.course
}

/// Names a group's timer: 64 bits of FNV-1a over route and key, the same in every version.
pub(super) fn timer_of(route: &Route, group_key: &str) -> i64 {
    let bytes = route.id.bytes().chain([0xff]).chain(group_key.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}

impl Dispatcher {
    /// What is to be written, once.
    pub fn take_unwritten(&mut self) -> StateChanges {
        let mut changes = StateChanges::default();
        for (id, row) in std::mem::take(&mut self.unwritten.alerts) {
            match row {
                Some(row) => changes.posted.push(row),
                None => changes.forgotten.push(id),
            }
        }
        changes.timers = std::mem::take(&mut self.unwritten.timers)
            .into_iter()
            .collect();
        changes
    }

    /// Whether anything is to be written.
    pub fn has_unwritten(&self) -> bool {
        !self.unwritten.alerts.is_empty() || !self.unwritten.timers.is_empty()
    }

    /// Takes up posted alerts and timers that were stored, before any alert comes: groups keep the time they are due at.
    pub fn restore(&mut self, stored: StateChanges, now: Timestamp) {
        let timer = |(id, timer): (i64, Option<GroupTimer>)| timer.map(|timer| (id, timer));
        self.stored_timers = stored.timers.into_iter().filter_map(timer).collect();
        // The alerts that flap are there already.
        for (id, group) in &mut self.groups {
            if let Some(timer) = self.stored_timers.remove(&group.timer) {
                self.timers.remove(&(group.next, *id));
                (group.next, group.has_flushed) = (timer.next, timer.has_flushed);
                self.timers.insert((group.next, *id));
                self.unwritten.group(group);
            }
        }
        for id in stored.forgotten {
            self.unwritten.alerts.insert(id, None);
        }
        for row in stored.posted {
            self.next_row = self.next_row.max(row.id + 1);
            if let Some(held) = self.alerts.get_mut(&row.alert.labels) {
                held.row = row.id;
                continue;
            }
            self.inhibitor.observe(&row.alert, now);
            self.census.add(row.alert.ends_at);
            let stored = Stored {
                alert: Arc::clone(&row.alert),
                assumed_end: row.assumed_end,
                groups: 0,
                row: row.id,
            };
            self.alerts.insert(stored);
            for route in self.routing.matching(&row.alert.labels) {
                self.insert_into_group(route, &row.alert, now, true);
            }
        }
    }

    /// Notes everything anew: all times changed.
    pub(super) fn note_all(&mut self) {
        for stored in self.alerts.values().filter(|stored| stored.row != 0) {
            self.unwritten.alert(stored, None);
        }
        self.note_timers();
    }

    /// Notes when every group is due.
    pub(super) fn note_timers(&mut self) {
        for group in self.groups.values() {
            self.unwritten.group(group);
        }
    }

    /// Forgets the timers of groups that did not come back.
    pub(super) fn sweep_timers(&mut self) {
        for (timer, _) in self.stored_timers.drain() {
            self.unwritten.gone(timer);
        }
    }
}
