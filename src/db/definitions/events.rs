//! How far webhooks have been told of the writes in the audit, and what they have not been told of.
//!
//! The audit is the outbox: it is written in the transaction of each change. A webhook is a place in it.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::db::{Database, DbError};
use crate::model::timestamp::Timestamp;

const READ: &str = "read webhook";
const WRITE: &str = "write webhook";

/// Where a webhook stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The number of the last write it was told of, or that it does not want.
    pub position: i64,
    /// How often the next one was tried in vain.
    pub attempts: i64,
    /// Not before.
    pub due_at: Timestamp,
}

/// A write to tell of.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Its number in the audit.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// From where.
    pub source: String,
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The resource's kind.
    pub kind: String,
    /// Its identifier.
    pub target: String,
    /// The revision it led to.
    pub revision: i64,
    /// The version it led to.
    pub version: Option<String>,
    /// What it was, in words.
    pub summary: String,
    /// Which fields, as JSON.
    pub fields: String,
    /// The resource as it is then, as JSON; `None` where it was removed.
    pub document: Option<String>,
}

/// Where a webhook stands; a new one behind the last write.
///
/// # Errors
/// Where the database cannot be read or written.
pub async fn place(database: &Database, name: &str) -> Result<Place, DbError> {
    if let Some(place) = find(database, name).await? {
        return Ok(place);
    }
    let mut transaction = database.begin().await?;
    sqlx::query(
        "INSERT INTO definition_webhooks (name, position, attempts, due_at) \
         SELECT $1, COALESCE(MAX(id), 0), 0, 0 FROM definition_audit WHERE id > 0 \
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(WRITE))?;
    transaction.commit().await?;
    let place = find(database, name).await?;
    place.ok_or_else(|| DbError::value(READ)("it is not there"))
}

async fn find(database: &Database, name: &str) -> Result<Option<Place>, DbError> {
    let row =
        sqlx::query("SELECT position, attempts, due_at FROM definition_webhooks WHERE name = $1")
            .bind(name)
            .fetch_optional(database.reader())
            .await
            .map_err(DbError::query(READ))?;
    let read = |row: SqliteRow| {
        Ok(Place {
            position: row.try_get(0)?,
            attempts: row.try_get(1)?,
            due_at: Timestamp::from_millis(row.try_get(2)?),
        })
    };
    row.map(read).transpose().map_err(DbError::query(READ))
}

/// The writes behind a place, in their order.
///
/// # Errors
/// Where the database cannot be read.
pub async fn behind(database: &Database, position: i64, limit: i64) -> Result<Vec<Event>, DbError> {
    let rows = sqlx::query(
        "SELECT a.id, a.at, a.actor, a.source, a.action, a.kind, a.target, a.revision, \
         h.version, h.summary, h.fields, h.document FROM definition_audit a \
         JOIN definition_history h ON h.kind = a.kind AND h.id = a.target AND h.revision = a.revision \
         WHERE a.id > $1 ORDER BY a.id LIMIT $2",
    )
    .bind(position)
    .bind(limit)
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(READ))?;
    let read = |row: &SqliteRow| {
        Ok(Event {
            number: row.try_get(0)?,
            at: Timestamp::from_millis(row.try_get(1)?),
            actor: row.try_get(2)?,
            source: row.try_get(3)?,
            action: row.try_get(4)?,
            kind: row.try_get(5)?,
            target: row.try_get(6)?,
            revision: row.try_get(7)?,
            version: row.try_get(8)?,
            summary: row.try_get(9)?,
            fields: row.try_get(10)?,
            document: row.try_get(11)?,
        })
    };
    let events = rows.iter().map(read).collect::<Result<_, _>>();
    events.map_err(DbError::query(READ))
}

/// Moves a webhook from one place to another; `false` where another process was faster.
///
/// # Errors
/// Where the database cannot be written.
pub async fn shift(
    database: &Database,
    name: &str,
    from: Place,
    to: Place,
) -> Result<bool, DbError> {
    let mut transaction = database.begin().await?;
    let done = sqlx::query(
        "UPDATE definition_webhooks SET position = $1, attempts = $2, due_at = $3 \
         WHERE name = $4 AND position = $5 AND due_at = $6",
    )
    .bind(to.position)
    .bind(to.attempts)
    .bind(to.due_at.millis())
    .bind(name)
    .bind(from.position)
    .bind(from.due_at.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(WRITE))?;
    transaction.commit().await?;
    Ok(done.rows_affected() == 1)
}
