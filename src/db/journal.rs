//! A small store of keys and values, written as a journal: one row holds all that a transaction changed.
//!
//! What the routes know lives in their memory; here it stands for the next start, and is read only then. So nothing is
//! looked up or changed in place: what is newer stands further down, and now and then [`compact`] writes anew what still
//! counts. Two rows of a table for each alert would cost ten times as much.
//!
//! ```text
//! row    = version (1), change, change, ...
//! change = what << 1 | is gone, key behind its length, value behind its length unless gone
//! ```

use std::collections::BTreeMap;

use super::codec::{Malformed, Reader, put_bytes};
use super::{Database, DbError, Transaction, WRITTEN_AT_ONCE};

const VERSION: u8 = 1;
/// Bytes of changes that are not worth writing anew.
const SMALL: i64 = 64 << 10;

/// What keys and values are about; a number stands for the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum What {
    /// An alert that somebody posted: what it says.
    Alert = 1,
    /// Its times.
    AlertTimes = 2,
    /// When a group is due.
    Timer = 3,
    /// What a receiver was told of a group.
    Told = 4,
}

/// Values by what they are about and their keys.
pub(super) type Content = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Changes on their way into the journal.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<u8>);

impl Changes {
    pub(super) fn put(&mut self, what: What, key: &[u8], value: &[u8]) {
        self.begin((what as u8) << 1, key);
        put_bytes(&mut self.0, value);
    }

    pub(super) fn remove(&mut self, what: What, key: &[u8]) {
        self.begin((what as u8) << 1 | 1, key);
    }

    fn begin(&mut self, head: u8, key: &[u8]) {
        if self.0.is_empty() {
            self.0.push(VERSION);
        }
        self.0.push(head);
        put_bytes(&mut self.0, key);
    }

    /// Whether they fill a row; more at once would only take memory.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= WRITTEN_AT_ONCE
    }

    /// Writes them; nothing is left.
    pub(super) async fn append(&mut self, transaction: &mut Transaction) -> Result<(), DbError> {
        self.write(transaction, false).await
    }

    async fn write(&mut self, transaction: &mut Transaction, is_base: bool) -> Result<(), DbError> {
        if self.0.is_empty() {
            return Ok(());
        }
        sqlx::query("INSERT INTO alert_journal (is_base, changes) VALUES ($1, $2)")
            .bind(i64::from(is_base))
            .bind(std::mem::take(&mut self.0))
            .execute(transaction.connection())
            .await
            .map(drop)
            .map_err(DbError::query("write alerts"))
    }
}

/// All there is. A row that is damaged is said and counted; what stands before the damage and in other rows counts.
pub(super) async fn load(database: &Database) -> Result<Content, DbError> {
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, changes FROM alert_journal ORDER BY id")
            .fetch_all(database.reader())
            .await
            .map_err(DbError::query("read alerts"))?;
    let mut content = Content::new();
    for (id, changes) in rows {
        let replayed = replay(&changes, &mut content);
        let unreadable = database.unreadable();
        unreadable.or_pass_over("alert_journal", &id.to_string(), replayed);
    }
    Ok(content)
}

fn replay(changes: &[u8], content: &mut Content) -> Result<(), Malformed> {
    let mut reader = Reader(changes);
    if reader.byte()? != VERSION {
        return Err(Malformed("changes of another version"));
    }
    while !reader.is_empty() {
        let head = reader.byte()?;
        let key = (head >> 1, reader.bytes()?.to_vec());
        if head & 1 == 0 {
            content.insert(key, reader.bytes()?.to_vec());
        } else {
            content.remove(&key);
        }
    }
    Ok(())
}

/// Writes anew what still counts, where the changes since the last time are more than that was; `keeps` says of what it is,
/// and its value, whether it does.
pub(super) async fn compact(
    transaction: &mut Transaction,
    keeps: impl Fn(u8, &[u8]) -> bool,
) -> Result<(), DbError> {
    const ACTION: &str = "compact alerts";
    let (base, since): (i64, i64) = sqlx::query_as(
        "SELECT COALESCE(SUM(is_base * LENGTH(changes)), 0), COALESCE(SUM((1 - is_base) * LENGTH(changes)), 0) \
         FROM alert_journal",
    )
    .fetch_one(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    if since < base.max(SMALL) {
        return Ok(());
    }
    let rows: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT changes FROM alert_journal ORDER BY id")
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    let mut content = Content::new();
    for (changes,) in rows {
        // What stands behind damage is lost already; it was said at the start.
        replay(&changes, &mut content).ok();
    }
    sqlx::query("DELETE FROM alert_journal")
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    let mut changes = Changes::default();
    for ((what, key), value) in &content {
        if keeps(*what, value) {
            changes.begin(what << 1, key);
            put_bytes(&mut changes.0, value);
        }
        if changes.is_full() {
            changes.write(transaction, true).await?;
        }
    }
    changes.write(transaction, true).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rows(database: &Database) -> Vec<(i64, i64)> {
        sqlx::query_as("SELECT is_base, LENGTH(changes) FROM alert_journal ORDER BY id")
            .fetch_all(database.reader())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_written_last_counts_and_is_all_that_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("a.db"))
            .await
            .unwrap();
        let mut changes = Changes::default();
        let mut transaction = database.begin().await.unwrap();
        let long = vec![7; 10_000];
        for _ in 0..20 {
            changes.put(What::Alert, b"a", &long);
            changes.put(What::Alert, b"b", b"1");
            changes.put(What::Timer, b"a", b"2");
            changes.append(&mut transaction).await.unwrap();
        }
        changes.remove(What::Alert, b"b");
        changes.append(&mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let before = load(&database).await.unwrap();
        let entry =
            |what: What, key: &[u8], value: &[u8]| ((what as u8, key.to_vec()), value.to_vec());
        let want = [
            entry(What::Alert, b"a", &long),
            entry(What::Timer, b"a", b"2"),
        ];
        assert_eq!(before, Content::from(want.clone()));
        assert_eq!(rows(&database).await.len(), 21);

        for _ in 0..2 {
            let mut transaction = database.begin().await.unwrap();
            compact(&mut transaction, |_, _| true).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(load(&database).await.unwrap(), before);
            assert!(matches!(rows(&database).await[..], [(1, 10_000..10_100)]));
        }

        for _ in 0..20 {
            changes.put(What::Alert, b"b", &long);
        }
        let mut transaction = database.begin().await.unwrap();
        changes.append(&mut transaction).await.unwrap();
        let keeps = |what: u8, _: &[u8]| what != What::Timer as u8;
        compact(&mut transaction, keeps).await.unwrap();
        transaction.commit().await.unwrap();
        let want = [
            entry(What::Alert, b"a", &long),
            entry(What::Alert, b"b", &long),
        ];
        assert_eq!(load(&database).await.unwrap(), Content::from(want));
    }

    #[tokio::test]
    async fn a_damaged_row_costs_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("a.db"))
            .await
            .unwrap();
        let mut transaction = database.begin().await.unwrap();
        for key in [b"a", b"b", b"c"] {
            let mut changes = Changes::default();
            changes.put(What::Alert, key, b"value");
            changes.append(&mut transaction).await.unwrap();
        }
        sqlx::query("UPDATE alert_journal SET changes = x'01ff' WHERE id = 2")
            .execute(transaction.connection())
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let content = load(&database).await.unwrap();
        let keys: Vec<_> = content.into_keys().map(|(_, key)| key).collect();
        assert_eq!(keys, [b"a", b"c"]);
    }
}
