//! API overview: what the users of an HTTP service feel, and what it leans on.

use crate::dashboards::alerts::Alerts;
use crate::dashboards::layout::Layout;
use crate::dashboards::model::Dashboard;
use crate::dashboards::panel::{Column, Draft};
use crate::dashboards::unit::Unit;
use crate::dashboards::variables::{Choice, Frame};

/// The chosen targets.
const TARGETS: &str = r#"job=~"$job",instance=~"$instance""#;
/// The chosen targets and routes.
const ROUTES: &str = r#"job=~"$job",instance=~"$instance",route=~"$route""#;

pub(super) fn dashboard(alerts: &Alerts, outrigger: &str) -> Dashboard {
    let layout = Layout::new(alerts)
        .open("At a glance", glance())
        .open("Traffic and errors", traffic())
        .open("Latency", latency())
        .folded("Cache, database and memory", dependencies());
    let frame = Frame {
        uid: "outrigger-api",
        title: "API overview",
        description: "Traffic, errors and latency of an HTTP service, and the cache, database and memory it leans on",
        tags: &["api", "red"],
        outrigger,
    };
    let choice = |name, label, selector| Choice {
        name,
        label,
        of: name,
        selector,
    };
    frame.around(
        &[
            choice("job", "Job", "http_requests_total"),
            choice(
                "instance",
                "Instance",
                r#"http_requests_total{job=~"$job"}"#,
            ),
            choice("route", "Route", r#"http_requests_total{job=~"$job"}"#),
        ],
        layout,
    )
}

/// Requests each second, grouped.
fn rate(by: &str, more: &str) -> String {
    format!("sum by ({by}) (rate(http_requests_total{{{ROUTES}{more}}}[$__rate_interval]))")
}

/// The share of requests that end with a status; nothing of something is zero, something of nothing is nothing.
fn share(by: &str, status: &str) -> String {
    let all = rate(by, "");
    let some = rate(by, &format!(",status=~\"{status}\""));
    format!("({some} or 0 * {all}) / ({all} > 0)")
}

/// A quantile of the duration of requests.
fn quantile(quantile: &str, by: &str) -> String {
    let buckets =
        format!("rate(http_request_duration_seconds_bucket{{{ROUTES}}}[$__rate_interval])");
    format!("histogram_quantile({quantile}, sum by ({by}) ({buckets}))")
}

fn hit_share(by: &str) -> String {
    let hits = format!("sum by ({by}) (rate(cache_hits_total{{{TARGETS}}}[$__rate_interval]))");
    let misses = format!("sum by ({by}) (rate(cache_misses_total{{{TARGETS}}}[$__rate_interval]))");
    format!("({hits} or 0 * {misses}) / (({hits} or 0 * {misses}) + ({misses} or 0 * {hits}) > 0)")
}

fn pool_share() -> String {
    format!(
        "database_pool_active_connections{{{TARGETS}}} / (database_pool_max_connections{{{TARGETS}}} > 0)"
    )
}

fn glance() -> Vec<Draft> {
    vec![
        Draft::stat("Requests")
            .about("Requests answered each second, all instances together.")
            .unit(Unit::RequestsPerSecond)
            .query(&format!("sum(rate(http_requests_total{{{ROUTES}}}[$__rate_interval]))"), "requests")
            .near("HighRequestRate"),
        Draft::stat("Success")
            .about("Share of requests that were not answered with a 5xx status, of the worst instance.")
            .shares()
            .query(&format!("1 - max({})", share("job, instance", "5..")), "success")
            .alert_on_rest("HighErrorRate"),
        Draft::stat("95th percentile")
            .about("One request in twenty takes longer, on the slowest instance.")
            .unit(Unit::Seconds)
            .query(&format!("max({})", quantile("0.95", "job, instance, le")), "p95")
            .alert("SlowResponseTimes"),
        Draft::gauge("Cache hits")
            .about("Share of lookups that the cache answers, on the worst instance. The rest goes to the database.")
            .query(&format!("min({})", hit_share("job, instance")), "hits")
            .alert("LowCacheHitRate"),
        Draft::gauge("Database pool")
            .about("Share of the fullest instance's database connections that are in use. When all are, requests wait.")
            .query(&format!("max({})", pool_share()), "in use")
            .alert("DatabasePoolExhaustion"),
        Draft::stat("Instances up")
            .about("Whether each instance answered its last scrape.")
            .words(&[("0", "down", "red"), ("1", "up", "green")])
            .query(&format!("min by (job, instance) (up{{{TARGETS}}})"), "{{instance}}")
            .alert("APIInstanceDown"),
    ]
}

fn traffic() -> Vec<Draft> {
    vec![
        Draft::lines("Request rate by instance")
            .about("Requests each second. A sudden fall to nothing is as bad as a flood: compare with the errors beside it.")
            .unit(Unit::RequestsPerSecond)
            .from_zero()
            .query(&rate("job, instance", ""), "{{instance}}")
            .alert("HighRequestRate"),
        Draft::lines("Error share by instance")
            .about("Share of requests answered with a 5xx status. Zero while nothing fails; absent without traffic.")
            .shares()
            .query(&share("job, instance", "5.."), "{{instance}}")
            .alert("HighErrorRate"),
        Draft::stacked("Requests by class of status")
            .about("Requests each second by the first digit of their status: 2xx done, 4xx refused, 5xx failed.")
            .unit(Unit::RequestsPerSecond)
            .query(
                &format!(
                    "sum by (class) (label_replace({}, \"class\", \"${{1}}xx\", \"status\", \"(.)..\"))",
                    rate("status", "")
                ),
                "{{class}}",
            )
            .near("HighErrorRate"),
        Draft::bars("Errors by status")
            .about("Requests each second answered with 4xx or 5xx. Many 401 or 404 are a client's mistake, 5xx are ours.")
            .unit(Unit::RequestsPerSecond)
            .where_nothing("no errors")
            .query(&rate("status", ",status=~\"[45]..\""), "{{status}}")
            .near("HighErrorRate"),
        Draft::table(
            "Busiest routes",
            ("route", "Route"),
            vec![
                Column {
                    name: "Requests",
                    expr: format!("topk(10, {})", rate("route", "")),
                    unit: Unit::RequestsPerSecond,
                },
                Column {
                    name: "Errors",
                    expr: format!("{} and on (route) topk(10, {})", share("route", "5.."), rate("route", "")),
                    unit: Unit::Share,
                },
                Column {
                    name: "95th percentile",
                    expr: format!(
                        "{} and on (route) topk(10, {})",
                        quantile("0.95", "route, le"),
                        rate("route", "")
                    ),
                    unit: Unit::Seconds,
                },
            ],
        )
        .about("The ten routes with the most requests, the share of them that fails, and how long one in twenty takes.")
        .size(16, 8)
        .near("HighErrorRate"),
        Draft::pie("Requests by method")
            .about("How requests divide into reading and changing.")
            .unit(Unit::RequestsPerSecond)
            .query(&rate("method", ""), "{{method}}"),
    ]
}

fn latency() -> Vec<Draft> {
    vec![
        Draft::lines("Duration of requests")
            .about("Half of the requests are faster than p50, one in twenty is slower than p95, one in a hundred than p99.")
            .unit(Unit::Seconds)
            .from_zero()
            .query(&quantile("0.50", "le"), "p50")
            .query(&quantile("0.95", "le"), "p95")
            .query(&quantile("0.99", "le"), "p99")
            .alert("SlowResponseTimes"),
        Draft::heatmap(
            "Durations over time",
            Unit::Seconds,
            &format!(
                "sum by (le) (increase(http_request_duration_seconds_bucket{{{ROUTES}}}[$__rate_interval]))"
            ),
        )
        .about("How many requests took how long. Two bands mean two kinds of work, such as hits and misses of the cache.")
        .near("SlowResponseTimes"),
        Draft::lines("95th percentile by route")
            .about("Which routes are slow. A route that is slow alone points at its query; all together at what they share.")
            .unit(Unit::Seconds)
            .from_zero()
            .query(&format!("topk(10, {})", quantile("0.95", "route, le")), "{{route}}")
            .near("SlowResponseTimes"),
        Draft::lines("Size of answers")
            .about("Bytes of an answer before compression: half are smaller than p50, one in twenty is larger than p95.")
            .unit(Unit::Bytes)
            .from_zero()
            .query(&size("0.50"), "p50")
            .query(&size("0.95"), "p95"),
    ]
}

fn size(quantile: &str) -> String {
    format!(
        "histogram_quantile({quantile}, sum by (le) (rate(http_response_size_bytes_bucket{{{ROUTES}}}[$__rate_interval])))"
    )
}

fn dependencies() -> Vec<Draft> {
    vec![
        Draft::lines("Cache hit share")
            .about("Share of lookups that the cache answers. It falls after a restart and rises again as the cache fills.")
            .shares()
            .query(&hit_share("job, instance"), "{{instance}}")
            .alert("LowCacheHitRate"),
        Draft::lines("Database connections")
            .about("Connections in use, and how many there may be. At the maximum requests wait for one.")
            .from_zero()
            .query(
                &format!("sum by (job, instance) (database_pool_active_connections{{{TARGETS}}})"),
                "{{instance}} in use",
            )
            .query(
                &format!("sum by (job, instance) (database_pool_max_connections{{{TARGETS}}})"),
                "{{instance}} at most",
            )
            .alert("HighDatabaseConnections")
            .near("DatabasePoolExhaustion"),
        Draft::lines("Database queries")
            .about("Queries each second by operation.")
            .unit(Unit::OperationsPerSecond)
            .from_zero()
            .query(
                &format!(
                    "sum by (operation) (rate(database_query_duration_seconds_count{{{TARGETS}}}[$__rate_interval]))"
                ),
                "{{operation}}",
            )
            .near("SlowDatabaseQueries"),
        Draft::lines("Mean duration of queries")
            .about("How long a database query takes on average, by instance.")
            .unit(Unit::Seconds)
            .from_zero()
            .query(
                &format!(
                    "sum by (job, instance) (rate(database_query_duration_seconds_sum{{{TARGETS}}}[$__rate_interval])) / (sum by (job, instance) (rate(database_query_duration_seconds_count{{{TARGETS}}}[$__rate_interval])) > 0)"
                ),
                "{{instance}}",
            )
            .alert("SlowDatabaseQueries"),
        Draft::lines("Memory of the process")
            .about("Resident memory. What grows without end is a leak; a saw with rising teeth too.")
            .unit(Unit::Bytes)
            .from_zero()
            .query(
                &format!("{{__name__=~\"(.+_)?process_resident_memory_bytes\",{TARGETS}}}"),
                "{{instance}}",
            )
            .near("HighMemoryUsage"),
        Draft::lines("CPU of the process")
            .about("Cores in use. A process with one thread that computes cannot use more than one.")
            .from_zero()
            .query(
                &format!("rate({{__name__=~\"(.+_)?process_cpu_seconds_total\",{TARGETS}}}[$__rate_interval])"),
                "{{instance}}",
            )
            .near("SlowResponseTimes"),
    ]
}
