//! A test notification: through a receiver's real integrations, at once and once, beside the outbox.
//!
//! It says `[TEST]` where any template shows it: in the alert's name and in its summary. Its group key is its own, so that what
//! a receiver keeps by key (an incident, a thread) is not that of a real group. Nothing is retried, and neither the notification
//! log nor a group knows of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::integration::{Delivered, Integration, Reason, SendError};
use super::outbox::Receivers;
use crate::clock::Stopwatch;
use crate::model::alert::{Alert, Course};
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::notification::{self, AlertStatus, Notification, NotifiedAlert};
use crate::model::runbook_link;
use crate::model::timestamp::Timestamp;

/// What marks it.
pub const MARK: &str = "[TEST]";
/// The longest that one integration may take.
const LONGEST: Duration = Duration::from_secs(40);

/// What is to be sent to whom.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// Which of its integrations.
    pub integration: notification::Integration,
    /// The labels that the alert's group would be formed by.
    pub group_labels: Labels,
    /// The alert's labels, as asked for.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The notification's id.
    pub id: Arc<str>,
    /// Its group key.
    pub group_key: Arc<str>,
    /// What the receiver said.
    pub result: Result<Delivered, SendError>,
    /// How long it took.
    pub took: Duration,
}

/// Sends all of them at once and waits for all; the order stays.
pub async fn send(
    receivers: &Receivers,
    trials: &[Trial],
    external_url: &str,
    now: Timestamp,
) -> Vec<Tried> {
    let each = trials.iter().map(|trial| {
        let mut notification = notification(trial, external_url, now);
        runbook_link::lead(&mut notification, external_url);
        let integration = receivers.get(&notification);
        attempt(integration, notification, now)
    });
    join_all(each).await
}

async fn attempt(
    integration: Option<Arc<dyn Integration>>,
    notification: Notification,
    now: Timestamp,
) -> Tried {
    let watch = Stopwatch::start();
    let result = match integration {
        None => Err(SendError::permanent(
            Reason::Gone,
            "the receiver is no longer configured",
        )),
        Some(integration) => {
            let sent = tokio::time::timeout(LONGEST, integration.send(&notification, now)).await;
            sent.unwrap_or_else(|_| {
                let message = format!("no answer within {LONGEST:?}");
                Err(SendError::temporary(Reason::Timeout, message))
            })
        }
    };
    Tried {
        id: notification.id,
        group_key: notification.group_key,
        result,
        took: watch.elapsed(),
    }
}

fn notification(trial: &Trial, external_url: &str, now: Timestamp) -> Notification {
    let id: Arc<str> = format!("{:032x}", rand::random::<u128>()).into();
    let marked = |labels: &Labels, name| {
        let text = format!("{MARK} {}", labels.value(name));
        labels.with(name, text.trim_end())
    };
    let group_labels = match trial.group_labels.get(ALERT_NAME) {
        Some(_) => marked(&trial.group_labels, ALERT_NAME),
        None => trial.group_labels.clone(),
    };
    let mut annotations = marked(&trial.annotations, "summary");
    if trial.annotations.value("summary").is_empty() {
        let summary =
            format!("{MARK} somebody tries the way of this alert; there is nothing to do");
        annotations = annotations.with("summary", &summary);
    }
    Notification {
        group_key: format!("test/{id}").into(),
        id,
        receiver: Arc::clone(&trial.receiver),
        integration: trial.integration.clone(),
        reason: notification::Reason::FirstNotification,
        group_labels,
        alerts: vec![NotifiedAlert {
            status: AlertStatus::Firing,
            known: false,
            picture: None,
            runbook: None,
            alert: Arc::new(Alert {
                labels: marked(&trial.labels, ALERT_NAME),
                annotations,
                starts_at: now,
                ends_at: now,
                updated_at: now,
                generator_url: external_url.into(),
                value: None,
                course: Course::default(),
            }),
        }],
        truncated: 0,
        undelivered: None,
        created_at: now,
        digest: None,
    }
}
