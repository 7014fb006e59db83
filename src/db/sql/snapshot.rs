//! The definitions as PostgreSQL had them last, in memory: what reads are answered from while it is down.
//!
//! It is a SQLite, so that the statements are the same. It holds the tables of [`TABLES`] and nothing of accounts; only a
//! statement that says so ([`super::statement::Statement::or_snapshot`]) is asked of it. Definitions of more than
//! [`MOST_BYTES`] are not held: then reads fail as writes do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, TypeInfo, ValueRef};

use super::super::DbError;
use super::row::Row;
use super::statement::Statement;
use super::{migrations, query};
use crate::model::timestamp::Timestamp;

/// What is held, and the columns by which it is read in parts.
pub(super) const TABLES: [&str; 3] = ["definitions", "definition_tags", "definition_generation"];
/// The most bytes of documents that are held.
pub(super) const MOST_BYTES: i64 = 16 << 20;
/// Rows that are read at a time.
const PART: i64 = 500;

const ACTION: &str = "take a snapshot of the definitions";

/// The newest snapshot.
#[derive(Debug, Default)]
pub(super) struct Snapshot(ArcSwapOption<Held>);

#[derive(Debug)]
struct Held {
    pool: SqlitePool,
    generation: i64,
    bytes: i64,
    /// When PostgreSQL last said that nothing is newer.
    as_of: AtomicI64,
}

impl Snapshot {
    /// How old it is at a time; nothing where there is none.
    pub(super) fn age(&self, now: Timestamp) -> Option<Duration> {
        let held = self.0.load();
        let as_of = held.as_ref()?.as_of.load(Ordering::Relaxed);
        Some(now.since(Timestamp::from_millis(as_of)))
    }

    /// Bytes of documents in it.
    pub(super) fn bytes(&self) -> i64 {
        self.0.load().as_ref().map_or(0, |held| held.bytes)
    }

    /// Whether it is of this generation; then it is as good as new.
    pub(super) fn confirm(&self, generation: i64, now: Timestamp) -> bool {
        let held = self.0.load();
        let same = held.as_ref().filter(|held| held.generation == generation);
        if let Some(held) = same {
            held.as_of.store(now.millis(), Ordering::Relaxed);
        }
        same.is_some()
    }

    /// What a statement yields; nothing where there is no snapshot.
    pub(super) async fn all(&self, statement: &Statement) -> Option<Result<Vec<Row>, DbError>> {
        let held = self.0.load_full()?;
        let rows = query!(statement).fetch_all(&held.pool).await;
        let rows = rows.map_err(DbError::query(statement.operation));
        let row = |row| Row::sqlite(statement.operation, row);
        Some(rows.map(|rows| rows.into_iter().map(row).collect()))
    }

    /// Takes a new one, within a transaction that sees one state of the database. `false` where there is too much to hold.
    pub(super) async fn take(
        &self,
        connection: &mut PgConnection,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let failed = DbError::query;
        let size = "SELECT COALESCE(SUM(octet_length(document) + octet_length(search)), 0)::BIGINT FROM definitions";
        let bytes: i64 = sqlx::query_scalar(size)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        if bytes > MOST_BYTES {
            self.0.store(None);
            return Ok(false);
        }
        let generation: i64 = sqlx::query_scalar("SELECT generation FROM definition_generation")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        let pool = empty().await?;
        for table in TABLES {
            copy(connection, &pool, table).await?;
        }
        self.0.store(Some(Arc::new(Held {
            pool,
            generation,
            bytes,
            as_of: AtomicI64::new(now.millis()),
        })));
        Ok(true)
    }
}

/// A database in memory: the one connection is the database.
async fn empty() -> Result<SqlitePool, DbError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(SqliteConnectOptions::new().in_memory(true))
        .await
        .map_err(DbError::query(ACTION))?;
    for sql in migrations::shared() {
        let made = sqlx::raw_sql(sql).execute(&pool).await;
        made.map_err(DbError::query(ACTION))?;
    }
    Ok(pool)
}

/// Copies a table. Its name and its columns' are of our own schema, so the texts may be put together.
async fn copy(from: &mut PgConnection, to: &SqlitePool, table: &str) -> Result<(), DbError> {
    let failed = DbError::query;
    let clear = AssertSqlSafe(format!("DELETE FROM {table}"));
    sqlx::query(clear)
        .execute(to)
        .await
        .map_err(failed(ACTION))?;
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
            .bind(table)
            .fetch_all(to)
            .await
            .map_err(failed(ACTION))?;
    let places: Vec<String> = (1..=columns.len()).map(|i| format!("${i}")).collect();
    let key = columns[..columns.len().min(3)].join(", ");
    let (columns, places) = (columns.join(", "), places.join(", "));
    let select = format!("SELECT {columns} FROM {table} ORDER BY {key} LIMIT $1 OFFSET $2");
    let insert = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
    let mut offset = 0;
    loop {
        let rows = sqlx::query(AssertSqlSafe(select.clone()))
            .bind(PART)
            .bind(offset)
            .fetch_all(&mut *from)
            .await
            .map_err(failed(ACTION))?;
        let mut transaction = to.begin().await.map_err(failed(ACTION))?;
        for row in &rows {
            let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
            for column in 0..row.len() {
                query = match number(row, column).map_err(failed(ACTION))? {
                    Ok(number) => query.bind(number),
                    Err(text) => query.bind(text),
                };
            }
            let done = query.execute(&mut *transaction).await;
            done.map_err(failed(ACTION))?;
        }
        transaction.commit().await.map_err(failed(ACTION))?;
        if i64::try_from(rows.len()).unwrap_or(PART) < PART {
            return Ok(());
        }
        offset += PART;
    }
}

type Cell = Result<Option<i64>, Option<String>>;

/// A number, or else a text.
fn number(row: &PgRow, column: usize) -> Result<Cell, sqlx::Error> {
    let is_number = row.try_get_raw(column)?.type_info().name() == "INT8";
    Ok(if is_number {
        Ok(row.try_get(column)?)
    } else {
        Err(row.try_get(column)?)
    })
}
