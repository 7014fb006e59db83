//! Twelve hundred at once, readers and writers: nothing is lost, nothing is written twice, nobody sees half of anything.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::db::DbError;
use crate::db::definitions::audit::{self, AuditFilter};
use crate::db::definitions::{self as rows, Filter};
use crate::db::sql::testing::{Fresh, over_both_engines};
use crate::definitions::change::Merge;
use crate::definitions::resource::Kind;
use crate::definitions::store::{Author, Basis, Outcome, Store, StoreError};
use crate::definitions::testing::CHECKS;
use crate::model::timestamp::Timestamp;

const ADA: Author<'_> = Author {
    name: "ada",
    source: "api",
};
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

const READERS: usize = 1_000;
const CREATORS: usize = 100;
const CHANGERS: usize = 100;

fn domain(id: &str, description: &str) -> Value {
    json!({"domain_id": id, "name": id, "description": description})
}

/// Does something until the database has time for it, as a client does that is told to come back. That many ask is no reason to
/// believe it down.
async fn again<T, F: Future<Output = Result<T, StoreError>>>(mut work: impl FnMut() -> F) -> T {
    loop {
        match work().await {
            Ok(done) => return done,
            Err(StoreError::Database(DbError::Unavailable { down: false, .. })) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn twelve_hundred_at_once_lose_nothing(fresh: Fresh) {
    let store = Store::new(fresh.open().await, CHECKS);
    let database = store.database();
    let shared = (Kind::Domain, "SHARED");
    let body = domain("SHARED", "0");
    let made = store.create(Kind::Domain, &body, ADA, NOW).await;
    made.unwrap();
    // What was answered for, before it is asked for.
    let (created, revision) = (AtomicU64::new(1), AtomicI64::new(1));
    let read = async |_: usize| {
        let (least, first) = (
            created.load(Ordering::SeqCst),
            revision.load(Ordering::SeqCst),
        );
        let seen = again(async || Ok(rows::get(database, "domain", "SHARED").await?)).await;
        let seen = seen.expect("it is never removed");
        assert!(seen.revision >= first, "{} after {first}", seen.revision);
        let document: Value = serde_json::from_str(&seen.document).unwrap();
        assert_eq!(document["domain_id"], "SHARED");
        let filter = Filter {
            limit: 10,
            ..Filter::default()
        };
        let list = async || Ok(rows::list(database, "domain", &filter).await?);
        let (page, total) = again(list).await;
        let total = u64::try_from(total).unwrap();
        assert!(total >= least, "{total} of {least}");
        // Counted first: there may be more by now.
        assert!(
            page.len() as u64 >= total.min(10),
            "{} of {total}",
            page.len()
        );
    };
    let create = async |i: usize| {
        let body = domain(&format!("D-{i}"), "new");
        let made = async || match store.create(Kind::Domain, &body, ADA, NOW).await {
            // The answer to the first attempt was lost.
            Err(StoreError::Exists { .. }) => Ok(()),
            made => made.map(drop),
        };
        again(made).await;
        created.fetch_add(1, Ordering::SeqCst);
    };
    let change = async |i: usize| {
        let body = domain("SHARED", &format!("by {i}"));
        let body = body.as_object().unwrap();
        let changed = async || {
            store
                .update(shared, body, Merge::Fields, &Basis::Any, ADA, NOW)
                .await
        };
        let saved = again(changed).await;
        assert!(matches!(saved.outcome, Outcome::Updated { .. }));
        revision.fetch_max(saved.stored.revision, Ordering::SeqCst);
    };
    // Mixed, so that none of the three is through before the others begin.
    let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for i in 0..READERS {
        all.push(Box::pin(read(i)));
        if i % (READERS / CREATORS) == 0 {
            all.push(Box::pin(create(i)));
            all.push(Box::pin(change(i)));
        }
    }
    assert_eq!(all.len(), 1_200);
    join_all(all).await;

    let writes = i64::try_from(1 + CREATORS + CHANGERS).unwrap();
    assert_eq!(rows::generation(database).await.unwrap(), writes);
    let all = AuditFilter::default();
    let (_, audited) = audit::list(database, &all, None, 1, 0).await.unwrap();
    assert_eq!(audited, writes);
    let domains = store.of_kind(Kind::Domain).await.unwrap();
    assert_eq!(domains.len(), 1 + CREATORS);
    let last = 1 + i64::try_from(CHANGERS).unwrap();
    assert_eq!(revision.load(Ordering::SeqCst), last);
    let history = rows::history(database, "domain", "SHARED", 1_000, 0);
    let (history, total) = history.await.unwrap();
    let revisions: Vec<i64> = history.iter().map(|row| row.revision).collect();
    assert_eq!(total, last);
    assert_eq!(revisions, (1..=last).rev().collect::<Vec<_>>());
}

over_both_engines!(twelve_hundred_at_once_lose_nothing);
