//! `POST /api/v1/routes/test`: who would be told of an alert with these labels; with `send`, tells them so.
//!
//! ```text
//! {"labels": {"alertname": "X", …}, "annotations": {…}, "at": "2026-11-20T06:55:00Z", "send": false}
//! {"status": "success", "data": {"labels", "at", "receivers": […], "routes": [{"receiver", "groupKey", …}], "inhibition",
//!   "silencedBy": ["<id>"], "inhibitedBy": "<fingerprint>" | null,
//!   "sent": [{"receiver", "integration", "delivered", "status" | "error", "templateFailures", "seconds"}]}}
//! ```
//!
//! A test goes to each integration of each route taken, marked `[TEST]`, whatever keeps the alert quiet: that is told beside
//! it. It is in the ledger as `tested`; no group and no notification log knows of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alerts::dispatch::view::Standing;
use crate::alerts::explain::{self, Explanation, explain};
use crate::auth::role::{Role, Scope};
use crate::db::ledger::{self, LedgerEntry};
use crate::model::alert::{Alert, Course};
use crate::model::labels::Labels;
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;
use crate::notify::trial::{self, Trial, Tried};

use super::context::Context;
use super::errors::{ApiError, ErrorKind};
use super::identity::Who;
use super::quiet::{read, success};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    at: Option<String>,
    #[serde(default)]
    send: bool,
}

/// Follows the labels, and sends where that is asked for.
///
/// # Errors
/// Where the body does not fit, or the process is shutting down.
pub async fn test(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let given: Given = read(request).await?;
    if given.send && caller.allowed(Role::Admin, Scope::MonitoringWrite).is_err() {
        let message = "requires role admin: it tells people";
        return Err(ApiError::new(ErrorKind::Forbidden, message));
    }
    let labels = Labels::from_pairs(given.labels);
    if labels.is_empty() {
        let message = "at least one label pair required";
        return Err(ApiError::new(ErrorKind::BadData, message));
    }
    let now = context.clock.now();
    let at = match &given.at {
        Some(text) => Timestamp::parse_rfc3339(text).map_err(|_| {
            ApiError::parameter("at", "write RFC 3339, such as 2026-11-20T06:55:00Z")
        })?,
        None => now,
    };
    let Standing {
        routing,
        inhibited_by,
        silenced_by,
    } = context.alerts.standing(labels.clone(), at).await?;
    let explanation = explain(&routing, &labels, at);
    let mut answer = explain::json::explanation(&explanation, &labels, at);
    answer["silencedBy"] = silenced_by.iter().map(|id| Value::from(&**id)).collect();
    answer["inhibitedBy"] = json!(inhibited_by);
    if given.send {
        let annotations = enriched(
            &context,
            &labels,
            Labels::from_pairs(given.annotations),
            now,
        );
        let trials = trials(&explanation, &labels, &annotations);
        drop(explanation);
        answer["sent"] = send(&context, &trials, now).await;
    }
    Ok(success(answer))
}

/// With the runbook and what the settings add to a posted alert.
fn enriched(context: &Context, labels: &Labels, annotations: Labels, now: Timestamp) -> Labels {
    let mut alert = Alert {
        labels: labels.clone(),
        annotations,
        starts_at: now,
        ends_at: now,
        updated_at: now,
        generator_url: "".into(),
        value: None,
        course: Course::default(),
    };
    let configuration = Arc::clone(&context.configuration.borrow());
    let index = context.index.load_full();
    configuration.enrich(&mut alert, &context.runbooks.borrow(), &index);
    alert.annotations
}

fn trials(explanation: &Explanation<'_>, labels: &Labels, annotations: &Labels) -> Vec<Trial> {
    let mut trials: Vec<Trial> = Vec::new();
    for taken in &explanation.taken {
        for target in &taken.route.receiver.targets {
            let trial = Trial {
                receiver: Arc::clone(&taken.route.receiver.name),
                integration: target.integration.clone(),
                group_labels: taken.group_labels.clone(),
                labels: labels.clone(),
                annotations: annotations.clone(),
            };
            // Two routes to one receiver are one message.
            let same = |known: &Trial| {
                known.receiver == trial.receiver && known.integration == trial.integration
            };
            if !trials.iter().any(same) {
                trials.push(trial);
            }
        }
    }
    trials
}

async fn send(context: &Context, trials: &[Trial], now: Timestamp) -> Value {
    let external_url = context.configuration.borrow().external_url.clone();
    let receivers = context.receivers.load_full();
    let tried = trial::send(&receivers, trials, &external_url, now).await;
    note(context, trials, &tried).await;
    let shown = |(trial, tried): (&Trial, &Tried)| {
        let mut json = json!({
            "receiver": &*trial.receiver,
            "integration": trial.integration.to_string(),
            "delivered": tried.result.is_ok(),
            "seconds": tried.took.as_secs_f64(),
        });
        match &tried.result {
            Ok(delivered) => {
                json["status"] = json!(delivered.status);
                json["templateFailures"] = json!(delivered.template_failures);
            }
            Err(error) => {
                json["error"] = json!(error.detail);
                json["reason"] = json!(error.reason.as_str());
            }
        }
        json
    };
    trials.iter().zip(&tried).map(shown).collect()
}

/// Into log and ledger; what was sent is told all the same where the ledger cannot be written.
async fn note(context: &Context, trials: &[Trial], tried: &[Tried]) {
    let now = context.clock.now();
    let entries: Vec<LedgerEntry> = trials
        .iter()
        .zip(tried)
        .map(|(trial, tried)| {
            let outcome = match &tried.result {
                Ok(delivered) => format!("delivered: {}", delivered.status),
                Err(error) => format!("not delivered: {}", error.detail),
            };
            tracing::info!(
                receiver = %trial.receiver,
                integration = %trial.integration,
                outcome,
                "test notification sent"
            );
            LedgerEntry {
                at: now,
                group_key: Arc::clone(&tried.group_key),
                receiver: Arc::clone(&trial.receiver),
                integration: trial.integration.to_string().into(),
                labels: Some(trial.labels.clone()),
                decision: Decision::Tested {
                    notification: Arc::clone(&tried.id),
                    outcome,
                },
            }
        })
        .collect();
    let write = async {
        let mut transaction = context.database.begin().await?;
        ledger::append(&mut transaction, &entries).await?;
        transaction.commit().await
    };
    if let Err(error) = write.await {
        tracing::error!(%error, "write tests to the ledger");
    }
}
