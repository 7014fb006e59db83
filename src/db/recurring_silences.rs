//! Recurring silences, one row each.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Database, DbError, Transaction, silences};
use crate::model::recurring_silence::RecurringSilence;
use crate::model::timestamp::Timestamp;

/// Writes one; one with a known id is replaced.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(
    transaction: &mut Transaction,
    recurring: &RecurringSilence,
) -> Result<(), DbError> {
    const ACTION: &str = "write recurring silence";
    let matchers = silences::written_matchers(&recurring.matchers, ACTION)?;
    sqlx::query(
        "INSERT INTO recurring_silences (id, matchers, schedule, starts_at, ends_at, updated_at, created_by, comment) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers, schedule = excluded.schedule, \
         starts_at = excluded.starts_at, ends_at = excluded.ends_at, updated_at = excluded.updated_at, \
         created_by = excluded.created_by, comment = excluded.comment",
    )
    .bind(&*recurring.id)
    .bind(matchers)
    .bind(&recurring.schedule)
    .bind(recurring.starts_at.map(Timestamp::millis))
    .bind(recurring.ends_at.map(Timestamp::millis))
    .bind(recurring.updated_at.millis())
    .bind(&recurring.created_by)
    .bind(&recurring.comment)
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query(ACTION))
}

/// Removes one.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove(transaction: &mut Transaction, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM recurring_silences WHERE id = $1")
        .bind(id)
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("remove recurring silence"))
}

/// All of them; one that cannot be read is passed over.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database) -> Result<Vec<RecurringSilence>, DbError> {
    const ACTION: &str = "read recurring silences";
    let rows = sqlx::query(
        "SELECT id, matchers, schedule, starts_at, ends_at, updated_at, created_by, comment \
         FROM recurring_silences ORDER BY id",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let read = |row: &SqliteRow| {
        let id = row.try_get::<String, _>(0).unwrap_or_default();
        let unreadable = database.unreadable();
        unreadable.or_pass_over("recurring_silences", &id, recurring(row, ACTION))
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn recurring(row: &SqliteRow, action: &'static str) -> Result<RecurringSilence, DbError> {
    let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(action));
    let time = |i: usize| {
        row.try_get::<Option<i64>, _>(i)
            .map(|time| time.map(Timestamp::from_millis))
            .map_err(DbError::query(action))
    };
    Ok(RecurringSilence {
        id: text(0)?.into(),
        matchers: silences::read_matchers(&text(1)?, action)?,
        schedule: text(2)?,
        starts_at: time(3)?,
        ends_at: time(4)?,
        updated_at: time(5)?.unwrap_or_default(),
        created_by: text(6)?,
        comment: text(7)?,
    })
}
