//! Pages that begin behind a place in the order, not after a number of rows: what is written meanwhile moves nothing.

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Column, Filter, Stored, narrow, stored};
use crate::db::{Database, DbError};

/// A place in an order: the value of the column that orders, and the identifier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The value; absent ones are empty texts.
    pub value: OrderValue,
    /// The identifier.
    pub id: String,
}

/// The value of a column that orders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderValue {
    /// A text.
    Text(String),
    /// Milliseconds.
    Millis(i64),
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The resources.
    pub items: Vec<Stored>,
    /// How many there are on all pages.
    pub total: i64,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Place>,
}

/// A page behind a place, or after a number of rows where there is none.
///
/// # Errors
/// Where the database cannot be read.
pub async fn page(
    database: &Database,
    kind: &str,
    filter: &Filter,
    after: Option<&Place>,
) -> Result<Page, DbError> {
    const ACTION: &str = "list definitions";
    let mut count = QueryBuilder::<Sqlite>::new("SELECT COUNT(*)");
    narrow(&mut count, kind, filter);
    let total: i64 = count
        .build()
        .persistent(false)
        .fetch_one(database.reader())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(DbError::query(ACTION))?;
    let order = expression(filter.order);
    let mut query = QueryBuilder::<Sqlite>::new("SELECT id, revision, document, ");
    query.push(&order);
    narrow(&mut query, kind, filter);
    let (behind, direction) = if filter.descending {
        (" < ", " DESC")
    } else {
        (" > ", "")
    };
    if let Some(after) = after {
        query.push(" AND (").push(&order).push(behind);
        bind(&mut query, &after.value);
        query.push(" OR (").push(&order).push(" = ");
        bind(&mut query, &after.value);
        query.push(" AND id").push(behind);
        query.push_bind(after.id.clone()).push("))");
    }
    query.push(" ORDER BY ").push(&order).push(direction);
    query.push(", id").push(direction);
    // One more than asked for tells whether there is a next page.
    query
        .push(" LIMIT ")
        .push_bind(filter.limit.saturating_add(1));
    if after.is_none() {
        query.push(" OFFSET ").push_bind(filter.offset);
    }
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let shown = rows.iter().take(limit);
    let items = shown
        .map(|row| stored(row, ACTION))
        .collect::<Result<Vec<_>, _>>()?;
    let last = rows
        .get(limit)
        .and_then(|_| rows.get(limit.checked_sub(1)?));
    let next = last.map(|row| {
        Ok(Place {
            value: match filter.order {
                Column::UpdatedAt => OrderValue::Millis(row.try_get(3)?),
                _ => OrderValue::Text(row.try_get(3)?),
            },
            id: row.try_get(0)?,
        })
    });
    let next = next.transpose().map_err(DbError::query(ACTION))?;
    Ok(Page { items, total, next })
}

/// The column as it is ordered by: databases do not agree on where NULL stands.
fn expression(column: Column) -> String {
    let name = column.name();
    match column {
        Column::Id | Column::Name | Column::UpdatedAt => name.to_owned(),
        Column::Category
        | Column::Tier
        | Column::BusinessDomain
        | Column::MetricType
        | Column::Status
        | Column::OwnerTeam => format!("COALESCE({name}, '')"),
    }
}

fn bind(query: &mut QueryBuilder<Sqlite>, value: &OrderValue) {
    match value {
        OrderValue::Text(text) => query.push_bind(text.clone()),
        OrderValue::Millis(millis) => query.push_bind(*millis),
    };
}
