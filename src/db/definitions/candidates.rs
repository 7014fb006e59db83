//! What may fit the words somebody looks for, without its document.

use super::containing;
use crate::db::DbError;
use crate::db::sql::Sql;
use crate::db::sql::row::Row;
use crate::db::sql::statement::Statement;

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
pub async fn find(database: &Sql, kind: &str, words: &[String]) -> Result<Vec<Candidate>, DbError> {
    let mut statement = Statement::new(
        "search definitions",
        "SELECT id, name, search FROM definitions WHERE kind = ",
    );
    statement.push_bind(kind);
    for word in words {
        let pattern = containing(word);
        statement.push(" AND search LIKE ").push_bind(pattern);
        statement.push(" ESCAPE '!'");
    }
    statement.push(" LIMIT ").push_bind(MOST);
    let rows = database.all(statement.or_snapshot()).await?;
    let candidate = |row: &Row| {
        Ok(Candidate {
            id: row.get(0)?,
            name: row.get(1)?,
            search: row.get(2)?,
        })
    };
    rows.iter().map(candidate).collect()
}
