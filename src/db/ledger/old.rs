//! The ledger of earlier versions, one row an entry, brought into chunks.

use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{LedgerEntry, write};
use crate::db::{DbError, Transaction};
use crate::model::labels::Labels;
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

const ACTION: &str = "bring the ledger into its new form";
const ROWS: i64 = 5_000;

/// Moves every entry; each keeps its number. One that does not read back is said and left behind.
pub(in crate::db) async fn convert(transaction: &mut Transaction) -> Result<(), DbError> {
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(
            "SELECT id, at, group_key, receiver, integration, labels, decision FROM ledger WHERE id > $1 \
             ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(ROWS)
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
        let Some(last) = rows.last() else {
            break;
        };
        after = last.try_get(0).map_err(DbError::query(ACTION))?;
        // Numbers in a row go together: a chunk's entries are numbered one after the other.
        let mut run: Vec<LedgerEntry> = Vec::new();
        let mut first = 0;
        for row in &rows {
            let id: i64 = row.try_get(0).map_err(DbError::query(ACTION))?;
            let entry = match entry(row) {
                Ok(entry) => entry,
                Err(error) => {
                    tracing::error!(row = id, %error, "ledger entry is not readable, going on without it");
                    continue;
                }
            };
            if id != first + i64::try_from(run.len()).unwrap_or(i64::MAX) {
                write(transaction, Some(first), &run).await?;
                run.clear();
                first = id;
            }
            run.push(entry);
        }
        write(transaction, Some(first), &run).await?;
    }
    sqlx::raw_sql("DROP TABLE ledger")
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query(ACTION))
}

fn entry(row: &SqliteRow) -> Result<LedgerEntry, DbError> {
    let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(ACTION));
    let shared = |i| Ok::<_, DbError>(Arc::<str>::from(text(i)?));
    let labels: Option<String> = row.try_get(5).map_err(DbError::query(ACTION))?;
    let labels = labels.as_deref().map(serde_json::from_str::<Labels>);
    let decision = serde_json::from_str::<Decision>(&text(6)?);
    Ok(LedgerEntry {
        at: Timestamp::from_millis(row.try_get(1).map_err(DbError::query(ACTION))?),
        group_key: shared(2)?,
        receiver: shared(3)?,
        integration: shared(4)?,
        labels: labels.transpose().map_err(DbError::value(ACTION))?,
        decision: decision.map_err(DbError::value(ACTION))?,
    })
}
