//! From discovered labels to a target, step by step as Prometheus does it.
//!
//! ```text
//! __address__, group labels, __meta_*   discovered
//!   + job, __scheme__, __metrics_path__, __param_*, __scrape_interval__, __scrape_timeout__
//!   ─▶ relabel ─▶ checked ─▶ __* removed, instance defaults to __address__
//! ```

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::address::{self, AddressError};
use super::config::JobConfig;
use crate::model::duration;
use crate::model::labels::{Labels, LabelsBuilder};

/// A target that will be scraped.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its job's configuration.
    pub job: Arc<JobConfig>,
    /// As discovered, before relabelling.
    pub discovered: Labels,
    /// What its samples carry.
    pub labels: Labels,
    /// Where it is.
    pub url: Url,
    /// How often.
    pub interval: Duration,
    /// How long one scrape may take.
    pub timeout: Duration,
}

/// What discovery knows of one target.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// Labels of its group.
    pub group: &'a [(String, String)],
    /// Discovery labels for every target: the host's and the pod's.
    pub meta: &'a [(String, String)],
    /// Labels for every target, where it has none of that name.
    pub attach: &'a [(String, String)],
}

/// Why something discovered is no target.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Relabelling took the address.
    #[error("target has no address after relabelling")]
    NoAddress,
    /// The address is unusable.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `__scheme__` is neither.
    #[error("target has scheme {0:?}; use http or https")]
    Scheme(String),
    /// `__scrape_interval__` or `__scrape_timeout__` makes no sense.
    #[error("target has an unusable {label}: {value:?}; write a duration above zero")]
    Duration {
        /// Which label.
        label: &'static str,
        /// Its value.
        value: String,
    },
    /// The timeout is above the interval.
    #[error("target's __scrape_timeout__ is above its __scrape_interval__")]
    TimeoutAboveInterval,
}

/// A discovered label set's fate.
#[derive(Debug)]
pub enum Populated {
    /// To be scraped.
    Kept(Box<Target>),
    /// Dropped by relabelling; the labels it had before.
    Dropped(Labels),
    /// Unusable.
    Failed(Labels, TargetError),
}

/// Builds the target.
pub fn populate(job: &Arc<JobConfig>, found: Found<'_>) -> Populated {
    let mut labels = LabelsBuilder::default();
    let interval = duration::format(job.scrape_interval);
    let timeout = duration::format(job.scrape_timeout);
    for (name, value) in [
        ("job", job.name.as_str()),
        ("__scrape_interval__", &interval),
        ("__scrape_timeout__", &timeout),
        ("__metrics_path__", &job.metrics_path),
        ("__scheme__", &job.scheme),
    ] {
        labels.set(name, value);
    }
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            labels.set(&format!("__param_{name}"), first);
        }
    }
    // An empty label is an absent one: it does not take a default away.
    let given = found.meta.iter().chain(found.group);
    for (name, value) in given.filter(|(_, value)| !value.is_empty()) {
        labels.set(name, value);
    }
    labels.set("__address__", found.address);
    let discovered = labels.clone().build();
    if !job.relabel.apply(&mut labels) {
        return Populated::Dropped(discovered);
    }
    match finish(job, &discovered, labels, found.attach) {
        Ok(target) => Populated::Kept(Box::new(target)),
        Err(error) => Populated::Failed(discovered, error),
    }
}

fn finish(
    job: &Arc<JobConfig>,
    discovered: &Labels,
    mut labels: LabelsBuilder,
    attach: &[(String, String)],
) -> Result<Target, TargetError> {
    let address = labels.value("__address__").to_owned();
    if address.is_empty() {
        return Err(TargetError::NoAddress);
    }
    address::check(&address)?;
    let interval = read_duration(&labels, "__scrape_interval__")?;
    let timeout = read_duration(&labels, "__scrape_timeout__")?;
    if timeout > interval {
        return Err(TargetError::TimeoutAboveInterval);
    }
    let url = url(job, &labels, &address)?;
    if labels.value("instance").is_empty() {
        labels.set("instance", &address);
    }
    for (name, value) in attach {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    }
    labels.retain(|name, _| !name.starts_with("__"));
    Ok(Target {
        job: Arc::clone(job),
        discovered: discovered.clone(),
        labels: labels.build(),
        url,
        interval,
        timeout,
    })
}

fn read_duration(labels: &LabelsBuilder, label: &'static str) -> Result<Duration, TargetError> {
    let value = labels.value(label);
    duration::parse(value)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| TargetError::Duration {
            label,
            value: value.to_owned(),
        })
}

fn url(job: &JobConfig, labels: &LabelsBuilder, address: &str) -> Result<Url, TargetError> {
    let scheme = labels.value("__scheme__");
    if !matches!(scheme, "http" | "https") {
        return Err(TargetError::Scheme(scheme.to_owned()));
    }
    let mut url = Url::parse(&format!("{scheme}://{address}"))
        .map_err(|_| AddressError::Invalid(address.to_owned()))?;
    url.set_path(labels.value("__metrics_path__"));
    // A relabelled `__param_x` stands for the first value; all others, and one whose label is gone, are as configured.
    let mut params: Vec<(String, String)> = Vec::new();
    for (name, values) in &job.params {
        let first = labels.get(&format!("__param_{name}"));
        let configured = values.iter().map(String::as_str);
        let all = first
            .into_iter()
            .chain(configured.skip(usize::from(first.is_some())));
        params.extend(all.map(|value| (name.clone(), value.to_owned())));
    }
    for (name, value) in labels.iter() {
        if let Some(name) = name.strip_prefix("__param_")
            && !job.params.iter().any(|(known, _)| known == name)
        {
            params.push((name.to_owned(), value.to_owned()));
        }
    }
    params.sort_by(|a, b| a.0.cmp(&b.0));
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    Ok(url)
}

impl Target {
    /// Peculiar to this target and this host; the same after a restart. Spreads targets over the interval.
    pub fn spread(&self, hostname: &str) -> u64 {
        let mut text = self.labels.to_string();
        text.push_str(self.url.as_str());
        text.push_str(hostname);
        rapidhash::v3::rapidhash_v3(text.as_bytes())
    }

    /// Whether a loop that scrapes `other` may go on for this one.
    pub fn same_work(&self, other: &Self) -> bool {
        self.labels == other.labels
            && self.url == other.url
            && self.interval == other.interval
            && self.timeout == other.timeout
            && self.job.scrapes_like(&other.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::diagnostics::Diagnostics;
    use crate::document::parse;
    use crate::scrape::config::{Global, ScrapeConfigs};
    use std::path::Path;

    fn job(yaml: &str) -> Arc<JobConfig> {
        let diagnostics = Diagnostics::default();
        let text = format!("scrape_configs: [{yaml}]");
        let document = parse("f.yml", &text, &diagnostics).unwrap();
        let root = document.value(&diagnostics).fields().unwrap();
        let configs = ScrapeConfigs::read(&root, &Global::default(), Path::new("/"));
        let problems = diagnostics.into_sorted();
        assert!(problems.is_empty(), "{problems:?}");
        Arc::new(configs.jobs[0].clone())
    }

    fn check(yaml: &str, group: &[(&str, &str)], want: Result<(&str, &str), &str>) {
        let group: Vec<_> = group
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let found = Found {
            address: "shop:8080",
            group: &group,
            meta: &[("__meta_outrigger_pod_name".to_owned(), "p".to_owned())],
            attach: &[("pod".to_owned(), "p".to_owned())],
        };
        let got = match populate(&job(yaml), found) {
            Populated::Kept(target) => Ok((target.labels.to_string(), target.url.to_string())),
            Populated::Dropped(_) => Err("dropped".to_owned()),
            Populated::Failed(_, error) => Err(error.to_string()),
        };
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!((got.0.as_str(), got.1.as_str()), want, "{yaml}"),
            (Err(got), Err(want)) => assert!(got.contains(want), "{yaml}: {got}"),
            (got, want) => panic!("{yaml}: {got:?} instead of {want:?}"),
        }
    }

    #[test]
    fn targets_are_built_as_prometheus_builds_them() {
        check(
            "{job_name: a}",
            &[],
            Ok((
                r#"{instance="shop:8080", job="a", pod="p"}"#,
                "http://shop:8080/metrics",
            )),
        );
        check(
            "{job_name: a, scheme: https, metrics_path: /m x, params: {q: [1, 2], p: [é]}}",
            &[
                ("job", "mine"),
                ("pod", "own"),
                ("__param_q", "9"),
                ("__param_z", "&"),
            ],
            Ok((
                r#"{instance="shop:8080", job="mine", pod="own"}"#,
                "https://shop:8080/m%20x?p=%C3%A9&q=9&q=2&z=%26",
            )),
        );
        check(
            "{job_name: a, relabel_configs: [{source_labels: [__meta_outrigger_pod_name], target_label: instance}, {target_label: __address__, replacement: 'b:1'}]}",
            &[],
            Ok((r#"{instance="p", job="a", pod="p"}"#, "http://b:1/metrics")),
        );
        check(
            "{job_name: a}",
            &[("job", ""), ("__scheme__", ""), ("x", "")],
            Ok((
                r#"{instance="shop:8080", job="a", pod="p"}"#,
                "http://shop:8080/metrics",
            )),
        );
        check(
            "{job_name: a, params: {q: [1, 2]}, relabel_configs: [{action: labeldrop, regex: __param_.*}]}",
            &[],
            Ok((
                r#"{instance="shop:8080", job="a", pod="p"}"#,
                "http://shop:8080/metrics?q=1&q=2",
            )),
        );
        check(
            "{job_name: a, relabel_configs: [{action: drop}]}",
            &[],
            Err("dropped"),
        );
        check(
            "{job_name: a, relabel_configs: [{action: labeldrop, regex: __address__}]}",
            &[],
            Err("no address"),
        );
        check(
            "{job_name: a}",
            &[("__scheme__", "ftp")],
            Err("scheme \"ftp\""),
        );
        check(
            "{job_name: a}",
            &[("__scrape_interval__", "x")],
            Err("__scrape_interval__"),
        );
        check(
            "{job_name: a}",
            &[("__scrape_interval__", "1s")],
            Err("above its"),
        );
    }
}
