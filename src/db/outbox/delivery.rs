//! What the worker does with the outbox: claims what is due, and writes how the attempts ended.

use std::sync::Arc;

use sqlx::{QueryBuilder, Row};

use super::{Claimed, OutboxRow, Outcome, insert};
use crate::db::ledger::{self, LedgerEntry};
use crate::db::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::notification::{Decision, Notification, NotifiedAlert};
use crate::model::timestamp::Timestamp;

/// What may be claimed for one integration of a receiver, where that is not everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restraint {
    /// The receiver's name.
    pub receiver: String,
    /// The integration, such as `webhook[0]`.
    pub integration: String,
    /// What may be claimed.
    pub take: Take,
}

/// How much may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Nothing.
    Nothing,
    /// Only what was written at this time or earlier, to be given up.
    WrittenBy(Timestamp),
    /// One, due or not.
    One,
}

/// Takes due notifications, oldest first, at most `limit` for each integration of each receiver and within the
/// restraints, and marks them as being sent. A slow or failing receiver delays nobody else. A group's next notification
/// is not taken while the one before it is being sent.
///
/// # Errors
/// Where the database cannot be written.
pub async fn claim(
    database: &Database,
    now: Timestamp,
    limit: u32,
    restraints: &[Restraint],
) -> Result<Vec<Claimed>, DbError> {
    const ACTION: &str = "claim notifications";
    let mut transaction = database.begin().await?;
    let mut lanes: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT receiver, integration FROM outbox WHERE state = 'pending' AND next_attempt_at <= $1",
    )
    .bind(now.millis())
    .fetch_all(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    let take = |lane: &(String, String)| {
        let of_lane = |restraint: &&Restraint| {
            (&restraint.receiver, &restraint.integration) == (&lane.0, &lane.1)
        };
        restraints.iter().find(of_lane).map(|found| found.take)
    };
    lanes.retain(|lane| take(lane) != Some(Take::One));
    let probed = restraints
        .iter()
        .filter(|restraint| restraint.take == Take::One);
    lanes.extend(probed.map(|lane| (lane.receiver.clone(), lane.integration.clone())));
    let mut rows = Vec::new();
    for lane in &lanes {
        let (due_by, written_by, limit) = match take(lane) {
            None => (now, Timestamp::MAX, limit),
            Some(Take::Nothing) => continue,
            Some(Take::WrittenBy(time)) => (now, time, limit),
            Some(Take::One) => (Timestamp::MAX, Timestamp::MAX, 1),
        };
        let due = sqlx::query(
            "SELECT id, payload, attempts, last_error FROM outbox AS o WHERE state = 'pending' AND receiver = $1 \
             AND integration = $2 AND next_attempt_at <= $3 AND created_at <= $5 \
             AND NOT EXISTS (SELECT 1 FROM outbox AS before WHERE before.group_key = o.group_key \
                AND before.receiver = o.receiver AND before.integration = o.integration \
                AND before.state IN ('pending', 'sending') AND before.created_at < o.created_at) \
             ORDER BY next_attempt_at LIMIT $4",
        )
        .bind(&lane.0)
        .bind(&lane.1)
        .bind(due_by.millis())
        .bind(i64::from(limit))
        .bind(written_by.millis())
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
        rows.extend(due);
    }
    let mut claimed = Vec::with_capacity(rows.len());
    let mut ids: Vec<String> = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.try_get(0).map_err(DbError::query(ACTION))?;
        let payload: String = row.try_get(1).map_err(DbError::query(ACTION))?;
        let attempts: i64 = row.try_get(2).map_err(DbError::query(ACTION))?;
        let read = serde_json::from_str(&payload);
        let why = read.as_ref().err().map(ToString::to_string);
        match database.unreadable().or_pass_over("outbox", &id, read) {
            Some(notification) => {
                claimed.push(Claimed {
                    notification,
                    attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                    last_error: row.try_get(3).map_err(DbError::query(ACTION))?,
                });
                ids.push(id);
            }
            None => {
                // It would come up again for ever.
                let error = why.unwrap_or_default();
                sqlx::query("UPDATE outbox SET state = 'failed', last_error = $2, updated_at = $3 WHERE id = $1")
                    .bind(id)
                    .bind(format!("stored notification is not readable: {error}"))
                    .bind(now.millis())
                    .execute(transaction.connection())
                    .await
                    .map_err(DbError::query(ACTION))?;
            }
        }
    }
    for chunk in ids.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new(
            "UPDATE outbox SET state = 'sending', attempts = attempts + 1, updated_at = ",
        );
        query.push_bind(now.millis()).push(" WHERE id IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(id);
        }
        query.push(")");
        transaction.run_once(&mut query, ACTION).await?;
    }
    transaction.commit().await?;
    Ok(claimed)
}

/// Writes how attempts ended, with their ledger entries, and the notifications that go to the fallback receiver
/// `instead`. What is to be tried again becomes superseded where a newer notification of the same group and integration
/// waits already.
///
/// # Errors
/// Where the database cannot be written; none is then, and the notifications stay claimed until [`release`].
pub async fn finish(
    database: &Database,
    outcomes: &[(Notification, Outcome)],
    instead: &[OutboxRow],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    for (notification, outcome) in outcomes {
        write_outcome(&mut transaction, notification, outcome, now).await?;
    }
    insert(&mut transaction, instead).await?;
    for row in instead {
        ledger::append(&mut transaction, &fallen_back(row, now)).await?;
    }
    transaction.commit().await
}

/// The ledger's entries for a notification to the fallback receiver: one an alert.
fn fallen_back(row: &OutboxRow, now: Timestamp) -> Vec<LedgerEntry> {
    let notification = &row.notification;
    let Some(undelivered) = &notification.undelivered else {
        return Vec::new();
    };
    let entry = |alert: &NotifiedAlert| LedgerEntry {
        at: now,
        group_key: Arc::clone(&notification.group_key),
        receiver: Arc::clone(&notification.receiver),
        integration: Arc::clone(&row.integration),
        labels: Some(alert.alert.labels.clone()),
        decision: Decision::FellBack {
            notification: Arc::clone(&notification.id),
            undelivered: Arc::clone(&undelivered.notification),
            receiver: Arc::clone(&undelivered.receiver),
            integration: undelivered.integration.to_string(),
        },
    };
    notification.alerts.iter().map(entry).collect()
}

async fn write_outcome(
    transaction: &mut Transaction,
    notification: &Notification,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), DbError> {
    const ACTION: &str = "write delivery";
    let id = Arc::clone(&notification.id);
    let integration = notification.integration.to_string();
    let (state, error, decision) = match outcome {
        Outcome::Delivered { status } => (
            "delivered",
            None,
            Some(Decision::Delivered {
                notification: id,
                status: status.clone(),
            }),
        ),
        Outcome::Failed { error } => (
            "failed",
            Some(error),
            Some(Decision::Failed {
                notification: id,
                error: error.clone(),
            }),
        ),
        Outcome::Expired { error } => (
            "expired",
            Some(error),
            Some(Decision::Expired {
                notification: id,
                error: error.clone(),
            }),
        ),
        Outcome::Retry { .. } | Outcome::Unsent => {
            let error = match outcome {
                Outcome::Retry { error, .. } => Some(error),
                _ => None,
            };
            let newer: Option<String> = sqlx::query_scalar(
                "SELECT id FROM outbox WHERE group_key = $1 AND receiver = $2 AND integration = $3 \
                 AND state = 'pending' AND created_at > $4 ORDER BY created_at LIMIT 1",
            )
            .bind(&*notification.group_key)
            .bind(&*notification.receiver)
            .bind(&integration)
            .bind(notification.created_at.millis())
            .fetch_optional(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
            match newer {
                Some(newer) => (
                    "superseded",
                    error,
                    Some(Decision::Superseded {
                        notification: id,
                        by: Some(newer.into()),
                    }),
                ),
                None => ("pending", error, None),
            }
        }
    };
    let next = match outcome {
        Outcome::Retry { at, .. } => *at,
        Outcome::Delivered { .. }
        | Outcome::Failed { .. }
        | Outcome::Expired { .. }
        | Outcome::Unsent => now,
    };
    let untried = i64::from(*outcome == Outcome::Unsent);
    sqlx::query(
        "UPDATE outbox SET state = $2, last_error = COALESCE($3, last_error), next_attempt_at = $4, updated_at = $5, \
         attempts = attempts - $6 WHERE id = $1",
    )
    .bind(&*notification.id)
    .bind(state)
    .bind(error)
    .bind(next.millis())
    .bind(now.millis())
    .bind(untried)
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    if let Some(decision) = decision {
        let entry = LedgerEntry {
            at: now,
            group_key: Arc::clone(&notification.group_key),
            receiver: Arc::clone(&notification.receiver),
            integration: integration.into(),
            labels: None,
            decision,
        };
        ledger::append(transaction, &[entry]).await?;
    }
    Ok(())
}

/// Makes due at `now` what waits for an integration's next attempt: it answers again.
///
/// # Errors
/// Where the database cannot be written.
pub async fn make_due(
    database: &Database,
    receiver: &str,
    integration: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    sqlx::query(
        "UPDATE outbox SET next_attempt_at = $3 WHERE receiver = $1 AND integration = $2 AND state = 'pending' \
         AND next_attempt_at > $3",
    )
    .bind(receiver)
    .bind(integration)
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query("make notifications due"))?;
    transaction.commit().await
}
