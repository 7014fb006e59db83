//! Pictures of alerts for a message: links to those of all its alerts, and the drawn ones of the worst.
//!
//! A message never waits longer than [`TIMEOUT`] for them, and goes without where there is none.

use std::sync::Arc;
use std::time::Duration;

use super::integration::PictureUse;
use super::message::SEVERITY;
use crate::charts::alert::ChartError;
use crate::charts::pictures::{PictureError, Pictures, TIMEOUT};
use crate::clock::Stopwatch;
use crate::model::notification::{
    AlertPicture, AlertStatus, Notification, NotifiedAlert, severity_rank,
};
use crate::model::timestamp::Timestamp;

/// Alerts of a message that get a link; texts name no more of them.
const MAX_LINKS: usize = 100;

/// Puts pictures into a notification, as its integration shows them.
pub async fn illustrate(notification: &mut Notification, pictures: &Pictures, shown: PictureUse) {
    if shown == PictureUse::None || !pictures.config().enabled {
        return;
    }
    let until = notification.created_at;
    let id = Arc::clone(&notification.id);
    for notified in notification.alerts.iter_mut().take(MAX_LINKS) {
        let link = pictures.link(&notified.alert, ended(notified), until);
        notified.picture = link.map(|link| AlertPicture {
            link: link.into(),
            image: "".into(),
            png: None,
        });
    }
    let most = match shown {
        PictureUse::None | PictureUse::Links => return,
        // What only this machine can fetch is no use to a chat.
        PictureUse::Shown if !pictures.config().is_public() => return,
        PictureUse::Shown | PictureUse::Uploaded => 1,
        PictureUse::Inline(most) => most,
    };
    let running = Stopwatch::start();
    for index in worst(&notification.alerts).into_iter().take(most) {
        let notified = &mut notification.alerts[index];
        let left = TIMEOUT.saturating_sub(running.elapsed());
        let Some(png) = drawn(notified, pictures, until, left).await else {
            continue;
        };
        if let Some(picture) = &mut notified.picture {
            picture.image = match shown {
                PictureUse::Inline(_) => {
                    let fingerprint = notified.alert.fingerprint();
                    format!("cid:{fingerprint}.{id}@outrigger").into()
                }
                PictureUse::Shown => Arc::clone(&picture.link),
                PictureUse::None | PictureUse::Links | PictureUse::Uploaded => "".into(),
            };
            picture.png = Some(png);
        }
    }
}

/// Takes what was made for sending out again.
pub fn strip(notification: &mut Notification) {
    for notified in &mut notification.alerts {
        notified.picture = None;
        notified.runbook = None;
    }
}

async fn drawn(
    notified: &NotifiedAlert,
    pictures: &Pictures,
    until: Timestamp,
    left: Duration,
) -> Option<Arc<[u8]>> {
    notified.picture.as_ref()?;
    let alert = &notified.alert;
    match pictures.of_alert(alert, ended(notified), until, left).await {
        Ok(png) => Some(png),
        Err(PictureError::NoRule | PictureError::Chart(ChartError::NoData)) => None,
        Err(error) => {
            tracing::warn!(
                alert = alert.name(),
                alert.fingerprint = %alert.fingerprint(),
                %error,
                "message goes without the picture of its alert"
            );
            None
        }
    }
}

fn ended(notified: &NotifiedAlert) -> Option<Timestamp> {
    match notified.status {
        AlertStatus::Firing => None,
        AlertStatus::Resolved => Some(notified.alert.ends_at),
    }
}

/// The alerts' places, the worst first: those that fire, by severity, in their order.
fn worst(alerts: &[NotifiedAlert]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..alerts.len().min(MAX_LINKS)).collect();
    order.sort_by_key(|index| {
        let notified = &alerts[*index];
        let severity = notified.alert.labels.value(SEVERITY);
        (
            notified.status == AlertStatus::Resolved,
            severity_rank(severity),
        )
    });
    order
}
