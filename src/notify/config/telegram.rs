//! `telegram_configs`.

use std::sync::Arc;

use super::Reader;
use super::global::check_url;
use crate::document::fields::Fields;
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::notify::http::Sender;
use crate::notify::telegram::{API_URL, Chat, ParseMode, Telegram};

pub(super) fn read(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Telegram> {
    let bot_token = read_token(reader, fields);
    let own_url = fields.text("api_url");
    if let Some(url) = &own_url {
        check_url(fields, "api_url", url);
    }
    let api_url = own_url
        .or_else(|| reader.global.telegram_api_url.clone())
        .unwrap_or_else(|| API_URL.to_owned());
    let chat = read_chat(reader, fields);
    let parse_mode = match fields.get("parse_mode") {
        None => Some(ParseMode::Html),
        Some(value) => match value.text() {
            Some("") => Some(ParseMode::Plain),
            Some("HTML") => Some(ParseMode::Html),
            Some("Markdown") => Some(ParseMode::Markdown),
            Some("MarkdownV2") => Some(ParseMode::MarkdownV2),
            Some(_) => {
                value.error(
                    "unknown parse_mode",
                    "write HTML, MarkdownV2, Markdown, or \"\" for plain text",
                );
                None
            }
            None => None,
        },
    };
    let default = r#"{{ template "telegram.default.message" . }}"#;
    let message = match parse_mode {
        Some(ParseMode::Html) | None => reader.texts.html(fields, "message", default),
        Some(_)
            if reader.surroundings.upstream_only || reader.replaces("telegram.default.message") =>
        {
            reader.texts.field(fields, "message", default)
        }
        // Ours holds HTML tags.
        Some(_) => {
            let plain = r#"{{ template "outrigger.telegram.plain" . }}"#;
            reader.texts.field(fields, "message", plain)
        }
    };
    let telegram = Telegram {
        api_url: api_url.trim_end_matches('/').to_owned(),
        sender: Sender::new(
            reader.http(fields),
            fields.duration("timeout").unwrap_or_default(),
        ),
        message_thread_id: fields.unsigned("message_thread_id").unwrap_or(0),
        message,
        disable_notifications: fields.bool("disable_notifications").unwrap_or(false),
        surroundings: Arc::clone(reader.surroundings),
        parse_mode: parse_mode?,
        chat: chat?,
        bot_token: bot_token?,
    };
    Some(telegram)
}

/// The integration's own token wins over the global one.
fn read_token(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<SecretSource> {
    let own = read_secret_pair(fields, "bot_token", "bot_token_file", reader.base);
    if own.is_some() || fields.get("bot_token").is_some() {
        return own;
    }
    let global = reader.global.telegram_bot_token.clone();
    if global.is_none() {
        fields.value().error(
            "no Telegram bot token: neither here nor under global",
            "set bot_token or bot_token_file here, or telegram_bot_token or telegram_bot_token_file under global",
        );
    }
    global
}

fn read_chat(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Chat> {
    let id = fields.get("chat_id").map(|value| {
        value.parse(
            "write the chat's number, such as -1001234567890",
            |text| match text.parse::<i64>() {
                Ok(id) if id != 0 => Ok(id),
                _ => Err(format!("not a chat id: {text:?}")),
            },
        )
    });
    let file = fields.text("chat_id_file");
    match (id, file) {
        (Some(_), Some(_)) => {
            fields.value().error(
                "chat_id and chat_id_file exclude each other",
                "keep one of them",
            );
            None
        }
        (Some(id), None) => id.map(Chat::Id),
        (None, Some(file)) => Some(Chat::File(SecretSource::File(reader.base.join(file)))),
        (None, None) => {
            fields
                .value()
                .error("no Telegram chat", "add `chat_id:` or `chat_id_file:`");
            None
        }
    }
}
