//! Storms that last and alerts held as firing, so that a restart neither ends nor forgets them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// A receiver's storm.
#[derive(Clone, Debug, PartialEq)]
pub struct StormRow {
    /// The receiver.
    pub receiver: Arc<str>,
    /// Names the storm.
    pub id: Arc<str>,
    /// When the first of its alerts began.
    pub since: Timestamp,
    /// Alerts that began in it.
    pub alerts: u64,
    /// Their names.
    pub kinds: BTreeSet<String>,
    /// Summaries sent.
    pub summaries: u32,
    /// When the next one may be sent.
    pub next_summary: Timestamp,
}

/// An alert held as firing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlapRow {
    /// The alert as its sender last told it.
    pub alert: Alert,
    /// Whether its end is only assumed.
    pub assumed_end: bool,
    /// Since when it is held: the beginning that people were told.
    pub held_since: Timestamp,
    /// Changes of its state since it began to flap, those that made it flap among them.
    pub changes: u32,
    /// When the first of them was.
    pub since: Timestamp,
    /// When the last of them was.
    pub last_change: Timestamp,
}

const ACTION: &str = "write storms and flapping alerts";
const READ: &str = "read storms and flapping alerts";

/// Writes storms; `None` forgets one.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(
    transaction: &mut Transaction,
    storms: &HashMap<Arc<str>, Option<StormRow>>,
    flapping: &HashMap<Labels, Option<FlapRow>>,
) -> Result<(), DbError> {
    for (receiver, row) in storms {
        let Some(row) = row else {
            sqlx::query("DELETE FROM storms WHERE receiver = $1")
                .bind(&**receiver)
                .execute(transaction.connection())
                .await
                .map_err(DbError::query(ACTION))?;
            continue;
        };
        let kinds = serde_json::to_string(&row.kinds).map_err(DbError::value(ACTION))?;
        sqlx::query(
            "INSERT INTO storms (receiver, id, since, alerts, kinds, summaries, next_summary) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (receiver) DO UPDATE SET id = excluded.id, \
             since = excluded.since, alerts = excluded.alerts, kinds = excluded.kinds, \
             summaries = excluded.summaries, next_summary = excluded.next_summary",
        )
        .bind(&*row.receiver)
        .bind(&*row.id)
        .bind(row.since.millis())
        .bind(i64::try_from(row.alerts).unwrap_or(i64::MAX))
        .bind(kinds)
        .bind(i64::from(row.summaries))
        .bind(row.next_summary.millis())
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    }
    save_flapping(transaction, flapping).await
}

async fn save_flapping(
    transaction: &mut Transaction,
    flapping: &HashMap<Labels, Option<FlapRow>>,
) -> Result<(), DbError> {
    let (mut held, mut released) = (Vec::new(), Vec::new());
    for (labels, row) in flapping {
        let labels = serde_json::to_string(labels).map_err(DbError::value(ACTION))?;
        match row {
            Some(row) => {
                let state = serde_json::to_string(row).map_err(DbError::value(ACTION))?;
                held.push((labels, state));
            }
            None => released.push(labels),
        }
    }
    for chunk in held.chunks(MAX_BINDS / 2) {
        let mut query = QueryBuilder::new("INSERT INTO flapping_alerts (labels, state) ");
        query.push_values(chunk, |mut to, (labels, state)| {
            to.push_bind(labels).push_bind(state);
        });
        query.push(" ON CONFLICT (labels) DO UPDATE SET state = excluded.state");
        transaction.run_once(&mut query, ACTION).await?;
    }
    for chunk in released.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("DELETE FROM flapping_alerts WHERE labels IN (");
        let mut list = query.separated(", ");
        for labels in chunk {
            list.push_bind(labels);
        }
        query.push(")");
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// Reads all of both; a row that cannot be read is passed over.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database) -> Result<(Vec<StormRow>, Vec<FlapRow>), DbError> {
    let storms = sqlx::query(
        "SELECT receiver, id, since, alerts, kinds, summaries, next_summary FROM storms ORDER BY receiver",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(READ))?;
    let flapping: Vec<String> =
        sqlx::query_scalar("SELECT state FROM flapping_alerts ORDER BY labels")
            .fetch_all(database.reader())
            .await
            .map_err(DbError::query(READ))?;
    let unreadable = database.unreadable();
    let storms = storms.iter().filter_map(|row| {
        let receiver = row.try_get::<String, _>(0).unwrap_or_default();
        unreadable.or_pass_over("storms", &receiver, storm(row))
    });
    let flapping = flapping.iter().filter_map(|text| {
        let read = serde_json::from_str::<FlapRow>(text);
        unreadable.or_pass_over("flapping_alerts", "one of them", read)
    });
    Ok((storms.collect(), flapping.collect()))
}

fn storm(row: &SqliteRow) -> Result<StormRow, DbError> {
    let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(READ));
    let number = |i: usize| row.try_get::<i64, _>(i).map_err(DbError::query(READ));
    Ok(StormRow {
        receiver: text(0)?.into(),
        id: text(1)?.into(),
        since: Timestamp::from_millis(number(2)?),
        alerts: u64::try_from(number(3)?).unwrap_or_default(),
        kinds: serde_json::from_str(&text(4)?).map_err(DbError::value(READ))?,
        summaries: u32::try_from(number(5)?).unwrap_or_default(),
        next_summary: Timestamp::from_millis(number(6)?),
    })
}
