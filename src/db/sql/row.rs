//! Rows of either engine.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::super::DbError;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// A row.
pub struct Row {
    operation: &'static str,
    row: RowOf,
}

enum RowOf {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.operation)
    }
}

impl Row {
    pub(super) fn sqlite(operation: &'static str, row: SqliteRow) -> Self {
        let row = RowOf::Sqlite(row);
        Self { operation, row }
    }

    pub(super) fn postgres(operation: &'static str, row: PgRow) -> Self {
        let row = RowOf::Postgres(row);
        Self { operation, row }
    }

    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// Where it is of another type.
    pub fn get<T: Column>(&self, column: usize) -> Result<T, DbError> {
        T::read(self, column)
    }

    fn text(&self, column: usize) -> Result<Option<String>, DbError> {
        let found = match &self.row {
            RowOf::Sqlite(row) => row.try_get(column),
            RowOf::Postgres(row) => row.try_get(column),
        };
        found.map_err(DbError::query(self.operation))
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, DbError> {
        let found = match &self.row {
            RowOf::Sqlite(row) => row.try_get(column),
            RowOf::Postgres(row) => row.try_get(column),
        };
        found.map_err(DbError::query(self.operation))
    }

    fn present<T>(&self, column: usize, found: Option<T>) -> Result<T, DbError> {
        let missing = || DbError::value(self.operation)(format!("column {column} is empty"));
        found.ok_or_else(missing)
    }
}

/// What a column is read as.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// Where it is of another type.
    fn read(row: &Row, column: usize) -> Result<Self, DbError>;
}

impl Column for Option<String> {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        row.text(column)
    }
}

impl Column for String {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        row.present(column, row.text(column)?)
    }
}

impl Column for Secret {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        String::read(row, column).map(Self::new)
    }
}

impl Column for Option<i64> {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        row.integer(column)
    }
}

impl Column for i64 {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        row.present(column, row.integer(column)?)
    }
}

impl Column for Timestamp {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        i64::read(row, column).map(Self::from_millis)
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        Ok(row.integer(column)?.map(Timestamp::from_millis))
    }
}
