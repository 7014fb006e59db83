//! Reading the audit of every write.

use crate::db::DbError;
use crate::db::sql::Sql;
use crate::db::sql::row::Row;
use crate::db::sql::statement::Statement;
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
    database: &Sql,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Entry>, i64), DbError> {
    let mut count = Statement::new(ACTION, "SELECT COUNT(*)");
    narrow(&mut count, filter);
    let total = database.one(count).await?.get(0)?;
    let mut statement = Statement::new(
        ACTION,
        "SELECT id, at, actor, source, action, kind, target, revision",
    );
    narrow(&mut statement, filter);
    if let Some(before) = before {
        statement.push(" AND id < ").push_bind(before);
    }
    statement.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    statement.push(" OFFSET ").push_bind(offset);
    let rows = database.all(statement).await?;
    let entries = rows.iter().map(entry).collect::<Result<_, _>>()?;
    Ok((entries, total))
}

fn narrow(statement: &mut Statement, filter: &AuditFilter) {
    statement.push(" FROM definition_audit WHERE id > 0");
    for (column, value) in [
        (" AND actor = ", &filter.actor),
        (" AND source = ", &filter.source),
        (" AND action = ", &filter.action),
        (" AND kind = ", &filter.kind),
        (" AND target = ", &filter.target),
    ] {
        if let Some(value) = value {
            statement.push(column).push_bind(value);
        }
    }
    if let Some(since) = filter.since {
        statement.push(" AND at >= ").push_bind(since);
    }
    if let Some(until) = filter.until {
        statement.push(" AND at < ").push_bind(until);
    }
}

fn entry(row: &Row) -> Result<Entry, DbError> {
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        source: row.get(3)?,
        action: row.get(4)?,
        kind: row.get(5)?,
        target: row.get(6)?,
        revision: row.get(7)?,
    })
}
