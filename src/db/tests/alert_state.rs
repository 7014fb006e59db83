use std::sync::Arc;

use super::super::alert_state::{GroupTimer, PostedRow, StateChanges, load, save};
use super::*;
use crate::model::alert::{Alert, Course};

fn row(id: i64, summary: &str, ends_at: i64, is_changed: bool) -> PostedRow {
    PostedRow {
        id,
        alert: Arc::new(Alert {
            labels: Labels::from_pairs([("alertname", "A"), ("n", &id.to_string())]),
            annotations: Labels::from_pairs([("summary", summary)]),
            starts_at: at(1),
            ends_at: at(ends_at),
            updated_at: at(ends_at - 10),
            generator_url: "http://x/".into(),
            value: None,
            course: Course::default(),
        }),
        assumed_end: true,
        is_changed,
    }
}

#[tokio::test]
async fn posted_alerts_and_timers_come_back_as_they_were_last_written() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let write = async |changes: &StateChanges| {
        let mut transaction = database.begin().await.unwrap();
        save(&mut transaction, changes).await.unwrap();
        transaction.commit().await.unwrap();
    };
    let timer = |next, has_flushed| {
        let next = at(next);
        Some(GroupTimer { next, has_flushed })
    };
    write(&StateChanges {
        posted: (1..=700).map(|id| row(id, "old", 100, true)).collect(),
        forgotten: Vec::new(),
        timers: vec![(-7, timer(30, false)), (9, timer(40, true))],
    })
    .await;
    // Sent again; said anew; over.
    write(&StateChanges {
        posted: vec![row(1, "old", 200, false), row(2, "new", 300, true)],
        forgotten: (3..=700).collect(),
        timers: vec![(-7, timer(50, true)), (9, None)],
    })
    .await;
    let stored = load(&database).await.unwrap();
    let read = |id, summary, ends_at| row(id, summary, ends_at, false);
    assert_eq!(
        stored,
        StateChanges {
            posted: vec![read(1, "old", 200), read(2, "new", 300)],
            forgotten: Vec::new(),
            timers: vec![(-7, timer(50, true))],
        }
    );
}
