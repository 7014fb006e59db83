//! The worker's side of the outbox: taking notifications, and writing what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{QueryBuilder, Row};

use super::super::ledger::{self, LedgerEntry};
use super::super::sent_messages;
use super::super::unreadable::Unreadable;
use super::super::{Database, DbError, MAX_BINDS, Transaction};
use super::{Claimed, OutboxRow, Outcome, insert};
use crate::model::notification::{Decision, Notification, NotifiedAlert, Reason};
use crate::model::timestamp::Timestamp;

/// Bytes of payloads that one claim takes, about; at least one notification of each integration all the same.
const CLAIMED_BYTES: i64 = 512 << 10;

/// What a worker has room for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Notifications for each integration of each receiver.
    pub limit: u32,
    /// Other limits, by receiver and integration.
    pub limits: Vec<((String, String), Take)>,
}

/// What may be taken for an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// So many of those that are due.
    UpTo(u32),
    /// Of those that are due what was written at this time or earlier, to be given up: so many.
    WrittenBy(Timestamp, u32),
    /// One, due or not.
    One,
}

/// What became of notifications.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// How attempts ended.
    pub outcomes: Vec<(Notification, Outcome)>,
    /// What goes to the fallback receiver instead.
    pub instead: Vec<OutboxRow>,
    /// Integrations that answer again: what waits for their next attempt is due.
    pub revived: Vec<(String, String)>,
}

impl Ended {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.instead.is_empty() && self.revived.is_empty()
    }

    /// Puts what follows behind it.
    pub fn append(&mut self, mut later: Self) {
        self.outcomes.append(&mut later.outcomes);
        self.instead.append(&mut later.instead);
        self.revived.append(&mut later.revived);
    }
}

/// What a worker got.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The notifications.
    pub claimed: Vec<Claimed>,
    /// When the next one becomes due; those that are due already do not count.
    pub next_attempt: Option<Timestamp>,
}

impl Claim {
    fn take(&self, lane: &(String, String)) -> Take {
        self.limits
            .iter()
            .find(|(other, _)| other == lane)
            .map_or(Take::UpTo(self.limit), |(_, take)| *take)
    }
}

/// Takes due notifications, oldest first, at most `limit` for each integration of each receiver, and marks them as
/// being sent. Nothing is taken for the pairs of receiver and integration in `full`, so that a slow receiver delays
/// nobody else. A group's next notification is not taken while the one before it is being sent.
///
/// # Errors
/// Where the database cannot be written.
pub async fn claim(
    database: &Database,
    now: Timestamp,
    limit: u32,
    full: &[(String, String)],
) -> Result<Vec<Claimed>, DbError> {
    let limits = full.iter().map(|lane| (lane.clone(), Take::UpTo(0)));
    let limits = limits.collect();
    let wanted = Claim { limit, limits };
    let taken = exchange(database, &Ended::default(), &wanted, now).await?;
    Ok(taken.claimed)
}

/// Writes how attempts ended, with their ledger entries. A retry becomes superseded where a newer notification of the
/// same group and integration waits already.
///
/// # Errors
/// Where the database cannot be written; none is then, and the notifications stay claimed until
/// [`release`](super::release).
pub async fn finish(
    database: &Database,
    outcomes: &[(Notification, Outcome)],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    write_outcomes(&mut transaction, outcomes, now).await?;
    transaction.commit().await
}

/// Both at once, in one transaction: [`finish`] with all that follows from it, then [`claim`].
///
/// # Errors
/// As for the two; then neither happened.
pub async fn exchange(
    database: &Database,
    ended: &Ended,
    wanted: &Claim,
    now: Timestamp,
) -> Result<Taken, DbError> {
    let mut transaction = database.begin().await?;
    write_outcomes(&mut transaction, &ended.outcomes, now).await?;
    write_instead(&mut transaction, &ended.instead, now).await?;
    for lane in &ended.revived {
        make_due(&mut transaction, lane, now).await?;
    }
    let claimed = take(&mut transaction, wanted, database.unreadable(), now).await?;
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT MIN(next_attempt_at) FROM outbox WHERE state = 'pending' AND next_attempt_at > $1",
    )
    .bind(now.millis())
    .fetch_one(transaction.connection())
    .await
    .map_err(DbError::query(CLAIM))?;
    transaction.commit().await?;
    Ok(Taken {
        claimed,
        next_attempt: next.map(Timestamp::from_millis),
    })
}

const CLAIM: &str = "claim notifications";

/// A notification that is due.
struct Due {
    id: String,
    payload_id: i64,
    attempts: u32,
    last_error: Option<String>,
}

async fn take(
    transaction: &mut Transaction,
    wanted: &Claim,
    unreadable: &Unreadable,
    now: Timestamp,
) -> Result<Vec<Claimed>, DbError> {
    let mut due = Vec::new();
    for lane in lanes(transaction).await? {
        let take = wanted.take(&lane);
        if take != Take::UpTo(0) {
            due.extend(due_in(transaction, &lane, take, now).await?);
        }
    }
    let mut payloads = payloads(transaction, &due).await?;
    let mut claimed = Vec::with_capacity(due.len());
    let mut ids = Vec::with_capacity(due.len());
    for row in due {
        let payload = payloads.remove(&row.payload_id).unwrap_or_default();
        let read = serde_json::from_str(&payload);
        let why = read.as_ref().err().map(ToString::to_string);
        match unreadable.or_pass_over("outbox", &row.id, read) {
            Some(notification) => {
                claimed.push(Claimed {
                    notification,
                    attempts: row.attempts,
                    last_error: row.last_error,
                });
                ids.push(row.id);
            }
            None => {
                // It would come up again for ever.
                let error = why.unwrap_or_default();
                sqlx::query("UPDATE outbox SET state = 'failed', last_error = $2, updated_at = $3 WHERE id = $1")
                    .bind(row.id)
                    .bind(format!("stored notification is not readable: {error}"))
                    .bind(now.millis())
                    .execute(transaction.connection())
                    .await
                    .map_err(DbError::query(CLAIM))?;
            }
        }
    }
    for chunk in ids.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new(
            "UPDATE outbox SET state = 'sending', attempts = attempts + 1, updated_at = ",
        );
        query.push_bind(now.millis()).push(" WHERE id IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(id);
        }
        query.push(")");
        transaction.run_once(&mut query, CLAIM).await?;
    }
    Ok(claimed)
}

/// The integrations that something waits for: one look into the index for each, however much waits.
async fn lanes(transaction: &mut Transaction) -> Result<Vec<(String, String)>, DbError> {
    let mut lanes: Vec<(String, String)> = Vec::new();
    loop {
        let (receiver, integration) = lanes.last().cloned().unwrap_or_default();
        let next = sqlx::query_as(
            "SELECT receiver, integration FROM outbox WHERE state = 'pending' \
             AND (receiver, integration) > ($1, $2) ORDER BY receiver, integration LIMIT 1",
        )
        .bind(receiver)
        .bind(integration)
        .fetch_optional(transaction.connection())
        .await
        .map_err(DbError::query(CLAIM))?;
        match next {
            Some(lane) => lanes.push(lane),
            None => return Ok(lanes),
        }
    }
}

async fn due_in(
    transaction: &mut Transaction,
    lane: &(String, String),
    take: Take,
    now: Timestamp,
) -> Result<Vec<Due>, DbError> {
    let (due_by, written_by, limit) = match take {
        Take::UpTo(limit) => (now, Timestamp::MAX, limit),
        Take::WrittenBy(time, limit) => (now, time, limit),
        Take::One => (Timestamp::MAX, Timestamp::MAX, 1),
    };
    let rows = sqlx::query(
        "SELECT o.id, o.payload_id, o.attempts, o.last_error, OCTET_LENGTH(p.payload) FROM outbox AS o \
         JOIN outbox_payloads AS p ON p.id = o.payload_id \
         WHERE o.state = 'pending' AND o.receiver = $1 AND o.integration = $2 AND o.next_attempt_at <= $3 \
         AND o.created_at <= $5 \
         AND NOT EXISTS (SELECT 1 FROM outbox AS before WHERE before.group_key = o.group_key \
            AND before.receiver = o.receiver AND before.integration = o.integration \
            AND before.state IN ('pending', 'sending') AND before.created_at < o.created_at) \
         ORDER BY o.next_attempt_at LIMIT $4",
    )
    .bind(&lane.0)
    .bind(&lane.1)
    .bind(due_by.millis())
    .bind(i64::from(limit))
    .bind(written_by.millis())
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(CLAIM))?;
    let mut due = Vec::with_capacity(rows.len());
    let mut bytes = 0;
    for row in rows {
        let read = || -> Result<(Due, i64), sqlx::Error> {
            let attempts: i64 = row.try_get(2)?;
            let due = Due {
                id: row.try_get(0)?,
                payload_id: row.try_get(1)?,
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                last_error: row.try_get(3)?,
            };
            Ok((due, row.try_get(4)?))
        };
        let (one, size) = read().map_err(DbError::query(CLAIM))?;
        bytes += size;
        if bytes > CLAIMED_BYTES && !due.is_empty() {
            break;
        }
        due.push(one);
    }
    Ok(due)
}

async fn payloads(
    transaction: &mut Transaction,
    due: &[Due],
) -> Result<BTreeMap<i64, String>, DbError> {
    let mut payloads = BTreeMap::new();
    for chunk in due.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("SELECT id, payload FROM outbox_payloads WHERE id IN (");
        let mut list = query.separated(", ");
        for row in chunk {
            list.push_bind(row.payload_id);
        }
        query.push(")");
        let rows: Vec<(i64, String)> = query
            .build_query_as()
            .persistent(false)
            .fetch_all(transaction.connection())
            .await
            .map_err(DbError::query(CLAIM))?;
        payloads.extend(rows);
    }
    Ok(payloads)
}

const FINISH: &str = "write delivery";

async fn write_outcomes(
    transaction: &mut Transaction,
    outcomes: &[(Notification, Outcome)],
    now: Timestamp,
) -> Result<(), DbError> {
    // Most end alike: by state and error.
    let mut ended: BTreeMap<(&str, Option<&str>), Vec<&str>> = BTreeMap::new();
    let mut entries = Vec::with_capacity(outcomes.len());
    for (notification, outcome) in outcomes {
        let id = Arc::clone(&notification.id);
        if let Outcome::Delivered {
            sent: Some(sent), ..
        } = outcome
        {
            if notification.reason == Reason::AllResolved {
                // What fires later is another story, even where a digest tells its beginning.
                sent_messages::forget(transaction, notification).await?;
            } else {
                sent_messages::save(transaction, notification, sent, now).await?;
            }
        }
        let (state, error, decision) = match outcome {
            Outcome::Delivered { status, .. } => (
                "delivered",
                None,
                Decision::Delivered {
                    notification: id,
                    status: status.clone(),
                },
            ),
            Outcome::Failed { error } => (
                "failed",
                Some(error),
                Decision::Failed {
                    notification: id,
                    error: error.clone(),
                },
            ),
            Outcome::Expired { error } => (
                "expired",
                Some(error),
                Decision::Expired {
                    notification: id,
                    error: error.clone(),
                },
            ),
            Outcome::Retry { .. } | Outcome::Unsent => {
                match newer(transaction, notification).await? {
                    Some(newer) => (
                        "superseded",
                        outcome.retry().map(|(_, error)| error),
                        Decision::Superseded {
                            notification: id,
                            by: Some(newer.into()),
                        },
                    ),
                    None => {
                        match outcome.retry() {
                            Some((at, error)) => retry(transaction, &id, at, error, now).await?,
                            None => give_back(transaction, &id, now).await?,
                        }
                        continue;
                    }
                }
            }
        };
        let alike = ended.entry((state, error.map(String::as_str))).or_default();
        alike.push(&notification.id);
        entries.push(LedgerEntry {
            at: now,
            group_key: Arc::clone(&notification.group_key),
            receiver: Arc::clone(&notification.receiver),
            integration: notification.integration.to_string().into(),
            labels: None,
            decision,
        });
    }
    for ((state, error), ids) in ended {
        for chunk in ids.chunks(MAX_BINDS) {
            let mut query = QueryBuilder::new("UPDATE outbox SET state = ");
            query.push_bind(state).push(", last_error = ");
            query.push_bind(error).push(", next_attempt_at = ");
            query.push_bind(now.millis()).push(", updated_at = ");
            query.push_bind(now.millis()).push(" WHERE id IN (");
            let mut list = query.separated(", ");
            for id in chunk {
                list.push_bind(*id);
            }
            query.push(")");
            transaction.run_once(&mut query, FINISH).await?;
        }
    }
    ledger::append(transaction, &entries).await
}

/// The notification that waits behind this one.
// A storm's summary is told, however old: nothing newer says the same.
async fn newer(
    transaction: &mut Transaction,
    notification: &Notification,
) -> Result<Option<String>, DbError> {
    sqlx::query_scalar(
        "SELECT id FROM outbox WHERE group_key = $1 AND receiver = $2 AND integration = $3 \
         AND state = 'pending' AND created_at > $4 AND group_key NOT LIKE 'storm/%' ORDER BY created_at LIMIT 1",
    )
    .bind(&*notification.group_key)
    .bind(&*notification.receiver)
    .bind(notification.integration.to_string())
    .bind(notification.created_at.millis())
    .fetch_optional(transaction.connection())
    .await
    .map_err(DbError::query(FINISH))
}

async fn retry(
    transaction: &mut Transaction,
    id: &str,
    at: Timestamp,
    error: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE outbox SET state = 'pending', last_error = $2, next_attempt_at = $3, updated_at = $4 WHERE id = $1",
    )
    .bind(id)
    .bind(error)
    .bind(at.millis())
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query(FINISH))
}

/// As if it had not been claimed.
async fn give_back(transaction: &mut Transaction, id: &str, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE outbox SET state = 'pending', attempts = attempts - 1, updated_at = $2 WHERE id = $1",
    )
    .bind(id)
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query(FINISH))
}

/// Makes due what waits for an integration's next attempt.
async fn make_due(
    transaction: &mut Transaction,
    (receiver, integration): &(String, String),
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE outbox SET next_attempt_at = $3 WHERE receiver = $1 AND integration = $2 AND state = 'pending' \
         AND next_attempt_at > $3",
    )
    .bind(receiver)
    .bind(integration)
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query(FINISH))
}

/// Notifications to the fallback receiver, with one ledger entry an alert.
async fn write_instead(
    transaction: &mut Transaction,
    rows: &[OutboxRow],
    now: Timestamp,
) -> Result<(), DbError> {
    insert(transaction, rows).await?;
    let entries: Vec<LedgerEntry> = rows.iter().flat_map(|row| fallen_back(row, now)).collect();
    ledger::append(transaction, &entries).await
}

fn fallen_back(row: &OutboxRow, now: Timestamp) -> Vec<LedgerEntry> {
    let notification = &row.notification;
    let Some(undelivered) = &notification.undelivered else {
        return Vec::new();
    };
    let entry = |alert: &NotifiedAlert| LedgerEntry {
        at: now,
        group_key: Arc::clone(&notification.group_key),
        receiver: Arc::clone(&notification.receiver),
        integration: Arc::clone(&row.integration),
        labels: Some(alert.alert.labels.clone()),
        decision: Decision::FellBack {
            notification: Arc::clone(&notification.id),
            undelivered: Arc::clone(&undelivered.notification),
            receiver: Arc::clone(&undelivered.receiver),
            integration: undelivered.integration.to_string(),
        },
    };
    notification.alerts.iter().map(entry).collect()
}
