//! `global` and `scrape_configs`, with Prometheus's keys, defaults and rules.
//! See <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config>.
//!
//! A `prometheus.yml` for one service is read as it is. What Prometheus has and Outrigger has not is refused by name,
//! with what to do instead; what neither has is an unknown key.

pub mod enrich;
mod job;
pub mod relabel;
mod unsupported;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::fields::{Fields, Value};
use crate::exposition::format::Format;
use crate::net::config::HttpClientConfig;

pub(super) use job::read_group;
use relabel::Relabelling;

/// Everything the scraping part is configured by.
#[derive(Clone, Debug, Default)]
pub struct ScrapeConfigs {
    /// The jobs, in the order of the file; names are unique.
    pub jobs: Vec<JobConfig>,
}

/// The keys of `global` that concern scraping: defaults for every job.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// How often.
    pub scrape_interval: Duration,
    /// How long a scrape may take; absent means 10 s or the interval, whichever is shorter.
    pub scrape_timeout: Option<Duration>,
    /// `Accept` order.
    pub protocols: Option<Vec<Protocol>>,
    /// Bounds.
    pub limits: Limits,
    /// How many dropped targets are listed; 0 for all.
    pub keep_dropped_targets: usize,
}

/// Bounds on what a target may send; 0 is unbounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of one body; 64 MiB where unset.
    pub body_size: usize,
    /// Samples of one scrape after metric relabelling.
    pub samples: usize,
    /// Labels of one series.
    pub labels: usize,
    /// Bytes of a label's name.
    pub label_name_length: usize,
    /// Bytes of a label's value.
    pub label_value_length: usize,
    /// Targets of one job after relabelling.
    pub targets: usize,
}

/// One entry of `scrape_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct JobConfig {
    /// `job_name`, the default `job` label.
    pub name: String,
    /// How often.
    pub scrape_interval: Duration,
    /// How long one scrape may take; never above the interval.
    pub scrape_timeout: Duration,
    /// The path, `/metrics` unless told otherwise.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Query parameters, in the order of the file.
    pub params: Vec<(String, Vec<String>)>,
    /// Whether the target's labels win over ours.
    pub honor_labels: bool,
    /// Whether the target's timestamps are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own get stale markers.
    pub track_timestamps_staleness: bool,
    /// What is asked for, best first.
    pub protocols: Vec<Protocol>,
    /// What an answer without a usable content type is read as.
    pub fallback: Option<Format>,
    /// Whether packed bodies are asked for; never on loopback.
    pub compression: bool,
    /// How to connect.
    pub http: HttpClientConfig,
    /// Targets written down here.
    pub statics: Vec<TargetGroup>,
    /// Targets in files.
    pub files: Vec<FileDiscovery>,
    /// Applied to targets.
    pub relabel: Relabelling,
    /// Applied to samples.
    pub metric_relabel: Relabelling,
    /// Bounds.
    pub limits: Limits,
    /// How many dropped targets are listed; 0 for all.
    pub keep_dropped_targets: usize,
}

/// Addresses with common labels.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TargetGroup {
    /// Where it was written, for the list of targets.
    pub source: String,
    /// `host` or `host:port`.
    pub targets: Vec<String>,
    /// Added to each.
    pub labels: Vec<(String, String)>,
}

/// One entry of `file_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiscovery {
    /// Paths whose last part may hold `*`, ending in `.json`, `.yml` or `.yaml`.
    pub patterns: Vec<PathBuf>,
    /// How often files are looked at even without a file event.
    pub refresh_interval: Duration,
}

/// A text format to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `OpenMetricsText1.0.0`
    OpenMetrics1,
    /// `OpenMetricsText0.0.1`
    OpenMetrics0,
    /// `PrometheusText1.0.0`
    Text1,
    /// `PrometheusText0.0.4`
    Text0,
}

/// How long a scrape may take where nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Prometheus's default order without protobuf.
pub const DEFAULT_PROTOCOLS: [Protocol; 4] = [
    Protocol::OpenMetrics1,
    Protocol::OpenMetrics0,
    Protocol::Text1,
    Protocol::Text0,
];

impl Protocol {
    /// The format its answers are in.
    pub fn format(self) -> Format {
        match self {
            Self::OpenMetrics1 | Self::OpenMetrics0 => Format::OpenMetrics,
            Self::Text1 | Self::Text0 => Format::PrometheusText,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics1 => "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            Self::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
            Self::Text1 => "text/plain;version=1.0.0;escaping=allow-utf-8",
            Self::Text0 => "text/plain;version=0.0.4",
        }
    }

    /// The `Accept` header for an order of protocols, weighted as Prometheus weighs them.
    pub fn accept(order: &[Self]) -> String {
        let mut header = String::new();
        for (protocol, weight) in order.iter().zip((2..=6).rev()) {
            header.push_str(&format!("{};q=0.{weight},", protocol.media_type()));
        }
        header.push_str(&format!("*/*;q=0.{}", 6 - order.len().min(4)));
        header
    }
}

impl Default for Global {
    /// Prometheus's own defaults.
    fn default() -> Self {
        Self {
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: None,
            protocols: None,
            limits: Limits::default(),
            keep_dropped_targets: 0,
        }
    }
}

impl JobConfig {
    /// A job without targets, all defaults: for what is scraped without an entry in a file.
    pub fn named(name: &str, global: &Global) -> Self {
        let interval = global.scrape_interval;
        Self {
            name: name.to_owned(),
            scrape_interval: interval,
            scrape_timeout: global
                .scrape_timeout
                .unwrap_or(DEFAULT_TIMEOUT)
                .min(interval),
            metrics_path: "/metrics".to_owned(),
            scheme: "http".to_owned(),
            params: Vec::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            protocols: global
                .protocols
                .clone()
                .unwrap_or_else(|| DEFAULT_PROTOCOLS.to_vec()),
            fallback: None,
            compression: true,
            http: HttpClientConfig::default(),
            statics: Vec::new(),
            files: Vec::new(),
            relabel: Relabelling::default(),
            metric_relabel: Relabelling::default(),
            limits: global.limits,
            keep_dropped_targets: global.keep_dropped_targets,
        }
    }
}

impl JobConfig {
    /// Whether a target is scraped alike under both: what only finds targets, or counts them, does not matter.
    pub fn scrapes_like(&self, other: &Self) -> bool {
        let scraping = |job: &Self| Self {
            statics: Vec::new(),
            files: Vec::new(),
            relabel: Relabelling::default(),
            limits: Limits {
                targets: 0,
                ..job.limits
            },
            keep_dropped_targets: 0,
            ..job.clone()
        };
        self == other || scraping(self) == scraping(other)
    }
}

impl Global {
    /// What applies without any configuration file: every 15 s.
    pub fn zero_config() -> Self {
        Self {
            scrape_interval: Duration::from_secs(15),
            ..Self::default()
        }
    }

    /// Takes the scraping keys out of `global`, which holds others too.
    pub fn read(fields: &Fields<'_>) -> Self {
        let default = Self::default();
        let interval = read_interval(fields, "scrape_interval");
        let scrape_interval = interval.unwrap_or(default.scrape_interval);
        let scrape_timeout = read_timeout(fields, scrape_interval);
        unsupported::refuse_global(fields);
        Self {
            scrape_interval,
            scrape_timeout,
            protocols: read_protocols(fields),
            limits: Limits::read(fields, Limits::default()),
            keep_dropped_targets: read_count(fields, "keep_dropped_targets").unwrap_or(0),
        }
    }
}

impl ScrapeConfigs {
    /// Takes `scrape_configs` out of the file's root; files are relative to `base`.
    pub fn read(root: &Fields<'_>, global: &Global, base: &Path) -> Self {
        let mut jobs: Vec<JobConfig> = Vec::new();
        let mut names: HashMap<String, u32> = HashMap::new();
        for item in root.items("scrape_configs") {
            let Some(job) = job::read(&item, global, base) else {
                continue;
            };
            let line = item.position().line;
            if let Some(first) = names.insert(job.name.clone(), line) {
                item.error(
                    format!(
                        "found multiple scrape configs with job name {:?}, the first on line {first}",
                        job.name
                    ),
                    "give each job its own job_name",
                );
            }
            jobs.push(job);
        }
        Self { jobs }
    }
}

impl Limits {
    fn read(fields: &Fields<'_>, default: Self) -> Self {
        let count = |key, default| read_count(fields, key).unwrap_or(default);
        let body_size = fields
            .get("body_size_limit")
            .and_then(|value| value.bytes());
        Self {
            body_size: body_size.map_or(default.body_size, |n| usize::try_from(n).unwrap_or(0)),
            samples: count("sample_limit", default.samples),
            labels: count("label_limit", default.labels),
            label_name_length: count("label_name_length_limit", default.label_name_length),
            label_value_length: count("label_value_length_limit", default.label_value_length),
            targets: count("target_limit", default.targets),
        }
    }
}

fn read_count(fields: &Fields<'_>, key: &'static str) -> Option<usize> {
    let count = fields.unsigned(key)?;
    Some(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A duration above zero.
fn read_interval(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let value = fields.get(key)?;
    let duration = value.duration()?;
    if duration.is_zero() {
        value.error(format!("{key} is zero"), "write a duration such as 15s");
        return None;
    }
    Some(duration)
}

/// `scrape_timeout`, which may not be above the interval.
fn read_timeout(fields: &Fields<'_>, interval: Duration) -> Option<Duration> {
    let value = fields.get("scrape_timeout")?;
    let timeout = value.duration()?;
    if timeout > interval {
        value.error(
            "scrape_timeout is greater than scrape_interval",
            "lower scrape_timeout or raise scrape_interval",
        );
        return None;
    }
    (!timeout.is_zero()).then_some(timeout)
}

fn read_protocols(fields: &Fields<'_>) -> Option<Vec<Protocol>> {
    let value = fields.get("scrape_protocols")?;
    let mut protocols = Vec::new();
    let items = value.items()?;
    for item in &items {
        match read_protocol(item) {
            Some(protocol) if protocols.contains(&protocol) => {
                item.error("protocol is listed twice", "keep one of the two");
            }
            Some(protocol) => protocols.push(protocol),
            None => {}
        }
    }
    if protocols.is_empty() {
        let only_protobuf = |item: &Value<'_>| item.text() == Some("PrometheusProto");
        if !items.iter().all(only_protobuf) {
            return None;
        }
        value.error(
            "no text protocol is listed",
            "add OpenMetricsText1.0.0 or PrometheusText0.0.4",
        );
        return None;
    }
    Some(protocols)
}

/// One protocol; protobuf is passed over, since the text formats carry all that is kept.
fn read_protocol(value: &Value<'_>) -> Option<Protocol> {
    match value.text()? {
        "OpenMetricsText1.0.0" => Some(Protocol::OpenMetrics1),
        "OpenMetricsText0.0.1" => Some(Protocol::OpenMetrics0),
        "PrometheusText1.0.0" => Some(Protocol::Text1),
        "PrometheusText0.0.4" => Some(Protocol::Text0),
        "PrometheusProto" => None,
        other => {
            value.error(
                format!("unknown scrape protocol {other:?}"),
                "use OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0 or PrometheusText0.0.4",
            );
            None
        }
    }
}
