//! API keys, and the keys that access tokens are signed with.

use super::super::DbError;
use super::super::sql::row::Row;
use super::super::sql::statement::Statement;
use super::super::sql::{Sql, Transaction};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// A UUID.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// SHA-256 of the key in hexadecimal.
    pub hash: String,
    /// What it was made for: words with commas between them.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The primes of an RSA key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// What tokens call it.
    pub id: String,
    /// The larger prime, in hexadecimal.
    pub p: Secret,
    /// The smaller one.
    pub q: Secret,
    /// When it was made.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "SELECT key_id, user_id, name, description, key_hash, scopes, created_at, expires_at, \
     last_used_at, revoked_at FROM auth_api_keys";

/// Writes a new API key.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert(transaction: &mut Transaction, key: &ApiKeyRow) -> Result<(), DbError> {
    let statement = Statement::new("write API key", "INSERT INTO auth_api_keys (key_id, user_id, name, description, key_hash, scopes, created_at, expires_at, \
         last_used_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind(&key.id)
    .bind(&key.user)
    .bind(&key.name)
    .bind(&key.description)
    .bind(&key.hash)
    .bind(&key.scopes)
    .bind(key.created_at)
    .bind(key.expires_at)
    .bind(key.last_used_at)
    .bind(key.revoked_at);
    transaction.run(statement).await.map(drop)
}

/// The API keys of somebody, newest first; of everybody where nobody is named.
///
/// # Errors
/// Where the database cannot be read.
pub async fn list(database: &Sql, user: Option<&str>) -> Result<Vec<ApiKeyRow>, DbError> {
    let mut statement = Statement::new("read API keys", COLUMNS);
    if let Some(user) = user {
        statement.push(" WHERE user_id = ").push_bind(user);
    }
    statement.push(" ORDER BY created_at DESC, key_id");
    let rows = database.all(statement).await?;
    rows.iter().map(read).collect()
}

/// The API key of a hash.
///
/// # Errors
/// Where the database cannot be read.
pub async fn by_hash(database: &Sql, hash: &str) -> Result<Option<ApiKeyRow>, DbError> {
    one(database, " WHERE key_hash = ", hash).await
}

/// The API key of an id.
///
/// # Errors
/// Where the database cannot be read.
pub async fn by_id(database: &Sql, id: &str) -> Result<Option<ApiKeyRow>, DbError> {
    one(database, " WHERE key_id = ", id).await
}

async fn one(
    database: &Sql,
    condition: &'static str,
    value: &str,
) -> Result<Option<ApiKeyRow>, DbError> {
    let mut statement = Statement::new("read API key", COLUMNS);
    statement.push(condition).push_bind(value);
    let row = database.optional(statement.kept()).await?;
    row.as_ref().map(read).transpose()
}

/// Notes that a key was used.
///
/// # Errors
/// Where the database cannot be written.
pub async fn used(transaction: &mut Transaction, id: &str, now: Timestamp) -> Result<(), DbError> {
    let statement = Statement::new(
        "write API key",
        "UPDATE auth_api_keys SET last_used_at = $2 WHERE key_id = $1",
    )
    .bind(id)
    .bind(now);
    transaction.run(statement).await.map(drop)
}

/// Ends a key; whether it was still good.
///
/// # Errors
/// Where the database cannot be written.
pub async fn revoke(
    transaction: &mut Transaction,
    id: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let statement = Statement::new(
        "revoke API key",
        "UPDATE auth_api_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(now);
    transaction.run(statement).await.map(|written| written > 0)
}

/// All signing keys, the oldest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn signing(database: &Sql) -> Result<Vec<SigningKeyRow>, DbError> {
    let statement = Statement::new(
        "read signing keys",
        "SELECT key_id, prime_p, prime_q, created_at FROM auth_signing_keys ORDER BY created_at, key_id",
    );
    let rows = database.all(statement).await?;
    let read = |row: &Row| {
        Ok(SigningKeyRow {
            id: row.get(0)?,
            p: row.get(1)?,
            q: row.get(2)?,
            created_at: row.get(3)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Writes a new signing key.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert_signing(
    transaction: &mut Transaction,
    key: &SigningKeyRow,
) -> Result<(), DbError> {
    let statement = Statement::new("write signing key", "INSERT INTO auth_signing_keys (key_id, prime_p, prime_q, created_at) VALUES ($1, $2, $3, $4)")
    .bind(&key.id)
    .bind(key.p.expose())
    .bind(key.q.expose())
    .bind(key.created_at);
    transaction.run(statement).await.map(drop)
}

/// Removes a signing key that no token needs any more.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove_signing(transaction: &mut Transaction, id: &str) -> Result<(), DbError> {
    let statement = Statement::new(
        "remove signing key",
        "DELETE FROM auth_signing_keys WHERE key_id = $1",
    )
    .bind(id);
    transaction.run(statement).await.map(drop)
}

fn read(row: &Row) -> Result<ApiKeyRow, DbError> {
    Ok(ApiKeyRow {
        id: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        hash: row.get(4)?,
        scopes: row.get(5)?,
        created_at: row.get(6)?,
        expires_at: row.get(7)?,
        last_used_at: row.get(8)?,
        revoked_at: row.get(9)?,
    })
}
