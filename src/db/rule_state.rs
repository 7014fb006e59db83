//! State of the alert rules: one row a rule and label set, so that `for` outlives the process.

use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, MAX_BINDS};

/// Writes a rule group's changes in one transaction. Keys name rule and labels and are unique over all groups; states
/// are the rules' own JSON.
///
/// # Errors
/// Where the database cannot be written; then nothing changed.
pub async fn save(
    database: &Database,
    group_key: &str,
    upserts: &[(String, String)],
    removals: &[String],
) -> Result<(), DbError> {
    if upserts.is_empty() && removals.is_empty() {
        return Ok(());
    }
    const ACTION: &str = "write rule state";
    let mut transaction = database.begin().await?;
    for chunk in upserts.chunks(MAX_BINDS / 3) {
        let mut query = QueryBuilder::new("INSERT INTO rule_state (key, group_key, state) ");
        query.push_values(chunk, |mut row, (key, state)| {
            row.push_bind(key).push_bind(group_key).push_bind(state);
        });
        query.push(
            " ON CONFLICT (key) DO UPDATE SET group_key = excluded.group_key, state = excluded.state",
        );
        transaction.run_once(&mut query, ACTION).await?;
    }
    for chunk in removals.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new("DELETE FROM rule_state WHERE key IN (");
        let mut keys = query.separated(", ");
        for key in chunk {
            keys.push_bind(key);
        }
        query.push(")");
        transaction.run_once(&mut query, ACTION).await?;
    }
    transaction.commit().await
}

/// The states of a rule group: key and JSON.
///
/// # Errors
/// Where the database cannot be read.
pub async fn load(database: &Database, group_key: &str) -> Result<Vec<(String, String)>, DbError> {
    let rows = sqlx::query("SELECT key, state FROM rule_state WHERE group_key = $1 ORDER BY key")
        .bind(group_key)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query("read rule state"))?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, sqlx::Error>>()
        .map_err(DbError::query("read rule state"))
}

/// The states of the groups that are not among `known`: key and JSON.
///
/// # Errors
/// Where the database cannot be read.
pub async fn others(
    database: &Database,
    known: &[String],
) -> Result<Vec<(String, String)>, DbError> {
    let stored: Vec<String> = sqlx::query_scalar("SELECT DISTINCT group_key FROM rule_state")
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query("read rule state"))?;
    let mut states = Vec::new();
    for group_key in stored {
        if !known.contains(&group_key) {
            states.extend(load(database, &group_key).await?);
        }
    }
    Ok(states)
}

/// Forgets the groups that are not among `known`; returns how many rows went.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(database: &Database, known: &[String]) -> Result<u64, DbError> {
    const ACTION: &str = "prune rule state";
    let mut transaction = database.begin().await?;
    let stored: Vec<String> = sqlx::query_scalar("SELECT DISTINCT group_key FROM rule_state")
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    let mut removed = 0;
    for group_key in stored {
        if !known.contains(&group_key) {
            removed += sqlx::query("DELETE FROM rule_state WHERE group_key = $1")
                .bind(group_key)
                .execute(transaction.connection())
                .await
                .map_err(DbError::query(ACTION))?
                .rows_affected();
        }
    }
    transaction.commit().await?;
    Ok(removed)
}
