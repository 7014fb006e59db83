//! What earlier versions wrote, brought into the forms of this one; and the ledger over many chunks.

use std::sync::Arc;

use sqlx::ConnectOptions;

use super::super::alert_state::{self, GroupTimer};
use super::*;

/// The file as the version before wrote it.
async fn old_database(path: &Path, content: &'static str) {
    let options = SqliteConnectOptions::new().filename(path);
    let options = options.create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let statements = ["CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY)"];
    let migrations = MIGRATIONS.iter().filter(|(version, _)| *version < COMPACT);
    for sql in statements
        .into_iter()
        .chain(migrations.map(|(_, sql)| *sql))
    {
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    for (version, _) in MIGRATIONS.iter().filter(|(version, _)| *version < COMPACT) {
        sqlx::query("INSERT INTO schema_migrations VALUES ($1)")
            .bind(version)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    sqlx::raw_sql(content)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_the_version_before_wrote_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    old_database(
        &path,
        r#"
        INSERT INTO ledger (id, at, group_key, receiver, integration, fingerprint, labels, notification, kind, decision) VALUES
            (3, 1, 'g', 'team', 'webhook[0]', 'x', '{"a":"b"}', 'n', 'enqueued', '{"decision":"enqueued","notification":"n","reason":"repeat"}'),
            (4, 2, 'g', 'team', 'webhook[0]', NULL, NULL, 'n', 'delivered', '{"decision":"delivered","notification":"n","status":"200"}'),
            (5, 2, 'g', 'team', 'webhook[0]', NULL, NULL, 'n', 'unheard', '{"decision":"unheard_of"}'),
            (7, 3, 'h', 'team', '', 'y', '{"a":"c"}', NULL, 'inactive', '{"decision":"inactive"}');
        INSERT INTO posted_alerts VALUES
            (8, '{"labels":{"a":"b"},"annotations":{},"starts_at":1,"ends_at":2,"updated_at":3,"generator_url":"","value":null}'),
            (9, 'torn');
        INSERT INTO posted_alert_ends VALUES (8, 20, 30, 1), (9, 20, 30, 1);
        INSERT INTO group_timers VALUES (-5, 40, 1), (6, 50, 0);
        INSERT INTO notification_log VALUES
            ('g', 'team', 'webhook[0]', '{"firing":[1,18446744073709551615],"resolved":[],"at":5}', 5, 100, 'n',
             '[{"told":{"firing":[],"resolved":[2],"at":4},"outbox_id":null}]'),
            ('h', 'team', 'webhook[0]', 'torn', 5, 100, NULL, NULL);
        "#,
    )
    .await;
    let database = Database::open(&path).await.unwrap();

    let filter = LedgerFilter {
        matchers: vec![Matcher::equal("a", "b")],
        ..LedgerFilter::default()
    };
    let entries = ledger::recent(&database, &filter, 10).await.unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.decision.kind()).collect();
    assert_eq!(kinds, ["delivered", "enqueued"]);
    assert_eq!(ledger_count(&database).await, 3);
    let filter = LedgerFilter {
        before: Some(7),
        ..LedgerFilter::default()
    };
    let page = ledger::page(&database, &filter, 1).await.unwrap();
    assert_eq!(page.next, Some(4), "entries keep their numbers");

    let state = alert_state::load(&database).await.unwrap();
    assert_eq!(state.posted.len(), 1);
    let row = &state.posted[0];
    assert_eq!(
        (row.id, row.assumed_end, row.alert.ends_at),
        (8, true, at(20))
    );
    assert_eq!(row.alert.labels.get("a"), Some("b"));
    let mut timers = state.timers;
    timers.sort_by_key(|(id, _)| *id);
    let timer = |next, has_flushed| GroupTimer {
        next: at(next),
        has_flushed,
    };
    assert_eq!(
        timers,
        [(-5, Some(timer(40, true))), (6, Some(timer(50, false)))]
    );

    let log = notification_log::load(&database, at(5)).await.unwrap();
    assert_eq!(log.len(), 1);
    let (key, entry) = &log[0];
    assert_eq!(&*key.group_key, "g");
    assert_eq!(entry.told.firing, [1, u64::MAX]);
    assert_eq!(entry.previous[0].told.resolved, [2]);
    assert_eq!(entry.outbox_id.as_deref(), Some("n"));
}

/// Against a plain list: every filter, page by page, over chunks of any size, some of them cut by retention.
#[tokio::test]
async fn the_ledger_answers_as_a_list_of_its_entries_would() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let entry = |i: i64| {
        let notification: Arc<str> = format!("n{}", i % 1_000 / 4).into();
        let decision = match i % 4 {
            0 => Decision::Delivered {
                notification,
                status: "200".to_owned(),
            },
            1 => Decision::Inactive,
            _ => Decision::Enqueued {
                notification,
                reason: Reason::Repeat,
            },
        };
        LedgerEntry {
            at: at(i / 10),
            group_key: "g".into(),
            receiver: ["team", "other"][(i % 3 == 0) as usize].into(),
            integration: "webhook[0]".into(),
            labels: (i % 4 != 0)
                .then(|| Labels::from_pairs([("n", (i % 50).to_string()), ("a", "b".to_owned())])),
            decision,
        }
    };
    let mut all: Vec<(i64, LedgerEntry)> = Vec::new();
    let mut transaction = database.begin().await.unwrap();
    let small = [1; 20];
    let counts = [1, 2, 700, 40, 1, 1, 1, 1, 1, 1_300, 7, 300];
    for count in counts.into_iter().chain(small) {
        let first = i64::try_from(all.len()).unwrap();
        let new: Vec<_> = (first..first + count).map(entry).collect();
        ledger::append(&mut transaction, &new).await.unwrap();
        all.extend((first + 1..).zip(new));
    }
    let removed = ledger::prune(&mut transaction, at(1), 2_000).await.unwrap();
    assert_eq!(removed, 375);
    let removed = ledger::prune(&mut transaction, at(60), 2_000)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(removed, 225, "600 entries are older than that");
    all.retain(|(_, entry)| entry.at >= at(60));
    assert_eq!(ledger_count(&database).await, 1_775);
    let merged = "SELECT COUNT(*) FROM ledger_chunks WHERE entries = 20";
    let merged: i64 = sqlx::query_scalar(merged)
        .fetch_one(database.reader())
        .await
        .unwrap();
    assert_eq!(merged, 1, "twenty rows of one entry became one");

    let passes = |filter: &LedgerFilter, entry: &LedgerEntry| {
        let matches = |labels: &Labels| {
            filter
                .fingerprint
                .is_none_or(|one| labels.fingerprint() == one)
                && filter
                    .matchers
                    .iter()
                    .all(|matcher| matcher.matches_labels(labels))
        };
        let of_alert = match (&entry.labels, entry.decision.notification()) {
            _ if filter.fingerprint.is_none() && filter.matchers.is_empty() => true,
            (Some(labels), _) => matches(labels),
            (None, Some(id)) => all.iter().any(|(_, other)| {
                other.labels.as_ref().is_some_and(matches)
                    && other.decision.notification() == Some(id)
            }),
            (None, None) => false,
        };
        let notification = entry.decision.notification().map(|id| id.to_string());
        of_alert
            && (filter.notification.is_none() || filter.notification == notification)
            && (filter.kinds.is_empty()
                || filter
                    .kinds
                    .iter()
                    .any(|kind| kind == entry.decision.kind()))
            && filter
                .receiver
                .as_ref()
                .is_none_or(|receiver| receiver.is_match(&entry.receiver))
            && filter.since.is_none_or(|since| entry.at >= since)
            && filter.until.is_none_or(|until| entry.at <= until)
    };
    let any = LedgerFilter::default;
    let named = |name: &str, value: &str| LedgerFilter {
        matchers: vec![Matcher::equal(name, value)],
        ..any()
    };
    let filters = [
        any(),
        LedgerFilter {
            fingerprint: entry(7).labels.map(|labels| labels.fingerprint()),
            ..any()
        },
        LedgerFilter {
            notification: Some("n100".to_owned()),
            ..any()
        },
        LedgerFilter {
            notification: Some("nobody".to_owned()),
            ..any()
        },
        named("n", "13"),
        named("n", "13 and more"),
        named("a", "b"),
        named("absent", ""),
        LedgerFilter {
            kinds: vec!["delivered".to_owned()],
            ..named("n", "14")
        },
        LedgerFilter {
            since: Some(at(100)),
            until: Some(at(140)),
            ..named("n", "15")
        },
        LedgerFilter {
            receiver: Some(Pattern::new("o.*").unwrap()),
            ..any()
        },
    ];
    for filter in filters {
        let want: Vec<_> = all
            .iter()
            .rev()
            .filter(|(_, entry)| passes(&filter, entry))
            .collect();
        for limit in [1_usize, 7, 600, 10_000] {
            let mut want = want.as_slice();
            let mut filter = filter.clone();
            for _ in 0..8 {
                let page = ledger::page(&database, &filter, u32::try_from(limit).unwrap())
                    .await
                    .unwrap();
                let (now, rest) = want.split_at(limit.min(want.len()));
                let found: Vec<_> = page.entries.iter().collect();
                assert_eq!(
                    found,
                    now.iter().map(|(_, entry)| entry).collect::<Vec<_>>(),
                    "{filter:?}"
                );
                let next = now.last().filter(|_| !rest.is_empty()).map(|(id, _)| *id);
                assert_eq!(page.next, next, "{filter:?}");
                (want, filter.before) = (rest, next);
                if next.is_none() {
                    break;
                }
            }
        }
    }
}

/// However little a page looks at, what all of them show is what one that looks at everything shows.
#[tokio::test]
async fn pages_of_the_ledger_that_stop_early_leave_nothing_out() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let entry = |i: i64| {
        let notification: Arc<str> = format!("n{}", i / 10).into();
        LedgerEntry {
            at: at(i),
            group_key: "g".into(),
            receiver: "team".into(),
            integration: "webhook[0]".into(),
            labels: (i % 10 < 9)
                .then(|| Labels::from_pairs([("n", (i % 3).to_string()), ("once", i.to_string())])),
            decision: match i % 10 {
                9 => Decision::Delivered {
                    notification,
                    status: "200".to_owned(),
                },
                _ => Decision::Enqueued {
                    notification,
                    reason: Reason::Repeat,
                },
            },
        }
    };
    let mut transaction = database.begin().await.unwrap();
    for first in (0..4_000).step_by(45) {
        let new: Vec<_> = (first..(first + 45).min(4_000)).map(entry).collect();
        ledger::append(&mut transaction, &new).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let any = LedgerFilter::default;
    let named = |name: &str, value: &str| LedgerFilter {
        matchers: vec![Matcher::equal(name, value)],
        ..any()
    };
    let one = entry(1_234).labels.map(|labels| labels.fingerprint());
    for (filter, fewest, most) in [
        (any(), 20, 20),
        (named("n", "1"), 12, 25),
        // Rows that hold the value nowhere cost little.
        (named("once", "1234"), 1, 2),
        (named("once", "no such value"), 1, 2),
        (
            LedgerFilter {
                kinds: vec!["delivered".to_owned()],
                ..any()
            },
            9,
            12,
        ),
        (
            LedgerFilter {
                kinds: vec!["throttled".to_owned()],
                ..any()
            },
            9,
            12,
        ),
        (
            LedgerFilter {
                fingerprint: one,
                ..any()
            },
            1,
            1,
        ),
        // What begins far behind the newest entries.
        (
            LedgerFilter {
                until: Some(at(1_000)),
                ..named("n", "1")
            },
            2,
            10,
        ),
        (
            LedgerFilter {
                notification: Some("n12".into()),
                ..named("n", "1")
            },
            1,
            12,
        ),
    ] {
        let want = ledger::page(&database, &filter, 10_000).await.unwrap();
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut filter = filter;
        loop {
            let page = ledger::page_within(&database, &filter, 200, 400)
                .await
                .unwrap();
            let stopped = page.next.is_some() && page.entries.len() < 200;
            assert_eq!(page.looked_back_to.is_some(), stopped, "{filter:?}");
            if let (Some(back_to), Some(last)) = (page.looked_back_to, page.entries.last()) {
                assert!(back_to <= last.at);
            }
            found.extend(page.entries);
            pages += 1;
            filter.before = page.next;
            if filter.before.is_none() {
                break;
            }
        }
        assert!((fewest..=most).contains(&pages), "{pages} {filter:?}");
        assert_eq!(found, want.entries, "{filter:?}");
    }
}
