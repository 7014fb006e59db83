//! Single revisions of a resource, with their documents.

use super::{HistoryRow, history_row};
use crate::db::DbError;
use crate::db::sql::row::Row;
use crate::db::sql::statement::Statement;
use crate::db::sql::{Sql, Transaction};

const ACTION: &str = "read definition's history";

/// One revision.
///
/// # Errors
/// Where the database cannot be read.
pub async fn get(
    database: &Sql,
    kind: &str,
    id: &str,
    revision: i64,
) -> Result<Option<HistoryRow>, DbError> {
    let statement = one(kind, id, revision).or_held_history();
    let row = database.optional(statement).await?;
    row.as_ref().map(with_document).transpose()
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
    let row = transaction.optional(one(kind, id, revision)).await?;
    row.as_ref().map(with_document).transpose()
}

fn one(kind: &str, id: &str, revision: i64) -> Statement {
    let text = "SELECT revision, version, change_type, changed_at, changed_by, summary, fields, document \
                FROM definition_history WHERE kind = $1 AND id = $2 AND revision = $3";
    let statement = Statement::new(ACTION, text).bind(kind).bind(id);
    statement.bind(revision)
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
    let text = "SELECT revision, version, change_type, changed_at, changed_by, summary, fields, document \
                FROM definition_history WHERE kind = $1 AND id = $2 AND document IS NOT NULL \
                ORDER BY revision DESC LIMIT 1";
    let statement = Statement::new(ACTION, text).bind(kind).bind(id);
    let row = transaction.optional(statement).await?;
    row.as_ref().map(with_document).transpose()
}

fn with_document(row: &Row) -> Result<HistoryRow, DbError> {
    Ok(HistoryRow {
        document: row.get(7)?,
        ..history_row(row)?
    })
}
