//! Taking back what is not sent yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::{QueryBuilder, Row};

use super::super::{DbError, MAX_BINDS, Transaction};
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

/// Withdraws notifications that are not sent yet; of one that gathers many groups only what it says of these.
///
/// # Errors
/// Where the database cannot be written.
pub async fn withdraw(
    transaction: &mut Transaction,
    withdrawals: &[Withdrawal],
    now: Timestamp,
) -> Result<(), DbError> {
    const ACTION: &str = "withdraw notifications";
    let mut by_id: HashMap<&str, HashMap<Arc<str>, HashSet<u64>>> = HashMap::new();
    for withdrawal in withdrawals {
        let groups = by_id.entry(&withdrawal.notification).or_default();
        let alerts = groups.entry(Arc::clone(&withdrawal.group_key)).or_default();
        alerts.extend(&withdrawal.alerts);
    }
    let ids: Vec<&str> = by_id.keys().copied().collect();
    for chunk in ids.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new(
            "SELECT o.id, p.id, p.payload FROM outbox AS o JOIN outbox_payloads AS p ON p.id = o.payload_id \
             WHERE (o.group_key LIKE 'digest/%' OR o.group_key LIKE 'storm/%') AND o.state = 'pending' AND o.id IN (",
        );
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(*id);
        }
        query.push(")");
        let gathering = query
            .build()
            .persistent(false)
            .fetch_all(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
        let mut kept = HashSet::with_capacity(gathering.len());
        for row in gathering {
            let id: String = row.try_get(0).map_err(DbError::query(ACTION))?;
            let payload_id: i64 = row.try_get(1).map_err(DbError::query(ACTION))?;
            let payload: String = row.try_get(2).map_err(DbError::query(ACTION))?;
            let Ok(whole) = serde_json::from_str::<Notification>(&payload) else {
                // Whoever claims it says so and gives it up; what is written beside it must not wait for that.
                kept.insert(id);
                continue;
            };
            let Some(rest) = by_id.get(&*id).and_then(|groups| whole.without(groups)) else {
                continue;
            };
            let payload = serde_json::to_string(&rest).map_err(DbError::value(ACTION))?;
            sqlx::query("UPDATE outbox_payloads SET payload = $2 WHERE id = $1")
                .bind(payload_id)
                .bind(payload)
                .execute(transaction.connection())
                .await
                .map_err(DbError::query(ACTION))?;
            kept.insert(id);
        }
        let whole: Vec<&str> = chunk
            .iter()
            .copied()
            .filter(|id| !kept.contains(*id))
            .collect();
        if whole.is_empty() {
            continue;
        }
        let mut query = QueryBuilder::new("UPDATE outbox SET state = 'superseded', updated_at = ");
        query
            .push_bind(now.millis())
            .push(" WHERE state = 'pending' AND id IN (");
        let mut list = query.separated(", ");
        for id in whole {
            list.push_bind(id);
        }
        query.push(")");
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}
