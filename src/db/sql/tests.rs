//! What holds of both engines alike.

use super::testing::{Fresh, over_both_engines};
use super::*;
use crate::db::definitions::{self, AuditRow, Column, Columns, Filter};
use crate::model::timestamp::Timestamp;

fn named(id: &str, name: &str) -> definitions::Row {
    definitions::Row {
        kind: "metric",
        id: id.to_owned(),
        name: name.to_owned(),
        columns: Columns {
            category: Some("c".to_owned()),
            ..Columns::default()
        },
        revision: 1,
        search: name.to_lowercase(),
        document: format!("{{\"name\":{name:?}}}"),
        tags: vec![name.to_owned()],
        ..definitions::Row::default()
    }
}

async fn save(database: &Sql, row: &definitions::Row) {
    let mut transaction = database.begin().await.unwrap();
    definitions::save(&mut transaction, row).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn ids(database: &Sql, filter: Filter) -> Vec<String> {
    let filter = Filter {
        limit: 100,
        ..filter
    };
    let (found, total) = definitions::list(database, "metric", &filter)
        .await
        .unwrap();
    assert_eq!(usize::try_from(total).unwrap(), found.len());
    found.into_iter().map(|stored| stored.id).collect()
}

async fn texts_are_ordered_by_their_bytes(fresh: Fresh) {
    let database = fresh.open().await;
    for (id, name) in [
        ("1", "b"),
        ("2", "B"),
        ("3", "a-b"),
        ("4", "ab"),
        ("5", "É"),
    ] {
        save(&database, &named(id, name)).await;
    }
    let found = ids(&database, Filter::default()).await;
    assert_eq!(found, ["2", "3", "4", "1", "5"]);
}

async fn what_looks_like_sql_is_text(fresh: Fresh) {
    let database = fresh.open().await;
    let names = [
        "'; DROP TABLE definitions; --",
        "$1",
        "\" OR 1=1",
        "50%_!",
        "\\",
        "$$x$$",
        "E'\\''",
        "nul\0nul",
    ];
    for (i, name) in names.iter().enumerate() {
        save(&database, &named(&format!("{i}"), name)).await;
    }
    for (i, name) in names.iter().enumerate() {
        for filter in [
            Filter {
                equal: vec![(Column::Name, (*name).to_owned())],
                ..Filter::default()
            },
            Filter {
                search: vec![name.to_lowercase()],
                equal: vec![(Column::Category, "c".to_owned())],
                ..Filter::default()
            },
            Filter {
                tags: vec![vec![(*name).to_owned(), "other".to_owned()]],
                ..Filter::default()
            },
        ] {
            let found = ids(&database, filter.clone()).await;
            assert!(found.contains(&format!("{i}")), "{filter:?}: {found:?}");
        }
    }
    assert_eq!(ids(&database, Filter::default()).await.len(), names.len());
}

async fn no_value_at_all_is_none_of_these(fresh: Fresh) {
    let database = fresh.open().await;
    save(&database, &named("1", "a")).await;
    let filter = Filter {
        tags: vec![Vec::new()],
        ..Filter::default()
    };
    assert!(ids(&database, filter).await.is_empty());
}

async fn what_is_not_committed_did_not_happen_and_frees_the_writer(fresh: Fresh) {
    let database = fresh.open().await;
    let mut transaction = database.begin().await.unwrap();
    let row = named("1", "a");
    definitions::save(&mut transaction, &row).await.unwrap();
    drop(transaction);
    assert!(ids(&database, Filter::default()).await.is_empty());
    save(&database, &row).await;
    assert_eq!(definitions::generation(&database).await.unwrap(), 1);
}

async fn a_transaction_sees_nothing_change_under_it(fresh: Fresh) {
    let database = fresh.open().await;
    let count = async || {
        let mut transaction = database.begin().await.unwrap();
        let at = definitions::last_revision(&mut transaction, "metric", "A").await;
        let history = definitions::HistoryRow {
            revision: at.unwrap() + 1,
            version: None,
            change_type: None,
            changed_at: Timestamp::from_millis(0),
            changed_by: String::new(),
            summary: String::new(),
            fields: Vec::new(),
            document: None,
        };
        let added = definitions::add_history(&mut transaction, "metric", "A", &history).await;
        added.unwrap();
        let audit = AuditRow {
            at: Timestamp::from_millis(0),
            actor: "a",
            source: "api",
            action: "update",
            kind: "metric",
            target: "A",
            revision: history.revision,
        };
        definitions::add_audit(&mut transaction, audit)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    };
    futures_util::future::join_all((0..8).map(|_| count())).await;
    let (_, total) = definitions::history(&database, "metric", "A", 10, 0)
        .await
        .unwrap();
    assert_eq!(total, 8);
}

async fn who_reads_does_not_wait_for_those_who_wait_to_write(fresh: Fresh) {
    let database = fresh.open().await;
    let first = database.begin().await.unwrap();
    let write = async |i: usize| save(&database, &named(&format!("{i}"), "a")).await;
    let mut writers = std::pin::pin!(futures_util::future::join_all((0..10).map(write)));
    let reads = async {
        for _ in 0..50 {
            definitions::generation(&database).await.unwrap();
        }
    };
    tokio::select! {
        _ = &mut writers => panic!("the first has not ended"),
        () = reads => {}
    }
    drop(first);
    writers.await;
    assert_eq!(definitions::generation(&database).await.unwrap(), 10);
}

async fn opening_again_changes_nothing(fresh: Fresh) {
    let database = fresh.open().await;
    save(&database, &named("1", "a")).await;
    database.close().await;
    let again = fresh.open().await;
    assert_eq!(ids(&again, Filter::default()).await, ["1"]);
}

over_both_engines!(
    texts_are_ordered_by_their_bytes,
    what_looks_like_sql_is_text,
    no_value_at_all_is_none_of_these,
    what_is_not_committed_did_not_happen_and_frees_the_writer,
    a_transaction_sees_nothing_change_under_it,
    who_reads_does_not_wait_for_those_who_wait_to_write,
    opening_again_changes_nothing,
);

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    let name = "a_schema_of_a_newer_version_is_refused";
    let Some(fresh) = Fresh::new(testing::Engine::Postgres, name) else {
        return;
    };
    let database = fresh.open().await;
    let mut transaction = database.begin().await.unwrap();
    let newer = "INSERT INTO schema_migrations (version) VALUES ($1)";
    let newer = Statement::new("make it newer", newer).bind(9_999);
    transaction.run(newer).await.unwrap();
    transaction.commit().await.unwrap();
    let refused = fresh.try_open().await.unwrap_err();
    let DbError::NewerSchema { found, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(found, 9_999);
}
