//! `/api/v1/targets` and `/api/v1/metadata`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::http::context::Context;
use crate::http::errors::ApiError;
use crate::http::params::Params;
use crate::model::duration;
use crate::scrape::status::{Health, TargetStatus};

/// All targets, those that relabelling dropped among them.
///
/// # Errors
/// Where `state` is not one of `active`, `dropped`, `any`.
pub async fn targets(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let state = params.get("state").unwrap_or("any").to_ascii_lowercase();
    if !matches!(state.as_str(), "any" | "active" | "dropped") {
        return Err(ApiError::parameter("state", "write active, dropped or any"));
    }
    let pool = params.get("scrapePool");
    let wanted = |job: &str| pool.is_none_or(|pool| pool == job);
    let snapshot = context.targets.targets();
    let mut data = Map::new();
    let active: Vec<Value> = if state == "dropped" {
        Vec::new()
    } else {
        snapshot
            .active
            .iter()
            .filter(|target| wanted(&target.job))
            .map(|target| active(target, &context))
            .collect()
    };
    data.insert("activeTargets".to_owned(), json!(active));
    if state == "active" {
        data.insert("droppedTargets".to_owned(), json!([]));
        data.insert("droppedTargetCounts".to_owned(), Value::Null);
    } else {
        let dropped: Vec<Value> = snapshot
            .dropped
            .iter()
            .filter(|target| wanted(&target.job))
            .map(|target| json!({"discoveredLabels": target.discovered, "scrapePool": target.job}))
            .collect();
        // Every job is there, most with none.
        let mut counts: Map<String, Value> = snapshot
            .active
            .iter()
            .map(|target| (target.job.clone(), json!(0)))
            .collect();
        for (job, count) in &snapshot.dropped_counts {
            counts.insert(job.clone(), json!(count));
        }
        data.insert("droppedTargets".to_owned(), json!(dropped));
        data.insert("droppedTargetCounts".to_owned(), json!(counts));
    }
    Ok(Json(json!({"status": "success", "data": data})))
}

fn active(target: &TargetStatus, context: &Context) -> Value {
    let last_scrape = target.last_scrape.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |time| time.to_rfc3339(),
    );
    json!({
        "discoveredLabels": target.discovered,
        "labels": target.labels,
        "scrapePool": target.job,
        "scrapeUrl": target.url,
        "globalUrl": global_url(&target.url, context),
        "lastError": target.last_error.clone().or_else(|| target.warning.clone()).unwrap_or_default(),
        "lastScrape": last_scrape,
        "lastScrapeDuration": target.last_duration.as_secs_f64(),
        "health": match target.health {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        },
        "scrapeInterval": duration::format(target.interval),
        "scrapeTimeout": duration::format(target.timeout),
    })
}

/// The address as people elsewhere reach it: loopback becomes this machine's own name.
fn global_url(address: &str, context: &Context) -> String {
    let external = context.configuration.borrow().external_url.clone();
    let (Ok(mut address), Ok(external)) =
        (address.parse::<url::Url>(), external.parse::<url::Url>())
    else {
        return address.to_owned();
    };
    let loopback = matches!(
        address.host_str(),
        Some("localhost" | "127.0.0.1" | "[::1]")
    );
    if loopback && address.set_host(external.host_str()).is_err() {
        tracing::debug!("external URL has no host");
    }
    address.to_string()
}

/// Type, help and unit of the metrics that targets expose.
///
/// # Errors
/// Where a limit is no number.
pub async fn metadata(
    State(context): State<Arc<Context>>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    let limit = params.limit()?;
    let wanted = params.get("metric");
    let mut data: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for target in context.targets.targets().active {
        for (family, metadata) in target.metadata.iter() {
            if wanted.is_some_and(|wanted| wanted != family) {
                continue;
            }
            let entry = json!({
                "type": metadata.kind.as_str(),
                "unit": metadata.unit,
                "help": metadata.help,
            });
            let entries = data.entry(family.clone()).or_default();
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    }
    if limit > 0 {
        data = data.into_iter().take(limit).collect();
    }
    Ok(Json(json!({"status": "success", "data": data})))
}
