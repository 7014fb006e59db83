use std::path::Path;
use std::time::Duration;

use super::{Global, Protocol, ScrapeConfigs};
use crate::document::diagnostics::Diagnostics;
use crate::document::parse;

fn read(yaml: &str) -> (ScrapeConfigs, Vec<String>) {
    let diagnostics = Diagnostics::default();
    let document = parse("p.yml", yaml, &diagnostics).unwrap();
    let root = document.value(&diagnostics).fields().unwrap();
    let global = match root.get("global").and_then(|value| value.fields()) {
        Some(fields) => {
            let global = Global::read(&fields);
            fields.finish();
            global
        }
        None => Global::default(),
    };
    let configs = ScrapeConfigs::read(&root, &global, Path::new("/etc/p"));
    root.finish();
    let problems = diagnostics.into_sorted();
    (configs, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_pasted_prometheus_file_reads_with_prometheus_defaults() {
    let yaml = "
global:
  scrape_interval: 30s
  sample_limit: 7
scrape_configs:
  - job_name: shop
    static_configs:
      - targets: ['localhost:8080', '[::1]:9100']
        labels: {team: a}
  - job_name: slow
    scrape_interval: 5s
    metrics_path: /probe
    scheme: https
    params: {module: [http_2xx, b]}
    honor_labels: true
    honor_timestamps: false
    scrape_protocols: [PrometheusProto, PrometheusText0.0.4]
    body_size_limit: 1MB
    sample_limit: 9
    file_sd_configs:
      - files: [targets/*.json, more.yml]
    relabel_configs:
      - source_labels: [__address__]
        target_label: instance
    metric_relabel_configs:
      - {action: labeldrop, regex: tmp_.*}
";
    let (configs, problems) = read(yaml);
    assert_eq!(problems, Vec::<String>::new());
    let [shop, slow] = &configs.jobs[..] else {
        panic!("two jobs")
    };
    assert_eq!(shop.scrape_interval, Duration::from_secs(30));
    assert_eq!(shop.scrape_timeout, Duration::from_secs(10));
    assert_eq!(
        (shop.metrics_path.as_str(), shop.scheme.as_str()),
        ("/metrics", "http")
    );
    assert!(shop.honor_timestamps && !shop.honor_labels && shop.http.follow_redirects);
    assert_eq!(shop.statics[0].targets, ["localhost:8080", "[::1]:9100"]);
    assert_eq!(shop.limits.samples, 7);
    // What Prometheus 3 sends, without protobuf.
    assert_eq!(
        Protocol::accept(&shop.protocols),
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,\
         text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    );
    assert_eq!(
        slow.scrape_timeout,
        Duration::from_secs(5),
        "never above the interval"
    );
    assert_eq!((slow.limits.samples, slow.limits.body_size), (9, 1 << 20));
    assert_eq!(slow.protocols, [Protocol::Text0]);
    assert_eq!(
        slow.files[0].patterns[0],
        Path::new("/etc/p/targets/*.json")
    );
    assert_eq!(slow.files[0].refresh_interval, Duration::from_secs(300));
    assert_ne!(shop.relabel, slow.relabel);
}

#[test]
fn every_mistake_of_every_job_is_told_at_once() {
    let yaml = "global:
  scrape_interval: 10s
  scrape_timeout: 11s
scrape_configs:
- job_name: a
  static_configs: [{targets: ['http://x/metrics', 'y:99999']}]
  scrape_timeout: 1m
- job_name: a
  scrap_interval: 5s
  kubernetes_sd_configs: [{role: pod}]
  scrape_native_histograms: true
  scheme: ftp
  proxy_url: http://x
- static_configs: [{targets: [x], label: {}}]
  relabel_configs:
  - {source_labels: [a], regex: '(', target_label: b}
  - {action: kep}
  - {target_label: ''}
  file_sd_configs: [{files: ['*/x.json', 'x.txt']}]
  scrape_protocols: [Json]
";
    let (_, problems) = read(yaml);
    let all = problems.join("\n");
    for want in [
        "p.yml:3:19: global.scrape_timeout: scrape_timeout is greater than scrape_interval",
        "p.yml:6:31: scrape_configs[0].static_configs[0].targets[0]: \"http://x/metrics\" is not a valid hostname: it contains '/'; write host:port",
        "\"y:99999\" has no valid port",
        "scrape_configs[0].scrape_timeout: scrape_timeout is greater",
        "found multiple scrape configs with job name \"a\", the first on line 5",
        "unknown key \"scrap_interval\"; did you mean \"scrape_interval\"?",
        "kubernetes_sd_configs is not supported: a sidecar discovers by list and by file; write the pod's own port",
        "scrape_native_histograms is not supported",
        "unknown scheme \"ftp\"",
        "proxy_url is not supported",
        "missing key \"job_name\"",
        "unknown key \"label\"; did you mean \"labels\"?",
        "relabel_configs[0].regex: ",
        "unknown relabel action \"kep\"",
        "relabel action replace needs a target_label; add target_label",
        "path name \"*/x.json\" is not valid for file discovery",
        "path name \"x.txt\" is not valid",
        "unknown scrape protocol \"Json\"",
    ] {
        assert!(all.contains(want), "{all}\nlacks {want}");
    }
}
