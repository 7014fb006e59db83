//! Made-up notifications, for trying templates before they are needed.

use std::sync::Arc;
use std::time::Duration;

use crate::model::alert::{Alert, CourseValues};
use crate::model::labels::Labels;
use crate::model::notification::{
    AlertCount, AlertPicture, AlertStatus, Digest, DigestGroup, Integration, Notification,
    NotifiedAlert, Reason, StormNews, StormStage,
};
use crate::model::timestamp::Timestamp;

pub(super) fn all(now: Timestamp) -> Vec<Notification> {
    let firing = alert("HighErrorRate", "api:8080", AlertStatus::Firing, now);
    let resolved = alert("HighErrorRate", "api:8081", AlertStatus::Resolved, now);
    let other = alert("DiskSpaceLow", "db:9100", AlertStatus::Firing, now);
    let mut digest = notification(Reason::Digest, vec![firing.clone(), other.clone()], now);
    digest.group_labels = Labels::empty();
    digest.digest = Some(Digest {
        severity: "critical".into(),
        opened_at: now - Duration::from_secs(60),
        groups: vec![DigestGroup {
            group_key: Arc::clone(&digest.group_key),
            group_labels: Labels::from_pairs([("alertname", "HighErrorRate")]),
            reason: Reason::NewAlerts,
            firing: 2,
            resolved: 0,
            alerts: vec![0, 1],
        }],
        counts: vec![AlertCount {
            name: "HighErrorRate".to_owned(),
            firing: 1,
            resolved: 0,
        }],
        first: Some(0),
        worst: Some(0),
        new: vec![1],
        storm: None,
    });
    let mut storm = digest.clone();
    storm.reason = Reason::Storm;
    if let Some(digest) = &mut storm.digest {
        digest.storm = Some(StormNews {
            stage: StormStage::Began,
            since: now - Duration::from_secs(120),
            alerts: 312,
            kinds: 4,
        });
    }
    let mut over = notification(Reason::Storm, Vec::new(), now);
    over.digest = storm.digest.clone().map(|digest| Digest {
        groups: Vec::new(),
        counts: Vec::new(),
        first: None,
        worst: None,
        new: Vec::new(),
        storm: digest.storm.map(|news| StormNews {
            stage: StormStage::Over,
            ..news
        }),
        ..digest
    });
    let known = NotifiedAlert {
        known: true,
        ..firing.clone()
    };
    vec![
        notification(Reason::FirstNotification, Vec::new(), now),
        notification(Reason::FirstNotification, vec![firing.clone()], now),
        notification(Reason::AllResolved, vec![resolved.clone()], now),
        notification(
            Reason::NewAlerts,
            vec![firing, other.clone(), resolved.clone()],
            now,
        ),
        digest,
        notification(Reason::Repeat, vec![known.clone()], now),
        notification(Reason::NewAlerts, vec![known, other, resolved], now),
        storm,
        over,
    ]
}

fn alert(name: &str, instance: &str, status: AlertStatus, now: Timestamp) -> NotifiedAlert {
    let resolved = match status {
        AlertStatus::Firing => None,
        AlertStatus::Resolved => Some(0.01),
    };
    let alert = Alert {
        labels: Labels::from_pairs([
            ("alertname", name),
            ("instance", instance),
            ("job", "example"),
            ("severity", "critical"),
        ]),
        annotations: Labels::from_pairs([
            ("summary", "an example made up to try templates"),
            ("description", "It is not real."),
            ("runbook_url", "http://localhost:9797/runbooks/example"),
        ]),
        starts_at: now - Duration::from_secs(300),
        ends_at: now,
        updated_at: now,
        generator_url: "http://localhost:9797/graph?g0.expr=up".into(),
        value: Some(0.25),
        course: CourseValues {
            peak: Some(0.5),
            resolved,
            threshold: Some(0.05),
            withdrawn: false,
        }
        .into(),
    };
    NotifiedAlert {
        status,
        known: false,
        alert: Arc::new(alert),
        picture: Some(AlertPicture {
            link: "http://localhost:9797/render/alert/0000000000000000.png".into(),
            image: "cid:0000000000000000@outrigger".into(),
            png: None,
        }),
        runbook: None,
    }
}

fn notification(reason: Reason, alerts: Vec<NotifiedAlert>, now: Timestamp) -> Notification {
    Notification {
        id: "00000000000000000000000000000000".into(),
        group_key: r#"{}:{alertname="HighErrorRate"}"#.into(),
        receiver: "example".into(),
        integration: Integration {
            kind: "webhook".into(),
            index: 0,
        },
        reason,
        group_labels: Labels::from_pairs([("alertname", "HighErrorRate")]),
        alerts,
        truncated: 0,
        created_at: now,
        digest: None,
        undelivered: None,
    }
}
