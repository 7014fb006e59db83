//! Which resources come from files, and from which.

use crate::db::DbError;
use crate::db::sql::Transaction;
use crate::db::sql::statement::Statement;

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
    let text = "SELECT file FROM definition_files WHERE kind = $1 AND id = $2";
    let statement = Statement::new(READ, text).bind(kind).bind(id);
    let row = transaction.optional(statement).await?;
    row.map(|row| row.get(0)).transpose()
}

/// All of them by kind and identifier: kind, identifier, file.
///
/// # Errors
/// Where the database cannot be read.
pub async fn all(transaction: &mut Transaction) -> Result<Vec<(String, String, String)>, DbError> {
    let statement = Statement::new(READ, "SELECT kind, id, file FROM definition_files");
    let rows = transaction.all(statement).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push((row.get(0)?, row.get(1)?, row.get(2)?));
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
    let forget = Statement::new(WRITE, "DELETE FROM definition_files");
    transaction.run(forget).await?;
    for (kind, id, file) in rows {
        let text = "INSERT INTO definition_files (kind, id, file) VALUES ($1, $2, $3)";
        let statement = Statement::new(WRITE, text)
            .bind(*kind)
            .bind(*id)
            .bind(*file);
        transaction.run(statement).await?;
    }
    Ok(())
}
