//! A decided message on its way: into the outbox or a digest, in place of an older one.

use std::sync::Arc;
use std::time::Duration;

use super::super::super::flap::flagged;
use super::super::super::route::Target;
use super::super::super::throttle::config::normal;
use super::super::super::throttle::{Item, severity_of};
use super::super::super::writes::digest_of;
use super::super::{Dispatcher, Group, Writes};
use super::{Context, Seen};
use crate::db::ledger::LedgerEntry;
use crate::db::notification_log::{LogEntry, LogKey, Told};
use crate::db::outbox::{OutboxRow, Withdrawal};
use crate::db::throttle::BucketKey;
use crate::model::notification::{Decision, Notification, NotifiedAlert, Reason};

/// Alertmanager's `MinTimeout`: a message is tried for so long, however short its group's interval.
const SHORTEST_TRIED: Duration = Duration::from_secs(10);

pub(super) struct Message<'a> {
    pub(super) reason: Reason,
    pub(super) state: &'a Told,
    pub(super) told: Option<&'a Told>,
    /// What its reader has heard: what was told, without what still gathers in the digest.
    pub(super) heard: Option<&'a Told>,
    pub(super) wanted: &'a [&'a Seen],
    /// The bucket of the digest that the group waits in already.
    pub(super) held: Option<&'a BucketKey>,
}

impl Dispatcher {
    /// To the outbox, or into a digest; returns the id of either.
    pub(super) fn send(
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
            known: message.heard.is_some_and(|heard| {
                let hashes = [seen.fingerprint, flagged(seen.fingerprint)];
                hashes
                    .into_iter()
                    .any(|hash| heard.knows(seen.status, hash))
            }),
            alert: Arc::clone(&seen.alert),
            picture: None,
            runbook: None,
        };
        let alerts: Vec<NotifiedAlert> = message.wanted.iter().map(notified).collect();
        let severity = severity_of(
            alerts
                .iter()
                .map(|notified| (notified.status, &*notified.alert)),
        );
        let routing = Arc::clone(&self.routing);
        let bucket = match message.held {
            Some(bucket) => bucket.clone(),
            None if self.storms.holds(&routing.storm, &key.receiver, severity) => {
                BucketKey::storm(&key.receiver, &key.integration)
            }
            None => BucketKey {
                receiver: Arc::clone(&key.receiver),
                integration: Arc::clone(&key.integration),
                severity: normal(severity).into(),
            },
        };
        let in_storm = bucket.is_storm();
        if in_storm && !self.throttle.gathers(&key.receiver) {
            self.storms.gathers_anew(&routing.storm, &key.receiver, now);
        }
        if in_storm || !self.throttle.admit(&routing.throttle, &bucket, now, writes) {
            let item = Item {
                group_key: Arc::clone(&group.key),
                group_labels: group.labels.clone(),
                reason: message.reason,
                alerts,
            };
            let digest = self.throttle.hold(&bucket, item, now, writes);
            let decision = if in_storm {
                Decision::HeldInStorm {
                    digest: Arc::clone(&digest),
                }
            } else {
                Decision::Throttled {
                    digest: Arc::clone(&digest),
                }
            };
            return (digest, decision);
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
        let hash = digest_of(&[
            idempotency_key.as_bytes(),
            &now.millis().to_le_bytes(),
            &self.sent.to_le_bytes(),
        ]);
        // In the order of time: neighbours in the database are neighbours in its indexes.
        let id: Arc<str> = format!("{:012x}{}", now.millis().max(0), &hash[..20]).into();
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
            undelivered: None,
        };
        let interval = context.route.group_interval.max(SHORTEST_TRIED);
        let gives_up = self.retention.gives_up_at_interval;
        writes.outbox.push(OutboxRow {
            idempotency_key,
            expires_at: gives_up.then(|| now + interval),
            integration: Arc::clone(&target.text),
            notification,
        });
        let decision = Decision::Enqueued {
            notification: Arc::clone(&id),
            reason: message.reason,
        };
        (id, decision)
    }

    /// Whether a message about these alerts may wait in this digest.
    pub(super) fn limited(&self, key: &LogKey, alerts: &[&Seen], digest: &BucketKey) -> bool {
        let severity = severity_of(alerts.iter().map(|seen| (seen.status, &*seen.alert)));
        if digest.is_storm() {
            let storm = &self.routing.storm;
            return self.storms.holds(storm, &key.receiver, severity);
        }
        let limits = &self.routing.throttle;
        limits.limit(&key.receiver, severity).is_some()
    }

    pub(super) fn withdraw(
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
            let told = self.log.get(key).map(|entry| &entry.told);
            let hashes = told
                .into_iter()
                .flat_map(|told| told.firing.iter().chain(&told.resolved));
            writes.superseded.push(Withdrawal {
                notification,
                group_key: Arc::clone(&key.group_key),
                alerts: hashes.flat_map(|hash| [*hash, flagged(*hash)]).collect(),
            });
        }
    }

    pub(in super::super) fn record(
        &mut self,
        key: LogKey,
        entry: Option<LogEntry>,
        writes: &mut Writes,
    ) {
        match &entry {
            Some(entry) => drop(self.log.insert(key.clone(), entry.clone())),
            None => drop(self.log.remove(&key)),
        }
        writes.log.insert(key, entry);
    }
}
