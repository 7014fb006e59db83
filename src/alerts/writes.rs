//! What a batch of flushes decided, written in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::db::acks::{self, EndedRow};
use crate::db::alert_state::{self, StateChanges};
use crate::db::ledger::{self, LedgerEntry};
use crate::db::notification_log::{self, LogEntry, LogKey};
use crate::db::outbox::{self, OutboxRow, Withdrawal};
use crate::db::silences;
use crate::db::storms::{self, FlapRow, StormRow};
use crate::db::throttle::{self, BucketKey, BucketLevel, DigestRow, ItemRow};
use crate::db::{DbError, Transaction};
use crate::model::labels::Labels;
use crate::model::silence::Silence;
use crate::model::timestamp::Timestamp;

/// Changes of one batch. What was written earlier in the batch is replaced, not repeated.
#[derive(Debug, Default)]
pub struct Writes {
    /// Rows of the notification log; `None` removes one.
    pub log: HashMap<LogKey, Option<LogEntry>>,
    /// New notifications.
    pub outbox: Vec<OutboxRow>,
    /// Pending notifications to withdraw, or the part of a digest.
    pub superseded: Vec<Withdrawal>,
    /// Decisions.
    pub ledger: Vec<LedgerEntry>,
    /// Acks that ended.
    pub ended_acks: Vec<EndedRow>,
    /// Silences that began or ended by themselves.
    pub silences: Vec<Silence>,
    /// Levels of token buckets.
    pub buckets: HashMap<BucketKey, BucketLevel>,
    /// Digests begun.
    pub digests: Vec<DigestRow>,
    /// Notifications held back, by digest and group; `None` takes one out.
    pub items: HashMap<(Arc<str>, Arc<str>), Option<ItemRow>>,
    /// Digests that became notifications.
    pub closed: Vec<Arc<str>>,
    /// Posted alerts and the groups' timers.
    pub state: StateChanges,
    /// One bucket for each notification held back, for metrics.
    pub throttled: Vec<BucketKey>,
    /// Storms by receiver; `None` where one is over.
    pub storms: HashMap<Arc<str>, Option<StormRow>>,
    /// Alerts that flap; `None` where one no longer does.
    pub flapping: HashMap<Labels, Option<FlapRow>>,
    /// Receivers whose storm began, for metrics.
    pub storms_begun: Vec<Arc<str>>,
    /// Alerts that began to flap, for metrics.
    pub flaps_begun: u64,
}

impl Writes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
            && self.outbox.is_empty()
            && self.superseded.is_empty()
            && self.ledger.is_empty()
            && self.ended_acks.is_empty()
            && self.silences.is_empty()
            && self.buckets.is_empty()
            && self.digests.is_empty()
            && self.items.is_empty()
            && self.closed.is_empty()
            && self.state.is_empty()
            && self.storms.is_empty()
            && self.flapping.is_empty()
    }

    /// Writes everything; the caller commits.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn write(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> Result<(), DbError> {
        alert_state::save(transaction, &self.state).await?;
        // Withdrawn before the new ones come: both may have the same idempotency key.
        outbox::withdraw(transaction, &self.superseded, now).await?;
        outbox::insert(transaction, &self.outbox).await?;
        let log = self.log.iter();
        let log: Vec<_> = log.map(|(key, entry)| (key, entry.as_ref())).collect();
        notification_log::save(transaction, &log).await?;
        acks::end(transaction, &self.ended_acks).await?;
        silences::save(transaction, &self.silences).await?;
        ledger::append(transaction, &self.ledger).await?;
        let buckets: Vec<_> = self
            .buckets
            .iter()
            .map(|(key, level)| (key.clone(), *level))
            .collect();
        throttle::save_buckets(transaction, &buckets).await?;
        let mut items: Vec<_> = self.items.values().flatten().cloned().collect();
        items.sort_by_key(|item| item.position);
        throttle::save_digests(transaction, &self.digests, &items).await?;
        let taken_out = self.items.iter().filter(|(_, item)| item.is_none());
        let taken_out: Vec<_> = taken_out
            .map(|((digest, group), _)| (&**digest, &**group))
            .collect();
        throttle::remove_items(transaction, &taken_out).await?;
        throttle::remove_digests(transaction, &self.closed).await?;
        storms::save(transaction, &self.storms, &self.flapping).await
    }
}

/// 32 hexadecimal digits that name these parts.
pub(super) fn digest_of(parts: &[&[u8]]) -> Arc<str> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(part);
    }
    let mut text = String::with_capacity(32);
    for byte in &hasher.finalize()[..16] {
        use std::fmt::Write;
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text.into()
}
