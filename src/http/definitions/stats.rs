//! `GET /api/v1/stats`: how many metrics there are, by what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::answer::Fault;
use crate::db::definitions::{self as rows, Column};
use crate::definitions::resource::Kind;
use crate::http::context::Context;

pub(super) async fn stats(State(context): State<Arc<Context>>) -> Result<Json<Value>, Fault> {
    let mut data = Map::new();
    let mut total = 0;
    for (name, column) in [
        ("by_category", Column::Category),
        ("by_type", Column::MetricType),
        ("by_tier", Column::Tier),
        ("by_domain", Column::BusinessDomain),
    ] {
        let counts = rows::counts(&context.definitions, Kind::Metric.as_str(), column).await?;
        // Every metric has each of these.
        total = counts.iter().map(|(_, count)| count).sum::<i64>();
        let counts: Map<String, Value> = counts
            .into_iter()
            .map(|(value, count)| (value, count.into()))
            .collect();
        data.insert(name.to_owned(), counts.into());
    }
    data.insert("total".to_owned(), total.into());
    Ok(Json(json!({"success": true, "data": data})))
}
