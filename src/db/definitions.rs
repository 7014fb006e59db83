//! Metric definitions, business domains and objectives: documents with columns to find them by, their history, and the
//! audit of every write. What a document says is not known here.

pub mod audit;
pub mod candidates;
pub mod events;
pub mod keyset;
pub mod managed;
pub mod revisions;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Database, DbError, Transaction};
use crate::model::timestamp::Timestamp;

/// A resource as it is written.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Row {
    /// Its kind.
    pub kind: &'static str,
    /// Its identifier, one of its kind.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Columns to filter by.
    pub columns: Columns,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// How often this identifier was written, deletions included.
    pub revision: i64,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its words in lower case.
    pub search: String,
    /// Its JSON.
    pub document: String,
}

/// What resources are filtered and counted by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Columns {
    /// Category.
    pub category: Option<String>,
    /// Tier.
    pub tier: Option<String>,
    /// The name of the business domain.
    pub business_domain: Option<String>,
    /// Type of metric.
    pub metric_type: Option<String>,
    /// Status.
    pub status: Option<String>,
    /// The team that owns it.
    pub owner_team: Option<String>,
}

/// A resource as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its identifier.
    pub id: String,
    /// Its revision.
    pub revision: i64,
    /// Its JSON.
    pub document: String,
}

/// One write in the history of a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryRow {
    /// The revision it led to.
    pub revision: i64,
    /// The version it led to.
    pub version: Option<String>,
    /// Which part of the version it raised.
    pub change_type: Option<String>,
    /// When.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// What it was, in words.
    pub summary: String,
    /// Which fields.
    pub fields: Vec<String>,
    /// The JSON it led to; `None` for a deletion, and in lists.
    pub document: Option<String>,
}

/// One write in the audit.
#[derive(Clone, Copy, Debug)]
pub struct AuditRow<'a> {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: &'a str,
    /// From where: `api`, `cli`.
    pub source: &'a str,
    /// What was done: `create`, `update`, `delete`.
    pub action: &'a str,
    /// The resource's kind.
    pub kind: &'a str,
    /// Its identifier.
    pub target: &'a str,
    /// The revision it led to.
    pub revision: i64,
}

/// Columns by name, for filters, orders and counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Column {
    /// Identifier.
    Id,
    /// Name.
    #[default]
    Name,
    /// Category.
    Category,
    /// Tier.
    Tier,
    /// Business domain.
    BusinessDomain,
    /// Type of metric.
    MetricType,
    /// Status.
    Status,
    /// Owner.
    OwnerTeam,
    /// When it was last written.
    UpdatedAt,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Category => "category",
            Self::Tier => "tier",
            Self::BusinessDomain => "business_domain",
            Self::MetricType => "metric_type",
            Self::Status => "status",
            Self::OwnerTeam => "owner_team",
            Self::UpdatedAt => "updated_at",
        }
    }
}

/// Which resources, in which order, from where to where.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Columns that must be equal.
    pub equal: Vec<(Column, String)>,
    /// Sets of tags; it must have one of each set.
    pub tags: Vec<Vec<String>>,
    /// Words that must all stand in it, in lower case.
    pub search: Vec<String>,
    /// What they are ordered by, then by identifier.
    pub order: Column,
    /// Whether the order goes down.
    pub descending: bool,
    /// The most that are returned.
    pub limit: i64,
    /// How many are passed over.
    pub offset: i64,
}

/// One resource.
///
/// # Errors
/// Where the database cannot be read.
pub async fn get(database: &Database, kind: &str, id: &str) -> Result<Option<Stored>, DbError> {
    const ACTION: &str = "read definition";
    let row = sqlx::query(ONE)
        .bind(kind)
        .bind(id)
        .fetch_optional(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    row.map(|row| stored(&row, ACTION)).transpose()
}

/// One resource, as it is until the transaction ends.
///
/// # Errors
/// Where the database cannot be read.
pub async fn get_for_update(
    transaction: &mut Transaction,
    kind: &str,
    id: &str,
) -> Result<Option<Stored>, DbError> {
    const ACTION: &str = "read definition";
    let row = sqlx::query(ONE)
        .bind(kind)
        .bind(id)
        .fetch_optional(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    row.map(|row| stored(&row, ACTION)).transpose()
}

const ONE: &str = "SELECT id, revision, document FROM definitions WHERE kind = $1 AND id = $2";

fn stored(row: &SqliteRow, action: &'static str) -> Result<Stored, DbError> {
    let read = || {
        Ok(Stored {
            id: row.try_get(0)?,
            revision: row.try_get(1)?,
            document: row.try_get(2)?,
        })
    };
    read().map_err(DbError::query(action))
}

/// Writes a resource over the one of its kind and identifier, if there is one, and counts the generation on.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(transaction: &mut Transaction, row: &Row) -> Result<(), DbError> {
    const ACTION: &str = "write definition";
    let columns = &row.columns;
    sqlx::query(
        "INSERT INTO definitions (kind, id, name, category, tier, business_domain, metric_type, status, owner_team, \
         version, revision, created_at, updated_at, search, document) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14) \
         ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, category = excluded.category, \
         tier = excluded.tier, business_domain = excluded.business_domain, metric_type = excluded.metric_type, \
         status = excluded.status, owner_team = excluded.owner_team, version = excluded.version, \
         revision = excluded.revision, updated_at = excluded.updated_at, search = excluded.search, \
         document = excluded.document",
    )
    .bind(row.kind)
    .bind(&row.id)
    .bind(&row.name)
    .bind(&columns.category)
    .bind(&columns.tier)
    .bind(&columns.business_domain)
    .bind(&columns.metric_type)
    .bind(&columns.status)
    .bind(&columns.owner_team)
    .bind(&row.version)
    .bind(row.revision)
    .bind(row.updated_at.millis())
    .bind(&row.search)
    .bind(&row.document)
    .execute(transaction.connection())
    .await
    .map_err(DbError::query(ACTION))?;
    forget_tags(transaction, row.kind, &row.id).await?;
    for tag in &row.tags {
        sqlx::query(
            "INSERT INTO definition_tags (kind, id, tag) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(row.kind)
        .bind(&row.id)
        .bind(tag)
        .execute(transaction.connection())
        .await
        .map_err(DbError::query(ACTION))?;
    }
    count_on(transaction).await
}

/// Removes a resource and counts the generation on; its history stays.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove(transaction: &mut Transaction, kind: &str, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM definitions WHERE kind = $1 AND id = $2")
        .bind(kind)
        .bind(id)
        .execute(transaction.connection())
        .await
        .map_err(DbError::query("remove definition"))?;
    forget_tags(transaction, kind, id).await?;
    count_on(transaction).await
}

async fn forget_tags(transaction: &mut Transaction, kind: &str, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM definition_tags WHERE kind = $1 AND id = $2")
        .bind(kind)
        .bind(id)
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("write tags"))
}

async fn count_on(transaction: &mut Transaction) -> Result<(), DbError> {
    sqlx::query("UPDATE definition_generation SET generation = generation + 1 WHERE id = 1")
        .execute(transaction.connection())
        .await
        .map(drop)
        .map_err(DbError::query("count definitions' generation"))
}

/// How many writes there were; what is derived of definitions is right as long as it stands still.
///
/// # Errors
/// Where the database cannot be read.
pub async fn generation(database: &Database) -> Result<i64, DbError> {
    sqlx::query("SELECT generation FROM definition_generation WHERE id = 1")
        .fetch_one(database.reader())
        .await
        .and_then(|row| row.try_get(0))
        .map_err(DbError::query("read definitions' generation"))
}

/// The last revision of an identifier, also of one that was removed; 0 for one that never was.
///
/// # Errors
/// Where the database cannot be read.
pub async fn last_revision(
    transaction: &mut Transaction,
    kind: &str,
    id: &str,
) -> Result<i64, DbError> {
    sqlx::query(
        "SELECT COALESCE(MAX(revision), 0) FROM definition_history WHERE kind = $1 AND id = $2",
    )
    .bind(kind)
    .bind(id)
    .fetch_one(transaction.connection())
    .await
    .and_then(|row| row.try_get(0))
    .map_err(DbError::query("read definition's history"))
}

/// Which of these identifiers (of domains: names) there are.
///
/// # Errors
/// Where the database cannot be read.
pub async fn existing(
    transaction: &mut Transaction,
    kind: &str,
    column: Column,
    values: &[&str],
) -> Result<Vec<String>, DbError> {
    const ACTION: &str = "look up definitions";
    let column = column.name();
    let mut found = Vec::new();
    for values in values.chunks(super::MAX_BINDS) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(column).push(" FROM definitions WHERE kind = ");
        query
            .push_bind(kind)
            .push(" AND ")
            .push(column)
            .push(" IN (");
        let mut list = query.separated(", ");
        for value in values {
            list.push_bind(*value);
        }
        query.push(")");
        let rows = query
            .build()
            .persistent(false)
            .fetch_all(transaction.connection())
            .await
            .map_err(DbError::query(ACTION))?;
        for row in rows {
            found.push(row.try_get(0).map_err(DbError::query(ACTION))?);
        }
    }
    Ok(found)
}

/// A page of resources, and how many there are on all pages.
///
/// # Errors
/// Where the database cannot be read.
pub async fn list(
    database: &Database,
    kind: &str,
    filter: &Filter,
) -> Result<(Vec<Stored>, i64), DbError> {
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
    let mut query = QueryBuilder::<Sqlite>::new("SELECT id, revision, document");
    narrow(&mut query, kind, filter);
    let direction = if filter.descending { " DESC" } else { "" };
    query
        .push(" ORDER BY ")
        .push(filter.order.name())
        .push(direction);
    query.push(", id").push(direction);
    query.push(" LIMIT ").push_bind(filter.limit);
    query.push(" OFFSET ").push_bind(filter.offset);
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    let page = rows
        .iter()
        .map(|row| stored(row, ACTION))
        .collect::<Result<_, _>>()?;
    Ok((page, total))
}

fn narrow(query: &mut QueryBuilder<Sqlite>, kind: &str, filter: &Filter) {
    query
        .push(" FROM definitions WHERE kind = ")
        .push_bind(kind.to_owned());
    for (column, value) in &filter.equal {
        query.push(" AND ").push(column.name()).push(" = ");
        query.push_bind(value.clone());
    }
    for tags in &filter.tags {
        query.push(" AND EXISTS (SELECT 1 FROM definition_tags t WHERE t.kind = definitions.kind AND t.id = definitions.id AND t.tag IN (");
        let mut list = query.separated(", ");
        for tag in tags {
            list.push_bind(tag.clone());
        }
        query.push("))");
    }
    for word in &filter.search {
        query.push(" AND search LIKE ").push_bind(containing(word));
        query.push(" ESCAPE '!'");
    }
}

/// A pattern of LIKE for texts that contain this one.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for char in text.chars() {
        if matches!(char, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

/// How many resources there are for each value of a column, the values in order; those without one are left out.
///
/// # Errors
/// Where the database cannot be read.
pub async fn counts(
    database: &Database,
    kind: &str,
    column: Column,
) -> Result<Vec<(String, i64)>, DbError> {
    const ACTION: &str = "count definitions";
    let column = column.name();
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query
        .push(column)
        .push(", COUNT(*) FROM definitions WHERE kind = ");
    query.push_bind(kind).push(" AND ").push(column);
    query
        .push(" IS NOT NULL GROUP BY ")
        .push(column)
        .push(" ORDER BY ")
        .push(column);
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(ACTION))?;
    let read = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(DbError::query(ACTION))
}

/// Adds a write to the history of a resource.
///
/// # Errors
/// Where the database cannot be written.
pub async fn add_history(
    transaction: &mut Transaction,
    kind: &str,
    id: &str,
    row: &HistoryRow,
) -> Result<(), DbError> {
    const ACTION: &str = "write definition's history";
    let fields = serde_json::to_string(&row.fields).map_err(DbError::value(ACTION))?;
    sqlx::query(
        "INSERT INTO definition_history (kind, id, revision, version, change_type, changed_at, changed_by, summary, \
         fields, document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(kind)
    .bind(id)
    .bind(row.revision)
    .bind(&row.version)
    .bind(&row.change_type)
    .bind(row.changed_at.millis())
    .bind(&row.changed_by)
    .bind(&row.summary)
    .bind(fields)
    .bind(&row.document)
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query(ACTION))
}

/// A page of a resource's history without documents, the newest write first, and how many writes there are.
///
/// # Errors
/// Where the database cannot be read.
pub async fn history(
    database: &Database,
    kind: &str,
    id: &str,
    limit: i64,
    offset: i64,
) -> Result<(Vec<HistoryRow>, i64), DbError> {
    const ACTION: &str = "read definition's history";
    let total: i64 =
        sqlx::query("SELECT COUNT(*) FROM definition_history WHERE kind = $1 AND id = $2")
            .bind(kind)
            .bind(id)
            .fetch_one(database.reader())
            .await
            .and_then(|row| row.try_get(0))
            .map_err(DbError::query(ACTION))?;
    let rows = sqlx::query(
        "SELECT revision, version, change_type, changed_at, changed_by, summary, fields FROM definition_history \
         WHERE kind = $1 AND id = $2 ORDER BY revision DESC LIMIT $3 OFFSET $4",
    )
    .bind(kind)
    .bind(id)
    .bind(limit)
    .bind(offset)
    .fetch_all(database.reader())
    .await
    .map_err(DbError::query(ACTION))?;
    let page = rows.iter().map(history_row).collect::<Result<_, _>>()?;
    Ok((page, total))
}

fn history_row(row: &SqliteRow) -> Result<HistoryRow, DbError> {
    const ACTION: &str = "read definition's history";
    let fields: String = row.try_get(6).map_err(DbError::query(ACTION))?;
    let fields = serde_json::from_str(&fields).map_err(DbError::value(ACTION))?;
    let read = || {
        Ok(HistoryRow {
            revision: row.try_get(0)?,
            version: row.try_get(1)?,
            change_type: row.try_get(2)?,
            changed_at: Timestamp::from_millis(row.try_get(3)?),
            changed_by: row.try_get(4)?,
            summary: row.try_get(5)?,
            fields,
            document: None,
        })
    };
    read().map_err(DbError::query(ACTION))
}

/// Adds a write to the audit.
///
/// # Errors
/// Where the database cannot be written.
pub async fn add_audit(transaction: &mut Transaction, row: AuditRow<'_>) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO definition_audit (at, actor, source, action, kind, target, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.at.millis())
    .bind(row.actor)
    .bind(row.source)
    .bind(row.action)
    .bind(row.kind)
    .bind(row.target)
    .bind(row.revision)
    .execute(transaction.connection())
    .await
    .map(drop)
    .map_err(DbError::query("write audit"))
}
