//! The worker's side of the outbox: taking notifications, and writing what became of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::QueryBuilder;

use super::super::ledger::{self, LedgerEntry};
use super::super::sent_messages;
use super::super::{Database, DbError, MAX_BINDS, Transaction};
use super::queue::{Change, Picked, Unreadable};
use super::{Claimed, OutboxRow, Outcome, State, insert};
use crate::model::notification::{Decision, Notification, NotifiedAlert, Reason};
use crate::model::timestamp::Timestamp;

/// What a worker has room for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Notifications for each integration of each receiver.
    pub limit: u32,
    /// Other limits, by receiver and integration.
    pub limits: Vec<(Lane, Take)>,
}

/// Receiver and integration.
pub type Lane = (Arc<str>, Arc<str>);

/// What may be taken for an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// So many of those that are due.
    UpTo(u32),
    /// Of those that are due what was written at this time or earlier, to be given up: so many.
    WrittenBy(Timestamp, u32),
    /// One, due or not.
    One,
}

/// What became of notifications.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// How attempts ended.
    pub outcomes: Vec<(Notification, Outcome)>,
    /// What goes to the fallback receiver instead.
    pub instead: Vec<OutboxRow>,
    /// Integrations that answer again: what waits for their next attempt is due.
    pub revived: Vec<(String, String)>,
}

impl Ended {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.instead.is_empty() && self.revived.is_empty()
    }

    /// Puts what follows behind it.
    pub fn append(&mut self, mut later: Self) {
        self.outcomes.append(&mut later.outcomes);
        self.instead.append(&mut later.instead);
        self.revived.append(&mut later.revived);
    }
}

impl Claim {
    fn take(&self, receiver: &str, integration: &str) -> Take {
        let is_it = |lane: &Lane| *lane.0 == *receiver && *lane.1 == *integration;
        let other = self.limits.iter().find(|(lane, _)| is_it(lane));
        other.map_or(Take::UpTo(self.limit), |(_, take)| *take)
    }
}

/// Takes due notifications, oldest first, at most `limit` for each integration of each receiver: they are being sent from
/// then on. Nothing is taken for the pairs of receiver and integration in `full`, so that a slow receiver delays
/// nobody else. A group's next notification is not taken while the one before it is being sent.
///
/// # Errors
/// As for [`take`].
pub async fn claim(
    database: &Database,
    now: Timestamp,
    limit: u32,
    full: &[(String, String)],
) -> Result<Vec<Claimed>, DbError> {
    let limits = full.iter().map(|(receiver, integration)| {
        let lane = (receiver.as_str().into(), integration.as_str().into());
        (lane, Take::UpTo(0))
    });
    let limits = limits.collect();
    take(database, &Claim { limit, limits }, now).await
}

const CLAIM: &str = "claim notifications";

/// Takes what there is room for. Nothing is written: what has no outcome when the process dies is due after the next start.
///
/// # Errors
/// Where the database cannot be read; nothing is taken then.
pub async fn take(
    database: &Database,
    wanted: &Claim,
    now: Timestamp,
) -> Result<Vec<Claimed>, DbError> {
    let queue = database.outbox();
    give_up_unreadable(database, queue.take_unreadable(), now).await?;
    let picked = {
        let _deciding = queue.decide().await;
        queue.take(
            |receiver, integration| wanted.take(receiver, integration),
            now,
        )
    };
    match read(database, picked, now).await {
        Ok(claimed) => Ok(claimed),
        Err((picked, error)) => {
            queue.apply(picked.into_iter().map(Change::Returned).collect());
            Err(error)
        }
    }
}

/// Reads what was not kept in memory; with an error come the numbers of all of them.
async fn read(
    database: &Database,
    picked: Vec<Picked>,
    now: Timestamp,
) -> Result<Vec<Claimed>, (Vec<i64>, DbError)> {
    let missing = picked.iter().filter(|one| one.notification.is_none());
    let missing: Vec<(i64, Arc<str>)> = missing
        .map(|one| (one.number, Arc::clone(&one.id)))
        .collect();
    let all = || picked.iter().map(|one| one.number).collect::<Vec<_>>();
    let numbers: Vec<i64> = missing.iter().map(|(number, _)| *number).collect();
    let stored = payloads(database, &numbers).await;
    let mut stored = stored.map_err(|error| (all(), error))?;
    let mut unreadable = Vec::new();
    let mut readable = HashMap::with_capacity(missing.len());
    for (number, id) in missing {
        let payload = stored.remove(&number).unwrap_or_default();
        let read = serde_json::from_str::<Notification>(&payload);
        let why = read.as_ref().err().map(ToString::to_string);
        let lenient = database.unreadable();
        match lenient.or_pass_over("outbox", &id, read) {
            Some(notification) => drop(readable.insert(number, notification)),
            None => unreadable.push((number, Some(id), why.unwrap_or_default())),
        }
    }
    let given_up = give_up_unreadable(database, unreadable, now).await;
    given_up.map_err(|error| (all(), error))?;
    let claimed = picked.into_iter().filter_map(|one| {
        let kept = one.notification.map(|notification| *notification);
        Some(Claimed {
            notification: kept.or_else(|| readable.remove(&one.number))?,
            attempts: one.attempts,
            last_error: one.last_error.map(String::from),
            expires_at: one.expires_at,
        })
    });
    Ok(claimed.collect())
}

async fn payloads(database: &Database, numbers: &[i64]) -> Result<BTreeMap<i64, String>, DbError> {
    let mut payloads = BTreeMap::new();
    for chunk in numbers.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("SELECT id, payload FROM outbox_payloads WHERE id IN (");
        query.push(list_of(chunk)).push(")");
        let rows: Vec<(i64, String)> = query
            .build_query_as()
            .persistent(false)
            .fetch_all(database.reader())
            .await
            .map_err(DbError::query(CLAIM))?;
        payloads.extend(rows);
    }
    Ok(payloads)
}

/// They would come up again for ever.
async fn give_up_unreadable(
    database: &Database,
    unreadable: Vec<Unreadable>,
    now: Timestamp,
) -> Result<(), DbError> {
    if unreadable.is_empty() {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    for (number, id, why) in unreadable {
        let error = format!("stored notification is not readable: {why}");
        end(
            &mut transaction,
            number,
            id.as_deref(),
            State::Failed,
            Some(&error),
            now,
        )
        .await?;
    }
    transaction.commit().await
}

/// Numbers as they stand between brackets in a statement.
fn list_of(numbers: &[i64]) -> String {
    let mut list = String::with_capacity(numbers.len() * 8);
    for (i, number) in numbers.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(list, "{comma}{number}").expect("writing to a string cannot fail");
    }
    list
}

const FINISH: &str = "write delivery";

/// Writes how attempts ended, with their ledger entries. A retry becomes superseded where a newer notification of the
/// same group and integration waits already.
///
/// # Errors
/// Where the database cannot be written; none is then, and the notifications stay taken.
pub async fn finish(
    database: &Database,
    outcomes: &[(Notification, Outcome)],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    write_outcomes(&mut transaction, outcomes, now).await?;
    transaction.commit().await
}

/// [`finish`] with all that follows from it, in one transaction.
///
/// # Errors
/// As for [`finish`].
pub async fn settle(database: &Database, ended: &Ended, now: Timestamp) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    write_outcomes(&mut transaction, &ended.outcomes, now).await?;
    write_instead(&mut transaction, &ended.instead, now).await?;
    for lane in &ended.revived {
        transaction.then(Change::Revived(lane.clone(), now));
    }
    transaction.commit().await
}

async fn write_outcomes(
    transaction: &mut Transaction,
    outcomes: &[(Notification, Outcome)],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut delivered = Vec::with_capacity(outcomes.len());
    let mut entries = Vec::with_capacity(outcomes.len());
    for (notification, outcome) in outcomes {
        let Some((number, _)) = transaction.outbox().find(&notification.id) else {
            continue;
        };
        let id = Arc::clone(&notification.id);
        let (dead, decision) = match outcome {
            Outcome::Delivered { status, sent } => {
                if let Some(sent) = sent {
                    if notification.reason == Reason::AllResolved {
                        // What fires later is another story, even where a digest tells its beginning.
                        sent_messages::forget(transaction, notification).await?;
                    } else {
                        sent_messages::save(transaction, notification, sent, now).await?;
                    }
                }
                delivered.push(number);
                let status = status.clone();
                (
                    None,
                    Decision::Delivered {
                        notification: id,
                        status,
                    },
                )
            }
            Outcome::Failed { error } => (
                Some((State::Failed, Some(error))),
                Decision::Failed {
                    notification: id,
                    error: error.clone(),
                },
            ),
            Outcome::Expired { error } => (
                Some((State::Expired, Some(error))),
                Decision::Expired {
                    notification: id,
                    error: error.clone(),
                },
            ),
            Outcome::Retry { .. } | Outcome::Unsent => {
                // A storm's summary is told, however old: nothing newer says the same.
                let newer = if notification.group_key.starts_with("storm/") {
                    None
                } else {
                    transaction.outbox().behind(number)
                };
                match newer {
                    Some(newer) => (
                        Some((State::Superseded, outcome.retry().map(|(_, error)| error))),
                        Decision::Superseded {
                            notification: id,
                            by: Some(newer),
                        },
                    ),
                    None => {
                        match outcome.retry() {
                            Some((at, error)) => retry(transaction, number, at, error, now).await?,
                            None => transaction.then(Change::Returned(number)),
                        }
                        continue;
                    }
                }
            }
        };
        if let Some((state, error)) = dead {
            let error = error.map(String::as_str);
            let name = Some(&*notification.id);
            end(transaction, number, name, state, error, now).await?;
        }
        entries.push(LedgerEntry {
            at: now,
            group_key: Arc::clone(&notification.group_key),
            receiver: Arc::clone(&notification.receiver),
            integration: notification.integration.to_string().into(),
            labels: None,
            decision,
        });
    }
    for chunk in delivered.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new(
            "UPDATE outbox SET attempts = attempts + 1, last_error = NULL, state = ",
        );
        query.push_bind(State::Delivered.number());
        query.push(", updated_at = ").push_bind(now.millis());
        query.push(" WHERE id IN (").push(list_of(chunk)).push(")");
        transaction.run_once(&mut query, FINISH).await?;
    }
    for number in delivered {
        transaction.then(Change::Ended(number));
    }
    ledger::append(transaction, &entries).await
}

/// It ended without being delivered.
pub(super) async fn end(
    transaction: &mut Transaction,
    number: i64,
    name: Option<&str>,
    state: State,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), DbError> {
    let tried = match state {
        State::Failed | State::Expired => 1,
        State::Waits | State::Delivered | State::Superseded => 0,
    };
    sqlx::query(
        "UPDATE outbox SET state = $2, attempts = attempts + $3, last_error = COALESCE($4, last_error), updated_at = $5, \
         name = $6 WHERE id = $1",
    )
    .bind(number)
    .bind(state.number())
    .bind(tried)
    .bind(error)
    .bind(now.millis())
    .bind(name)
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(FINISH))?;
    transaction.then(Change::Ended(number));
    Ok(())
}

async fn retry(
    transaction: &mut Transaction,
    number: i64,
    at: Timestamp,
    error: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE outbox SET attempts = attempts + 1, last_error = $2, next_attempt_at = $3, updated_at = $4 WHERE id = $1",
    )
    .bind(number)
    .bind(error)
    .bind(at.millis())
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(FINISH))?;
    let error = error.into();
    transaction.then(Change::Waits {
        number,
        at,
        error,
        now,
    });
    Ok(())
}

/// Notifications to the fallback receiver, with one ledger entry an alert.
async fn write_instead(
    transaction: &mut Transaction,
    rows: &[OutboxRow],
    now: Timestamp,
) -> Result<(), DbError> {
    insert(transaction, rows).await?;
    let entries: Vec<LedgerEntry> = rows.iter().flat_map(|row| fallen_back(row, now)).collect();
    ledger::append(transaction, &entries).await
}

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
