//! Metric definitions, business domains and objectives: documents with columns to find them by, their history, and the
//! audit of every write. What a document says is not known here.

pub mod audit;
pub mod candidates;
pub mod events;
pub mod keyset;
pub mod managed;
pub mod revisions;

use super::DbError;
use super::sql::row::Row as SqlRow;
use super::sql::statement::Statement;
use super::sql::{Sql, Transaction};
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
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
pub async fn get(database: &Sql, kind: &str, id: &str) -> Result<Option<Stored>, DbError> {
    let row = database.optional(one(kind, id).or_snapshot()).await?;
    row.as_ref().map(stored).transpose()
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
    let row = transaction.optional(one(kind, id)).await?;
    row.as_ref().map(stored).transpose()
}

fn one(kind: &str, id: &str) -> Statement {
    let text = "SELECT id, revision, document FROM definitions WHERE kind = $1 AND id = $2";
    Statement::new("read definition", text).bind(kind).bind(id)
}

fn stored(row: &SqlRow) -> Result<Stored, DbError> {
    Ok(Stored {
        id: row.get(0)?,
        revision: row.get(1)?,
        document: row.get(2)?,
    })
}

/// Values in a statement whose text is worth remembering for each number of them.
const FEW: usize = 8;

/// Writes a resource over the one of its kind and identifier, if there is one, and counts the generation on.
///
/// # Errors
/// Where the database cannot be written.
pub async fn save(transaction: &mut Transaction, row: &Row) -> Result<(), DbError> {
    let columns = &row.columns;
    let statement = Statement::new(
        "write definition",
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
    .bind(row.updated_at)
    .bind(&row.search)
    .bind(&row.document);
    transaction.run(statement).await?;
    // What never was there has none.
    if row.revision > 1 {
        forget_tags(transaction, row.kind, &row.id).await?;
    }
    for tags in row.tags.chunks(FEW) {
        let text = "INSERT INTO definition_tags (kind, id, tag) VALUES ";
        let mut statement = Statement::new("write tags", text)
            .bind(row.kind)
            .bind(&row.id);
        for (i, tag) in tags.iter().enumerate() {
            statement.push(if i == 0 { "($1, $2, " } else { ", ($1, $2, " });
            statement.push_bind(tag).push(")");
        }
        statement.push(" ON CONFLICT DO NOTHING");
        transaction.run(statement.kept()).await?;
    }
    count_on(transaction).await
}

/// Removes a resource and counts the generation on; its history stays.
///
/// # Errors
/// Where the database cannot be written.
pub async fn remove(transaction: &mut Transaction, kind: &str, id: &str) -> Result<(), DbError> {
    let text = "DELETE FROM definitions WHERE kind = $1 AND id = $2";
    let statement = Statement::new("remove definition", text);
    transaction.run(statement.bind(kind).bind(id)).await?;
    forget_tags(transaction, kind, id).await?;
    count_on(transaction).await
}

async fn forget_tags(transaction: &mut Transaction, kind: &str, id: &str) -> Result<(), DbError> {
    let text = "DELETE FROM definition_tags WHERE kind = $1 AND id = $2";
    let statement = Statement::new("write tags", text);
    let removed = transaction.run(statement.bind(kind).bind(id)).await;
    removed.map(drop)
}

async fn count_on(transaction: &mut Transaction) -> Result<(), DbError> {
    let text = "UPDATE definition_generation SET generation = generation + 1 WHERE id = 1";
    let statement = Statement::new("count definitions' generation", text);
    transaction.run(statement).await.map(drop)
}

/// How many writes there were; what is derived of definitions is right as long as it stands still.
///
/// # Errors
/// Where the database cannot be read.
pub async fn generation(database: &Sql) -> Result<i64, DbError> {
    let text = "SELECT generation FROM definition_generation WHERE id = 1";
    let statement = Statement::new("read definitions' generation", text);
    database.one(statement.or_snapshot()).await?.get(0)
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
    let text =
        "SELECT COALESCE(MAX(revision), 0) FROM definition_history WHERE kind = $1 AND id = $2";
    let statement = Statement::new("read definition's history", text);
    transaction.one(statement.bind(kind).bind(id)).await?.get(0)
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
    let column = column.name();
    let mut found = Vec::new();
    for values in values.chunks(super::MAX_BINDS) {
        let mut statement = Statement::new("look up definitions", "SELECT ");
        statement
            .push(column)
            .push(" FROM definitions WHERE kind = ");
        statement.push_bind(kind).push(" AND ").push(column);
        statement.push_in(values.iter().copied());
        if values.len() <= FEW {
            statement = statement.kept();
        }
        for row in transaction.all(statement).await? {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// A page of resources, and how many there are on all pages.
///
/// # Errors
/// Where the database cannot be read.
pub async fn list(
    database: &Sql,
    kind: &str,
    filter: &Filter,
) -> Result<(Vec<Stored>, i64), DbError> {
    let mut count = Statement::new("count definitions", "SELECT COUNT(*)");
    narrow(&mut count, kind, filter);
    let total = database.one(count.or_snapshot()).await?.get(0)?;
    let mut statement = Statement::new("list definitions", "SELECT id, revision, document");
    narrow(&mut statement, kind, filter);
    let direction = if filter.descending { " DESC" } else { "" };
    statement.push(" ORDER BY ").push(filter.order.name());
    statement.push(direction).push(", id").push(direction);
    statement.push(" LIMIT ").push_bind(filter.limit);
    statement.push(" OFFSET ").push_bind(filter.offset);
    let rows = database.all(statement.or_snapshot()).await?;
    let page = rows.iter().map(stored).collect::<Result<_, _>>()?;
    Ok((page, total))
}

fn narrow(statement: &mut Statement, kind: &str, filter: &Filter) {
    statement
        .push(" FROM definitions WHERE kind = ")
        .push_bind(kind);
    for (column, value) in &filter.equal {
        statement.push(" AND ").push(column.name()).push(" = ");
        statement.push_bind(value);
    }
    for tags in &filter.tags {
        statement.push(" AND EXISTS (SELECT 1 FROM definition_tags t WHERE t.kind = definitions.kind AND t.id = definitions.id AND t.tag");
        statement.push_in(tags).push(")");
    }
    for word in &filter.search {
        statement
            .push(" AND search LIKE ")
            .push_bind(containing(word));
        statement.push(" ESCAPE '!'");
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
    database: &Sql,
    kind: &str,
    column: Column,
) -> Result<Vec<(String, i64)>, DbError> {
    let column = column.name();
    let mut statement = Statement::new("count definitions", "SELECT ");
    statement
        .push(column)
        .push(", COUNT(*) FROM definitions WHERE kind = ");
    statement.push_bind(kind).push(" AND ").push(column);
    statement.push(" IS NOT NULL GROUP BY ").push(column);
    statement.push(" ORDER BY ").push(column);
    let rows = database.all(statement.or_snapshot()).await?;
    rows.iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
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
    let statement = Statement::new(
        ACTION,
        "INSERT INTO definition_history (kind, id, revision, version, change_type, changed_at, changed_by, summary, \
         fields, document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(kind)
    .bind(id)
    .bind(row.revision)
    .bind(&row.version)
    .bind(&row.change_type)
    .bind(row.changed_at)
    .bind(&row.changed_by)
    .bind(&row.summary)
    .bind(fields)
    .bind(&row.document);
    transaction.run(statement).await.map(drop)
}

/// A page of a resource's history without documents, the newest write first, and how many writes there are.
///
/// # Errors
/// Where the database cannot be read, and its snapshot holds nothing of the page; it may hold the newest writes alone.
pub async fn history(
    database: &Sql,
    kind: &str,
    id: &str,
    limit: i64,
    offset: i64,
) -> Result<(Vec<HistoryRow>, i64), DbError> {
    const ACTION: &str = "read definition's history";
    // Each write has the next revision: the last one is how many there are, also where not all of them are at hand.
    let text = "SELECT revision FROM definition_history WHERE kind = $1 AND id = $2 ORDER BY revision DESC LIMIT 1";
    let count = Statement::new(ACTION, text).bind(kind).bind(id);
    let last = database.optional(count.or_held_history()).await?;
    let total = last.map_or(Ok(0), |row| row.get(0))?;
    if limit == 0 || offset >= total {
        return Ok((Vec::new(), total));
    }
    let statement = Statement::new(
        ACTION,
        "SELECT revision, version, change_type, changed_at, changed_by, summary, fields FROM definition_history \
         WHERE kind = $1 AND id = $2 ORDER BY revision DESC LIMIT $3 OFFSET $4",
    )
    .bind(kind)
    .bind(id)
    .bind(limit)
    .bind(offset);
    let rows = database.all(statement.or_held_history()).await?;
    let page = rows.iter().map(history_row).collect::<Result<_, _>>()?;
    Ok((page, total))
}

fn history_row(row: &SqlRow) -> Result<HistoryRow, DbError> {
    const ACTION: &str = "read definition's history";
    let fields: String = row.get(6)?;
    Ok(HistoryRow {
        revision: row.get(0)?,
        version: row.get(1)?,
        change_type: row.get(2)?,
        changed_at: row.get(3)?,
        changed_by: row.get(4)?,
        summary: row.get(5)?,
        fields: serde_json::from_str(&fields).map_err(DbError::value(ACTION))?,
        document: None,
    })
}

/// Adds a write to the audit.
///
/// # Errors
/// Where the database cannot be written.
pub async fn add_audit(transaction: &mut Transaction, row: AuditRow<'_>) -> Result<(), DbError> {
    let statement = Statement::new(
        "write audit",
        "INSERT INTO definition_audit (at, actor, source, action, kind, target, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.at)
    .bind(row.actor)
    .bind(row.source)
    .bind(row.action)
    .bind(row.kind)
    .bind(row.target)
    .bind(row.revision);
    transaction.run(statement).await.map(drop)
}
