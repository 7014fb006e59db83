//! Telegram: a bot's message to a chat.
//!
//! Texts are cut to 4096 visible characters, in HTML without leaving a tag open, and the cut is said. Where Telegram
//! cannot read the formatting, the message goes again as plain text: a forgotten backslash must not eat a page.
//!
//! See <https://core.telegram.org/bots/api#sendmessage> and <https://core.telegram.org/bots/api#making-requests>.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::http::{MAX_RETRY_AFTER, Reply, Sender, load, quote};
use super::integration::{Delivered, Integration, Kind, PictureUse, Reason, SendError};
use super::render::{Field, Rendering, Surroundings};
use super::{builtin, cut, wire};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;

/// Where Telegram's bots speak.
pub const API_URL: &str = "https://api.telegram.org";

const MAX_TEXT: usize = 4096;

/// How the text is formatted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseMode {
    /// Not at all.
    Plain,
    /// A few HTML tags; values are escaped.
    Html,
    /// `Markdown`; values are not escaped.
    Markdown,
    /// `MarkdownV2`; values are not escaped.
    MarkdownV2,
}

/// Which chat.
#[derive(Debug)]
pub enum Chat {
    /// Its id.
    Id(i64),
    /// The file that holds its id.
    File(SecretSource),
}

/// A configured Telegram chat.
#[derive(Debug)]
pub struct Telegram {
    /// The bot's token.
    pub bot_token: SecretSource,
    /// Where to, without a slash at its end.
    pub api_url: String,
    /// The way there.
    pub sender: Sender,
    /// Which chat.
    pub chat: Chat,
    /// Which topic in it; 0 for none.
    pub message_thread_id: u64,
    /// The text.
    pub message: Field,
    /// How it is formatted.
    pub parse_mode: ParseMode,
    /// Whether phones stay silent.
    pub disable_notifications: bool,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

#[derive(Serialize)]
struct Request {
    chat_id: i64,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parse_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "is_zero")]
    message_thread_id: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_notification: bool,
    link_preview_options: Preview,
}

/// As Alertmanager's library writes it: every value a text.
#[derive(Serialize)]
struct UpstreamRequest<'a> {
    chat_id: String,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parse_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_notification: Option<&'static str>,
    disable_web_page_preview: &'static str,
}

impl<'a> From<&'a Request> for UpstreamRequest<'a> {
    fn from(request: &'a Request) -> Self {
        let thread = request.message_thread_id;
        Self {
            chat_id: request.chat_id.to_string(),
            text: &request.text,
            parse_mode: request.parse_mode,
            message_thread_id: (thread != 0).then(|| thread.to_string()),
            disable_notification: request.disable_notification.then_some("true"),
            disable_web_page_preview: "true",
        }
    }
}

/// Nothing, or the picture of the alert below the text.
#[derive(Serialize)]
#[serde(untagged)]
enum Preview {
    None {
        is_disabled: bool,
    },
    Picture {
        is_disabled: bool,
        url: String,
        prefer_large_media: bool,
    },
}

impl Preview {
    fn of(notification: &Notification) -> Self {
        match notification.image_url() {
            None => Self::None { is_disabled: true },
            Some(url) => Self::Picture {
                is_disabled: false,
                url: url.to_owned(),
                prefer_large_media: true,
            },
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Integration for Telegram {
    fn kind(&self) -> Kind {
        Kind::Telegram
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
            let text = self.text(&mut rendering, notification, now);
            let token = load(&self.bot_token).await?;
            let url = format!("{}/bot{}/sendMessage", self.api_url, token.expose());
            let mut request = Request {
                chat_id: self.chat_id().await?,
                text,
                parse_mode: self.parse_mode.name(),
                message_thread_id: self.message_thread_id,
                disable_notification: self.disable_notifications,
                link_preview_options: Preview::of(notification),
            };
            let mut reply = self.post(&url, &request, now).await?;
            if let Some(refusal) = refusal(&reply)
                && request.parse_mode.is_some()
                && refusal.description.contains("can't parse entities")
            {
                let said = quote(refusal.description.as_bytes());
                let failure = format!("{}: Telegram says: {said}", self.message.path);
                rendering.failures.push(failure);
                request.text = plain(&rendering, notification, now);
                request.parse_mode = None;
                reply = self.post(&url, &request, now).await?;
            }
            understand(&reply)?;
            Ok(Delivered {
                status: reply.answer.status.as_str().to_owned(),
                template_failures: rendering.failures,
                ..Delivered::default()
            })
        })
    }
}

impl ParseMode {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Html => Some("HTML"),
            Self::Markdown => Some("Markdown"),
            Self::MarkdownV2 => Some("MarkdownV2"),
        }
    }
}

impl Telegram {
    async fn post(&self, url: &str, request: &Request, now: Timestamp) -> Result<Reply, SendError> {
        let body = match self.surroundings.upstream_only {
            true => wire::encode(&UpstreamRequest::from(request)),
            false => wire::encode(request),
        };
        let body =
            body.map_err(|error| SendError::permanent(Reason::Configuration, error.to_string()))?;
        self.sender
            .send_json(Method::POST, url, body, HeaderMap::new(), now)
            .await
    }

    async fn chat_id(&self) -> Result<i64, SendError> {
        match &self.chat {
            Chat::Id(id) => Ok(*id),
            Chat::File(source) => load(source).await?.expose().parse().map_err(|_| {
                SendError::temporary(
                    Reason::Configuration,
                    "chat_id_file holds no chat id; write a whole number into it",
                )
            }),
        }
    }

    fn text(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        now: Timestamp,
    ) -> String {
        match self.parse_mode {
            ParseMode::Html => {
                let text = match rendering.html(&self.message) {
                    Some(html) => match rendering.undelivered() {
                        Some(undelivered) => format!("⚠️ {}\n{html}", escape(undelivered)),
                        None => html,
                    },
                    None => escape(&plain(rendering, notification, now)),
                };
                match rendering.upstream_only() {
                    true => cut::upstream(text, MAX_TEXT),
                    false => cut_html(&text, MAX_TEXT),
                }
            }
            ParseMode::Plain => {
                let text = rendering.text_or(&self.message, || builtin::text(notification, now));
                cut_text(rendering, text)
            }
            ParseMode::Markdown | ParseMode::MarkdownV2 => {
                // Markup that a failure left behind would not parse; the plain text is tried then.
                let text = rendering.text_or(&self.message, || builtin::text(notification, now));
                cut_text(rendering, text)
            }
        }
    }
}

fn cut_text(rendering: &Rendering<'_>, text: String) -> String {
    let text = apologise(rendering, text);
    match rendering.upstream_only() {
        true => cut::upstream(text, MAX_TEXT),
        false => cut::lines(text, MAX_TEXT, "Telegram"),
    }
}

/// The text of last resort.
fn plain(rendering: &Rendering<'_>, notification: &Notification, now: Timestamp) -> String {
    let subject = builtin::subject(notification);
    let text = format!("{subject}\n{}", builtin::text(notification, now));
    cut::lines(apologise(rendering, text), MAX_TEXT, "Telegram")
}

/// The apology comes first: it must not be cut off with the rest.
fn apologise(rendering: &Rendering<'_>, text: String) -> String {
    match rendering.apology() {
        Some(apology) => format!("⚠️ {apology}\n{text}"),
        None => text,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Cuts HTML to a number of visible characters, at the end of a line where there is one, and closes what is open.
fn cut_html(html: &str, limit: usize) -> String {
    let note = cut::note("Telegram");
    let room = limit.saturating_sub(note.chars().count());
    let mut open: Vec<&str> = Vec::new();
    let (mut at, mut visible) = (0, 0);
    // Where to cut, and what is open there.
    let mut last: Option<(usize, Vec<&str>)> = None;
    while let Some(c) = html[at..].chars().next() {
        let rest = &html[at..];
        let end = match c {
            '<' => rest.find('>').map(|end| end + 1),
            '&' => rest.find(';').filter(|end| *end < 10).map(|end| end + 1),
            _ => None,
        };
        if c == '<'
            && let Some(end) = end
        {
            let tag = &rest[1..end - 1];
            if tag.starts_with('/') {
                open.pop();
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap_or_default());
            }
            at += end;
            continue;
        }
        let within = visible < room;
        if within && (c == '\n' || last.is_none() || visible + 1 == room) {
            let line_near = last.as_ref().is_some_and(|(cut, _)| *cut * 2 > at);
            if c == '\n' || !line_near {
                last = Some((at, open.clone()));
            }
        }
        visible += 1;
        if visible > limit {
            let (cut, open) = last.unwrap_or_default();
            let closing = open.iter().rev().map(|tag| format!("</{tag}>"));
            return format!("{}{}{note}", &html[..cut], closing.collect::<String>());
        }
        at += end.unwrap_or(c.len_utf8());
    }
    html.to_owned()
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

fn refusal(reply: &Reply) -> Option<Refusal> {
    if reply.answer.status.is_success() {
        return None;
    }
    serde_json::from_slice(&reply.answer.body).ok()
}

fn understand(reply: &Reply) -> Result<(), SendError> {
    if reply.answer.status.is_success() {
        return Ok(());
    }
    let Some(refusal) = refusal(reply) else {
        return Err(reply.refused(&quote(&reply.answer.body)));
    };
    let mut said = format!("Telegram says: {}", quote(refusal.description.as_bytes()));
    if let Some(id) = refusal.parameters.migrate_to_chat_id {
        said.push_str(&format!("; set chat_id to {id}"));
    }
    let mut error = reply.refused(&said);
    if let Some(seconds) = refusal.parameters.retry_after.filter(|_| error.retryable) {
        error.retry_after = Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    // The token is part of the address: where the bot is unknown, so is the page.
    if reply.answer.status == http::StatusCode::NOT_FOUND {
        error.reason = Reason::Auth;
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_cut_by_visible_characters_and_closed() {
        let note = cut::note("Telegram");
        let limit = note.chars().count() + 10;
        let check = |html: &str, want: &str| {
            assert_eq!(cut_html(html, limit), want.replace('$', &note), "{html}");
        };
        let long = "x".repeat(limit);
        check(
            "<b>short &amp; <i>sweet</i></b>",
            "<b>short &amp; <i>sweet</i></b>",
        );
        check(
            &format!("<a href=\"{long}\">{long}</a>"),
            &format!("<a href=\"{long}\">{long}</a>"),
        );
        check(&"&lt;".repeat(limit), &"&lt;".repeat(limit));
        check(&format!("<b>12345\n<i>{long}</i></b>"), "<b>12345</b>$");
        check(
            &format!("<b><i>{long}y</i></b>"),
            "<b><i>xxxxxxxxx</i></b>$",
        );
    }
}
