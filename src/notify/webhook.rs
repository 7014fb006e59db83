//! Alertmanager's webhook: its JSON of version 4 in an HTTP `POST`, byte for byte, or a `payload` of one's own.
//! See <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::builtin;
use super::http::{NOTIFICATION_ID, Sender};
use super::integration::{Delivered, Integration, Kind, PictureUse, Reason, SendError};
use super::message::{Common, receiver_pattern};
use super::render::{Rendering, SecretText, Surroundings};
use super::tree::Tree;
use super::wire::{self, GoTime};
use crate::model::labels::Labels;
use crate::model::notification::{AlertStatus, Notification, NotifiedAlert};
use crate::model::timestamp::Timestamp;

/// A configured webhook.
#[derive(Debug)]
pub struct Webhook {
    /// Where to.
    pub address: SecretText,
    /// The way there.
    pub sender: Sender,
    /// The most alerts one message holds; 0 for no limit.
    pub max_alerts: u64,
    /// What is sent instead of Alertmanager's JSON.
    pub payload: Option<Tree>,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

impl Integration for Webhook {
    fn kind(&self) -> Kind {
        Kind::Webhook
    }

    fn pictures(&self) -> PictureUse {
        // Alertmanager's JSON has no place for them.
        match self.payload {
            None => PictureUse::None,
            Some(_) => PictureUse::Links,
        }
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let mut rendering = Rendering::new(&self.surroundings, notification, now);
            let body = match &self.payload {
                None => payload(
                    notification,
                    &self.surroundings.external_url,
                    self.max_alerts,
                )?,
                Some(tree) => self.own_payload(tree, &mut rendering, notification, now)?,
            };
            let url = self.address.load(&mut rendering).await?;
            let mut headers = HeaderMap::new();
            if !self.surroundings.upstream_only
                && let Ok(id) = HeaderValue::from_str(&notification.id)
            {
                headers.insert(NOTIFICATION_ID, id);
            }
            let answer = self
                .sender
                .post_json(url.expose(), body, headers, now)
                .await
                .map_err(|error| self.surroundings.classed(error))?;
            Ok(Delivered {
                status: answer.status.as_str().to_owned(),
                template_failures: rendering.failures,
                ..Delivered::default()
            })
        })
    }
}

impl Webhook {
    /// The configured payload, of as many alerts as one message holds.
    fn own_payload(
        &self,
        tree: &Tree,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<Vec<u8>, SendError> {
        let otherwise = || builtin::subject(notification);
        let limit = usize::try_from(self.max_alerts).unwrap_or(usize::MAX);
        let value = if limit == 0 || notification.alerts.len() <= limit {
            tree.render(rendering, &otherwise)
        } else {
            let mut shown = notification.clone();
            let left_out = shown.alerts.split_off(limit).len();
            shown.truncated += u64::try_from(left_out).unwrap_or(u64::MAX);
            // The places that a digest points at may be gone.
            shown.digest = None;
            let mut part = Rendering::new(&self.surroundings, &shown, now);
            let value = tree.render(&mut part, &otherwise);
            rendering.failures.append(&mut part.failures);
            value
        };
        wire::encode(&value)
            .map_err(|error| SendError::permanent(Reason::Configuration, error.to_string()))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<PayloadAlert<'a>>,
    group_labels: &'a Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadAlert<'a> {
    status: &'static str,
    labels: &'a Labels,
    annotations: Cow<'a, Labels>,
    starts_at: GoTime,
    ends_at: GoTime,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// The bytes Alertmanager would post.
///
/// # Errors
/// Never with what the model can hold; the encoder's type asks for it.
pub fn payload(
    notification: &Notification,
    external_url: &str,
    max_alerts: u64,
) -> Result<Vec<u8>, SendError> {
    let all = &notification.alerts;
    let limit = usize::try_from(max_alerts).unwrap_or(usize::MAX);
    let shown = match limit {
        0 => all.as_slice(),
        limit => &all[..limit.min(all.len())],
    };
    let left_out = u64::try_from(all.len() - shown.len()).unwrap_or(u64::MAX);
    // As Alertmanager does, status and common labels speak of the alerts in the message.
    let common = Common::of(shown);
    let payload = Payload {
        receiver: receiver_pattern(&notification.receiver),
        status: common.status.as_str(),
        alerts: shown.iter().map(PayloadAlert::of).collect(),
        group_labels: &notification.group_labels,
        common_labels: common.labels,
        common_annotations: common.annotations,
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: notification.truncated + left_out,
    };
    wire::encode(&payload)
        .map_err(|error| SendError::permanent(Reason::Configuration, error.to_string()))
}

impl<'a> PayloadAlert<'a> {
    fn of(notified: &'a NotifiedAlert) -> Self {
        let alert = &notified.alert;
        Self {
            status: notified.status.as_str(),
            labels: &alert.labels,
            annotations: notified.annotations(),
            starts_at: GoTime(Some(alert.starts_at)),
            ends_at: GoTime(match notified.status {
                AlertStatus::Firing => None,
                AlertStatus::Resolved => Some(alert.ends_at),
            }),
            generator_url: &alert.generator_url,
            fingerprint: alert.fingerprint().to_string(),
        }
    }
}
