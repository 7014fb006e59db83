//! The newest notifications as lists show them: without their alerts, of which one may have thousands.

use serde::Deserialize;
use serde::de::IgnoredAny;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::State;
use crate::db::{Database, DbError};
use crate::model::labels::Labels;
use crate::model::notification::Integration;
use crate::model::timestamp::Timestamp;

const READ: &str = "read outbox";

/// A notification and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// `pending`, `sending`, `delivered`, `failed`, `expired` or `superseded`.
    pub state: &'static str,
    /// Attempts so far.
    pub attempts: u32,
    /// When the state was reached.
    pub updated_at: Timestamp,
    /// The last error, empty where there was none.
    pub last_error: String,
    /// The receiver's name.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: Integration,
    /// The labels the group was formed by.
    pub group_labels: Labels,
    /// How many alerts it names.
    pub alerts: usize,
}

/// As much of a notification as is shown.
#[derive(Deserialize)]
struct Shown {
    receiver: String,
    integration: Integration,
    group_labels: Labels,
    alerts: Vec<IgnoredAny>,
}

/// The newest notifications, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn headlines(database: &Database, limit: u32) -> Result<Vec<Headline>, DbError> {
    let rows = sqlx::query(
        "SELECT o.state, o.attempts, o.updated_at, o.last_error, p.payload, o.id FROM outbox_payloads AS p \
         JOIN outbox AS o ON o.id = p.id ORDER BY p.id DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(READ))?;
    let read = |row: &SqliteRow| {
        let unreadable = database.unreadable();
        let headline = headline(database, row);
        unreadable.or_pass_over("outbox", "among the newest", headline)
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn headline(database: &Database, row: &SqliteRow) -> Result<Headline, DbError> {
    let query = DbError::query;
    let state: i64 = row.try_get(0).map_err(query(READ))?;
    let attempts: i64 = row.try_get(1).map_err(query(READ))?;
    let last_error: Option<String> = row.try_get(3).map_err(query(READ))?;
    let payload: &str = row.try_get(4).map_err(query(READ))?;
    let id = row.try_get(5).map_err(query(READ))?;
    let shown: Shown = serde_json::from_str(payload).map_err(DbError::value(READ))?;
    Ok(Headline {
        state: match database.outbox().is_sending(id) {
            true => "sending",
            false => State::as_str(state),
        },
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        updated_at: Timestamp::from_millis(row.try_get(2).map_err(query(READ))?),
        last_error: last_error.unwrap_or_default(),
        receiver: shown.receiver,
        integration: shown.integration,
        group_labels: shown.group_labels,
        alerts: shown.alerts.len(),
    })
}
