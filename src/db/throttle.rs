//! Token buckets and the digests they fill, so that a restart neither refills a bucket nor forgets what was held back.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::unreadable::Unreadable;
use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::timestamp::Timestamp;

/// Whose bucket: each integration of a receiver has one a severity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketKey {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The integration, such as `webhook[0]`.
    pub integration: Arc<str>,
    /// The severity label's value in lower case; may be empty.
    pub severity: Arc<str>,
}

/// In place of a severity: whatever a storm gathers. No severity is written so, they are in lower case.
const STORM: &str = "STORM";

impl BucketKey {
    /// What stands in a storm for all severities that are not exempt.
    pub fn storm(receiver: &Arc<str>, integration: &Arc<str>) -> Self {
        Self {
            receiver: Arc::clone(receiver),
            integration: Arc::clone(integration),
            severity: STORM.into(),
        }
    }

    /// Whether it is a storm's.
    pub fn is_storm(&self) -> bool {
        &*self.severity == STORM
    }
}

/// A bucket's content at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketLevel {
    /// Tokens at `at`.
    pub tokens: f64,
    /// When.
    pub at: Timestamp,
}

/// A digest that still gathers.
#[derive(Clone, Debug, PartialEq)]
pub struct DigestRow {
    /// Its id, that of the notification it will become.
    pub id: Arc<str>,
    /// The bucket that was empty.
    pub bucket: BucketKey,
    /// When the first notification was held back.
    pub opened_at: Timestamp,
}

/// A notification held back.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemRow {
    /// The digest it waits in.
    pub digest_id: Arc<str>,
    /// Its group.
    pub group_key: Arc<str>,
    /// Its place in the digest.
    pub position: i64,
    /// The item as JSON.
    pub payload: String,
}

/// Everything stored.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The buckets.
    pub buckets: Vec<(BucketKey, BucketLevel)>,
    /// The open digests.
    pub digests: Vec<DigestRow>,
    /// Their items, in order.
    pub items: Vec<ItemRow>,
    /// Counts the items that cannot be read.
    pub unreadable: Unreadable,
}

const ACTION: &str = "write throttle state";

/// Writes bucket levels.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save_buckets(
    transaction: &mut Transaction,
    buckets: &[(BucketKey, BucketLevel)],
) -> Result<(), DbError> {
    for chunk in buckets.chunks(MAX_BINDS / 5) {
        let mut query = QueryBuilder::new(
            "INSERT INTO throttle_buckets (receiver, integration, severity, tokens, updated_at) ",
        );
        query.push_values(chunk, |mut row, (key, level)| {
            row.push_bind(&*key.receiver)
                .push_bind(&*key.integration)
                .push_bind(&*key.severity)
                .push_bind(level.tokens)
                .push_bind(level.at.millis());
        });
        query.push(
            " ON CONFLICT (receiver, integration, severity) DO UPDATE SET tokens = excluded.tokens, updated_at = excluded.updated_at",
        );
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// Writes new digests, then items; an item of the same group is replaced.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save_digests(
    transaction: &mut Transaction,
    digests: &[DigestRow],
    items: &[ItemRow],
) -> Result<(), DbError> {
    for chunk in digests.chunks(MAX_BINDS / 5) {
        let mut query = QueryBuilder::new(
            "INSERT INTO throttle_digests (id, receiver, integration, severity, opened_at) ",
        );
        query.push_values(chunk, |mut row, digest| {
            row.push_bind(&*digest.id)
                .push_bind(&*digest.bucket.receiver)
                .push_bind(&*digest.bucket.integration)
                .push_bind(&*digest.bucket.severity)
                .push_bind(digest.opened_at.millis());
        });
        // A digest that was begun may become a storm's; and where a commit took effect without saying so, the batch is
        // written once more.
        query.push(" ON CONFLICT (id) DO UPDATE SET severity = excluded.severity");
        transaction.run_once(&mut query, ACTION).await?;
    }
    for chunk in items.chunks(MAX_BINDS / 4) {
        let mut query = QueryBuilder::new(
            "INSERT INTO throttle_items (digest_id, group_key, position, payload) ",
        );
        query.push_values(chunk, |mut row, item| {
            row.push_bind(&*item.digest_id)
                .push_bind(&*item.group_key)
                .push_bind(item.position)
                .push_bind(&*item.payload);
        });
        query.push(" ON CONFLICT (digest_id, group_key) DO UPDATE SET payload = excluded.payload");
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// Takes notifications out of digests, each named by its digest and its group.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove_items(
    transaction: &mut Transaction,
    items: &[(&str, &str)],
) -> Result<(), DbError> {
    let mut by_digest: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (digest, group) in items {
        by_digest.entry(digest).or_default().push(group);
    }
    for (digest, groups) in by_digest {
        for chunk in groups.chunks(MAX_BINDS - 1) {
            let mut query = QueryBuilder::new("DELETE FROM throttle_items WHERE digest_id = ");
            query.push_bind(digest).push(" AND group_key IN (");
            let mut list = query.separated(", ");
            for group in chunk {
                list.push_bind(*group);
            }
            query.push(")");
            transaction.run_once(&mut query, ACTION).await?;
        }
    }
    Ok(())
}

/// Forgets digests that became notifications.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove_digests(
    transaction: &mut Transaction,
    ids: &[Arc<str>],
) -> Result<(), DbError> {
    for chunk in ids.chunks(MAX_BINDS) {
        for sql in [
            "DELETE FROM throttle_items WHERE digest_id IN (",
            "DELETE FROM throttle_digests WHERE id IN (",
        ] {
            let mut query = QueryBuilder::new(sql);
            let mut list = query.separated(", ");
            for id in chunk {
                list.push_bind(&**id);
            }
            query.push(")");
            transaction.run_once(&mut query, ACTION).await?;
        }
    }
    Ok(())
}

/// Removes buckets untouched since `before`: they are full again.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<u64, DbError> {
    sqlx::query("DELETE FROM throttle_buckets WHERE updated_at < $1")
        .bind(before.millis())
        .execute(transaction.connection())
        .await
        .map(|done| done.rows_affected())
        .map_err(DbError::query("prune throttle state"))
}

/// Reads everything; a row that cannot be read is passed over.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database) -> Result<Stored, DbError> {
    async fn rows(database: &Database, sql: &'static str) -> Result<Vec<SqliteRow>, DbError> {
        sqlx::query(sql)
            .fetch_all(database.reader())
            .await
            .map_err(DbError::query("read throttle state"))
    }
    let buckets = rows(
        database,
        "SELECT receiver, integration, severity, tokens, updated_at FROM throttle_buckets",
    )
    .await?;
    let digests = rows(
        database,
        "SELECT receiver, integration, severity, id, opened_at FROM throttle_digests",
    )
    .await?;
    let items = rows(
        database,
        "SELECT digest_id, group_key, position, payload FROM throttle_items ORDER BY digest_id, position",
    )
    .await?;
    let unreadable = database.unreadable();
    let mut stored = Stored {
        unreadable: unreadable.clone(),
        ..Stored::default()
    };
    for row in &buckets {
        let read = || -> Result<_, sqlx::Error> {
            let level = BucketLevel {
                tokens: row.try_get(3)?,
                at: Timestamp::from_millis(row.try_get(4)?),
            };
            Ok((bucket(row)?, level))
        };
        let name = name(row, 0);
        let read = unreadable.or_pass_over("throttle_buckets", &name, read());
        stored.buckets.extend(read);
    }
    for row in &digests {
        let read = || -> Result<_, sqlx::Error> {
            Ok(DigestRow {
                id: shared(row, 3)?,
                bucket: bucket(row)?,
                opened_at: Timestamp::from_millis(row.try_get(4)?),
            })
        };
        let name = name(row, 3);
        let read = unreadable.or_pass_over("throttle_digests", &name, read());
        stored.digests.extend(read);
    }
    for row in &items {
        let read = || -> Result<_, sqlx::Error> {
            Ok(ItemRow {
                digest_id: shared(row, 0)?,
                group_key: shared(row, 1)?,
                position: row.try_get(2)?,
                payload: row.try_get(3)?,
            })
        };
        let name = name(row, 1);
        let read = unreadable.or_pass_over("throttle_items", &name, read());
        stored.items.extend(read);
    }
    Ok(stored)
}

fn shared(row: &SqliteRow, column: usize) -> Result<Arc<str>, sqlx::Error> {
    row.try_get::<String, _>(column).map(Arc::from)
}

fn bucket(row: &SqliteRow) -> Result<BucketKey, sqlx::Error> {
    Ok(BucketKey {
        receiver: shared(row, 0)?,
        integration: shared(row, 1)?,
        severity: shared(row, 2)?,
    })
}

/// What to call a row that may not be readable.
fn name(row: &SqliteRow, column: usize) -> String {
    row.try_get(column).unwrap_or_default()
}
