//! `/api/v1/rules` and `/api/v1/alerts`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::context::Context;
use crate::http::errors::ApiError;
use crate::http::params::Params;
use crate::model::alert::AlertState;
use crate::model::go_float;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::timestamp::Timestamp;
use crate::rules::file::RuleKind;
use crate::rules::group::Group;
use crate::rules::rule::{Health, Memory, Rule};
use crate::rules::state::AlertInstance;

/// What Prometheus writes for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// All groups and their rules, filtered as Prometheus filters them.
///
/// # Errors
/// Where a parameter is wrong.
pub async fn rules(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let kind = match params.get("type") {
        None => None,
        Some("alert") => Some(true),
        Some("record") => Some(false),
        Some(other) => {
            return Err(ApiError::parameter(
                "type",
                format!("not supported value {other:?}"),
            ));
        }
    };
    let with_alerts = match params.get("exclude_alerts") {
        None => true,
        Some(text) => match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => false,
            "0" | "f" | "false" => true,
            _ => return Err(ApiError::parameter("exclude_alerts", "write true or false")),
        },
    };
    let wanted = |name: &'static str, value: &str| {
        let mut any = params.all(name).peekable();
        any.peek().is_none() || any.any(|candidate| candidate == value)
    };
    let mut groups = Vec::new();
    let mut known = context.rules.groups();
    known.sort_by(|a, b| (&a.spec.file, &a.spec.name).cmp(&(&b.spec.file, &b.spec.name)));
    for group in known {
        if !wanted("rule_group[]", &group.spec.name) || !wanted("file[]", &group.spec.file) {
            continue;
        }
        let rules: Vec<Value> = group
            .rules
            .iter()
            .filter(|rule| wanted("rule_name[]", &rule.spec.name))
            .filter(|rule| {
                kind.is_none_or(|alert| alert == (rule.spec.kind != RuleKind::Recording))
            })
            .map(|rule| rule_json(rule, with_alerts))
            .collect();
        // A filter that leaves nothing of a group leaves out the group.
        if rules.is_empty() && (!group.rules.is_empty()) {
            continue;
        }
        groups.push(group_json(&group, rules));
    }
    Ok(Json(
        json!({"status": "success", "data": {"groups": groups}}),
    ))
}

/// All pending and firing alerts.
pub async fn alerts(State(context): State<Arc<Context>>) -> Json<Value> {
    let mut alerts = Vec::new();
    for group in context.rules.groups() {
        for rule in &group.rules {
            alerts.extend(active(&rule.memory()).map(alert_json));
        }
    }
    Json(json!({"status": "success", "data": {"alerts": alerts}}))
}

fn group_json(group: &Group, rules: Vec<Value>) -> Value {
    let last = group.last();
    json!({
        "name": group.spec.name,
        "file": group.spec.file.as_ref(),
        "rules": rules,
        "interval": group.spec.interval.as_secs_f64(),
        "limit": group.spec.limit,
        "evaluationTime": last.duration.as_secs_f64(),
        "lastEvaluation": time_or_never(last.at),
    })
}

fn rule_json(rule: &Rule, with_alerts: bool) -> Value {
    let memory = rule.memory();
    let (health, last_error) = match &memory.health {
        Health::Unknown => ("unknown", None),
        Health::Ok => ("ok", None),
        Health::Failed(error) => ("err", Some(error.as_str())),
    };
    let labels = Labels::from_pairs(rule.spec.labels.iter().map(|(name, value)| (name, value)));
    let mut json = match &rule.spec.kind {
        RuleKind::Recording => json!({"name": rule.spec.name, "query": rule.spec.query}),
        RuleKind::Alerting { holds, annotations } => {
            let annotations =
                Labels::from_pairs(annotations.iter().map(|(name, value)| (name, value)));
            let state = active(&memory)
                .map(|instance| instance.state)
                .max()
                .unwrap_or(AlertState::Inactive);
            let alerts: Vec<Value> = if with_alerts {
                active(&memory).map(alert_json).collect()
            } else {
                Vec::new()
            };
            json!({
                "state": state.as_str(),
                "name": rule.spec.name,
                "query": rule.spec.query,
                "duration": holds.pending_for.as_secs_f64(),
                "keepFiringFor": holds.keep_firing_for.as_secs_f64(),
                "annotations": annotations,
                "alerts": alerts,
            })
        }
    };
    // As Prometheus: a recording rule without labels has no such key.
    if !labels.is_empty() || rule.spec.kind != RuleKind::Recording {
        json["labels"] = json!(labels);
    }
    json["health"] = json!(health);
    if let Some(error) = last_error {
        json["lastError"] = json!(error);
    }
    json["evaluationTime"] = json!(memory.evaluation_time.as_secs_f64());
    json["lastEvaluation"] = json!(time_or_never(memory.last_evaluation));
    json["type"] = json!(if rule.spec.kind == RuleKind::Recording {
        "recording"
    } else {
        "alerting"
    });
    json
}

/// Pending and firing instances, in a stable order.
fn active(memory: &Memory) -> impl Iterator<Item = &AlertInstance> {
    let mut active: Vec<&AlertInstance> = memory
        .instances
        .values()
        .filter(|instance| instance.state != AlertState::Inactive)
        .collect();
    active.sort_by(|a, b| a.labels.cmp(&b.labels));
    active.into_iter()
}

fn alert_json(instance: &AlertInstance) -> Value {
    debug_assert!(instance.labels.get(ALERT_NAME).is_some());
    let mut json = json!({
        "labels": instance.labels,
        "annotations": instance.annotations,
        "state": instance.state.as_str(),
        "activeAt": instance.active_at.to_rfc3339(),
        "value": go_float::format_exponent(instance.value),
    });
    if let Some(since) = instance.keep_firing_since {
        json["keepFiringSince"] = json!(since.to_rfc3339());
    }
    json
}

fn time_or_never(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NEVER.to_owned(), Timestamp::to_rfc3339)
}
