//! The notification log: what each receiver was last told about each group.
//!
//! A row is written when a notification enters the outbox. Until that one is delivered the row also keeps what was told
//! before, so that a notification which never arrives does not count as told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::notification::AlertStatus;
use crate::model::timestamp::Timestamp;

/// Whom a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogKey {
    /// Alertmanager's group key.
    pub group_key: Arc<str>,
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The integration, such as `webhook[0]`.
    pub integration: Arc<str>,
}

/// What a receiver was told: fingerprints, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Alerts said to fire.
    pub firing: Vec<u64>,
    /// Alerts said to have ended.
    pub resolved: Vec<u64>,
    /// When.
    pub at: Timestamp,
}

impl Told {
    /// Whether it says of an alert that it has this status.
    pub fn knows(&self, status: AlertStatus, fingerprint: u64) -> bool {
        let list = match status {
            AlertStatus::Firing => &self.firing,
            AlertStatus::Resolved => &self.resolved,
        };
        list.binary_search(&fingerprint).is_ok()
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// What the newest notification says.
    pub told: Told,
    /// When the row is forgotten.
    pub expires_at: Timestamp,
    /// The notification that carries it, or the digest it waits in; `None` where nothing had to be sent.
    pub outbox_id: Option<Arc<str>>,
    /// What was told before, newest first, back to the newest that is known to have arrived: what counts as told should
    /// the notification never arrive.
    pub previous: Vec<Earlier>,
}

/// An earlier notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// What it says.
    pub told: Told,
    /// Where it is on its way; `None` where it arrived.
    pub outbox_id: Option<Arc<str>>,
}

/// Writes rows; `None` removes one.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(
    transaction: &mut Transaction,
    rows: &[(LogKey, Option<LogEntry>)],
) -> Result<(), DbError> {
    const ACTION: &str = "write notification log";
    let mut written = Vec::with_capacity(rows.len());
    for (key, entry) in rows {
        match entry {
            Some(entry) => {
                let told = serde_json::to_string(&entry.told).map_err(DbError::value(ACTION))?;
                let previous = match entry.previous.as_slice() {
                    [] => None,
                    previous => {
                        Some(serde_json::to_string(previous).map_err(DbError::value(ACTION))?)
                    }
                };
                written.push((key, entry, told, previous));
            }
            None => {
                sqlx::query(
                    "DELETE FROM notification_log WHERE group_key = $1 AND receiver = $2 AND integration = $3",
                )
                .bind(&*key.group_key)
                .bind(&*key.receiver)
                .bind(&*key.integration)
                .execute(transaction.connection())
                .await
                .map_err(DbError::query(ACTION))?;
            }
        }
    }
    for chunk in written.chunks(MAX_BINDS / 8) {
        let mut query = QueryBuilder::new(
            "INSERT INTO notification_log (group_key, receiver, integration, told, notified_at, expires_at, outbox_id, previous) ",
        );
        query.push_values(chunk, |mut row, (key, entry, told, previous)| {
            row.push_bind(&*key.group_key)
                .push_bind(&*key.receiver)
                .push_bind(&*key.integration)
                .push_bind(told)
                .push_bind(entry.told.at.millis())
                .push_bind(entry.expires_at.millis())
                .push_bind(entry.outbox_id.as_deref())
                .push_bind(previous.as_deref());
        });
        query.push(
            " ON CONFLICT (group_key, receiver, integration) DO UPDATE SET told = excluded.told, \
             notified_at = excluded.notified_at, expires_at = excluded.expires_at, \
             outbox_id = excluded.outbox_id, previous = excluded.previous",
        );
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// All rows that are not expired at `now`; one that cannot be read is passed over, and its receiver told anew.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database, now: Timestamp) -> Result<Vec<(LogKey, LogEntry)>, DbError> {
    const ACTION: &str = "read notification log";
    let rows = sqlx::query(
        "SELECT group_key, receiver, integration, told, expires_at, outbox_id, previous \
         FROM notification_log WHERE expires_at > $1",
    )
    .bind(now.millis())
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let name = row.try_get::<String, _>(0).unwrap_or_default();
        let read = database.unreadable();
        entries.extend(read.or_pass_over("notification_log", &name, entry(&row)));
    }
    Ok(entries)
}

fn entry(row: &SqliteRow) -> Result<(LogKey, LogEntry), DbError> {
    const ACTION: &str = "read notification log";
    let text = |i: usize| -> Result<Option<String>, DbError> {
        row.try_get(i).map_err(DbError::query(ACTION))
    };
    let shared = |i| Ok::<_, DbError>(Arc::<str>::from(text(i)?.unwrap_or_default()));
    let key = LogKey {
        group_key: shared(0)?,
        receiver: shared(1)?,
        integration: shared(2)?,
    };
    let entry = LogEntry {
        told: serde_json::from_str(&text(3)?.unwrap_or_default())
            .map_err(DbError::value(ACTION))?,
        expires_at: Timestamp::from_millis(row.try_get(4).map_err(DbError::query(ACTION))?),
        outbox_id: text(5)?.map(Arc::from),
        previous: match text(6)? {
            Some(text) => serde_json::from_str(&text).map_err(DbError::value(ACTION))?,
            None => Vec::new(),
        },
    };
    Ok((key, entry))
}

/// Removes rows that are expired at `now`; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, now: Timestamp) -> Result<u64, DbError> {
    sqlx::query("DELETE FROM notification_log WHERE expires_at <= $1")
        .bind(now.millis())
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected())
        .map_err(DbError::query("prune notification log"))
}
