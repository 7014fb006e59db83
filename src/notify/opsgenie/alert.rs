//! Opsgenie's alerts, cut to what it takes.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Opsgenie;
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;
use crate::notify::http::quote;
use crate::notify::incident::Step;
use crate::notify::message::Common;
use crate::notify::render::Rendering;
use crate::notify::{builtin, cut};

const MAX_MESSAGE: usize = 130;
const MAX_DESCRIPTION: usize = 15_000;
const MAX_DETAILS: usize = 8000;
const MAX_ENTITY: usize = 512;
const MAX_NOTE: usize = 25_000;
const MAX_TAGS: usize = 20;
const MAX_ACTIONS: usize = 10;
const MAX_LIST_ITEM: usize = 50;

#[derive(Serialize)]
pub(super) struct Create {
    alias: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    details: Map<String, Value>,
    source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responders: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    priority: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    entity: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

impl Opsgenie {
    pub(super) fn create(
        &self,
        rendering: &mut Rendering<'_>,
        notification: &Notification,
        step: &Step,
        source: String,
        now: Timestamp,
    ) -> Create {
        let message = rendering.text_or(&self.message, || builtin::subject(notification));
        let mut description =
            rendering.text_or(&self.description, || builtin::text(notification, now));
        let common = Common::of(&notification.alerts);
        let labels = common.labels.iter();
        let mut details: Map<String, Value> = labels
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        for (name, field) in &self.details {
            details.insert(name.clone(), rendering.text(field).into());
        }
        details.sort_keys();
        if self.surroundings.upstream_only {
            return self.upstream(rendering, step, source, message, description, details);
        }
        let priority = rendering.text(&self.priority).trim().to_ascii_uppercase();
        let known = matches!(priority.as_str(), "" | "P1" | "P2" | "P3" | "P4" | "P5");
        if !known {
            let said = quote(priority.as_bytes());
            let path = &self.priority.path;
            rendering
                .failures
                .push(format!("{path}: {said:?} is none of P1 to P5"));
        }
        let create = Create {
            alias: step.key.clone(),
            message: cut::line(message, MAX_MESSAGE),
            description: String::new(),
            details: fitting(details),
            source,
            responders: self.responders(rendering),
            tags: list(&rendering.text(&self.tags), MAX_TAGS),
            note: cut::lines(rendering.text(&self.note), MAX_NOTE, "Opsgenie"),
            priority: if known { priority } else { String::new() },
            entity: cut::line(rendering.text(&self.entity), MAX_ENTITY),
            actions: list(&rendering.text(&self.actions), MAX_ACTIONS),
        };
        // The apology comes first: it must not be cut off with the rest.
        if let Some(apology) = rendering.apology() {
            description = format!("{apology}\n{description}");
        }
        Create {
            description: cut::lines(description, MAX_DESCRIPTION, "Opsgenie"),
            ..create
        }
    }

    /// What Alertmanager sends: nothing but the message is cut, and no list is tidied.
    fn upstream(
        &self,
        rendering: &mut Rendering<'_>,
        step: &Step,
        source: String,
        message: String,
        description: String,
        details: Map<String, Value>,
    ) -> Create {
        let list = |text: String| match text.trim() {
            "" => Vec::new(),
            text => text.split(',').map(str::to_owned).collect(),
        };
        Create {
            alias: step.key.clone(),
            message: cut::upstream(message, MAX_MESSAGE),
            description,
            details,
            source,
            responders: self.responders(rendering),
            tags: list(rendering.text(&self.tags)),
            note: rendering.text(&self.note),
            priority: rendering.text(&self.priority),
            entity: rendering.text(&self.entity),
            actions: list(rendering.text(&self.actions)),
        }
    }

    fn responders(&self, rendering: &mut Rendering<'_>) -> Vec<Value> {
        let mut responders = Vec::new();
        for responder in &self.responders {
            let kind = rendering.text(&responder.kind);
            let name = rendering.text(&responder.name);
            if kind == "teams" {
                let teams = name.split(',').map(str::trim);
                let teams = teams.filter(|team| !team.is_empty());
                responders.extend(teams.map(|team| json!({"name": team, "type": "team"})));
                continue;
            }
            let mut wire = Map::new();
            let parts = [
                ("id", rendering.text(&responder.id)),
                ("name", name),
                ("username", rendering.text(&responder.username)),
            ];
            for (part, text) in parts {
                if !text.is_empty() {
                    wire.insert(part.to_owned(), text.into());
                }
            }
            // Empty for this notification: a template may name nobody.
            if !wire.is_empty() {
                wire.insert("type".to_owned(), kind.into());
                responders.push(wire.into());
            }
        }
        responders
    }
}

/// As many details as Opsgenie takes, and how many were left out.
fn fitting(details: Map<String, Value>) -> Map<String, Value> {
    const NOTE: usize = 100;
    let mut room = MAX_DETAILS - NOTE;
    let mut left_out = 0_usize;
    let mut fitting = Map::new();
    for (name, value) in details {
        let size = name.chars().count() + value.as_str().map_or(0, |text| text.chars().count());
        match room.checked_sub(size) {
            Some(rest) => {
                room = rest;
                fitting.insert(name, value);
            }
            None => left_out += 1,
        }
    }
    if left_out > 0 {
        let said = format!("{left_out} details were too long for Opsgenie");
        fitting.insert("left_out".to_owned(), said.into());
    }
    fitting
}

fn list(text: &str, limit: usize) -> Vec<String> {
    let items = text.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .take(limit)
        .map(|item| cut::line(item.to_owned(), MAX_LIST_ITEM))
        .collect()
}
