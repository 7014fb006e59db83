//! `opsgenie_configs`.

use std::sync::Arc;
use std::time::Duration;

use super::Reader;
use super::global::check_url;
use crate::document::fields::{Fields, Value};
use crate::notify::http::Sender;
use crate::notify::opsgenie::{API_URL, Opsgenie, Responder};
use crate::notify::render::{Field, SecretText};

const RESPONDERS: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

pub(super) fn read(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Opsgenie> {
    let text = |key, default| reader.texts.field(fields, key, default);
    let api_key = read_key(reader, fields);
    let own_url = fields.text("api_url");
    if let Some(url) = &own_url {
        check_url(fields, "api_url", url);
    }
    let mut api_url = own_url
        .or_else(|| reader.global.opsgenie_api_url.clone())
        .unwrap_or_else(|| API_URL.to_owned());
    if !api_url.ends_with('/') {
        api_url.push('/');
    }
    let responders = fields.items("responders");
    let responders = responders
        .iter()
        .filter_map(|item| read_responder(reader, item));
    let opsgenie = Opsgenie {
        sender: Sender::new(reader.http(fields), Duration::ZERO),
        message: text("message", r#"{{ template "opsgenie.default.message" . }}"#),
        description: text(
            "description",
            r#"{{ template "opsgenie.default.description" . }}"#,
        ),
        source: text("source", r#"{{ template "opsgenie.default.source" . }}"#),
        details: read_details(reader, fields),
        entity: text("entity", ""),
        responders: responders.collect(),
        actions: text("actions", ""),
        tags: text("tags", ""),
        note: text("note", ""),
        priority: text("priority", ""),
        update_alerts: fields.bool("update_alerts").unwrap_or(false),
        surroundings: Arc::clone(reader.surroundings),
        api_key: api_key?,
        // An address that is none has been reported.
        api_url: api_url.parse().ok()?,
    };
    Some(opsgenie)
}

/// The integration's own key wins over the global one.
fn read_key(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<SecretText> {
    let own = reader.secret_text(fields, "api_key", "api_key_file");
    let written = fields.get("api_key").is_some() || fields.get("api_key_file").is_some();
    if own.is_some() || written {
        return own;
    }
    let global = reader.global.opsgenie_api_key.clone();
    if global.is_none() {
        fields.value().error(
            "no Opsgenie key: neither here nor under global",
            "set api_key or api_key_file here, or opsgenie_api_key or opsgenie_api_key_file under global",
        );
    }
    global.map(SecretText::Fixed)
}

fn read_details(reader: &Reader<'_>, fields: &Fields<'_>) -> Vec<(String, Field)> {
    let pairs = fields.get("details").and_then(|value| value.pairs());
    let pairs = pairs.unwrap_or_default();
    let details = pairs.iter().filter_map(|(name, value)| {
        let text = value.text()?;
        Some(((*name).to_owned(), reader.texts.compile(value, text, false)))
    });
    details.collect()
}

fn read_responder(reader: &Reader<'_>, item: &Value<'_>) -> Option<Responder> {
    let fields = item.fields()?;
    let kind = fields.text("type").unwrap_or_default();
    if !kind.contains("{{") && !RESPONDERS.contains(&kind.to_ascii_lowercase().as_str()) {
        let place = fields.get("type");
        place.as_ref().unwrap_or(item).error(
            format!("{kind:?} is no type of responder"),
            format!("write one of {}", RESPONDERS.join(", ")),
        );
    }
    let named = ["id", "name", "username"];
    if !named.iter().any(|key| fields.get(key).is_some()) {
        item.error("responder without id, name or username", "add one of them");
    }
    let mut responder = Responder {
        id: reader.texts.field(&fields, "id", ""),
        name: reader.texts.field(&fields, "name", ""),
        username: reader.texts.field(&fields, "username", ""),
        kind: reader.texts.field(&fields, "type", ""),
    };
    if !kind.contains("{{") && !reader.surroundings.upstream_only {
        // Alertmanager takes any case, Opsgenie lower case only.
        responder.kind = reader
            .texts
            .default(&fields, "type", &kind.to_ascii_lowercase());
    }
    fields.finish();
    Some(responder)
}
