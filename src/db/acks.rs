//! Acks, a row each and one for each alert they cover.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::ack::{Ack, AckEnd, AckedAlert};
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// That an ack ended for one of its alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedRow {
    /// The ack.
    pub ack: Arc<str>,
    /// The alert.
    pub labels: Labels,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: AckEnd,
}

/// Writes a new ack.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert(transaction: &mut Transaction, ack: &Ack) -> Result<(), DbError> {
    const ACTION: &str = "write ack";
    sqlx::query(
        "INSERT INTO acks (id, owner, note, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&*ack.id)
    .bind(&ack.owner)
    .bind(&ack.note)
    .bind(ack.created_at.millis())
    .bind(ack.expires_at.map(Timestamp::millis))
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    for chunk in ack.alerts.chunks(MAX_BINDS / 6) {
        let mut rows = Vec::with_capacity(chunk.len());
        for alert in chunk {
            let labels = serde_json::to_string(&alert.labels).map_err(DbError::value(ACTION))?;
            rows.push((alert, labels));
        }
        let mut query = QueryBuilder::new(
            "INSERT INTO ack_alerts (ack_id, fingerprint, labels, severity_rank, ended_at, why) ",
        );
        query.push_values(rows, |mut row, (alert, labels)| {
            row.push_bind(&*ack.id)
                .push_bind(alert.labels.fingerprint().to_string())
                .push_bind(labels)
                .push_bind(i64::from(alert.rank))
                .push_bind(alert.ended.map(|(at, _)| at.millis()))
                .push_bind(alert.ended.map(|(_, why)| why.as_str()));
        });
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// Writes that acks ended.
///
/// # Errors
/// Where the database cannot be written.
pub async fn end(transaction: &mut Transaction, rows: &[EndedRow]) -> Result<(), DbError> {
    // Most end alike: an ack that expires does so for all its alerts.
    let mut alike: HashMap<(&str, Timestamp, &str), Vec<String>> = HashMap::new();
    for row in rows {
        let fingerprints = alike
            .entry((&row.ack, row.at, row.why.as_str()))
            .or_default();
        fingerprints.push(row.labels.fingerprint().to_string());
    }
    for ((ack, at, why), fingerprints) in alike {
        for chunk in fingerprints.chunks(MAX_BINDS - 3) {
            let mut query = QueryBuilder::new("UPDATE ack_alerts SET ended_at = ");
            query.push_bind(at.millis()).push(", why = ").push_bind(why);
            query.push(" WHERE ack_id = ").push_bind(ack);
            query.push(" AND fingerprint IN (");
            let mut list = query.separated(", ");
            for fingerprint in chunk {
                list.push_bind(fingerprint);
            }
            query.push(")");
            transaction.run_once(&mut query, "end ack").await?;
        }
    }
    Ok(())
}

/// All acks, the oldest first; a row that cannot be read is passed over, and its alert told of again.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database) -> Result<Vec<Ack>, DbError> {
    const ACTION: &str = "read acks";
    let unreadable = database.unreadable();
    let rows = sqlx::query(
        "SELECT ack_id, labels, severity_rank, ended_at, why FROM ack_alerts ORDER BY ack_id, fingerprint",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut alerts: HashMap<String, Vec<AckedAlert>> = HashMap::new();
    for row in &rows {
        let id = row.try_get::<String, _>(0).unwrap_or_default();
        if let Some(alert) = unreadable.or_pass_over("ack_alerts", &id, alert(row, ACTION)) {
            alerts.entry(id).or_default().push(alert);
        }
    }
    let rows = sqlx::query(
        "SELECT id, owner, note, created_at, expires_at FROM acks ORDER BY created_at, id",
    )
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let mut acks = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = row.try_get::<String, _>(0).unwrap_or_default();
        let alerts = alerts.remove(&id).unwrap_or_default();
        acks.extend(unreadable.or_pass_over("acks", &id, ack(row, alerts, ACTION)));
    }
    Ok(acks)
}

fn ack(row: &SqliteRow, alerts: Vec<AckedAlert>, action: &'static str) -> Result<Ack, DbError> {
    let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(action));
    let created_at = row.try_get(3).map_err(DbError::query(action))?;
    let expires_at: Option<i64> = row.try_get(4).map_err(DbError::query(action))?;
    Ok(Ack {
        id: text(0)?.into(),
        owner: text(1)?,
        note: text(2)?,
        created_at: Timestamp::from_millis(created_at),
        expires_at: expires_at.map(Timestamp::from_millis),
        alerts,
    })
}

fn alert(row: &SqliteRow, action: &'static str) -> Result<AckedAlert, DbError> {
    let labels: String = row.try_get(1).map_err(DbError::query(action))?;
    let rank: i64 = row.try_get(2).map_err(DbError::query(action))?;
    let ended_at: Option<i64> = row.try_get(3).map_err(DbError::query(action))?;
    let why: Option<String> = row.try_get(4).map_err(DbError::query(action))?;
    let why = why.map(|why| {
        AckEnd::parse(&why).ok_or_else(|| DbError::Value {
            action,
            reason: format!("unknown reason {why:?}"),
        })
    });
    Ok(AckedAlert {
        labels: serde_json::from_str(&labels).map_err(DbError::value(action))?,
        rank: u8::try_from(rank).unwrap_or(u8::MAX),
        ended: ended_at.map(Timestamp::from_millis).zip(why.transpose()?),
    })
}

/// Forgets acks that ended, for the last of their alerts, before `before`; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<u64, DbError> {
    const ACTION: &str = "prune acks";
    let done = sqlx::query(
        "DELETE FROM acks WHERE created_at < $1 AND NOT EXISTS (SELECT 1 FROM ack_alerts \
         WHERE ack_id = acks.id AND (ended_at IS NULL OR ended_at >= $1))",
    )
    .bind(before.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    sqlx::query(
        "DELETE FROM ack_alerts WHERE ended_at < $1 AND ack_id NOT IN (SELECT id FROM acks)",
    )
    .bind(before.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    Ok(done.rows_affected())
}
