//! `/api/v1/stats/performance`: how long this API takes, of the last requests since the start.
//!
//! A query is a request to one route; its text is the method and the route's pattern, never a value. `params` is always
//! empty: values are not kept. Durations are milliseconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Query;
use super::answer::Fault;
use crate::clock::Stopwatch;
use crate::http::context::Context;
use crate::telemetry::metrics::resident_bytes;

/// Durations that are kept.
const KEPT: usize = 1_000;
/// Slow ones that are kept.
const KEPT_SLOW: usize = 100;
/// From this on a request is slow.
const SLOW: Duration = Duration::from_millis(100);
/// Bounds of the distribution, in milliseconds.
const BOUNDS: [f64; 4] = [10.0, 50.0, 100.0, 500.0];
/// Patterns that are shown.
const MOST_PATTERNS: usize = 50;

/// What was measured; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Performance(Arc<Mutex<Measured>>);

#[derive(Debug, Default)]
struct Measured {
    total: u64,
    slow: u64,
    durations: VecDeque<f64>,
    slowest: VecDeque<Slow>,
    patterns: BTreeMap<String, Pattern>,
}

#[derive(Debug)]
struct Slow {
    query: String,
    duration: f64,
    since: Stopwatch,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pattern {
    count: u64,
    duration: f64,
}

impl Performance {
    /// Answers a request and notes how long that took.
    pub(super) async fn measure<F: Future<Output = Response>>(
        &self,
        request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Response {
        let path = request.extensions().get::<MatchedPath>();
        let query = path.map(|path| format!("{} {}", request.method(), path.as_str()));
        let stopwatch = Stopwatch::start();
        let response = next(request).await;
        if let Some(query) = query {
            self.note(query, stopwatch.elapsed());
        }
        response
    }

    fn note(&self, query: String, took: Duration) {
        let duration = took.as_secs_f64() * 1000.0;
        let mut measured = self.0.lock();
        measured.total += 1;
        if measured.durations.len() == KEPT {
            measured.durations.pop_front();
        }
        measured.durations.push_back(duration);
        // Routes are few, and so are methods that fit one.
        let pattern = match measured.patterns.get_mut(&query) {
            Some(pattern) => pattern,
            None => measured.patterns.entry(query.clone()).or_default(),
        };
        pattern.count += 1;
        pattern.duration += duration;
        if took >= SLOW {
            measured.slow += 1;
            if measured.slowest.len() == KEPT_SLOW {
                measured.slowest.pop_front();
            }
            measured.slowest.push_back(Slow {
                query,
                duration,
                since: Stopwatch::start(),
            });
        }
    }
}

pub(super) async fn summary(Extension(performance): Extension<Performance>) -> Json<Value> {
    let measured = performance.0.lock();
    let mut sorted: Vec<f64> = measured.durations.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let queries = json!({
        "totalQueries": measured.total,
        "slowQueries": measured.slow,
        "avgDuration": rounded(sorted.iter().sum::<f64>() / sorted.len().max(1) as f64),
        "minDuration": rounded(sorted.first().copied().unwrap_or(0.0)),
        "maxDuration": rounded(sorted.last().copied().unwrap_or(0.0)),
        "p50Duration": rounded(quantile(&sorted, 0.5)),
        "p95Duration": rounded(quantile(&sorted, 0.95)),
        "p99Duration": rounded(quantile(&sorted, 0.99)),
    });
    let data = json!({"queries": queries, "distribution": distribution(&sorted), "cache": null});
    Json(json!({"success": true, "data": data}))
}

fn distribution(sorted: &[f64]) -> Value {
    let mut shown = json!({});
    let mut least = 0.0;
    for bound in BOUNDS {
        let count = sorted
            .iter()
            .filter(|time| **time >= least && **time < bound);
        shown[format!("{least}-{bound}ms")] = count.count().into();
        least = bound;
    }
    shown[format!(">{least}ms")] = sorted.iter().filter(|time| **time >= least).count().into();
    shown
}

/// The nearest rank.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

pub(super) async fn slow_queries(
    State(context): State<Arc<Context>>,
    Extension(performance): Extension<Performance>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let limit = Query::of(&request).number("limit", 1, 1_000)?.unwrap_or(20);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let now = context.clock.now();
    let measured = performance.0.lock();
    let shown = measured.slowest.iter().rev().take(limit).map(|slow| {
        let at = now - slow.since.elapsed();
        json!({
            "query": slow.query,
            "duration": rounded(slow.duration),
            "timestamp": at.to_rfc3339(),
            "params": [],
        })
    });
    let data: Vec<Value> = shown.collect();
    Ok(Json(json!({"success": true, "data": data})))
}

pub(super) async fn patterns(Extension(performance): Extension<Performance>) -> Json<Value> {
    let data: Vec<Value> = most_frequent(&performance.0.lock(), MOST_PATTERNS)
        .into_iter()
        .map(|(query, pattern)| json!({"pattern": query, "count": pattern.count}))
        .collect();
    Json(json!({"success": true, "data": data}))
}

fn most_frequent(measured: &Measured, most: usize) -> Vec<(String, Pattern)> {
    let patterns = measured.patterns.iter();
    let mut all: Vec<(String, Pattern)> = patterns
        .map(|(query, pattern)| (query.clone(), *pattern))
        .collect();
    all.sort_by_key(|(_, pattern)| std::cmp::Reverse(pattern.count));
    all.truncate(most);
    all
}

/// `/api/performance/stats`, in the older shape.
pub(super) async fn legacy(
    State(context): State<Arc<Context>>,
    Extension(performance): Extension<Performance>,
) -> Json<Value> {
    let measured = performance.0.lock();
    let top = most_frequent(&measured, 10)
        .into_iter()
        .map(|(path, pattern)| {
            let average = pattern.duration / pattern.count.max(1) as f64;
            json!({"path": path, "count": pattern.count, "avgDuration": rounded(average)})
        });
    let performance = json!({
        "totalRequests": measured.total,
        "slowRequests": measured.slow,
        "slowRequestRate": rounded(measured.slow as f64 * 100.0 / measured.total.max(1) as f64),
        "topEndpoints": top.collect::<Vec<_>>(),
    });
    let resident = resident_bytes().unwrap_or(0.0) / f64::from(1 << 20);
    let uptime = context.clock.now().since(context.started);
    let data = json!({
        "performance": performance,
        "memory": {"rss": format!("{resident:.2}MB")},
        "uptime": format!("{:.2} minutes", uptime.as_secs_f64() / 60.0),
    });
    Json(json!({"success": true, "data": data}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn figures_are_those_of_the_last_requests_and_slow_ones_are_kept_apart() {
        let performance = Performance::default();
        for i in 1..=100 {
            let took = Duration::from_millis(if i == 100 { 700 } else { i / 2 });
            performance.note(format!("GET /{}", i % 2), took);
        }
        let Json(shown) = summary(Extension(performance.clone())).await;
        let queries = &shown["data"]["queries"];
        assert_eq!(
            (&queries["totalQueries"], &queries["slowQueries"]),
            (&json!(100), &json!(1))
        );
        assert_eq!(
            (&queries["p50Duration"], &queries["p99Duration"]),
            (&json!(25.0), &json!(49.0))
        );
        assert_eq!(
            (&queries["minDuration"], &queries["maxDuration"]),
            (&json!(0.0), &json!(700.0))
        );
        let want = json!({"0-10ms": 19, "10-50ms": 80, "50-100ms": 0, "100-500ms": 0, ">500ms": 1});
        assert_eq!(shown["data"]["distribution"], want);
        let Json(shown) = patterns(Extension(performance.clone())).await;
        assert_eq!(shown["data"][0], json!({"pattern": "GET /0", "count": 50}));
        for _ in 0..2 * KEPT {
            performance.note("GET /2".to_owned(), SLOW);
        }
        let measured = performance.0.lock();
        assert_eq!(
            (measured.durations.len(), measured.slowest.len()),
            (KEPT, KEPT_SLOW)
        );
    }
}
