//! `webhook_configs`.

use std::sync::Arc;

use super::Reader;
use super::global::check_url;
use crate::document::fields::Fields;
use crate::net::credentials::SecretSource;
use crate::notify::http::Sender;
use crate::notify::render::SecretText;
use crate::notify::webhook::Webhook;

pub(super) fn read(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Webhook> {
    let http = reader.http(fields);
    let address = reader.secret_text(fields, "url", "url_file");
    match &address {
        Some(SecretText::Fixed(SecretSource::Inline(url))) => {
            check_url(fields, "url", url.expose());
        }
        Some(SecretText::Fixed(SecretSource::File(_)) | SecretText::Template(_)) => {}
        None if fields.get("url").is_none() && fields.get("url_file").is_none() => fields
            .value()
            .error("webhook without an address", "add `url:` or `url_file:`"),
        None => {}
    }
    let max_alerts = fields.unsigned("max_alerts").unwrap_or(0);
    let timeout = fields.duration("timeout").unwrap_or_default();
    let payload = fields.get("payload");
    let payload = payload.map(|value| reader.texts.tree(&value));
    Some(Webhook {
        address: address?,
        sender: Sender::new(http, timeout),
        max_alerts,
        payload,
        surroundings: Arc::clone(reader.surroundings),
    })
}
