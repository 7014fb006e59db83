//! Sessions and their refresh tokens.

use super::super::DbError;
use super::super::sql::row::Row;
use super::super::sql::statement::Statement;
use super::super::sql::{Sql, Transaction};
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
    let statement = Statement::new("write session", "INSERT INTO auth_sessions (session_id, user_id, cookie_hash, created_at, expires_at, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind(&session.id)
    .bind(&session.user)
    .bind(&session.cookie_hash)
    .bind(session.created_at)
    .bind(session.expires_at)
    .bind(session.revoked_at);
    transaction.run(statement).await.map(drop)
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
    let statement = Statement::new(
        "write session",
        "UPDATE auth_sessions SET expires_at = $2 WHERE session_id = $1",
    )
    .bind(session)
    .bind(until);
    transaction.run(statement).await.map(drop)
}

/// The session of a browser's cookie.
///
/// # Errors
/// Where the database cannot be read.
pub async fn of_cookie(database: &Sql, hash: &str) -> Result<Option<SessionRow>, DbError> {
    let statement = Statement::new(
        "read session",
        "SELECT session_id, user_id, cookie_hash, created_at, expires_at, revoked_at FROM auth_sessions \
         WHERE cookie_hash = $1",
    );
    let row = database.optional(statement.bind(hash)).await?;
    row.map(|row| read(&row, 0)).transpose()
}

/// Writes a new refresh token.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert_refresh(
    transaction: &mut Transaction,
    token: &RefreshRow,
) -> Result<(), DbError> {
    let statement = Statement::new("write refresh token", "INSERT INTO auth_refresh_tokens (token_hash, token_id, session_id, created_at, expires_at, used_at) \
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind(&token.hash)
    .bind(&token.id)
    .bind(&token.session.id)
    .bind(token.created_at)
    .bind(token.expires_at)
    .bind(token.used_at);
    transaction.run(statement).await.map(drop)
}

/// Whether there is a refresh token of a hash.
///
/// # Errors
/// Where the database cannot be read.
pub async fn is_refresh(database: &Sql, hash: &str) -> Result<bool, DbError> {
    let text = "SELECT token_id FROM auth_refresh_tokens WHERE token_hash = $1";
    let statement = Statement::new("read refresh token", text).bind(hash);
    Ok(database.optional(statement).await?.is_some())
}

/// The refresh token of a hash.
///
/// # Errors
/// Where the database cannot be read.
pub async fn refresh(
    transaction: &mut Transaction,
    hash: &str,
) -> Result<Option<RefreshRow>, DbError> {
    let statement = Statement::new(
        "read refresh token",
        "SELECT t.token_hash, t.token_id, t.created_at, t.expires_at, t.used_at, \
         s.session_id, s.user_id, s.cookie_hash, s.created_at, s.expires_at, s.revoked_at \
         FROM auth_refresh_tokens t JOIN auth_sessions s ON s.session_id = t.session_id WHERE t.token_hash = $1",
    );
    let row = transaction.optional(statement.bind(hash)).await?;
    let read = |row: Row| {
        Ok(RefreshRow {
            hash: row.get(0)?,
            id: row.get(1)?,
            created_at: row.get(2)?,
            expires_at: row.get(3)?,
            used_at: row.get(4)?,
            session: read(&row, 5)?,
        })
    };
    row.map(read).transpose()
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
    let statement = Statement::new(
        "write refresh token",
        "UPDATE auth_refresh_tokens SET used_at = $2 WHERE token_hash = $1",
    )
    .bind(hash)
    .bind(now);
    transaction.run(statement).await.map(drop)
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
    let statement = Statement::new(
        "revoke session",
        "UPDATE auth_sessions SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL",
    )
    .bind(session)
    .bind(now);
    transaction.run(statement).await.map(drop)
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
    let statement = Statement::new(
        "revoke sessions",
        "UPDATE auth_sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL",
    )
    .bind(user)
    .bind(now);
    transaction.run(statement).await.map(drop)
}

/// Sessions of somebody that were ended since a time: access tokens of them may still be about.
///
/// # Errors
/// Where the database cannot be read.
pub async fn revoked_since(
    database: &Sql,
    user: &str,
    since: Timestamp,
) -> Result<Vec<String>, DbError> {
    let text = "SELECT session_id FROM auth_sessions WHERE user_id = $1 AND revoked_at >= $2";
    let statement = Statement::new("read sessions", text).bind(user).bind(since);
    let rows = database.all(statement).await?;
    rows.iter().map(|row| row.get(0)).collect()
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
        let statement = Statement::new(ACTION, statement).bind(before);
        transaction.run(statement).await?;
    }
    Ok(())
}

fn read(row: &Row, from: usize) -> Result<SessionRow, DbError> {
    Ok(SessionRow {
        id: row.get(from)?,
        user: row.get(from + 1)?,
        cookie_hash: row.get(from + 2)?,
        created_at: row.get(from + 3)?,
        expires_at: row.get(from + 4)?,
        revoked_at: row.get(from + 5)?,
    })
}
