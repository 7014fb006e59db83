//! The schema in PostgreSQL: the files that make it in SQLite, and what only PostgreSQL needs.
//!
//! All is one transaction behind an advisory lock, so that several sidecars may start at once, and a failure leaves nothing.

use sqlx::{PgConnection, Row as _};

use super::super::{DbError, MIGRATIONS};

/// Files of SQLite's list that PostgreSQL takes too: those of definitions and accounts.
const SHARED: &[i64] = &[20, 21, 43, 44];

/// Files for PostgreSQL alone.
const POSTGRES: &[(i64, &str)] = &[(40, include_str!("../../../migrations/0040_postgres.sql"))];

/// Any number that no other program takes: "outr" in ASCII.
const LOCK: i64 = 0x6f75_7472;

/// The files, in the order of their numbers.
fn files() -> Vec<(i64, &'static str)> {
    let mut files: Vec<_> = shared_files().chain(POSTGRES.iter().copied()).collect();
    files.sort_by_key(|(version, _)| *version);
    files
}

fn shared_files() -> impl Iterator<Item = (i64, &'static str)> {
    let all = MIGRATIONS.iter().copied();
    all.filter(|(version, _)| SHARED.contains(version))
}

/// What makes the same tables in SQLite.
pub(super) fn shared() -> impl Iterator<Item = &'static str> {
    shared_files().map(|(_, sql)| sql)
}

/// Brings the schema up to date.
pub(super) async fn migrate(connection: &mut PgConnection, place: &str) -> Result<(), DbError> {
    let failed = |source| DbError::Query {
        action: "bring PostgreSQL's schema up to date",
        source,
    };
    let newer = |found, known| DbError::NewerSchema {
        path: place.into(),
        found,
        known,
    };
    let mut transaction = sqlx::Connection::begin(connection).await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    // CREATE IF NOT EXISTS asks for the right to create even where there is nothing to create.
    let there = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = 'outrigger'")
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
    if there.is_none() {
        sqlx::query("CREATE SCHEMA outrigger")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY)",
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    let applied: Vec<i64> = sqlx::query("SELECT version FROM schema_migrations")
        .fetch_all(&mut *transaction)
        .await
        .and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
        .map_err(failed)?;
    let files = files();
    let found = applied.iter().copied().max().unwrap_or(0);
    let known = files.last().map_or(0, |(version, _)| *version);
    if found > known {
        return Err(newer(found, known));
    }
    for (version, sql) in files {
        if applied.contains(&version) {
            continue;
        }
        sqlx::raw_sql(sql)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query("INSERT INTO schema_migrations (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
