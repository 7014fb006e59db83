//! Limits on how much a person is told: a token bucket for each integration and severity.
//!
//! A notification takes a token. Where none is left it is held back in a digest, and so is everything that follows,
//! until there is a token again and the digest's shortest time is over: then the digest is sent as one message. Nothing
//! is dropped. By default critical alerts are exempt.
//!
//! ```yaml
//! throttle:                        # in outrigger.yml
//!   enabled: true
//!   exempt_severity: critical      # regular expression; "" exempts nothing
//!   rules:                         # the first that matches counts; the defaults below follow the last
//!   - receiver: .*
//!     severity: .*
//!     burst: 20
//!     refill_interval: 30s         # one token each
//!     digest_interval: 1m
//! ```

pub mod config;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};

use self::config::{SEVERITY, normal};
pub use self::config::{ThrottleConfig, ThrottleRule, read};
use super::storm::Due;
use super::writes::{Writes, digest_of};
use crate::db::outbox::OutboxRow;
use crate::db::throttle::{BucketKey, BucketLevel, DigestRow, ItemRow, Stored};
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::notification::{
    AlertStatus, Digest, DigestGroup, Integration, Notification, NotifiedAlert, Reason,
    severity_rank,
};
use crate::model::timestamp::Timestamp;

/// A notification held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) group_key: Arc<str>,
    pub(super) group_labels: Labels,
    pub(super) reason: Reason,
    pub(super) alerts: Vec<NotifiedAlert>,
}

#[derive(Debug)]
struct OpenDigest {
    id: Arc<str>,
    opened_at: Timestamp,
    /// Sent at the next flush, whatever its bucket says.
    hurried: bool,
    // `None` where a notification was taken out again; `by_group` holds the place of every other.
    items: Vec<Option<Item>>,
    by_group: HashMap<Arc<str>, usize>,
}

/// Buckets and open digests.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    buckets: HashMap<BucketKey, BucketLevel>,
    digests: BTreeMap<BucketKey, OpenDigest>,
    /// Digests opened so far: two of one instant have different ids.
    opened: u64,
}

impl Throttle {
    /// Continues from what was stored; an item that cannot be read is passed over.
    pub(super) fn restore(stored: Stored) -> Self {
        let mut digests: BTreeMap<BucketKey, OpenDigest> = BTreeMap::new();
        let mut buckets = HashMap::new();
        buckets.extend(stored.buckets);
        for row in stored.digests {
            let digest = OpenDigest {
                id: row.id,
                opened_at: row.opened_at,
                hurried: false,
                items: Vec::new(),
                by_group: HashMap::new(),
            };
            digests.insert(row.bucket, digest);
        }
        for row in stored.items {
            let read = serde_json::from_str::<Item>(&row.payload);
            let unreadable = &stored.unreadable;
            let Some(item) = unreadable.or_pass_over("throttle_items", &row.group_key, read) else {
                continue;
            };
            if let Some(digest) = digests
                .values_mut()
                .find(|digest| digest.id == row.digest_id)
            {
                digest.hold(item);
            }
        }
        // Nothing is left of it that could be told.
        digests.retain(|_, digest| !digest.by_group.is_empty());
        Self {
            buckets,
            digests,
            opened: 0,
        }
    }

    /// The bucket of a digest that still gathers.
    pub(super) fn open(&self, id: &str) -> Option<&BucketKey> {
        self.digests
            .iter()
            .find(|(_, digest)| &*digest.id == id)
            .map(|(key, _)| key)
    }

    /// Takes a group's notification out of a digest; returns whether this is an open digest.
    pub(super) fn release(&mut self, id: &str, group_key: &Arc<str>, writes: &mut Writes) -> bool {
        let Some(key) = self.open(id).cloned() else {
            return false;
        };
        if let Some(digest) = self.digests.get_mut(&key) {
            if let Some(position) = digest.by_group.remove(group_key) {
                digest.items[position] = None;
                let place = (Arc::clone(&digest.id), Arc::clone(group_key));
                writes.items.insert(place, None);
            }
            if digest.by_group.is_empty() {
                writes.closed.push(Arc::clone(&digest.id));
                self.digests.remove(&key);
            }
        }
        true
    }

    /// Takes a token. `false`: hold the notification back.
    pub(super) fn admit(
        &mut self,
        config: &ThrottleConfig,
        key: &BucketKey,
        now: Timestamp,
        writes: &mut Writes,
    ) -> bool {
        let Some(rule) = config.limit(&key.receiver, &key.severity) else {
            return true;
        };
        // What follows a digest would overtake it.
        if self.digests.contains_key(key) {
            return false;
        }
        let level = self.level(rule, key, now);
        if level.tokens < 1.0 {
            return false;
        }
        self.set(key, level.tokens - 1.0, now, writes);
        true
    }

    fn level(&self, rule: &ThrottleRule, key: &BucketKey, now: Timestamp) -> BucketLevel {
        let burst = f64::from(rule.burst);
        let tokens = self.buckets.get(key).map_or(burst, |level| {
            let refilled = now.since(level.at).as_secs_f64() / rule.refill_interval.as_secs_f64();
            // A hair more, so that a token is there at the very instant it is due.
            (level.tokens + refilled + 1e-9).min(burst)
        });
        BucketLevel { tokens, at: now }
    }

    fn set(&mut self, key: &BucketKey, tokens: f64, now: Timestamp, writes: &mut Writes) {
        let level = BucketLevel { tokens, at: now };
        self.buckets.insert(key.clone(), level);
        writes.buckets.insert(key.clone(), level);
    }

    /// Holds a notification back; returns the digest's id.
    pub(super) fn hold(
        &mut self,
        key: &BucketKey,
        item: Item,
        now: Timestamp,
        writes: &mut Writes,
    ) -> Arc<str> {
        writes.throttled.push(key.clone());
        let opened = &mut self.opened;
        let digest = self.digests.entry(key.clone()).or_insert_with(|| {
            *opened += 1;
            let id = digest_of(&[
                b"digest",
                key.receiver.as_bytes(),
                key.integration.as_bytes(),
                key.severity.as_bytes(),
                &now.millis().to_le_bytes(),
                &opened.to_le_bytes(),
            ]);
            writes.digests.push(DigestRow {
                id: Arc::clone(&id),
                bucket: key.clone(),
                opened_at: now,
            });
            OpenDigest {
                id,
                opened_at: now,
                hurried: false,
                items: Vec::new(),
                by_group: HashMap::new(),
            }
        });
        let position = digest.hold(item);
        let item = digest.items[position]
            .as_ref()
            .expect("it was put there just now");
        let row = ItemRow {
            digest_id: Arc::clone(&digest.id),
            group_key: Arc::clone(&item.group_key),
            position: i64::try_from(position).unwrap_or(i64::MAX),
            payload: serde_json::to_string(item).expect("labels, numbers and texts are valid JSON"),
        };
        let place = (Arc::clone(&digest.id), Arc::clone(&item.group_key));
        writes.items.insert(place, Some(row));
        Arc::clone(&digest.id)
    }

    fn due_at(&self, config: &ThrottleConfig, key: &BucketKey, digest: &OpenDigest) -> Timestamp {
        if key.is_storm() && !digest.hurried {
            // The storm says when.
            return Timestamp::MAX;
        }
        let limit = config.limit(&key.receiver, &key.severity);
        let Some(rule) = limit.filter(|_| !digest.hurried) else {
            return digest.opened_at;
        };
        let refilled_at = self.buckets.get(key).map_or(digest.opened_at, |level| {
            let missing = (1.0 - level.tokens).max(0.0) * rule.refill_interval.as_secs_f64();
            level.at + Duration::from_millis((missing * 1000.0).ceil() as u64)
        });
        refilled_at.max(digest.opened_at + rule.digest_interval)
    }

    /// Sends digests that hold a group which is gone: nothing orders them against the messages of the groups that its
    /// alerts are in now.
    pub(super) fn hurry(&mut self, is_gone: impl Fn(&str) -> bool) {
        for digest in self.digests.values_mut() {
            digest.hurried |= digest.by_group.keys().any(|group| is_gone(group));
        }
    }

    /// When the next digest is sent.
    pub(super) fn next_due(&self, config: &ThrottleConfig) -> Option<Timestamp> {
        self.digests
            .iter()
            .map(|(key, digest)| self.due_at(config, key, digest))
            .min()
            .filter(|due| *due < Timestamp::MAX)
    }

    /// Turns the digests that are due into notifications.
    pub(super) fn flush(
        &mut self,
        config: &ThrottleConfig,
        now: Timestamp,
        writes: &mut Writes,
    ) -> Vec<OutboxRow> {
        let due: Vec<BucketKey> = self
            .digests
            .iter()
            .filter(|(key, digest)| self.due_at(config, key, digest) <= now)
            .map(|(key, _)| key.clone())
            .collect();
        let mut rows = Vec::with_capacity(due.len());
        for key in due {
            let Some(digest) = self.digests.remove(&key) else {
                continue;
            };
            if !key.is_storm()
                && let Some(rule) = config.limit(&key.receiver, &key.severity)
            {
                let level = self.level(rule, &key, now);
                self.set(&key, (level.tokens - 1.0).max(0.0), now, writes);
            }
            writes.closed.push(Arc::clone(&digest.id));
            rows.push(OutboxRow {
                idempotency_key: Arc::clone(&digest.id),
                expires_at: None,
                integration: Arc::clone(&key.integration),
                notification: digest.into_notification(&key, None, now),
            });
        }
        rows
    }

    /// A storm begins: of the digests that wait for each integration the largest becomes its first summary, so that it
    /// has the first alerts too. Others of `held` severities go their own way.
    pub(super) fn storm_begins(
        &mut self,
        receiver: &str,
        held: impl Fn(&str) -> bool,
        writes: &mut Writes,
    ) {
        let mut largest: BTreeMap<Arc<str>, (usize, BucketKey)> = BTreeMap::new();
        for (key, digest) in &self.digests {
            if &*key.receiver != receiver || key.is_storm() || !held(&key.severity) {
                continue;
            }
            let size = digest.by_group.len();
            let best = largest.entry(Arc::clone(&key.integration));
            let best = best.or_insert_with(|| (size, key.clone()));
            if size > best.0 {
                *best = (size, key.clone());
            }
        }
        for (_, old) in largest.into_values() {
            let Some(digest) = self.digests.remove(&old) else {
                continue;
            };
            let bucket = BucketKey::storm(&old.receiver, &old.integration);
            match writes.digests.iter_mut().find(|row| row.id == digest.id) {
                Some(row) => row.bucket = bucket.clone(),
                None => writes.digests.push(DigestRow {
                    id: Arc::clone(&digest.id),
                    bucket: bucket.clone(),
                    opened_at: digest.opened_at,
                }),
            }
            self.digests.insert(bucket, digest);
        }
    }

    /// Whether anything is gathered in a receiver's storm.
    pub(super) fn gathers(&self, receiver: &str) -> bool {
        let mut keys = self.digests.keys();
        keys.any(|key| key.is_storm() && &*key.receiver == receiver)
    }

    /// The integrations that something is gathered for in a receiver's storm.
    pub(super) fn gathering(&self, receiver: &str) -> Vec<Arc<str>> {
        let keys = self.digests.keys();
        keys.filter(|key| key.is_storm() && &*key.receiver == receiver)
            .map(|key| Arc::clone(&key.integration))
            .collect()
    }

    /// A storm's message to one integration, with what was gathered for it.
    pub(super) fn storm_message(
        &mut self,
        due: &Due,
        integration: &Arc<str>,
        now: Timestamp,
        writes: &mut Writes,
    ) -> OutboxRow {
        let key = BucketKey::storm(&due.receiver, integration);
        let digest = match self.digests.remove(&key) {
            Some(digest) => {
                writes.closed.push(Arc::clone(&digest.id));
                digest
            }
            None => OpenDigest {
                id: digest_of(&[due.id.as_bytes(), key.integration.as_bytes(), b"over"]),
                opened_at: now,
                hurried: false,
                items: Vec::new(),
                by_group: HashMap::new(),
            },
        };
        OutboxRow {
            idempotency_key: Arc::clone(&digest.id),
            expires_at: None,
            integration: Arc::clone(integration),
            notification: digest.into_notification(&key, Some(due), now),
        }
    }

    /// Sends what was gathered in storms that are no more.
    pub(super) fn hurry_storms(&mut self, lasts: impl Fn(&str) -> bool) {
        for (key, digest) in &mut self.digests {
            digest.hurried |= key.is_storm() && !lasts(&key.receiver);
        }
    }

    /// The wall clock stepped back by this much.
    pub(super) fn clock_stepped_back(&mut self, by: Duration) {
        for level in self.buckets.values_mut() {
            level.at = level.at - by;
        }
        for digest in self.digests.values_mut() {
            digest.opened_at = digest.opened_at - by;
        }
    }

    /// Forgets buckets that are full again.
    pub(super) fn sweep(&mut self, config: &ThrottleConfig, now: Timestamp) {
        self.buckets.retain(|key, level| {
            config
                .limit(&key.receiver, &key.severity)
                .is_some_and(|rule| {
                    let full = rule.refill_interval.saturating_mul(rule.burst);
                    now.since(level.at) < full
                })
        });
    }
}

impl OpenDigest {
    /// A newer notification of a group takes the place of its older one; alerts that only the older one had stay.
    fn hold(&mut self, item: Item) -> usize {
        let next = self.items.len();
        let position = *self
            .by_group
            .entry(Arc::clone(&item.group_key))
            .or_insert(next);
        match self.items.get_mut(position) {
            Some(Some(older)) => {
                let mut alerts = std::mem::take(&mut older.alerts);
                let places: HashMap<Labels, usize> = alerts
                    .iter()
                    .enumerate()
                    .map(|(i, known)| (known.alert.labels.clone(), i))
                    .collect();
                for alert in item.alerts {
                    match places.get(&alert.alert.labels) {
                        Some(place) => alerts[*place] = alert,
                        None => alerts.push(alert),
                    }
                }
                *older = Item { alerts, ..item };
            }
            Some(taken_out) => *taken_out = Some(item),
            None => self.items.push(Some(item)),
        }
        position
    }

    fn into_notification(
        self,
        key: &BucketKey,
        storm: Option<&Due>,
        now: Timestamp,
    ) -> Notification {
        let mut groups = Vec::with_capacity(self.items.len());
        let mut alerts: Vec<NotifiedAlert> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for item in self.items.into_iter().flatten() {
            let firing = item
                .alerts
                .iter()
                .filter(|alert| alert.status == AlertStatus::Firing)
                .count();
            let mut group = DigestGroup {
                group_key: item.group_key,
                group_labels: item.group_labels,
                reason: item.reason,
                firing,
                resolved: item.alerts.len() - firing,
                alerts: Vec::with_capacity(item.alerts.len()),
            };
            // An alert in several groups is listed once, as it was last.
            for alert in item.alerts {
                match places.entry(alert.alert.labels.clone()) {
                    Entry::Occupied(place) => {
                        alerts[*place.get()] = alert;
                        group.alerts.push(*place.get());
                    }
                    Entry::Vacant(place) => {
                        group.alerts.push(*place.insert(alerts.len()));
                        alerts.push(alert);
                    }
                }
            }
            groups.push(group);
        }
        let severity = if key.is_storm() {
            let listed = alerts.iter().map(|alert| (alert.status, &*alert.alert));
            normal(severity_of(listed)).into()
        } else {
            Arc::clone(&key.severity)
        };
        let digest = Digest::of(severity, self.opened_at, groups, &alerts);
        let integration = Integration::parse(&key.integration).unwrap_or_else(|| Integration {
            kind: Arc::clone(&key.integration),
            index: 0,
        });
        Notification {
            group_key: match storm {
                Some(due) => format!("storm/{}", due.id).into(),
                None => format!("digest/{}", self.id).into(),
            },
            id: self.id,
            receiver: Arc::clone(&key.receiver),
            integration,
            reason: if storm.is_some() {
                Reason::Storm
            } else {
                Reason::Digest
            },
            group_labels: Labels::empty(),
            alerts,
            truncated: 0,
            created_at: now,
            digest: Some(Digest {
                storm: storm.map(|due| due.news.clone()),
                ..digest
            }),
            undelivered: None,
        }
    }
}

/// The most severe `severity` among the firing alerts, or among all where none fires.
pub(super) fn severity_of<'a>(
    alerts: impl Iterator<Item = (AlertStatus, &'a Alert)> + Clone,
) -> &'a str {
    let worst = |only: Option<AlertStatus>| {
        alerts
            .clone()
            .filter(|(status, _)| only.is_none_or(|only| *status == only))
            .map(|(_, alert)| alert.labels.value(SEVERITY))
            .min_by_key(|severity| severity_rank(severity))
    };
    worst(Some(AlertStatus::Firing))
        .or_else(|| worst(None))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
