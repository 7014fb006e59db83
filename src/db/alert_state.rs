//! What the routes know that no sender tells them again at once: alerts that others posted, and when each group is due.
//!
//! An alert's row is written when what it says changes, its narrow row of times each time it is sent. Alerts of our own rules
//! are not here: the rules restore and send them.

use std::sync::Arc;

use sqlx::QueryBuilder;

use super::{Database, DbError, MAX_BINDS, Transaction, WRITTEN_AT_ONCE};
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
    save_alerts(transaction, &changes.posted).await?;
    for chunk in changes.posted.chunks(MAX_BINDS / 4) {
        let mut query = QueryBuilder::new(
            "INSERT INTO posted_alert_ends (id, ends_at, updated_at, assumed_end) ",
        );
        query.push_values(chunk, |mut to, row| {
            to.push_bind(row.id)
                .push_bind(row.alert.ends_at.millis())
                .push_bind(row.alert.updated_at.millis())
                .push_bind(i64::from(row.assumed_end));
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at, \
             updated_at = excluded.updated_at, assumed_end = excluded.assumed_end",
        );
        transaction.run_once(&mut query, ACTION).await?;
    }
    remove(transaction, "posted_alerts", &changes.forgotten).await?;
    remove(transaction, "posted_alert_ends", &changes.forgotten).await?;

    let mut timers = Vec::with_capacity(changes.timers.len());
    let mut gone = Vec::new();
    for (id, timer) in &changes.timers {
        match timer {
            Some(timer) => timers.push((*id, *timer)),
            None => gone.push(*id),
        }
    }
    for chunk in timers.chunks(MAX_BINDS / 3) {
        let mut query = QueryBuilder::new("INSERT INTO group_timers (id, next_at, flushed) ");
        query.push_values(chunk, |mut to, (id, timer)| {
            to.push_bind(*id)
                .push_bind(timer.next.millis())
                .push_bind(i64::from(timer.has_flushed));
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET next_at = excluded.next_at, flushed = excluded.flushed",
        );
        transaction.run_once(&mut query, ACTION).await?;
    }
    remove(transaction, "group_timers", &gone).await
}

const ACTION: &str = "write alerts";

async fn save_alerts(transaction: &mut Transaction, rows: &[PostedRow]) -> Result<(), DbError> {
    let mut rest = rows;
    while !rest.is_empty() {
        let mut written = Vec::new();
        let mut bytes = 0;
        while bytes < WRITTEN_AT_ONCE
            && written.len() < MAX_BINDS / 2
            && let Some((row, after)) = rest.split_first()
        {
            rest = after;
            if !row.is_changed {
                continue;
            }
            let alert = serde_json::to_string(&row.alert).map_err(DbError::value(ACTION))?;
            bytes += alert.len();
            written.push((row.id, alert));
        }
        if written.is_empty() {
            continue;
        }
        let mut query = QueryBuilder::new("INSERT INTO posted_alerts (id, alert) ");
        query.push_values(written, |mut to, (id, alert)| {
            to.push_bind(id).push_bind(alert);
        });
        query.push(" ON CONFLICT (id) DO UPDATE SET alert = excluded.alert");
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

async fn remove(
    transaction: &mut Transaction,
    table: &'static str,
    ids: &[i64],
) -> Result<(), DbError> {
    for chunk in ids.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("DELETE FROM ");
        query.push(table).push(" WHERE id IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(*id);
        }
        query.push(")");
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// All that is stored: alerts by rising number, and timers.
///
/// # Errors
/// Where the database cannot be read. An alert that cannot be is left out: its sender sends it again.
pub async fn load(database: &Database) -> Result<StateChanges, DbError> {
    const ACTION: &str = "read alerts";
    let rows: Vec<(i64, String, i64, i64, i64)> = sqlx::query_as(
        "SELECT a.id, a.alert, e.ends_at, e.updated_at, e.assumed_end FROM posted_alerts AS a \
         JOIN posted_alert_ends AS e ON e.id = a.id ORDER BY a.id",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut changes = StateChanges::default();
    for (id, text, ends_at, updated_at, assumed_end) in rows {
        let mut alert: Alert = match serde_json::from_str(&text) {
            Ok(alert) => alert,
            Err(error) => {
                tracing::warn!(%error, "stored alert is not readable; its sender sends it again");
                changes.forgotten.push(id);
                continue;
            }
        };
        alert.ends_at = Timestamp::from_millis(ends_at);
        alert.updated_at = Timestamp::from_millis(updated_at);
        changes.posted.push(PostedRow {
            id,
            alert: Arc::new(alert),
            assumed_end: assumed_end != 0,
            is_changed: false,
        });
    }
    let timers: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, next_at, flushed FROM group_timers")
            .fetch_all(database.reader())
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
    Ok(changes)
}
