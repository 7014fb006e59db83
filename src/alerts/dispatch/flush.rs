//! One group is due: who is told what. The order of the stages is written here once, top to bottom.

mod calm;
mod send;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;

use self::send::Message;
pub(super) use self::standing::settled;
use self::standing::{Standing, from_history};
use super::super::dedup::{GroupState, Verdict, decide};
use super::super::flap::flagged;
use super::super::route::{MutedBy, Receiver, Route, Target};
use super::super::writes::Writes;
use super::note::Place;
use super::{Dispatcher, Group, GroupId, order, status};
use crate::db::ledger::LedgerEntry;
use crate::db::notification_log::{LogEntry, LogKey, Told};
use crate::db::outbox::Fate;
use crate::model::alert::Alert;
use crate::model::notification::{AlertStatus, Decision, Reason};
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
    /// It is held because it flaps: how often it changed.
    pub(super) flapping: Option<u32>,
    /// It fires, and somebody has taken charge of it.
    acked: bool,
}

/// What does not change during the flush of one group.
pub(super) struct Context<'a> {
    pub(super) route: &'a Route,
    pub(super) now: Timestamp,
    fates: &'a Fates,
}

impl Context<'_> {
    fn verdict(&self, target: &Target, told: Option<&Told>, alerts: &[&Seen]) -> Verdict {
        let (firing, resolved) = state_of(alerts, told);
        let state = GroupState {
            firing: &firing,
            resolved: &resolved,
        };
        let repeat = self.route.repeat_interval;
        match decide(told, state, target.send_resolved, repeat, self.now) {
            Verdict::Notify(Reason::Repeat) if all_acked(alerts) => Verdict::Known,
            verdict => verdict,
        }
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
        self.release_flapping(now, writes);
        self.flush_digests(now, writes);
        self.keep_quiet(now, writes);
        for _ in 0..limit {
            let Some((at, id)) = self.timers.first().copied() else {
                break;
            };
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.flush_group(id, now, fates, writes);
        }
        // The message that tells an alert's end and the end of its ack are written together.
        self.write_ended_acks(now, writes);
        self.timers.first().is_some_and(|(at, _)| *at <= now)
    }

    fn flush_digests(&mut self, now: Timestamp, writes: &mut Writes) {
        let routing = Arc::clone(&self.routing);
        let mut rows = self.throttle.flush(&routing.throttle, now, writes);
        rows.extend(self.storm_messages(now, writes));
        for row in rows {
            writes.ledger.push(LedgerEntry {
                at: now,
                group_key: Arc::clone(&row.notification.group_key),
                receiver: Arc::clone(&row.notification.receiver),
                integration: Arc::clone(&row.integration),
                labels: None,
                decision: Decision::Enqueued {
                    notification: Arc::clone(&row.notification.id),
                    reason: row.notification.reason,
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
            self.unwritten.gone(group.timer);
        } else {
            self.unwritten.group(&group);
            self.timers.insert((group.next, id));
            self.groups.insert(id, group);
        }
    }

    /// Inhibition, then the route's times, then silences, then acks: the alerts that remain. Acked ones remain too, so that
    /// what was told of them still counts; they are no reason to tell anything.
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
            let flapping = self.flaps.held(&alert.labels);
            let fingerprint = alert.fingerprint().0;
            let mut seen = Seen {
                status: status(&alert, now),
                fingerprint: flapping.map_or(fingerprint, |_| flagged(fingerprint)),
                flapping,
                lingering: group
                    .members
                    .get(&alert.labels)
                    .is_some_and(|member| member.lingering),
                acked: false,
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
                    match self.acknowledged(&seen.alert, now) {
                        Some(decision) => {
                            seen.acked = true;
                            group.note(&whole, &seen, &decision, now, writes);
                        }
                        None => group.unnote(&seen),
                    }
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
            Verdict::Notify(reason) => self.news(group, &alerts, told, reason, context, writes),
            quiet @ (Verdict::Known | Verdict::NeverTold) => {
                if !stands {
                    self.withdraw(&key, withdrawn, None, context, writes);
                    self.record(key, from_history(history, route), writes);
                } else if alerts.iter().any(|seen| seen.acked) {
                    self.remember(key, context, writes);
                }
                let decision = match quiet {
                    Verdict::NeverTold => Decision::NeverTold,
                    Verdict::Known | Verdict::Notify(_) => Decision::Deduplicated,
                };
                for seen in alerts.into_iter().filter(|seen| !seen.acked) {
                    match seen.flapping {
                        Some(changes) => {
                            let held = Decision::HeldFlapping { changes };
                            group.note(&place, seen, &held, now, writes);
                        }
                        None => group.note(&place, seen, &decision, now, writes),
                    }
                }
                return;
            }
        };

        let (firing, resolved) = state_of(&alerts, told);
        let alerts = worth_telling(alerts, told);
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
            heard: match held {
                Some(_) => history.get(1).map(|earlier| &earlier.told),
                None => told,
            },
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
        let (alerts, unwritten) = (&mut self.alerts, &mut self.unwritten);
        group.members.retain(|member| {
            if !member.alert.is_resolved(context.now) {
                return true;
            }
            member.lingering = on_its_way;
            if !on_its_way && let Some(stored) = alerts.get_mut(&member.alert.labels) {
                stored.groups -= 1;
                if stored.groups == 0 {
                    unwritten.forget(stored);
                }
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

fn log_key(group: &Group, receiver: &Receiver, target: &Target) -> LogKey {
    LogKey {
        group_key: Arc::clone(&group.key),
        receiver: Arc::clone(&receiver.name),
        integration: Arc::clone(&target.text),
    }
}

/// Fingerprints of the firing and of the resolved alerts, sorted. Acked ones count where they were told before.
fn state_of(alerts: &[&Seen], told: Option<&Told>) -> (Vec<u64>, Vec<u64>) {
    let of = |status| {
        let mut list: Vec<u64> = alerts
            .iter()
            .filter(|seen| seen.status == status)
            .filter_map(|seen| match seen.acked {
                true => told_as(seen, told),
                false => Some(seen.fingerprint),
            })
            .collect();
        list.sort_unstable();
        list
    };
    (of(AlertStatus::Firing), of(AlertStatus::Resolved))
}

fn was_told(seen: &Seen, told: Option<&Told>) -> bool {
    told_as(seen, told).is_some()
}

/// The fingerprint that an alert was told to fire under: as it is, or as it was before it began or ceased to flap.
fn told_as(seen: &Seen, told: Option<&Told>) -> Option<u64> {
    let told = told?;
    let hashes = [seen.fingerprint, flagged(seen.fingerprint)];
    hashes
        .into_iter()
        .find(|hash| told.firing.binary_search(hash).is_ok())
}

/// Whether somebody has taken charge of all that fires.
fn all_acked(alerts: &[&Seen]) -> bool {
    let mut firing = alerts
        .iter()
        .filter(|seen| seen.status == AlertStatus::Firing);
    firing.all(|seen| seen.acked)
}

/// Without the acked ones; with those that were told where the message would say else that all is over.
fn worth_telling<'s>(alerts: Vec<&'s Seen>, told: Option<&Told>) -> Vec<&'s Seen> {
    let over = all_acked(&alerts);
    let mut alerts = alerts;
    alerts.retain(|seen| !seen.acked || (over && was_told(seen, told)));
    alerts
}
