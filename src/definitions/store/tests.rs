mod crowd;
mod many;

use serde_json::json;

use super::*;
use crate::db::definitions::{self as rows, Column, Filter};
use crate::db::sql::testing::{Fresh, over_both_engines};
use crate::definitions::catalog::{self, Item};
use crate::definitions::check::FindingKind;
use crate::definitions::testing::{CHECKS, full};

const ADA: Author<'_> = Author {
    name: "ada",
    source: "api",
};
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

async fn store(fresh: &Fresh) -> Store {
    Store::new(fresh.open().await, CHECKS)
}

fn metric(id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut metric = full(Kind::Metric);
    metric["metric_id"] = json!(id);
    metric["name"] = json!(format!("Metric {id}"));
    change(&mut metric);
    metric
}

async fn create(store: &Store, kind: Kind, body: &Value) -> Saved {
    store.create(kind, body, ADA, NOW).await.unwrap()
}

async fn update(store: &Store, id: &str, body: Value, basis: Basis) -> Result<Saved, StoreError> {
    let body = body.as_object().unwrap();
    let target = (Kind::Metric, id);
    store
        .update(target, body, Merge::Fields, &basis, ADA, NOW)
        .await
}

async fn a_resource_is_made_changed_and_removed_and_each_write_is_told(fresh: Fresh) {
    let store = store(&fresh).await;
    let made = create(&store, Kind::Metric, &metric("A", |_| {})).await;
    assert_eq!(
        (made.stored.revision, &made.outcome),
        (1, &Outcome::Created)
    );
    let again = store
        .create(Kind::Metric, &metric("A", |_| {}), ADA, NOW)
        .await;
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");

    let same = update(
        &store,
        "A",
        json!({"tags": ["checkout", "slo"]}),
        Basis::Any,
    )
    .await;
    let same = same.unwrap();
    assert_eq!(
        (same.stored, same.outcome),
        (made.stored, Outcome::Unchanged)
    );
    let changed = update(&store, "A", json!({"category": "X"}), Basis::OneOf(vec![1])).await;
    let changed = changed.unwrap();
    let want = Outcome::Updated {
        fields: vec!["category".to_owned()],
        version: Some("2.0.0".to_owned()),
    };
    assert_eq!((changed.stored.revision, changed.outcome), (2, want));
    let document: Value = serde_json::from_str(&changed.stored.document).unwrap();
    assert_eq!(
        document["tags"],
        json!(["checkout", "slo"]),
        "what is absent stays"
    );

    let stale = update(&store, "A", json!({"category": "Y"}), Basis::OneOf(vec![1])).await;
    assert!(
        matches!(stale, Err(StoreError::Stale { revision: 2 })),
        "{stale:?}"
    );
    let broken = update(&store, "A", json!({"alignment": {}}), Basis::Any).await;
    assert!(matches!(broken, Err(StoreError::Invalid(_))), "{broken:?}");
    let nothing = update(&store, "B", json!({}), Basis::Any).await;
    assert!(
        matches!(nothing, Err(StoreError::NotFound { .. })),
        "{nothing:?}"
    );

    let target = (Kind::Metric, "A");
    store.remove(target, &Basis::Any, ADA, NOW).await.unwrap();
    let found = rows::get(store.database(), "metric", "A").await.unwrap();
    assert_eq!(found, None);
    // Made anew it goes on counting, so that no revision means two things.
    let anew = create(&store, Kind::Metric, &metric("A", |_| {})).await;
    assert_eq!(anew.stored.revision, 4);
    let (history, total) = rows::history(store.database(), "metric", "A", 10, 0)
        .await
        .unwrap();
    let told: Vec<(i64, &str)> = history
        .iter()
        .map(|row| (row.revision, row.summary.as_str()))
        .collect();
    assert_eq!(total, 4);
    assert_eq!(
        told,
        [
            (4, "Initial metric creation"),
            (3, "Removed"),
            (2, "Updated category"),
            (1, "Initial metric creation")
        ]
    );
    assert_eq!(rows::generation(store.database()).await.unwrap(), 4);
}

async fn two_writers_on_one_revision_do_not_both_win(fresh: Fresh) {
    let store = store(&fresh).await;
    create(&store, Kind::Metric, &metric("A", |_| {})).await;
    let write = |tag: &str| update(&store, "A", json!({"tags": [tag]}), Basis::OneOf(vec![1]));
    let (left, right) = tokio::join!(write("left"), write("right"));
    assert_ne!(left.is_ok(), right.is_ok(), "{left:?} {right:?}");
}

async fn filters_combine_and_pages_follow_each_other(fresh: Fresh) {
    let store = store(&fresh).await;
    for (id, category, tags) in [
        ("A", "Latency", json!(["api", "slo"])),
        ("B", "Latency", json!(["web"])),
        ("C", "100%_sure", json!(["api"])),
    ] {
        let metric = metric(id, |metric| {
            metric["category"] = json!(category);
            metric["tags"] = tags;
        });
        create(&store, Kind::Metric, &metric).await;
    }
    create(&store, Kind::Domain, &full(Kind::Domain)).await;
    let check = async |change: fn(&mut Filter), want: &[&str], total: i64| {
        let mut filter = Filter {
            limit: 100,
            ..Filter::default()
        };
        change(&mut filter);
        let found = rows::list(store.database(), "metric", &filter)
            .await
            .unwrap();
        let ids: Vec<&str> = found.0.iter().map(|stored| stored.id.as_str()).collect();
        assert_eq!((ids.as_slice(), found.1), (want, total), "{filter:?}");
    };
    check(|_| {}, &["A", "B", "C"], 3).await;
    check(|filter| filter.descending = true, &["C", "B", "A"], 3).await;
    check(|filter| (filter.limit, filter.offset) = (1, 1), &["B"], 3).await;
    check(|filter| filter.offset = 7, &[], 3).await;
    check(
        |filter| filter.equal.push((Column::Category, "Latency".into())),
        &["A", "B"],
        2,
    )
    .await;
    check(
        |filter| filter.equal.push((Column::Category, "latency".into())),
        &[],
        0,
    )
    .await;
    check(
        |filter| filter.tags.push(vec!["web".into(), "slo".into()]),
        &["A", "B"],
        2,
    )
    .await;
    check(
        |filter| filter.tags = vec![vec!["api".into()], vec!["slo".into()]],
        &["A"],
        1,
    )
    .await;
    check(
        |filter| {
            filter.equal.push((Column::Category, "Latency".into()));
            filter.tags.push(vec!["api".into()]);
        },
        &["A"],
        1,
    )
    .await;
    check(
        |filter| filter.search = vec!["latency".into()],
        &["A", "B"],
        2,
    )
    .await;
    check(
        |filter| filter.search = vec!["latency".into(), "metric b".into()],
        &["B"],
        1,
    )
    .await;
    // What LIKE would read as a pattern is text here, and so is what would end a statement.
    check(|filter| filter.search = vec!["0%_s".into()], &["C"], 1).await;
    check(|filter| filter.search = vec!["1%s".into()], &[], 0).await;
    check(|filter| filter.search = vec!["' OR 1=1 --".into()], &[], 0).await;
    let counts = rows::counts(store.database(), "metric", Column::Category)
        .await
        .unwrap();
    assert_eq!(
        counts,
        [("100%_sure".to_owned(), 1), ("Latency".to_owned(), 2)]
    );
}

fn items(resources: &[(Kind, Value)]) -> Vec<Item> {
    let mut file = json!({});
    for kind in Kind::ALL {
        let of_kind = resources.iter().filter(|(of, _)| *of == kind);
        file[kind.plural()] = of_kind.map(|(_, value)| value.clone()).collect();
    }
    catalog::items(&file).0
}

async fn an_import_is_all_or_nothing_and_a_dry_run_nothing(fresh: Fresh) {
    let store = store(&fresh).await;
    let all: Vec<(Kind, Value)> = Kind::ALL.map(|kind| (kind, full(kind))).to_vec();
    let outcomes = async |items: &[Item], dry_run| {
        let reports = store.import(items, dry_run, ADA, NOW).await.unwrap();
        reports
            .into_iter()
            .map(|report| report.outcome)
            .collect::<Vec<_>>()
    };
    let created = vec![Some(Outcome::Created); 3];
    assert_eq!(outcomes(&items(&all), true).await, created);
    assert_eq!(store.all().await.unwrap().len(), 0, "it was only tried");
    let mut broken = all.clone();
    broken[1].1["tier"] = json!("Tier-9");
    let refused = outcomes(&items(&broken), false).await;
    assert_eq!(
        refused,
        [Some(Outcome::Created), None, Some(Outcome::Created)]
    );
    assert_eq!(store.all().await.unwrap().len(), 0, "one was refused");
    assert_eq!(outcomes(&items(&all), false).await, created);
    assert_eq!(
        outcomes(&items(&all), false).await,
        vec![Some(Outcome::Unchanged); 3]
    );
}

async fn what_is_exported_is_the_same_in_another_database(fresh: Fresh) {
    let other = fresh.another();
    let (here, there) = (store(&fresh).await, store(&other).await);
    for kind in Kind::ALL {
        create(&here, kind, &full(kind)).await;
    }
    update(&here, "CHECKOUT-SUCCESS", json!({"tags": []}), Basis::Any)
        .await
        .unwrap();
    let exported = catalog::catalog(&here.all().await.unwrap());
    // As YAML has it.
    let text = serde_yaml::to_string(&exported).unwrap();
    let read: Value = serde_yaml::from_str(&text).unwrap();
    let later = Timestamp::from_millis(NOW.millis() + 5_000);
    there
        .import(&catalog::items(&read).0, false, ADA, later)
        .await
        .unwrap();
    assert_eq!(catalog::catalog(&there.all().await.unwrap()), exported);
}

async fn a_reference_to_nothing_is_a_warning(fresh: Fresh) {
    let store = store(&fresh).await;
    let alone = create(&store, Kind::Objective, &full(Kind::Objective)).await;
    let [warning] = alone.findings.warnings.as_slice() else {
        panic!("{:?}", alone.findings);
    };
    assert_eq!(warning.field, "key_results[0].metric_ids[0]");
    assert_eq!(warning.kind, FindingKind::Reference);
    // In one import the order does not matter.
    let all: Vec<(Kind, Value)> = Kind::ALL.map(|kind| (kind, full(kind))).to_vec();
    let reports = store.import(&items(&all), false, ADA, NOW).await.unwrap();
    for report in reports {
        assert_eq!(report.findings, Findings::default(), "{}", report.id);
    }
}

over_both_engines!(
    a_resource_is_made_changed_and_removed_and_each_write_is_told,
    two_writers_on_one_revision_do_not_both_win,
    filters_combine_and_pages_follow_each_other,
    an_import_is_all_or_nothing_and_a_dry_run_nothing,
    what_is_exported_is_the_same_in_another_database,
    a_reference_to_nothing_is_a_warning,
);
