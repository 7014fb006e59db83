//! Sessions and their refresh tokens.

use sqlx::Row;

use super::super::{Database, DbError, Transaction};
use super::time;
use crate::model::timestamp::Timestamp;

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// A UUID.
    pub id: String,
    /// Whose.
    pub user: String,
    /// SHA-256 of the browser's cookie, where it is one of a browser.
    pub cookie_hash: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was ended early.
    pub revoked_at: Option<Timestamp>,
}

/// A refresh token, with its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRow {
    /// SHA-256 of the token.
    pub hash: String,
    /// A UUID that names it.
    pub id: String,
    /// Its session.
    pub session: SessionRow,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was exchanged for the next.
    pub used_at: Option<Timestamp>,
}

/// Writes a new session.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert(transaction: &mut Transaction, session: &SessionRow) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO auth_sessions (session_id, user_id, cookie_hash, created_at, expires_at, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&session.id)
    .bind(&session.user)
    .bind(&session.cookie_hash)
    .bind(session.created_at.millis())
    .bind(session.expires_at.millis())
    .bind(session.revoked_at.map(Timestamp::millis))
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write session"))
}

/// Lets a session last longer.
///
/// # Errors
/// Where the database cannot be written.
pub async fn extend(
    transaction: &mut Transaction,
    session: &str,
    until: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("UPDATE auth_sessions SET expires_at = $2 WHERE session_id = $1")
        .bind(session)
        .bind(until.millis())
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("write session"))
}

/// The session of a browser's cookie.
///
/// # Errors
/// Where the database cannot be read.
pub async fn of_cookie(database: &Database, hash: &str) -> Result<Option<SessionRow>, DbError> {
    const ACTION: &str = "read session";
    let row = sqlx::query(
        "SELECT session_id, user_id, cookie_hash, created_at, expires_at, revoked_at FROM auth_sessions \
         WHERE cookie_hash = $1",
    )
    .bind(hash)
    .fetch_optional(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    row.map(|row| read(&row, 0).map_err(DbError::query(ACTION)))
        .transpose()
}

/// Writes a new refresh token.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert_refresh(
    transaction: &mut Transaction,
    token: &RefreshRow,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO auth_refresh_tokens (token_hash, token_id, session_id, created_at, expires_at, used_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&token.hash)
    .bind(&token.id)
    .bind(&token.session.id)
    .bind(token.created_at.millis())
    .bind(token.expires_at.millis())
    .bind(token.used_at.map(Timestamp::millis))
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write refresh token"))
}

/// Whether there is a refresh token of a hash.
///
/// # Errors
/// Where the database cannot be read.
pub async fn is_refresh(database: &Database, hash: &str) -> Result<bool, DbError> {
    sqlx::query("SELECT 1 FROM auth_refresh_tokens WHERE token_hash = $1")
        .bind(hash)
        .fetch_optional(database.reader())
        .await
        .map(|row| row.is_some())
        .map_err(DbError::query("read refresh token"))
}

/// The refresh token of a hash.
///
/// # Errors
/// Where the database cannot be read.
pub async fn refresh(
    transaction: &mut Transaction,
    hash: &str,
) -> Result<Option<RefreshRow>, DbError> {
    const ACTION: &str = "read refresh token";
    let row = sqlx::query(
        "SELECT t.token_hash, t.token_id, t.created_at, t.expires_at, t.used_at, \
         s.session_id, s.user_id, s.cookie_hash, s.created_at, s.expires_at, s.revoked_at \
         FROM auth_refresh_tokens t JOIN auth_sessions s ON s.session_id = t.session_id WHERE t.token_hash = $1",
    )
    .bind(hash)
    .fetch_optional(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(RefreshRow {
            hash: row.try_get(0)?,
            id: row.try_get(1)?,
            created_at: Timestamp::from_millis(row.try_get(2)?),
            expires_at: Timestamp::from_millis(row.try_get(3)?),
            used_at: time(row, 4)?,
            session: read(row, 5)?,
        })
    };
    row.map(|row| read(&row).map_err(DbError::query(ACTION)))
        .transpose()
}

/// Notes that a refresh token was exchanged.
///
/// # Errors
/// Where the database cannot be written.
pub async fn use_refresh(
    transaction: &mut Transaction,
    hash: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("UPDATE auth_refresh_tokens SET used_at = $2 WHERE token_hash = $1")
        .bind(hash)
        .bind(now.millis())
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("write refresh token"))
}

/// Ends one session.
///
/// # Errors
/// Where the database cannot be written.
pub async fn revoke(
    transaction: &mut Transaction,
    session: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE auth_sessions SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL",
    )
    .bind(session)
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("revoke session"))
}

/// Ends all sessions of somebody.
///
/// # Errors
/// Where the database cannot be written.
pub async fn revoke_all(
    transaction: &mut Transaction,
    user: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE auth_sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL",
    )
    .bind(user)
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("revoke sessions"))
}

/// Sessions of somebody that were ended since a time: access tokens of them may still be about.
///
/// # Errors
/// Where the database cannot be read.
pub async fn revoked_since(
    database: &Database,
    user: &str,
    since: Timestamp,
) -> Result<Vec<String>, DbError> {
    sqlx::query_scalar(
        "SELECT session_id FROM auth_sessions WHERE user_id = $1 AND revoked_at >= $2",
    )
    .bind(user)
    .bind(since.millis())
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query("read sessions"))
}

/// Removes sessions that ended before a time, with their tokens.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<(), DbError> {
    const ACTION: &str = "remove old sessions";
    for statement in [
        "DELETE FROM auth_refresh_tokens WHERE session_id IN (SELECT session_id FROM auth_sessions WHERE expires_at < $1)",
        "DELETE FROM auth_sessions WHERE expires_at < $1",
    ] {
        sqlx::query(statement)
            .bind(before.millis())
            .execute(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
    }
    Ok(())
}

fn read(row: &sqlx::sqlite::SqliteRow, from: usize) -> Result<SessionRow, sqlx::Error> {
    Ok(SessionRow {
        id: row.try_get(from)?,
        user: row.try_get(from + 1)?,
        cookie_hash: row.try_get(from + 2)?,
        created_at: Timestamp::from_millis(row.try_get(from + 3)?),
        expires_at: Timestamp::from_millis(row.try_get(from + 4)?),
        revoked_at: time(row, from + 5)?,
    })
}
