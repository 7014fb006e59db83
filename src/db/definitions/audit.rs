//! Reading the audit of every write.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use crate::db::{Database, DbError};
use crate::model::timestamp::Timestamp;

const ACTION: &str = "read audit";

/// One write, as it was audited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its number; later ones are greater.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// From where: `api`, `cli`, `file`.
    pub source: String,
    /// What was done: `create`, `update`, `delete`.
    pub action: String,
    /// The resource's kind.
    pub kind: String,
    /// Its identifier.
    pub target: String,
    /// The revision it led to.
    pub revision: i64,
}

/// Which writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// By whom.
    pub actor: Option<String>,
    /// From where.
    pub source: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// To which kind.
    pub kind: Option<String>,
    /// To which identifier.
    pub target: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Writes that fit, the newest first, below a number where one is given; and how many fit in all.
///
/// # Errors
/// Where the database cannot be read.
pub async fn list(
    database: &Database,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Entry>, i64), DbError> {
    let mut count = QueryBuilder::<Sqlite>::new("SELECT COUNT(*)");
    narrow(&mut count, filter);
    let total: i64 = count
        .build()
        .persistent(false)
        .fetch_one(database.reader())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(DbError::query(ACTION))?;
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT id, at, actor, source, action, kind, target, revision");
    narrow(&mut query, filter);
    if let Some(before) = before {
        query.push(" AND id < ").push_bind(before);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query.push(" OFFSET ").push_bind(offset);
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    let entries = rows.iter().map(entry).collect::<Result<_, _>>();
    Ok((entries.map_err(DbError::query(ACTION))?, total))
}

fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &AuditFilter) {
    query.push(" FROM definition_audit WHERE id > 0");
    for (column, value) in [
        (" AND actor = ", &filter.actor),
        (" AND source = ", &filter.source),
        (" AND action = ", &filter.action),
        (" AND kind = ", &filter.kind),
        (" AND target = ", &filter.target),
    ] {
        if let Some(value) = value {
            query.push(column).push_bind(value.clone());
        }
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(since.millis());
    }
    if let Some(until) = filter.until {
        query.push(" AND at < ").push_bind(until.millis());
    }
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        id: row.try_get(0)?,
        at: Timestamp::from_millis(row.try_get(1)?),
        actor: row.try_get(2)?,
        source: row.try_get(3)?,
        action: row.try_get(4)?,
        kind: row.try_get(5)?,
        target: row.try_get(6)?,
        revision: row.try_get(7)?,
    })
}
