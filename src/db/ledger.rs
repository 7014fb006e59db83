//! The ledger: every decision on every alert, and what became of every notification.
//!
//! An entry about an alert carries its fingerprint and labels; one about a notification as a whole carries only the
//! notification's id, which the entries of its alerts carry too. Annotations, values and secrets are not in it.
//!
//! Entries are only ever added, a flush's together, and seldom read: one row holds those of one transaction, some hundred at
//! most (`chunk`). Their numbers rise with time and stay. There is no index: a search looks into each row's few bytes of
//! hashes and reads those that may hold what it is for (`search`).

mod chunk;
mod merge;
mod old;
mod search;

use std::sync::Arc;

use sqlx::Row;

pub(super) use self::old::convert;
pub use self::search::{page, page_within, recent};
use super::{DbError, Transaction};
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::{Matcher, Pattern};
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
    /// Decisions on alerts whose labels match all of these, and what became of the notifications they were in.
    pub matchers: Vec<Matcher>,
    /// Entries of this notification or digest.
    pub notification: Option<String>,
    /// Entries of any of these kinds, see [`Decision::kind`]; every kind where empty.
    pub kinds: Vec<String>,
    /// Entries that concern a receiver of such a name, the whole of it.
    pub receiver: Option<Pattern>,
    /// Entries of this time or later.
    pub since: Option<Timestamp>,
    /// Entries of this time or earlier.
    pub until: Option<Timestamp>,
    /// Entries older than the page that ended here, see [`Page::next`].
    pub before: Option<i64>,
}

/// Some entries, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<LedgerEntry>,
    /// What [`LedgerFilter::before`] has to be for those that follow; `None` where there are no more.
    pub next: Option<i64>,
    /// The time of the oldest entry that was looked at, where the search stopped before the page was full.
    pub looked_back_to: Option<Timestamp>,
}

const WRITE: &str = "write ledger";
const READ: &str = "read ledger";
const PRUNE: &str = "prune ledger";

/// Appends entries.
///
/// # Errors
/// Where the database cannot be written.
pub async fn append(transaction: &mut Transaction, entries: &[LedgerEntry]) -> Result<(), DbError> {
    write(transaction, None, entries).await
}

/// Writes entries, the first under this number or behind the newest.
async fn write(
    transaction: &mut Transaction,
    first: Option<i64>,
    entries: &[LedgerEntry],
) -> Result<(), DbError> {
    let (mut first, mut rest) = (first, entries);
    while !rest.is_empty() {
        let (chunk, left) = chunk::encode(rest)?;
        let count = i64::try_from(chunk.entries).unwrap_or(i64::MAX);
        insert(transaction, first, chunk).await?;
        (first, rest) = (first.map(|first| first + count), left);
    }
    Ok(())
}

async fn insert(
    transaction: &mut Transaction,
    first: Option<i64>,
    chunk: chunk::Encoded,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO ledger_chunks (first_id, entries, removed, first_at, last_at, hashes, body) \
         VALUES (COALESCE($1, (SELECT first_id + entries FROM ledger_chunks ORDER BY first_id DESC LIMIT 1), 1), \
         $2, 0, $3, $4, $5, $6)",
    )
    .bind(first)
    .bind(i64::try_from(chunk.entries).unwrap_or(i64::MAX))
    .bind(chunk.first_at.millis())
    .bind(chunk.last_at.millis())
    .bind(chunk.hashes)
    .bind(chunk.body)
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query(WRITE))
}

/// How many entries there are.
///
/// # Errors
/// Where the database cannot be read.
pub async fn count(transaction: &mut Transaction) -> Result<u64, DbError> {
    let count: i64 =
        sqlx::query_scalar("SELECT COALESCE(SUM(entries - removed), 0) FROM ledger_chunks")
            .fetch_one(transaction.connection())
            .await
            .map_err(DbError::query(READ))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Removes entries older than `before` and, beyond `keep` entries, the oldest; returns how many. Of those that stay, what was
/// written in small pieces is put together.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(
    transaction: &mut Transaction,
    before: Timestamp,
    keep: u32,
) -> Result<u64, DbError> {
    let Some(next): Option<i64> =
        sqlx::query_scalar("SELECT MAX(first_id + entries) FROM ledger_chunks")
            .fetch_one(transaction.connection())
            .await
            .map_err(DbError::query(PRUNE))?
    else {
        return Ok(0);
    };
    // Numbers rise with time, so the oldest are those of the smallest numbers.
    let young = first_since(transaction, before).await?.unwrap_or(next);
    let kept = young.max(next - i64::from(keep));
    let removed: i64 = sqlx::query_scalar(
        "SELECT COALESCE(SUM(MIN(entries, $1 - first_id) - removed), 0) FROM ledger_chunks \
         WHERE first_id + removed < $1",
    )
    .bind(kept)
    .fetch_one(transaction.connection())
    .await
    .map_err(DbError::query(PRUNE))?;
    for statement in [
        "DELETE FROM ledger_chunks WHERE first_id + entries <= $1",
        "UPDATE ledger_chunks SET removed = $1 - first_id WHERE first_id + removed < $1",
    ] {
        sqlx::query(statement)
            .bind(kept)
            .execute(transaction.connection())
            .await
            .map_err(DbError::query(PRUNE))?;
    }
    merge::merge(transaction).await?;
    Ok(u64::try_from(removed).unwrap_or_default())
}

/// The number of the first entry of this time or later.
async fn first_since(
    transaction: &mut Transaction,
    time: Timestamp,
) -> Result<Option<i64>, DbError> {
    let row = sqlx::query(
        "SELECT first_id, removed, body FROM ledger_chunks WHERE last_at >= $1 ORDER BY first_id LIMIT 1",
    )
    .bind(time.millis())
    .fetch_optional(transaction.connection())
    .await
    .map_err(DbError::query(PRUNE))?;
    let Some(row) = row else {
        return Ok(None);
    };
    let first_id: i64 = row.try_get(0).map_err(DbError::query(PRUNE))?;
    let removed: i64 = row.try_get(1).map_err(DbError::query(PRUNE))?;
    let body: Vec<u8> = row.try_get(2).map_err(DbError::query(PRUNE))?;
    let (entries, _) = chunk::decode(&body);
    let old = entries.iter().take_while(|entry| entry.at < time).count();
    // Of a damaged chunk all is kept until the whole of it is old.
    let old = if old == entries.len() { 0 } else { old };
    let old = i64::try_from(old).unwrap_or_default().max(removed);
    Ok(Some(first_id + old))
}
