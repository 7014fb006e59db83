//! The notification log: what each receiver was last told about each group.
//!
//! An entry is written, into the `journal`, when a notification enters the outbox. Until that one is delivered the entry
//! also keeps what was told before, so that a notification which never arrives does not count as told.
//!
//! ```text
//! key   = group key, receiver, integration: texts
//! value = expires at, outbox id, told, number of earlier ones, each: outbox id, told
//! told  = at, number of firing, fingerprints, number of resolved, fingerprints
//! ```
//!
//! An outbox id that there is not is an empty text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::codec::{Malformed, Reader, put_fixed, put_number, put_signed, put_text};
use super::journal::{self, Changes, What};
use super::{Database, DbError, Transaction};
use crate::model::notification::AlertStatus;
use crate::model::timestamp::Timestamp;

/// Whom a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogKey {
    /// Alertmanager's group key.
    pub group_key: Arc<str>,
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The integration, such as `webhook[0]`.
    pub integration: Arc<str>,
}

/// What a receiver was told: fingerprints, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Alerts said to fire.
    pub firing: Vec<u64>,
    /// Alerts said to have ended.
    pub resolved: Vec<u64>,
    /// When.
    pub at: Timestamp,
}

impl Told {
    /// Whether it says of an alert that it has this status.
    pub fn knows(&self, status: AlertStatus, fingerprint: u64) -> bool {
        let list = match status {
            AlertStatus::Firing => &self.firing,
            AlertStatus::Resolved => &self.resolved,
        };
        list.binary_search(&fingerprint).is_ok()
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// What the newest notification says.
    pub told: Told,
    /// When the row is forgotten.
    pub expires_at: Timestamp,
    /// The notification that carries it, or the digest it waits in; `None` where nothing had to be sent.
    pub outbox_id: Option<Arc<str>>,
    /// What was told before, newest first, back to the newest that is known to have arrived: what counts as told should
    /// the notification never arrive.
    pub previous: Vec<Earlier>,
}

/// An earlier notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// What it says.
    pub told: Told,
    /// Where it is on its way; `None` where it arrived.
    pub outbox_id: Option<Arc<str>>,
}

/// Writes entries; `None` removes one.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(
    transaction: &mut Transaction,
    entries: &[(&LogKey, Option<&LogEntry>)],
) -> Result<(), DbError> {
    let mut changes = Changes::default();
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for (key, entry) in entries {
        name.clear();
        for text in [&key.group_key, &key.receiver, &key.integration] {
            put_text(&mut name, text);
        }
        match entry {
            Some(entry) => {
                value.clear();
                put_entry(&mut value, entry);
                changes.put(What::Told, &name, &value);
            }
            None => changes.remove(What::Told, &name),
        }
        if changes.is_full() {
            changes.append(transaction).await?;
        }
    }
    changes.append(transaction).await
}

fn put_entry(to: &mut Vec<u8>, entry: &LogEntry) {
    put_signed(to, entry.expires_at.millis());
    put_told(to, entry.outbox_id.as_deref(), &entry.told);
    put_number(to, length(&entry.previous));
    for earlier in &entry.previous {
        put_told(to, earlier.outbox_id.as_deref(), &earlier.told);
    }
}

fn put_told(to: &mut Vec<u8>, outbox_id: Option<&str>, told: &Told) {
    put_text(to, outbox_id.unwrap_or_default());
    put_signed(to, told.at.millis());
    for list in [&told.firing, &told.resolved] {
        put_number(to, length(list));
        list.iter().for_each(|hash| put_fixed(to, *hash));
    }
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

/// All entries that are not expired at `now`; one that cannot be read is passed over, and its receiver told anew.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database, now: Timestamp) -> Result<Vec<(LogKey, LogEntry)>, DbError> {
    let mut entries = Vec::new();
    for ((what, key), value) in journal::load(database).await? {
        if what != What::Told as u8 || is_expired(&value, now) {
            continue;
        }
        let key = read_key(&mut Reader(&key));
        let name = key.as_ref().map_or("", |key| &key.group_key);
        let unreadable = database.unreadable();
        let entry = read_entry(&mut Reader(&value));
        let entry = unreadable.or_pass_over("notification_log", name, entry);
        if let (Ok(key), Some(entry)) = (key, entry) {
            entries.push((key, entry));
        }
    }
    Ok(entries)
}

fn is_expired(value: &[u8], now: Timestamp) -> bool {
    let expires_at = Reader(value).signed();
    expires_at.is_ok_and(|at| Timestamp::from_millis(at) <= now)
}

fn read_key(reader: &mut Reader<'_>) -> Result<LogKey, Malformed> {
    Ok(LogKey {
        group_key: reader.text()?.into(),
        receiver: reader.text()?.into(),
        integration: reader.text()?.into(),
    })
}

fn read_entry(reader: &mut Reader<'_>) -> Result<LogEntry, Malformed> {
    let expires_at = Timestamp::from_millis(reader.signed()?);
    let newest = read_told(reader)?;
    let mut previous = Vec::new();
    for _ in 0..reader.number()? {
        previous.push(read_told(reader)?);
    }
    Ok(LogEntry {
        told: newest.told,
        expires_at,
        outbox_id: newest.outbox_id,
        previous,
    })
}

fn read_told(reader: &mut Reader<'_>) -> Result<Earlier, Malformed> {
    let outbox_id = Some(reader.text()?).filter(|id| !id.is_empty());
    let at = Timestamp::from_millis(reader.signed()?);
    let mut list = || -> Result<Vec<u64>, Malformed> {
        let mut hashes = Vec::new();
        for _ in 0..reader.number()? {
            hashes.push(reader.fixed()?);
        }
        Ok(hashes)
    };
    let told = Told {
        firing: list()?,
        resolved: list()?,
        at,
    };
    let outbox_id = outbox_id.map(Arc::from);
    Ok(Earlier { told, outbox_id })
}

/// Forgets entries that are expired at `now`, together with what else of the journal is past, where that is worth it.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, now: Timestamp) -> Result<(), DbError> {
    let counts = move |what, value: &[u8]| what != What::Told as u8 || !is_expired(value, now);
    journal::compact(transaction, counts).await
}

/// A row of an earlier version: group key, receiver, integration, told, expires at, outbox id, previous.
type Row = (
    String,
    String,
    String,
    String,
    i64,
    Option<String>,
    Option<String>,
);

/// Brings the table of earlier versions into the journal.
pub(super) async fn convert(transaction: &mut Transaction) -> Result<(), DbError> {
    const ACTION: &str = "read notification log";
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT group_key, receiver, integration, told, expires_at, outbox_id, previous FROM notification_log",
    )
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut entries = Vec::with_capacity(rows.len());
    for (group_key, receiver, integration, told, expires_at, outbox_id, previous) in rows {
        let read = || -> Result<LogEntry, serde_json::Error> {
            let previous = previous.as_deref().map(serde_json::from_str).transpose()?;
            Ok(LogEntry {
                told: serde_json::from_str(&told)?,
                expires_at: Timestamp::from_millis(expires_at),
                outbox_id: outbox_id.as_deref().map(Arc::from),
                previous: previous.unwrap_or_default(),
            })
        };
        match read() {
            Ok(entry) => {
                let key = LogKey {
                    group_key: group_key.into(),
                    receiver: receiver.into(),
                    integration: integration.into(),
                };
                entries.push((key, entry));
            }
            Err(error) => tracing::error!(
                group_key,
                %error,
                "entry of the notification log is not readable, going on without it"
            ),
        }
    }
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, entry)| (key, Some(entry)))
        .collect();
    save(transaction, &entries).await?;
    sqlx::raw_sql("DROP TABLE notification_log")
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query(ACTION))
}
