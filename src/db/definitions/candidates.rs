//! What may fit the words somebody looks for, without its document.

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::containing;
use crate::db::{Database, DbError};

/// The most that are looked at.
const MOST: i64 = 20_000;

/// A resource that holds the words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its words in lower case.
    pub search: String,
}

/// The resources of a kind that hold every word, given in lower case.
///
/// # Errors
/// Where the database cannot be read.
pub async fn find(
    database: &Database,
    kind: &str,
    words: &[String],
) -> Result<Vec<Candidate>, DbError> {
    const ACTION: &str = "search definitions";
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT id, name, search FROM definitions WHERE kind = ");
    query.push_bind(kind.to_owned());
    for word in words {
        query.push(" AND search LIKE ").push_bind(containing(word));
        query.push(" ESCAPE '!'");
    }
    query.push(" LIMIT ").push_bind(MOST);
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let read = || {
            Ok(Candidate {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                search: row.try_get(2)?,
            })
        };
        found.push(read().map_err(DbError::query(ACTION))?);
    }
    Ok(found)
}
