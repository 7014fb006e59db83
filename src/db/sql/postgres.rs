//! PostgreSQL: its connections, and what it says otherwise than SQLite.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, Postgres as Engine};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::super::DbError;
use super::config::{self, Config, Profile};
use super::row::Row;
use super::statement::{Statement, Value};
use super::{migrations, query};

/// How long the schema may take, with the wait for other processes that make it too.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// One writer at a time, as in SQLite: "outw" in ASCII. In one simple query, so that beginning is one round trip.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(1869968503)";

/// A PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    config: Config,
    /// The address as it may be shown.
    place: String,
    pool: PgPool,
    migrated: OnceCell<()>,
}

/// Statements that take effect together.
#[derive(Debug)]
pub(super) struct Transaction {
    inner: sqlx::Transaction<'static, Engine>,
    statement_timeout: Duration,
}

impl Postgres {
    /// Connections as configured; none is made yet.
    ///
    /// # Errors
    /// Where the address or its password cannot be read.
    pub fn new(config: Config) -> Result<Self, DbError> {
        let options = options(&config)?;
        let pool = pool(config.profile, options);
        Ok(Self {
            place: config::place(&config.address()?),
            config,
            pool,
            migrated: OnceCell::new(),
        })
    }

    /// Connects, and brings the schema up to date; the first statement does it too.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub async fn prepare(&self) -> Result<(), DbError> {
        let migrate = || async {
            let profile = self.config.profile;
            let action = "connect to PostgreSQL";
            let connected = timeout(profile.wait(), options(&self.config)?.connect()).await;
            let mut connection = connected
                .map_err(|_| silent(action, profile.wait()))?
                .map_err(|error| failed(action, error))?;
            let migrated = async {
                let path = connection.execute("SET search_path TO outrigger").await;
                path.map_err(|error| failed(action, error))?;
                migrations::migrate(&mut connection, &self.place).await
            };
            let migrated = timeout(MIGRATION_TIMEOUT, migrated).await;
            migrated
                .map_err(|_| silent("bring PostgreSQL's schema up to date", MIGRATION_TIMEOUT))?
                .map_err(|error| match error {
                    DbError::Query { action, source } => failed(action, source),
                    other => other,
                })?;
            // What it was for is done; the server notices an end without a farewell too.
            drop(timeout(profile.wait(), connection.close()).await);
            Ok(())
        };
        self.migrated.get_or_try_init(migrate).await.map(drop)
    }

    pub(super) async fn all(&self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        let operation = statement.operation;
        self.prepare().await?;
        let mut connection = self.connection(operation).await?;
        let limit = self.config.profile.statement();
        fetch(&mut connection, statement, limit).await
    }

    pub(super) async fn begin(&self) -> Result<Transaction, DbError> {
        const ACTION: &str = "begin transaction";
        self.prepare().await?;
        let limit = self.config.profile.wait() + self.config.profile.statement();
        let begun = timeout(limit, self.pool.begin_with(BEGIN)).await;
        let inner = begun
            .map_err(|_| silent(ACTION, limit))?
            .map_err(|error| failed(ACTION, error))?;
        Ok(Transaction {
            inner,
            statement_timeout: self.config.profile.statement(),
        })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn connection(&self, operation: &'static str) -> Result<PoolConnection<Engine>, DbError> {
        let acquired = self.pool.acquire().await;
        acquired.map_err(|error| failed(operation, error))
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

/// The server said nothing in time.
fn silent(action: &'static str, limit: Duration) -> DbError {
    DbError::Unavailable {
        action,
        reason: format!("no answer within {} s", limit.as_secs()),
        retry_after: RETRY_AFTER,
    }
}

/// When to try again where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a failure means: that the server cannot be used now, or that the statement failed.
fn failed(action: &'static str, error: sqlx::Error) -> DbError {
    let Some(remedy) = unavailable(&error) else {
        return DbError::Query {
            action,
            source: error,
        };
    };
    DbError::Unavailable {
        action,
        reason: format!("{error}{remedy}"),
        retry_after: RETRY_AFTER,
    }
}

/// Whether an error is one of the server or the way to it, rather than of the statement; with what to do about it, where
/// that can be told. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn unavailable(error: &sqlx::Error) -> Option<&'static str> {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        sqlx::Error::Configuration(_)
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => return Some(""),
        _ => return None,
    };
    let code = code.unwrap_or_default();
    match &*code {
        "28P01" => Some("; correct the password in definitions.database"),
        "3D000" => Some("; create the database, or name another in definitions.database"),
        "42501" => Some("; let its user create the schema outrigger, or create it for him"),
        // Lock and statement time-outs, deadlocks; a server that only reads, as after a switch to a standby.
        "55P03" | "57014" | "40001" | "40P01" | "25006" | "25P03" => Some(""),
        // The connection, its rights, the server's resources, its end and its start.
        code if ["08", "28", "53", "57P", "58"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Some("")
        }
        _ => None,
    }
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
