//! Performance and cache: where the time goes between the service, its cache, Redis and the database.

use crate::dashboards::alerts::Alerts;
use crate::dashboards::layout::Layout;
use crate::dashboards::model::Dashboard;
use crate::dashboards::panel::Draft;
use crate::dashboards::unit::Unit;
use crate::dashboards::variables::{Choice, Frame};

const TARGETS: &str = r#"job=~"$job",instance=~"$instance""#;
/// A cache that never hit has no series for hits, one that never missed none for misses.
const CACHE: &str = r#"{__name__=~"cache_(hits|misses)_total"}"#;
const REDIS: &str = r#"instance=~"$redis""#;

pub(super) fn dashboard(alerts: &Alerts, outrigger: &str) -> Dashboard {
    let layout = Layout::new(alerts)
        .open("Cache", cache())
        .open("Database", database())
        .open("Redis", redis())
        .folded("Throughput and process", throughput());
    let frame = Frame {
        uid: "outrigger-performance",
        title: "Performance and cache",
        description: "Hits and misses, Redis, queries, connections and throughput: where the time of a request goes",
        tags: &["performance", "cache"],
        outrigger,
    };
    let choice = |name, label, of, selector| Choice {
        name,
        label,
        of,
        selector,
    };
    frame.around(
        &[
            choice("job", "Job", "job", CACHE),
            choice(
                "instance",
                "Instance",
                "instance",
                r#"{__name__=~"cache_(hits|misses)_total",job=~"$job"}"#,
            ),
            choice("redis", "Redis", "instance", "redis_memory_used_bytes"),
        ],
        layout,
    )
}

fn rate(metric: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{{TARGETS}}}[$__rate_interval]))")
}

fn quantile(quantile: &str, histogram: &str, by: &str) -> String {
    format!(
        "histogram_quantile({quantile}, {})",
        rate(&format!("{histogram}_bucket"), by)
    )
}

/// The first part's share of both, where there is anything.
fn share(part: &str, rest: &str) -> String {
    format!("({part} or 0 * {rest}) / (({part} or 0 * {rest}) + ({rest} or 0 * {part}) > 0)")
}

fn hit_share() -> String {
    let (hits, misses) = (
        rate("cache_hits_total", "job, instance"),
        rate("cache_misses_total", "job, instance"),
    );
    share(&hits, &misses)
}

fn redis_rate(metric: &str) -> String {
    format!("sum by (instance) (rate({metric}{{{REDIS}}}[$__rate_interval]))")
}

fn cache() -> Vec<Draft> {
    vec![
        Draft::gauge("Hit share")
            .about("Share of lookups that the cache answers, on the worst instance.")
            .size(6, 8)
            .query(&format!("min({})", hit_share()), "hits")
            .alert("LowCacheHitRate"),
        Draft::lines("Hit share by instance")
            .about("Share of lookups that the cache answers. After a restart it begins at nothing.")
            .size(9, 8)
            .shares()
            .query(&hit_share(), "{{instance}}")
            .alert("LowCacheHitRate"),
        Draft::stacked("Lookups")
            .about("Lookups each second, and how many of them the cache could answer.")
            .size(9, 8)
            .unit(Unit::OperationsPerSecond)
            .query(&rate("cache_hits_total", "job"), "hits")
            .query(&rate("cache_misses_total", "job"), "misses")
            .near("LowCacheHitRate"),
        Draft::lines("Duration of cache operations")
            .about("One operation in twenty takes longer, by operation. Redis answers in less than a millisecond unless it is busy.")
            .unit(Unit::Seconds)
            .from_zero()
            .query(&quantile("0.95", "cache_operation_duration_seconds", "operation, le"), "{{operation}} p95")
            .near("LowCacheHitRate"),
        Draft::heatmap(
            "Cache operations over time",
            Unit::Seconds,
            &format!(
                "sum by (le) (increase(cache_operation_duration_seconds_bucket{{{TARGETS}}}[$__rate_interval]))"
            ),
        )
        .about("How many cache operations took how long."),
    ]
}

fn database() -> Vec<Draft> {
    vec![
        Draft::lines("Mean duration of queries")
            .about("How long a database query takes on average, by instance.")
            .unit(Unit::Seconds)
            .from_zero()
            .query(
                &format!(
                    "{} / ({} > 0)",
                    rate("database_query_duration_seconds_sum", "job, instance"),
                    rate("database_query_duration_seconds_count", "job, instance")
                ),
                "{{instance}}",
            )
            .alert("SlowDatabaseQueries"),
        Draft::lines("95th percentile of queries")
            .about("One query in twenty takes longer, by operation.")
            .unit(Unit::Seconds)
            .from_zero()
            .query(&quantile("0.95", "database_query_duration_seconds", "operation, le"), "{{operation}}")
            .near("SlowDatabaseQueries"),
        Draft::lines("Connections")
            .about("Connections in use, and how many the pool may have.")
            .from_zero()
            .query(
                &format!("sum by (job, instance) (database_pool_active_connections{{{TARGETS}}})"),
                "{{instance}} in use",
            )
            .query(
                &format!("sum by (job, instance) (database_pool_max_connections{{{TARGETS}}})"),
                "{{instance}} at most",
            )
            .alert("HighDatabaseConnections"),
        Draft::lines("Pool in use")
            .about("Share of the pool's connections in use. At 1 requests wait for a connection.")
            .shares()
            .query(
                &format!(
                    "database_pool_active_connections{{{TARGETS}}} / (database_pool_max_connections{{{TARGETS}}} > 0)"
                ),
                "{{instance}}",
            )
            .alert("DatabasePoolExhaustion"),
        Draft::stacked("Queries")
            .about("Queries each second, by operation.")
            .unit(Unit::OperationsPerSecond)
            .query(&rate("database_query_duration_seconds_count", "operation"), "{{operation}}")
            .near("SlowDatabaseQueries"),
        Draft::bars("Failed queries")
            .about("Queries each second that failed, by operation.")
            .unit(Unit::CountPerSecond)
            .where_nothing("no failures")
            .query(&rate("database_errors_total", "operation"), "{{operation}}")
            .near("SlowDatabaseQueries"),
    ]
}

fn redis() -> Vec<Draft> {
    vec![
        Draft::lines("Redis operations")
            .about("Commands that Redis processed each second.")
            .unit(Unit::OperationsPerSecond)
            .from_zero()
            .query(&redis_rate("redis_commands_processed_total"), "{{instance}}"),
        Draft::lines("Redis memory in use")
            .about("Share of the memory that Redis may use. At 1 it evicts keys or refuses writes; without a limit it has no share.")
            .shares()
            .query(
                &format!("redis_memory_used_bytes{{{REDIS}}} / (redis_memory_max_bytes{{{REDIS}}} > 0)"),
                "{{instance}}",
            )
            .alert("HighRedisMemory"),
        Draft::lines("Redis memory")
            .about("Bytes that Redis uses, and may use.")
            .unit(Unit::Bytes)
            .from_zero()
            .query(&format!("redis_memory_used_bytes{{{REDIS}}}"), "{{instance}} used")
            .query(&format!("redis_memory_max_bytes{{{REDIS}}} > 0"), "{{instance}} at most")
            .near("HighRedisMemory"),
        Draft::lines("Redis hit share")
            .about("Share of lookups in Redis that found a key, whoever asked.")
            .shares()
            .query(
                &share(
                    &redis_rate("redis_keyspace_hits_total"),
                    &redis_rate("redis_keyspace_misses_total"),
                ),
                "{{instance}}",
            )
            .near("LowCacheHitRate"),
        Draft::lines("Keys given up")
            .about("Keys each second that ran out of time, and that were evicted for want of memory.")
            .unit(Unit::CountPerSecond)
            .from_zero()
            .query(&redis_rate("redis_expired_keys_total"), "{{instance}} expired")
            .query(&redis_rate("redis_evicted_keys_total"), "{{instance}} evicted")
            .near("HighRedisMemory"),
        Draft::lines("Redis clients")
            .about("Connected clients.")
            .from_zero()
            .query(&format!("redis_connected_clients{{{REDIS}}}"), "{{instance}}"),
    ]
}

fn throughput() -> Vec<Draft> {
    vec![
        Draft::lines("Requests")
            .about("Requests answered each second, by instance.")
            .unit(Unit::RequestsPerSecond)
            .from_zero()
            .query(&rate("http_requests_total", "job, instance"), "{{instance}}")
            .alert("HighRequestRate"),
        Draft::lines("Bytes answered")
            .about("Bytes of answers each second, before compression.")
            .unit(Unit::BytesPerSecond)
            .from_zero()
            .query(&rate("http_response_size_bytes_sum", "job, instance"), "{{instance}}")
            .near("HighRequestRate"),
        Draft::lines("CPU of the process")
            .about("Cores in use.")
            .from_zero()
            .query(
                &format!("rate({{__name__=~\"(.+_)?process_cpu_seconds_total\",{TARGETS}}}[$__rate_interval])"),
                "{{instance}}",
            ),
        Draft::lines("Memory of the process")
            .about("Resident memory.")
            .unit(Unit::Bytes)
            .from_zero()
            .query(
                &format!("{{__name__=~\"(.+_)?process_resident_memory_bytes\",{TARGETS}}}"),
                "{{instance}}",
            )
            .near("HighMemoryUsage"),
    ]
}
