//! `slack_configs`.

use std::sync::Arc;

use super::Reader;
use super::global::check_url;
use crate::document::fields::{Fields, Value};
use crate::net::credentials::{SecretSource, read_secret_pair};
use crate::notify::http::Sender;
use crate::notify::slack::{
    Access, Confirm, POST_MESSAGE, Slack, SlackAction, SlackField, Texts, Updates,
};

pub(super) fn read(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Slack> {
    let http = reader.http(fields);
    let access = read_access(reader, fields);
    let texts = read_texts(reader, fields);
    let short_fields = fields.bool("short_fields").unwrap_or(false);
    let attachment_fields: Vec<SlackField> = fields
        .items("fields")
        .iter()
        .filter_map(|item| read_field(reader, item, short_fields))
        .collect();
    let actions: Vec<SlackAction> = fields
        .items("actions")
        .iter()
        .filter_map(|item| read_action(reader, item))
        .collect();
    let link_names = fields.bool("link_names").unwrap_or(false);
    let mrkdwn_in = fields
        .get("mrkdwn_in")
        .and_then(|value| value.texts())
        .unwrap_or_default();
    let timeout = fields.duration("timeout").unwrap_or_default();
    let updates = read_updates(reader, fields, access.as_ref());
    Some(Slack {
        access: access?,
        sender: Sender::new(http, timeout),
        texts,
        fields: attachment_fields,
        actions,
        link_names,
        mrkdwn_in,
        updates,
        surroundings: Arc::clone(reader.surroundings),
    })
}

/// Where the file says nothing of it a bot's messages are changed and answered, unless this is Alertmanager's place; where
/// it does, the keys mean what they mean to Alertmanager.
fn read_updates(reader: &Reader<'_>, fields: &Fields<'_>, access: Option<&Access>) -> Updates {
    let said = ["update_message", "post_updates_to_thread"].map(|key| {
        let value = fields.get(key)?;
        let wanted = value.bool();
        let posts = match access {
            Some(Access::Bot { .. }) | None => true,
            // What stands in a file may be the right address.
            Some(Access::Webhook(SecretSource::File(_))) => true,
            Some(Access::Webhook(SecretSource::Inline(url))) => url
                .expose()
                .trim_end_matches('/')
                .ends_with("/chat.postMessage"),
        };
        if wanted == Some(true) && !posts {
            value.error(
                format!("{key} works with bot tokens only"),
                format!("use app_token, or api_url: {POST_MESSAGE} with the token in http_config"),
            );
        }
        wanted
    });
    if let [None, None] = said {
        let ours = reader.slack_threads && matches!(access, Some(Access::Bot { .. }));
        return Updates {
            message: ours,
            thread: ours,
            broadcast: ours,
        };
    }
    Updates {
        message: said[0] == Some(true),
        thread: said[1] == Some(true),
        broadcast: false,
    }
}

/// The integration's own address or token wins over the global ones.
fn read_access(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Access> {
    let api_url = read_secret_pair(fields, "api_url", "api_url_file", reader.base);
    if let Some(SecretSource::Inline(url)) = &api_url {
        check_url(fields, "api_url", url.expose());
    }
    let token = read_secret_pair(fields, "app_token", "app_token_file", reader.base);
    let app_url = fields.text("app_url");
    if let Some(url) = &app_url {
        check_url(fields, "app_url", url);
    }
    let bot = |token: SecretSource| Access::Bot {
        token,
        url: app_url
            .clone()
            .or_else(|| reader.global.slack_app_url.clone())
            .unwrap_or_else(|| POST_MESSAGE.to_owned()),
    };
    let exclude = |what: &str| {
        fields.value().error(
            format!("{what} exclude each other"),
            "keep the address of an incoming webhook, or a bot's token",
        );
        None
    };
    match (api_url, token) {
        (Some(_), Some(_)) => exclude("api_url and app_token"),
        (Some(url), None) => Some(Access::Webhook(url)),
        (None, Some(token)) => Some(bot(token)),
        (None, None) => match (&reader.global.slack_api_url, &reader.global.slack_app_token) {
            (Some(_), Some(_)) => exclude("global slack_api_url and slack_app_token"),
            (Some(url), None) => Some(Access::Webhook(url.clone())),
            (None, Some(token)) => Some(bot(token.clone())),
            (None, None) => {
                fields.value().error(
                    "no Slack address: neither here nor under global",
                    "set api_url or api_url_file here, or slack_api_url or slack_api_url_file under global",
                );
                None
            }
        },
    }
}

fn read_texts(reader: &Reader<'_>, fields: &Fields<'_>) -> Texts {
    let text = |key, default| reader.texts.field(fields, key, default);
    Texts {
        channel: text("channel", ""),
        username: text("username", r#"{{ template "slack.default.username" . }}"#),
        icon_emoji: text(
            "icon_emoji",
            r#"{{ template "slack.default.iconemoji" . }}"#,
        ),
        icon_url: text("icon_url", r#"{{ template "slack.default.iconurl" . }}"#),
        message_text: text("message_text", ""),
        color: text("color", r#"{{ template "slack.default.color" . }}"#),
        title: text("title", r#"{{ template "slack.default.title" . }}"#),
        title_link: text(
            "title_link",
            r#"{{ template "slack.default.titlelink" . }}"#,
        ),
        pretext: text("pretext", r#"{{ template "slack.default.pretext" . }}"#),
        text: text("text", r#"{{ template "slack.default.text" . }}"#),
        fallback: text("fallback", r#"{{ template "slack.default.fallback" . }}"#),
        callback_id: text(
            "callback_id",
            r#"{{ template "slack.default.callbackid" . }}"#,
        ),
        footer: text("footer", r#"{{ template "slack.default.footer" . }}"#),
        image_url: text("image_url", ""),
        thumb_url: text("thumb_url", ""),
    }
}

fn read_field(reader: &Reader<'_>, item: &Value<'_>, short: bool) -> Option<SlackField> {
    let fields = item.fields()?;
    for key in ["title", "value"] {
        need(&fields, key);
    }
    let field = SlackField {
        title: reader.texts.field(&fields, "title", ""),
        value: reader.texts.field(&fields, "value", ""),
        short: fields.bool("short").unwrap_or(short),
    };
    fields.finish();
    Some(field)
}

fn read_action(reader: &Reader<'_>, item: &Value<'_>) -> Option<SlackAction> {
    let fields = item.fields()?;
    for key in ["type", "text"] {
        need(&fields, key);
    }
    let text = |key| reader.texts.field(&fields, key, "");
    let leads = fields.get("url").is_some();
    if !leads && fields.get("name").is_none() {
        item.error("action without url or name", "add `url:`");
    }
    let mut action = SlackAction {
        kind: text("type"),
        text: text("text"),
        url: text("url"),
        style: text("style"),
        name: text("name"),
        value: text("value"),
        confirm: fields
            .get("confirm")
            .and_then(|value| read_confirm(reader, &value)),
    };
    fields.finish();
    if leads {
        // A button that leads somewhere carries nothing else, as in Alertmanager.
        let nothing = |field: &mut crate::notify::render::Field| field.clear();
        nothing(&mut action.name);
        nothing(&mut action.value);
        action.confirm = None;
    }
    Some(action)
}

fn read_confirm(reader: &Reader<'_>, value: &Value<'_>) -> Option<Confirm> {
    let fields = value.fields()?;
    need(&fields, "text");
    let text = |key| reader.texts.field(&fields, key, "");
    let confirm = Confirm {
        text: text("text"),
        title: text("title"),
        ok_text: text("ok_text"),
        dismiss_text: text("dismiss_text"),
    };
    fields.finish();
    Some(confirm)
}

fn need(fields: &Fields<'_>, key: &'static str) {
    if fields.text(key).unwrap_or_default().is_empty() {
        fields
            .value()
            .error(format!("missing {key}"), format!("add `{key}:` here"));
    }
}
