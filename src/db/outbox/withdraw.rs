//! Taking back what is not sent yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::{DbError, Transaction};
use super::delivery::end;
use super::queue::Change;
use super::{Fate, State};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// What a newer message of a group takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The notification that is not to be sent; of a digest only this group's part.
    pub notification: Arc<str>,
    /// The group.
    pub group_key: Arc<str>,
    /// Fingerprints of the alerts it told of.
    pub alerts: Vec<u64>,
}

const ACTION: &str = "withdraw notifications";

/// Withdraws notifications that are not sent yet; of one that gathers many groups only what it says of these.
///
/// # Errors
/// Where the database cannot be written.
pub async fn withdraw(
    transaction: &mut Transaction,
    withdrawals: &[Withdrawal],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut by_id: HashMap<&str, HashMap<Arc<str>, HashSet<u64>>> = HashMap::new();
    for withdrawal in withdrawals {
        let groups = by_id.entry(&withdrawal.notification).or_default();
        let alerts = groups.entry(Arc::clone(&withdrawal.group_key)).or_default();
        alerts.extend(&withdrawal.alerts);
    }
    if by_id.is_empty() {
        return Ok(());
    }
    transaction.decide().await;
    for (id, groups) in by_id {
        // What is being sent, or was, is not taken back.
        let Some((number, Fate::Pending)) = transaction.outbox().find(id) else {
            continue;
        };
        if transaction.outbox().gathers(number) && lessen(transaction, number, &groups).await? {
            continue;
        }
        end(transaction, number, Some(id), State::Superseded, None, now).await?;
    }
    Ok(())
}

/// Takes out what a message that gathers many groups says of these; false where nothing is left of it.
async fn lessen(
    transaction: &mut Transaction,
    number: i64,
    groups: &HashMap<Arc<str>, HashSet<u64>>,
) -> Result<bool, DbError> {
    let payload: Option<String> =
        sqlx::query_scalar("SELECT payload FROM outbox_payloads WHERE id = $1")
            .bind(number)
            .fetch_optional(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
    let Ok(whole) = serde_json::from_str::<Notification>(&payload.unwrap_or_default()) else {
        // Whoever takes it says so and gives it up; what is written beside it must not wait for that.
        transaction.then(Change::Rewritten(number));
        return Ok(true);
    };
    let Some(rest) = whole.without(groups) else {
        return Ok(false);
    };
    let payload = serde_json::to_string(&rest).map_err(DbError::value(ACTION))?;
    sqlx::query("UPDATE outbox_payloads SET payload = $2 WHERE id = $1")
        .bind(number)
        .bind(payload)
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    transaction.then(Change::Rewritten(number));
    Ok(true)
}
