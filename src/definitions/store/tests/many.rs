//! Many writes at once, old revisions, files, and what webhooks follow.

use serde_json::{Value, json};

use crate::db::definitions::audit::{self, AuditFilter};
use crate::db::definitions::events;
use crate::db::sql::Sql;
use crate::db::sql::config::Settings;
use crate::definitions::catalog;
use crate::definitions::resource::Kind;
use crate::definitions::store::batch::{Mode, Replaced, Task};
use crate::definitions::store::managed::{FileItem, Synced};
use crate::definitions::store::{Author, Basis, Outcome, Store, StoreError};
use crate::definitions::testing::CHECKS;
use crate::model::timestamp::Timestamp;

const ADA: Author<'_> = Author {
    name: "ada",
    source: "api",
};
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

async fn store(directory: &tempfile::TempDir) -> Store {
    let file = directory.path().join("outrigger.db");
    let database = Sql::open(&Settings::default(), &file).await;
    Store::new(database.unwrap(), CHECKS)
}

fn domain(id: &str, name: &str) -> Value {
    json!({"domain_id": id, "name": name})
}

fn tasks(domains: &[Value]) -> Vec<Task> {
    let items = domains.iter();
    let items = items.map(|value| catalog::item(Kind::Domain, value, String::new()));
    items.map(Task::from).collect()
}

fn file_items(domains: &[Value]) -> Vec<FileItem> {
    let items = domains.iter().map(|value| FileItem {
        file: "shop.yml".to_owned(),
        item: catalog::item(Kind::Domain, value, String::new()),
    });
    items.collect()
}

async fn names(store: &Store) -> Vec<String> {
    let all = store.of_kind(Kind::Domain).await.unwrap();
    all.iter().map(|domain| domain.name().to_owned()).collect()
}

#[tokio::test]
async fn a_partial_batch_writes_what_is_not_refused_and_an_atomic_one_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let mixed = || tasks(&[domain("A", "a"), domain("B", ""), domain("C", "c")]);
    let check = async |atomic, dry_run, want: &[&str]| {
        let mode = Mode { atomic, dry_run };
        let reports = store.batch(mixed(), mode, ADA, NOW).await.unwrap();
        let taken: Vec<bool> = reports
            .iter()
            .map(|report| report.outcome.is_some())
            .collect();
        assert_eq!(taken, [true, false, true]);
        assert_eq!(names(&store).await, want, "{mode:?}");
    };
    check(true, false, &[]).await;
    check(false, true, &[]).await;
    check(false, false, &["a", "c"]).await;
}

#[tokio::test]
async fn a_list_that_leaves_something_out_removes_it_only_where_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let replace = async |domains: &[Value], may_remove| {
        let items = domains.iter();
        let items = items.map(|value| catalog::item(Kind::Domain, value, String::new()));
        store
            .replace_all(Kind::Domain, items.collect(), may_remove, ADA, NOW)
            .await
            .unwrap()
    };
    let both = [domain("A", "a"), domain("B", "b")];
    assert!(matches!(replace(&both, false).await, Replaced::Done(_)));
    let refused = replace(&both[..1], false).await;
    assert!(
        matches!(&refused, Replaced::WouldRemove(gone) if gone == &["B"]),
        "{refused:?}"
    );
    assert_eq!(names(&store).await, ["a", "b"]);
    replace(&[domain("A", "")], true).await;
    assert_eq!(names(&store).await, ["a", "b"], "one has mistakes");
    replace(&both[1..], true).await;
    assert_eq!(names(&store).await, ["b"]);
}

#[tokio::test]
async fn what_comes_from_files_follows_them_and_is_written_by_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let sync = async |domains: &[Value]| {
        let items = file_items(domains);
        store.sync(Some(&items), NOW).await.unwrap().unwrap()
    };
    let both = [domain("A", "a"), domain("B", "b")];
    let first = Synced {
        created: 2,
        total: 2,
        ..Synced::default()
    };
    assert_eq!(sync(&both).await, first);
    let target = (Kind::Domain, "A");
    let body = domain("A", "x");
    let body = body.as_object().unwrap();
    let write = async || {
        let merge = crate::definitions::change::Merge::Fields;
        store
            .update(target, body, merge, &Basis::Any, ADA, NOW)
            .await
    };
    let refused = write().await;
    assert!(
        matches!(&refused, Err(StoreError::ReadOnly { file }) if file == "shop.yml"),
        "{refused:?}"
    );
    let refused = store.remove(target, &Basis::Any, ADA, NOW).await;
    assert!(
        matches!(refused, Err(StoreError::ReadOnly { .. })),
        "{refused:?}"
    );
    let changed = Synced {
        updated: 1,
        removed: 1,
        total: 1,
        ..Synced::default()
    };
    assert_eq!(sync(&[domain("A", "y")]).await, changed);
    assert_eq!(names(&store).await, ["y"]);
    store.sync(None, NOW).await.unwrap().unwrap();
    assert_eq!(write().await.unwrap().stored.revision, 3);
}

#[tokio::test]
async fn an_old_revision_becomes_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let target = (Kind::Domain, "A");
    let restore =
        async |revision, basis: Basis| store.restore(target, revision, &basis, ADA, NOW).await;
    let nothing = restore(None, Basis::Any).await;
    assert!(
        matches!(nothing, Err(StoreError::NotFound { .. })),
        "{nothing:?}"
    );
    let create = domain("A", "a");
    store.create(Kind::Domain, &create, ADA, NOW).await.unwrap();
    let change = domain("A", "b");
    let change = change.as_object().unwrap();
    let merge = crate::definitions::change::Merge::Deep;
    let changed = store.update(target, change, merge, &Basis::Any, ADA, NOW);
    changed.await.unwrap();
    let stale = restore(Some(1), Basis::OneOf(vec![1])).await;
    assert!(
        matches!(stale, Err(StoreError::Stale { revision: 2 })),
        "{stale:?}"
    );
    let back = restore(Some(1), Basis::OneOf(vec![2])).await.unwrap();
    assert_eq!(back.stored.revision, 3);
    assert_eq!(names(&store).await, ["a"]);
    let same = restore(Some(1), Basis::Any).await.unwrap();
    assert_eq!(same.outcome, Outcome::Unchanged);
    store.remove(target, &Basis::Any, ADA, NOW).await.unwrap();
    let none = restore(Some(4), Basis::Any).await;
    assert!(
        matches!(none, Err(StoreError::NoRevision { revision: 4 })),
        "{none:?}"
    );
    let back = restore(None, Basis::Any).await.unwrap();
    assert_eq!((back.stored.revision, back.outcome), (5, Outcome::Created));
}

#[tokio::test]
async fn a_webhooks_place_moves_once_and_a_new_one_stands_behind_the_last_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let database = store.database();
    let write = async |id: &str| {
        let body = domain(id, id);
        store.create(Kind::Domain, &body, ADA, NOW).await.unwrap();
    };
    write("A").await;
    let place = events::place(database, "hook").await.unwrap();
    write("B").await;
    write("C").await;
    store
        .remove((Kind::Domain, "B"), &Basis::Any, ADA, NOW)
        .await
        .unwrap();
    let waiting = events::behind(database, place.position, 10).await.unwrap();
    let told: Vec<(&str, &str, bool)> = waiting
        .iter()
        .map(|event| (&*event.target, &*event.action, event.document.is_some()))
        .collect();
    let want = [
        ("B", "create", true),
        ("C", "create", true),
        ("B", "delete", false),
    ];
    assert_eq!(told, want);
    let next = events::Place {
        position: waiting[0].number,
        ..place
    };
    assert!(events::shift(database, "hook", place, next).await.unwrap());
    assert!(!events::shift(database, "hook", place, next).await.unwrap());
    assert_eq!(events::place(database, "hook").await.unwrap(), next);
    let filter = AuditFilter {
        target: Some("B".to_owned()),
        actor: Some("ada".to_owned()),
        since: Some(NOW),
        ..AuditFilter::default()
    };
    let (found, total) = audit::list(database, &filter, None, 1, 0).await.unwrap();
    assert_eq!((found[0].action.as_str(), total), ("delete", 2));
    let (found, _) = audit::list(database, &filter, Some(found[0].id), 10, 0)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}
