//! The outbox: notifications on their way, from the routes that write them to the worker that sends them.
//!
//! ```text
//!            claim                 finish
//! pending ─────────▶ sending ─┬─ delivered
//!    ▲  │               │     ├─ failed    refused for good
//!    │  └─ superseded ◀─┤     └─ expired   retried until its time was over
//!    └────── retry ─────┘
//! ```
//!
//! At most one notification of a group and integration is `sending` at a time, oldest first. What was `sending` when the
//! process died is sent again: a receiver can tell by the notification's id.

mod withdraw;

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::ledger::{self, LedgerEntry};
use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::notification::{Decision, Notification};
use crate::model::timestamp::Timestamp;

pub use self::withdraw::{Withdrawal, withdraw};

/// A notification to send.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Names group, integration and state; the same one twice undelivered is refused.
    pub idempotency_key: Arc<str>,
    /// The integration, such as `webhook[0]`.
    pub integration: Arc<str>,
    /// What to send.
    pub notification: Notification,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not yet tried, or waiting for the next attempt: may still be superseded.
    Pending,
    /// Being sent right now.
    Sending,
    /// Accepted by the receiver.
    Delivered,
    /// Refused, expired or withdrawn: nobody was told.
    Dead,
}

/// A notification the worker holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// What to send.
    pub notification: Notification,
    /// Attempts before this one.
    pub attempts: u32,
    /// Why the last of them did not work.
    pub last_error: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted.
    Delivered {
        /// What the receiver answered.
        status: String,
    },
    /// To be tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// Why it did not work; never a secret.
        error: String,
    },
    /// Refused for good.
    Failed {
        /// Why; never a secret.
        error: String,
    },
    /// Its time is over.
    Expired {
        /// The last error; never a secret.
        error: String,
    },
}

/// One line of a list of notifications.
#[derive(Clone, Debug)]
pub struct Summary {
    /// `pending`, `sending`, `delivered`, `failed`, `expired` or `superseded`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the state was reached.
    pub updated_at: Timestamp,
    /// The last error, empty where there was none.
    pub last_error: String,
    /// The notification.
    pub notification: Notification,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Notifications not yet delivered.
    pub waiting: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// When the next one is due.
    pub next_attempt: Option<Timestamp>,
}

/// Adds notifications; one whose idempotency key is already on its way is left out.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert(transaction: &mut Transaction, rows: &[OutboxRow]) -> Result<(), DbError> {
    const ACTION: &str = "write outbox";
    for chunk in rows.chunks(MAX_BINDS / 8) {
        let mut written = Vec::with_capacity(chunk.len());
        for row in chunk {
            let payload =
                serde_json::to_string(&row.notification).map_err(DbError::value(ACTION))?;
            written.push((row, payload));
        }
        let mut query = QueryBuilder::new(
            "INSERT INTO outbox (id, idempotency_key, group_key, receiver, integration, payload, created_at, \
             next_attempt_at, updated_at, state, attempts) ",
        );
        query.push_values(written, |mut to, (row, payload)| {
            let notification = &row.notification;
            let created_at = notification.created_at.millis();
            to.push_bind(&*notification.id)
                .push_bind(&*row.idempotency_key)
                .push_bind(&*notification.group_key)
                .push_bind(&*notification.receiver)
                .push_bind(&*row.integration)
                .push_bind(payload)
                .push_bind(created_at)
                .push_bind(created_at)
                .push_bind(created_at)
                .push("'pending'")
                .push("0");
        });
        query.push(" ON CONFLICT DO NOTHING");
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// What became of these notifications; one that is not stored (any more) is missing.
///
/// # Errors
/// Where the database cannot be read.
pub async fn fates(
    transaction: &mut Transaction,
    ids: &[Arc<str>],
) -> Result<HashMap<Arc<str>, Fate>, DbError> {
    const ACTION: &str = "read outbox";
    let mut fates = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("SELECT id, state FROM outbox WHERE id IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(&**id);
        }
        query.push(")");
        let rows = query
            .build()
            .persistent(false)
            .fetch_all(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
        for row in rows {
            let id: String = row.try_get(0).map_err(DbError::query(ACTION))?;
            let state: String = row.try_get(1).map_err(DbError::query(ACTION))?;
            let fate = match state.as_str() {
                "pending" => Fate::Pending,
                "sending" => Fate::Sending,
                "delivered" => Fate::Delivered,
                _ => Fate::Dead,
            };
            fates.insert(id.into(), fate);
        }
    }
    Ok(fates)
}

/// Makes pending again what was being sent when the process ended. To be called once, before the first claim.
///
/// # Errors
/// Where the database cannot be written.
pub async fn release(database: &Database, now: Timestamp) -> Result<u64, DbError> {
    const ACTION: &str = "release outbox";
    let mut transaction = database.begin().await?;
    let released = sqlx::query(
        "UPDATE outbox SET state = 'pending', next_attempt_at = $1 WHERE state = 'sending'",
    )
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?
    .rows_affected();
    transaction.commit().await?;
    Ok(released)
}

/// Makes due at `now` what was last touched later than that: the wall clock stepped back, and it would wait for the time
/// to come again.
///
/// # Errors
/// Where the database cannot be written.
pub async fn clock_stepped_back(database: &Database, now: Timestamp) -> Result<(), DbError> {
    const ACTION: &str = "set back outbox";
    let mut transaction = database.begin().await?;
    sqlx::query(
        "UPDATE outbox SET next_attempt_at = $1, updated_at = $1 WHERE state = 'pending' AND updated_at > $1",
    )
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    transaction.commit().await
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
    const ACTION: &str = "claim notifications";
    let mut transaction = database.begin().await?;
    let lanes: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT receiver, integration FROM outbox WHERE state = 'pending' AND next_attempt_at <= $1",
    )
    .bind(now.millis())
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut rows = Vec::new();
    for lane in lanes.iter().filter(|lane| !full.contains(lane)) {
        let due = sqlx::query(
            "SELECT id, payload, attempts, last_error FROM outbox AS o WHERE state = 'pending' AND receiver = $1 \
             AND integration = $2 AND next_attempt_at <= $3 \
             AND NOT EXISTS (SELECT 1 FROM outbox AS before WHERE before.group_key = o.group_key \
                AND before.receiver = o.receiver AND before.integration = o.integration \
                AND before.state IN ('pending', 'sending') AND before.created_at < o.created_at) \
             ORDER BY next_attempt_at LIMIT $4",
        )
        .bind(&lane.0)
        .bind(&lane.1)
        .bind(now.millis())
        .bind(i64::from(limit))
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
        rows.extend(due);
    }
    let mut claimed = Vec::with_capacity(rows.len());
    let mut ids: Vec<String> = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.try_get(0).map_err(DbError::query(ACTION))?;
        let payload: String = row.try_get(1).map_err(DbError::query(ACTION))?;
        let attempts: i64 = row.try_get(2).map_err(DbError::query(ACTION))?;
        match serde_json::from_str(&payload) {
            Ok(notification) => {
                claimed.push(Claimed {
                    notification,
                    attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                    last_error: row.try_get(3).map_err(DbError::query(ACTION))?,
                });
                ids.push(id);
            }
            Err(error) => {
                // Written by a version this one cannot read: it would come up again for ever.
                tracing::error!(notification.id = id, %error, "notification in the outbox is not readable");
                sqlx::query("UPDATE outbox SET state = 'failed', last_error = $2, updated_at = $3 WHERE id = $1")
                    .bind(id)
                    .bind(format!("stored notification is not readable: {error}"))
                    .bind(now.millis())
                    .execute(transaction.connection())
                    .await
                    .map_err(DbError::query(ACTION))?;
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
        transaction.run_once(&mut query, ACTION).await?;
    }
    transaction.commit().await?;
    Ok(claimed)
}

/// Writes how attempts ended, with their ledger entries. A retry becomes superseded where a newer notification of the
/// same group and integration waits already.
///
/// # Errors
/// Where the database cannot be written; none is then, and the notifications stay claimed until [`release`].
pub async fn finish(
    database: &Database,
    outcomes: &[(Notification, Outcome)],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    for (notification, outcome) in outcomes {
        write_outcome(&mut transaction, notification, outcome, now).await?;
    }
    transaction.commit().await
}

async fn write_outcome(
    transaction: &mut Transaction,
    notification: &Notification,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), DbError> {
    const ACTION: &str = "write delivery";
    let id = Arc::clone(&notification.id);
    let integration = notification.integration.to_string();
    let (state, error, decision) = match outcome {
        Outcome::Delivered { status } => (
            "delivered",
            None,
            Some(Decision::Delivered {
                notification: id,
                status: status.clone(),
            }),
        ),
        Outcome::Failed { error } => (
            "failed",
            Some(error),
            Some(Decision::Failed {
                notification: id,
                error: error.clone(),
            }),
        ),
        Outcome::Expired { error } => (
            "expired",
            Some(error),
            Some(Decision::Expired {
                notification: id,
                error: error.clone(),
            }),
        ),
        Outcome::Retry { error, .. } => {
            // What gathers many groups is told, however old: nothing newer says the same.
            let newer: Option<String> = sqlx::query_scalar(
                "SELECT id FROM outbox WHERE group_key = $1 AND receiver = $2 AND integration = $3 \
                 AND state = 'pending' AND created_at > $4 AND group_key NOT LIKE 'storm/%' ORDER BY created_at LIMIT 1",
            )
            .bind(&*notification.group_key)
            .bind(&*notification.receiver)
            .bind(&integration)
            .bind(notification.created_at.millis())
            .fetch_optional(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
            match newer {
                Some(newer) => (
                    "superseded",
                    Some(error),
                    Some(Decision::Superseded {
                        notification: id,
                        by: Some(newer.into()),
                    }),
                ),
                None => ("pending", Some(error), None),
            }
        }
    };
    let next = match outcome {
        Outcome::Retry { at, .. } => *at,
        Outcome::Delivered { .. } | Outcome::Failed { .. } | Outcome::Expired { .. } => now,
    };
    sqlx::query(
        "UPDATE outbox SET state = $2, last_error = $3, next_attempt_at = $4, updated_at = $5 WHERE id = $1",
    )
    .bind(&*notification.id)
    .bind(state)
    .bind(error)
    .bind(next.millis())
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    if let Some(decision) = decision {
        let entry = LedgerEntry {
            at: now,
            group_key: Arc::clone(&notification.group_key),
            receiver: Arc::clone(&notification.receiver),
            integration: integration.into(),
            labels: None,
            decision,
        };
        ledger::append(transaction, &[entry]).await?;
    }
    Ok(())
}

/// How much waits, and until when.
///
/// # Errors
/// Where the database cannot be read.
pub async fn backlog(database: &Database) -> Result<Backlog, DbError> {
    const ACTION: &str = "read outbox";
    let row = sqlx::query(
        "SELECT COUNT(*), MIN(created_at), MIN(CASE WHEN state = 'pending' THEN next_attempt_at END) \
         FROM outbox WHERE state IN ('pending', 'sending')",
    )
    .fetch_one(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let read = || -> Result<Backlog, sqlx::Error> {
        let time = |i: usize| -> Result<Option<Timestamp>, sqlx::Error> {
            Ok(row
                .try_get::<Option<i64>, _>(i)?
                .map(Timestamp::from_millis))
        };
        Ok(Backlog {
            waiting: u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0),
            oldest: time(1)?,
            next_attempt: time(2)?,
        })
    };
    read().map_err(DbError::query(ACTION))
}

/// The newest notifications, whatever became of them, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn recent(database: &Database, limit: u32) -> Result<Vec<Summary>, DbError> {
    const ACTION: &str = "read outbox";
    let rows = sqlx::query(
        "SELECT state, attempts, updated_at, last_error, payload FROM outbox ORDER BY updated_at DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    rows.iter().map(|row| summary(row, ACTION)).collect()
}

fn summary(row: &SqliteRow, action: &'static str) -> Result<Summary, DbError> {
    let attempts: i64 = row.try_get(1).map_err(DbError::query(action))?;
    let last_error: Option<String> = row.try_get(3).map_err(DbError::query(action))?;
    let payload: String = row.try_get(4).map_err(DbError::query(action))?;
    Ok(Summary {
        state: row.try_get(0).map_err(DbError::query(action))?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        updated_at: Timestamp::from_millis(row.try_get(2).map_err(DbError::query(action))?),
        last_error: last_error.unwrap_or_default(),
        notification: serde_json::from_str(&payload).map_err(DbError::value(action))?,
    })
}

/// Removes notifications that are no longer on their way and were last touched before `before`; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<u64, DbError> {
    sqlx::query("DELETE FROM outbox WHERE updated_at < $1 AND state NOT IN ('pending', 'sending')")
        .bind(before.millis())
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected())
        .map_err(DbError::query("prune outbox"))
}
