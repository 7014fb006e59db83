//! What several sidecars may share: definitions with their history and audit, accounts, sessions and keys, in SQLite or in
//! PostgreSQL.
//!
//! ```text
//! definitions, auth ──Statement──▶ Sql ──┬──▶ SQLite      the process's own file, beside the alerts
//!                    ◀────Row────        └──▶ PostgreSQL  schema `outrigger` of a database that others may use too
//! ```
//!
//! There is one set of statements: text with `$1`, bound [`statement::Value`]s, and rows read by place and type. A text is
//! put together of pieces that are in the program ([`Statement::push`] takes no other), so nothing that a request says can
//! become SQL. What both engines do not say alike stands in `migrations` and in [`postgres`], nowhere else.
//!
//! Alerts do not come here: outbox, ledger, silences and their kind are in SQLite always, through [`Database`].
//!
//! A transaction is the only writer of its database, with PostgreSQL across all processes (an advisory lock): it sees nothing
//! change under it.

mod availability;
pub mod config;
pub mod metrics;
mod migrations;
#[cfg(test)]
#[expect(dead_code, reason = "tests of the program use the rest of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod peer;
pub mod postgres;
pub mod row;
mod snapshot;
pub mod stale;
pub mod statement;
#[cfg(test)]
pub(crate) mod testing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{Instrument as _, Span};

use self::config::Settings;
use self::metrics::{Gauges, Metrics};
use self::postgres::{Condition, Postgres};
use self::row::Row;
use self::statement::Statement;
use super::{Database, DbError};
use crate::clock::{Clock, Stopwatch};
use crate::tasks::Stop;
use crate::telemetry::traces::STEP;

/// A query of sqlx for whichever engine it is handed to.
macro_rules! query {
    ($statement:expr) => {{
        let text = match &$statement.text {
            std::borrow::Cow::Borrowed(text) => sqlx::SqlSafeStr::into_sql_str(*text),
            std::borrow::Cow::Owned(text) => {
                sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(text.clone()))
            }
        };
        let mut query = sqlx::query(text).persistent($statement.kept);
        for value in &$statement.values {
            query = match value {
                $crate::db::sql::statement::Value::Text(text) => query.bind(text.as_deref()),
                $crate::db::sql::statement::Value::Integer(number) => query.bind(*number),
            };
        }
        query
    }};
}
use query;

/// An open database of either engine. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Sql(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    metrics: Metrics,
    slow: Duration,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Database),
    Postgres(Box<Postgres>),
}

/// Statements that take effect together, or not at all. Dropped without [`Transaction::commit`], nothing happened.
#[derive(Debug)]
pub struct Transaction {
    inner: TransactionOf,
    of: Arc<Inner>,
}

#[derive(Debug)]
enum TransactionOf {
    Sqlite(super::Transaction),
    Postgres(postgres::Transaction),
}

/// From which time on a statement is logged as slow, where the settings say nothing.
pub const SLOW: Duration = Duration::from_millis(250);
/// How often PostgreSQL is looked after: a snapshot is at most about this old when it goes down.
const TEND_EVERY: Duration = Duration::from_secs(5);
/// How long the start waits for PostgreSQL.
const LONGEST_START: Duration = Duration::from_secs(10);

impl Sql {
    /// The configured PostgreSQL, to which nothing is said yet, or the process's own file. `snapshot` is the file for what was
    /// last read of a PostgreSQL.
    ///
    /// # Errors
    /// Where the address of the PostgreSQL or its password cannot be read.
    pub fn new(
        settings: &Settings,
        database: &Database,
        snapshot: PathBuf,
        clock: &Clock,
        metrics: Metrics,
    ) -> Result<Self, DbError> {
        let engine = match &settings.postgres {
            Some(config) => {
                let (config, clock) = (config.clone(), clock.clone());
                let postgres = Postgres::new(config, Some(snapshot), clock, metrics.clone())?;
                Engine::Postgres(Box::new(postgres))
            }
            None => Engine::Sqlite(database.clone()),
        };
        let slow = settings.slow;
        Ok(Self(Arc::new(Inner {
            engine,
            metrics,
            slow,
        })))
    }

    /// The same for a command: the database is reached, and its schema brought up to date, before anything else.
    ///
    /// # Errors
    /// Where it cannot be opened or reached.
    pub async fn open(settings: &Settings, file: &Path) -> Result<Self, DbError> {
        let metrics = Metrics::default();
        let engine = match &settings.postgres {
            Some(config) => {
                let metrics = metrics.clone();
                let postgres = Postgres::new(config.clone(), None, Clock::system(), metrics)?;
                postgres.prepare().await?;
                Engine::Postgres(Box::new(postgres))
            }
            None => Engine::Sqlite(Database::open(file).await?),
        };
        let slow = settings.slow;
        Ok(Self(Arc::new(Inner {
            engine,
            metrics,
            slow,
        })))
    }

    /// Reaches the database and brings its schema up to date. Where it is down the process goes on without: it is tried again
    /// by [`Sql::keep`], and what was last read of it is read from the disk.
    pub async fn prepare(&self) {
        let Engine::Postgres(postgres) = &self.0.engine else {
            return;
        };
        if timeout(LONGEST_START, postgres.tend()).await.is_err() {
            tracing::warn!("definitions' database is not ready yet; it is tried again and again");
        }
        postgres.fall_back().await;
    }

    /// Looks after PostgreSQL until the end: whether it is back, and what to read from while it is down.
    pub async fn keep(self, stop: Stop) {
        let Engine::Postgres(postgres) = &self.0.engine else {
            return;
        };
        let mut ticks = interval(TEND_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => postgres.tend().await,
            }
        }
    }

    /// How the database does.
    pub fn condition(&self) -> Condition {
        match &self.0.engine {
            Engine::Sqlite(_) => Condition::Well,
            Engine::Postgres(postgres) => postgres.condition(),
        }
    }

    /// Registers the metrics of its statements and connections.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
        registry.register_collector(Box::new(Gauges(self.clone())));
    }

    /// Whether it is a database that other processes on other machines may write.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.engine, Engine::Postgres(_))
    }

    /// All rows that a statement yields.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn all(&self, statement: Statement) -> Result<Vec<Row>, DbError> {
        let work = async {
            match &self.0.engine {
                Engine::Sqlite(database) => {
                    let rows = query!(statement).fetch_all(database.reader()).await;
                    let rows = rows.map_err(DbError::query(statement.operation))?;
                    let row = |row| Row::sqlite(statement.operation, row);
                    Ok(rows.into_iter().map(row).collect())
                }
                Engine::Postgres(postgres) => postgres.all(&statement).await,
            }
        };
        let (operation, text) = (statement.operation, &*statement.text);
        self.0.measure(operation, text, work).await
    }

    /// The first row that a statement yields, where there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn optional(&self, statement: Statement) -> Result<Option<Row>, DbError> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// The row of a statement that always yields one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn one(&self, statement: Statement) -> Result<Row, DbError> {
        let operation = statement.operation;
        only(operation, self.all(statement).await?)
    }

    /// Begins to write; waits for the writer before.
    ///
    /// # Errors
    /// Where the writer does not come free in time, or the database cannot be written.
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        let work = async {
            Ok(match &self.0.engine {
                Engine::Sqlite(database) => TransactionOf::Sqlite(database.begin().await?),
                Engine::Postgres(postgres) => TransactionOf::Postgres(postgres.begin().await?),
            })
        };
        Ok(Transaction {
            inner: self.0.measure("begin transaction", "BEGIN", work).await?,
            of: Arc::clone(&self.0),
        })
    }

    /// Closes every connection, to the file too.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(database) => database.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }
}

impl Transaction {
    /// All rows that a statement yields.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn all(&mut self, statement: Statement) -> Result<Vec<Row>, DbError> {
        let work = async {
            match &mut self.inner {
                TransactionOf::Sqlite(transaction) => {
                    let rows = query!(statement).fetch_all(transaction.connection()).await;
                    let rows = rows.map_err(DbError::query(statement.operation))?;
                    let row = |row| Row::sqlite(statement.operation, row);
                    Ok(rows.into_iter().map(row).collect())
                }
                TransactionOf::Postgres(transaction) => transaction.all(&statement).await,
            }
        };
        let result = self.of.measure(statement.operation, &statement.text, work);
        let result = result.await;
        self.of.note(&result);
        result
    }

    /// The first row that a statement yields, where there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn optional(&mut self, statement: Statement) -> Result<Option<Row>, DbError> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// The row of a statement that always yields one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn one(&mut self, statement: Statement) -> Result<Row, DbError> {
        let operation = statement.operation;
        only(operation, self.all(statement).await?)
    }

    /// Runs a statement that yields nothing; returns how many rows it wrote.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn run(&mut self, statement: Statement) -> Result<u64, DbError> {
        let work = async {
            match &mut self.inner {
                TransactionOf::Sqlite(transaction) => query!(statement)
                    .execute(transaction.connection())
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(DbError::query(statement.operation)),
                TransactionOf::Postgres(transaction) => transaction.run(&statement).await,
            }
        };
        let result = self.of.measure(statement.operation, &statement.text, work);
        let result = result.await;
        self.of.note(&result);
        result
    }

    /// Makes the statements take effect; on the disk when this returns.
    ///
    /// # Errors
    /// Where the disk is full or fails, or the connection breaks; then nothing took effect, or, where it broke during the
    /// commit itself, nobody can tell.
    pub async fn commit(self) -> Result<(), DbError> {
        let work = async {
            match self.inner {
                TransactionOf::Sqlite(transaction) => transaction.commit().await,
                TransactionOf::Postgres(transaction) => transaction.commit().await,
            }
        };
        let result = self.of.measure("commit transaction", "COMMIT", work).await;
        self.of.note(&result);
        result
    }
}

impl Inner {
    /// Counts a statement, and tells of it where it took long: its name and text, never its values.
    async fn measure<T>(
        &self,
        operation: &'static str,
        text: &str,
        work: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        let watch = Stopwatch::start();
        let result = work.instrument(self.step(operation)).await;
        let took = watch.elapsed();
        self.metrics.ran(operation, took, result.is_ok());
        if took >= self.slow {
            tracing::warn!(
                operation,
                seconds = took.as_secs_f64(),
                statement = text,
                "slow database statement"
            );
        }
        result
    }

    /// The span of a statement, within that of what it is for; what the process does by itself every few seconds has none.
    fn step(&self, operation: &'static str) -> Span {
        if Span::current().is_none() {
            return Span::none();
        }
        let system = match &self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgresql",
        };
        tracing::debug_span!(
            target: STEP,
            "Storage.query",
            component = "storage",
            db.system.name = system,
            db.operation.name = operation,
        )
    }

    /// Takes note of how a part of a transaction ended.
    fn note<T>(&self, result: &Result<T, DbError>) {
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.note(result);
        }
    }
}

fn only(operation: &'static str, rows: Vec<Row>) -> Result<Row, DbError> {
    let missing = || DbError::query(operation)(sqlx::Error::RowNotFound);
    rows.into_iter().next().ok_or_else(missing)
}

#[cfg(test)]
mod tests;
