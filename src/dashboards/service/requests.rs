//! Requests: rate, errors and duration, from a histogram, or rate and errors from a counter.

use crate::dashboards::panel::{Column, Draft};
use crate::dashboards::unit::Unit;
use crate::exposition::MetricKind;

use super::Maker;
use super::families::Family;
use super::names::{label, title, words};
use super::rest::unit_of_buckets;

/// The most kinds of requests that get a row.
const MAX_ROWS: usize = 3;
/// Labels that name what was asked for, the best first.
const ROUTES: [&str; 14] = [
    "route",
    "http_route",
    "http.route",
    "handler",
    "endpoint",
    "path",
    "uri",
    "url",
    "grpc_method",
    "rpc_method",
    "rpc.method",
    "operation",
    "view",
    "method",
];
/// Labels that name how it ended, the best first, and a matcher of those that failed.
const ENDS: [(&str, &str); 16] = [
    ("status", "=~\"5..|5xx|error|failed|failure\""),
    ("code", "=~\"5..|5xx\""),
    ("status_code", "=~\"5..|5xx\""),
    ("http_status_code", "=~\"5..\""),
    ("http_response_status_code", "=~\"5..\""),
    ("http.response.status_code", "=~\"5..\""),
    ("http.status_code", "=~\"5..\""),
    ("response_code", "=~\"5..|5xx\""),
    ("status_class", "=~\"5.*\""),
    (
        "grpc_code",
        "!~\"OK|0|Canceled|NotFound|AlreadyExists|InvalidArgument\"",
    ),
    ("rpc_grpc_status_code", "!~\"0|1|3|5|6\""),
    ("rpc.grpc.status_code", "!~\"0|1|3|5|6\""),
    ("grpc_status", "!~\"OK|0\""),
    ("outcome", "=~\"(?i)(server_)?error|fail(ed|ure)?\""),
    ("result", "=~\"(?i)error|fail(ed|ure)?\""),
    ("success", "=\"false\""),
];

/// A kind of requests.
struct Requests<'a> {
    family: &'a Family,
    /// What counts them.
    counter: String,
    route: Option<&'a str>,
    /// How they ended, and which of them failed.
    end: Option<(&'a str, &'static str)>,
}

/// A row for each kind of requests.
pub(super) fn rows(maker: &mut Maker<'_>) -> Vec<(String, Vec<Draft>)> {
    let families = maker.families;
    let mut kinds: Vec<Requests<'_>> = families
        .iter()
        .filter(|family| is_duration_of_requests(family))
        .map(|family| requests(family, format!("{}_count", family.name)))
        .collect();
    if kinds.is_empty() {
        let counters = families
            .iter()
            .filter(|family| is_count_of_requests(family));
        kinds.extend(counters.map(|family| requests(family, family.name.clone())));
    }
    // Those that tell most come first; the names decide among equals.
    kinds.sort_by_key(|kind| (kind.end.is_none(), kind.route.is_none()));
    kinds.truncate(MAX_ROWS);
    for kind in &kinds {
        maker.seen(kind.family);
        // A counter beside the histogram counts the same.
        for family in families {
            if is_count_of_requests(family)
                && words(&family.name).first() == words(&kind.family.name).first()
            {
                maker.seen(family);
            }
        }
    }
    let rows = kinds.iter();
    rows.map(|kind| (title(&kind.family.name), kind.drafts(maker)))
        .collect()
}

fn is_duration_of_requests(family: &Family) -> bool {
    let words = words(&family.name);
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    family.kind == MetricKind::Histogram
        && has(&[
            "http", "request", "requests", "rpc", "grpc", "call", "handler", "handling",
        ])
        && has(&[
            "seconds",
            "duration",
            "latency",
            "milliseconds",
            "ms",
            "time",
        ])
        && !has(&["client", "size", "bytes"])
}

fn is_count_of_requests(family: &Family) -> bool {
    let words = words(&family.name);
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    family.kind == MetricKind::Counter
        && has(&["requests", "request", "rpcs", "handled", "calls"])
        && !has(&["error", "errors", "failed", "failures", "bytes", "client"])
}

fn requests(family: &Family, counter: String) -> Requests<'_> {
    let has = |name: &&str| family.labels.contains_key(*name);
    let end = ENDS.iter().find(|(name, _)| has(name));
    Requests {
        family,
        counter,
        route: ROUTES.into_iter().find(has),
        end: end.copied(),
    }
}

impl Requests<'_> {
    fn drafts(&self, maker: &Maker<'_>) -> Vec<Draft> {
        let help = if self.family.help.is_empty() {
            String::new()
        } else {
            format!(" {}: {}", self.family.name, self.family.help)
        };
        let mut drafts = vec![
            Draft::lines("Request rate")
                .about(format!("Requests each second.{help}"))
                .unit(Unit::RequestsPerSecond)
                .from_zero()
                .query(&self.sum(maker, "instance", &[]), "{{instance}}")
                .near("HighRequestRate"),
        ];
        if let Some((end, failed)) = self.end {
            let some = self.sum(maker, "instance", &[format!("{}{failed}", label(end))]);
            let all = self.sum(maker, "instance", &[]);
            drafts.push(
                Draft::lines("Error share")
                    .about("Share of requests that failed. Zero while nothing fails; absent without requests.")
                    .shares()
                    .query(&format!("({some} or 0 * {all}) / ({all} > 0)"), "{{instance}}")
                    .alert("HighErrorRate"),
            );
            drafts.push(
                Draft::stacked("Requests by outcome")
                    .about(format!("Requests each second by the label {end}."))
                    .unit(Unit::RequestsPerSecond)
                    .query(
                        &self.sum(maker, &label(end), &[]),
                        &format!("{{{{{end}}}}}"),
                    ),
            );
        }
        if self.family.kind == MetricKind::Histogram {
            let unit = unit_of_buckets(self.family);
            let mut durations = Draft::lines("Duration")
                .about("Half of the requests are faster than p50, one in twenty is slower than p95, one in a hundred than p99.")
                .unit(unit)
                .from_zero();
            for (quantile, name) in [("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")] {
                durations = durations.query(&self.quantile(maker, quantile, "le"), name);
            }
            // The shipped threshold is in seconds.
            drafts.push(match unit {
                Unit::Seconds => durations.alert("SlowResponseTimes"),
                _ => durations.near("SlowResponseTimes"),
            });
            let buckets = maker.series(&format!("{}_bucket", self.family.name), &[]);
            drafts.push(
                Draft::heatmap(
                    "Durations over time",
                    unit,
                    &format!("sum by (le) (increase({buckets}[$__rate_interval]))"),
                )
                .about("How many requests took how long.")
                .near("SlowResponseTimes"),
            );
        }
        if let Some(route) = self.route {
            drafts.push(self.busiest(maker, route));
        }
        drafts
    }

    fn busiest(&self, maker: &Maker<'_>, route: &str) -> Draft {
        let by = label(route);
        let all = self.sum(maker, &by, &[]);
        let top = format!("topk(10, {all})");
        let among = |expr: String| format!("({expr}) and on ({by}) {top}");
        let mut columns = vec![Column {
            name: "Requests",
            expr: top.clone(),
            unit: Unit::RequestsPerSecond,
        }];
        if let Some((end, failed)) = self.end {
            let some = self.sum(maker, &by, &[format!("{}{failed}", label(end))]);
            columns.push(Column {
                name: "Errors",
                expr: among(format!("({some} or 0 * {all}) / ({all} > 0)")),
                unit: Unit::Share,
            });
        }
        if self.family.kind == MetricKind::Histogram {
            columns.push(Column {
                name: "95th percentile",
                expr: among(self.quantile(maker, "0.95", &format!("{by}, le"))),
                unit: unit_of_buckets(self.family),
            });
        }
        Draft::table(&format!("Busiest, by {route}"), (route, route), columns)
            .about(format!(
                "The ten values of the label {route} with the most requests."
            ))
            .near("HighErrorRate")
    }

    fn sum(&self, maker: &Maker<'_>, by: &str, more: &[String]) -> String {
        format!("sum by ({by}) ({})", maker.rate(&self.counter, more))
    }

    fn quantile(&self, maker: &Maker<'_>, quantile: &str, by: &str) -> String {
        let buckets = maker.rate(&format!("{}_bucket", self.family.name), &[]);
        format!("histogram_quantile({quantile}, sum by ({by}) ({buckets}))")
    }
}
