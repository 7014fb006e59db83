//! Rows that another version wrote, or a hand: everything else is read.

use prometheus_client::registry::Registry;

use super::*;
use crate::model::silence::Silence;
use crate::telemetry;

/// A row that reads back beside one that does not, in each table.
#[tokio::test]
async fn an_unreadable_row_is_passed_over_and_counted_and_the_others_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let mut registry = Registry::default();
    database.unreadable().register(&mut registry);
    let counted = |table: &str| {
        let text = telemetry::metrics::encode(&registry).unwrap();
        let line = format!(r#"outrigger_database_rows_unreadable_total{{table="{table}"}} "#);
        let count = text.lines().find_map(|found| found.strip_prefix(&line));
        count.map(str::to_owned)
    };
    let spoil = async |sql: &'static str| {
        let mut transaction = database.begin().await.unwrap();
        sqlx::raw_sql(sql)
            .execute(transaction.connection())
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    };

    let key = |group: &str| LogKey {
        group_key: group.into(),
        receiver: "team".into(),
        integration: "webhook[0]".into(),
    };
    let entry = LogEntry {
        told: Told::default(),
        expires_at: at(1_000),
        outbox_id: None,
        previous: Vec::new(),
    };
    let silence = |id: &str| Silence {
        id: id.into(),
        matchers: vec![Matcher::equal("a", "b")],
        starts_at: at(0),
        ends_at: at(9),
        updated_at: at(0),
        created_by: String::new(),
        comment: String::new(),
        annotations: std::collections::BTreeMap::new(),
    };
    let bucket = throttle::BucketKey {
        receiver: "team".into(),
        integration: "webhook[0]".into(),
        severity: "warning".into(),
    };
    let level = throttle::BucketLevel {
        tokens: 1.0,
        at: at(1),
    };
    let digest = throttle::DigestRow {
        id: "d".into(),
        bucket: bucket.clone(),
        opened_at: at(1),
    };
    let item = |group: &str| throttle::ItemRow {
        digest_id: "d".into(),
        group_key: group.into(),
        position: 0,
        payload: "{}".to_owned(),
    };
    let ledger_entry = LedgerEntry {
        at: at(1),
        group_key: "g".into(),
        receiver: "team".into(),
        integration: "webhook[0]".into(),
        labels: None,
        decision: Decision::Deduplicated,
    };
    let mut transaction = database.begin().await.unwrap();
    let rows = [(&key("good"), Some(&entry)), (&key("bad"), Some(&entry))];
    notification_log::save(&mut transaction, &rows)
        .await
        .unwrap();
    let two = [silence("good"), silence("bad")];
    silences::save(&mut transaction, &two).await.unwrap();
    throttle::save_buckets(&mut transaction, &[(bucket.clone(), level)])
        .await
        .unwrap();
    throttle::save_digests(&mut transaction, &[digest], &[item("good"), item("bad")])
        .await
        .unwrap();
    let spoilt = LedgerEntry {
        decision: Decision::NeverTold,
        ..ledger_entry.clone()
    };
    let two = [spoilt, ledger_entry];
    ledger::append(&mut transaction, &two).await.unwrap();
    let mut name = Vec::new();
    for text in ["bad", "team", "webhook[0]"] {
        codec::put_text(&mut name, text);
    }
    let mut torn = journal::Changes::default();
    torn.put(journal::What::Told, &name, &[0x80]);
    torn.append(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    spoil("UPDATE silences SET matchers = 'a=b' WHERE id = 'bad'").await;
    spoil("UPDATE throttle_items SET position = 'first' WHERE group_key = 'bad'").await;
    spoil("INSERT INTO throttle_buckets VALUES ('r', 'i', 's', 'many', 'today')").await;
    spoil("INSERT INTO throttle_digests VALUES ('x', 'r', 'i', 's', 'today')").await;
    spoil("UPDATE ledger_chunks SET body = CAST(REPLACE(CAST(body AS TEXT), 'never_told', 'unheard_of') AS BLOB)").await;

    let log = notification_log::load(&database, at(5)).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(&*log[0].0.group_key, "good");
    let silences = silences::load(&database).await.unwrap();
    assert_eq!(silences.len(), 1);
    let stored = throttle::load(&database).await.unwrap();
    assert_eq!(stored.buckets, [(bucket, level)]);
    assert_eq!((stored.digests.len(), stored.items.len()), (1, 1));
    let filter = LedgerFilter::default();
    let page = ledger::page(&database, &filter, 10).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    for table in [
        "ledger",
        "notification_log",
        "silences",
        "throttle_buckets",
        "throttle_digests",
        "throttle_items",
    ] {
        assert_eq!(counted(table).as_deref(), Some("1"), "{table}");
    }
    assert_eq!(counted("outbox").as_deref(), Some("0"));
}

#[tokio::test]
async fn an_unreadable_notification_is_given_up_and_the_others_are_sent() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    enqueue(
        &database,
        &[notification("a", "g", 1), notification("b", "h", 1)],
    )
    .await;
    let mut transaction = database.begin().await.unwrap();
    sqlx::raw_sql(
        r#"UPDATE outbox_payloads SET payload = '{"id":"a"}' WHERE payload LIKE '%"id":"a"%'"#,
    )
    .execute(transaction.connection())
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    // What was just written is still known; the process after this one reads it.
    database.close().await;
    let database = open(directory.path()).await;
    assert_eq!(claimed(&database, 5).await, ["b"]);
    assert_eq!(claimed(&database, 5).await, [""; 0], "not again and again");
    let mut transaction = database.begin().await.unwrap();
    let fates = outbox::fates(&mut transaction, &["a".into()])
        .await
        .unwrap();
    assert_eq!(fates.get("a"), Some(&Fate::Dead), "nobody was told");
    drop(transaction);
    let recent = outbox::headlines(&database, 10).await.unwrap();
    assert_eq!(recent.len(), 1);
}

/// One that was given up shares the fate of what went to the fallback receiver.
#[tokio::test]
async fn what_the_fallback_receiver_was_told_counts_as_told() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let first = notification("a", "g", 1);
    enqueue(&database, std::slice::from_ref(&first)).await;
    assert_eq!(claimed(&database, 5).await, ["a"]);
    let mut instead = notification("b", "g", 6);
    instead.notification.receiver = "backup".into();
    instead.notification.undelivered = Some(Undelivered {
        notification: "a".into(),
        receiver: "team".into(),
        integration: first.notification.integration.clone(),
        error: "client_error".to_owned(),
    });
    let fate = async || {
        let mut transaction = database.begin().await.unwrap();
        let fates = outbox::fates(&mut transaction, &["a".into()])
            .await
            .unwrap();
        fates["a"]
    };
    let failed = |row: &OutboxRow| {
        let error = "client_error".to_owned();
        (row.notification.clone(), Outcome::Failed { error })
    };
    let outcome = [failed(&first)];
    let ended = outbox::Ended {
        outcomes: outcome.to_vec(),
        instead: vec![instead.clone()],
        revived: Vec::new(),
    };
    outbox::settle(&database, &ended, at(6)).await.unwrap();
    assert_eq!(fate().await, Fate::Sending);
    assert_eq!(claimed(&database, 7).await, ["b"]);
    let status = "200".to_owned();
    let outcome = [(
        instead.notification.clone(),
        Outcome::Delivered { status, sent: None },
    )];
    outbox::finish(&database, &outcome, at(8)).await.unwrap();
    assert_eq!(fate().await, Fate::Delivered);
}
