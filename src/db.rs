//! The database: one file of SQLite in WAL mode, one writing connection, few reading ones.
//!
//! Repositories are plain functions by subject: [`notification_log`], [`outbox`], [`ledger`], [`throttle`],
//! [`definitions`], [`rule_state`], [`silences`], [`recurring_silences`], [`acks`], [`signing_key`], [`storms`]. What belongs together is
//! written through one [`Transaction`]; with a single writer a transaction
//! sees nothing change under it. Decisions are not made here.
//!
//! SQL stays within what PostgreSQL also reads (`ON CONFLICT`, partial indexes, `BIGINT` milliseconds, JSON as text), so
//! that a second backend needs no second set of statements. Migrations are numbered files, embedded, applied in order
//! at opening, each in its own transaction; a file written by a newer version is refused.

pub mod acks;
pub mod alert_state;
pub mod auth;
mod codec;
pub mod definition_state;
pub mod definitions;
mod journal;
pub mod ledger;
pub mod notification_log;
pub mod outbox;
pub mod recurring_silences;
pub mod rule_state;
pub mod sent_messages;
pub mod signing_key;
pub mod silences;
pub mod sql;
pub mod storms;
pub mod throttle;
pub mod unreadable;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::outbox::queue::{Change, Queue};
use self::unreadable::Unreadable;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, Sqlite};
use tokio::sync::OwnedMutexGuard;

/// The migrations, in the order of their numbers; a number may be left out.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_alert_delivery.sql")),
    (2, include_str!("../migrations/0002_silences.sql")),
    (3, include_str!("../migrations/0003_ledger_times.sql")),
    (4, include_str!("../migrations/0004_signing_key.sql")),
    (5, include_str!("../migrations/0005_undelivered.sql")),
    (6, include_str!("../migrations/0006_storms_and_flaps.sql")),
    (7, include_str!("../migrations/0007_sent_messages.sql")),
    (8, include_str!("../migrations/0008_acks.sql")),
    (10, include_str!("../migrations/0010_delivery_at_scale.sql")),
    (20, include_str!("../migrations/0020_definitions.sql")),
    (21, include_str!("../migrations/0021_auth.sql")),
    (30, include_str!("../migrations/0030_compact_writes.sql")),
    (31, include_str!("../migrations/0031_outbox_steps.sql")),
    (43, include_str!("../migrations/0043_definition_files.sql")),
    (
        44,
        include_str!("../migrations/0044_definition_webhooks.sql"),
    ),
];
/// The migration behind which rows are written in another form.
const COMPACT: i64 = 30;

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 2;

/// Values that one statement binds at most; SQLite's own limit is 32,766. Statements of many rows are compiled anew each
/// time (`persistent(false)`): kept ones would hold megabytes.
const MAX_BINDS: usize = 2_000;
/// Bytes of values that one statement writes, about: more at once would only take memory.
const WRITTEN_AT_ONCE: usize = 128 << 10;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The file cannot be created or written.
    #[error(
        "open database {}: {reason}; make its directory writable for this user, or choose another with --data",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "read database {}: {reason}; move the file away (alert state starts anew) or restore a copy",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// The file was written by a newer version.
    #[error(
        "open database {}: its schema is version {found}, this program knows up to {known}; run the newer version, or move the file away",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// Another process works with it.
    #[error(
        "open database {}: another process works with it; stop that one, or choose another directory with --data",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("{action}: {source}")]
    Query {
        /// What was attempted, such as `write ledger`.
        action: &'static str,
        /// SQLite's error.
        source: sqlx::Error,
    },
    /// The database cannot be used now.
    #[error("{action}: the database cannot be used now: {reason}")]
    Unavailable {
        /// What was attempted.
        action: &'static str,
        /// Why it cannot; never a secret.
        reason: String,
        /// When it is worth trying again.
        retry_after: Duration,
        /// Whether it is out of reach, and not merely busy.
        down: bool,
    },
    /// A stored value does not read back.
    #[error("{action}: stored value is not readable: {reason}")]
    Value {
        /// What was attempted.
        action: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl DbError {
    /// When it is worth trying again, where the database merely cannot be used now.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    fn is_down(&self) -> bool {
        matches!(self, Self::Unavailable { down: true, .. })
    }

    fn query(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Query { action, source }
    }

    fn value<E: std::fmt::Display>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Value {
            action,
            reason: error.to_string(),
        }
    }
}

/// An open database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
    unreadable: Unreadable,
    outbox: Arc<Queue>,
    /// Held by the process that works with it.
    lock: Option<Arc<File>>,
}

/// Statements that take effect together, or not at all. Dropped without [`Transaction::commit`], nothing happened.
#[derive(Debug)]
pub struct Transaction {
    sql: sqlx::Transaction<'static, Sqlite>,
    outbox: Arc<Queue>,
    /// What counts in memory once it is committed.
    changes: Vec<Change>,
    /// Held where it decides over notifications that wait; given back after the changes count.
    deciding: Option<OwnedMutexGuard<()>>,
}

impl Database {
    /// Opens the file, creating it and its directory where missing, and brings its schema up to date.
    ///
    /// # Errors
    /// Where the file cannot be written, is damaged, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, DbError> {
        let unwritable = |reason: String| DbError::Unwritable {
            path: path.to_owned(),
            reason,
        };
        if let Some(directory) = path.parent()
            && !directory.as_os_str().is_empty()
        {
            std::fs::create_dir_all(directory).map_err(|error| unwritable(error.to_string()))?;
        }
        only_for_its_owner(path).map_err(|error| unwritable(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Commits reach the disk before they count: no notification twice after a power failure.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(48)
            .disable_statement_logging()
            .thread_name(|i| format!("sqlite-{i}"))
            // Kibibytes, as negative numbers: memory counts here more than a few page reads.
            .pragma("cache_size", "-512")
            .pragma("journal_size_limit", "4194304")
            .pragma("temp_store", "memory");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // Where SQLite ends a transaction by itself, as it may when the disk is full, sqlx goes on believing in it and
            // refuses to begin another one, for ever. Such a connection is given up; a fresh one takes its place.
            .before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .connect_with(options.clone())
            .await
            .map_err(|error| opening_error(path, error))?;
        migrate(path, &writer).await?;
        let outbox = Arc::new(outbox::load(&writer).await?);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            .idle_timeout(Some(Duration::from_secs(60)))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options.read_only(true).pragma("cache_size", "-256"));
        Ok(Self {
            writer,
            readers,
            unreadable: Unreadable::default(),
            outbox,
            lock: None,
        })
    }

    /// [`Self::open`] for the process that works with it: what it knows of the database, such as what is being sent, it
    /// writes only in part. Commands that read or change a little beside it do not ask for this.
    ///
    /// # Errors
    /// As for [`Self::open`], and where another process has it.
    pub async fn open_alone(path: &Path) -> Result<Self, DbError> {
        let unwritable = |error: std::io::Error| DbError::Unwritable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(unwritable)?;
        }
        // A file of its own: SQLite's locks on the database go when any handle of it is closed.
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true);
        let lock = options.open(path.with_extension("lock"));
        let lock = lock.map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DbError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let lock = Some(Arc::new(lock));
        let opened = Self::open(path).await?;
        Ok(Self { lock, ..opened })
    }

    /// Begins to write; waits for the writer before.
    ///
    /// # Errors
    /// Where the writer does not come free in time or another process holds the lock.
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map(|sql| Transaction::new(sql, &self.outbox))
            .map_err(DbError::query("begin transaction"))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        let ping = sqlx::query("SELECT 1");
        // A connection takes some hundred kilobytes: none is opened for this alone.
        let done = match self.writer.try_acquire() {
            Some(mut idle) => ping.execute(&mut *idle).await,
            None => ping.execute(self.reader()).await,
        };
        done.map(drop).map_err(DbError::query("reach database"))
    }

    /// The same for what is read before anything is written: with the connection that is open already. Nothing that reads so
    /// may write meanwhile, which would wait for itself.
    #[must_use]
    pub fn at_start(&self) -> Self {
        Self {
            readers: self.writer.clone(),
            ..self.clone()
        }
    }

    /// Closes every connection; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Some(lock) = &self.lock
            && let Err(error) = lock.unlock()
        {
            tracing::warn!(%error, "release database");
        }
    }

    /// Counts the rows that cannot be read.
    pub fn unreadable(&self) -> &Unreadable {
        &self.unreadable
    }

    /// Connections in use, and the most there may be.
    fn connections(&self) -> (usize, u32) {
        let pools = [&self.writer, &self.readers];
        // For an instant the pool counts more idle ones than there are, even fewer than none.
        let used = |pool: &&SqlitePool| {
            let size = usize::try_from(pool.size()).unwrap_or_default();
            size.saturating_sub(pool.num_idle())
        };
        (pools.iter().map(used).sum(), READERS + 1)
    }

    fn outbox(&self) -> &Arc<Queue> {
        &self.outbox
    }

    fn reader(&self) -> &SqlitePool {
        &self.readers
    }
}

impl Transaction {
    fn new(sql: sqlx::Transaction<'static, Sqlite>, outbox: &Arc<Queue>) -> Self {
        Self {
            sql,
            outbox: Arc::clone(outbox),
            changes: Vec::new(),
            deciding: None,
        }
    }

    /// Runs a statement of as many rows as there happen to be; its text is seldom the same twice, so it is not kept.
    async fn run_once(
        &mut self,
        query: &mut QueryBuilder<Sqlite>,
        action: &'static str,
    ) -> Result<u64, DbError> {
        query
            .build()
            .persistent(false)
            .execute(self.connection())
            .await
            .map(|done| done.rows_affected())
            .map_err(DbError::query(action))
    }

    /// Makes the statements take effect; on the disk when this returns.
    ///
    /// # Errors
    /// Where the disk is full or fails; then nothing took effect.
    pub async fn commit(self) -> Result<(), DbError> {
        self.sql
            .commit()
            .await
            .map_err(DbError::query("commit transaction"))?;
        self.outbox.apply(self.changes);
        Ok(())
    }

    /// What is on its way, without what this transaction does.
    fn outbox(&self) -> &Arc<Queue> {
        &self.outbox
    }

    /// Has something count once the transaction is committed.
    fn then(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Whether it ends this notification's way.
    fn ends(&self, number: i64) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| matches!(change, Change::Ended(ended) if *ended == number))
    }

    /// From now on nothing that waits is taken until the transaction is over.
    async fn decide(&mut self) {
        if self.deciding.is_none() {
            self.deciding = Some(self.outbox.decide().await);
        }
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.sql
    }
}

/// Creates the file where missing and takes it from others' eyes: it holds keys. SQLite gives its side files the same mode.
fn only_for_its_owner(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
        let file = options.mode(0o600).open(path)?;
        let found = file.metadata()?;
        // Of another owner's file the mode is his to choose.
        if found.mode() & 0o077 != 0 && found.uid() == rustix::process::geteuid().as_raw() {
            file.set_permissions(std::fs::Permissions::from_mode(found.mode() & 0o700))?;
        }
    }
    #[cfg(not(unix))]
    options.open(path)?;
    Ok(())
}

async fn migrate(path: &Path, writer: &SqlitePool) -> Result<(), DbError> {
    let table =
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY)";
    sqlx::query(table)
        .execute(writer)
        .await
        .map_err(|error| opening_error(path, error))?;
    let applied: Vec<i64> = sqlx::query("SELECT version FROM schema_migrations")
        .fetch_all(writer)
        .await
        .and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
        .map_err(|error| opening_error(path, error))?;
    let found = applied.iter().copied().max().unwrap_or(0);
    let known = MIGRATIONS.iter().map(|(version, _)| *version).max();
    let known = known.unwrap_or(0);
    if found > known {
        return Err(DbError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (version, sql) in MIGRATIONS.iter().copied() {
        if applied.contains(&version) {
            continue;
        }
        let failed = |error| opening_error(path, error);
        let begun = writer.begin_with("BEGIN IMMEDIATE").await;
        // Nothing is on its way yet: that is read once the schema is up to date.
        let mut transaction = Transaction::new(begun.map_err(failed)?, &Arc::default());
        sqlx::raw_sql(sql)
            .execute(transaction.connection())
            .await
            .map_err(failed)?;
        if version == COMPACT {
            ledger::convert(&mut transaction).await?;
            alert_state::convert(&mut transaction).await?;
            notification_log::convert(&mut transaction).await?;
        }
        sqlx::query("INSERT INTO schema_migrations (version) VALUES ($1)")
            .bind(version)
            .execute(transaction.connection())
            .await
            .map_err(failed)?;
        transaction.commit().await?;
    }
    Ok(())
}

/// SQLite's result codes: 11 damaged, 26 no database; 8, 10, 13, 14 not writable, input/output, full, cannot open.
fn opening_error(path: &Path, error: sqlx::Error) -> DbError {
    let path = path.to_owned();
    let reason = error.to_string();
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(11 | 26) => DbError::Corrupt { path, reason },
        Some(8 | 10 | 13 | 14) => DbError::Unwritable { path, reason },
        _ => DbError::Query {
            action: "open database",
            source: error,
        },
    }
}

#[cfg(test)]
mod tests;
