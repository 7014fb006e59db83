//! Which resources come from files, and from which.

use sqlx::Row as _;

use crate::db::{DbError, Transaction};

const READ: &str = "read definitions' files";
const WRITE: &str = "write definitions' files";

/// The file that a resource comes from, where it comes from one.
///
/// # Errors
/// Where the database cannot be read.
pub async fn file_of(
    transaction: &mut Transaction,
    kind: &str,
    id: &str,
) -> Result<Option<String>, DbError> {
    sqlx::query("SELECT file FROM definition_files WHERE kind = $1 AND id = $2")
        .bind(kind)
        .bind(id)
        .fetch_optional(transaction.connection())
        .await
        .and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(DbError::query(READ))
}

/// All of them by kind and identifier: kind, identifier, file.
///
/// # Errors
/// Where the database cannot be read.
pub async fn all(transaction: &mut Transaction) -> Result<Vec<(String, String, String)>, DbError> {
    let rows = sqlx::query("SELECT kind, id, file FROM definition_files")
        .fetch_all(transaction.connection())
        .await
        .map_err(DbError::query(READ))?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        all.push(read().map_err(DbError::query(READ))?);
    }
    // Here and not there: databases order texts each in its own way.
    all.sort();
    Ok(all)
}

/// Lets these be all of them.
///
/// # Errors
/// Where the database cannot be written.
pub async fn set(
    transaction: &mut Transaction,
    rows: &[(&str, &str, &str)],
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM definition_files")
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(WRITE))?;
    for (kind, id, file) in rows {
        sqlx::query("INSERT INTO definition_files (kind, id, file) VALUES ($1, $2, $3)")
            .bind(*kind)
            .bind(*id)
            .bind(*file)
            .execute(transaction.connection())
            .await
            .map_err(DbError::query(WRITE))?;
    }
    Ok(())
}
