//! Reading the ledger, newest entries first.
//!
//! A search for an alert is one for its notifications too: what became of them is written without the alert. So it goes
//! through the ledger twice, once for the notifications, once for the entries.
//!
//! A page for people looks at so many entries and stops ([`page_within`]); where notifications are asked for by an alert's
//! labels the second half of these is only for them, so that the outcome of a message is not missed where its alerts stand
//! further back. An outcome that came later than that many entries is.

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memmem;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

use super::chunk::{Stored, decode, hash, holds};
use super::{LedgerEntry, LedgerFilter, Page, READ};
use crate::db::{Database, DbError};
use crate::model::labels::Labels;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

/// Chunks read with one statement: the first time, and as the search goes on.
const FIRST: usize = 2;
const MOST: usize = 64;
/// Rows of hashes read with one statement.
const HASHES: i64 = 1_000;
/// So many entries of a row that is passed over without being decoded cost as much as one that is.
const PASSED_OVER: usize = 8;

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
    page_within(database, filter, limit, usize::MAX).await
}

/// As [`page`], but after having looked at about so many entries the page ends with what it has; [`Page::looked_back_to`]
/// says so then.
///
/// # Errors
/// Where the database cannot be read.
pub async fn page_within(
    database: &Database,
    filter: &LedgerFilter,
    limit: u32,
    effort: usize,
) -> Result<Page, DbError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let concerned = Concerned::of(database, filter, effort).await?;
    let mut walk = Walk::new(filter, candidates(database, filter, &concerned).await?);
    let mut page = Page::default();
    let mut last = None;
    let mut effort = Effort::new(effort);
    let mut stopped = false;
    while let Some(rows) = walk.next(database).await? {
        for row in rows {
            if stopped || concerned.floor.is_some_and(|floor| row.first_id < floor) {
                // Whatever is not looked at is older than all that was.
                // Where that is nothing yet, the next page begins here.
                page.next = effort.before.or(Some(row.first_id + row.entries));
                page.looked_back_to = effort.at.or(Some(Timestamp::from_millis(row.first_at)));
                return Ok(page);
            }
            if !may_hold(&row, filter, &concerned) {
                stopped = effort.spend(&row, PASSED_OVER);
                continue;
            }
            stopped = effort.spend(&row, 1);
            tokio::task::yield_now().await;
            let (entries, damage) = decode(&row.body);
            let unreadable = database.unreadable();
            let name = row.first_id.to_string();
            unreadable.or_pass_over("ledger", &name, damage.map_or(Ok(()), Err));
            let numbered = (row.first_id..).zip(&entries);
            let numbered: Vec<(i64, &Stored<'_>)> = numbered.collect();
            for (id, stored) in numbered.into_iter().rev() {
                if id < row.first_id + row.removed
                    || filter.before.is_some_and(|before| id >= before)
                    || !passes(stored, filter)
                {
                    continue;
                }
                let read = stored.decision();
                if let Ok(decision) = &read
                    && !concerned.covers(stored, decision, filter)
                {
                    continue;
                }
                if page.entries.len() == limit {
                    page.next = last;
                    return Ok(page);
                }
                last = Some(id);
                let name = id.to_string();
                let decision = unreadable.or_pass_over("ledger", &name, read);
                page.entries.extend(decision.map(|decision| LedgerEntry {
                    at: stored.at,
                    group_key: Arc::clone(&stored.group_key),
                    receiver: Arc::clone(&stored.receiver),
                    integration: Arc::clone(&stored.integration),
                    labels: stored.labels.clone(),
                    decision,
                }));
            }
        }
    }
    Ok(page)
}

/// What can be said without the decision.
fn passes(stored: &Stored<'_>, filter: &LedgerFilter) -> bool {
    let receiver = filter.receiver.as_ref();
    let labels = stored.labels.as_ref();
    filter.since.is_none_or(|since| stored.at >= since)
        && filter.until.is_none_or(|until| stored.at <= until)
        && receiver.is_none_or(|receiver| receiver.is_match(&stored.receiver))
        && labels.is_none_or(|labels| {
            all_match(&filter.matchers, labels)
                && filter
                    .fingerprint
                    .is_none_or(|fingerprint| labels.fingerprint() == fingerprint)
        })
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches_labels(labels))
}

/// The notifications that the alerts asked for were in; `None` where no alert is asked for.
struct Concerned {
    of_fingerprint: Option<HashSet<Arc<str>>>,
    of_matchers: Option<HashSet<Arc<str>>>,
    /// The first entry of the last row whose notifications are known with those of enough rows before it; none where all are.
    floor: Option<i64>,
}

impl Concerned {
    async fn of(
        database: &Database,
        filter: &LedgerFilter,
        effort: usize,
    ) -> Result<Self, DbError> {
        let mut concerned = Self {
            of_fingerprint: None,
            of_matchers: None,
            floor: None,
        };
        // Outcomes are younger than what they are of: a search that is bounded begins where its page does.
        let bounded = effort < usize::MAX;
        let from = Start {
            before: filter.before.filter(|_| bounded),
            until: filter.until.filter(|_| bounded),
        };
        if let Some(fingerprint) = filter.fingerprint {
            let rows = Rows::Named(find(database, &[fingerprint.0]).await?);
            let is_asked = |labels: &Labels| labels.fingerprint() == fingerprint;
            let found = notifications(database, (rows, from), effort, |_| true, is_asked).await?;
            concerned.take_floor(found.1);
            concerned.of_fingerprint = Some(found.0);
        }
        if !filter.matchers.is_empty() {
            let is_asked = |labels: &Labels| all_match(&filter.matchers, labels);
            let may_hold = |row: &StoredRow| holds_values(&row.body, &filter.matchers);
            let rows = (Rows::All, from);
            let found = notifications(database, rows, effort, may_hold, is_asked).await?;
            concerned.take_floor(found.1);
            concerned.of_matchers = Some(found.0);
        }
        Ok(concerned)
    }

    fn take_floor(&mut self, floor: Option<i64>) {
        self.floor = self.floor.max(floor);
    }

    /// Whether an entry that [`passes`] is among those asked for, now that its decision is known.
    fn covers(&self, stored: &Stored<'_>, decision: &Decision, filter: &LedgerFilter) -> bool {
        let notification = decision.notification();
        let wanted = filter.notification.as_deref();
        if !filter.kinds.is_empty() && !filter.kinds.iter().any(|kind| kind == decision.kind())
            || wanted.is_some_and(|wanted| notification.is_none_or(|id| **id != *wanted))
        {
            return false;
        }
        let sets = [&self.of_fingerprint, &self.of_matchers];
        stored.labels.is_some()
            || sets.into_iter().flatten().all(|concerned| {
                notification.is_some_and(|notification| concerned.contains(notification))
            })
    }
}

/// The rows that may hold what is asked for, by fingerprint or notification; newest first.
async fn candidates(
    database: &Database,
    filter: &LedgerFilter,
    concerned: &Concerned,
) -> Result<Rows, DbError> {
    if let Some(notification) = &filter.notification {
        return Ok(Rows::Named(find(database, &[hash(notification)]).await?));
    }
    if let (Some(fingerprint), Some(concerned)) = (filter.fingerprint, &concerned.of_fingerprint) {
        let mut wanted = vec![fingerprint.0];
        wanted.extend(concerned.iter().map(|id| hash(id)));
        return Ok(Rows::Named(find(database, &wanted).await?));
    }
    Ok(Rows::All)
}

/// Whether a row is worth decoding.
fn may_hold(row: &StoredRow, filter: &LedgerFilter, concerned: &Concerned) -> bool {
    concerned.of_matchers.as_ref().is_none_or(|concerned| {
        holds_values(&row.body, &filter.matchers)
            || holds(&row.hashes, concerned.iter().map(|id| hash(id)))
    })
}

/// Whether the values that labels must have stand in a chunk at all.
fn holds_values(body: &[u8], matchers: &[Matcher]) -> bool {
    matchers
        .iter()
        .filter(|matcher| matcher.op() == MatchOp::Equal)
        .all(|matcher| memmem::find(body, matcher.value().as_bytes()).is_some())
}

/// The notifications of the alerts asked for, in entries below a number, and the floor where not all were looked at.
async fn notifications(
    database: &Database,
    (rows, from): (Rows, Start),
    effort: usize,
    may_hold: impl Fn(&StoredRow) -> bool,
    is_asked: impl Fn(&Labels) -> bool,
) -> Result<(HashSet<Arc<str>>, Option<i64>), DbError> {
    let everything = LedgerFilter {
        before: from.before,
        until: from.until,
        ..LedgerFilter::default()
    };
    let mut walk = Walk::new(&everything, rows);
    let mut found = HashSet::new();
    let (mut half, mut whole) = (Effort::new(effort / 2), Effort::new(effort));
    let (mut half_spent, mut spent) = (false, false);
    while let Some(rows) = walk.next(database).await? {
        for row in rows {
            if spent {
                return Ok((found, half.before));
            }
            let holds = may_hold(&row);
            let share = if holds { 1 } else { PASSED_OVER };
            half_spent = half_spent || half.spend(&row, share);
            spent = whole.spend(&row, share);
            if !holds {
                continue;
            }
            tokio::task::yield_now().await;
            let (entries, _) = decode(&row.body);
            let removed = usize::try_from(row.removed).unwrap_or_default();
            for stored in entries.iter().skip(removed) {
                if stored.labels.as_ref().is_some_and(&is_asked)
                    && let Ok(decision) = stored.decision()
                {
                    found.extend(decision.notification().cloned());
                }
            }
        }
    }
    Ok((found, None))
}

/// Where a search begins: below a number, and not after a time.
#[derive(Clone, Copy)]
struct Start {
    before: Option<i64>,
    until: Option<Timestamp>,
}

/// How many entries may still be looked at, and how far that went.
struct Effort {
    left: usize,
    /// The number and the time of the oldest entry of the last row.
    before: Option<i64>,
    at: Option<Timestamp>,
}

impl Effort {
    fn new(left: usize) -> Self {
        Self {
            left,
            before: None,
            at: None,
        }
    }

    /// Counts a row; returns whether it is to be the last one.
    fn spend(&mut self, row: &StoredRow, share: usize) -> bool {
        let entries = usize::try_from(row.entries).unwrap_or_default();
        self.left = self.left.saturating_sub(entries.div_ceil(share));
        self.before = Some(row.first_id);
        self.at = Some(Timestamp::from_millis(row.first_at));
        self.left == 0
    }
}

/// A row as it is stored.
struct StoredRow {
    first_id: i64,
    entries: i64,
    removed: i64,
    first_at: i64,
    hashes: Vec<u8>,
    body: Vec<u8>,
}

/// Which rows to read.
enum Rows {
    All,
    /// By the numbers of their first entries, highest first.
    Named(Vec<i64>),
}

/// Reads rows, newest first, a few with each statement.
struct Walk<'f> {
    filter: &'f LedgerFilter,
    rows: Rows,
    /// Entries below this number are still to come.
    before: Option<i64>,
    at_once: usize,
}

impl<'f> Walk<'f> {
    fn new(filter: &'f LedgerFilter, rows: Rows) -> Self {
        Self {
            filter,
            rows,
            before: filter.before,
            at_once: FIRST,
        }
    }

    /// The next rows; `None` where there are no more.
    async fn next(&mut self, database: &Database) -> Result<Option<Vec<StoredRow>>, DbError> {
        let limit = self.at_once;
        self.at_once = (limit * 2).min(MOST);
        let mut query = QueryBuilder::new(
            "SELECT first_id, entries, removed, first_at, hashes, body FROM ledger_chunks WHERE 1 = 1",
        );
        match &mut self.rows {
            Rows::All => {}
            Rows::Named(ids) => {
                if let Some(before) = self.before {
                    ids.retain(|id| *id < before);
                }
                let ids: Vec<i64> = ids.drain(..limit.min(ids.len())).collect();
                if ids.is_empty() {
                    return Ok(None);
                }
                query.push(" AND first_id IN (");
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(id);
                }
                query.push(")");
            }
        }
        if let Some(before) = self.before {
            query.push(" AND first_id < ").push_bind(before);
        }
        if let Some(since) = self.filter.since {
            query.push(" AND last_at >= ").push_bind(since.millis());
        }
        if let Some(until) = self.filter.until {
            query.push(" AND first_at <= ").push_bind(until.millis());
        }
        query
            .push(" ORDER BY first_id DESC LIMIT ")
            .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = query
            .build()
            .persistent(false)
            .fetch_all(database.reader())
            .await
            .map_err(DbError::query(READ))?;
        let read = |row: &SqliteRow| -> Result<StoredRow, sqlx::Error> {
            Ok(StoredRow {
                first_id: row.try_get(0)?,
                entries: row.try_get(1)?,
                removed: row.try_get(2)?,
                first_at: row.try_get(3)?,
                hashes: row.try_get(4)?,
                body: row.try_get(5)?,
            })
        };
        let rows: Result<Vec<StoredRow>, sqlx::Error> = rows.iter().map(read).collect();
        let rows = rows.map_err(DbError::query(READ))?;
        if matches!(self.rows, Rows::All) {
            match rows.last() {
                Some(last) => self.before = Some(last.first_id),
                None => return Ok(None),
            }
        }
        Ok(Some(rows))
    }
}

/// The rows with any of these hashes, newest first.
async fn find(database: &Database, wanted: &[u64]) -> Result<Vec<i64>, DbError> {
    let mut found = Vec::new();
    let mut before = i64::MAX;
    loop {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT first_id, hashes FROM ledger_chunks WHERE first_id < $1 ORDER BY first_id DESC LIMIT $2",
        )
        .bind(before)
        .bind(HASHES)
        .fetch_all(database.reader())
        .await
        .map_err(DbError::query(READ))?;
        let Some((last, _)) = rows.last() else {
            return Ok(found);
        };
        before = *last;
        let holding = rows
            .into_iter()
            .filter(|(_, hashes)| holds(hashes, wanted.iter().copied()));
        found.extend(holding.map(|(first_id, _)| first_id));
    }
}
