//! The ledger: every decision on every alert, and what became of every notification.
//!
//! A row about an alert carries its fingerprint and labels; a row about a notification as a whole carries only the
//! notification's id, which the rows of its alerts carry too. Annotations, values and secrets are not in it.

use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::labels::{Fingerprint, Labels};
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// The group it was taken in.
    pub group_key: Arc<str>,
    /// The receiver it concerns.
    pub receiver: Arc<str>,
    /// The integration, such as `webhook[0]`; empty where it concerns the receiver as a whole.
    pub integration: Arc<str>,
    /// The alert's labels; `None` for a decision on a whole notification.
    pub labels: Option<Labels>,
    /// What was decided.
    pub decision: Decision,
}

/// Which entries to read; every part given must match.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Decisions on this alert, and what became of the notifications it was in.
    pub fingerprint: Option<Fingerprint>,
    /// Entries of this notification or digest.
    pub notification: Option<String>,
    /// Entries of this kind, see [`Decision::kind`].
    pub kind: Option<String>,
}

/// Appends entries.
///
/// # Errors
/// Where the database cannot be written.
pub async fn append(transaction: &mut Transaction, entries: &[LedgerEntry]) -> Result<(), DbError> {
    const ACTION: &str = "write ledger";
    for chunk in entries.chunks(MAX_BINDS / 9) {
        let mut rows = Vec::with_capacity(chunk.len());
        for entry in chunk {
            let labels = entry.labels.as_ref().map(serde_json::to_string).transpose();
            let labels = labels.map_err(DbError::value(ACTION))?;
            let decision =
                serde_json::to_string(&entry.decision).map_err(DbError::value(ACTION))?;
            rows.push((entry, labels, decision));
        }
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger (at, group_key, receiver, integration, fingerprint, labels, notification, kind, decision) ",
        );
        query.push_values(rows, |mut row, (entry, labels, decision)| {
            row.push_bind(entry.at.millis())
                .push_bind(&*entry.group_key)
                .push_bind(&*entry.receiver)
                .push_bind(&*entry.integration)
                .push_bind(
                    entry
                        .labels
                        .as_ref()
                        .map(|labels| labels.fingerprint().to_string()),
                )
                .push_bind(labels)
                .push_bind(entry.decision.notification().map(|id| &**id))
                .push_bind(entry.decision.kind())
                .push_bind(decision);
        });
        query
            .build()
            .persistent(false)
            .execute(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
    }
    Ok(())
}

/// The newest entries that pass, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn recent(
    database: &Database,
    filter: &LedgerFilter,
    limit: u32,
) -> Result<Vec<LedgerEntry>, DbError> {
    const ACTION: &str = "read ledger";
    let mut query = QueryBuilder::new(
        "SELECT at, group_key, receiver, integration, labels, decision FROM ledger WHERE 1 = 1",
    );
    if let Some(fingerprint) = filter.fingerprint {
        let fingerprint = fingerprint.to_string();
        query
            .push(" AND (fingerprint = ")
            .push_bind(fingerprint.clone())
            .push(
                " OR (fingerprint IS NULL AND notification IN (SELECT notification FROM ledger WHERE fingerprint = ",
            )
            .push_bind(fingerprint)
            .push(")))");
    }
    if let Some(notification) = &filter.notification {
        query.push(" AND notification = ").push_bind(notification);
    }
    if let Some(kind) = &filter.kind {
        query.push(" AND kind = ").push_bind(kind);
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::from(limit));
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    rows.iter().map(|row| read(row, ACTION)).collect()
}

fn read(row: &SqliteRow, action: &'static str) -> Result<LedgerEntry, DbError> {
    let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(action));
    let labels: Option<String> = row.try_get(4).map_err(DbError::query(action))?;
    Ok(LedgerEntry {
        at: Timestamp::from_millis(row.try_get(0).map_err(DbError::query(action))?),
        group_key: text(1)?.into(),
        receiver: text(2)?.into(),
        integration: text(3)?.into(),
        labels: labels
            .map(|labels| serde_json::from_str(&labels))
            .transpose()
            .map_err(DbError::value(action))?,
        decision: serde_json::from_str(&text(5)?).map_err(DbError::value(action))?,
    })
}

/// Removes entries older than `before` and, beyond `keep` entries, the oldest; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(
    transaction: &mut Transaction,
    before: Timestamp,
    keep: u32,
) -> Result<u64, DbError> {
    // Row numbers rise with time, so the oldest are those of the smallest numbers.
    sqlx::query(
        "DELETE FROM ledger WHERE id <= (SELECT COALESCE(MAX(id), 0) FROM ledger) - $1 \
         OR id <= (SELECT COALESCE(MIN(id), 0) - 1 FROM ledger WHERE at >= $2) \
         OR NOT EXISTS (SELECT 1 FROM ledger WHERE at >= $2)",
    )
    .bind(i64::from(keep))
    .bind(before.millis())
    .execute(transaction.connection())
    .await
    .map(|done| done.rows_affected())
    .map_err(DbError::query("prune ledger"))
}
