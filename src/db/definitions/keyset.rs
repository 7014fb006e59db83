//! Pages that begin behind a place in the order, not after a number of rows: what is written meanwhile moves nothing.

use super::{Column, Filter, Stored, narrow, stored};
use crate::db::DbError;
use crate::db::sql::Sql;
use crate::db::sql::row::Row;
use crate::db::sql::statement::{Statement, Value};

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
    database: &Sql,
    kind: &str,
    filter: &Filter,
    after: Option<&Place>,
) -> Result<Page, DbError> {
    let mut count = Statement::new("count definitions", "SELECT COUNT(*)");
    narrow(&mut count, kind, filter);
    let total = database.one(count.or_snapshot()).await?.get(0)?;
    let order = expression(filter.order);
    let mut statement = Statement::new("list definitions", "SELECT id, revision, document, ");
    statement.push(order);
    narrow(&mut statement, kind, filter);
    let (behind, direction) = if filter.descending {
        (" < ", " DESC")
    } else {
        (" > ", "")
    };
    if let Some(after) = after {
        statement.push(" AND (").push(order).push(behind);
        statement.push_bind(bound(&after.value));
        statement.push(" OR (").push(order).push(" = ");
        statement.push_bind(bound(&after.value));
        statement.push(" AND id").push(behind);
        statement.push_bind(&after.id).push("))");
    }
    statement.push(" ORDER BY ").push(order).push(direction);
    statement.push(", id").push(direction);
    // One more than asked for tells whether there is a next page.
    let limit = filter.limit.saturating_add(1);
    statement.push(" LIMIT ").push_bind(limit);
    if after.is_none() {
        statement.push(" OFFSET ").push_bind(filter.offset);
    }
    let rows = database.all(statement.or_snapshot()).await?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let shown = rows.iter().take(limit);
    let items = shown.map(stored).collect::<Result<Vec<_>, _>>()?;
    let last = rows
        .get(limit)
        .and_then(|_| rows.get(limit.checked_sub(1)?));
    let place = |row: &Row| {
        let value = match filter.order {
            Column::UpdatedAt => OrderValue::Millis(row.get(3)?),
            Column::Id
            | Column::Name
            | Column::Category
            | Column::Tier
            | Column::BusinessDomain
            | Column::MetricType
            | Column::Status
            | Column::OwnerTeam => OrderValue::Text(row.get(3)?),
        };
        Ok::<_, DbError>(Place {
            value,
            id: row.get(0)?,
        })
    };
    let next = last.map(place).transpose()?;
    Ok(Page { items, total, next })
}

/// The column as it is ordered by: databases do not agree on where NULL stands.
const fn expression(column: Column) -> &'static str {
    match column {
        Column::Id | Column::Name | Column::UpdatedAt => column.name(),
        Column::Category => "COALESCE(category, '')",
        Column::Tier => "COALESCE(tier, '')",
        Column::BusinessDomain => "COALESCE(business_domain, '')",
        Column::MetricType => "COALESCE(metric_type, '')",
        Column::Status => "COALESCE(status, '')",
        Column::OwnerTeam => "COALESCE(owner_team, '')",
    }
}

fn bound(value: &OrderValue) -> Value {
    match value {
        OrderValue::Text(text) => text.into(),
        OrderValue::Millis(millis) => (*millis).into(),
    }
}
