//! How the definitions stand as a whole: which write was the last, and what was created since when.

use sqlx::Row as _;

use super::{Database, DbError};

/// What was created, by kind and, of metrics, category.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Creations {
    /// Kind of the resources.
    pub kind: String,
    /// Category of the metrics; `None` of all else, and of what is gone already.
    pub category: Option<String>,
    /// How many.
    pub count: u64,
}

/// How many writes there were, and when the last one was, in milliseconds; 0 where there was none.
///
/// # Errors
/// Where the database cannot be read.
pub async fn epoch(database: &Database) -> Result<(i64, i64), DbError> {
    let text = "SELECT generation, COALESCE((SELECT at FROM definition_audit ORDER BY id DESC LIMIT 1), 0) \
                FROM definition_generation WHERE id = 1";
    sqlx::query(text)
        .fetch_one(database.reader())
        .await
        .and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .map_err(DbError::query("read definitions' generation"))
}

/// The last entry of the audit; 0 where there is none.
///
/// # Errors
/// Where the database cannot be read.
pub async fn last_audit(database: &Database) -> Result<i64, DbError> {
    sqlx::query("SELECT COALESCE(MAX(id), 0) FROM definition_audit")
        .fetch_one(database.reader())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(DbError::query("read definitions' audit"))
}

/// What the audit's entries behind one, up to another, created.
///
/// # Errors
/// Where the database cannot be read.
pub async fn created(
    database: &Database,
    (behind, to): (i64, i64),
) -> Result<Vec<Creations>, DbError> {
    const ACTION: &str = "read definitions' audit";
    let text = "SELECT a.kind, d.category, COUNT(*) FROM definition_audit a \
                LEFT JOIN definitions d ON d.kind = a.kind AND d.id = a.target \
                WHERE a.id > $1 AND a.id <= $2 AND a.action = 'create' \
                GROUP BY a.kind, d.category ORDER BY a.kind, d.category";
    let rows = sqlx::query(text)
        .bind(behind)
        .bind(to)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let count: i64 = row.try_get(2)?;
        Ok(Creations {
            kind: row.try_get(0)?,
            category: row.try_get(1)?,
            count: count.unsigned_abs(),
        })
    };
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(DbError::query(ACTION))
}
