//! PagerDuty: its Events API, version 2 (`routing_key`) and version 1 (`service_key`).
//!
//! An event larger than PagerDuty takes is sent without its details, and says so. A severity that PagerDuty does not know
//! is replaced by the nearest it knows: an event refused for a word would wake nobody.
//!
//! See <https://developer.pagerduty.com/docs/events-api-v2/overview/> and
//! <https://developer.pagerduty.com/docs/events-api-v1/overview/>.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde::Deserialize;

use super::http::{Reply, Sender, quote};
use super::incident;
use super::integration::{Delivered, Integration, Kind, Reason, SendError};
use super::render::{Field, Rendering, SecretText, Surroundings};
use super::tree::Tree;
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

mod event;

/// Where version 2 takes events.
pub const V2_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// Where version 1 takes events.
pub const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

/// Which version, and its key.
#[derive(Debug)]
pub enum Api {
    /// Version 2.
    V2(SecretText),
    /// Version 1.
    V1(SecretText),
}

/// A picture.
#[derive(Debug)]
pub struct Image {
    /// Its address.
    pub src: Field,
    /// Text in its place.
    pub alt: Field,
    /// Where it leads.
    pub href: Field,
}

/// A link.
#[derive(Debug)]
pub struct Link {
    /// Where it leads.
    pub href: Field,
    /// Its text.
    pub text: Field,
}

/// A configured PagerDuty service.
#[derive(Debug)]
pub struct PagerDuty {
    /// Which version, and its key.
    pub api: Api,
    /// Where to.
    pub url: String,
    /// The way there.
    pub sender: Sender,
    /// Who tells.
    pub client: Field,
    /// A link back.
    pub client_url: Field,
    /// The incident's title.
    pub description: Field,
    /// `critical`, `error`, `warning` or `info`.
    pub severity: Field,
    /// What is affected; empty for the client.
    pub source: Field,
    /// The part that is broken.
    pub component: Field,
    /// What it belongs to.
    pub group: Field,
    /// The kind of event.
    pub class: Field,
    /// What else is told.
    pub details: Vec<(String, Tree)>,
    /// Pictures.
    pub images: Vec<Image>,
    /// Links; `None` for runbooks and sources, or for none where requests are Alertmanager's alone.
    pub links: Option<Vec<Link>>,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

impl Integration for PagerDuty {
    fn kind(&self) -> Kind {
        Kind::PagerDuty
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let mut rendering = Rendering::new(&self.surroundings, notification, now);
            let (Api::V1(key) | Api::V2(key)) = &self.api;
            let key = key.load(&mut rendering).await?;
            if key.expose().is_empty() {
                return Err(SendError::permanent(
                    Reason::Configuration,
                    "PagerDuty's key is empty for this notification",
                ));
            }
            let mut delivered = Delivered::default();
            for step in incident::steps(notification) {
                let body = self.event(&mut rendering, notification, &step, key.expose());
                let body = body.map_err(|error| {
                    SendError::permanent(Reason::Configuration, error.to_string())
                })?;
                let reply = self
                    .sender
                    .send_json(Method::POST, &self.url, body, HeaderMap::new(), now)
                    .await?;
                self.understand(&reply)?;
                delivered.status = reply.answer.status.as_str().to_owned();
            }
            delivered.template_failures = rendering.failures;
            Ok(delivered)
        })
    }
}

impl PagerDuty {
    /// Reads an answer. Version 1 says 403 where version 2 says 429.
    fn understand(&self, reply: &Reply) -> Result<(), SendError> {
        let status = reply.answer.status;
        if status.is_success() {
            return Ok(());
        }
        let said = match serde_json::from_slice::<Refusal>(&reply.answer.body) {
            Ok(refusal) => {
                let errors = refusal.errors.join(", ");
                quote(format!("PagerDuty says: {}: {errors}", refusal.message).as_bytes())
            }
            Err(_) => quote(&reply.answer.body),
        };
        let mut error = reply.refused(&said);
        if matches!(self.api, Api::V1(_)) && status == http::StatusCode::FORBIDDEN {
            error.reason = Reason::RateLimited;
            error.retryable = true;
            error.retry_after = reply.retry_after;
        }
        Err(error)
    }
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    #[serde(default)]
    errors: Vec<String>,
}
