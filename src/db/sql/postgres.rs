//! PostgreSQL: its connections, and what it says otherwise than SQLite.

mod trouble;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Executor, Postgres as Engine};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use self::trouble::{RETRY_AFTER, crowded, failed, silent};
use super::super::DbError;
use super::availability::{Gate, Pass};
use super::config::{self, Config, Profile};
use super::metrics::Metrics;
use super::row::Row;
use super::snapshot::{MOST_BYTES, Snapshot};
use super::statement::{Statement, Value};
use super::{migrations, query, stale};
use crate::clock::Clock;
use crate::model::circuit::Change;
use crate::model::timestamp::Timestamp;

/// How long the schema may take, with the wait for other processes that make it too.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a writer waits for those before it, as with SQLite.
const LONGEST_TURN: Duration = Duration::from_secs(30);

/// How long a snapshot may take.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(30);

/// One writer at a time, as in SQLite: "outw" in ASCII. In one simple query, so that beginning is one round trip.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(1869968503)";

/// A PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres {
    config: Config,
    /// The address as it may be shown.
    place: String,
    clock: Clock,
    pool: ArcSwap<PgPool>,
    /// One writer at a time, as the database has it: who waits for the others needs no connection meanwhile.
    writer: Arc<Semaphore>,
    migrated: OnceCell<()>,
    gate: Gate,
    pub(super) snapshot: Snapshot,
    metrics: Metrics,
    /// Whether it was said that the definitions are too many for a snapshot.
    too_large: AtomicBool,
    /// Whether the last copy of the snapshot could not be written.
    not_saved: AtomicBool,
}

/// Statements that take effect together.
#[derive(Debug)]
pub(super) struct Transaction {
    inner: sqlx::Transaction<'static, Engine>,
    /// Given back behind it: fields go in their order.
    _writer: OwnedSemaphorePermit,
    statement_timeout: Duration,
}

/// How PostgreSQL does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It answers, or the definitions are in SQLite.
    Well,
    /// It does not.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why; never a secret.
        reason: String,
        /// How old the snapshot is that reads are answered from; nothing where there is none.
        snapshot_age: Option<Duration>,
    },
}

impl Postgres {
    /// Connections as configured; none is made yet. `snapshot` is where a copy of what was read last is kept.
    ///
    /// # Errors
    /// Where the address or its password cannot be read.
    pub(super) fn new(
        config: Config,
        snapshot: Option<PathBuf>,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, DbError> {
        let pool = pool(config.profile, options(&config)?);
        let place = config::place(&config.address()?);
        Ok(Self {
            snapshot: Snapshot::new(snapshot, &place),
            place,
            config,
            pool: ArcSwap::from_pointee(pool),
            writer: Arc::new(Semaphore::new(1)),
            migrated: OnceCell::new(),
            gate: Gate::new(clock.clone()),
            too_large: AtomicBool::default(),
            not_saved: AtomicBool::default(),
            metrics,
            clock,
        })
    }

    /// Connects, and brings the schema up to date, where that was not done yet.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub(super) async fn prepare(&self) -> Result<(), DbError> {
        const CONNECT: &str = "connect to PostgreSQL";
        const MIGRATE: &str = "bring PostgreSQL's schema up to date";
        let migrate = || async {
            let wait = self.config.profile.wait();
            let connected = timeout(wait, options(&self.config)?.connect()).await;
            let mut connection = connected
                .map_err(|_| silent(CONNECT, wait))?
                .map_err(|error| failed(CONNECT, error))?;
            let migrated = async {
                // What is there already is no notice in the log.
                let session = "SET search_path TO outrigger; SET client_min_messages = warning";
                let path = connection.execute(session).await;
                path.map_err(|error| failed(MIGRATE, error))?;
                migrations::migrate(&mut connection, &self.place).await
            };
            let migrated = timeout(MIGRATION_TIMEOUT, migrated).await;
            migrated
                .map_err(|_| silent(MIGRATE, MIGRATION_TIMEOUT))?
                .map_err(|error| match error {
                    DbError::Query { action, source } => failed(action, source),
                    other => other,
                })
        };
        self.migrated.get_or_try_init(migrate).await.map(drop)
    }

    pub(super) async fn all(&self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        let asked = self.asked(statement).await;
        match asked {
            Err(error) if error.is_down() && statement.or_snapshot => {
                let Some(rows) = self.snapshot.all(statement).await else {
                    return Err(error);
                };
                self.metrics.read_stale();
                stale::note(self.snapshot.age(self.clock.now()).unwrap_or_default());
                rows
            }
            asked => asked,
        }
    }

    async fn asked(&self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        let operation = statement.operation;
        let pass = self.enter(operation)?;
        let acquired = self.pool.load_full().acquire().await;
        let result = match acquired {
            Ok(mut connection) => {
                let limit = self.config.profile.statement();
                fetch(&mut connection, statement, limit).await
            }
            Err(error) => match self.busy(operation, &error) {
                Some(busy) => return Err(busy),
                None => Err(failed(operation, error)),
            },
        };
        self.note(&result);
        drop(pass);
        result
    }

    /// Whether no connection came free because too much is asked at once: others were answered meanwhile. It says nothing of
    /// the server, and is noted nowhere.
    fn busy(&self, action: &'static str, error: &sqlx::Error) -> Option<DbError> {
        let wait = self.config.profile.wait();
        let timed_out = matches!(error, sqlx::Error::PoolTimedOut);
        (timed_out && self.gate.answered_within(wait)).then(|| crowded(action, wait))
    }

    pub(super) async fn begin(&self) -> Result<Transaction, DbError> {
        const ACTION: &str = "begin transaction";
        // While the server is down nobody waits for a turn.
        drop(self.enter(ACTION)?);
        let turn = timeout(LONGEST_TURN, Arc::clone(&self.writer).acquire_owned()).await;
        let turn = turn.map_err(|_| match self.gate.failing() {
            Some(_) => silent(ACTION, LONGEST_TURN),
            None => crowded(ACTION, LONGEST_TURN),
        })?;
        let writer = turn.expect("it is never closed");
        let pass = self.enter(ACTION)?;
        let limit = self.config.profile.wait() + self.config.profile.statement();
        let pool = self.pool.load_full();
        let begun = timeout(limit, pool.begin_with(BEGIN)).await;
        let begun = match begun {
            Err(_) => Err(silent(ACTION, limit)),
            Ok(Err(error)) => match self.busy(ACTION, &error) {
                Some(busy) => return Err(busy),
                None => Err(failed(ACTION, error)),
            },
            Ok(Ok(begun)) => Ok(begun),
        };
        self.note(&begun);
        drop(pass);
        Ok(Transaction {
            inner: begun?,
            _writer: writer,
            statement_timeout: self.config.profile.statement(),
        })
    }

    fn enter(&self, action: &'static str) -> Result<Pass<'_>, DbError> {
        if !self.migrated.initialized() {
            let (_, reason) = self.gate.failing().unwrap_or_default();
            return Err(DbError::Unavailable {
                action,
                reason: format!("its schema is not up to date yet; {reason}"),
                retry_after: RETRY_AFTER,
                down: true,
            });
        }
        self.gate.enter(action)
    }

    /// Takes note of how something ended. When the circuit opens the pool is given up as a whole: connections to a server that
    /// hangs would hang on to their places.
    pub(super) fn note<T>(&self, result: &Result<T, DbError>) {
        match self.gate.note(result) {
            Some(Change::Opened) => {
                let reason = self.gate.failing().map(|(_, reason)| reason);
                let reason = reason.unwrap_or_default();
                tracing::error!(
                    database = self.place,
                    reason,
                    "definitions' database is down: reads are answered from the last snapshot, writes with 503"
                );
                match options(&self.config) {
                    Ok(options) => self
                        .pool
                        .store(Arc::new(pool(self.config.profile, options))),
                    Err(error) => {
                        tracing::error!(%error, "read how to reach definitions' database")
                    }
                }
            }
            Some(Change::Closed) => {
                tracing::info!(database = self.place, "definitions' database is back");
            }
            None => {}
        }
    }

    /// What must be done from time to time: the schema, where it was out of reach at the start; a look whether it is there; a
    /// new snapshot where something was written.
    pub(super) async fn tend(&self) {
        if !self.migrated.initialized() {
            let prepared = self.prepare().await;
            let first = self.gate.failing().is_none();
            self.note(&prepared);
            match prepared {
                Ok(()) => tracing::info!(database = self.place, "definitions' database is ready"),
                Err(error) if first => {
                    tracing::error!(%error, database = self.place, "definitions' database cannot be used; it is tried again and again");
                    return;
                }
                Err(_) => return,
            }
        }
        let text = "SELECT generation FROM definition_generation WHERE id = 1";
        let statement = Statement::new("read definitions' generation", text);
        let generation = self.asked(&statement).await;
        let now = self.clock.now();
        // Failures are noted, and said when the circuit opens.
        let Ok(rows) = generation else { return };
        let generation = rows.first().and_then(|row| row.get::<i64>(0).ok());
        if generation.is_some_and(|generation| self.snapshot.confirm(generation, now)) {
            return self.save(false).await;
        }
        let taken = timeout(SNAPSHOT_TIMEOUT, self.take_snapshot(now)).await;
        match taken {
            Ok(Ok(fits)) => {
                self.save(false).await;
                if !fits && !self.too_large.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        most_bytes = MOST_BYTES,
                        "definitions are too large to be kept in memory: while their database is down they cannot be read"
                    );
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "no new snapshot of the definitions"),
            Err(_) => tracing::warn!("no new snapshot of the definitions: it took too long"),
        }
    }

    /// What there is to read where the database cannot be reached at the start: what lies on the disk.
    pub(super) async fn fall_back(&self) {
        match self.snapshot.load().await {
            Ok(Some(as_of)) => tracing::warn!(
                as_of = as_of.to_rfc3339(),
                "definitions are read from the snapshot on the disk until their database is back"
            ),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "no snapshot of the definitions until their database is back");
            }
        }
    }

    /// Keeps a copy of the snapshot on the disk.
    async fn save(&self, last: bool) {
        let saved = self.snapshot.save(last).await;
        let failed = saved.is_err();
        if let Err(error) = saved {
            self.metrics.snapshot_not_saved();
            // The same every few seconds would tell nothing new.
            if !self.not_saved.load(Ordering::Relaxed) {
                tracing::error!(%error, "a start without definitions' database would have old definitions, or none");
            }
        }
        self.not_saved.store(failed, Ordering::Relaxed);
    }

    async fn take_snapshot(&self, now: Timestamp) -> Result<bool, DbError> {
        const ACTION: &str = "take a snapshot of the definitions";
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let pool = self.pool.load_full();
        let begun = pool.begin_with(begin).await;
        let mut transaction = begun.map_err(|error| failed(ACTION, error))?;
        self.snapshot.take(&mut transaction, now).await
    }

    pub(super) fn condition(&self) -> Condition {
        let Some((since, reason)) = self.gate.failing() else {
            return Condition::Well;
        };
        Condition::Down {
            since,
            reason,
            snapshot_age: self.snapshot.age(self.clock.now()),
        }
    }

    /// Connections in use, and the most there may be.
    pub(super) fn connections(&self) -> (usize, u32) {
        let pool = self.pool.load();
        let size = usize::try_from(pool.size()).unwrap_or_default();
        let used = size.saturating_sub(pool.num_idle());
        (used, self.config.profile.connections())
    }

    /// How old the snapshot is, and how many bytes of documents it holds.
    pub(super) fn snapshot(&self) -> (Option<Duration>, i64) {
        (self.snapshot.age(self.clock.now()), self.snapshot.bytes())
    }

    pub(super) async fn close(&self) {
        self.save(true).await;
        let closed = timeout(self.config.profile.wait(), self.pool.load_full().close()).await;
        if closed.is_err() {
            tracing::debug!("connections to PostgreSQL did not close in time");
        }
    }
}

impl Transaction {
    pub(super) async fn all(&mut self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        fetch(&mut self.inner, statement, self.statement_timeout).await
    }

    pub(super) async fn run(&mut self, statement: &Statement) -> Result<u64, DbError> {
        let operation = statement.operation;
        let statement = readable(statement);
        let done = query!(statement).execute(&mut *self.inner);
        let done = timeout(self.statement_timeout, done).await;
        let done = done.map_err(|_| silent(operation, self.statement_timeout))?;
        done.map(|done| done.rows_affected())
            .map_err(|error| failed(operation, error))
    }

    pub(super) async fn commit(self) -> Result<(), DbError> {
        const ACTION: &str = "commit transaction";
        let done = timeout(self.statement_timeout, self.inner.commit()).await;
        done.map_err(|_| silent(ACTION, self.statement_timeout))?
            .map_err(|error| failed(ACTION, error))
    }
}

async fn fetch(
    connection: &mut sqlx::PgConnection,
    statement: &Statement,
    limit: Duration,
) -> Result<Vec<Row>, DbError> {
    let operation = statement.operation;
    let statement = readable(statement);
    let rows = timeout(limit, query!(statement).fetch_all(connection)).await;
    let rows = rows
        .map_err(|_| silent(operation, limit))?
        .map_err(|error| failed(operation, error))?;
    let row = |row| Row::postgres(operation, row);
    Ok(rows.into_iter().map(row).collect())
}

/// PostgreSQL has no text with a NUL in it: it becomes the sign for what cannot be shown.
fn readable(statement: &Statement) -> std::borrow::Cow<'_, Statement> {
    let has_nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
    if !statement.values.iter().any(has_nul) {
        return std::borrow::Cow::Borrowed(statement);
    }
    let mut statement = statement.clone();
    for value in &mut statement.values {
        if let Value::Text(Some(text)) = value {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    std::borrow::Cow::Owned(statement)
}

fn pool(profile: Profile, options: PgConnectOptions) -> PgPool {
    let millis = |time: Duration| time.as_millis();
    // Said after connecting, not while: poolers refuse the latter. The server ends what a stopped client left behind.
    let settings = format!(
        "SET search_path TO outrigger; SET statement_timeout = {statement}; SET lock_timeout = {statement}; \
         SET idle_in_transaction_session_timeout = {idle}",
        statement = millis(profile.statement()),
        idle = millis(profile.statement() * 2),
    );
    PgPoolOptions::new()
        .max_connections(profile.connections())
        .min_connections(0)
        .acquire_timeout(profile.wait())
        .idle_timeout(Some(Duration::from_secs(300)))
        .max_lifetime(Some(Duration::from_secs(1800)))
        .after_connect(move |connection, _| {
            let settings = sqlx::AssertSqlSafe(settings.clone());
            Box::pin(async move { sqlx::raw_sql(settings).execute(connection).await.map(drop) })
        })
        .connect_lazy_with(options)
}

fn options(config: &Config) -> Result<PgConnectOptions, DbError> {
    let url = config.address()?;
    let mut options: PgConnectOptions = url
        .expose()
        .parse()
        .map_err(DbError::query("read the address of PostgreSQL"))?;
    if let Some(password) = config.password()? {
        options = options.password(password.expose());
    }
    // Without a word in the address the server has to show who it is, unless it is on this machine.
    if !config::decides_on_tls(&url) {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    Ok(options
        .application_name("outrigger")
        .disable_statement_logging())
}
