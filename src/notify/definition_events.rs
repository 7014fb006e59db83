//! Tells webhooks what happens to definitions.
//!
//! ```text
//! write ─▶ audit (same transaction) ─▶ behind a webhook's place ─▶ POST ─▶ 2xx: the place moves on
//!                                                                   └─▶ else: again after 1 s, 2 s, 4 s … 15 min, for a day
//! ```
//!
//! In the order of the writes, at least once: a receiver that answers too late is told again, with the same id. What could not
//! be told for a day is dropped and counted; the next one is tried. Requests are those of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>):
//!
//! ```text
//! webhook-id: evt_12_1795132800000
//! webhook-timestamp: 1795132801
//! webhook-signature: v1,<Base64 of HMAC-SHA256 over "id.timestamp.body">
//!
//! {"id", "type": "metric.updated", "timestamp", "data": {kind, id, revision, version, changed_by, source, changes_summary,
//!   fields_changed, document}}
//! ```
//!
//! A secret that begins with `whsec_` is Base64 behind it; any other is taken as it is.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;

use super::http::{Sender, load};
use super::integration::{Reason, SendError};
use crate::clock::Clock;
use crate::db::DbError;
use crate::db::definitions::events::{self, Event, Place};
use crate::db::sql::Sql;
use crate::model::timestamp::Timestamp;
use crate::tasks::Stop;

pub use self::settings::{ACTIONS, WebhookConfig, read};

/// Between two looks at what was written; another process may write too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After the database did not answer.
const LOOK_AFTER_TROUBLE: Duration = Duration::from_secs(15);
/// Writes that are read at once.
const BATCH: i64 = 50;
/// The longest wait before another attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long a write is told of, at least.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Attempts that a write gets whatever its age.
const LEAST_ATTEMPTS: i64 = 5;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    webhook: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    webhook: String,
}

/// The metrics of webhooks. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    events: Family<Outcome, Counter>,
    attempts: Family<Named, Gauge>,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "outrigger_definition_webhook_events",
            "Changes of definitions that webhooks were told of: delivered, failed attempts, dropped after a day",
            metrics.events.clone(),
        );
        registry.register(
            "outrigger_definition_webhook_failed_attempts",
            "Attempts in vain at the event that is next; 0 where everything is told",
            metrics.attempts.clone(),
        );
        metrics
    }

    fn count(&self, webhook: &str, outcome: &'static str) {
        let webhook = webhook.to_owned();
        self.events
            .get_or_create(&Outcome { webhook, outcome })
            .inc();
    }
}

/// The loop.
#[derive(Debug)]
pub struct Worker {
    /// Where writes are.
    pub database: Sql,
    /// The time.
    pub clock: Clock,
    /// The webhooks, replaced on reload.
    pub config: watch::Receiver<Vec<WebhookConfig>>,
    /// Where it counts.
    pub metrics: Metrics,
}

struct Webhook {
    config: WebhookConfig,
    sender: Sender,
}

impl Worker {
    /// Tells webhooks until told to stop.
    pub async fn run(mut self, stop: Stop) {
        let mut webhooks: Arc<Vec<Webhook>> = Arc::default();
        let mut known = Vec::new();
        loop {
            let config = self.config.borrow_and_update().clone();
            if config != known {
                webhooks = Arc::new(config.iter().map(Webhook::new).collect());
                known = config;
            }
            let look = join_all(webhooks.iter().map(|webhook| self.look(webhook)));
            let answered = tokio::select! {
                () = stop.cancelled() => return,
                answered = look => answered,
            };
            let pause = match answered.as_slice() {
                [] => Duration::MAX,
                all if all.iter().all(|answered| *answered) => LOOK_EVERY,
                _ => LOOK_AFTER_TROUBLE,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.config.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether the database answered.
    async fn look(&self, webhook: &Webhook) -> bool {
        let told = self.tell(webhook).await;
        if let Err(error) = &told {
            tracing::error!(%error, webhook = webhook.config.name, "read what webhook is to be told");
        }
        told.is_ok()
    }

    /// Tells a webhook what it has not been told, as far as it takes it.
    async fn tell(&self, webhook: &Webhook) -> Result<(), DbError> {
        let name = &webhook.config.name;
        let mut place = events::place(&self.database, name).await?;
        if place.due_at > self.clock.now() {
            return Ok(());
        }
        let waiting = events::behind(&self.database, place.position, BATCH).await?;
        let mut passed = place.position;
        for event in waiting {
            if !webhook.config.wants(&event) {
                passed = event.number;
                continue;
            }
            // For so long it is ours.
            let now = self.clock.now();
            let held = Place {
                due_at: now + webhook.config.timeout + Duration::from_secs(5),
                ..place
            };
            if !events::shift(&self.database, name, place, held).await? {
                return Ok(());
            }
            let result = webhook.send(&event, now).await;
            place = self.decided(webhook, &event, place, &result);
            events::shift(&self.database, name, held, place).await?;
            passed = place.position;
            let failed = self.metrics.attempts.get_or_create(&Named {
                webhook: name.clone(),
            });
            failed.set(place.attempts);
            if place.attempts > 0 {
                return Ok(());
            }
        }
        if passed > place.position {
            let to = Place {
                position: passed,
                ..place
            };
            events::shift(&self.database, name, place, to).await?;
        }
        Ok(())
    }

    /// Where a webhook stands after an attempt.
    fn decided(
        &self,
        webhook: &Webhook,
        event: &Event,
        place: Place,
        result: &Result<(), SendError>,
    ) -> Place {
        let name = &webhook.config.name;
        let now = self.clock.now();
        let next = after(place, event, result.is_ok(), now);
        match result {
            Ok(()) => self.metrics.count(name, "delivered"),
            Err(error) => {
                self.metrics.count(name, "failed");
                if next.attempts == 0 {
                    self.metrics.count(name, "dropped");
                    tracing::error!(%error, webhook = name, event = event_id(event), "webhook was not told for a day; the event is dropped");
                } else if next.attempts == 1 {
                    tracing::warn!(%error, webhook = name, event = event_id(event), "tell webhook of a definition; trying again");
                }
            }
        }
        next
    }
}

/// The place after an attempt: past the event where it was told or given up, else at it, to be tried later.
fn after(place: Place, event: &Event, told: bool, now: Timestamp) -> Place {
    let attempts = place.attempts + 1;
    let too_old = now.since(event.at) > GIVE_UP_AFTER && attempts >= LEAST_ATTEMPTS;
    if told || too_old {
        return Place {
            position: event.number,
            attempts: 0,
            due_at: Timestamp::from_millis(0),
        };
    }
    let doubled = u32::try_from(attempts - 1).unwrap_or(u32::MAX).min(20);
    let wait = Duration::from_secs(1 << doubled).min(LONGEST_WAIT);
    Place {
        attempts,
        due_at: now + wait,
        ..place
    }
}

impl WebhookConfig {
    fn wants(&self, event: &Event) -> bool {
        self.events.contains(&&*event.action)
            && self.kinds.iter().any(|kind| kind.as_str() == event.kind)
    }
}

impl Webhook {
    fn new(config: &WebhookConfig) -> Self {
        Self {
            sender: Sender::new(config.http.clone(), config.timeout),
            config: config.clone(),
        }
    }

    async fn send(&self, event: &Event, now: Timestamp) -> Result<(), SendError> {
        let url = load(&self.config.url).await?;
        let secret = load(&self.config.secret).await?;
        let body = body(event).to_string();
        let id = event_id(event);
        let seconds = (now.millis() / 1000).to_string();
        let signature = sign(secret.expose(), &id, &seconds, &body).ok_or_else(|| {
            let detail = "the secret behind whsec_ is no Base64, or empty";
            SendError::temporary(Reason::Configuration, detail)
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", seconds),
            ("webhook-signature", signature),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let sender = &self.sender;
        let sent = sender.post_json(url.expose(), body.into_bytes(), headers, now);
        sent.await.map(drop)
    }
}

/// The same at each attempt, and of no other event.
fn event_id(event: &Event) -> String {
    format!("evt_{}_{}", event.number, event.at.millis())
}

fn body(event: &Event) -> Value {
    let done = match event.action.as_str() {
        "create" => "created",
        "delete" => "deleted",
        _ => "updated",
    };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({
        "id": event_id(event),
        "type": format!("{}.{done}", event.kind),
        "timestamp": event.at.to_rfc3339(),
        "data": {
            "kind": event.kind,
            "id": event.target,
            "revision": event.revision,
            "version": event.version,
            "changed_by": event.actor,
            "source": event.source,
            "changes_summary": event.summary,
            "fields_changed": parsed(&event.fields),
            "document": event.document.as_deref().map(parsed),
        },
    })
}

/// The signature's header; `None` where the secret is none.
fn sign(secret: &str, id: &str, seconds: &str, body: &str) -> Option<String> {
    let secret = secret.trim();
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

#[cfg(test)]
mod tests;
