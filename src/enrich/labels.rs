//! Which facts become labels.
//!
//! By default none does: series look exactly as they would under Prometheus, and the facts are there for
//! `relabel_configs` as discovery labels `__meta_outrigger_pod_*` and `__meta_outrigger_host_*`. A setting turns them
//! into labels of every target (never overriding one that discovery or relabelling has set):
//!
//! ```yaml
//! enrich:
//!   labels:
//!     pod: true          # pod, namespace, node
//!     host: false        # host
//!     build: [version]   # labels of the target's own *_build_info
//! ```
//!
//! Without any configuration, `pod` is on inside a pod.

use super::host::Host;
use super::pod::Pod;

/// The `enrich` setting.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EnrichConfig {
    /// Attach `pod`, `namespace` and `node`.
    pub pod: bool,
    /// Attach `host`.
    pub host: bool,
    /// Labels of the target's `*_build_info` to attach.
    pub build: Vec<String>,
}

impl EnrichConfig {
    /// What applies without any configuration.
    pub fn zero_config(in_pod: bool) -> Self {
        Self {
            pod: in_pod,
            ..Self::default()
        }
    }

    /// The labels for every target, the build's apart: those are the target's own.
    pub fn target_labels(&self, pod: Option<&Pod>, host: &Host) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        if self.pod
            && let Some(pod) = pod
        {
            labels.push(("pod", &pod.name));
            labels.push(("namespace", &pod.namespace));
            labels.push(("node", &pod.node));
        }
        if self.host {
            labels.push(("host", &host.hostname));
        }
        labels
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_become_labels_only_where_asked_for() {
        let facts = Pod {
            name: "shop-1".to_owned(),
            namespace: "prod".to_owned(),
            ..Pod::default()
        };
        let host = Host {
            hostname: "box".to_owned(),
            ..Host::default()
        };
        let check = |pod: bool, with_host: bool, want: &[(&str, &str)]| {
            let config = EnrichConfig {
                pod,
                host: with_host,
                build: vec!["version".to_owned()],
            };
            let got = config.target_labels(Some(&facts), &host);
            let got: Vec<_> = got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(got, want);
        };
        check(false, false, &[]);
        check(true, false, &[("pod", "shop-1"), ("namespace", "prod")]);
        check(false, true, &[("host", "box")]);
        assert!(EnrichConfig::zero_config(true).pod);
    }
}
