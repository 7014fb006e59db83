mod alert_state;
mod compact;
mod quiet;
mod unreadable;
mod withdrawals;

use std::path::Path;

use super::ledger::{LedgerEntry, LedgerFilter};
use super::notification_log::{Earlier, LogEntry, LogKey, Told};
use super::outbox::{Fate, OutboxRow, Outcome};
use super::*;
use crate::model::labels::Labels;
use crate::model::matcher::{Matcher, Pattern};
use crate::model::notification::{Decision, Integration, Notification, Reason, Undelivered};
use crate::model::timestamp::Timestamp;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn open(directory: &Path) -> Database {
    Database::open(&directory.join("data/outrigger.db"))
        .await
        .unwrap()
}

fn notification(id: &str, group_key: &str, created_at: i64) -> OutboxRow {
    OutboxRow {
        idempotency_key: format!("key-{id}").into(),
        expires_at: None,
        integration: "webhook[0]".into(),
        notification: Notification {
            id: id.into(),
            group_key: group_key.into(),
            receiver: "team".into(),
            integration: Integration {
                kind: "webhook".into(),
                index: 0,
            },
            reason: Reason::FirstNotification,
            group_labels: Labels::empty(),
            alerts: Vec::new(),
            truncated: 0,
            created_at: at(created_at),
            digest: None,
            undelivered: None,
        },
    }
}

async fn enqueue(database: &Database, rows: &[OutboxRow]) {
    let mut transaction = database.begin().await.unwrap();
    outbox::insert(&mut transaction, rows).await.unwrap();
    transaction.commit().await.unwrap();
}

/// The newest notifications as they are stored, each with what became of it.
async fn recent(database: &Database) -> Vec<(Notification, &'static str)> {
    let headlines = outbox::headlines(database, 10).await.unwrap();
    let payloads: Vec<String> = sqlx::query_scalar(
        "SELECT payload FROM outbox_payloads JOIN outbox USING (id) ORDER BY id DESC LIMIT 10",
    )
    .fetch_all(database.reader())
    .await
    .unwrap();
    // One that does not read is passed over by both.
    let payloads = payloads.iter();
    let notifications = payloads.filter_map(|text| serde_json::from_str(text).ok());
    let states = headlines.iter().map(|headline| headline.state);
    let all: Vec<(Notification, &str)> = notifications.zip(states).collect();
    assert_eq!(all.len(), headlines.len());
    for ((notification, _), headline) in all.iter().zip(&headlines) {
        assert_eq!(*notification.receiver, *headline.receiver);
        assert_eq!(notification.alerts.len(), headline.alerts);
    }
    all
}

async fn ledger_count(database: &Database) -> u64 {
    let mut transaction = database.begin().await.unwrap();
    ledger::count(&mut transaction).await.unwrap()
}

async fn claimed(database: &Database, now: i64) -> Vec<String> {
    let claimed = outbox::claim(database, at(now), 10, &[]).await.unwrap();
    claimed
        .iter()
        .map(|claimed| claimed.notification.id.to_string())
        .collect()
}

#[tokio::test]
async fn a_database_opens_twice_and_keeps_what_was_committed() {
    let directory = tempfile::tempdir().unwrap();
    let key = LogKey {
        group_key: "{}:{}".into(),
        receiver: "team".into(),
        integration: "webhook[0]".into(),
    };
    let entry = LogEntry {
        told: Told {
            firing: vec![1, u64::MAX],
            resolved: vec![],
            at: at(5),
        },
        expires_at: at(100),
        outbox_id: Some("x".into()),
        previous: vec![Earlier {
            told: Told::default(),
            outbox_id: Some("w".into()),
        }],
    };
    {
        let database = open(directory.path()).await;
        let mut transaction = database.begin().await.unwrap();
        notification_log::save(&mut transaction, &[(&key, Some(&entry))])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let mut transaction = database.begin().await.unwrap();
        notification_log::save(&mut transaction, &[(&key, None)])
            .await
            .unwrap();
        drop(transaction); // never committed: the row stays
        database.close().await;
    }
    let database = open(directory.path()).await;
    let read = notification_log::load(&database, at(99)).await.unwrap();
    assert_eq!(read, [(key, entry)]);
    assert!(
        notification_log::load(&database, at(100))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    std::fs::write(
        &path,
        "this is no database, and long enough to be sure of it".repeat(100),
    )
    .unwrap();
    let error = Database::open(&path).await.unwrap_err();
    assert!(matches!(error, DbError::Corrupt { .. }), "{error}");

    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Database::open(&file.join("b.db")).await.unwrap_err();
    assert!(matches!(error, DbError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("--data"), "{error}");

    let path = directory.path().join("c.db");
    let database = Database::open(&path).await.unwrap();
    sqlx::query("INSERT INTO schema_migrations (version) VALUES (99)")
        .execute(&database.writer)
        .await
        .unwrap();
    database.close().await;
    let error = Database::open(&path).await.unwrap_err();
    assert!(
        matches!(error, DbError::NewerSchema { found: 99, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn one_process_works_with_a_database_and_commands_come_in_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/outrigger.db");
    let database = Database::open_alone(&path).await.unwrap();
    let second = Database::open_alone(&path).await;
    assert!(matches!(second, Err(DbError::InUse { .. })), "{second:?}");
    Database::open(&path).await.unwrap().close().await;
    database.close().await;
    Database::open_alone(&path).await.unwrap();
}

#[tokio::test]
async fn a_groups_notifications_are_claimed_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let (a, b, c) = (
        notification("a", "g", 1),
        notification("b", "g", 2),
        notification("c", "h", 3),
    );
    enqueue(&database, &[a.clone(), b.clone(), c]).await;
    // The same key again, while the first is on its way, is not a second message.
    enqueue(&database, std::slice::from_ref(&a)).await;
    assert_eq!(claimed(&database, 10).await, ["a", "c"]);
    assert_eq!(claimed(&database, 10).await, [""; 0]);
    let delivered = Outcome::Delivered {
        status: "200".into(),
        sent: None,
    };
    outbox::finish(
        &database,
        &[(a.notification.clone(), delivered.clone())],
        at(11),
    )
    .await
    .unwrap();
    assert_eq!(claimed(&database, 12).await, ["b"]);

    // The process dies: what was being sent is sent again.
    database.close().await;
    let database = open(directory.path()).await;
    let backlog = outbox::backlog(&database, at(0));
    assert_eq!((backlog.waiting, backlog.oldest), (2, Some(at(2))));
    assert_eq!(claimed(&database, 20).await.len(), 2);

    let retry = Outcome::Retry {
        at: at(50),
        error: "503".into(),
    };
    outbox::finish(
        &database,
        &[(b.notification.clone(), retry.clone())],
        at(21),
    )
    .await
    .unwrap();
    assert_eq!(claimed(&database, 49).await, [""; 0]);
    assert_eq!(claimed(&database, 50).await, ["b"]);
    // A newer one arrives meanwhile; the failed older one gives way to it.
    enqueue(&database, &[notification("d", "g", 60)]).await;
    outbox::finish(
        &database,
        &[(b.notification.clone(), retry.clone())],
        at(61),
    )
    .await
    .unwrap();
    let mut transaction = database.begin().await.unwrap();
    let fates = outbox::fates(
        &mut transaction,
        &["a".into(), "b".into(), "d".into(), "z".into()],
    )
    .await
    .unwrap();
    drop(transaction);
    assert_eq!(fates.get("a"), None, "delivered");
    assert_eq!(fates.get("b"), Some(&Fate::Dead));
    assert_eq!(fates.get("d"), Some(&Fate::Pending));
    assert_eq!(fates.get("z"), None);
    let filter = LedgerFilter {
        notification: Some("b".into()),
        ..LedgerFilter::default()
    };
    let entries = ledger::recent(&database, &filter, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].decision.kind(), "superseded");
}

#[tokio::test]
async fn an_alerts_ledger_includes_the_delivery_of_its_notification() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let entry = |time, labels: Option<Labels>, decision| LedgerEntry {
        at: at(time),
        group_key: "g".into(),
        receiver: "team".into(),
        integration: "webhook[0]".into(),
        labels,
        decision,
    };
    let alert = Labels::from_pairs([("alertname", "A")]);
    let enqueued = Decision::Enqueued {
        notification: "n".into(),
        reason: Reason::FirstNotification,
    };
    let delivered = Decision::Delivered {
        notification: "n".into(),
        status: "200".into(),
    };
    let entries = [
        entry(1, Some(alert.clone()), enqueued),
        entry(
            2,
            Some(Labels::from_pairs([("alertname", "B")])),
            Decision::Deduplicated,
        ),
        entry(3, None, delivered),
    ];
    let mut transaction = database.begin().await.unwrap();
    ledger::append(&mut transaction, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    let filter = LedgerFilter {
        fingerprint: Some(alert.fingerprint()),
        ..LedgerFilter::default()
    };
    let read = ledger::recent(&database, &filter, 10).await.unwrap();
    assert_eq!(read, [entries[2].clone(), entries[0].clone()]);
    let filter = LedgerFilter {
        matchers: vec![Matcher::equal("alertname", "A")],
        ..LedgerFilter::default()
    };
    let read = ledger::recent(&database, &filter, 10).await.unwrap();
    assert_eq!(read, [entries[2].clone(), entries[0].clone()]);
    // The whole name counts.
    for (receiver, want) in [
        ("team", 3),
        ("other|team", 3),
        ("te.*", 3),
        ("t[ea]+m", 3),
        ("tea", 0),
        ("eam", 0),
        ("[ea]+", 0),
    ] {
        let filter = LedgerFilter {
            receiver: Some(Pattern::new(receiver).unwrap()),
            ..LedgerFilter::default()
        };
        let read = ledger::recent(&database, &filter, 10).await.unwrap();
        assert_eq!(read.len(), want, "{receiver}");
    }
    assert_eq!(ledger_count(&database).await, 3);

    let mut transaction = database.begin().await.unwrap();
    assert_eq!(
        ledger::prune(&mut transaction, at(2), 100).await.unwrap(),
        1
    );
    assert_eq!(ledger::prune(&mut transaction, at(0), 1).await.unwrap(), 1);
    assert_eq!(ledger::prune(&mut transaction, at(4), 1).await.unwrap(), 1);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn rule_state_is_kept_by_group_and_pruned_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let pair = |key: &str, state: &str| (key.to_owned(), state.to_owned());
    rule_state::save(&database, "g", &[pair("a", "1"), pair("b", "2")], &[])
        .await
        .unwrap();
    rule_state::save(&database, "h", &[pair("c", "3")], &[])
        .await
        .unwrap();
    rule_state::save(&database, "g", &[pair("a", "4")], &["b".to_owned()])
        .await
        .unwrap();
    assert_eq!(
        rule_state::load(&database, "g").await.unwrap(),
        [pair("a", "4")]
    );
    assert_eq!(
        rule_state::prune(&database, &["g".to_owned()])
            .await
            .unwrap(),
        1
    );
    assert!(rule_state::load(&database, "h").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_does_not_stop_those_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    for _ in 0..2 {
        let mut transaction = database.begin().await.unwrap();
        // As a full disk does: the transaction is over, and nobody asked for it.
        sqlx::query("ROLLBACK")
            .execute(transaction.connection())
            .await
            .unwrap();
        assert!(transaction.commit().await.is_err());
    }
    enqueue(&database, &[notification("a", "g", 0)]).await;
    assert_eq!(claimed(&database, 0).await, ["a"]);
}

#[tokio::test]
async fn the_ledger_is_read_in_pages_that_follow_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let entries: Vec<LedgerEntry> = (0..7)
        .map(|i| LedgerEntry {
            at: at(i),
            group_key: "g".into(),
            receiver: if i == 6 { "other" } else { "team" }.into(),
            integration: "webhook[0]".into(),
            labels: Some(Labels::from_pairs([(
                "parity",
                ["even", "odd"][i as usize % 2],
            )])),
            decision: Decision::Deduplicated,
        })
        .collect();
    let mut transaction = database.begin().await.unwrap();
    ledger::append(&mut transaction, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    let check = async |filter: LedgerFilter, limit: u32, want: &[&[i64]]| {
        let mut filter = filter;
        for (i, times) in want.iter().enumerate() {
            let page = ledger::page(&database, &filter, limit).await.unwrap();
            let found: Vec<i64> = page.entries.iter().map(|entry| entry.at.millis()).collect();
            assert_eq!(found, *times, "page {i} of {filter:?}");
            assert_eq!(page.next.is_none(), i + 1 == want.len(), "{filter:?}");
            filter.before = page.next;
        }
    };
    let all = LedgerFilter::default;
    check(all(), 3, &[&[6, 5, 4], &[3, 2, 1], &[0]]).await;
    check(all(), 7, &[&[6, 5, 4, 3, 2, 1, 0]]).await;
    let even = || LedgerFilter {
        matchers: vec![Matcher::equal("parity", "even")],
        ..all()
    };
    check(even(), 2, &[&[6, 4], &[2, 0]]).await;
    let teams = LedgerFilter {
        receiver: Some(Pattern::new("team").unwrap()),
        since: Some(at(1)),
        until: Some(at(4)),
        ..even()
    };
    check(teams, 5, &[&[4, 2]]).await;
    let kinds = LedgerFilter {
        kinds: vec!["enqueued".to_owned(), "muted".to_owned()],
        ..all()
    };
    check(kinds, 5, &[&[]]).await;
}

#[tokio::test]
async fn labels_of_any_text_are_found_by_their_matcher() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let values = ["a_b", "aXb", "50%", "501", "q\"\\\n", "!", "ü", "A_B"];
    let entry = |value: &str| LedgerEntry {
        at: at(0),
        group_key: "g".into(),
        receiver: "team".into(),
        integration: "".into(),
        labels: Some(Labels::from_pairs([("v", value)])),
        decision: Decision::Inactive,
    };
    let mut transaction = database.begin().await.unwrap();
    let entries = values.map(entry);
    ledger::append(&mut transaction, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    for value in values {
        let filter = LedgerFilter {
            matchers: vec![Matcher::equal("v", value)],
            ..LedgerFilter::default()
        };
        let found = ledger::recent(&database, &filter, 10).await.unwrap();
        assert_eq!(found, [entry(value)], "{value:?}");
    }
}

#[tokio::test]
async fn a_migration_that_comes_after_a_later_number_is_still_applied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let database = Database::open(&path).await.unwrap();
    for statement in [
        "DELETE FROM schema_migrations WHERE version = 4",
        "DROP TABLE signing_key",
    ] {
        sqlx::raw_sql(statement)
            .execute(&database.writer)
            .await
            .unwrap();
    }
    database.close().await;
    let database = Database::open(&path).await.unwrap();
    let key = signing_key::load_or_create(&database, [1; 32], at(1)).await;
    key.unwrap();
}

#[tokio::test]
async fn the_signing_key_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let until = Timestamp::from_millis(10);
    let first = signing_key::load_or_create(&database, [1; 32], Timestamp::from_millis(1))
        .await
        .unwrap();
    let second = signing_key::load_or_create(&database, [2; 32], Timestamp::from_millis(2))
        .await
        .unwrap();
    assert_eq!(first.sign("a", "b", until), second.sign("a", "b", until));
}
