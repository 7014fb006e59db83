//! The outbox: notifications on their way, from the routes that write them to the worker that sends them.
//!
//! ```text
//!            take                finish
//! waiting ─────────▶ sending ─┬─ delivered
//!    ▲  │               │     ├─ failed    refused for good
//!    │  └─ superseded ◀─┤     └─ expired   retried until its time was over
//!    └────── retry ─────┘
//! ```
//!
//! At most one notification of a group and integration is being sent at a time, oldest first. The database holds what has
//! to be told and what became of it; that something is being sent stands in memory alone (`queue`), for one process owns
//! the file. What was being sent when the process died still waits, and is sent again: a receiver can tell by the
//! notification's id.
//!
//! What a notification says is one row, written once; how far it is another, narrow one of the same number.

mod delivery;
mod headlines;
pub(super) mod queue;
mod withdraw;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::QueryBuilder;

pub use self::delivery::{Claim, Ended, Lane, Take, claim, finish, settle, take};
pub use self::headlines::{Headline, headlines};
use self::queue::{Change, Entry, Queue};
use super::sent_messages::SentMessage;
use super::{Database, DbError, MAX_BINDS, Transaction, WRITTEN_AT_ONCE};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

pub use self::withdraw::{Withdrawal, withdraw};

/// A notification to send.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Names group, integration and state; the same one twice undelivered is refused.
    pub idempotency_key: Arc<str>,
    /// The integration, such as `webhook[0]`.
    pub integration: Arc<str>,
    /// When it is given up, where that is not for the configuration to say.
    pub expires_at: Option<Timestamp>,
    /// What to send.
    pub notification: Notification,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not yet tried, or waiting for the next attempt: may still be superseded.
    Pending,
    /// Being sent right now.
    Sending,
    /// Accepted by the receiver.
    Delivered,
    /// Refused, expired or withdrawn, and no fallback receiver stood in: nobody was told.
    Dead,
}

/// How a row's state is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Delivered,
    Failed,
    Expired,
    Superseded,
}

impl State {
    fn number(self) -> i64 {
        match self {
            Self::Waits => 0,
            Self::Delivered => 1,
            Self::Failed => 2,
            Self::Expired => 3,
            Self::Superseded => 4,
        }
    }

    fn as_str(number: i64) -> &'static str {
        match number {
            0 => "pending",
            1 => "delivered",
            2 => "failed",
            3 => "expired",
            _ => "superseded",
        }
    }
}

/// A notification the worker holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// What to send.
    pub notification: Notification,
    /// Attempts before this one.
    pub attempts: u32,
    /// Why the last of them did not work.
    pub last_error: Option<String>,
    /// When it is given up, where that is not for the configuration to say.
    pub expires_at: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted.
    Delivered {
        /// What the receiver answered.
        status: String,
        /// The message that can be changed later; `None` leaves what is known.
        sent: Option<SentMessage>,
    },
    /// To be tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// Why it did not work; never a secret.
        error: String,
    },
    /// Refused for good.
    Failed {
        /// Why; never a secret.
        error: String,
    },
    /// Its time is over.
    Expired {
        /// The last error; never a secret.
        error: String,
    },
    /// Claimed and given back without an attempt.
    Unsent,
}

impl Outcome {
    /// When it is to be tried again, and why.
    fn retry(&self) -> Option<(Timestamp, &String)> {
        match self {
            Self::Retry { at, error } => Some((*at, error)),
            Self::Delivered { .. } | Self::Failed { .. } | Self::Expired { .. } | Self::Unsent => {
                None
            }
        }
    }
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Notifications not yet delivered.
    pub waiting: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// When the next one becomes due; those that are due already do not count.
    pub next_attempt: Option<Timestamp>,
}

/// Adds notifications; one whose idempotency key is already on its way is left out.
///
/// # Errors
/// Where the database cannot be written.
pub async fn insert(transaction: &mut Transaction, rows: &[OutboxRow]) -> Result<(), DbError> {
    const ACTION: &str = "write outbox";
    let queue = Arc::clone(transaction.outbox());
    let mut keys = HashSet::with_capacity(rows.len());
    let mut fresh = Vec::with_capacity(rows.len());
    for row in rows {
        let (lane, place) = queue.place(&row.notification, &row.integration);
        let known = queue.holder(place, &row.idempotency_key);
        if keys.insert((place, &*row.idempotency_key))
            && known.is_none_or(|number| transaction.ends(number))
        {
            fresh.push((row, lane, place));
        }
    }
    let mut rest = fresh.as_slice();
    while !rest.is_empty() {
        let mut payloads = Vec::new();
        let mut bytes = 0;
        for (row, ..) in rest.iter().take(MAX_BINDS / 4) {
            let payload = serde_json::to_string(&row.notification);
            let mut payload = payload.map_err(DbError::value(ACTION))?;
            payload.shrink_to_fit();
            bytes += payload.len();
            payloads.push(payload);
            if bytes >= WRITTEN_AT_ONCE {
                break;
            }
        }
        let (chunk, left) = rest.split_at(payloads.len());
        rest = left;
        let first = queue.numbers(chunk.len());
        let mut query = QueryBuilder::new(
            "INSERT INTO outbox (id, next_attempt_at, updated_at, expires_at, undelivered, state, attempts) ",
        );
        query.push_values((first..).zip(chunk), |mut to, (number, (row, ..))| {
            let notification = &row.notification;
            let created_at = notification.created_at.millis();
            let undelivered = notification.undelivered.as_ref();
            to.push(number)
                .push(created_at)
                .push(created_at)
                .push_bind(row.expires_at.map(|at| at.millis()))
                .push_bind(undelivered.map(|undelivered| &*undelivered.notification))
                .push("0")
                .push("0");
        });
        transaction.run_once(&mut query, ACTION).await?;
        let sizes: Vec<usize> = payloads.iter().map(String::len).collect();
        let mut query = QueryBuilder::new("INSERT INTO outbox_payloads (id, payload) ");
        query.push_values((first..).zip(payloads), |mut to, (number, payload)| {
            to.push(number).push_bind(payload);
        });
        transaction.run_once(&mut query, ACTION).await?;
        for ((number, (row, lane, place)), bytes) in (first..).zip(chunk).zip(sizes) {
            let notification = &row.notification;
            let entry = Entry {
                id: Arc::clone(&notification.id),
                idempotency_key: Arc::clone(&row.idempotency_key),
                lane: *lane,
                gathers: gathers(notification),
                place: *place,
                created_at: notification.created_at,
                next_attempt_at: notification.created_at,
                updated_at: notification.created_at,
                expires_at: row.expires_at,
                attempts: 0,
                last_error: None,
                bytes,
                sending: false,
                notification: Some(Box::new(notification.clone())),
            };
            transaction.then(Change::Added(number, Box::new(entry)));
        }
    }
    Ok(())
}

/// Whether it tells of many groups: a digest, or a storm's summary.
fn gathers(notification: &Notification) -> bool {
    let key = &notification.group_key;
    key.starts_with("digest/") || key.starts_with("storm/")
}

/// What becomes of these notifications: one that is missing was delivered, or is not stored any more. One that was given
/// up shares the fate of what went to the fallback receiver instead: told is told. What waits is not taken before the
/// transaction is over.
///
/// # Errors
/// Where the database cannot be read.
pub async fn fates(
    transaction: &mut Transaction,
    ids: &[Arc<str>],
) -> Result<HashMap<Arc<str>, Fate>, DbError> {
    const ACTION: &str = "read outbox";
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    transaction.decide().await;
    let mut fates = HashMap::with_capacity(ids.len());
    let mut others = Vec::new();
    for id in ids {
        match transaction.outbox().find(id) {
            Some((_, fate)) => drop(fates.insert(Arc::clone(id), fate)),
            None => others.push(id),
        }
    }
    let mut dead = Vec::new();
    for chunk in others.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("SELECT name FROM outbox WHERE name IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(&***id);
        }
        query.push(")");
        let names: Vec<(String,)> = query
            .build_query_as()
            .persistent(false)
            .fetch_all(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
        dead.extend(names.into_iter().map(|(name,)| Arc::<str>::from(name)));
    }
    fates.extend(dead.iter().map(|id| (Arc::clone(id), Fate::Dead)));
    for chunk in dead.chunks(MAX_BINDS) {
        for (id, state) in stand_ins(transaction, chunk).await? {
            let Some(fate) = fates.get_mut(&*id) else {
                continue;
            };
            if state == State::Delivered.number() {
                *fate = Fate::Delivered;
            } else if state == State::Waits.number() && *fate == Fate::Dead {
                // It cannot be withdrawn by the id that is asked for.
                *fate = Fate::Sending;
            }
        }
    }
    Ok(fates)
}

/// The notifications to the fallback receiver that stand in for these: whom for, and their state.
async fn stand_ins(
    transaction: &mut Transaction,
    undelivered: &[Arc<str>],
) -> Result<Vec<(String, i64)>, DbError> {
    let mut query =
        QueryBuilder::new("SELECT undelivered, state FROM outbox WHERE undelivered IN (");
    let mut list = query.separated(", ");
    for id in undelivered {
        list.push_bind(&**id);
    }
    query.push(")");
    query
        .build_query_as()
        .persistent(false)
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query("read outbox"))
}

/// Makes due at `now` what was last touched later than that: the wall clock stepped back, and it would wait for the time
/// to come again.
pub fn clock_stepped_back(database: &Database, now: Timestamp) {
    database.outbox().clock_stepped_back(now);
}

/// How much waits at `now`, what is being sent included, and until when.
pub fn backlog(database: &Database, now: Timestamp) -> Backlog {
    database.outbox().backlog(now)
}

/// A row that waits, as it was left.
type Left = (i64, i64, i64, i64, Option<i64>, Option<String>, String);

/// What a process before this one left on its way; kept as a whole is none of it.
pub(super) async fn load(pool: &sqlx::SqlitePool) -> Result<Queue, DbError> {
    const ACTION: &str = "read outbox";
    #[derive(Deserialize)]
    struct Named {
        id: Arc<str>,
    }
    let queue = Queue::default();
    let last = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM outbox_payloads")
        .fetch_one(pool)
        .await
        .map_err(DbError::query(ACTION))?;
    queue.numbered_up_to(last);
    let mut rows = sqlx::query_as::<_, Left>(
        "SELECT o.id, o.attempts, o.next_attempt_at, o.updated_at, o.expires_at, o.last_error, p.payload \
         FROM outbox AS o JOIN outbox_payloads AS p ON p.id = o.id WHERE o.state = 0 ORDER BY o.id",
    )
    .fetch(pool);
    while let Some(row) = rows.try_next().await.map_err(DbError::query(ACTION))? {
        let (number, attempts, next_attempt_at, updated_at, expires_at, last_error, payload) = row;
        let notification: Notification = match serde_json::from_str(&payload) {
            Ok(notification) => notification,
            Err(error) => {
                let name = serde_json::from_str(&payload).ok().map(|Named { id }| id);
                queue.passed_over(number, name, error.to_string());
                continue;
            }
        };
        let integration = notification.integration.to_string();
        let (lane, place) = queue.place(&notification, &integration);
        let entry = Entry {
            idempotency_key: Arc::clone(&notification.id),
            gathers: gathers(&notification),
            id: notification.id,
            lane,
            place,
            created_at: notification.created_at,
            next_attempt_at: Timestamp::from_millis(next_attempt_at),
            updated_at: Timestamp::from_millis(updated_at),
            expires_at: expires_at.map(Timestamp::from_millis),
            attempts: u32::try_from(attempts).unwrap_or(0),
            last_error: last_error.map(Into::into),
            bytes: payload.len(),
            sending: false,
            notification: None,
        };
        queue.apply(vec![Change::Added(number, Box::new(entry))]);
    }
    drop(rows);
    Ok(queue)
}

/// Removes notifications that are no longer on their way and were last touched before `before`; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(transaction: &mut Transaction, before: Timestamp) -> Result<u64, DbError> {
    let mut removed = 0;
    for statement in [
        "DELETE FROM outbox_payloads WHERE id IN (SELECT id FROM outbox WHERE updated_at < $1 AND state <> 0)",
        "DELETE FROM outbox WHERE updated_at < $1 AND state <> 0",
    ] {
        removed = sqlx::query(statement)
            .bind(before.millis())
            .execute(transaction.connection())
            .await
            .map_err(DbError::query("prune outbox"))?
            .rows_affected();
    }
    Ok(removed)
}
