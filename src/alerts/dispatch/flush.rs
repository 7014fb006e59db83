//! One group is due: who is told what. The order of the stages is written here once, top to bottom.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::dedup::{GroupState, Verdict, decide};
use super::super::route::{MutedBy, Receiver, Route, Target};
use super::super::throttle::{Item, severity_of};
use super::super::writes::{Writes, digest_of};
use super::note::Place;
use super::{Dispatcher, Group, GroupId, order, status};
use crate::db::ledger::LedgerEntry;
use crate::db::notification_log::{Earlier, LogEntry, LogKey, Told};
use crate::db::outbox::{Fate, OutboxRow};
use crate::db::throttle::BucketKey;
use crate::model::alert::Alert;
use crate::model::notification::{AlertStatus, Decision, Notification, NotifiedAlert, Reason};
use crate::model::timestamp::Timestamp;

/// What became of notifications; one that is missing was delivered long ago.
pub type Fates = HashMap<Arc<str>, Fate>;

/// Notifications on their way, of one group to one integration, that are remembered.
const HISTORY: usize = 4;

/// An alert as this flush sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) alert: Arc<Alert>,
    status: AlertStatus,
    fingerprint: u64,
    /// Its end was told, but the message has not arrived.
    lingering: bool,
}

/// What does not change during the flush of one group.
struct Context<'a> {
    route: &'a Route,
    now: Timestamp,
    fates: &'a Fates,
}

impl Context<'_> {
    fn verdict(&self, target: &Target, told: Option<&Told>, alerts: &[&Seen]) -> Verdict {
        let (firing, resolved) = state_of(alerts);
        let state = GroupState {
            firing: &firing,
            resolved: &resolved,
        };
        let repeat = self.route.repeat_interval;
        decide(told, state, target.send_resolved, repeat, self.now)
    }
}

impl Dispatcher {
    /// Flushes what is due, at most `limit` groups; returns whether more is due. Nothing is due twice at one `now`.
    pub fn flush(
        &mut self,
        now: Timestamp,
        fates: &Fates,
        limit: usize,
        writes: &mut Writes,
    ) -> bool {
        if now < self.hold_until {
            return false;
        }
        self.flush_digests(now, writes);
        for _ in 0..limit {
            match self.timers.first() {
                Some((at, id)) if *at <= now => {
                    let id = *id;
                    self.timers.pop_first();
                    self.flush_group(id, now, fates, writes);
                }
                Some(_) | None => return false,
            }
        }
        self.timers.first().is_some_and(|(at, _)| *at <= now)
    }

    fn flush_digests(&mut self, now: Timestamp, writes: &mut Writes) {
        let routing = Arc::clone(&self.routing);
        for row in self.throttle.flush(&routing.throttle, now, writes) {
            writes.ledger.push(LedgerEntry {
                at: now,
                group_key: Arc::clone(&row.notification.group_key),
                receiver: Arc::clone(&row.notification.receiver),
                integration: Arc::clone(&row.integration),
                labels: None,
                decision: Decision::Enqueued {
                    notification: Arc::clone(&row.notification.id),
                    reason: Reason::Digest,
                },
            });
            writes.outbox.push(row);
        }
    }

    fn flush_group(&mut self, id: GroupId, now: Timestamp, fates: &Fates, writes: &mut Writes) {
        let Some(mut group) = self.groups.remove(&id) else {
            return;
        };
        let routing = Arc::clone(&self.routing);
        let route = &routing.routes[group.route];
        let context = Context { route, now, fates };
        group.has_flushed = true;
        group.next = now + route.group_interval;

        let seen = self.audible(&mut group, &context, writes);
        if !seen.is_empty() {
            if route.receiver.targets.is_empty() {
                let nobody = Place::integration(&route.receiver, 0);
                for seen in &seen {
                    group.note(&nobody, seen, &Decision::NoIntegration, now, writes);
                }
            }
            for position in 0..route.receiver.targets.len() {
                self.tell(&mut group, position, &seen, &context, writes);
            }
        }
        self.settle(&mut group, &context, writes);

        if group.members.is_empty() {
            self.by_labels.remove(&(group.route, group.labels.clone()));
        } else {
            self.timers.insert((group.next, id));
            self.groups.insert(id, group);
        }
    }

    /// Inhibition, then the route's times, then silences: the alerts that remain.
    fn audible(
        &mut self,
        group: &mut Group,
        context: &Context<'_>,
        writes: &mut Writes,
    ) -> Vec<Seen> {
        let now = context.now;
        let mut alerts: Vec<_> = group
            .members
            .values()
            .map(|member| Arc::clone(&member.alert))
            .collect();
        order::sort(&mut alerts);
        let muted = context.route.muted_at(now).map(|by| match by {
            MutedBy::Inactive => Decision::Inactive,
            MutedBy::Interval(name) => Decision::Muted {
                interval: name.to_owned(),
            },
        });
        let whole = Place::whole(&context.route.receiver);
        let mut remaining = Vec::with_capacity(alerts.len());
        for alert in alerts {
            let seen = Seen {
                status: status(&alert, now),
                fingerprint: alert.fingerprint().0,
                lingering: group.members[&alert.labels].lingering,
                alert,
            };
            let inhibited = self.inhibitor.inhibited(&seen.alert.labels, now);
            let decision = inhibited
                .map(|(by, rule)| Decision::Inhibited {
                    by: by.to_string(),
                    rule: rule.to_owned(),
                })
                .or_else(|| muted.clone())
                .or_else(|| self.silences.decision(&seen.alert.labels, now));
            match decision {
                Some(_) if seen.lingering => {}
                Some(decision) => {
                    group.note(&whole, &seen, &decision, now, writes);
                }
                None => {
                    group.unnote(&seen);
                    remaining.push(seen);
                }
            }
        }
        remaining
    }

    /// Deduplication, throttling, outbox, for one integration.
    fn tell(
        &mut self,
        group: &mut Group,
        position: usize,
        seen: &[Seen],
        context: &Context<'_>,
        writes: &mut Writes,
    ) {
        let (now, route) = (context.now, context.route);
        let target = &route.receiver.targets[position];
        let place = Place::integration(&route.receiver, position);
        let key = log_key(group, &route.receiver, target);
        let Standing {
            history,
            alerts,
            withdrawn,
            held,
            stands,
        } = self.standing(&key, target, seen, context, writes);
        if alerts.is_empty() {
            return;
        }
        let told = history.first().map(|newest| &newest.told);
        let reason = match context.verdict(target, told, &alerts) {
            Verdict::Notify(reason) => reason,
            quiet @ (Verdict::Known | Verdict::NeverTold) => {
                if !stands {
                    self.withdraw(&key, withdrawn, None, context, writes);
                    self.record(key, from_history(history, route), writes);
                }
                let decision = match quiet {
                    Verdict::NeverTold => Decision::NeverTold,
                    Verdict::Known | Verdict::Notify(_) => Decision::Deduplicated,
                };
                for seen in alerts {
                    group.note(&place, seen, &decision, now, writes);
                }
                return;
            }
        };

        let (firing, resolved) = state_of(&alerts);
        let state = Told {
            firing,
            resolved,
            at: now,
        };
        let (wanted, unwanted): (Vec<&Seen>, Vec<&Seen>) = alerts
            .into_iter()
            .partition(|seen| target.send_resolved || seen.status == AlertStatus::Firing);
        for seen in unwanted {
            let decision = Decision::ResolvedNotWanted;
            group.note(&place, seen, &decision, now, writes);
        }
        if wanted.is_empty() {
            self.withdraw(&key, withdrawn, None, context, writes);
            self.record(key, Some(settled(state, route)), writes);
            return;
        }
        let message = Message {
            reason,
            state: &state,
            told,
            wanted: &wanted,
            held: held.as_ref(),
        };
        let in_digest = message.held.is_some();
        let (id, decision) = self.send(group, &key, target, &message, context, writes);
        self.withdraw(&key, withdrawn, Some(&id), context, writes);
        let entry = LogEntry {
            expires_at: now + route.repeat_interval.saturating_mul(2),
            outbox_id: Some(id),
            // A digest tells all that was held back for it at once.
            previous: history
                .into_iter()
                .skip(usize::from(in_digest))
                .take(HISTORY)
                .collect(),
            told: state,
        };
        self.record(key, Some(entry), writes);
        for seen in wanted {
            group.note(&place, seen, &decision, now, writes);
        }
    }

    /// What counts as told, and which alerts there are to tell of.
    fn standing<'s>(
        &self,
        key: &LogKey,
        target: &Target,
        seen: &'s [Seen],
        context: &Context<'_>,
        writes: &Writes,
    ) -> Standing<'s> {
        let entry = self
            .log
            .get(key)
            .filter(|entry| entry.expires_at > context.now);
        let mut history = entry.map(history).unwrap_or_default();
        let fate = self.newest_fate(&history, context, writes);
        let fresh: Vec<&Seen> = seen.iter().filter(|seen| !seen.lingering).collect();
        let outbox_id = entry.and_then(|entry| entry.outbox_id.clone());
        let held = outbox_id
            .as_ref()
            .and_then(|id| self.throttle.open(id).cloned());
        let unchanged = || {
            let newest = history.first().map(|newest| &newest.told);
            !matches!(context.verdict(target, newest, &fresh), Verdict::Notify(_))
        };
        let stands = match fate {
            // What waits in a digest is told there, with what follows; what may not wait takes it out.
            Fate::Sending if held.is_some() => unchanged() || self.limited(key, &fresh),
            Fate::Delivered | Fate::Sending => true,
            Fate::Pending => unchanged(),
            Fate::Dead => false,
        };
        let alerts = if stands {
            // Whether the ends that are under way arrive is open, and a newer message takes their place should they fail.
            let open = fate == Fate::Sending && held.is_none();
            if open && !unchanged() {
                seen.iter().collect()
            } else {
                fresh
            }
        } else {
            // What never arrived does not count: back to what was told before; ends it spoke of are told again.
            history.remove(0);
            while self.newest_fate(&history, context, writes) == Fate::Dead {
                history.remove(0);
            }
            seen.iter().collect()
        };
        if self.newest_fate(&history, context, writes) == Fate::Delivered
            && let Some(newest) = history.first_mut()
        {
            newest.outbox_id = None;
            history.truncate(1);
        }
        Standing {
            history,
            alerts,
            withdrawn: outbox_id.filter(|_| !stands && fate != Fate::Dead),
            held: held.filter(|_| stands),
            stands,
        }
    }

    /// To the outbox, or into a digest; returns the id of either.
    fn send(
        &mut self,
        group: &Group,
        key: &LogKey,
        target: &Target,
        message: &Message<'_>,
        context: &Context<'_>,
        writes: &mut Writes,
    ) -> (Arc<str>, Decision) {
        let now = context.now;
        let notified = |seen: &&Seen| NotifiedAlert {
            status: seen.status,
            alert: Arc::clone(&seen.alert),
        };
        let alerts: Vec<NotifiedAlert> = message.wanted.iter().map(notified).collect();
        let severity = severity_of(
            alerts
                .iter()
                .map(|notified| (notified.status, &*notified.alert)),
        );
        let bucket = message.held.cloned().unwrap_or_else(|| BucketKey {
            receiver: Arc::clone(&key.receiver),
            integration: Arc::clone(&key.integration),
            severity: severity.into(),
        });
        let routing = Arc::clone(&self.routing);
        if !self.throttle.admit(&routing.throttle, &bucket, now, writes) {
            let item = Item {
                group_key: Arc::clone(&group.key),
                group_labels: group.labels.clone(),
                reason: message.reason,
                alerts,
            };
            let digest = self.throttle.hold(&bucket, item, now, writes);
            return (Arc::clone(&digest), Decision::Throttled { digest });
        }
        // Two processes on one database that decide the same from the same log come to the same key.
        let bytes = |list: &[u64]| {
            list.iter()
                .flat_map(|hash| hash.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        let idempotency_key = digest_of(&[
            key.group_key.as_bytes(),
            key.receiver.as_bytes(),
            key.integration.as_bytes(),
            &bytes(&message.state.firing),
            &bytes(&message.state.resolved),
            &message
                .told
                .map_or(0, |told| told.at.millis())
                .to_le_bytes(),
        ]);
        self.sent += 1;
        let id = digest_of(&[
            idempotency_key.as_bytes(),
            &now.millis().to_le_bytes(),
            &self.sent.to_le_bytes(),
        ]);
        let notification = Notification {
            id: Arc::clone(&id),
            group_key: Arc::clone(&group.key),
            receiver: Arc::clone(&key.receiver),
            integration: target.integration.clone(),
            reason: message.reason,
            group_labels: group.labels.clone(),
            alerts,
            truncated: 0,
            created_at: now,
            digest: None,
        };
        writes.outbox.push(OutboxRow {
            idempotency_key,
            integration: Arc::clone(&target.text),
            notification,
        });
        let decision = Decision::Enqueued {
            notification: Arc::clone(&id),
            reason: message.reason,
        };
        (id, decision)
    }

    /// Whether a message about these alerts may be held back.
    fn limited(&self, key: &LogKey, alerts: &[&Seen]) -> bool {
        let severity = severity_of(alerts.iter().map(|seen| (seen.status, &*seen.alert)));
        let limits = &self.routing.throttle;
        limits.limit(&key.receiver, severity).is_some()
    }

    fn withdraw(
        &mut self,
        key: &LogKey,
        withdrawn: Option<Arc<str>>,
        by: Option<&Arc<str>>,
        context: &Context<'_>,
        writes: &mut Writes,
    ) {
        let Some(notification) = withdrawn else {
            return;
        };
        writes.ledger.push(LedgerEntry {
            at: context.now,
            group_key: Arc::clone(&key.group_key),
            receiver: Arc::clone(&key.receiver),
            integration: Arc::clone(&key.integration),
            labels: None,
            decision: Decision::Superseded {
                notification: Arc::clone(&notification),
                by: by.cloned(),
            },
        });
        if !self.throttle.release(&notification, &key.group_key, writes) {
            writes.superseded.push(notification);
        }
    }

    pub(super) fn record(&mut self, key: LogKey, entry: Option<LogEntry>, writes: &mut Writes) {
        match &entry {
            Some(entry) => drop(self.log.insert(key.clone(), entry.clone())),
            None => drop(self.log.remove(&key)),
        }
        writes.log.insert(key, entry);
    }

    fn newest_fate(&self, history: &[Earlier], context: &Context<'_>, writes: &Writes) -> Fate {
        let Some(newest) = history.first() else {
            return Fate::Delivered;
        };
        self.fate(newest.outbox_id.as_ref(), newest.told.at, context, writes)
    }

    fn fate(
        &self,
        outbox_id: Option<&Arc<str>>,
        at: Timestamp,
        context: &Context<'_>,
        writes: &Writes,
    ) -> Fate {
        let Some(id) = outbox_id else {
            return Fate::Delivered;
        };
        // What this very batch wrote, or what still gathers, is on its way.
        let written_now = || {
            writes
                .outbox
                .iter()
                .rev()
                .any(|row| row.notification.id == *id)
        };
        if self.throttle.open(id).is_some() || (at == context.now && written_now()) {
            return Fate::Sending;
        }
        context.fates.get(id).copied().unwrap_or(Fate::Delivered)
    }

    /// Alerts that ended leave the group, or linger where their message is still on its way.
    fn settle(&mut self, group: &mut Group, context: &Context<'_>, writes: &Writes) {
        let on_its_way = self.log_keys(group).any(|key| {
            self.log.get(&key).is_some_and(|entry| {
                entry.outbox_id.is_some()
                    && (entry.told.at == context.now
                        || self.fate(entry.outbox_id.as_ref(), entry.told.at, context, writes)
                            != Fate::Delivered)
            })
        });
        let alerts = &mut self.alerts;
        group.members.retain(|labels, member| {
            if !member.alert.is_resolved(context.now) {
                return true;
            }
            member.lingering = on_its_way;
            if !on_its_way && let Some(stored) = alerts.get_mut(labels) {
                stored.groups -= 1;
            }
            on_its_way
        });
        group.lingering = group
            .members
            .values()
            .filter(|member| member.lingering)
            .count();
    }
}

/// What a flush finds about one integration.
struct Standing<'a> {
    /// What was told, newest first.
    history: Vec<Earlier>,
    /// The alerts to tell of.
    alerts: Vec<&'a Seen>,
    /// A notification that is not sent any more.
    withdrawn: Option<Arc<str>>,
    /// The bucket of the digest that the group waits in.
    held: Option<BucketKey>,
    /// Whether the newest notification counts as told.
    stands: bool,
}

struct Message<'a> {
    reason: Reason,
    state: &'a Told,
    told: Option<&'a Told>,
    wanted: &'a [&'a Seen],
    /// The bucket of the digest that the group waits in already.
    held: Option<&'a BucketKey>,
}

fn log_key(group: &Group, receiver: &Receiver, target: &Target) -> LogKey {
    LogKey {
        group_key: Arc::clone(&group.key),
        receiver: Arc::clone(&receiver.name),
        integration: Arc::clone(&target.text),
    }
}

/// An entry that nothing on its way can change any more.
pub(super) fn settled(told: Told, route: &Route) -> LogEntry {
    LogEntry {
        expires_at: expiry(&told, route),
        outbox_id: None,
        previous: Vec::new(),
        told,
    }
}

fn expiry(told: &Told, route: &Route) -> Timestamp {
    told.at + route.repeat_interval.saturating_mul(2)
}

/// What an entry says, and what was said before, newest first.
fn history(entry: &LogEntry) -> Vec<Earlier> {
    let newest = Earlier {
        told: entry.told.clone(),
        outbox_id: entry.outbox_id.clone(),
    };
    let mut history = vec![newest];
    history.extend(entry.previous.iter().cloned());
    history
}

fn from_history(history: Vec<Earlier>, route: &Route) -> Option<LogEntry> {
    let mut history = history.into_iter();
    let newest = history.next()?;
    Some(LogEntry {
        expires_at: expiry(&newest.told, route),
        outbox_id: newest.outbox_id,
        previous: history.collect(),
        told: newest.told,
    })
}

/// Fingerprints of the firing and of the resolved alerts, sorted.
fn state_of(alerts: &[&Seen]) -> (Vec<u64>, Vec<u64>) {
    let of = |status| {
        let mut list: Vec<u64> = alerts
            .iter()
            .filter(|seen| seen.status == status)
            .map(|seen| seen.fingerprint)
            .collect();
        list.sort_unstable();
        list
    };
    (of(AlertStatus::Firing), of(AlertStatus::Resolved))
}
