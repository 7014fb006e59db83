//! Discord: a channel's webhook, one embed a message, as Alertmanager sends it.
//!
//! Lengths are cut at Discord's limits, and the cut is said. A 429 says in its body how long to wait.
//!
//! See <https://discord.com/developers/docs/resources/webhook#execute-webhook> and
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::http::{MAX_RETRY_AFTER, Reply, Sender, load, quote};
use super::integration::{Delivered, Integration, Kind, PictureUse, Reason, SendError};
use super::render::{Field, Rendering, Surroundings};
use super::{builtin, cut, markdown, message, wire};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;

const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4096;
const MAX_CONTENT: usize = 2000;

/// Alertmanager's colours.
const UPSTREAM_RED: u32 = 0x99_2D22;
const UPSTREAM_GREEN: u32 = 0x2E_CC71;

/// A configured Discord webhook.
#[derive(Debug)]
pub struct Discord {
    /// Where to; the address is the secret.
    pub webhook_url: SecretSource,
    /// The way there.
    pub sender: Sender,
    /// Text above the embed.
    pub content: Field,
    /// The embed's title.
    pub title: Field,
    /// The embed's text.
    pub message: Field,
    /// The sender's name, instead of the webhook's own.
    pub username: String,
    /// Picture of the sender, instead of the webhook's own.
    pub avatar_url: String,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

#[derive(Serialize)]
struct Request<'a> {
    content: String,
    embeds: [Embed; 1],
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    avatar_url: &'a str,
}

#[derive(Serialize)]
struct Embed {
    title: String,
    description: String,
    color: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}

#[derive(Serialize)]
struct Image {
    url: String,
}

impl Integration for Discord {
    fn kind(&self) -> Kind {
        Kind::Discord
    }

    fn pictures(&self) -> PictureUse {
        PictureUse::Shown
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let mut rendering = Rendering::new(&self.surroundings, notification, now);
            let request = self.request(&mut rendering, notification, now);
            let body = wire::encode(&request)
                .map_err(|error| SendError::permanent(Reason::Configuration, error.to_string()))?;
            let url = load(&self.webhook_url).await?;
            let reply = self
                .sender
                .send_json(Method::POST, url.expose(), body, HeaderMap::new(), now)
                .await?;
            understand(&reply).map_err(|error| self.surroundings.classed(error))?;
            Ok(Delivered {
                status: reply.answer.status.as_str().to_owned(),
                template_failures: rendering.failures,
                ..Delivered::default()
            })
        })
    }
}

impl Discord {
    fn request(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        now: Timestamp,
    ) -> Request<'_> {
        let content = rendering.text(&self.content);
        let title = rendering.text_or(&self.title, || builtin::subject(notification));
        let mut text = rendering.text_or(&self.message, || {
            markdown::escape(&builtin::text(notification, now))
        });
        // The apology comes first: it must not be cut off with the rest.
        if let Some(apology) = rendering.apology() {
            text = format!("⚠️ {}\n{text}", markdown::escape(&apology));
        }
        if self.surroundings.upstream_only {
            return Request {
                content: cut::upstream(content, MAX_CONTENT),
                embeds: [Embed {
                    title: cut::upstream(title, MAX_TITLE),
                    description: cut::upstream(text, MAX_DESCRIPTION),
                    color: if notification.is_firing() {
                        UPSTREAM_RED
                    } else {
                        UPSTREAM_GREEN
                    },
                    image: None,
                }],
                username: &self.username,
                avatar_url: &self.avatar_url,
            };
        }
        let color = message::color(notification.is_firing(), message::severity(notification));
        Request {
            content: cut::line(content, MAX_CONTENT),
            embeds: [Embed {
                title: cut::line(title, MAX_TITLE),
                description: cut::lines(text, MAX_DESCRIPTION, "Discord"),
                color: u32::from_str_radix(color.trim_start_matches('#'), 16).unwrap_or_default(),
                image: notification.image_url().map(|url| Image {
                    url: url.to_owned(),
                }),
            }],
            username: &self.username,
            avatar_url: &self.avatar_url,
        }
    }
}

/// The bodies of <https://discord.com/developers/docs/reference#error-messages> and of rate limits.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: i64,
    #[serde(default)]
    retry_after: Option<f64>,
}

fn understand(reply: &Reply) -> Result<(), SendError> {
    if reply.answer.status.is_success() {
        return Ok(());
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&reply.answer.body) else {
        return Err(reply.refused(&quote(&reply.answer.body)));
    };
    let message = quote(refusal.message.as_bytes());
    let mut error = reply.refused(&format!("Discord says: {message} ({})", refusal.code));
    // More precise than the header, which Discord rounds up or leaves out.
    if let Some(wait) = refusal.retry_after.filter(|_| error.retryable)
        && let Ok(wait) = Duration::try_from_secs_f64(wait)
    {
        error.retry_after = Some(wait.min(MAX_RETRY_AFTER));
    }
    Err(error)
}
