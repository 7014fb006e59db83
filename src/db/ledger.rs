//! The ledger: every decision on every alert, and what became of every notification.
//!
//! A row about an alert carries its fingerprint and labels; a row about a notification as a whole carries only the
//! notification's id, which the rows of its alerts carry too. Annotations, values and secrets are not in it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::{Database, DbError, MAX_BINDS, Transaction};
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::{MatchOp, Matcher, Pattern};
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// The group it was taken in.
    pub group_key: Arc<str>,
    /// The receiver it concerns.
    pub receiver: Arc<str>,
    /// The integration, such as `webhook[0]`; empty where it concerns the receiver as a whole.
    pub integration: Arc<str>,
    /// The alert's labels; `None` for a decision on a whole notification.
    pub labels: Option<Labels>,
    /// What was decided.
    pub decision: Decision,
}

/// Which entries to read; every part given must match.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Decisions on this alert, and what became of the notifications it was in.
    pub fingerprint: Option<Fingerprint>,
    /// Decisions on alerts whose labels match all of these, and what became of the notifications they were in.
    pub matchers: Vec<Matcher>,
    /// Entries of this notification or digest.
    pub notification: Option<String>,
    /// Entries of any of these kinds, see [`Decision::kind`]; every kind where empty.
    pub kinds: Vec<String>,
    /// Entries that concern a receiver of such a name, the whole of it.
    pub receiver: Option<Pattern>,
    /// Entries of this time or later.
    pub since: Option<Timestamp>,
    /// Entries of this time or earlier.
    pub until: Option<Timestamp>,
    /// Entries older than the page that ended here, see [`Page::next`].
    pub before: Option<i64>,
}

/// Some entries, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<LedgerEntry>,
    /// What [`LedgerFilter::before`] has to be for those that follow; `None` where there are no more.
    pub next: Option<i64>,
}

/// Rows read at once where matchers decide which of them count.
const BATCH: usize = 1_000;

/// Appends entries.
///
/// # Errors
/// Where the database cannot be written.
pub async fn append(transaction: &mut Transaction, entries: &[LedgerEntry]) -> Result<(), DbError> {
    const ACTION: &str = "write ledger";
    for chunk in entries.chunks(MAX_BINDS / 9) {
        let mut rows = Vec::with_capacity(chunk.len());
        for entry in chunk {
            let labels = entry.labels.as_ref().map(serde_json::to_string).transpose();
            let labels = labels.map_err(DbError::value(ACTION))?;
            let decision =
                serde_json::to_string(&entry.decision).map_err(DbError::value(ACTION))?;
            rows.push((entry, labels, decision));
        }
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger (at, group_key, receiver, integration, fingerprint, labels, notification, kind, decision) ",
        );
        query.push_values(rows, |mut row, (entry, labels, decision)| {
            row.push_bind(entry.at.millis())
                .push_bind(&*entry.group_key)
                .push_bind(&*entry.receiver)
                .push_bind(&*entry.integration)
                .push_bind(
                    entry
                        .labels
                        .as_ref()
                        .map(|labels| labels.fingerprint().to_string()),
                )
                .push_bind(labels)
                .push_bind(entry.decision.notification().map(|id| &**id))
                .push_bind(entry.decision.kind())
                .push_bind(decision);
        });
        transaction.run_once(&mut query, ACTION).await?;
    }
    Ok(())
}

/// The newest entries that pass, newest first.
///
/// # Errors
/// Where the database cannot be read.
pub async fn recent(
    database: &Database,
    filter: &LedgerFilter,
    limit: u32,
) -> Result<Vec<LedgerEntry>, DbError> {
    let page = page(database, filter, limit).await?;
    Ok(page.entries)
}

/// The newest entries that pass, newest first, and where the next page begins.
///
/// # Errors
/// Where the database cannot be read.
pub async fn page(database: &Database, filter: &LedgerFilter, limit: u32) -> Result<Page, DbError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let batch = if filter.matchers.is_empty() && receivers(filter).is_ok() {
        limit.saturating_add(1)
    } else {
        BATCH
    };
    let mut page = Page::default();
    let mut before = filter.before;
    let mut last = None;
    loop {
        let rows = select(database, filter, before, batch).await?;
        let concerned = notifications_of(database, &filter.matchers, &rows).await?;
        let is_end = rows.len() < batch;
        for row in rows {
            before = Some(row.id);
            if !row.passes(filter, &concerned) {
                continue;
            }
            if page.entries.len() == limit {
                page.next = last;
                return Ok(page);
            }
            last = Some(row.id);
            let name = row.id.to_string();
            let unreadable = database.unreadable();
            let entry = unreadable.or_pass_over("ledger", &name, row.into_entry());
            page.entries.extend(entry);
        }
        if is_end {
            return Ok(page);
        }
    }
}

const READ: &str = "read ledger";

/// A row, its decision not read yet.
struct Stored {
    id: i64,
    at: Timestamp,
    group_key: String,
    receiver: String,
    integration: String,
    labels: Option<Labels>,
    notification: Option<String>,
    decision: String,
}

impl Stored {
    fn read(row: &SqliteRow) -> Result<Self, DbError> {
        let text = |i: usize| row.try_get::<String, _>(i).map_err(DbError::query(READ));
        let optional = |i: usize| {
            row.try_get::<Option<String>, _>(i)
                .map_err(DbError::query(READ))
        };
        let labels = optional(5)?;
        Ok(Self {
            id: row.try_get(0).map_err(DbError::query(READ))?,
            at: Timestamp::from_millis(row.try_get(1).map_err(DbError::query(READ))?),
            group_key: text(2)?,
            receiver: text(3)?,
            integration: text(4)?,
            labels: labels.as_deref().map(read_labels).transpose()?,
            notification: optional(6)?,
            decision: text(7)?,
        })
    }

    /// `concerned` are the notifications of alerts that match.
    fn passes(&self, filter: &LedgerFilter, concerned: &HashSet<String>) -> bool {
        let receiver = filter.receiver.as_ref();
        if receiver.is_some_and(|receiver| !receiver.is_match(&self.receiver)) {
            return false;
        }
        let matchers = &filter.matchers;
        match (&self.labels, &self.notification) {
            _ if matchers.is_empty() => true,
            (Some(labels), _) => all_match(matchers, labels),
            (None, Some(notification)) => concerned.contains(notification),
            (None, None) => false,
        }
    }

    fn into_entry(self) -> Result<LedgerEntry, DbError> {
        Ok(LedgerEntry {
            at: self.at,
            group_key: self.group_key.into(),
            receiver: self.receiver.into(),
            integration: self.integration.into(),
            labels: self.labels,
            decision: serde_json::from_str(&self.decision).map_err(DbError::value(READ))?,
        })
    }
}

fn read_labels(text: &str) -> Result<Labels, DbError> {
    serde_json::from_str(text).map_err(DbError::value(READ))
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches_labels(labels))
}

/// Rows that pass what SQL can decide.
async fn select(
    database: &Database,
    filter: &LedgerFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Stored>, DbError> {
    let mut query = QueryBuilder::new(
        "SELECT id, at, group_key, receiver, integration, labels, notification, decision FROM ledger WHERE 1 = 1",
    );
    if let Some(fingerprint) = filter.fingerprint {
        let fingerprint = fingerprint.to_string();
        query
            .push(" AND (fingerprint = ")
            .push_bind(fingerprint.clone())
            .push(
                " OR (fingerprint IS NULL AND notification IN (SELECT notification FROM ledger WHERE fingerprint = ",
            )
            .push_bind(fingerprint)
            .push(")))");
    }
    if let Some(notification) = &filter.notification {
        query.push(" AND notification = ").push_bind(notification);
    }
    if !filter.kinds.is_empty() {
        query.push(" AND kind IN (");
        let mut kinds = query.separated(", ");
        for kind in &filter.kinds {
            kinds.push_bind(kind);
        }
        query.push(")");
    }
    if let Ok(Some(names)) = receivers(filter) {
        query.push(" AND receiver IN (");
        let mut list = query.separated(", ");
        for name in names {
            list.push_bind(name);
        }
        query.push(")");
    }
    for pattern in filter.matchers.iter().filter_map(labels_pattern) {
        query
            .push(" AND (labels IS NULL OR labels LIKE ")
            .push_bind(pattern)
            .push(" ESCAPE '!')");
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(since.millis());
    }
    if let Some(until) = filter.until {
        query.push(" AND at <= ").push_bind(until.millis());
    }
    if let Some(before) = before {
        query.push(" AND id < ").push_bind(before);
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(READ))?;
    rows.iter().map(Stored::read).collect()
}

/// The receivers asked for, where they can be named; an error where each row's has to be looked at.
fn receivers(filter: &LedgerFilter) -> Result<Option<&[String]>, ()> {
    match &filter.receiver {
        None => Ok(None),
        Some(Pattern::Alternatives(names)) if names.len() < MAX_BINDS / 2 => Ok(Some(names)),
        Some(Pattern::Alternatives(_) | Pattern::Prefix { .. } | Pattern::Engine(_)) => Err(()),
    }
}

/// How many entries there are.
///
/// # Errors
/// Where the database cannot be read.
pub async fn count(database: &Database) -> Result<u64, DbError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger")
        .fetch_one(database.reader())
        .await
        .map_err(DbError::query(READ))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// What the stored labels look like where this matcher holds, so that most of the other rows need not be read; rows that
/// come through are looked at by the matcher itself. `None` where that cannot be said.
fn labels_pattern(matcher: &Matcher) -> Option<String> {
    const LONGEST: usize = 10_000;
    if matcher.op() != MatchOp::Equal || matcher.value().is_empty() {
        return None;
    }
    let json = |text: &str| serde_json::to_string(text).ok();
    let pair = format!("{}:{}", json(matcher.name())?, json(matcher.value())?);
    let mut pattern = String::with_capacity(pair.len() + 2);
    pattern.push('%');
    for char in pair.chars() {
        if matches!(char, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(char);
    }
    pattern.push('%');
    (pattern.len() <= LONGEST).then_some(pattern)
}

/// Of the notifications that these rows speak of as a whole, those with an alert that matches.
async fn notifications_of(
    database: &Database,
    matchers: &[Matcher],
    rows: &[Stored],
) -> Result<HashSet<String>, DbError> {
    let mut concerned = HashSet::new();
    if matchers.is_empty() {
        return Ok(concerned);
    }
    let asked: BTreeSet<&String> = rows
        .iter()
        .filter(|row| row.labels.is_none())
        .filter_map(|row| row.notification.as_ref())
        .collect();
    let asked: Vec<&String> = asked.into_iter().collect();
    for chunk in asked.chunks(MAX_BINDS) {
        let mut query = QueryBuilder::new(
            "SELECT DISTINCT notification, labels FROM ledger WHERE labels IS NOT NULL AND notification IN (",
        );
        let mut ids = query.separated(", ");
        for id in chunk {
            ids.push_bind(*id);
        }
        query.push(")");
        let found = query
            .build()
            .persistent(false)
            .fetch_all(database.reader())
            .await
            .map_err(DbError::query(READ))?;
        for row in found {
            let notification: String = row.try_get(0).map_err(DbError::query(READ))?;
            let labels: String = row.try_get(1).map_err(DbError::query(READ))?;
            if !concerned.contains(&notification) && all_match(matchers, &read_labels(&labels)?) {
                concerned.insert(notification);
            }
        }
    }
    Ok(concerned)
}

/// Removes entries older than `before` and, beyond `keep` entries, the oldest; returns how many.
///
/// # Errors
/// Where the database cannot be written.
pub async fn prune(
    transaction: &mut Transaction,
    before: Timestamp,
    keep: u32,
) -> Result<u64, DbError> {
    // Row numbers rise with time, so the oldest are those of the smallest numbers.
    sqlx::query(
        "DELETE FROM ledger WHERE id <= (SELECT COALESCE(MAX(id), 0) FROM ledger) - $1 \
         OR id <= (SELECT COALESCE(MIN(id), 0) - 1 FROM ledger WHERE at >= $2) \
         OR NOT EXISTS (SELECT 1 FROM ledger WHERE at >= $2)",
    )
    .bind(i64::from(keep))
    .bind(before.millis())
    .execute(transaction.connection())
    .await
    .map(|done| done.rows_affected())
    .map_err(DbError::query("prune ledger"))
}
