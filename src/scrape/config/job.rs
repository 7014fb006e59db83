//! Reading one entry of `scrape_configs`.

use std::path::Path;
use std::time::Duration;

use super::relabel::Relabelling;
use super::{
    DEFAULT_PROTOCOLS, DEFAULT_TIMEOUT, FileDiscovery, Global, JobConfig, Limits, Protocol,
    TargetGroup, read_interval, read_protocol, read_protocols, read_timeout, unsupported,
};
use crate::document::fields::{Fields, Value};
use crate::net::config::HttpClientConfig;
use crate::scrape::address;

/// How often files are looked at where nothing is said.
const DEFAULT_REFRESH: Duration = Duration::from_secs(300);

pub(super) fn read(value: &Value<'_>, global: &Global, base: &Path) -> Option<JobConfig> {
    let fields = value.fields()?;
    let name = fields
        .required("job_name")
        .and_then(|value| value.text())
        .unwrap_or_default()
        .to_owned();
    let scrape_interval =
        read_interval(&fields, "scrape_interval").unwrap_or(global.scrape_interval);
    let scrape_timeout = read_timeout(&fields, scrape_interval)
        .unwrap_or(global.scrape_timeout.unwrap_or(DEFAULT_TIMEOUT))
        .min(scrape_interval);
    let scheme = fields
        .get("scheme")
        .and_then(|value| read_scheme(&value))
        .unwrap_or_else(|| "http".to_owned());
    let protocols = read_protocols(&fields)
        .or_else(|| global.protocols.clone())
        .unwrap_or_else(|| DEFAULT_PROTOCOLS.to_vec());
    unsupported::refuse_job(&fields);
    let job = JobConfig {
        name,
        scrape_interval,
        scrape_timeout,
        metrics_path: fields
            .text("metrics_path")
            .unwrap_or_else(|| "/metrics".to_owned()),
        scheme,
        params: read_params(&fields),
        honor_labels: fields.bool("honor_labels").unwrap_or(false),
        honor_timestamps: fields.bool("honor_timestamps").unwrap_or(true),
        track_timestamps_staleness: fields.bool("track_timestamps_staleness").unwrap_or(false),
        protocols,
        fallback: fields
            .get("fallback_scrape_protocol")
            .and_then(|value| read_protocol(&value))
            .map(Protocol::format),
        compression: fields.bool("enable_compression").unwrap_or(true),
        http: HttpClientConfig::read(&fields, base),
        statics: read_statics(&fields),
        files: read_files(&fields, base),
        relabel: Relabelling::read(&fields, "relabel_configs"),
        metric_relabel: Relabelling::read(&fields, "metric_relabel_configs"),
        limits: Limits::read(&fields, global.limits),
        keep_dropped_targets: super::read_count(&fields, "keep_dropped_targets")
            .unwrap_or(global.keep_dropped_targets),
    };
    fields.finish();
    (!job.name.is_empty()).then_some(job)
}

fn read_scheme(value: &Value<'_>) -> Option<String> {
    match value.text()? {
        scheme @ ("http" | "https") => Some(scheme.to_owned()),
        other => {
            value.error(format!("unknown scheme {other:?}"), "use http or https");
            None
        }
    }
}

fn read_params(fields: &Fields<'_>) -> Vec<(String, Vec<String>)> {
    let Some(value) = fields.get("params") else {
        return Vec::new();
    };
    let pairs = value.pairs().unwrap_or_default();
    let pairs = pairs
        .iter()
        .map(|(name, values)| ((*name).to_owned(), values.texts().unwrap_or_default()));
    pairs.collect()
}

fn read_statics(fields: &Fields<'_>) -> Vec<TargetGroup> {
    let items = fields.items("static_configs");
    let groups = items.iter().enumerate().filter_map(|(i, item)| {
        let mut group = read_group(item)?;
        group.source = i.to_string();
        Some(group)
    });
    groups.collect()
}

/// Reads `targets` and `labels`; the shape of `static_configs` and of discovery files alike.
pub(in crate::scrape) fn read_group(value: &Value<'_>) -> Option<TargetGroup> {
    let fields = value.fields()?;
    let mut group = TargetGroup::default();
    for target in fields.items("targets") {
        let Some(text) = target.text() else { continue };
        match address::check(text) {
            Ok(()) => group.targets.push(text.to_owned()),
            Err(error) => target.error(
                error.to_string(),
                "write host:port; scheme and path have keys of their own (scheme, metrics_path)",
            ),
        }
    }
    if let Some(labels) = fields.get("labels") {
        for (name, value) in labels.pairs().unwrap_or_default() {
            if name.is_empty() {
                value.error("label without a name", "give it a name");
            } else if let Some(text) = value.text() {
                group.labels.push((name.to_owned(), text.to_owned()));
            }
        }
    }
    fields.finish();
    Some(group)
}

fn read_files(fields: &Fields<'_>, base: &Path) -> Vec<FileDiscovery> {
    let read = |item: &Value<'_>| {
        let fields = item.fields()?;
        let mut patterns = Vec::new();
        if let Some(files) = fields.required("files") {
            for file in files.items().unwrap_or_default() {
                let Some(text) = file.text() else { continue };
                if is_pattern(text) {
                    patterns.push(base.join(text));
                } else {
                    file.error(
                        format!("path name {text:?} is not valid for file discovery"),
                        "end it in .json, .yml or .yaml, with at most one * and that in the last part",
                    );
                }
            }
        }
        let refresh_interval =
            read_interval(&fields, "refresh_interval").unwrap_or(DEFAULT_REFRESH);
        fields.finish();
        Some(FileDiscovery {
            patterns,
            refresh_interval,
        })
    };
    fields
        .items("file_sd_configs")
        .iter()
        .filter_map(read)
        .collect()
}

/// Prometheus's `^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$`.
fn is_pattern(text: &str) -> bool {
    let Some((stem, extension)) = text.rsplit_once('.') else {
        return false;
    };
    let known = ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&extension);
    known
        && match stem.split_once('*') {
            None => true,
            Some((_, after)) => !after.contains('/'),
        }
}
