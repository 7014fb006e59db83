//! Silences, one row each.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Database, DbError, Transaction};
use crate::model::matcher::Matcher;
use crate::model::silence::{MatcherFields, Silence};
use crate::model::timestamp::Timestamp;

/// Writes silences; one with a known id is replaced.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(transaction: &mut Transaction, silences: &[Silence]) -> Result<(), DbError> {
    const ACTION: &str = "write silence";
    for silence in silences {
        let matchers = written_matchers(&silence.matchers, ACTION)?;
        let annotations =
            serde_json::to_string(&silence.annotations).map_err(DbError::value(ACTION))?;
        sqlx::query(
            "INSERT INTO silences (id, matchers, starts_at, ends_at, updated_at, created_by, comment, annotations) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers, starts_at = excluded.starts_at, \
             ends_at = excluded.ends_at, updated_at = excluded.updated_at, created_by = excluded.created_by, \
             comment = excluded.comment, annotations = excluded.annotations",
        )
        .bind(&*silence.id)
        .bind(matchers)
        .bind(silence.starts_at.millis())
        .bind(silence.ends_at.millis())
        .bind(silence.updated_at.millis())
        .bind(&silence.created_by)
        .bind(&silence.comment)
        .bind(annotations)
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    }
    Ok(())
}

/// All silences; one that cannot be read is passed over, and the alerts it spoke of are told.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database) -> Result<Vec<Silence>, DbError> {
    const ACTION: &str = "read silences";
    let rows = sqlx::query(
        "SELECT id, matchers, starts_at, ends_at, updated_at, created_by, comment, annotations FROM silences ORDER BY id",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let read = |row: &SqliteRow| {
        let id = row.try_get::<String, _>(0).unwrap_or_default();
        let unreadable = database.unreadable();
        unreadable.or_pass_over("silences", &id, silence(row))
    };
    Ok(rows.iter().filter_map(read).collect())
}

fn silence(row: &SqliteRow) -> Result<Silence, DbError> {
    const ACTION: &str = "read silences";
    let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(ACTION));
    let time = |i: usize| {
        row.try_get(i)
            .map(Timestamp::from_millis)
            .map_err(DbError::query(ACTION))
    };
    let annotations: BTreeMap<String, String> =
        serde_json::from_str(&text(7)?).map_err(DbError::value(ACTION))?;
    Ok(Silence {
        id: text(0)?.into(),
        matchers: read_matchers(&text(1)?, ACTION)?,
        starts_at: time(2)?,
        ends_at: time(3)?,
        updated_at: time(4)?,
        created_by: text(5)?,
        comment: text(6)?,
        annotations,
    })
}

/// Matchers as JSON.
pub(super) fn written_matchers(
    matchers: &[Matcher],
    action: &'static str,
) -> Result<String, DbError> {
    let fields: Vec<MatcherFields> = matchers.iter().map(Into::into).collect();
    serde_json::to_string(&fields).map_err(DbError::value(action))
}

/// The matchers of [`written_matchers`].
pub(super) fn read_matchers(text: &str, action: &'static str) -> Result<Vec<Matcher>, DbError> {
    let fields: Vec<MatcherFields> = serde_json::from_str(text).map_err(DbError::value(action))?;
    let matchers = fields.into_iter().map(Matcher::try_from);
    matchers
        .collect::<Result<_, _>>()
        .map_err(DbError::value(action))
}

/// Forgets silences that ended before `before`; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<u64, DbError> {
    sqlx::query("DELETE FROM silences WHERE ends_at < $1")
        .bind(before.millis())
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected())
        .map_err(DbError::query("prune silences"))
}
