use super::*;
use crate::clock::Clock;
use crate::db::definitions::{self, revisions};
use crate::db::sql::config::Settings;
use crate::db::sql::metrics::Metrics;
use crate::db::sql::testing::{config, fresh_url};
use crate::db::sql::{Engine, Sql};
use crate::db::{Database, DbError};

/// A process with its own directory on a PostgreSQL.
struct Scene {
    directory: tempfile::TempDir,
    settings: Settings,
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        let settings = Settings {
            postgres: Some(config(&fresh_url(test)?)),
            ..Settings::default()
        };
        let directory = tempfile::tempdir().unwrap();
        Some(Self {
            directory,
            settings,
        })
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("definitions.snapshot")
    }

    async fn open(&self) -> Sql {
        let file = self.directory.path().join("outrigger.db");
        let (database, clock) = (Database::open(&file).await.unwrap(), Clock::system());
        let metrics = Metrics::default();
        Sql::new(&self.settings, &database, self.file(), &clock, metrics).unwrap()
    }
}

fn snapshot(of: &Sql) -> &Snapshot {
    match &of.0.engine {
        Engine::Postgres(postgres) => &postgres.snapshot,
        Engine::Sqlite(_) => panic!("it is a PostgreSQL"),
    }
}

/// Thirty writes of each of three definitions, each document of so many bytes.
async fn fill(database: &Sql, bytes: i64) {
    let text = "INSERT INTO definition_history (kind, id, revision, changed_at, changed_by, summary, fields, document) \
                SELECT 'metric', id, revision, 0, 'ada', '', '[]', repeat('x', $1::INTEGER) \
                FROM generate_series(1, 30) AS revision, (VALUES ('A'), ('B'), ('C')) AS ids (id)";
    let mut transaction = database.begin().await.unwrap();
    let statement = Statement::new("fill", text).bind(bytes.to_string().as_str());
    transaction.run(statement).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn held(of: &Snapshot) -> Vec<(String, i64, i64)> {
    let text =
        "SELECT id, MIN(revision), MAX(revision) FROM definition_history GROUP BY id ORDER BY id";
    let rows = of.all(&Statement::new("count", text)).await.unwrap();
    let rows = rows.unwrap().into_iter();
    let row = |row: Row| {
        (
            row.get(0).unwrap(),
            row.get(1).unwrap(),
            row.get(2).unwrap(),
        )
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn of_each_history_the_newest_writes_are_held_as_far_as_there_is_room() {
    let test = "of_each_history_the_newest_writes_are_held_as_far_as_there_is_room";
    for (bytes, oldest) in [(100, [11, 11, 11]), (200_000, [17, 17, 18])] {
        let Some(scene) = Scene::new(test) else {
            return;
        };
        let database = Sql::open(&scene.settings, &scene.file()).await.unwrap();
        fill(&database, bytes).await;
        let database = scene.open().await;
        database.prepare().await;
        let expected = ["A", "B", "C"].map(str::to_owned).into_iter().zip(oldest);
        let expected: Vec<_> = expected.map(|(id, oldest)| (id, oldest, 30)).collect();
        let snapshot = snapshot(&database);
        assert_eq!(held(snapshot).await, expected, "{bytes} bytes");
        assert!(snapshot.bytes() <= MOST_HISTORY_BYTES);

        // The same again from the disk, and it says less where it knows less.
        let loaded = Snapshot::new(Some(scene.file()), &place(snapshot));
        assert!(loaded.load().await.unwrap().is_some());
        assert_eq!(held(&loaded).await, expected, "{bytes} bytes");
        assert_eq!(loaded.bytes(), snapshot.bytes());
        let (writes, total) = definitions::history(&database, "metric", "A", 50, 0)
            .await
            .unwrap();
        assert_eq!(
            (writes.len(), total),
            (30, 30),
            "it is asked while it is there"
        );
        let old = revisions::get(&database, "metric", "A", 1).await.unwrap();
        assert_eq!(old.unwrap().revision, 1);
    }
}

fn place(of: &Snapshot) -> String {
    let (_, database) = of.place.as_ref().unwrap();
    database.clone()
}

#[tokio::test]
async fn a_file_of_another_database_or_version_is_refused_and_one_that_is_good_is_not_believed_for_long()
 {
    let test = "a_file_of_another_database_or_version_is_refused_and_one_that_is_good_is_not_believed_for_long";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    let database = scene.open().await;
    database.prepare().await;
    let place = place(snapshot(&database));
    let refused = |error: DbError, why: &str| assert!(error.to_string().contains(why), "{error}");
    let other = Snapshot::new(Some(scene.file()), "postgres://elsewhere/a");
    refused(other.load().await.unwrap_err(), "of another database");

    let mine = Snapshot::new(Some(scene.file()), &place);
    assert!(mine.load().await.unwrap().is_some());
    let now = Timestamp::from_millis(2_000_000_000_000);
    assert!(snapshot(&database).confirm(0, now) && !mine.confirm(0, now));

    let (head, mut tables) = file::decode(&std::fs::read(scene.file()).unwrap()).unwrap();
    tables[0].columns.push("newer".to_owned());
    std::fs::write(scene.file(), file::encode(&head, &tables).unwrap()).unwrap();
    let fresh = Snapshot::new(Some(scene.file()), &place);
    refused(fresh.load().await.unwrap_err(), "of another version");
    assert!(fresh.age(now).is_none());
}
