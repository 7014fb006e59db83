//! What could not be delivered goes to the fallback receiver, once: a notification to it never falls back again.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::outbox::Place;
use crate::db::outbox::OutboxRow;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::notification::{Notification, NotifiedAlert, Undelivered};
use crate::model::timestamp::Timestamp;

/// The annotation that says it to machines, and to templates.
pub const ANNOTATION: &str = "undelivered";

/// The notifications that take the place of one that was given up: one for each integration of the fallback receiver.
/// None where there is no fallback receiver, or it is the one that failed.
pub fn instead<'a>(
    notification: &Notification,
    error: &str,
    fallback: Option<&str>,
    places: impl Iterator<Item = &'a Place>,
    now: Timestamp,
) -> Vec<OutboxRow> {
    let Some(fallback) = fallback else {
        return Vec::new();
    };
    if notification.undelivered.is_some() || &*notification.receiver == fallback {
        return Vec::new();
    }
    let undelivered = Undelivered {
        notification: Arc::clone(&notification.id),
        receiver: Arc::clone(&notification.receiver),
        integration: notification.integration.clone(),
        error: error.to_owned(),
    };
    let said = undelivered.to_string();
    let alerts: Vec<NotifiedAlert> = notification
        .alerts
        .iter()
        .map(|alert| annotated(alert, &said))
        .collect();
    let mut rows: Vec<OutboxRow> = places
        .filter(|(receiver, _)| &**receiver == fallback)
        .map(|(receiver, integration)| {
            let text: Arc<str> = integration.to_string().into();
            OutboxRow {
                expires_at: None,
                idempotency_key: format!("fallback/{}/{text}", notification.id).into(),
                notification: Notification {
                    id: id(&notification.id, &text),
                    receiver: Arc::clone(receiver),
                    integration: integration.clone(),
                    alerts: alerts.clone(),
                    created_at: now,
                    undelivered: Some(undelivered.clone()),
                    ..notification.clone()
                },
                integration: text,
            }
        })
        .collect();
    rows.sort_by(|a, b| a.integration.cmp(&b.integration));
    rows
}

fn annotated(notified: &NotifiedAlert, said: &str) -> NotifiedAlert {
    let alert = &notified.alert;
    let pairs = alert.annotations.iter().chain([(ANNOTATION, said)]);
    NotifiedAlert {
        alert: Arc::new(Alert {
            annotations: Labels::from_pairs(pairs),
            ..(**alert).clone()
        }),
        ..notified.clone()
    }
}

/// The same one each time: 32 hexadecimal digits.
fn id(undelivered: &str, integration: &str) -> Arc<str> {
    use std::fmt::Write;
    let mut text = String::with_capacity(32);
    let digest = Sha256::digest(format!("fallback\n{undelivered}\n{integration}"));
    for byte in &digest[..16] {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text.into()
}
