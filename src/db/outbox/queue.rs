//! What is on its way, in memory: which notification is due for whom, and which is being sent.
//!
//! The rows say what has to be told, this says how far it is: one process owns the database, so that nothing of it need be
//! written before there is an outcome. What a transaction changes counts here once it is committed
//! ([`Change`]); while one decides over notifications that wait, none of them is taken ([`Queue::deciding`]).
//!
//! ```text
//! lane (receiver, integration) ── due: (next attempt, number) of the first of each group that is not being sent
//! place (group, lane)          ── its notifications, oldest first
//! ```
//!
//! The newest notifications are kept as a whole until they are sent, up to [`KEPT_ALERTS`]; the others are read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::{Backlog, Fate, Take};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// Alerts of notifications that are kept as a whole, each notification counting as one more.
const KEPT_ALERTS: usize = 8_192;
/// Bytes of notifications that are taken at a time, about; at least one for each integration all the same.
const TAKEN_BYTES: usize = 512 << 10;

/// What waits and what is being sent. Clones of a database share it.
#[derive(Debug, Default)]
pub(in crate::db) struct Queue {
    state: Mutex<State>,
    deciding: Arc<tokio::sync::Mutex<()>>,
}

/// A notification on its way.
#[derive(Debug)]
pub(in crate::db) struct Entry {
    pub(super) id: Arc<str>,
    pub(super) idempotency_key: Arc<str>,
    pub(super) lane: usize,
    /// Whether it tells of many groups.
    pub(super) gathers: bool,
    /// A keyed hash of group and lane.
    pub(super) place: u64,
    pub(super) created_at: Timestamp,
    pub(super) next_attempt_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) last_error: Option<Box<str>>,
    /// Size of the row's payload.
    pub(super) bytes: usize,
    pub(super) sending: bool,
    pub(super) notification: Option<Box<Notification>>,
}

/// What a committed transaction did.
#[derive(Debug)]
pub(in crate::db) enum Change {
    /// It is on its way.
    Added(i64, Box<Entry>),
    /// It says something else now.
    Rewritten(i64),
    /// It waits for its next attempt.
    Waits {
        number: i64,
        at: Timestamp,
        error: Box<str>,
        now: Timestamp,
    },
    /// It waits as if it had not been taken.
    Returned(i64),
    /// It is on its way no longer.
    Ended(i64),
    /// What waits for this integration's next attempt is due.
    Revived((String, String), Timestamp),
}

/// A row that cannot be read: its number, the notification's id where that can be told, and why.
pub(super) type Unreadable = (i64, Option<Arc<str>>, String);

/// A notification that was taken.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) number: i64,
    pub(super) id: Arc<str>,
    pub(super) attempts: u32,
    pub(super) last_error: Option<Box<str>>,
    pub(super) expires_at: Option<Timestamp>,
    /// `None` where it has to be read.
    pub(super) notification: Option<Box<Notification>>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<i64, Entry>,
    by_id: HashMap<Arc<str>, i64>,
    by_place: BTreeSet<(u64, i64)>,
    lanes: Vec<Lane>,
    kept: usize,
    last: i64,
    hasher: RandomState,
    /// Rows that could not be read at the start, and why.
    unreadable: Vec<Unreadable>,
}

#[derive(Debug)]
struct Lane {
    receiver: Arc<str>,
    integration: Arc<str>,
    due: BTreeSet<(Timestamp, i64)>,
}

impl Queue {
    /// Keeps everything that waits from being taken until it is dropped.
    pub(in crate::db) async fn decide(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.deciding).lock_owned().await
    }

    /// So many numbers for new rows, from the one returned.
    pub(super) fn numbers(&self, count: usize) -> i64 {
        let mut state = self.state.lock();
        let first = state.last + 1;
        state.last += i64::try_from(count).unwrap_or(i64::MAX);
        first
    }

    /// No row has a higher number than this.
    pub(super) fn numbered_up_to(&self, last: i64) {
        let mut state = self.state.lock();
        state.last = state.last.max(last);
    }

    /// Lane and place of a notification.
    pub(super) fn place(&self, notification: &Notification, integration: &str) -> (usize, u64) {
        let mut state = self.state.lock();
        let lane = state.lane(&notification.receiver, integration);
        let place = state.hasher.hash_one((&*notification.group_key, lane));
        (lane, place)
    }

    /// The one with the same key that is on its way to the same place.
    pub(super) fn holder(&self, place: u64, idempotency_key: &str) -> Option<i64> {
        let state = self.state.lock();
        let mut there = state.of_place(place);
        let holder = there.find(|(_, entry)| *entry.idempotency_key == *idempotency_key);
        holder.map(|(number, _)| number)
    }

    /// A row that cannot be read, its notification's id where at least that can be told, and why.
    pub(super) fn passed_over(&self, number: i64, id: Option<Arc<str>>, why: String) {
        self.state.lock().unreadable.push((number, id, why));
    }

    pub(super) fn take_unreadable(&self) -> Vec<Unreadable> {
        std::mem::take(&mut self.state.lock().unreadable)
    }

    /// What a transaction that is committed did.
    pub(in crate::db) fn apply(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for change in changes {
            state.apply(change);
        }
    }

    /// The number of a notification that is on its way, and whether it is being sent.
    pub(super) fn find(&self, id: &str) -> Option<(i64, Fate)> {
        let state = self.state.lock();
        let number = *state.by_id.get(id)?;
        let fate = match state.entries.get(&number)?.sending {
            true => Fate::Sending,
            false => Fate::Pending,
        };
        Some((number, fate))
    }

    /// Whether it is a message about many groups.
    pub(super) fn gathers(&self, number: i64) -> bool {
        let state = self.state.lock();
        state
            .entries
            .get(&number)
            .is_some_and(|entry| entry.gathers)
    }

    /// Whether the row is of one that is being sent.
    pub(super) fn is_sending(&self, number: i64) -> bool {
        let state = self.state.lock();
        state
            .entries
            .get(&number)
            .is_some_and(|entry| entry.sending)
    }

    /// The notification that waits behind this one.
    pub(super) fn behind(&self, number: i64) -> Option<Arc<str>> {
        let state = self.state.lock();
        let place = state.entries.get(&number)?.place;
        let later = (place, number + 1)..=(place, i64::MAX);
        let (_, next) = state.by_place.range(later).next()?;
        let entry = state.entries.get(next)?;
        (!entry.sending).then(|| Arc::clone(&entry.id))
    }

    /// Takes what is due, at most `limit` of a lane where `limits` says nothing else.
    pub(super) fn take(&self, limit: impl Fn(&str, &str) -> Take, now: Timestamp) -> Vec<Picked> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        for lane in 0..state.lanes.len() {
            let numbers = state.due(lane, &limit, now);
            taken.extend(numbers.into_iter().filter_map(|number| state.pick(number)));
        }
        taken
    }

    /// How much waits at `now`, and until when.
    pub(super) fn backlog(&self, now: Timestamp) -> Backlog {
        let state = self.state.lock();
        let after = (now, i64::MAX);
        let next = state.lanes.iter().filter_map(|lane| {
            use std::ops::Bound::{Excluded, Unbounded};
            lane.due.range((Excluded(after), Unbounded)).next()
        });
        Backlog {
            waiting: u64::try_from(state.entries.len()).unwrap_or(u64::MAX),
            oldest: state.entries.values().next().map(|entry| entry.created_at),
            next_attempt: next.map(|(at, _)| *at).min(),
        }
    }

    /// Makes due what was last touched later than `now`.
    pub(super) fn clock_stepped_back(&self, now: Timestamp) {
        let mut state = self.state.lock();
        let ahead = state
            .entries
            .iter()
            .filter(|(_, entry)| entry.updated_at > now);
        let ahead: Vec<i64> = ahead.map(|(number, _)| *number).collect();
        for number in ahead {
            if let Some(entry) = state.entries.get_mut(&number) {
                entry.updated_at = now;
            }
            state.reschedule(number, now);
        }
    }
}

impl State {
    fn lane(&mut self, receiver: &Arc<str>, integration: &str) -> usize {
        let is_it = |lane: &Lane| *lane.receiver == **receiver && &*lane.integration == integration;
        if let Some(known) = self.lanes.iter().position(is_it) {
            return known;
        }
        self.lanes.push(Lane {
            receiver: Arc::clone(receiver),
            integration: integration.into(),
            due: BTreeSet::new(),
        });
        self.lanes.len() - 1
    }

    fn of_place(&self, place: u64) -> impl Iterator<Item = (i64, &Entry)> {
        let there = self.by_place.range((place, i64::MIN)..=(place, i64::MAX));
        there.filter_map(|(_, number)| Some((*number, self.entries.get(number)?)))
    }

    /// Shows the first one of a place as due, where it is not being sent.
    fn expose(&mut self, place: u64) {
        let Some((number, entry)) = self.of_place(place).next() else {
            return;
        };
        if !entry.sending {
            let (lane, at) = (entry.lane, entry.next_attempt_at);
            self.lanes[lane].due.insert((at, number));
        }
    }

    fn reschedule(&mut self, number: i64, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        let was = std::mem::replace(&mut entry.next_attempt_at, at);
        let due = &mut self.lanes[entry.lane].due;
        if due.remove(&(was, number)) {
            due.insert((at, number));
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Added(number, mut entry) => {
                let kept = weight(&entry);
                if self.kept + kept > KEPT_ALERTS {
                    entry.notification = None;
                } else {
                    self.kept += kept;
                }
                let place = entry.place;
                self.by_id.insert(Arc::clone(&entry.id), number);
                self.by_place.insert((place, number));
                self.entries.insert(number, *entry);
                self.expose(place);
            }
            Change::Rewritten(number) => {
                if let Some(entry) = self.entries.get_mut(&number) {
                    self.kept -= weight(entry);
                    entry.notification = None;
                }
            }
            Change::Waits {
                number,
                at,
                error,
                now,
            } => {
                if let Some(entry) = self.entries.get_mut(&number) {
                    entry.attempts += 1;
                    entry.next_attempt_at = at;
                    entry.updated_at = now;
                    entry.last_error = Some(error);
                    self.put_back(number);
                }
            }
            Change::Returned(number) => self.put_back(number),
            Change::Ended(number) => {
                let Some(entry) = self.entries.remove(&number) else {
                    return;
                };
                self.kept -= weight(&entry);
                self.by_id.remove(&entry.id);
                self.by_place.remove(&(entry.place, number));
                let due = &mut self.lanes[entry.lane].due;
                due.remove(&(entry.next_attempt_at, number));
                self.expose(entry.place);
                if self.entries.is_empty() {
                    // What a storm needed is not held for ever.
                    self.by_id.shrink_to_fit();
                }
            }
            Change::Revived((receiver, integration), now) => {
                let lane = self.lane(&receiver.into(), &integration);
                let waits = self.entries.iter().filter(|(_, entry)| {
                    entry.lane == lane && !entry.sending && entry.next_attempt_at > now
                });
                let waits: Vec<i64> = waits.map(|(number, _)| *number).collect();
                for number in waits {
                    self.reschedule(number, now);
                }
            }
        }
    }

    fn put_back(&mut self, number: i64) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        entry.sending = false;
        let place = entry.place;
        self.expose(place);
    }

    fn due(&self, lane: usize, limit: impl Fn(&str, &str) -> Take, now: Timestamp) -> Vec<i64> {
        let lane = &self.lanes[lane];
        if lane.due.is_empty() {
            return Vec::new();
        }
        let (due_by, written_by, limit) = match limit(&lane.receiver, &lane.integration) {
            Take::UpTo(limit) => (now, Timestamp::MAX, limit),
            Take::WrittenBy(time, limit) => (now, time, limit),
            Take::One => (Timestamp::MAX, Timestamp::MAX, 1),
        };
        let mut bytes = 0;
        let due = lane.due.range(..=(due_by, i64::MAX));
        let due = due.filter_map(|(_, number)| Some((*number, self.entries.get(number)?)));
        let due = due.filter(|(_, entry)| entry.created_at <= written_by);
        let fits = |(i, (_, entry)): &(usize, (i64, &Entry))| {
            bytes += entry.bytes;
            *i == 0 || bytes <= TAKEN_BYTES
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let taken = due.take(limit).enumerate().take_while(fits);
        taken.map(|(_, (number, _))| number).collect()
    }

    fn pick(&mut self, number: i64) -> Option<Picked> {
        let entry = self.entries.get_mut(&number)?;
        self.lanes[entry.lane]
            .due
            .remove(&(entry.next_attempt_at, number));
        self.kept -= weight(entry);
        entry.sending = true;
        Some(Picked {
            number,
            id: Arc::clone(&entry.id),
            attempts: entry.attempts,
            last_error: entry.last_error.clone(),
            expires_at: entry.expires_at,
            notification: entry.notification.take(),
        })
    }
}

/// How much of [`KEPT_ALERTS`] it takes.
fn weight(entry: &Entry) -> usize {
    let kept = entry.notification.as_ref();
    kept.map_or(0, |notification| notification.alerts.len() + 1)
}

#[cfg(test)]
mod tests;
