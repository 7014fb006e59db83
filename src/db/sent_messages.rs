//! Messages that can still be changed where they were sent to: one for each group and integration, the newest.

use std::time::Duration;

use sqlx::Row;

use super::{Database, DbError, Transaction};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// A message that nothing was added to for so long is not changed any more.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where a receiver keeps a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The channel, by the name that the receiver's API wants.
    pub channel: String,
    /// The message in that channel.
    pub message: String,
}

/// The message that was last sent about a notification's group.
///
/// # Errors
/// Where the database cannot be read.
pub async fn find(
    database: &Database,
    notification: &Notification,
) -> Result<Option<SentMessage>, DbError> {
    const ACTION: &str = "read sent messages";
    let row = sqlx::query(
        "SELECT channel, message FROM sent_messages WHERE group_key = $1 AND receiver = $2 AND integration = $3",
    )
    .bind(&*notification.group_key)
    .bind(&*notification.receiver)
    .bind(notification.integration.to_string())
    .fetch_optional(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    row.map(|row| {
        Ok(SentMessage {
            channel: row.try_get(0)?,
            message: row.try_get(1)?,
        })
    })
    .transpose()
    .map_err(DbError::query(ACTION))
}

/// Writes where the message about a notification's group is now.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(
    transaction: &mut Transaction,
    notification: &Notification,
    sent: &SentMessage,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO sent_messages (group_key, receiver, integration, channel, message, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (group_key, receiver, integration) DO UPDATE SET channel = excluded.channel, \
         message = excluded.message, updated_at = excluded.updated_at",
    )
    .bind(&*notification.group_key)
    .bind(&*notification.receiver)
    .bind(notification.integration.to_string())
    .bind(&sent.channel)
    .bind(&sent.message)
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write sent messages"))
}

/// Forgets where the message about a notification's group is.
///
/// # Errors
/// Where the database cannot be written.
pub async fn forget(
    transaction: &mut Transaction,
    notification: &Notification,
) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM sent_messages WHERE group_key = $1 AND receiver = $2 AND integration = $3",
    )
    .bind(&*notification.group_key)
    .bind(&*notification.receiver)
    .bind(notification.integration.to_string())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("forget sent message"))
}

/// Forgets messages that nothing was added to for a month; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, now: Timestamp) -> Result<u64, DbError> {
    sqlx::query("DELETE FROM sent_messages WHERE updated_at < $1")
        .bind((now - KEPT).millis())
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected())
        .map_err(DbError::query("prune sent messages"))
}
