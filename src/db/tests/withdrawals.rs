//! Taking back what is not sent yet.

use std::sync::Arc;

use super::*;
use crate::db::outbox::Withdrawal;
use crate::model::alert::{Alert, Course};
use crate::model::notification::{AlertStatus, Digest, DigestGroup, NotifiedAlert};

fn alert(name: &str) -> NotifiedAlert {
    NotifiedAlert {
        status: AlertStatus::Firing,
        known: false,
        picture: None,
        runbook: None,
        alert: Arc::new(Alert {
            labels: Labels::from_pairs([("alertname", name)]),
            annotations: Labels::empty(),
            starts_at: at(1),
            ends_at: at(1),
            updated_at: at(1),
            generator_url: "".into(),
            value: None,
            course: Course::default(),
        }),
    }
}

/// A digest of the groups `a` and `b`, each with one alert.
fn digest(id: &str) -> OutboxRow {
    let alerts = vec![alert("A"), alert("B")];
    let group = |key: &str, place: usize| DigestGroup {
        group_key: key.into(),
        group_labels: Labels::empty(),
        reason: Reason::NewAlerts,
        firing: 1,
        resolved: 0,
        alerts: vec![place],
    };
    let groups = vec![group("a", 0), group("b", 1)];
    let mut row = notification(id, &format!("digest/{id}"), 1);
    row.notification.digest = Some(Digest::of("info".into(), at(1), groups, &alerts));
    row.notification.alerts = alerts;
    row
}

fn of_group(notification: &str, group: &str, name: &str) -> Withdrawal {
    Withdrawal {
        notification: notification.into(),
        group_key: group.into(),
        alerts: vec![alert(name).alert.fingerprint().0],
    }
}

#[tokio::test]
async fn a_digest_loses_a_groups_part_and_is_superseded_with_the_last_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).await;
    let rows = [
        digest("d"),
        notification("n", "g", 1),
        notification("m", "h", 1),
        digest("torn"),
    ];
    enqueue(&database, &rows).await;
    let withdraw = async |withdrawals: &[Withdrawal]| {
        let mut transaction = database.begin().await.unwrap();
        outbox::withdraw(&mut transaction, withdrawals, at(2))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    };
    let left = async || {
        let show = |(notification, state): (Notification, &str)| {
            let names = notification.alerts.iter().map(|alert| alert.alert.name());
            let names = names.collect::<Vec<_>>().concat();
            format!("{} {state} {names}", notification.id)
        };
        let recent = recent(&database).await.into_iter();
        recent.map(show).collect::<Vec<_>>()
    };
    let mut transaction = database.begin().await.unwrap();
    sqlx::raw_sql(r#"UPDATE outbox_payloads SET payload = '{' WHERE payload LIKE '%"id":"torn"%'"#)
        .execute(transaction.connection())
        .await
        .unwrap();
    transaction.commit().await.unwrap();

    withdraw(&[
        of_group("d", "a", "A"),
        of_group("n", "g", "A"),
        of_group("torn", "a", "A"),
    ])
    .await;
    assert_eq!(left().await, ["m pending ", "n superseded ", "d pending B"]);
    assert_eq!(claimed(&database, 3).await, ["d", "m"]);
    withdraw(&[of_group("d", "b", "B")]).await;
    assert_eq!(
        left().await[2],
        "d sending B",
        "what is being sent is not taken back"
    );
    let mut transaction = database.begin().await.unwrap();
    let ids = ["d".into(), "m".into(), "n".into(), "unheard of".into()];
    let fates = outbox::fates(&mut transaction, &ids).await.unwrap();
    let fate = |id: &str| fates.get(id).copied();
    assert_eq!(
        (fate("d"), fate("m")),
        (Some(Fate::Sending), Some(Fate::Sending))
    );
    assert_eq!((fate("n"), fate("unheard of")), (Some(Fate::Dead), None));
    drop(transaction);
    // Nobody was sending it when the process ended.
    database.close().await;
    let database = open(directory.path()).await;
    let mut transaction = database.begin().await.unwrap();
    outbox::withdraw(&mut transaction, &[of_group("d", "b", "B")], at(2))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let recent = recent(&database).await;
    let oldest = recent
        .last()
        .map(|(notification, state)| (&*notification.id, *state));
    assert_eq!(oldest, Some(("d", "superseded")));
}
