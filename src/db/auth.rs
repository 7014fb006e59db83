//! People, their sessions and API keys, and the keys that tokens are signed with; as plain rows.
//!
//! What a row means is decided in `auth`. Hashes go in and out, never what was hashed. The private halves of the signing
//! keys are in the database's file, which only its owner may read (mode 0600).

pub mod keys;
pub mod sessions;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, Transaction};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// A UUID.
    pub id: String,
    /// The name he logs in with; unique whatever the case.
    pub username: String,
    /// In lower case; unique.
    pub email: String,
    /// As people call him.
    pub full_name: String,
    /// `viewer`, `editor` or `admin`.
    pub role: String,
    /// `active`, `inactive` or `suspended`.
    pub status: String,
    /// The password's hash with its parameters.
    pub password_hash: Secret,
    /// Raised when every access token out there is to end.
    pub epoch: i64,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The last login.
    pub last_login_at: Option<Timestamp>,
}

/// Which account.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Its id.
    Id(&'a str),
    /// The username, in whatever case.
    Username(&'a str),
    /// The address, in lower case.
    Email(&'a str),
}

/// Which accounts, newest first.
#[derive(Clone, Copy, Debug)]
pub struct UsersWanted<'a> {
    /// Those of this role.
    pub role: Option<&'a str>,
    /// Those of this status.
    pub status: Option<&'a str>,
    /// At most so many.
    pub limit: u32,
    /// After so many.
    pub offset: u32,
}

const COLUMNS: &str = "user_id, username, email, full_name, role, status, password_hash, epoch, created_at, updated_at, \
     last_login_at";

/// One account.
///
/// # Errors
/// Where the database cannot be read.
pub async fn user(database: &Database, by: By<'_>) -> Result<Option<UserRow>, DbError> {
    const ACTION: &str = "read user";
    select(by)
        .build()
        .fetch_optional(database.reader())
        .await
        .map_err(DbError::query(ACTION))?
        .map(|row| read(&row).map_err(DbError::query(ACTION)))
        .transpose()
}

/// One account, as the transaction sees it.
///
/// # Errors
/// Where the database cannot be read.
pub async fn user_within(
    transaction: &mut Transaction,
    by: By<'_>,
) -> Result<Option<UserRow>, DbError> {
    const ACTION: &str = "read user";
    select(by)
        .build()
        .fetch_optional(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?
        .map(|row| read(&row).map_err(DbError::query(ACTION)))
        .transpose()
}

fn select(by: By<'_>) -> QueryBuilder<sqlx::Sqlite> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM auth_users WHERE ");
    match by {
        By::Id(id) => query.push("user_id = ").push_bind(id.to_owned()),
        By::Username(name) => query.push("username_key = ").push_bind(name.to_lowercase()),
        By::Email(email) => query.push("email = ").push_bind(email.to_owned()),
    };
    query
}

/// Accounts, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn users(database: &Database, wanted: UsersWanted<'_>) -> Result<Vec<UserRow>, DbError> {
    const ACTION: &str = "read users";
    let mut query = QueryBuilder::<sqlx::Sqlite>::new("SELECT ");
    query.push(COLUMNS).push(" FROM auth_users WHERE 1 = 1");
    if let Some(role) = wanted.role {
        query.push(" AND role = ").push_bind(role.to_owned());
    }
    if let Some(status) = wanted.status {
        query.push(" AND status = ").push_bind(status.to_owned());
    }
    query.push(" ORDER BY created_at DESC, user_id LIMIT ");
    query.push_bind(i64::from(wanted.limit));
    query.push(" OFFSET ").push_bind(i64::from(wanted.offset));
    let rows = query.build().fetch_all(database.reader()).await;
    let rows = rows.map_err(DbError::query(ACTION))?;
    rows.iter()
        .map(|row| read(row).map_err(DbError::query(ACTION)))
        .collect()
}

/// Writes a new account.
///
/// # Errors
/// Where the database cannot be written, or name or address is taken.
pub async fn insert_user(transaction: &mut Transaction, user: &UserRow) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO auth_users (user_id, username, username_key, email, full_name, role, status, password_hash, epoch, \
         created_at, updated_at, last_login_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(&user.id)
    .bind(&user.username)
    .bind(user.username.to_lowercase())
    .bind(&user.email)
    .bind(&user.full_name)
    .bind(&user.role)
    .bind(&user.status)
    .bind(user.password_hash.expose())
    .bind(user.epoch)
    .bind(user.created_at.millis())
    .bind(user.updated_at.millis())
    .bind(user.last_login_at.map(Timestamp::millis))
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write user"))
}

/// Writes what may change of an account.
///
/// # Errors
/// Where the database cannot be written, or the address is taken.
pub async fn update_user(transaction: &mut Transaction, user: &UserRow) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE auth_users SET email = $2, full_name = $3, role = $4, status = $5, password_hash = $6, epoch = $7, \
         updated_at = $8, last_login_at = $9 WHERE user_id = $1",
    )
    .bind(&user.id)
    .bind(&user.email)
    .bind(&user.full_name)
    .bind(&user.role)
    .bind(&user.status)
    .bind(user.password_hash.expose())
    .bind(user.epoch)
    .bind(user.updated_at.millis())
    .bind(user.last_login_at.map(Timestamp::millis))
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write user"))
}

/// Removes an account with its sessions and keys; whether there was one.
///
/// # Errors
/// Where the database cannot be written.
pub async fn delete_user(transaction: &mut Transaction, id: &str) -> Result<bool, DbError> {
    const ACTION: &str = "delete user";
    for statement in [
        "DELETE FROM auth_refresh_tokens WHERE session_id IN (SELECT session_id FROM auth_sessions WHERE user_id = $1)",
        "DELETE FROM auth_sessions WHERE user_id = $1",
        "DELETE FROM auth_api_keys WHERE user_id = $1",
    ] {
        sqlx::query(statement)
            .bind(id)
            .execute(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
    }
    sqlx::query("DELETE FROM auth_users WHERE user_id = $1")
        .bind(id)
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(DbError::query(ACTION))
}

fn read(row: &SqliteRow) -> Result<UserRow, sqlx::Error> {
    Ok(UserRow {
        id: row.try_get(0)?,
        username: row.try_get(1)?,
        email: row.try_get(2)?,
        full_name: row.try_get(3)?,
        role: row.try_get(4)?,
        status: row.try_get(5)?,
        password_hash: Secret::new(row.try_get::<String, _>(6)?),
        epoch: row.try_get(7)?,
        created_at: Timestamp::from_millis(row.try_get(8)?),
        updated_at: Timestamp::from_millis(row.try_get(9)?),
        last_login_at: time(row, 10)?,
    })
}

fn time(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}
