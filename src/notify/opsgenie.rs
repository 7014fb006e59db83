//! Opsgenie's Alert API, which Jira Service Management speaks too.
//!
//! Texts and lists are cut at Opsgenie's limits; the message ends with an ellipsis then, the description says it. With
//! `update_alerts` an open alert's message and description follow; without, repeats are only counted.
//!
//! See <https://docs.opsgenie.com/docs/alert-api>.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Reply, Sender, quote};
use super::incident::{self, Step};
use super::integration::{Delivered, Integration, Kind, Reason, SendError};
use super::render::{Field, Rendering, SecretText, Surroundings};
use super::{cut, wire};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// Where Opsgenie is; the European one is `https://api.eu.opsgenie.com/`.
pub const API_URL: &str = "https://api.opsgenie.com/";

const MAX_SOURCE: usize = 100;

mod alert;

/// Who is responsible.
#[derive(Debug)]
pub struct Responder {
    /// By id,
    pub id: Field,
    /// by name,
    pub name: Field,
    /// or by user name.
    pub username: Field,
    /// `team`, `teams`, `user`, `escalation` or `schedule`.
    pub kind: Field,
}

/// A configured Opsgenie integration.
#[derive(Debug)]
pub struct Opsgenie {
    /// Its key.
    pub api_key: SecretText,
    /// Where it is; ends with a slash.
    pub api_url: url::Url,
    /// The way there.
    pub sender: Sender,
    /// The alert's title.
    pub message: Field,
    /// Its text.
    pub description: Field,
    /// Who tells.
    pub source: Field,
    /// What else is told, beside the common labels.
    pub details: Vec<(String, Field)>,
    /// What is affected.
    pub entity: Field,
    /// Who is responsible.
    pub responders: Vec<Responder>,
    /// Separated by commas.
    pub actions: Field,
    /// Separated by commas.
    pub tags: Field,
    /// A note.
    pub note: Field,
    /// `P1` to `P5`, or empty.
    pub priority: Field,
    /// Whether an open alert's texts follow.
    pub update_alerts: bool,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

struct Call {
    method: Method,
    url: url::Url,
    body: Value,
}

impl Integration for Opsgenie {
    fn kind(&self) -> Kind {
        Kind::Opsgenie
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let mut rendering = Rendering::new(&self.surroundings, notification, now);
            let key = self.api_key.load(&mut rendering).await?;
            let mut value =
                HeaderValue::from_str(&format!("GenieKey {}", key.expose())).map_err(|_| {
                    SendError::permanent(
                        Reason::Configuration,
                        "api_key holds characters that no header may hold",
                    )
                })?;
            value.set_sensitive(true);
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            let failed = |error: serde_json::Error| {
                SendError::permanent(Reason::Configuration, error.to_string())
            };
            let mut delivered = Delivered::default();
            for step in incident::steps(notification) {
                let calls = self.calls(&mut rendering, notification, &step, now);
                for call in calls.map_err(failed)? {
                    let body = wire::encode(&call.body).map_err(failed)?;
                    let reply = self
                        .sender
                        .send_json(call.method, call.url.as_str(), body, headers.clone(), now)
                        .await?;
                    understand(&reply)?;
                    delivered.status = reply.answer.status.as_str().to_owned();
                }
            }
            delivered.template_failures = rendering.failures;
            Ok(delivered)
        })
    }
}

impl Opsgenie {
    fn calls(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        step: &Step,
        now: Timestamp,
    ) -> Result<Vec<Call>, serde_json::Error> {
        let source = match self.surroundings.upstream_only {
            true => rendering.text(&self.source),
            false => cut::line(rendering.text(&self.source), MAX_SOURCE),
        };
        if !step.fires {
            return Ok(vec![Call {
                method: Method::POST,
                url: self.url(Some((&step.key, "close"))),
                body: json!({"source": source}),
            }]);
        }
        let create = self.create(rendering, notification, step, source, now);
        let (message, description) = (create.message.clone(), create.description.clone());
        let mut calls = vec![Call {
            method: Method::POST,
            url: self.url(None),
            body: serde_json::to_value(create)?,
        }];
        if self.update_alerts {
            let updates = [
                ("message", json!({"message": message})),
                ("description", json!({"description": description})),
            ];
            calls.extend(updates.map(|(part, body)| Call {
                method: Method::PUT,
                url: self.url(Some((&step.key, part))),
                body,
            }));
        }
        Ok(calls)
    }

    fn url(&self, part: Option<(&str, &str)>) -> url::Url {
        let mut url = self.api_url.clone();
        let path = format!("{}v2/alerts", url.path());
        match part {
            None => url.set_path(&path),
            Some((alias, part)) => {
                url.set_path(&format!("{path}/{alias}/{part}"));
                url.query_pairs_mut().append_pair("identifierType", "alias");
            }
        }
        url
    }
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    #[serde(default)]
    errors: Value,
}

fn understand(reply: &Reply) -> Result<(), SendError> {
    if reply.answer.status.is_success() {
        return Ok(());
    }
    let said = match serde_json::from_slice::<Refusal>(&reply.answer.body) {
        Ok(refusal) if refusal.errors.is_null() => format!("Opsgenie says: {}", refusal.message),
        Ok(refusal) => format!("Opsgenie says: {} {}", refusal.message, refusal.errors),
        Err(_) => quote(&reply.answer.body),
    };
    Err(reply.refused(&quote(said.as_bytes())))
}
