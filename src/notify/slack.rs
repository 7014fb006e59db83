//! Slack: an incoming webhook, or a bot's token with `chat.postMessage`; also what speaks like them (Mattermost).
//!
//! One attachment a message, as Alertmanager sends it. Lengths are cut at what Slack documents or shows, and the cut is
//! said. What becomes of later messages about a group: `slack::conversation`.
//!
//! See <https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments> and
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

mod answer;
mod conversation;
mod upload;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use self::conversation::Conversation;
use super::builtin;
use super::cut;
use super::http::{Sender, load};
use super::integration::{Delivered, Integration, Kind, PictureUse, Reason, SendError};
use super::render::{Field, Rendering, Surroundings};
use crate::db::sent_messages::SentMessage;
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;

/// Where Slack takes a bot's messages.
pub const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

/// Titles beyond this are cut, as Alertmanager cuts them.
const MAX_TITLE: usize = 1024;
/// Slack asks to stay below 4,000 characters a text.
const MAX_TEXT: usize = 4000;
const MAX_FIELD: usize = 2000;
/// Slack's own limits of a footer, of what an interaction is called, and of the value of a button.
const MAX_FOOTER: usize = 300;
const MAX_CALLBACK: usize = 255;
const MAX_VALUE: usize = 2000;
/// The most fields and actions that Slack shows.
const MAX_FIELDS: usize = 20;
const MAX_ACTIONS: usize = 5;

/// How to reach Slack.
#[derive(Debug)]
pub enum Access {
    /// An incoming webhook's address, which is the secret.
    Webhook(SecretSource),
    /// A bot's token.
    Bot {
        /// The token.
        token: SecretSource,
        /// Where to post; [`POST_MESSAGE`] unless told otherwise.
        url: String,
    },
}

/// The template fields of a message.
#[derive(Debug)]
pub struct Texts {
    /// `#channel` or a channel's id.
    pub channel: Field,
    /// The sender's name.
    pub username: Field,
    /// `:emoji:` of the sender.
    pub icon_emoji: Field,
    /// Picture of the sender.
    pub icon_url: Field,
    /// Text above the attachment, for mentions.
    pub message_text: Field,
    /// Colour of the bar.
    pub color: Field,
    /// Headline.
    pub title: Field,
    /// Where the headline leads.
    pub title_link: Field,
    /// Text before the headline.
    pub pretext: Field,
    /// The text.
    pub text: Field,
    /// What notifications on phones show.
    pub fallback: Field,
    /// For interactive messages.
    pub callback_id: Field,
    /// Below the text.
    pub footer: Field,
    /// Picture below the text.
    pub image_url: Field,
    /// Picture beside the text.
    pub thumb_url: Field,
}

/// A field of the attachment.
#[derive(Debug)]
pub struct SlackField {
    /// Its title.
    pub title: Field,
    /// Its value.
    pub value: Field,
    /// Whether it may stand beside another one.
    pub short: bool,
}

/// A button.
#[derive(Debug)]
pub struct SlackAction {
    /// `button`.
    pub kind: Field,
    /// Its text.
    pub text: Field,
    /// Where it leads.
    pub url: Field,
    /// `primary` or `danger`.
    pub style: Field,
    /// Its name, where it leads nowhere.
    pub name: Field,
    /// Its value.
    pub value: Field,
    /// What is asked before it counts.
    pub confirm: Option<Confirm>,
}

/// The question before a button counts.
#[derive(Debug)]
pub struct Confirm {
    /// The question.
    pub text: Field,
    /// Its title.
    pub title: Field,
    /// The button that agrees.
    pub ok_text: Field,
    /// The button that does not.
    pub dismiss_text: Field,
}

/// A configured Slack integration.
#[derive(Debug)]
pub struct Slack {
    /// How to reach it.
    pub access: Access,
    /// The way there.
    pub sender: Sender,
    /// The message.
    pub texts: Texts,
    /// Fields of the attachment.
    pub fields: Vec<SlackField>,
    /// Buttons.
    pub actions: Vec<SlackAction>,
    /// Whether `@name` becomes a mention.
    pub link_names: bool,
    /// Which parts hold markup; empty means `fallback`, `pretext` and `text`.
    pub mrkdwn_in: Vec<String>,
    /// What becomes of later messages about a group.
    pub updates: Updates,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

/// What becomes of later messages about a group; by default each is one of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    /// The first message is changed to what is true now.
    pub message: bool,
    /// What changed is an answer in its thread.
    pub thread: bool,
    /// Answers about what fires are shown in the channel too.
    pub broadcast: bool,
}

impl Integration for Slack {
    fn kind(&self) -> Kind {
        Kind::Slack
    }

    fn pictures(&self) -> PictureUse {
        match self.access {
            Access::Webhook(_) => PictureUse::Shown,
            Access::Bot { .. } => PictureUse::Uploaded,
        }
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        self.follow_up(notification, None, now)
    }

    fn follows_up(&self) -> bool {
        self.updates != Updates::default()
    }

    fn follow_up<'a>(
        &'a self,
        notification: &'a Notification,
        earlier: Option<SentMessage>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let (url, headers) = self.way().await?;
            let conversation = Conversation {
                slack: self,
                notification,
                url,
                headers,
                now,
                template_failures: Vec::new(),
            };
            conversation.run(earlier).await
        })
    }
}

impl Slack {
    /// The address to post to, and the headers that let us in.
    async fn way(&self) -> Result<(String, HeaderMap), SendError> {
        let mut headers = HeaderMap::new();
        let url = match &self.access {
            Access::Webhook(source) => load(source).await?.expose().to_owned(),
            Access::Bot { token, url } => {
                let token = load(token).await?;
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                    .map_err(|_| {
                        SendError::permanent(
                            Reason::Configuration,
                            "app_token holds characters that no header may hold",
                        )
                    })?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
                url.clone()
            }
        };
        Ok((url, headers))
    }
}

#[derive(Serialize)]
struct Request {
    /// The message to change.
    #[serde(skip_serializing_if = "String::is_empty")]
    ts: String,
    /// The message to answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    thread_ts: String,
    /// Whether the answer is shown in the channel too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply_broadcast: bool,
    /// Our own id of the message, the same in each attempt.
    #[serde(skip_serializing_if = "String::is_empty")]
    client_msg_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: [Attachment; 1],
}

#[derive(Default, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<WireField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<WireAction>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mrkdwn_in: Vec<String>,
}

#[derive(Serialize)]
struct WireField {
    title: String,
    value: String,
    short: bool,
}

#[derive(Serialize)]
struct WireAction {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<WireConfirm>,
}

#[derive(Serialize)]
struct WireConfirm {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

impl Slack {
    fn request(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        now: Timestamp,
    ) -> Request {
        let texts = &self.texts;
        let upstream_only = self.surroundings.upstream_only;
        let cut = |text: String, limit: usize| match (upstream_only, limit) {
            (true, MAX_TITLE) => cut::upstream(text, limit),
            // Alertmanager leaves the rest to Slack.
            (true, _) => text,
            (false, MAX_TITLE) => cut_line(text, limit, false),
            (false, _) => cut(text, limit),
        };
        let title = rendering.text_or(&texts.title, || escape(&builtin::subject(notification)));
        let fallback =
            rendering.text_or(&texts.fallback, || escape(&builtin::subject(notification)));
        let mut text = rendering.text_or(&texts.text, || escape(&builtin::text(notification, now)));
        let mut attachment = Attachment {
            title: cut(title, MAX_TITLE),
            title_link: rendering.text(&texts.title_link),
            pretext: cut(rendering.text(&texts.pretext), MAX_TEXT),
            text: String::new(),
            fallback: cut(fallback, MAX_TEXT),
            callback_id: cut_line(
                rendering.text(&texts.callback_id),
                MAX_CALLBACK,
                upstream_only,
            ),
            fields: self.wire_fields(rendering, upstream_only),
            actions: self.wire_actions(rendering, upstream_only),
            image_url: match rendering.text(&texts.image_url) {
                own if own.is_empty() => notification.image_url().unwrap_or_default().to_owned(),
                own => own,
            },
            thumb_url: rendering.text(&texts.thumb_url),
            footer: cut_line(rendering.text(&texts.footer), MAX_FOOTER, upstream_only),
            color: rendering.text(&texts.color),
            mrkdwn_in: match self.mrkdwn_in.as_slice() {
                [] => ["fallback", "pretext", "text"].map(str::to_owned).to_vec(),
                parts => parts.to_vec(),
            },
        };
        let mut request = Request {
            ts: String::new(),
            thread_ts: String::new(),
            reply_broadcast: false,
            client_msg_id: String::new(),
            channel: rendering.text(&texts.channel),
            username: rendering.text(&texts.username),
            icon_emoji: rendering.text(&texts.icon_emoji),
            icon_url: rendering.text(&texts.icon_url),
            link_names: self.link_names,
            text: cut(rendering.text(&texts.message_text), MAX_TEXT),
            attachments: [Attachment::default()],
        };
        // The apology comes first: it must not be cut off with the rest.
        if let Some(apology) = rendering.apology() {
            text = format!(":warning: {}\n{text}", escape(&apology));
        }
        attachment.text = cut(text, MAX_TEXT);
        request.attachments = [attachment];
        request
    }

    fn wire_fields(&self, rendering: &mut Rendering<'_>, whole: bool) -> Vec<WireField> {
        let limit = |limit| if whole { usize::MAX } else { limit };
        let fields = self.fields.iter().take(limit(MAX_FIELDS));
        fields
            .map(|field| WireField {
                title: cut_line(rendering.text(&field.title), MAX_TITLE, whole),
                value: cut(rendering.text(&field.value), limit(MAX_FIELD)),
                short: field.short,
            })
            .collect()
    }

    fn wire_actions(&self, rendering: &mut Rendering<'_>, whole: bool) -> Vec<WireAction> {
        let limit = if whole { usize::MAX } else { MAX_ACTIONS };
        let actions = self.actions.iter().take(limit);
        actions
            .map(|action| WireAction {
                kind: rendering.text(&action.kind),
                text: rendering.text(&action.text),
                url: rendering.text(&action.url),
                style: rendering.text(&action.style),
                name: rendering.text(&action.name),
                value: cut_line(rendering.text(&action.value), MAX_VALUE, whole),
                confirm: action.confirm.as_ref().map(|confirm| WireConfirm {
                    text: rendering.text(&confirm.text),
                    title: rendering.text(&confirm.title),
                    ok_text: rendering.text(&confirm.ok_text),
                    dismiss_text: rendering.text(&confirm.dismiss_text),
                }),
            })
            .collect()
    }
}

/// Cuts a text and says so.
fn cut(text: String, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text;
    }
    let note = cut::note("Slack");
    let text = cut::lines(text, limit, "Slack");
    let head = text.strip_suffix(&note).unwrap_or(&text);
    format!("{}{note}", whole_markup(head))
}

/// Cuts a text of one line; an ellipsis says so. Where all is as in Alertmanager, the rest is left to Slack.
fn cut_line(text: String, limit: usize, whole: bool) -> String {
    if whole || text.chars().count() <= limit {
        return text;
    }
    let text = cut::line(text, limit);
    let head = text.strip_suffix('…').unwrap_or(&text);
    format!("{}…", whole_markup(head))
}

/// Without what a cut has left of a link or of an escaped character at the end.
fn whole_markup(head: &str) -> &str {
    let head = match head.rfind('<') {
        Some(link) if !head[link..].contains('>') => &head[..link],
        _ => head,
    };
    match head.rfind('&') {
        // The longest is `&amp;`.
        Some(escape) if head.len() - escape < 5 && !head[escape..].contains(';') => &head[..escape],
        _ => head,
    }
}

/// The three characters that have a meaning in Slack's markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
