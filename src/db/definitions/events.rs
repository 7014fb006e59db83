//! How far webhooks have been told of the writes in the audit, and what they have not been told of.
//!
//! The audit is the outbox: it is written in the transaction of each change. A webhook is a place in it.

use crate::db::DbError;
use crate::db::sql::Sql;
use crate::db::sql::row::Row;
use crate::db::sql::statement::Statement;
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
pub async fn place(database: &Sql, name: &str) -> Result<Place, DbError> {
    if let Some(place) = find(database, name).await? {
        return Ok(place);
    }
    let mut transaction = database.begin().await?;
    let text = "INSERT INTO definition_webhooks (name, position, attempts, due_at) \
                SELECT $1, COALESCE(MAX(id), 0), 0, 0 FROM definition_audit WHERE id > 0 \
                ON CONFLICT (name) DO NOTHING";
    let statement = Statement::new(WRITE, text).bind(name);
    transaction.run(statement).await?;
    transaction.commit().await?;
    let place = find(database, name).await?;
    place.ok_or_else(|| DbError::value(READ)("it is not there"))
}

async fn find(database: &Sql, name: &str) -> Result<Option<Place>, DbError> {
    let text = "SELECT position, attempts, due_at FROM definition_webhooks WHERE name = $1";
    let row = database
        .optional(Statement::new(READ, text).bind(name))
        .await?;
    let read = |row: Row| {
        Ok(Place {
            position: row.get(0)?,
            attempts: row.get(1)?,
            due_at: row.get(2)?,
        })
    };
    row.map(read).transpose()
}

/// The writes behind a place, in their order.
///
/// # Errors
/// Where the database cannot be read.
pub async fn behind(database: &Sql, position: i64, limit: i64) -> Result<Vec<Event>, DbError> {
    let text = "SELECT a.id, a.at, a.actor, a.source, a.action, a.kind, a.target, a.revision, \
         h.version, h.summary, h.fields, h.document FROM definition_audit a \
         JOIN definition_history h ON h.kind = a.kind AND h.id = a.target AND h.revision = a.revision \
         WHERE a.id > $1 ORDER BY a.id LIMIT $2";
    let statement = Statement::new(READ, text).bind(position).bind(limit);
    let rows = database.all(statement).await?;
    let read = |row: &Row| {
        Ok(Event {
            number: row.get(0)?,
            at: row.get(1)?,
            actor: row.get(2)?,
            source: row.get(3)?,
            action: row.get(4)?,
            kind: row.get(5)?,
            target: row.get(6)?,
            revision: row.get(7)?,
            version: row.get(8)?,
            summary: row.get(9)?,
            fields: row.get(10)?,
            document: row.get(11)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Moves a webhook from one place to another; `false` where another process was faster.
///
/// # Errors
/// Where the database cannot be written.
pub async fn shift(database: &Sql, name: &str, from: Place, to: Place) -> Result<bool, DbError> {
    let text = "UPDATE definition_webhooks SET position = $1, attempts = $2, due_at = $3 \
                WHERE name = $4 AND position = $5 AND due_at = $6";
    let statement = Statement::new(WRITE, text)
        .bind(to.position)
        .bind(to.attempts)
        .bind(to.due_at)
        .bind(name)
        .bind(from.position)
        .bind(from.due_at);
    let mut transaction = database.begin().await?;
    let moved = transaction.run(statement).await?;
    transaction.commit().await?;
    Ok(moved == 1)
}
