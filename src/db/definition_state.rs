//! How the definitions stand as a whole: which database they are in, which write was the last, and what was created since.

use super::DbError;
use super::sql::Sql;
use super::sql::statement::Statement;

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

/// What tells a PostgreSQL from every other: its system's number, the database and the schema.
///
/// # Errors
/// Where it is none, or cannot be read.
pub async fn identity(database: &Sql) -> Result<String, DbError> {
    let text = "SELECT CONCAT(system_identifier, '/', current_database(), '/', current_schema()) FROM pg_control_system()";
    let statement = Statement::new("read database's identity", text);
    database.one(statement).await?.get(0)
}

/// How many writes there were, and when the last one was, in milliseconds; 0 where there was none.
///
/// # Errors
/// Where the database cannot be read.
pub async fn epoch(database: &Sql) -> Result<(i64, i64), DbError> {
    let text = "SELECT generation, COALESCE((SELECT at FROM definition_audit ORDER BY id DESC LIMIT 1), 0) \
                FROM definition_generation WHERE id = 1";
    let statement = Statement::new("read definitions' generation", text).kept();
    let row = database.one(statement).await?;
    Ok((row.get(0)?, row.get(1)?))
}

/// The last entry of the audit; 0 where there is none.
///
/// # Errors
/// Where the database cannot be read.
pub async fn last_audit(database: &Sql) -> Result<i64, DbError> {
    let text = "SELECT COALESCE(MAX(id), 0) FROM definition_audit";
    let statement = Statement::new("read definitions' audit", text);
    database.one(statement).await?.get(0)
}

/// What the audit's entries behind one, up to another, created.
///
/// # Errors
/// Where the database cannot be read.
pub async fn created(database: &Sql, (behind, to): (i64, i64)) -> Result<Vec<Creations>, DbError> {
    let text = "SELECT a.kind, d.category, COUNT(*) FROM definition_audit a \
                LEFT JOIN definitions d ON d.kind = a.kind AND d.id = a.target \
                WHERE a.id > $1 AND a.id <= $2 AND a.action = 'create' \
                GROUP BY a.kind, d.category ORDER BY a.kind, d.category";
    let statement = Statement::new("count created definitions", text);
    let rows = database.all(statement.bind(behind).bind(to)).await?;
    let read = |row: &super::sql::row::Row| {
        let count: i64 = row.get(2)?;
        Ok(Creations {
            kind: row.get(0)?,
            category: row.get(1)?,
            count: count.unsigned_abs(),
        })
    };
    rows.iter().map(read).collect()
}
