//! `/api/v2/status` and `/api/v2/receivers`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::context::Context;

/// The Alertmanager whose place is taken.
const UPSTREAM_VERSION: &str = "0.34.0";

/// The routing that runs, secrets hidden, and a cluster of one: there is no gossip, which Alertmanager calls disabled.
pub async fn status(State(context): State<Arc<Context>>) -> Json<Value> {
    // Clients tell by it what they may ask for.
    let version = match context.upstream_only {
        true => UPSTREAM_VERSION,
        false => env!("CARGO_PKG_VERSION"),
    };
    let name = format!("outrigger-{}", context.listen);
    Json(json!({
        "cluster": {
            "name": name,
            "peers": [{"address": context.listen.to_string(), "name": name}],
            "status": "disabled",
        },
        "config": {"original": context.configuration.borrow().routing.text},
        "uptime": context.started.to_rfc3339(),
        "versionInfo": {
            "branch": "",
            "buildDate": "",
            "buildUser": "",
            "goVersion": "",
            "revision": concat!("outrigger-", env!("CARGO_PKG_VERSION")),
            "version": version,
        },
    }))
}

/// The receivers in the file's order.
pub async fn receivers(State(context): State<Arc<Context>>) -> Json<Value> {
    let configuration = context.configuration.borrow();
    let receivers = configuration.routing.receivers.iter();
    Json(receivers.map(|name| json!({"name": &**name})).collect())
}
