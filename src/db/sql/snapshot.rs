//! The definitions as PostgreSQL had them last, in memory: what reads are answered from while it is down.
//!
//! It is a SQLite, so that the statements are the same. It holds the tables of [`TABLES`] and nothing of accounts; only a
//! statement that says so ([`super::statement::Statement::or_snapshot`]) is asked of it. Definitions of more than
//! [`MOST_BYTES`] are not held: then reads fail as writes do. Of the history it holds the newest writes of each, as many as
//! [`MOST_WRITES`] and [`MOST_HISTORY_BYTES`] allow, those of all before older ones of any.
//!
//! A copy lies on the disk ([`file`]), for a start while PostgreSQL is down. What was read from there is not trusted for longer:
//! a PostgreSQL that is back is read anew, even where its generation is the same.

mod file;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, TypeInfo, ValueRef};

use self::file::{Cell, FileError, Head, Table};
use super::super::DbError;
use super::row::Row;
use super::statement::Statement;
use super::{migrations, query};
use crate::model::timestamp::Timestamp;

/// What is held; all of it but for [`HISTORY`].
const TABLES: [&str; 4] = [
    "definitions",
    "definition_tags",
    HISTORY,
    "definition_generation",
];
const HISTORY: &str = "definition_history";
/// The most bytes of documents that are held.
pub(super) const MOST_BYTES: i64 = 16 << 20;
/// The most bytes of old documents that are held.
const MOST_HISTORY_BYTES: i64 = 8 << 20;
/// The most writes of each definition that are held.
const MOST_WRITES: i64 = 20;
/// How old the time in the file may become while nothing is written: by so much at most a start says too much of its age.
const CONFIRM_EVERY: Duration = Duration::from_secs(3600);

const ACTION: &str = "take a snapshot of the definitions";

/// The newest snapshot.
#[derive(Debug)]
pub(super) struct Snapshot {
    held: ArcSwapOption<Held>,
    /// Where its copy is, and the address of the database as it may be shown.
    place: Option<(PathBuf, String)>,
}

#[derive(Debug)]
struct Held {
    pool: SqlitePool,
    generation: i64,
    bytes: i64,
    /// When PostgreSQL last said that nothing is newer.
    as_of: AtomicI64,
    /// The same as its copy on the disk has it; 0 without one.
    saved_as_of: AtomicI64,
    /// Whether it was read from the disk.
    loaded: bool,
}

impl Snapshot {
    /// None yet; copies go to a file, where one is named.
    pub(super) fn new(file: Option<PathBuf>, database: &str) -> Self {
        Self {
            held: ArcSwapOption::empty(),
            place: file.map(|file| (file, database.to_owned())),
        }
    }

    /// How old it is at a time; nothing where there is none.
    pub(super) fn age(&self, now: Timestamp) -> Option<Duration> {
        let held = self.held.load();
        let as_of = held.as_ref()?.as_of.load(Ordering::Relaxed);
        Some(now.since(Timestamp::from_millis(as_of)))
    }

    /// Bytes of documents in it.
    pub(super) fn bytes(&self) -> i64 {
        self.held.load().as_ref().map_or(0, |held| held.bytes)
    }

    /// Whether it is of this generation; then it is as good as new.
    pub(super) fn confirm(&self, generation: i64, now: Timestamp) -> bool {
        let held = self.held.load();
        let same = held.as_ref();
        let same = same.filter(|held| held.generation == generation && !held.loaded);
        if let Some(held) = same {
            held.as_of.store(now.millis(), Ordering::Relaxed);
        }
        same.is_some()
    }

    /// What a statement yields; nothing where there is no snapshot, or it holds too little to tell.
    pub(super) async fn all(&self, statement: &Statement) -> Option<Result<Vec<Row>, DbError>> {
        let held = self.held.load_full()?;
        let rows = query!(statement).fetch_all(&held.pool).await;
        let rows = rows.map_err(DbError::query(statement.operation));
        if statement.held_in_part && rows.as_ref().is_ok_and(Vec::is_empty) {
            return None;
        }
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
        let mut bytes: i64 = sqlx::query_scalar(size)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        if bytes > MOST_BYTES {
            self.held.store(None);
            return Ok(false);
        }
        let generation: i64 = sqlx::query_scalar("SELECT generation FROM definition_generation")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        let pool = empty().await?;
        for table in TABLES {
            let copied = copy(connection, &pool, table).await?;
            if table == HISTORY {
                bytes += copied;
            }
        }
        self.held.store(Some(Arc::new(Held {
            pool,
            generation,
            bytes,
            as_of: AtomicI64::new(now.millis()),
            saved_as_of: AtomicI64::default(),
            loaded: false,
        })));
        Ok(true)
    }

    /// Brings the copy on the disk up to date, where it says something else or its time is old; at the end (`last`) also where
    /// it is merely not the newest. Where nothing is held
    /// although the database was read, the copy goes.
    ///
    /// # Errors
    /// Where the disk cannot be written.
    pub(super) async fn save(&self, last: bool) -> Result<(), DbError> {
        let Some((path, database)) = self.place.clone() else {
            return Ok(());
        };
        let held = self.held.load_full();
        let Some(held) = held else {
            if last {
                // Nothing was ever read: what lies there may be wanted by the next start.
                return Ok(());
            }
            return on_the_disk(move || file::remove(&path)).await;
        };
        let as_of = held.as_of.load(Ordering::Relaxed);
        let saved_as_of = held.saved_as_of.load(Ordering::Relaxed);
        let between = Timestamp::from_millis(as_of).since(Timestamp::from_millis(saved_as_of));
        if between.is_zero() || (!last && between < CONFIRM_EVERY) {
            return Ok(());
        }
        let head = Head {
            database,
            generation: held.generation,
            as_of,
            bytes: held.bytes,
        };
        let mut tables = Vec::new();
        for table in TABLES {
            tables.push(rows_of(&held.pool, table).await?);
        }
        on_the_disk(move || {
            let whole = file::encode(&head, &tables).map_err(|_| FileError::Damaged)?;
            drop(tables);
            file::write(&path, &whole)
        })
        .await?;
        held.saved_as_of.store(as_of, Ordering::Relaxed);
        Ok(())
    }

    /// Takes what lies on the disk, where nothing is held; says when it was the newest.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or is of another version or database.
    pub(super) async fn load(&self) -> Result<Option<Timestamp>, DbError> {
        const ACTION: &str = "read the snapshot of the definitions";
        let Some((path, database)) = self.place.clone() else {
            return Ok(None);
        };
        if self.held.load().is_some() {
            return Ok(None);
        }
        let read = on_the_disk(move || match file::read(&path)? {
            Some(whole) => file::decode(&whole).map(Some),
            None => Ok(None),
        });
        let Some((head, tables)) = read.await? else {
            return Ok(None);
        };
        let refused = |reason: &str| DbError::value(ACTION)(reason);
        if head.database != database {
            return Err(refused("it is of another database"));
        }
        let pool = empty().await?;
        let names = tables.iter().map(|table| table.table.as_str());
        if !names.eq(TABLES) {
            return Err(refused("it is of another version"));
        }
        for (table, name) in tables.into_iter().zip(TABLES) {
            if columns(&pool, name).await? != table.columns {
                return Err(refused("it is of another version"));
            }
            let mut filling = Filling::begin(&pool, name).await?;
            for row in &table.rows {
                filling.row(row).await?;
            }
            filling.done().await?;
        }
        let as_of = Timestamp::from_millis(head.as_of);
        self.held.store(Some(Arc::new(Held {
            pool,
            generation: head.generation,
            bytes: head.bytes,
            as_of: AtomicI64::new(head.as_of),
            saved_as_of: AtomicI64::new(head.as_of),
            loaded: true,
        })));
        Ok(Some(as_of))
    }
}

/// Does something with the file where it may block.
async fn on_the_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, DbError> {
    const ACTION: &str = "keep the snapshot of the definitions on the disk";
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(DbError::value(ACTION))?
        .map_err(DbError::value(ACTION))
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

async fn columns(of: &SqlitePool, table: &str) -> Result<Vec<String>, DbError> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
        .bind(table)
        .fetch_all(of)
        .await
        .map_err(DbError::query(ACTION))
}

/// A table that is being filled. Its name and its columns' are of our own schema, so the texts may be put together.
struct Filling {
    transaction: sqlx::Transaction<'static, sqlx::Sqlite>,
    insert: String,
}

impl Filling {
    async fn begin(pool: &SqlitePool, table: &str) -> Result<Self, DbError> {
        let columns = columns(pool, table).await?;
        let places: Vec<String> = (1..=columns.len()).map(|i| format!("${i}")).collect();
        let (columns, places) = (columns.join(", "), places.join(", "));
        let mut transaction = pool.begin().await.map_err(DbError::query(ACTION))?;
        // The schema comes with a generation of its own.
        let clear = AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(clear)
            .execute(&mut *transaction)
            .await
            .map_err(DbError::query(ACTION))?;
        Ok(Self {
            transaction,
            insert: format!("INSERT INTO {table} ({columns}) VALUES ({places})"),
        })
    }

    async fn row(&mut self, row: &[Cell]) -> Result<(), DbError> {
        let mut query = sqlx::query(AssertSqlSafe(self.insert.clone()));
        for cell in row {
            query = match cell {
                Cell::Integer(number) => query.bind(*number),
                Cell::Text(text) => query.bind(text.as_str()),
                Cell::Null(()) => query.bind(None::<&str>),
            };
        }
        let done = query.execute(&mut *self.transaction).await;
        done.map(drop).map_err(DbError::query(ACTION))
    }

    async fn done(self) -> Result<(), DbError> {
        let done = self.transaction.commit().await;
        done.map_err(DbError::query(ACTION))
    }
}

/// Copies a table; returns the bytes of its texts.
async fn copy(from: &mut PgConnection, to: &SqlitePool, table: &str) -> Result<i64, DbError> {
    let columns = columns(to, table).await?.join(", ");
    let select = if table == HISTORY {
        format!(
            "SELECT {columns} FROM (SELECT *, SUM(size) OVER (ORDER BY age, kind, id) AS so_far FROM (\
             SELECT *, octet_length(summary) + octet_length(fields) + COALESCE(octet_length(document), 0) AS size, \
             ROW_NUMBER() OVER (PARTITION BY kind, id ORDER BY revision DESC) AS age FROM {table}) aged \
             WHERE age <= {MOST_WRITES}) summed WHERE so_far <= {MOST_HISTORY_BYTES}"
        )
    } else {
        format!("SELECT {columns} FROM {table}")
    };
    let mut filling = Filling::begin(to, table).await?;
    let mut bytes = 0;
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(from);
    while let Some(row) = rows.try_next().await.map_err(DbError::query(ACTION))? {
        let cells = (0..row.len()).map(|column| cell(&row, column));
        let cells = cells.collect::<Result<Vec<_>, _>>();
        let cells = cells.map_err(DbError::query(ACTION))?;
        let text = cells.iter().map(|cell| match cell {
            Cell::Text(text) => i64::try_from(text.len()).unwrap_or(i64::MAX),
            Cell::Integer(_) | Cell::Null(()) => 0,
        });
        bytes += text.sum::<i64>();
        filling.row(&cells).await?;
    }
    filling.done().await?;
    Ok(bytes)
}

/// All that a table holds.
async fn rows_of(pool: &SqlitePool, table: &str) -> Result<Table, DbError> {
    let columns = columns(pool, table).await?;
    let select = AssertSqlSafe(format!("SELECT {} FROM {table}", columns.join(", ")));
    let rows = sqlx::query(select).fetch_all(pool).await;
    let rows = rows.map_err(DbError::query(ACTION))?;
    let cells = |row: &SqliteRow| {
        let cell = |column| {
            let is_text = row.try_get_raw(column)?.type_info().name() == "TEXT";
            Ok(if is_text {
                text(row.try_get(column)?)
            } else {
                number(row.try_get(column)?)
            })
        };
        (0..row.len()).map(cell).collect::<Result<Vec<_>, _>>()
    };
    let rows = rows.iter().map(cells).collect::<Result<Vec<_>, _>>();
    Ok(Table {
        table: table.to_owned(),
        columns,
        rows: rows.map_err(DbError::query(ACTION))?,
    })
}

fn cell(row: &PgRow, column: usize) -> Result<Cell, sqlx::Error> {
    let is_number = row.try_get_raw(column)?.type_info().name() == "INT8";
    Ok(if is_number {
        number(row.try_get(column)?)
    } else {
        text(row.try_get(column)?)
    })
}

fn number(number: Option<i64>) -> Cell {
    number.map_or(Cell::Null(()), Cell::Integer)
}

fn text(text: Option<String>) -> Cell {
    text.map_or(Cell::Null(()), Cell::Text)
}

#[cfg(test)]
mod tests;
