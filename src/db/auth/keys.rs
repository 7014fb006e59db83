//! API keys, and the keys that access tokens are signed with.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::{Database, DbError, Transaction};
use super::time;
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
    sqlx::query(
        "INSERT INTO auth_api_keys (key_id, user_id, name, description, key_hash, scopes, created_at, expires_at, \
         last_used_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&key.id)
    .bind(&key.user)
    .bind(&key.name)
    .bind(&key.description)
    .bind(&key.hash)
    .bind(&key.scopes)
    .bind(key.created_at.millis())
    .bind(key.expires_at.map(Timestamp::millis))
    .bind(key.last_used_at.map(Timestamp::millis))
    .bind(key.revoked_at.map(Timestamp::millis))
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write API key"))
}

/// The API keys of somebody, newest first; of everybody where nobody is named.
///
/// # Errors
/// Where the database cannot be read.
pub async fn list(database: &Database, user: Option<&str>) -> Result<Vec<ApiKeyRow>, DbError> {
    const ACTION: &str = "read API keys";
    let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(COLUMNS);
    if let Some(user) = user {
        query.push(" WHERE user_id = ").push_bind(user.to_owned());
    }
    query.push(" ORDER BY created_at DESC, key_id");
    let rows = query.build().fetch_all(database.reader()).await;
    let rows = rows.map_err(DbError::query(ACTION))?;
    rows.iter()
        .map(|row| read(row).map_err(DbError::query(ACTION)))
        .collect()
}

/// The API key of a hash.
///
/// # Errors
/// Where the database cannot be read.
pub async fn by_hash(database: &Database, hash: &str) -> Result<Option<ApiKeyRow>, DbError> {
    one(database, " WHERE key_hash = ", hash).await
}

/// The API key of an id.
///
/// # Errors
/// Where the database cannot be read.
pub async fn by_id(database: &Database, id: &str) -> Result<Option<ApiKeyRow>, DbError> {
    one(database, " WHERE key_id = ", id).await
}

async fn one(
    database: &Database,
    condition: &'static str,
    value: &str,
) -> Result<Option<ApiKeyRow>, DbError> {
    const ACTION: &str = "read API key";
    let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(COLUMNS);
    query.push(condition).push_bind(value.to_owned());
    let row = query.build().fetch_optional(database.reader()).await;
    let row = row.map_err(DbError::query(ACTION))?;
    row.map(|row| read(&row).map_err(DbError::query(ACTION)))
        .transpose()
}

/// Notes that a key was used.
///
/// # Errors
/// Where the database cannot be written.
pub async fn used(transaction: &mut Transaction, id: &str, now: Timestamp) -> Result<(), DbError> {
    sqlx::query("UPDATE auth_api_keys SET last_used_at = $2 WHERE key_id = $1")
        .bind(id)
        .bind(now.millis())
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("write API key"))
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
    sqlx::query("UPDATE auth_api_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL")
        .bind(id)
        .bind(now.millis())
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(DbError::query("revoke API key"))
}

/// All signing keys, the oldest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn signing(database: &Database) -> Result<Vec<SigningKeyRow>, DbError> {
    const ACTION: &str = "read signing keys";
    let rows = sqlx::query(
        "SELECT key_id, prime_p, prime_q, created_at FROM auth_signing_keys ORDER BY created_at, key_id",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let read = |row: &SqliteRow| {
        Ok(SigningKeyRow {
            id: row.try_get(0)?,
            p: Secret::new(row.try_get::<String, _>(1)?),
            q: Secret::new(row.try_get::<String, _>(2)?),
            created_at: Timestamp::from_millis(row.try_get(3)?),
        })
    };
    rows.iter()
        .map(|row| read(row).map_err(DbError::query(ACTION)))
        .collect()
}

/// Writes a new signing key.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert_signing(
    transaction: &mut Transaction,
    key: &SigningKeyRow,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO auth_signing_keys (key_id, prime_p, prime_q, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(&key.id)
    .bind(key.p.expose())
    .bind(key.q.expose())
    .bind(key.created_at.millis())
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write signing key"))
}

/// Removes a signing key that no token needs any more.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove_signing(transaction: &mut Transaction, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM auth_signing_keys WHERE key_id = $1")
        .bind(id)
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("remove signing key"))
}

fn read(row: &SqliteRow) -> Result<ApiKeyRow, sqlx::Error> {
    Ok(ApiKeyRow {
        id: row.try_get(0)?,
        user: row.try_get(1)?,
        name: row.try_get(2)?,
        description: row.try_get(3)?,
        hash: row.try_get(4)?,
        scopes: row.try_get(5)?,
        created_at: Timestamp::from_millis(row.try_get(6)?),
        expires_at: time(row, 7)?,
        last_used_at: time(row, 8)?,
        revoked_at: time(row, 9)?,
    })
}
