use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::enrich::host::Host;
use crate::enrich::labels::EnrichConfig;
use crate::enrich::pod::Pod;
use crate::net::test_server::{TestServer, text};
use crate::scrape::config::{FileDiscovery, Global, JobConfig, TargetGroup};
use crate::scrape::manager::{Dependencies, ScrapeManager, ScrapeSettings};
use crate::scrape::metrics::ScrapeMetrics;
use crate::scrape::node::NodeConfig;
use crate::scrape::status::{Health, ScrapeOutcome};
use crate::storage::{Storage, StorageConfig};
use crate::tasks::Tasks;

struct Scene {
    manager: ScrapeManager,
    outcomes: mpsc::Receiver<ScrapeOutcome>,
    storage: Storage,
    tasks: Tasks,
}

fn scene(pod: Option<Pod>) -> Scene {
    let (sender, outcomes) = mpsc::channel(100);
    let storage = Storage::in_memory(StorageConfig::default());
    let tasks = Tasks::new();
    let manager = ScrapeManager::new(Dependencies {
        storage: storage.clone(),
        clock: Clock::system(),
        tasks: tasks.clone(),
        metrics: ScrapeMetrics::default(),
        on_commit: Arc::new(move |outcome| {
            sender.try_send(outcome.clone()).ok();
        }),
        host: Host {
            hostname: "box".to_owned(),
            ..Host::default()
        },
        pod,
    });
    Scene {
        manager,
        outcomes,
        storage,
        tasks,
    }
}

fn job(name: &str, targets: &[&str]) -> JobConfig {
    let mut job = JobConfig::named(name, &Global::zero_config());
    job.statics.push(TargetGroup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        ..TargetGroup::default()
    });
    job
}

/// Waits for another task, as long as it takes within reason.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect(what);
}

fn names(scene: &Scene) -> Vec<String> {
    let snapshot = scene.manager.targets();
    let name = |target: &crate::scrape::status::TargetStatus| target.labels.to_string();
    snapshot.active.iter().map(name).collect()
}

#[tokio::test]
async fn targets_start_stay_and_end_with_the_settings() {
    let server = TestServer::start(|_| text("a 1\n")).await;
    let mut scene = scene(None);
    let settings = |jobs| ScrapeSettings {
        jobs,
        ..ScrapeSettings::default()
    };
    scene
        .manager
        .apply(settings(vec![job("a", &[&server.address])]))
        .await;
    let first = scene.outcomes.recv().await.unwrap();
    assert_eq!((first.job.as_str(), first.counts.kept), ("a", 1));
    assert_eq!(scene.manager.targets().active[0].health, Health::Up);

    // The same again, and one more: the running loop is not touched.
    let both = vec![job("a", &[&server.address]), job("b", &[&server.address])];
    scene.manager.apply(settings(both)).await;
    while scene.outcomes.recv().await.unwrap().job != "b" {}
    assert_eq!(scene.manager.targets().active.len(), 2);

    // A new timeout reaches the running loop; the other target goes, and its series are ended.
    let mut changed = job("a", &[&server.address]);
    changed.scrape_timeout = Duration::from_secs(3);
    scene.manager.apply(settings(vec![changed])).await;
    eventually("the loop goes on with its new timeout", || {
        let active = scene.manager.targets().active;
        active.len() == 1 && active[0].timeout == Duration::from_secs(3)
    })
    .await;
    eventually("the series of the other target are ended", || {
        let stored = super::stored(&scene.storage);
        let mut gone = stored.iter().filter(|line| line.contains("job=\"b\""));
        gone.all(|line| line.ends_with("=stale"))
    })
    .await;

    scene.tasks.stop();
    let stuck = scene.tasks.drain(Duration::from_secs(5)).await;
    assert_eq!(stuck, Vec::<String>::new());
    let kept = super::stored(&scene.storage);
    assert!(
        kept.iter()
            .any(|line| line.contains("job=\"a\"") && !line.contains("stale")),
        "nothing is ended when the process stops"
    );
}

#[test]
fn a_target_more_or_less_does_not_disturb_the_others() {
    let one = job("a", &["x:1"]);
    let mut two = job("a", &["x:1", "y:1"]);
    two.keep_dropped_targets = 7;
    two.limits.targets = 9;
    assert!(one.scrapes_like(&two));
    two.limits.samples = 9;
    assert!(!one.scrapes_like(&two));
}

#[tokio::test]
async fn counters_stand_at_zero_before_the_first_event() {
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = ScrapeMetrics::register(&mut registry);
    metrics.begin("shop");
    let text = crate::telemetry::metrics::encode(&registry).unwrap();
    for line in [
        "outrigger_scrapes_total{job=\"shop\",outcome=\"timeout\"} 0",
        "outrigger_scrape_samples_total{job=\"shop\"} 0",
        "outrigger_scrape_samples_refused_total{job=\"shop\",reason=\"series_limit\"} 0",
        "outrigger_scrape_missed_total{job=\"shop\"} 0",
        "outrigger_scrape_clock_held_total{job=\"shop\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_process_behind_a_local_target_is_watched_under_its_instance() {
    let server = TestServer::start(|_| text("a 1\n")).await;
    let mut scene = scene(None);
    let mut shop = job("shop", &[&server.address]);
    shop.statics[0].labels = vec![("instance".to_owned(), "shop-1".to_owned())];
    let settings = ScrapeSettings {
        jobs: vec![shop],
        node: Some(NodeConfig::default()),
        ..ScrapeSettings::default()
    };
    scene.manager.apply(settings).await;
    while scene.outcomes.recv().await.unwrap().job != "node" {}
    let stored = super::stored(&scene.storage);
    let start = "process_resident_memory_bytes{instance=\"shop-1\", job=\"node\", process=\"port ";
    assert!(
        stored.iter().any(|line| line.starts_with(start)),
        "{stored:?}"
    );
    scene.tasks.stop();
}

#[tokio::test]
async fn files_pods_and_the_host_make_targets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.yml");
    std::fs::write(&file, "- {targets: ['127.0.0.1:1'], labels: {x: y}}").unwrap();
    let pod = Pod {
        name: "shop-1".to_owned(),
        annotations: BTreeMap::from([
            ("prometheus.io/scrape".to_owned(), "true".to_owned()),
            ("prometheus.io/port".to_owned(), "2".to_owned()),
        ]),
        ..Pod::default()
    };
    let scene = scene(Some(pod));
    let mut files = JobConfig::named("files", &Global::zero_config());
    files.files.push(FileDiscovery {
        patterns: vec![dir.path().join("*.yml")],
        refresh_interval: Duration::from_secs(300),
    });
    files.limits.targets = 1;
    let settings = ScrapeSettings {
        global: Global::zero_config(),
        jobs: vec![files],
        node: Some(NodeConfig::default()),
        enrich: EnrichConfig::zero_config(true),
        pod_annotations: true,
    };
    scene.manager.apply(settings).await;
    assert_eq!(
        names(&scene),
        [
            r#"{instance="127.0.0.1:1", job="files", pod="shop-1", x="y"}"#,
            r#"{instance="box", job="node", pod="shop-1"}"#,
            r#"{instance="127.0.0.1:2", job="pod", pod="shop-1"}"#,
        ]
    );

    // A file event is enough; nobody waits for the refresh interval.
    let stop = scene.tasks.stop_token();
    let manager = Arc::new(scene.manager);
    let running = Arc::clone(&manager);
    scene
        .tasks
        .spawn("discovery", async move { running.run(stop).await });
    let replaced = async {
        loop {
            // Written anew each time: the watch may begin a moment after the first.
            std::fs::write(&file, "- {targets: ['127.0.0.1:3', '127.0.0.1:44']}").unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if manager
                .targets()
                .active
                .iter()
                .any(|target| target.url.contains(":44/"))
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced)
        .await
        .unwrap();
    scene.tasks.stop();
}
