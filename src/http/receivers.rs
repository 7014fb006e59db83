//! `/api/v1/notifications/receivers`: which receivers answer, and which are left alone because they failed.
//!
//! ```text
//! {"status": "success", "data": [{"receiver", "integration", "circuit": "closed" | "open" | "half_open", "failures",
//!   "since", "nextAttempt", "lastError"}, ...]}
//! ```
//!
//! `failures` counts those in a row while the circuit is closed; `since` and `nextAttempt` are there while it is not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Extracted;
use serde_json::{Value, json};

use crate::model::circuit::State;
use crate::model::timestamp::Timestamp;
use crate::notify::breaker::Circuit;
use crate::notify::outbox::Place;

use super::context::Context;

/// Each integration of each receiver, by name.
pub async fn receivers(Extracted(context): Extracted<Arc<Context>>) -> Json<Value> {
    let now = context.clock.now();
    let circuits = context.circuits.list();
    let rows: Vec<Value> = circuits
        .iter()
        .map(|(place, circuit)| row(place, circuit, now))
        .collect();
    Json(json!({"status": "success", "data": rows}))
}

fn row((receiver, integration): &Place, circuit: &Circuit, now: Timestamp) -> Value {
    let mut row = json!({
        "receiver": receiver.as_ref(),
        "integration": integration.to_string(),
        "lastError": circuit.last_error,
    });
    match circuit.state {
        State::Closed { failures } => {
            row["circuit"] = json!("closed");
            row["failures"] = json!(failures);
        }
        State::Open { since, until, .. } => {
            let half_open = now >= until;
            row["circuit"] = json!(if half_open { "half_open" } else { "open" });
            row["since"] = json!(since.to_rfc3339());
            row["nextAttempt"] = json!(until.to_rfc3339());
        }
    }
    row
}
