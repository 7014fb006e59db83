//! Acks and recurring silences.

use super::*;
use crate::db::acks::EndedRow;
use crate::model::ack::{Ack, AckEnd, AckedAlert};
use crate::model::recurring_silence::RecurringSilence;

fn ack(id: &str, alerts: usize) -> Ack {
    let alert = |n: usize| AckedAlert {
        labels: Labels::from_pairs([("alertname", "Down"), ("n", n.to_string().as_str())]),
        rank: 3,
        ended: None,
    };
    Ack {
        id: id.into(),
        owner: "ann".to_owned(),
        note: "\"on it\" 'é".to_owned(),
        created_at: at(10),
        expires_at: (id == "a").then(|| at(1_000)),
        alerts: (0..alerts).map(alert).collect(),
    }
}

#[tokio::test]
async fn acks_are_kept_until_long_after_their_last_alert() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let (mut first, second) = (ack("a", 1_000), ack("b", 1));
    let mut transaction = database.begin().await.unwrap();
    acks::insert(&mut transaction, &first).await.unwrap();
    acks::insert(&mut transaction, &second).await.unwrap();
    let row = |n: usize| EndedRow {
        ack: "a".into(),
        labels: first.alerts[n].labels.clone(),
        at: at(20),
        why: AckEnd::SeverityRose,
    };
    acks::end(&mut transaction, &[row(7)]).await.unwrap();
    transaction.commit().await.unwrap();
    first.alerts[7].ended = Some((at(20), AckEnd::SeverityRose));
    let loaded = async || {
        let mut stored = acks::load(&database).await.unwrap();
        for ack in &mut stored {
            ack.alerts.sort_by_key(|alert| {
                let n = alert.labels.value("n");
                n.parse::<usize>().unwrap()
            });
        }
        stored
    };
    assert_eq!(loaded().await, [first.clone(), second.clone()]);

    let mut transaction = database.begin().await.unwrap();
    let all: Vec<EndedRow> = (0..1_000)
        .map(|n| EndedRow {
            ack: "a".into(),
            labels: first.alerts[n].labels.clone(),
            at: at(30),
            why: AckEnd::Resolved,
        })
        .collect();
    assert_eq!(acks::prune(&mut transaction, at(30)).await.unwrap(), 0);
    acks::end(&mut transaction, &all).await.unwrap();
    assert_eq!(acks::prune(&mut transaction, at(30)).await.unwrap(), 0);
    assert_eq!(acks::prune(&mut transaction, at(31)).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(loaded().await, [second]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_takes_nothing_else_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let mut transaction = database.begin().await.unwrap();
    for id in ["a", "b", "c"] {
        acks::insert(&mut transaction, &ack(id, 2)).await.unwrap();
        let recurring = RecurringSilence {
            id: id.into(),
            matchers: vec![Matcher::equal("alertname", "Backup")],
            schedule: "[{}]".to_owned(),
            starts_at: None,
            ends_at: None,
            updated_at: at(1),
            created_by: "ann".to_owned(),
            comment: String::new(),
        };
        recurring_silences::save(&mut transaction, &recurring)
            .await
            .unwrap();
    }
    for sql in [
        "UPDATE acks SET created_at = 'today' WHERE id = 'b'",
        "UPDATE ack_alerts SET why = 'unheard of', ended_at = 1 WHERE ack_id = 'c' AND labels LIKE '%\"n\":\"1\"%'",
        "UPDATE recurring_silences SET matchers = 'a=b' WHERE id = 'b'",
    ] {
        sqlx::raw_sql(sql)
            .execute(transaction.connection())
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    let stored = acks::load(&database).await.unwrap();
    let shown = stored.iter().map(|ack| (&*ack.id, ack.alerts.len()));
    assert_eq!(shown.collect::<Vec<_>>(), [("a", 2), ("c", 1)]);
    let stored = recurring_silences::load(&database).await.unwrap();
    let ids: Vec<_> = stored.iter().map(|recurring| &*recurring.id).collect();
    assert_eq!(ids, ["a", "c"]);
}

#[tokio::test]
async fn recurring_silences_are_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let mut recurring = RecurringSilence {
        id: "r".into(),
        matchers: vec![Matcher::equal("alertname", "Backup")],
        schedule: r#"[{"weekdays":["sunday"]}]"#.to_owned(),
        starts_at: None,
        ends_at: Some(at(9)),
        updated_at: at(1),
        created_by: "ann".to_owned(),
        comment: "each week".to_owned(),
    };
    for starts_at in [None, Some(at(5))] {
        recurring.starts_at = starts_at;
        let mut transaction = database.begin().await.unwrap();
        recurring_silences::save(&mut transaction, &recurring)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let stored = recurring_silences::load(&database).await.unwrap();
        assert_eq!(stored, [recurring.clone()]);
    }
    let mut transaction = database.begin().await.unwrap();
    recurring_silences::remove(&mut transaction, "r")
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(recurring_silences::load(&database).await.unwrap(), []);
}
