//! People, their sessions and API keys, and the keys that tokens are signed with; as plain rows.
//!
//! What a row means is decided in `auth`. Hashes go in and out, never what was hashed. The private halves of the signing
//! keys are in the database's file, which only its owner may read (mode 0600).

pub mod keys;
pub mod sessions;

use super::DbError;
use super::sql::row::Row;
use super::sql::statement::Statement;
use super::sql::{Sql, Transaction};
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
pub async fn user(database: &Sql, by: By<'_>) -> Result<Option<UserRow>, DbError> {
    let row = database.optional(select(by)).await?;
    row.as_ref().map(read).transpose()
}

/// One account, as the transaction sees it.
///
/// # Errors
/// Where the database cannot be read.
pub async fn user_within(
    transaction: &mut Transaction,
    by: By<'_>,
) -> Result<Option<UserRow>, DbError> {
    let row = transaction.optional(select(by)).await?;
    row.as_ref().map(read).transpose()
}

fn select(by: By<'_>) -> Statement {
    let mut statement = Statement::new("read user", "SELECT ");
    statement.push(COLUMNS).push(" FROM auth_users WHERE ");
    match by {
        By::Id(id) => statement.push("user_id = ").push_bind(id),
        By::Username(name) => statement
            .push("username_key = ")
            .push_bind(name.to_lowercase()),
        By::Email(email) => statement.push("email = ").push_bind(email),
    };
    statement.kept()
}

/// Accounts, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn users(database: &Sql, wanted: UsersWanted<'_>) -> Result<Vec<UserRow>, DbError> {
    let mut statement = Statement::new("read users", "SELECT ");
    statement.push(COLUMNS).push(" FROM auth_users WHERE 1 = 1");
    if let Some(role) = wanted.role {
        statement.push(" AND role = ").push_bind(role);
    }
    if let Some(status) = wanted.status {
        statement.push(" AND status = ").push_bind(status);
    }
    statement.push(" ORDER BY created_at DESC, user_id LIMIT ");
    statement.push_bind(i64::from(wanted.limit));
    statement
        .push(" OFFSET ")
        .push_bind(i64::from(wanted.offset));
    let rows = database.all(statement).await?;
    rows.iter().map(read).collect()
}

/// Writes a new account.
///
/// # Errors
/// Where the database cannot be written, or name or address is taken.
pub async fn insert_user(transaction: &mut Transaction, user: &UserRow) -> Result<(), DbError> {
    let statement = Statement::new("write user", "INSERT INTO auth_users (user_id, username, username_key, email, full_name, role, status, password_hash, epoch, \
         created_at, updated_at, last_login_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
    .bind(&user.id)
    .bind(&user.username)
    .bind(user.username.to_lowercase())
    .bind(&user.email)
    .bind(&user.full_name)
    .bind(&user.role)
    .bind(&user.status)
    .bind(user.password_hash.expose())
    .bind(user.epoch)
    .bind(user.created_at)
    .bind(user.updated_at)
    .bind(user.last_login_at);
    transaction.run(statement).await.map(drop)
}

/// Writes what may change of an account.
///
/// # Errors
/// Where the database cannot be written, or the address is taken.
pub async fn update_user(transaction: &mut Transaction, user: &UserRow) -> Result<(), DbError> {
    let statement = Statement::new("write user", "UPDATE auth_users SET email = $2, full_name = $3, role = $4, status = $5, password_hash = $6, epoch = $7, \
         updated_at = $8, last_login_at = $9 WHERE user_id = $1")
    .bind(&user.id)
    .bind(&user.email)
    .bind(&user.full_name)
    .bind(&user.role)
    .bind(&user.status)
    .bind(user.password_hash.expose())
    .bind(user.epoch)
    .bind(user.updated_at)
    .bind(user.last_login_at);
    transaction.run(statement).await.map(drop)
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
        let statement = Statement::new(ACTION, statement).bind(id);
        transaction.run(statement).await?;
    }
    let statement = Statement::new(ACTION, "DELETE FROM auth_users WHERE user_id = $1").bind(id);
    transaction.run(statement).await.map(|written| written > 0)
}

fn read(row: &Row) -> Result<UserRow, DbError> {
    Ok(UserRow {
        id: row.get(0)?,
        username: row.get(1)?,
        email: row.get(2)?,
        full_name: row.get(3)?,
        role: row.get(4)?,
        status: row.get(5)?,
        password_hash: row.get(6)?,
        epoch: row.get(7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        last_login_at: row.get(10)?,
    })
}
