//! `pagerduty_configs`.

use std::sync::Arc;

use super::Reader;
use super::global::check_url;
use crate::document::fields::{Fields, Value};
use crate::notify::http::Sender;
use crate::notify::pagerduty::{Api, Image, Link, PagerDuty, V1_URL, V2_URL};
use crate::notify::tree::Tree;

/// Details told unless a configuration sets those of the same names.
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
];

pub(super) fn read(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<PagerDuty> {
    let text = |key, default| reader.texts.field(fields, key, default);
    let api = read_api(reader, fields);
    let own_url = fields.text("url");
    if let Some(url) = &own_url {
        check_url(fields, "url", url);
    }
    let url = match &api {
        // As in Alertmanager, whose `url` is version 2's.
        Some(Api::V1(_)) => V1_URL.to_owned(),
        Some(Api::V2(_)) | None => own_url
            .or_else(|| reader.global.pagerduty_url.clone())
            .unwrap_or_else(|| V2_URL.to_owned()),
    };
    let images = fields.items("images");
    let images = images.iter().filter_map(|item| read_image(reader, item));
    let links = fields.get("links").and_then(|value| value.items());
    let links = links.map(|items| {
        let links = items.iter().filter_map(|item| read_link(reader, item));
        links.collect()
    });
    let pagerduty = PagerDuty {
        url,
        sender: Sender::new(
            reader.http(fields),
            fields.duration("timeout").unwrap_or_default(),
        ),
        client: text("client", r#"{{ template "pagerduty.default.client" . }}"#),
        client_url: text(
            "client_url",
            r#"{{ template "pagerduty.default.clientURL" . }}"#,
        ),
        description: text(
            "description",
            r#"{{ template "pagerduty.default.description" . }}"#,
        ),
        severity: text("severity", "error"),
        source: text("source", ""),
        component: text("component", ""),
        group: text("group", ""),
        class: text("class", ""),
        details: read_details(reader, fields),
        images: images.collect(),
        links,
        surroundings: Arc::clone(reader.surroundings),
        api: api?,
    };
    Some(pagerduty)
}

fn read_api(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Api> {
    let routing_key = reader.secret_text(fields, "routing_key", "routing_key_file");
    let service_key = reader.secret_text(fields, "service_key", "service_key_file");
    match (routing_key, service_key) {
        (Some(_), Some(_)) => {
            fields.value().error(
                "routing_key and service_key exclude each other",
                "keep routing_key for a service with Events API v2",
            );
            None
        }
        (Some(key), None) => Some(Api::V2(key)),
        (None, Some(key)) => Some(Api::V1(key)),
        (None, None) => {
            if fields.get("routing_key").is_none() && fields.get("service_key").is_none() {
                fields.value().error(
                    "no PagerDuty key",
                    "add `routing_key:` or `routing_key_file:`, the integration key of Events API v2",
                );
            }
            None
        }
    }
}

fn read_details(reader: &Reader<'_>, fields: &Fields<'_>) -> Vec<(String, Tree)> {
    let own = fields.get("details").and_then(|value| value.pairs());
    let own = own.unwrap_or_default();
    let set = |name: &str| own.iter().any(|(own, _)| *own == name);
    let defaults = DETAILS.iter().filter(|(name, _)| !set(name));
    let mut details: Vec<(String, Tree)> = defaults
        .map(|(name, text)| {
            let field = reader.texts.default(fields, "details", text);
            ((*name).to_owned(), Tree::Text(field))
        })
        .collect();
    for (name, value) in &own {
        details.push(((*name).to_owned(), reader.texts.tree(value)));
    }
    details.sort_by(|(a, _), (b, _)| a.cmp(b));
    details
}

fn read_image(reader: &Reader<'_>, item: &Value<'_>) -> Option<Image> {
    let fields = item.fields()?;
    let image = Image {
        src: reader.texts.field(&fields, "src", ""),
        alt: reader.texts.field(&fields, "alt", ""),
        href: reader.texts.field(&fields, "href", ""),
    };
    fields.finish();
    Some(image)
}

fn read_link(reader: &Reader<'_>, item: &Value<'_>) -> Option<Link> {
    let fields = item.fields()?;
    let link = Link {
        href: reader.texts.field(&fields, "href", ""),
        text: reader.texts.field(&fields, "text", ""),
    };
    fields.finish();
    Some(link)
}
