//! Microsoft Teams: cards for a connector's webhook (`msteams_configs`, which Microsoft retires) and for a workflow's
//! (`msteamsv2_configs`).
//!
//! Teams takes messages of up to 28 KB; longer texts are cut, and the cut is said. A connector answers 200 where the
//! message behind it failed, and says so in its body.
//!
//! See <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using> and
//! <https://learn.microsoft.com/connectors/teams/#adaptivecarditemschema>.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::json;

use super::http::{Reply, Sender, load, quote};
use super::integration::{Delivered, Integration, Kind, PictureUse, Reason, SendError};
use super::render::{Field, Rendering, Surroundings};
use super::{builtin, cut, markdown, message, wire};
use crate::model::notification::{Notification, severity_rank};
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;

/// 28 KB, with room for what the gateway adds.
const MAX_BYTES: usize = 27_000;
const MAX_TITLE: usize = 1024;

/// Which card.
#[derive(Debug)]
pub enum Card {
    /// A connector's `MessageCard`, with the line that notifications show.
    Message {
        /// That line.
        summary: Field,
    },
    /// A workflow's adaptive card.
    Adaptive,
}

/// A configured Teams webhook.
#[derive(Debug)]
pub struct MsTeams {
    /// Where to; the address is the secret.
    pub webhook_url: SecretSource,
    /// The way there.
    pub sender: Sender,
    /// Which card.
    pub card: Card,
    /// The card's title.
    pub title: Field,
    /// The card's text.
    pub text: Field,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

impl Integration for MsTeams {
    fn kind(&self) -> Kind {
        match self.card {
            Card::Message { .. } => Kind::MsTeams,
            Card::Adaptive => Kind::MsTeamsV2,
        }
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
            let body = self
                .body(&mut rendering, notification, now)
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

impl MsTeams {
    fn body(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let subject = || builtin::subject(notification);
        let title = cut::line(rendering.text_or(&self.title, subject), MAX_TITLE);
        let mut text = rendering.text_or(&self.text, || {
            markdown::escape(&builtin::text(notification, now)).replace('\n', "\n\n")
        });
        let summary = match &self.card {
            Card::Message { summary } => Some(rendering.text_or(summary, subject)),
            Card::Adaptive => None,
        };
        // The apology comes first: it must not be cut off with the rest.
        if let Some(apology) = rendering.apology() {
            text = format!("⚠️ {}\n\n{text}", markdown::escape(&apology));
        }
        let (firing, severity) = (notification.is_firing(), message::severity(notification));
        let upstream_only = self.surroundings.upstream_only;
        // Alertmanager leaves the length to Teams.
        let limit = if upstream_only { usize::MAX } else { MAX_BYTES };
        let image = notification.image_url();
        match summary {
            Some(summary) => {
                let color = match (upstream_only, firing) {
                    (true, true) => "8C1A1A",
                    (true, false) => "2DC72D",
                    (false, _) => message::color(firing, severity).trim_start_matches('#'),
                };
                let summary = cut::line(summary, MAX_TITLE);
                cut::bytes(text, limit, "Teams", |text| {
                    let mut card = json!({
                        "@context": "http://schema.org/extensions",
                        "type": "MessageCard",
                        "title": title,
                        "summary": summary,
                        "text": text,
                        "themeColor": color,
                    });
                    if let Some(url) = image {
                        card["sections"] = json!([{"heroImage": {"image": url}}]);
                    }
                    wire::encode(&card)
                })
            }
            None => {
                let color = match (upstream_only, firing) {
                    (true, true) => "Attention",
                    (true, false) => "Good",
                    (false, _) => adaptive_color(firing, severity),
                };
                cut::bytes(text, limit, "Teams", |text| {
                    wire::encode(&adaptive(&title, text, color, image))
                })
            }
        }
    }
}

fn adaptive(title: &str, text: &str, color: &str, image: Option<&str>) -> serde_json::Value {
    let mut card = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": [
                    {
                        "type": "TextBlock",
                        "text": title,
                        "weight": "Bolder",
                        "size": "Medium",
                        "wrap": true,
                        "style": "heading",
                        "color": color,
                    },
                    {"type": "TextBlock", "text": text, "wrap": true},
                ],
                "msteams": {"width": "full"},
            },
        }],
    });
    if let Some(url) = image
        && let Some(body) = card["attachments"][0]["content"]["body"].as_array_mut()
    {
        body.push(json!({"type": "Image", "url": url, "altText": "Chart", "size": "Stretch"}));
    }
    card
}

fn adaptive_color(firing: bool, severity: &str) -> &'static str {
    match (firing, severity_rank(severity)) {
        (false, _) => "Good",
        (true, 3) => "Warning",
        (true, 5 | 6) => "Accent",
        (true, _) => "Attention",
    }
}

/// What a workflow's gateway says.
#[derive(Deserialize)]
struct Refusal {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn understand(reply: &Reply) -> Result<(), SendError> {
    let body = quote(&reply.answer.body);
    if !reply.answer.status.is_success() {
        let said = match serde_json::from_slice::<Refusal>(&reply.answer.body) {
            Ok(Refusal { error }) => {
                quote(format!("Teams says: {}: {}", error.code, error.message).as_bytes())
            }
            Err(_) => body,
        };
        return Err(reply.refused(&said));
    }
    // `Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId ...`
    let Some((_, rest)) = body.split_once("returned HTTP error ") else {
        return Ok(());
    };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let mut behind = reply.clone();
    behind.answer.status = digits
        .parse()
        .ok()
        .and_then(|status: u16| http::StatusCode::from_u16(status).ok())
        .unwrap_or(http::StatusCode::BAD_GATEWAY);
    Err(behind.refused(&body))
}
