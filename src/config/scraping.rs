//! What is scraped: the file's jobs, the targets given by flag, Outrigger itself.
//!
//! Jobs that no file holds are written as one and read like one, so that there is one way to build a job.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use crate::document;
use crate::document::diagnostics::Diagnostics;
use crate::document::fields::Fields;
use crate::scrape::config::ScrapeConfigs;

use super::mistake;
use super::overrides::Overrides;
use super::settings::Settings;

/// The job of targets given by flag or environment.
const FLAG_JOB: &str = "service";
/// The job of Outrigger itself.
const SELF_JOB: &str = "outrigger";

pub(super) fn read(
    root: &Fields<'_>,
    settings: &Settings,
    base: &Path,
    extras: bool,
    listen: Option<SocketAddr>,
    overrides: &Overrides,
    diagnostics: &Diagnostics,
) -> ScrapeConfigs {
    let mut configs = ScrapeConfigs::read(root, &settings.global, base);
    let mut added = Vec::new();
    if !overrides.targets.is_empty() {
        let groups: Vec<serde_json::Value> = overrides
            .targets
            .iter()
            .filter_map(|target| target_group(target, diagnostics))
            .collect();
        added.push(json!({"job_name": FLAG_JOB, "static_configs": groups}));
    }
    if extras
        && settings.scrape_self
        && !settings.auth.hides_metrics()
        && let Some(listen) = listen
        // Any free port: which one is known when it is bound, and this is read again.
        && listen.port() != 0
    {
        let ip = if listen.ip().is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            listen.ip().to_string()
        };
        let target = if listen.is_ipv6() && !listen.ip().is_unspecified() {
            format!("[{ip}]:{}", listen.port())
        } else {
            format!("{ip}:{}", listen.port())
        };
        let path = format!("{}/metrics", settings.route_prefix());
        added.push(json!({
            "job_name": SELF_JOB,
            "metrics_path": path,
            "static_configs": [{"targets": [target]}],
        }));
    }
    if added.is_empty() {
        return configs;
    }
    // JSON is YAML: the reader of files reads it.
    let text = json!({"scrape_configs": added}).to_string();
    if let Some(document) = document::parse("(flags)", &text, diagnostics)
        && let Some(root) = document.value(diagnostics).fields()
    {
        let own = ScrapeConfigs::read(&root, &settings.global, base);
        for job in own.jobs {
            if configs.jobs.iter().any(|other| other.name == job.name) {
                // The file describes this job itself, and better.
                if job.name != SELF_JOB {
                    let message = format!("job {:?} of --target is in the file too", job.name);
                    diagnostics.push(mistake("--target", message, "rename the file's job"));
                }
                continue;
            }
            configs.jobs.push(job);
        }
        root.finish();
    }
    configs
}

/// `host:port`, `http://host:port` or a full address; `/metrics` where there is no path.
fn target_group(target: &str, diagnostics: &Diagnostics) -> Option<serde_json::Value> {
    let text = if target.contains("://") {
        target.to_owned()
    } else {
        format!("http://{target}")
    };
    let address = text.parse::<url::Url>().ok().filter(|address| {
        matches!(address.scheme(), "http" | "https")
            && address.has_host()
            && address.username().is_empty()
    });
    let Some(address) = address else {
        // A password in it is not repeated.
        let shown = match (text.find("://"), text.rfind('@')) {
            (Some(start), Some(end)) => format!("{}://…{}", &text[..start], &text[end..]),
            _ => target.to_owned(),
        };
        let message = format!("not a target: {shown:?}");
        let remedy =
            "write an address such as http://127.0.0.1:8080/metrics; passwords belong into a file";
        diagnostics.push(mistake("--target", message, remedy));
        return None;
    };
    let host = address.host_str()?;
    let host = match address.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let path = if address.path() == "/" {
        "/metrics"
    } else {
        address.path()
    };
    let mut labels = json!({"__scheme__": address.scheme(), "__metrics_path__": path});
    for (name, value) in address.query_pairs() {
        labels[format!("__param_{name}")] = json!(value);
    }
    Some(json!({"targets": [host], "labels": labels}))
}
