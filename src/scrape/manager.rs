//! Who is scraped: configuration and discovery on one side, running loops on the other, and the difference between them.
//!
//! ```text
//! apply(settings) ─┐
//! file event ──────┼─▶ reconcile: discover ─▶ populate ─▶ diff ─▶ start │ reconfigure │ retire
//! refresh timer ───┘
//! ```
//!
//! A loop belongs to (job, labels, URL). What stays the same is not touched; where only the rest of its job's
//! configuration has changed the loop goes on with the new one; a target that is gone ends its series.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::config::{Global, JobConfig, TargetGroup};
use super::discovery::{self, Files};
use super::metrics::ScrapeMetrics;
use super::node::{self, NodeConfig};
use super::status::{DroppedTarget, TargetStatus, TargetsSnapshot};
use super::target::{Found, Populated, Target, populate};
use super::worker::{CommitHook, Order, Shared, SourceConfig, Work, Worker};
use crate::clock::Clock;
use crate::enrich::host::Host;
use crate::enrich::labels::EnrichConfig;
use crate::enrich::pod::Pod;
use crate::model::labels::Labels;
use crate::storage::Storage;
use crate::tasks::{Stop, Tasks};

/// Editors and ConfigMap swaps touch a directory many times at once.
const SETTLE: Duration = Duration::from_millis(100);
/// How often files are looked at where no job says it.
const IDLE_REFRESH: Duration = Duration::from_secs(300);

/// What the scraping part stands on.
pub struct Dependencies {
    /// Where samples go.
    pub storage: Storage,
    /// Wall time.
    pub clock: Clock,
    /// Where loops run.
    pub tasks: Tasks,
    /// Its counters.
    pub metrics: ScrapeMetrics,
    /// Told after each commit; see [`CommitHook`].
    pub on_commit: CommitHook,
    /// This machine.
    pub host: Host,
    /// The pod we are in.
    pub pod: Option<Pod>,
}

/// What is scraped, from configuration.
#[derive(Clone, Debug, Default)]
pub struct ScrapeSettings {
    /// For what has no job of its own: the host's collector and the pod's annotations.
    pub global: Global,
    /// The jobs; names are unique.
    pub jobs: Vec<JobConfig>,
    /// The host's collector.
    pub node: Option<NodeConfig>,
    /// Which facts become labels.
    pub enrich: EnrichConfig,
    /// Whether the pod's `prometheus.io/*` annotations make a target, in the job `pod`.
    pub pod_annotations: bool,
}

/// Starts, changes and ends the loops.
pub struct ScrapeManager {
    shared: Arc<Shared>,
    tasks: Tasks,
    host: Host,
    pod: Option<Pod>,
    state: Mutex<State>,
    /// One reconciliation at a time.
    turn: tokio::sync::Mutex<Files>,
    changed: Arc<Notify>,
}

impl std::fmt::Debug for ScrapeManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScrapeManager").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies")
            .field("host", &self.host)
            .field("pod", &self.pod)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    settings: Arc<ScrapeSettings>,
    running: HashMap<Key, Running>,
    dropped: Vec<DroppedTarget>,
    dropped_counts: BTreeMap<String, usize>,
    file_errors: Vec<String>,
}

/// A loop's identity.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    job: String,
    labels: Labels,
    url: String,
    builtin: bool,
}

struct Running {
    work: Work,
    orders: watch::Sender<Order>,
    status: Arc<Mutex<TargetStatus>>,
}

/// What discovery has found.
#[derive(Default)]
struct Discovered {
    works: Vec<Work>,
    dropped: Vec<DroppedTarget>,
    dropped_counts: BTreeMap<String, usize>,
}

impl ScrapeManager {
    /// Nothing is scraped yet.
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies {
            storage,
            clock,
            tasks,
            metrics,
            on_commit,
            host,
            pod,
        } = dependencies;
        let hostname = host.hostname.clone();
        Self {
            shared: Arc::new(Shared {
                storage,
                clock,
                metrics,
                on_commit,
                hostname,
            }),
            tasks,
            host,
            pod,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            changed: Arc::default(),
        }
    }

    /// Takes over settings: returns when loops are started, changed and told to end.
    pub async fn apply(&self, settings: ScrapeSettings) {
        self.state.lock().settings = Arc::new(settings);
        self.reconcile().await;
        self.changed.notify_one();
    }

    /// Watches discovery files until told to stop. The loops themselves run without it.
    pub async fn run(&self, stop: Stop) {
        loop {
            let settings = Arc::clone(&self.state.lock().settings);
            // Kept until the settings change; a directory that cannot be watched is still looked at by the timer.
            let events = Arc::new(Notify::new());
            let watcher = watch_files(&settings, &events);
            let refresh = settings
                .jobs
                .iter()
                .flat_map(|job| job.files.iter().map(|files| files.refresh_interval))
                .min()
                .unwrap_or(IDLE_REFRESH);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.changed.notified() => break,
                    () = events.notified() => tokio::time::sleep(SETTLE).await,
                    () = tokio::time::sleep(refresh) => {}
                }
                self.reconcile().await;
            }
            drop(watcher);
        }
    }

    /// All targets as they are now.
    pub fn targets(&self) -> TargetsSnapshot {
        let state = self.state.lock();
        let mut active: Vec<TargetStatus> = state
            .running
            .values()
            .map(|running| running.status.lock().clone())
            .collect();
        active.sort_by(|a, b| (&a.job, &a.url, &a.labels).cmp(&(&b.job, &b.url, &b.labels)));
        TargetsSnapshot {
            active,
            dropped: state.dropped.clone(),
            dropped_counts: state.dropped_counts.clone().into_iter().collect(),
            file_errors: state.file_errors.clone(),
        }
    }

    async fn reconcile(&self) {
        let mut turn = self.turn.lock().await;
        let settings = Arc::clone(&self.state.lock().settings);
        let patterns: Vec<PathBuf> = patterns(&settings).cloned().collect();
        let mut files = std::mem::take(&mut *turn);
        if !patterns.is_empty() {
            let refreshed = tokio::task::spawn_blocking(move || {
                files.refresh(patterns.iter());
                files
            });
            files = match refreshed.await {
                Ok(files) => files,
                Err(error) => {
                    tracing::error!(%error, "reading discovery files panicked; the targets stay as they are");
                    return;
                }
            };
        }
        let discovered = self.discover(&settings, &files);
        let errors = files.errors();
        *turn = files;
        let fresh = self.settle(discovered, errors);
        self.shared.metrics.reconciled.inc();
        for (worker, orders, name) in fresh {
            let stop = self.tasks.stop_token();
            self.tasks.spawn(name, worker.run(orders, stop));
        }
    }

    /// Compares what was found with what runs; returns the loops to start.
    fn settle(
        &self,
        discovered: Discovered,
        file_errors: Vec<String>,
    ) -> Vec<(Worker, watch::Receiver<Order>, String)> {
        let mut fresh = Vec::new();
        let mut seen = HashSet::new();
        let mut state = self.state.lock();
        for work in discovered.works {
            let key = Key::of(&work);
            if !seen.insert(key.clone()) {
                continue;
            }
            if let Some(running) = state.running.get_mut(&key) {
                if !running.work.same(&work) {
                    running.work = work.clone();
                    running.orders.send_replace(Order::Work(work));
                } else if running.work.target.discovered != work.target.discovered {
                    running.status.lock().discovered = work.target.discovered.clone();
                    running.work = work;
                }
                continue;
            }
            let (orders, receiver) = watch::channel(Order::Work(work.clone()));
            let name = format!("scrape {} {}", key.job, key.url);
            self.shared.metrics.begin(&key.job);
            let worker = Worker::new(Arc::clone(&self.shared), work.clone());
            let status = worker.status();
            let running = Running {
                work,
                orders,
                status,
            };
            state.running.insert(key, running);
            fresh.push((worker, receiver, name));
        }
        state.running.retain(|key, running| {
            let stays = seen.contains(key);
            if !stays {
                running.orders.send_replace(Order::Retire);
            }
            stays
        });
        let metrics = &self.shared.metrics;
        for error in file_errors
            .iter()
            .filter(|e| !state.file_errors.contains(e))
        {
            metrics.file_errors.inc();
            tracing::error!(%error, "discovery file is unusable; its last good targets stay");
        }
        metrics
            .targets
            .set(i64::try_from(state.running.len()).unwrap_or(i64::MAX));
        state.dropped = discovered.dropped;
        state.dropped_counts = discovered.dropped_counts;
        state.file_errors = file_errors;
        fresh
    }

    fn discover(&self, settings: &ScrapeSettings, files: &Files) -> Discovered {
        let mut meta = self.host.meta_labels();
        meta.extend(self.pod.iter().flat_map(Pod::meta_labels));
        let attach = settings.enrich.target_labels(self.pod.as_ref(), &self.host);
        let mut found = Discovered::default();
        let mut jobs: Vec<Arc<JobConfig>> = settings.jobs.iter().cloned().map(Arc::new).collect();
        jobs.extend(self.pod_job(settings).map(Arc::new));
        for job in &jobs {
            let mut groups: Vec<Arc<Vec<TargetGroup>>> = vec![Arc::new(job.statics.clone())];
            for pattern in job.files.iter().flat_map(|files| &files.patterns) {
                groups.extend(files.groups(pattern));
            }
            let first = found.works.len();
            for group in groups.iter().flat_map(|groups| groups.iter()) {
                for address in &group.targets {
                    let labels = Found {
                        address,
                        group: &group.labels,
                        meta: &meta,
                        attach: &attach,
                    };
                    found.add(job, populate(job, labels), &settings.enrich.build);
                }
            }
            let limit = job.limits.targets;
            if limit > 0 && found.works.len() - first > limit {
                for work in &mut found.works[first..] {
                    work.over_target_limit = true;
                }
            }
        }
        if let Some(config) = settings.node.as_ref().filter(|node| node.enabled) {
            let job = Arc::new(self.node_job(settings, config));
            let labels = Found {
                address: "localhost",
                group: &[],
                meta: &meta,
                attach: &attach,
            };
            let before = found.works.len();
            let targets = found.works.iter().map(|work| &*work.target);
            let watching = Arc::new(config.watching(targets));
            found.add(&job, populate(&job, labels), &[]);
            for work in &mut found.works[before..] {
                let instance = config.instance.as_ref().unwrap_or(&self.host.hostname);
                let mut target = Target::clone(&work.target);
                target.labels = target.labels.with("instance", instance);
                work.target = Arc::new(target);
                work.source = SourceConfig::Node(Arc::clone(&watching));
            }
        }
        found
    }

    fn node_job(&self, settings: &ScrapeSettings, config: &NodeConfig) -> JobConfig {
        let mut job = JobConfig::named(&config.job, &settings.global);
        if let Some(interval) = config.scrape_interval {
            job.scrape_interval = interval;
            job.scrape_timeout = job.scrape_timeout.min(interval);
        }
        // A watched process has an instance of its own.
        job.honor_labels = true;
        job
    }

    /// The job that the pod's annotations ask for.
    fn pod_job(&self, settings: &ScrapeSettings) -> Option<JobConfig> {
        let pod = self.pod.as_ref().filter(|_| settings.pod_annotations)?;
        let scrape = match pod.scrape() {
            Ok(scrape) => scrape?,
            Err(error) => {
                tracing::error!(%error, "pod annotations are unusable");
                return None;
            }
        };
        let mut job = JobConfig::named("pod", &settings.global);
        job.scheme = scrape.scheme;
        job.metrics_path = scrape.path;
        job.statics = vec![TargetGroup {
            source: "annotations".to_owned(),
            targets: vec![format!("127.0.0.1:{}", scrape.port)],
            labels: Vec::new(),
        }];
        Some(job)
    }
}

impl Discovered {
    fn add(&mut self, job: &Arc<JobConfig>, populated: Populated, build: &[String]) {
        let (discovered, error) = match populated {
            Populated::Kept(target) => {
                self.works.push(Work {
                    target: Arc::new(*target),
                    source: SourceConfig::Http,
                    build: build.to_vec(),
                    over_target_limit: false,
                });
                return;
            }
            Populated::Dropped(labels) => (labels, None),
            Populated::Failed(labels, error) => (labels, Some(error.to_string())),
        };
        let count = self.dropped_counts.entry(job.name.clone()).or_default();
        *count += 1;
        if job.keep_dropped_targets == 0 || *count <= job.keep_dropped_targets {
            self.dropped.push(DroppedTarget {
                job: job.name.clone(),
                discovered,
                error,
            });
        }
    }
}

impl Key {
    fn of(work: &Work) -> Self {
        let builtin = matches!(work.source, SourceConfig::Node(_));
        let url = if builtin {
            node::URL
        } else {
            work.target.url.as_str()
        };
        Self {
            job: work.target.job.name.clone(),
            labels: work.target.labels.clone(),
            url: url.to_owned(),
            builtin,
        }
    }
}

impl Work {
    fn same(&self, other: &Self) -> bool {
        self.target.same_work(&other.target)
            && self.source == other.source
            && self.build == other.build
            && self.over_target_limit == other.over_target_limit
    }
}

fn patterns(settings: &ScrapeSettings) -> impl Iterator<Item = &PathBuf> {
    let files = settings.jobs.iter().flat_map(|job| &job.files);
    files.flat_map(|files| &files.patterns)
}

/// Watches the directories of all patterns; the directory, since files are replaced rather than written.
fn watch_files(
    settings: &ScrapeSettings,
    events: &Arc<Notify>,
) -> Option<notify::RecommendedWatcher> {
    let directories: BTreeSet<_> = patterns(settings)
        .map(|p| discovery::directory(p))
        .collect();
    if directories.is_empty() {
        return None;
    }
    let events = Arc::clone(events);
    let handler = move |event: notify::Result<notify::Event>| {
        // Reading the files raises events too; only those that may have changed something matter.
        if event.map_or(true, |event| !event.kind.is_access()) {
            events.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(handler)
        .inspect_err(|error| tracing::warn!(%error, "file events are unavailable; discovery files are polled"))
        .ok()?;
    for directory in directories {
        if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
            tracing::warn!(directory = %directory.display(), %error, "directory cannot be watched; discovery files there are polled");
        }
    }
    Some(watcher)
}
