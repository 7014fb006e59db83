//! What the routes know that no sender tells them again at once: alerts that others posted, and when each group is due.
//!
//! Both stand in the `journal`: an alert when what it says changes, its times each time it is sent. Alerts of our own rules
//! are not here: the rules restore and send them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{Malformed, Reader, put_signed};
use super::journal::{self, Changes, What};
use super::{Database, DbError, Transaction};
use crate::model::alert::Alert;
use crate::model::timestamp::Timestamp;

/// An alert that somebody posted.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedRow {
    /// Its number, given by the routes.
    pub id: i64,
    /// The alert.
    pub alert: Arc<Alert>,
    /// Whether its sender named no end.
    pub assumed_end: bool,
    /// Whether more than its times changed.
    pub is_changed: bool,
}

/// When a group is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTimer {
    /// Its next flush.
    pub next: Timestamp,
    /// Whether it was ever flushed, so that the next flush ends no `group_wait`.
    pub has_flushed: bool,
}

/// Changes since the last time they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateChanges {
    /// Alerts that were posted, by rising number.
    pub posted: Vec<PostedRow>,
    /// Numbers of alerts that are over.
    pub forgotten: Vec<i64>,
    /// Timers by group; `None` where the group is gone.
    pub timers: Vec<(i64, Option<GroupTimer>)>,
}

impl StateChanges {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.posted.is_empty() && self.forgotten.is_empty() && self.timers.is_empty()
    }
}

/// Writes changes.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(transaction: &mut Transaction, changes: &StateChanges) -> Result<(), DbError> {
    let mut written = Changes::default();
    for row in &changes.posted {
        let key = key(row.id);
        if row.is_changed {
            let alert = serde_json::to_vec(&row.alert).map_err(DbError::value("write alerts"))?;
            written.put(What::Alert, &key, &alert);
        }
        let mut times = Vec::with_capacity(24);
        put_signed(&mut times, row.alert.ends_at.millis());
        put_signed(&mut times, row.alert.updated_at.millis());
        put_signed(&mut times, i64::from(row.assumed_end));
        written.put(What::AlertTimes, &key, &times);
        if written.is_full() {
            written.append(transaction).await?;
        }
    }
    for id in &changes.forgotten {
        written.remove(What::Alert, &key(*id));
        written.remove(What::AlertTimes, &key(*id));
    }
    for (id, timer) in &changes.timers {
        match timer {
            Some(timer) => {
                let mut value = Vec::with_capacity(12);
                put_signed(&mut value, timer.next.millis());
                put_signed(&mut value, i64::from(timer.has_flushed));
                written.put(What::Timer, &key(*id), &value);
            }
            None => written.remove(What::Timer, &key(*id)),
        }
    }
    written.append(transaction).await
}

/// In the order of the numbers, which are not negative where their order counts.
fn key(id: i64) -> [u8; 8] {
    id.to_be_bytes()
}

const ACTION: &str = "read alerts";

/// All that is stored: alerts by rising number, and timers.
///
/// # Errors
/// Where the database cannot be read. An alert that cannot be is left out: its sender sends it again.
pub async fn load(database: &Database) -> Result<StateChanges, DbError> {
    let mut alerts = BTreeMap::new();
    let mut changes = StateChanges::default();
    for ((what, key), value) in journal::load(database).await? {
        let id = <[u8; 8]>::try_from(key).map(i64::from_be_bytes);
        let Ok(id) = id else {
            continue;
        };
        let numbers = |count: usize| -> Result<Vec<i64>, Malformed> {
            let mut reader = Reader(&value);
            (0..count).map(|_| reader.signed()).collect()
        };
        if what == What::Alert as u8 {
            alerts.insert(id, value);
        } else if what == What::AlertTimes as u8 {
            // It stands behind the alert itself.
            let alert = alerts.remove(&id).unwrap_or_default();
            let times = numbers(3).map_err(DbError::value(ACTION));
            match times.and_then(|times| posted(id, &alert, &times)) {
                Ok(row) => changes.posted.push(row),
                Err(error) => {
                    tracing::warn!(%error, "stored alert is not readable; its sender sends it again");
                    changes.forgotten.push(id);
                }
            }
        } else if what == What::Timer as u8 {
            // A group without one is flushed when a new group would be.
            let timer = numbers(2).ok().map(|numbers| GroupTimer {
                next: Timestamp::from_millis(numbers[0]),
                has_flushed: numbers[1] != 0,
            });
            changes.timers.push((id, timer));
        }
    }
    Ok(changes)
}

fn posted(id: i64, alert: &[u8], times: &[i64]) -> Result<PostedRow, DbError> {
    let mut alert: Alert = serde_json::from_slice(alert).map_err(DbError::value(ACTION))?;
    alert.ends_at = Timestamp::from_millis(times[0]);
    alert.updated_at = Timestamp::from_millis(times[1]);
    Ok(PostedRow {
        id,
        alert: Arc::new(alert),
        assumed_end: times[2] != 0,
        is_changed: false,
    })
}

/// Brings the tables of earlier versions into the journal.
pub(super) async fn convert(transaction: &mut Transaction) -> Result<(), DbError> {
    let rows: Vec<(i64, String, i64, i64, i64)> = sqlx::query_as(
        "SELECT a.id, a.alert, e.ends_at, e.updated_at, e.assumed_end FROM posted_alerts AS a \
         JOIN posted_alert_ends AS e ON e.id = a.id ORDER BY a.id",
    )
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut changes = StateChanges::default();
    for (id, alert, ends_at, updated_at, assumed_end) in rows {
        // One that is not readable is not missed: its sender sends it again.
        let times = [ends_at, updated_at, assumed_end];
        if let Ok(row) = posted(id, alert.as_bytes(), &times) {
            let is_changed = true;
            changes.posted.push(PostedRow { is_changed, ..row });
        }
    }
    let timers: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, next_at, flushed FROM group_timers")
            .fetch_all(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
    let timer = |(id, next, flushed): (i64, i64, i64)| {
        let timer = GroupTimer {
            next: Timestamp::from_millis(next),
            has_flushed: flushed != 0,
        };
        (id, Some(timer))
    };
    changes.timers = timers.into_iter().map(timer).collect();
    save(transaction, &changes).await?;
    sqlx::raw_sql("DROP TABLE posted_alerts; DROP TABLE posted_alert_ends; DROP TABLE group_timers")
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query(ACTION))
}
