//! PagerDuty's events.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Api, PagerDuty};
use crate::model::notification::{Notification, severity_rank};
use crate::notify::incident::{self, Step};
use crate::notify::render::Rendering;
use crate::notify::{builtin, cut, fallback, wire};

const MAX_SUMMARY: usize = 1024;
const MAX_EVENT_BYTES: usize = 512_000;
/// Links added where none are configured.
const MAX_OWN_LINKS: usize = 10;

#[derive(Serialize)]
struct EventV2<'a> {
    routing_key: &'a str,
    dedup_key: &'a str,
    event_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "String::is_empty")]
    client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Value>,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    class: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    component: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    custom_details: Map<String, Value>,
}

#[derive(Serialize)]
struct EventV1<'a> {
    service_key: &'a str,
    incident_key: &'a str,
    event_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_url: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    details: Map<String, Value>,
}

impl PagerDuty {
    pub(super) fn event(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        step: &Step,
        key: &str,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let action = if step.fires { "trigger" } else { "resolve" };
        let (mut summary, mut details) = (String::new(), Map::new());
        let (mut client, mut client_url) = (String::new(), String::new());
        if step.whole {
            let subject = || builtin::subject(notification);
            summary = rendering.text_or(&self.description, subject);
            summary = match self.surroundings.upstream_only {
                true => cut::upstream(summary, MAX_SUMMARY),
                false => cut::line(summary, MAX_SUMMARY),
            };
            client = rendering.text(&self.client);
            client_url = rendering.text(&self.client_url);
            for (name, value) in &self.details {
                details.insert(name.clone(), value.render(rendering, &subject));
            }
        }
        match self.api {
            Api::V1(_) => {
                let mut event = EventV1 {
                    service_key: key,
                    incident_key: &step.key,
                    event_type: action,
                    description: summary,
                    client,
                    client_url,
                    details,
                };
                apologise(&mut event.details, rendering, step);
                let body = wire::encode(&event)?;
                if body.len() <= MAX_EVENT_BYTES {
                    return Ok(body);
                }
                event.details = too_large();
                wire::encode(&event)
            }
            Api::V2(_) => {
                let mut event = EventV2 {
                    routing_key: key,
                    dedup_key: &step.key,
                    event_action: action,
                    payload: None,
                    client,
                    client_url,
                    images: Vec::new(),
                    links: Vec::new(),
                };
                if step.whole {
                    event.images = self.images(rendering);
                    event.links = self.links(rendering, notification);
                    let source = match rendering.text(&self.source) {
                        source if source.is_empty() => event.client.clone(),
                        source => source,
                    };
                    let mut payload = Payload {
                        summary,
                        source: match self.surroundings.upstream_only {
                            true => source,
                            false => or_outrigger(source),
                        },
                        severity: match rendering.text(&self.severity) {
                            severity if self.surroundings.upstream_only => severity,
                            severity => known_severity(&severity).to_owned(),
                        },
                        class: rendering.text(&self.class),
                        component: rendering.text(&self.component),
                        group: rendering.text(&self.group),
                        custom_details: details,
                    };
                    apologise(&mut payload.custom_details, rendering, step);
                    event.payload = Some(payload);
                }
                let body = wire::encode(&event)?;
                if body.len() <= MAX_EVENT_BYTES {
                    return Ok(body);
                }
                if let Some(payload) = &mut event.payload {
                    payload.custom_details = too_large();
                }
                wire::encode(&event)
            }
        }
    }

    fn images(&self, rendering: &mut Rendering<'_>) -> Vec<Value> {
        let images = self.images.iter().filter_map(|image| {
            let src = rendering.text(&image.src);
            let (alt, href) = (rendering.text(&image.alt), rendering.text(&image.href));
            (!src.is_empty()).then(|| json!({"src": src, "alt": alt, "href": href}))
        });
        images.collect()
    }

    fn links(&self, rendering: &mut Rendering<'_>, notification: &Notification) -> Vec<Value> {
        let wire = |href: String, text: String| json!({"href": href, "text": text});
        let Some(links) = &self.links else {
            if self.surroundings.upstream_only {
                return Vec::new();
            }
            let own = incident::links(notification, MAX_OWN_LINKS).into_iter();
            return own.map(|(href, text)| wire(href, text)).collect();
        };
        let links = links.iter().filter_map(|link| {
            let (href, text) = (rendering.text(&link.href), rendering.text(&link.text));
            (!href.is_empty()).then(|| wire(href, text))
        });
        links.collect()
    }
}

fn apologise(details: &mut Map<String, Value>, rendering: &Rendering<'_>, step: &Step) {
    if !step.whole {
        return;
    }
    if let Some(failure) = rendering.failure() {
        details.insert("template_error".to_owned(), failure.into());
    }
    if let Some(undelivered) = rendering.undelivered() {
        details.insert(fallback::ANNOTATION.to_owned(), undelivered.into());
    }
}

fn too_large() -> Map<String, Value> {
    let text = "the details were left out: with them the event was larger than the 512 kB that PagerDuty takes";
    Map::from_iter([("error".to_owned(), text.into())])
}

/// PagerDuty refuses events without a source.
fn or_outrigger(source: String) -> String {
    if source.is_empty() {
        "Outrigger".to_owned()
    } else {
        source
    }
}

fn known_severity(severity: &str) -> &'static str {
    match severity_rank(severity) {
        0 | 1 => "critical",
        3 => "warning",
        5 | 6 => "info",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_replaced_by_the_nearest_known() {
        let check = |severity: &str, want: &str| assert_eq!(known_severity(severity), want);
        for known in ["critical", "error", "warning", "info"] {
            check(known, known);
        }
        check("page", "critical");
        check("minor", "warning");
        check("none", "info");
        check("", "error");
        check("sev2", "error");
    }
}
