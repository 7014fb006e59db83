//! The dispatcher: which alerts there are, the groups they are in, and when each group is flushed.
//!
//! Pure: it is told the time and what became of earlier notifications, and answers with what is to be written
//! ([`Writes`]). The flush itself is in [`flush`], a change of routes in `reload`.
//!
//! A group begins with its first alert and is flushed `group_wait` later, at once where an alert began longer ago than
//! that; then every `group_interval`. An alert that ended stays in its group until a flush has told so, and beyond that,
//! *lingering*, until the message has really been delivered: should it never be, the next flush tells it again. A group
//! without alerts is gone; one whose alerts all linger begins anew with the next alert.

mod census;
mod durable;
pub mod flush;
mod note;
mod order;
pub mod quiet;
mod reload;
mod table;
pub mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use self::census::Census;
pub use self::census::Counts;
use self::durable::Unwritten;
use self::table::{ByLabels, OfAlert};
use super::ack::Acks;
use super::flap::{FlapSnapshot, Flaps};
use super::inhibit::Inhibitor;
use super::recurring::Recurrings;
use super::route::{RouteRef, Routing};
use super::silence::{RETENTION, Silences};
use super::storm::{StormSnapshot, Storms};
use super::throttle::Throttle;
use crate::db::alert_state::GroupTimer;
use crate::db::notification_log::{LogEntry, LogKey};
use crate::db::storms::{FlapRow, StormRow};
use crate::db::throttle::Stored as StoredThrottle;
use crate::model::ack::Ack;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::notification::AlertStatus;
use crate::model::recurring_silence::RecurringSilence;
use crate::model::silence::Silence;
use crate::model::timestamp::Timestamp;

pub use super::writes::Writes;

/// How long an ended alert is remembered, so that one sent again is known to be the same.
const RESOLVED_KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 60);

/// How long after the start groups may come back to their timers.
const TIMERS_KEPT: std::time::Duration = std::time::Duration::from_secs(15 * 60);

type GroupId = u64;

/// Places of decisions that stand in a member itself: most receivers have no more integrations.
const FEW: usize = 6;

/// How long what is over is kept (Alertmanager's `--data.retention` is both).
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Silences and acks behind their end.
    pub silences: Duration,
    /// What receivers were told; it is forgotten after twice the repeat interval anyway.
    pub log: Duration,
    /// Whether a message is given up, undelivered, at the end of its group's interval: the next flush tells anew.
    pub gives_up_at_interval: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            silences: RETENTION,
            log: Duration::MAX,
            gives_up_at_interval: false,
        }
    }
}

/// The state of the routes.
#[derive(Debug)]
pub struct Dispatcher {
    routing: Arc<Routing>,
    alerts: ByLabels<Stored>,
    // Of the ends of all `alerts`.
    census: Census,
    // Every group has exactly one timer, at its `next`, and one entry in `by_labels`.
    groups: HashMap<GroupId, Group>,
    by_labels: HashMap<(RouteRef, Labels), GroupId>,
    timers: BTreeSet<(Timestamp, GroupId)>,
    next_group: GroupId,
    inhibitor: Inhibitor,
    pub(super) silences: Silences,
    pub(super) acks: Acks,
    pub(super) recurrings: Recurrings,
    upkeep: quiet::Upkeep,
    log: HashMap<LogKey, LogEntry>,
    throttle: Throttle,
    storms: Storms,
    flaps: Flaps,
    hold_until: Timestamp,
    retention: Retention,
    /// Notifications so far: two of one instant have different ids.
    sent: u64,
    unwritten: Unwritten,
    /// The number of the next alert that is stored; 0 is none.
    next_row: i64,
    /// Timers of the process before this one whose groups have not come back yet.
    stored_timers: HashMap<i64, GroupTimer>,
    /// Until when they may.
    timers_until: Timestamp,
}

/// What the database held when the process began.
#[derive(Debug, Default)]
pub struct Restored {
    /// The notification log.
    pub log: Vec<(LogKey, LogEntry)>,
    /// Buckets and digests.
    pub throttle: StoredThrottle,
    /// Silences.
    pub silences: Vec<Silence>,
    /// Acks.
    pub acks: Vec<Ack>,
    /// Recurring silences.
    pub recurrings: Vec<RecurringSilence>,
    /// Storms that last.
    pub storms: Vec<StormRow>,
    /// Alerts held as firing.
    pub flapping: Vec<FlapRow>,
}

#[derive(Debug)]
struct Stored {
    alert: Arc<Alert>,
    /// Whether its end is only what `resolve_timeout` makes of an alert that has none.
    assumed_end: bool,
    /// Number of groups it is in.
    groups: u32,
    /// Its number in the database; 0 where it is not stored.
    row: i64,
}

#[derive(Debug)]
struct Group {
    route: RouteRef,
    labels: Labels,
    key: Arc<str>,
    members: ByLabels<Member>,
    /// How many members linger.
    lingering: usize,
    next: Timestamp,
    has_flushed: bool,
    /// Names it in the database.
    timer: i64,
}

#[derive(Debug)]
struct Member {
    alert: Arc<Alert>,
    lingering: bool,
    /// Whether its beginning counts towards a storm already.
    counted: bool,
    /// The last decision in the ledger: first on the alert as a whole, then for each integration; 0 is none.
    noted: [u8; FEW],
    /// The same, for integrations beyond the first few.
    noted_beyond: Option<Box<Beyond>>,
}

/// The last decisions at places beyond the first few.
#[derive(Debug, Default)]
struct Beyond(Vec<u8>);

impl Member {
    fn new(alert: Arc<Alert>) -> Self {
        Self {
            alert,
            lingering: false,
            counted: false,
            noted: [0; FEW],
            noted_beyond: None,
        }
    }

    /// The last decision at a place.
    fn noted(&mut self, slot: usize) -> &mut u8 {
        let Some(beyond) = slot.checked_sub(FEW) else {
            return &mut self.noted[slot];
        };
        let more = &mut self.noted_beyond.get_or_insert_default().0;
        if more.len() <= beyond {
            more.resize(beyond + 1, 0);
        }
        &mut more[beyond]
    }
}

impl OfAlert for Stored {
    fn alert(&self) -> &Arc<Alert> {
        &self.alert
    }
}

impl OfAlert for Member {
    fn alert(&self) -> &Arc<Alert> {
        &self.alert
    }
}

impl Dispatcher {
    /// Begins without alerts; nothing is flushed before `hold_until`.
    pub fn new(routing: Arc<Routing>, restored: Restored, hold_until: Timestamp) -> Self {
        let mut log = HashMap::with_capacity(restored.log.len());
        log.extend(restored.log);
        let storms = Storms::restore(restored.storms, &routing.storm, hold_until);
        let mut throttle = Throttle::restore(restored.throttle);
        throttle.hurry_storms(|receiver| storms.lasts(receiver));
        let mut dispatcher = Self {
            inhibitor: Inhibitor::new(&routing.inhibit_rules),
            silences: Silences::restore(restored.silences),
            acks: Acks::restore(restored.acks, hold_until),
            recurrings: Recurrings::restore(restored.recurrings),
            upkeep: quiet::Upkeep::default(),
            routing,
            alerts: ByLabels::new(),
            census: Census::default(),
            groups: HashMap::new(),
            by_labels: HashMap::new(),
            timers: BTreeSet::new(),
            next_group: 0,
            log,
            throttle,
            storms,
            flaps: Flaps::default(),
            hold_until,
            retention: Retention::default(),
            sent: 0,
            unwritten: Unwritten::default(),
            next_row: 1,
            stored_timers: HashMap::new(),
            timers_until: hold_until + TIMERS_KEPT,
        };
        let routing = Arc::clone(&dispatcher.routing);
        let held = dispatcher
            .flaps
            .restore(restored.flapping, &routing.flapping);
        for held in held {
            dispatcher.place(held.alert, held.assumed_end, false, hold_until);
        }
        dispatcher
    }

    /// With other times to keep things.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Takes an alert's newest state and puts it into its groups.
    pub fn insert(&mut self, alert: Alert, now: Timestamp) {
        self.take(alert, false, false, now);
    }

    /// The same, of an alert whose end may be only assumed: an end that its sender named before stands then.
    /// It is stored until it is over.
    pub fn insert_posted(&mut self, alert: Alert, assumed_end: bool, now: Timestamp) {
        self.take(alert, assumed_end, true, now);
    }

    fn take(&mut self, alert: Alert, assumed_end: bool, posted: bool, now: Timestamp) {
        let previous = self.alerts.get(&alert.labels).map(|stored| {
            let real = self.flaps.real(&alert.labels);
            real.map_or((Arc::clone(&stored.alert), stored.assumed_end), |held| {
                (Arc::clone(held.0), held.1)
            })
        });
        let (alert, assumed_end) = match &previous {
            Some((old, old_assumed)) if overlaps(old, &alert) => {
                merge((old, *old_assumed), (alert, assumed_end), now)
            }
            Some(_) | None => (alert, assumed_end),
        };
        let previous = previous.as_ref().map(|(alert, _)| &**alert);
        let settings = &self.routing.flapping;
        let alert = self
            .flaps
            .observe(settings, previous, Arc::new(alert), assumed_end, now);
        self.place(alert, assumed_end, posted, now);
    }

    /// Puts an alert, as it is to be seen from now on, into its groups; one that was `posted` is stored.
    fn place(&mut self, alert: Arc<Alert>, assumed_end: bool, posted: bool, now: Timestamp) {
        let stored = self.alerts.get(&alert.labels);
        // Senders repeat for a while that an alert ended; what was flushed is not told again.
        let settled = stored.is_some_and(|stored| {
            stored.groups == 0
                && stored.alert.is_resolved(now)
                && stored.alert.starts_at == alert.starts_at
                && alert.is_resolved(now)
        });
        self.inhibitor.observe(&alert, now);
        self.acks.observe(&alert, now);
        let census = &mut self.census;
        let stored = self.alerts.get_or_insert_with(&alert.labels, || {
            census.add(alert.ends_at);
            Stored {
                alert: Arc::clone(&alert),
                assumed_end,
                groups: 0,
                row: 0,
            }
        });
        let before = std::mem::replace(&mut stored.alert, Arc::clone(&alert));
        census.remove(before.ends_at);
        census.add(alert.ends_at);
        stored.assumed_end = assumed_end;
        if !settled && (posted || stored.row != 0) {
            let is_new = stored.row == 0;
            if is_new {
                stored.row = self.next_row;
                self.next_row += 1;
            }
            self.unwritten.alert(stored, (!is_new).then_some(&*before));
        }
        if settled {
            return;
        }
        for route in self.routing.matching(&alert.labels) {
            self.insert_into_group(route, &alert, now, false);
        }
    }

    /// A restored alert does not hurry its group: what its beginning says was heeded when it came.
    fn insert_into_group(
        &mut self,
        route: RouteRef,
        alert: &Arc<Alert>,
        now: Timestamp,
        is_restored: bool,
    ) {
        let settings = &self.routing.routes[route];
        let group_labels = settings.group_labels(&alert.labels);
        let wait = settings.group_wait;
        let place = (route, group_labels);
        let id = match self.by_labels.get(&place) {
            Some(id) => *id,
            None => {
                let key = settings.group_key(&place.1);
                let timer = durable::timer_of(settings, &key);
                let stored = self.stored_timers.remove(&timer);
                let group = Group {
                    route,
                    key,
                    labels: place.1.clone(),
                    members: ByLabels::new(),
                    lingering: 0,
                    next: stored.map_or(now + wait, |stored| stored.next),
                    has_flushed: stored.is_some_and(|stored| stored.has_flushed),
                    timer,
                };
                self.unwritten.group(&group);
                let id = self.next_group;
                self.next_group += 1;
                self.timers.insert((group.next, id));
                self.groups.insert(id, group);
                self.by_labels.insert(place, id);
                id
            }
        };
        let group = self
            .groups
            .get_mut(&id)
            .expect("every entry of by_labels has its group");
        let before = group.next;
        let all_lingered = group.all_linger();
        if group.take(alert, now) {
            self.alerts
                .get_mut(&alert.labels)
                .expect("a member's alert was stored before")
                .groups += 1;
        }
        if all_lingered && !group.all_linger() {
            // The others only wait for their message to arrive: this alert begins a group of its own.
            group.has_flushed = false;
            group.next = now + wait;
        }
        if !group.has_flushed && !is_restored && alert.starts_at + wait < now {
            group.next = now;
        }
        if group.next != before {
            self.unwritten.group(group);
            self.timers.remove(&(before, id));
            self.timers.insert((group.next, id));
        }
    }

    /// When [`Dispatcher::flush`] has something to do.
    pub fn next_due(&self) -> Option<Timestamp> {
        let group = self.timers.first().map(|(at, _)| *at);
        let digest = self.throttle.next_due(&self.routing.throttle);
        let storm = self
            .storms
            .next_due(|receiver| self.throttle.gathers(receiver));
        let due = [
            group,
            digest,
            self.quiet_due(),
            storm,
            self.flaps.next_due(),
        ];
        let due = due.into_iter().flatten().min()?;
        Some(due.max(self.hold_until))
    }

    /// The notifications whose fate a flush of at most `limit` groups at `now` has to know.
    pub fn awaited(&self, now: Timestamp, limit: usize) -> Vec<Arc<str>> {
        let due = self.timers.iter().take(limit);
        let due = due.take_while(|(at, _)| *at <= now);
        self.awaited_by(due.map(|(_, id)| *id))
    }

    /// The notifications whose fate a change of routes has to know.
    pub fn awaited_by_all(&self) -> Vec<Arc<str>> {
        self.awaited_by(self.groups.keys().copied())
    }

    fn awaited_by(&self, groups: impl Iterator<Item = GroupId>) -> Vec<Arc<str>> {
        if self.log.is_empty() {
            return Vec::new();
        }
        let mut ids = Vec::new();
        for group in groups.filter_map(|id| self.groups.get(&id)) {
            for key in self.log_keys(group) {
                let Some(entry) = self.log.get(&key) else {
                    continue;
                };
                let earlier = entry.previous.iter().map(|earlier| &earlier.outbox_id);
                let on_their_way = std::iter::once(&entry.outbox_id).chain(earlier).flatten();
                ids.extend(
                    on_their_way
                        .filter(|id| self.throttle.open(id).is_none())
                        .cloned(),
                );
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn log_keys(&self, group: &Group) -> impl Iterator<Item = LogKey> {
        let receiver = &self.routing.routes[group.route].receiver;
        receiver.targets.iter().map(|target| LogKey {
            group_key: Arc::clone(&group.key),
            receiver: Arc::clone(&receiver.name),
            integration: Arc::clone(&target.text),
        })
    }

    /// The wall clock stepped back by this much: timers, alerts and limits follow, so that nothing waits for the time to
    /// come again and no ended alert fires anew.
    pub fn clock_stepped_back(&mut self, by: std::time::Duration, now: Timestamp) {
        for stored in self.alerts.values_mut() {
            let alert = Arc::make_mut(&mut stored.alert);
            alert.starts_at = alert.starts_at - by;
            alert.ends_at = alert.ends_at - by;
            alert.updated_at = alert.updated_at - by;
        }
        self.recount();
        self.timers.clear();
        for (id, group) in &mut self.groups {
            for member in group.members.values_mut() {
                if let Some(stored) = self.alerts.get(&member.alert.labels) {
                    member.alert = Arc::clone(&stored.alert);
                }
            }
            group.next = group.next - by;
            self.timers.insert((group.next, *id));
        }
        self.upkeep = quiet::Upkeep::default();
        self.acks.clock_stepped_back(by);
        self.recurrings.clock_stepped_back();
        self.hold_until = self.hold_until - by;
        self.throttle.clock_stepped_back(by);
        self.storms.clock_stepped_back(by);
        self.flaps.clock_stepped_back(by, &self.routing.flapping);
        self.rebuild_inhibitor(now);
        self.note_all();
    }

    /// Ends a receiver's storm at the next flush; returns whether there is one.
    pub fn end_storm(&mut self, receiver: &str, now: Timestamp) -> bool {
        self.storms.end(receiver, now)
    }

    /// The storms that last, and the alerts that are held because they flap.
    pub fn calming(&self) -> (Vec<StormSnapshot>, Vec<FlapSnapshot>) {
        (self.storms.snapshot(), self.flaps.snapshot())
    }

    /// Everybody has sent what they have: what is due may be flushed.
    pub fn open(&mut self, now: Timestamp) {
        self.hold_until = self.hold_until.min(now);
    }

    /// Forgets what no decision needs any more.
    pub fn sweep(&mut self, now: Timestamp) {
        let (unwritten, census) = (&mut self.unwritten, &mut self.census);
        self.alerts.retain(|stored| {
            let kept = stored.groups > 0 || stored.alert.ends_at + RESOLVED_KEPT > now;
            if !kept {
                unwritten.forget(stored);
                census.remove(stored.alert.ends_at);
            }
            kept
        });
        if now >= self.timers_until {
            self.sweep_timers();
        }
        let kept = self.retention.log;
        self.log
            .retain(|_, entry| entry.expires_at > now && now.since(entry.told.at) < kept);
        self.inhibitor.sweep(now);
        self.silences.sweep(now - self.retention.silences, now);
        self.acks.sweep(now - self.retention.silences);
        self.throttle.sweep(&self.routing.throttle, now);
        self.storms.sweep(&self.routing.storm, now);
        self.flaps.sweep(&self.routing.flapping, now);
    }
}

impl Group {
    fn all_linger(&self) -> bool {
        !self.members.is_empty() && self.lingering == self.members.len()
    }

    /// Takes an alert's newest state; returns whether it is new here.
    fn take(&mut self, alert: &Arc<Alert>, now: Timestamp) -> bool {
        match self.members.get_mut(&alert.labels) {
            Some(member) => {
                let same_end = alert.is_resolved(now)
                    && member.alert.starts_at == alert.starts_at
                    && member.alert.ends_at == alert.ends_at;
                if member.lingering && !same_end {
                    member.lingering = false;
                    self.lingering -= 1;
                }
                member.alert = Arc::clone(alert);
                false
            }
            None => {
                self.members.insert(Member::new(Arc::clone(alert)));
                true
            }
        }
    }
}

fn status(alert: &Alert, now: Timestamp) -> AlertStatus {
    if alert.is_resolved(now) {
        AlertStatus::Resolved
    } else {
        AlertStatus::Firing
    }
}

/// Whether the two were active at the same time (`alertmanager/provider/mem`).
fn overlaps(old: &Alert, new: &Alert) -> bool {
    (new.ends_at > old.starts_at && new.ends_at < old.ends_at)
        || (new.starts_at > old.starts_at && new.starts_at < old.ends_at)
}

/// One alert of two, each with whether its end is assumed: what the younger says, since the earlier beginning
/// (`alertmanager/types`, `Alert.Merge`).
fn merge(old: (&Alert, bool), new: (Alert, bool), now: Timestamp) -> (Alert, bool) {
    if new.0.updated_at < old.0.updated_at {
        return merge((&new.0, new.1), (old.0.clone(), old.1), now);
    }
    let (old, old_assumed) = old;
    let (mut merged, assumed) = new;
    merged.starts_at = merged.starts_at.min(old.starts_at);
    // An end that is set stands where it is the latest: both over, or both still to come and the old one no assumption.
    let stands = if merged.is_resolved(now) {
        old.is_resolved(now)
    } else {
        !old_assumed
    };
    if stands {
        merged.ends_at = merged.ends_at.max(old.ends_at);
    }
    (merged, assumed)
}

#[cfg(test)]
pub(super) mod tests;
