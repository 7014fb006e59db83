//! Recurring silences, one row each.

use sqlx::Row;

use super::{Database, DbError, Transaction};
use crate::model::matcher::Matcher;
use crate::model::recurring_silence::RecurringSilence;
use crate::model::silence::MatcherFields;
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
    let matchers: Vec<MatcherFields> = recurring.matchers.iter().map(Into::into).collect();
    let matchers = serde_json::to_string(&matchers).map_err(DbError::value(ACTION))?;
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

/// All of them.
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
    rows.iter()
        .map(|row| {
            let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(ACTION));
            let time = |i: usize| {
                row.try_get::<Option<i64>, _>(i)
                    .map(|time| time.map(Timestamp::from_millis))
                    .map_err(DbError::query(ACTION))
            };
            let fields: Vec<MatcherFields> =
                serde_json::from_str(&text(1)?).map_err(DbError::value(ACTION))?;
            let matchers = fields
                .into_iter()
                .map(Matcher::try_from)
                .collect::<Result<_, _>>()
                .map_err(DbError::value(ACTION))?;
            Ok(RecurringSilence {
                id: text(0)?.into(),
                matchers,
                schedule: text(2)?,
                starts_at: time(3)?,
                ends_at: time(4)?,
                updated_at: time(5)?.unwrap_or_default(),
                created_by: text(6)?,
                comment: text(7)?,
            })
        })
        .collect()
}
