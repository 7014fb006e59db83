//! Single revisions of a resource, with their documents.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, query};

use super::{HistoryRow, history_row};
use crate::db::{Database, DbError, Transaction};

const ACTION: &str = "read definition's history";
const ONE: &str = "SELECT revision, version, change_type, changed_at, changed_by, summary, fields, document \
                   FROM definition_history WHERE kind = $1 AND id = $2 AND revision = $3";
const LAST: &str = "SELECT revision, version, change_type, changed_at, changed_by, summary, fields, document \
                    FROM definition_history WHERE kind = $1 AND id = $2 AND document IS NOT NULL \
                    ORDER BY revision DESC LIMIT 1";

/// One revision.
///
/// # Errors
/// Where the database cannot be read.
pub async fn get(
    database: &Database,
    kind: &str,
    id: &str,
    revision: i64,
) -> Result<Option<HistoryRow>, DbError> {
    let row = query(ONE)
        .bind(kind)
        .bind(id)
        .bind(revision)
        .fetch_optional(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    row.map(|row| with_document(&row)).transpose()
}

/// One revision, as it is until the transaction ends.
///
/// # Errors
/// Where the database cannot be read.
pub async fn get_for_update(
    transaction: &mut Transaction,
    kind: &str,
    id: &str,
    revision: i64,
) -> Result<Option<HistoryRow>, DbError> {
    let row = query(ONE)
        .bind(kind)
        .bind(id)
        .bind(revision)
        .fetch_optional(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    row.map(|row| with_document(&row)).transpose()
}

/// The last revision that is no removal.
///
/// # Errors
/// Where the database cannot be read.
pub async fn last(
    transaction: &mut Transaction,
    kind: &str,
    id: &str,
) -> Result<Option<HistoryRow>, DbError> {
    let row = query(LAST)
        .bind(kind)
        .bind(id)
        .fetch_optional(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    row.map(|row| with_document(&row)).transpose()
}

fn with_document(row: &SqliteRow) -> Result<HistoryRow, DbError> {
    let document = row.try_get(7).map_err(DbError::query(ACTION))?;
    Ok(HistoryRow {
        document,
        ..history_row(row)?
    })
}
