//! The same configuration and the same target, given to a real Prometheus and to us: targets and series must agree.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::stored;
use crate::clock::Clock;
use crate::document::diagnostics::Diagnostics;
use crate::document::parse;
use crate::model::labels::Labels;
use crate::model::matcher::{MatchOp, Matcher};
use crate::net::client::{Client, Get};
use crate::net::config::HttpClientConfig;
use crate::net::test_server::{TestServer, text};
use crate::scrape::config::{Global, ScrapeConfigs};
use crate::scrape::manager::{Dependencies, ScrapeManager, ScrapeSettings};
use crate::scrape::metrics::ScrapeMetrics;
use crate::storage::query::Queryable;
use crate::storage::{Storage, StorageConfig};
use crate::tasks::Tasks;

const BODY: &str = r#"# TYPE a counter
a{x="1"} 1
a{x="2",job="own",instance="mine"} 2
a{exported_job="e",job="own"} 3
b{empty="",y="a\"b\\c\nd"} 4
go_goroutines 5
h_bucket{le="0.1"} 6
h_bucket{le="+Inf"} 7
h_sum 8
h_count 9
tmp{password="x"} 10
"#;

const JOBS: &str = r#"
- job_name: plain
  static_configs: [{targets: ['TARGET'], labels: {team: a, empty: ''}}]
- job_name: relabelled
  metrics_path: /m
  params: {module: [one, two], target: ['x y&z']}
  static_configs: [{targets: ['TARGET', '127.0.0.2:1'], labels: {env: prod-eu, __param_extra: e}}]
  relabel_configs:
  - {source_labels: [__address__], regex: '127\.0\.0\.2:.*', action: drop}
  - {source_labels: [env], regex: '(.*)-(.*)', target_label: region, replacement: '${2}_$1'}
  - {source_labels: [__address__, env], separator: '@', target_label: instance}
  - {source_labels: [env], modulus: 7, action: hashmod, target_label: shard}
  - {regex: 'e(.*)', action: labelmap, replacement: 'mapped_$1'}
  - {regex: env, action: labeldrop}
  - {source_labels: [region], action: uppercase, target_label: region}
- job_name: honoured
  honor_labels: true
  static_configs: [{targets: ['TARGET'], labels: {x: target}}]
  metric_relabel_configs:
  - {source_labels: [__name__], regex: 'go_.*', action: drop}
  - {regex: password, action: labeldrop}
  - {source_labels: [x], regex: '2', target_label: x, replacement: ''}
- job_name: limited
  sample_limit: 3
  static_configs: [{targets: ['TARGET']}]
"#;

async fn fetch(client: &mut Client, url: &str) -> Option<Value> {
    let mut body = Vec::new();
    let get = Get {
        url: &url.parse().unwrap(),
        headers: &HeaderMap::new(),
        timeout: Duration::from_secs(5),
        body_limit: 16 << 20,
        compression: false,
    };
    let answer = client.get(get, &mut body).await.ok()?;
    answer
        .status
        .is_success()
        .then(|| serde_json::from_slice(&body).unwrap())
}

fn labels(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test]
async fn targets_and_series_agree_with_prometheus() {
    let binary = Path::new("/usr/bin/prometheus");
    if !binary.exists() {
        eprintln!("did not run: {} is not installed", binary.display());
        return;
    }
    let server = TestServer::start(|_| text(BODY)).await;
    let jobs = JOBS.replace("TARGET", &server.address);
    let yaml =
        format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:{jobs}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yml");
    std::fs::write(&file, &yaml).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut child = std::process::Command::new(binary)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.path().join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let api = format!("http://127.0.0.1:{port}/api/v1");
    let mut client = Client::new(HttpClientConfig::default());
    let mut theirs = None;
    for _ in 0..200 {
        theirs = fetch(&mut client, &format!("{api}/targets"))
            .await
            .filter(|answer| {
                let active = answer["data"]["activeTargets"].as_array().unwrap();
                active.len() == 4 && active.iter().all(|target| target["health"] != "unknown")
            });
        if theirs.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let their_series = fetch(
        &mut client,
        &format!("{api}/series?match[]=%7Bjob!=%22%22%7D"),
    )
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let theirs = theirs.expect("Prometheus scrapes");
    let their_targets: BTreeSet<_> = theirs["data"]["activeTargets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| {
            (
                target["scrapePool"].as_str().unwrap().to_owned(),
                labels(&target["discoveredLabels"]),
                labels(&target["labels"]),
                target["scrapeUrl"].as_str().unwrap().to_owned(),
                target["health"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let their_dropped: BTreeSet<_> = theirs["data"]["droppedTargets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| labels(&target["discoveredLabels"]))
        .collect();
    let their_series: BTreeSet<Labels> = their_series.unwrap()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(labels)
        .collect();

    let diagnostics = Diagnostics::default();
    let document = parse("p.yml", &yaml, &diagnostics).unwrap();
    let root = document.value(&diagnostics).fields().unwrap();
    let global = Global::read(&root.get("global").unwrap().fields().unwrap());
    let configs = ScrapeConfigs::read(&root, &global, dir.path());
    assert!(diagnostics.is_empty());
    let (sender, mut outcomes) = tokio::sync::mpsc::channel(100);
    let storage = Storage::in_memory(StorageConfig::default());
    let manager = ScrapeManager::new(Dependencies {
        storage: storage.clone(),
        clock: Clock::system(),
        tasks: Tasks::new(),
        metrics: ScrapeMetrics::default(),
        on_commit: Arc::new(move |outcome| {
            sender.try_send(outcome.job.clone()).ok();
        }),
        host: crate::enrich::host::Host::default(),
        pod: None,
    });
    let settings = ScrapeSettings {
        jobs: configs.jobs,
        ..ScrapeSettings::default()
    };
    manager.apply(settings).await;
    let mut scraped = BTreeSet::new();
    while scraped.len() < 4 {
        scraped.insert(outcomes.recv().await.unwrap());
    }
    let ours = manager.targets();
    let our_targets: BTreeSet<_> = ours
        .active
        .iter()
        .map(|target| {
            (
                target.job.clone(),
                target.discovered.clone(),
                target.labels.clone(),
                target.url.clone(),
                target.health.as_str().to_owned(),
            )
        })
        .collect();
    assert_eq!(our_targets, their_targets);
    let our_dropped: BTreeSet<_> = ours
        .dropped
        .iter()
        .map(|target| target.discovered.clone())
        .collect();
    assert_eq!(our_dropped, their_dropped);
    let any = Matcher::new("job", MatchOp::NotEqual, "").unwrap();
    let our_series = storage
        .series(&[vec![any]], i64::MIN + 1, i64::MAX - 1)
        .unwrap();
    let our_series: BTreeSet<Labels> = our_series.into_iter().collect();
    assert_eq!(our_series, their_series, "{:#?}", stored(&storage));
}
