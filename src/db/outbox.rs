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

mod delivery;
mod withdraw;

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

pub use self::delivery::{Claim, Ended, Take, Taken, claim, exchange, finish};
use super::sent_messages::SentMessage;
use super::{Database, DbError, MAX_BINDS, Transaction, WRITTEN_AT_ONCE};
use crate::model::notification::Notification;
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
    /// Refused, expired or withdrawn, and no fallback receiver stood in: nobody was told.
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
        /// The message that can be changed later; `None` leaves what is known.
        sent: Option<SentMessage>,
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
    /// Claimed and given back without an attempt.
    Unsent,
}

impl Outcome {
    /// When it is to be tried again, and why.
    fn retry(&self) -> Option<(Timestamp, &String)> {
        match self {
            Self::Retry { at, error } => Some((*at, error)),
            Self::Delivered { .. } | Self::Failed { .. } | Self::Expired { .. } | Self::Unsent => {
                None
            }
        }
    }
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
    /// When the next one becomes due; those that are due already do not count.
    pub next_attempt: Option<Timestamp>,
}

/// Adds notifications; one whose idempotency key is already on its way is left out.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert(transaction: &mut Transaction, rows: &[OutboxRow]) -> Result<(), DbError> {
    const ACTION: &str = "write outbox";
    if rows.is_empty() {
        return Ok(());
    }
    let newest: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM outbox_payloads")
        .fetch_one(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    let mut next = newest;
    let mut rest = rows;
    while !rest.is_empty() {
        let mut payloads = Vec::new();
        let mut bytes = 0;
        for row in rest.iter().take(MAX_BINDS / 10) {
            let payload =
                serde_json::to_string(&row.notification).map_err(DbError::value(ACTION))?;
            bytes += payload.len();
            payloads.push(payload);
            if bytes >= WRITTEN_AT_ONCE {
                break;
            }
        }
        let (chunk, left) = rest.split_at(payloads.len());
        rest = left;
        let first = next + 1;
        next += i64::try_from(chunk.len()).unwrap_or(i64::MAX);
        let mut query = QueryBuilder::new(
            "INSERT INTO outbox (id, idempotency_key, group_key, receiver, integration, payload_id, created_at, \
             next_attempt_at, updated_at, undelivered, state, attempts) ",
        );
        query.push_values((first..).zip(chunk), |mut to, (payload_id, row)| {
            let notification = &row.notification;
            let created_at = notification.created_at.millis();
            let undelivered = notification.undelivered.as_ref();
            let undelivered = undelivered.map(|undelivered| &*undelivered.notification);
            to.push_bind(&*notification.id)
                .push_bind(&*row.idempotency_key)
                .push_bind(&*notification.group_key)
                .push_bind(&*notification.receiver)
                .push_bind(&*row.integration)
                .push_bind(payload_id)
                .push_bind(created_at)
                .push_bind(created_at)
                .push_bind(created_at)
                .push_bind(undelivered)
                .push("'pending'")
                .push("0");
        });
        query.push(" ON CONFLICT DO NOTHING");
        let written = transaction.run_once(&mut query, ACTION).await?;
        let mut query = QueryBuilder::new("INSERT INTO outbox_payloads (id, payload) ");
        query.push_values((first..).zip(payloads), |mut to, (id, payload)| {
            to.push_bind(id).push_bind(payload);
        });
        transaction.run_once(&mut query, ACTION).await?;
        if written < u64::try_from(chunk.len()).unwrap_or(u64::MAX) {
            sqlx::query(
                "DELETE FROM outbox_payloads WHERE id >= $1 AND id NOT IN \
                 (SELECT payload_id FROM outbox WHERE payload_id >= $1)",
            )
            .bind(first)
            .execute(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
        }
    }
    Ok(())
}

/// What became of these notifications; one that is not stored (any more) is missing. One that was given up shares the
/// fate of what went to the fallback receiver instead: told is told.
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
    let dead = fates.iter().filter(|(_, fate)| **fate == Fate::Dead);
    let dead: Vec<Arc<str>> = dead.map(|(id, _)| Arc::clone(id)).collect();
    for chunk in dead.chunks(MAX_BINDS) {
        for (id, state) in stand_ins(transaction, chunk).await? {
            let Some(fate) = fates.get_mut(&*id) else {
                continue;
            };
            match (state.as_str(), *fate) {
                ("delivered", _) => *fate = Fate::Delivered,
                // It cannot be withdrawn by the id that is asked for.
                ("pending" | "sending", Fate::Dead) => *fate = Fate::Sending,
                _ => {}
            }
        }
    }
    Ok(fates)
}

/// The notifications to the fallback receiver that stand in for these: whom for, and their state.
async fn stand_ins(
    transaction: &mut Transaction,
    undelivered: &[Arc<str>],
) -> Result<Vec<(String, String)>, DbError> {
    let mut query =
        QueryBuilder::new("SELECT undelivered, state FROM outbox WHERE undelivered IN (");
    let mut list = query.separated(", ");
    for id in undelivered {
        list.push_bind(&**id);
    }
    query.push(")");
    query
        .build_query_as()
        .persistent(false)
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query("read outbox"))
}

/// Makes pending again what was being sent when the process ended. To be called once, before the first claim. An attempt
/// that was cut off did not fail: it does not lengthen the wait after the next one that does.
///
/// # Errors
/// Where the database cannot be written.
pub async fn release(database: &Database, now: Timestamp) -> Result<u64, DbError> {
    const ACTION: &str = "release outbox";
    let mut transaction = database.begin().await?;
    let released = sqlx::query(
        "UPDATE outbox SET state = 'pending', next_attempt_at = $1, attempts = attempts - 1 WHERE state = 'sending'",
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

/// How much waits at `now`, and until when.
///
/// # Errors
/// Where the database cannot be read.
pub async fn backlog(database: &Database, now: Timestamp) -> Result<Backlog, DbError> {
    const ACTION: &str = "read outbox";
    // Each by an index of its own, so that no row is read.
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM outbox WHERE state IN ('pending', 'sending')), \
         (SELECT MIN(created_at) FROM outbox WHERE state IN ('pending', 'sending')), \
         (SELECT MIN(next_attempt_at) FROM outbox WHERE state = 'pending' AND next_attempt_at > $1)",
    )
    .bind(now.millis())
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
        "SELECT o.state, o.attempts, o.updated_at, o.last_error, p.payload FROM outbox_payloads AS p \
         JOIN outbox AS o ON o.payload_id = p.id ORDER BY p.id DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let read = |row: &SqliteRow| {
        let unreadable = database.unreadable();
        unreadable.or_pass_over("outbox", "among the newest", summary(row, ACTION))
    };
    Ok(rows.iter().filter_map(read).collect())
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
    let mut removed = 0;
    for statement in [
        "DELETE FROM outbox_payloads WHERE id IN (SELECT payload_id FROM outbox \
         WHERE updated_at < $1 AND state NOT IN ('pending', 'sending'))",
        "DELETE FROM outbox WHERE updated_at < $1 AND state NOT IN ('pending', 'sending')",
    ] {
        removed = sqlx::query(statement)
            .bind(before.millis())
            .execute(transaction.connection())
            .await
            .map_err(DbError::query("prune outbox"))?
            .rows_affected();
    }
    Ok(removed)
}
