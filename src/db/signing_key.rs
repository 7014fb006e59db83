//! The key that links in messages are signed with: made once, so that links outlive a restart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::Row;

use super::{Database, DbError};
use crate::model::signature::{KEY_BYTES, Signer};
use crate::model::timestamp::Timestamp;

/// The stored key; `fresh`, random bytes, becomes it where there is none.
///
/// # Errors
/// Where the database cannot be read or written, or holds no key of this length.
pub async fn load_or_create(
    database: &Database,
    fresh: [u8; KEY_BYTES],
    now: Timestamp,
) -> Result<Signer, DbError> {
    const ACTION: &str = "read signing key";
    let mut transaction = database.begin().await?;
    sqlx::query(
        "INSERT INTO signing_key (id, key, created_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(STANDARD.encode(fresh))
    .bind(now.millis())
    .execute(transaction.connection())
    .await
    .map_err(DbError::query("write signing key"))?;
    let row = sqlx::query("SELECT key FROM signing_key WHERE id = 1")
        .fetch_one(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    transaction.commit().await?;
    let text: String = row.try_get(0).map_err(DbError::query(ACTION))?;
    let bytes = STANDARD.decode(text).map_err(DbError::value(ACTION))?;
    let key = bytes.try_into().map_err(|bytes: Vec<u8>| DbError::Value {
        action: ACTION,
        reason: format!("{} bytes instead of {KEY_BYTES}", bytes.len()),
    })?;
    Ok(Signer::new(key))
}
