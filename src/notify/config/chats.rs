//! `discord_configs`, `msteams_configs` and `msteamsv2_configs`: chats reached by a webhook.

use std::sync::Arc;
use std::time::Duration;

use super::Reader;
use super::global::check_url;
use crate::document::fields::Fields;
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::notify::discord::Discord;
use crate::notify::http::Sender;
use crate::notify::msteams::{Card, MsTeams};

pub(super) fn discord(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Discord> {
    let text = |key, default| reader.texts.field(fields, key, default);
    let webhook_url = webhook_url(reader, fields);
    let sender = Sender::new(reader.http(fields), Duration::ZERO);
    let content = text("content", r#"{{ template "discord.default.content" . }}"#);
    let title = text("title", r#"{{ template "discord.default.title" . }}"#);
    let message = text("message", r#"{{ template "discord.default.message" . }}"#);
    let username = fields.text("username").unwrap_or_default();
    if username.chars().count() > 80
        && let Some(value) = fields.get("username")
    {
        value.error("Discord takes names of up to 80 characters", "shorten it");
    }
    let avatar_url = fields.text("avatar_url").unwrap_or_default();
    if !avatar_url.is_empty() {
        check_url(fields, "avatar_url", &avatar_url);
    }
    Some(Discord {
        webhook_url: webhook_url?,
        sender,
        content,
        title,
        message,
        username,
        avatar_url,
        surroundings: Arc::clone(reader.surroundings),
    })
}

pub(super) fn msteams(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<MsTeams> {
    let text = |key, default| reader.texts.field(fields, key, default);
    let webhook_url = webhook_url(reader, fields);
    let sender = Sender::new(reader.http(fields), Duration::ZERO);
    let title = text("title", r#"{{ template "msteams.default.title" . }}"#);
    let summary = text("summary", r#"{{ template "msteams.default.summary" . }}"#);
    let body = text("text", r#"{{ template "msteams.default.text" . }}"#);
    Some(MsTeams {
        webhook_url: webhook_url?,
        sender,
        card: Card::Message { summary },
        title,
        text: body,
        surroundings: Arc::clone(reader.surroundings),
    })
}

pub(super) fn msteamsv2(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<MsTeams> {
    let text = |key, default| reader.texts.field(fields, key, default);
    let webhook_url = webhook_url(reader, fields);
    let sender = Sender::new(reader.http(fields), Duration::ZERO);
    let title = text("title", r#"{{ template "msteamsv2.default.title" . }}"#);
    let body = text("text", r#"{{ template "msteamsv2.default.text" . }}"#);
    Some(MsTeams {
        webhook_url: webhook_url?,
        sender,
        card: Card::Adaptive,
        title,
        text: body,
        surroundings: Arc::clone(reader.surroundings),
    })
}

fn webhook_url(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<SecretSource> {
    let source = read_secret_pair(fields, "webhook_url", "webhook_url_file", reader.base);
    match &source {
        Some(SecretSource::Inline(url)) => check_url(fields, "webhook_url", url.expose()),
        Some(SecretSource::File(_)) => {}
        None if fields.get("webhook_url").is_none() => fields.value().error(
            "no webhook address",
            "add `webhook_url:` or `webhook_url_file:`",
        ),
        None => {}
    }
    source
}
