//! Small chunks become large ones: where little happens a transaction has an entry or two, and a search looks at every row.

use std::sync::Arc;

use super::{LedgerEntry, PRUNE, chunk, write};
use crate::db::{DbError, Transaction};

/// Entries from which on a chunk is left as it is, and what several may have together.
const LARGE: i64 = 250;
const TOGETHER: i64 = 500;
const BYTES: i64 = 128 << 10;
/// Fewer are not worth it: they will be more the next time.
const FEWEST: usize = 16;
/// Rows looked at in one transaction.
const ROWS: i64 = 4_000;

/// Makes one of many that follow each other. Entries keep their numbers. Chunks that cannot be read are left alone.
pub(super) async fn merge(transaction: &mut Transaction) -> Result<(), DbError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT first_id, entries, LENGTH(body) FROM ledger_chunks WHERE entries < $1 AND removed = 0 \
         ORDER BY first_id LIMIT $2",
    )
    .bind(LARGE)
    .bind(ROWS)
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(PRUNE))?;
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let (run, left) = rest.split_at(run(rest));
        if run.len() >= FEWEST {
            join(transaction, run).await?;
        }
        rest = left;
    }
    Ok(())
}

/// How many of these rows, from the first on, may become one.
fn run(rows: &[(i64, i64, i64)]) -> usize {
    let (mut next, mut entries, mut bytes) = (None, 0, 0);
    let fits = rows.iter().take_while(|(first, count, size)| {
        let follows = next.is_none_or(|next| next == *first);
        next = Some(first + count);
        entries += count;
        bytes += size;
        follows && entries <= TOGETHER && bytes <= BYTES
    });
    fits.count().max(1)
}

async fn join(transaction: &mut Transaction, run: &[(i64, i64, i64)]) -> Result<(), DbError> {
    let [(first, ..), .., (last, ..)] = run else {
        return Ok(());
    };
    let bodies: Vec<(Vec<u8>,)> = sqlx::query_as(
        "SELECT body FROM ledger_chunks WHERE first_id BETWEEN $1 AND $2 ORDER BY first_id",
    )
    .bind(first)
    .bind(last)
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(PRUNE))?;
    let mut entries = Vec::new();
    for (body,) in &bodies {
        let Some(read) = read(body) else {
            return Ok(());
        };
        entries.extend(read);
    }
    let counted: i64 = run.iter().map(|(_, count, _)| count).sum();
    if i64::try_from(entries.len()) != Ok(counted) {
        return Ok(());
    }
    sqlx::query("DELETE FROM ledger_chunks WHERE first_id BETWEEN $1 AND $2")
        .bind(first)
        .bind(last)
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(PRUNE))?;
    write(transaction, Some(*first), &entries).await
}

/// The entries of a chunk, where every one of them can be read.
fn read(body: &[u8]) -> Option<Vec<LedgerEntry>> {
    let (stored, damage) = chunk::decode(body);
    let entry = |stored: &chunk::Stored<'_>| {
        Some(LedgerEntry {
            at: stored.at,
            group_key: Arc::clone(&stored.group_key),
            receiver: Arc::clone(&stored.receiver),
            integration: Arc::clone(&stored.integration),
            labels: stored.labels.clone(),
            decision: stored.decision().ok()?,
        })
    };
    match damage {
        Some(_) => None,
        None => stored.iter().map(entry).collect(),
    }
}
