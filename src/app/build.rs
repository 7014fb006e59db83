//! Building every component from its configuration, and starting it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, Semaphore, watch};

use crate::alerts::run::{self as dispatcher, Runner};
use crate::auth::service::Auth;
use crate::charts::pictures::{self as charts, Pictures};
use crate::clock::Clock;
use crate::config::definitions::CHECKS;
use crate::config::settings::Settings;
use crate::config::{Config, Mode};
use crate::db::sql::Sql;
use crate::db::{Database, signing_key};
use crate::definitions::store::Store;
use crate::enrich::host::Host;
use crate::enrich::pod::Pod;
use crate::http::context::{Context, Readiness, Reloader};
use crate::http::definitions::cache::{self, Cache};
use crate::http::definitions::figures::Figures;
use crate::http::limits::Limiter;
use crate::http::live::Live;
use crate::model::signature::Signer;
use crate::notify::breaker::Circuits;
use crate::notify::definition_events;
use crate::notify::heartbeat::{self, Component, Heartbeat, Watched};
use crate::notify::outbox::{self, Worker};
use crate::promql::eval::{Engine, EngineConfig};
use crate::rules::manager::RuleManager;
use crate::rules::{manager, rule};
use crate::scrape::error::Outcome;
use crate::scrape::manager::{self as scrape, ScrapeManager};
use crate::scrape::metrics::ScrapeMetrics;
use crate::scrape::status::ScrapeOutcome;
use crate::storage::{Storage, StorageConfig};
use crate::tasks::Tasks;
use crate::telemetry;
use crate::telemetry::progress::Progress;
use crate::telemetry::pulse::{Pulse, Pulses};

use super::applied::{Applied, Fixed, load_runbooks, receivers, shown};
use super::maintenance::Maintenance;
use super::meaning::Meaning;
use super::pictures;
use super::reload::Metrics as ReloadMetrics;

/// The components, built and not yet running.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) listen: SocketAddr,
    pub(super) external_url: String,
    pub(super) route_prefix: String,
    pub(super) max_connections: usize,
    pub(super) readiness: watch::Sender<Readiness>,
    pub(super) http_metrics: crate::http::metrics::Metrics,
    pub(super) reload_metrics: ReloadMetrics,
    pub(super) applied: Arc<Applied>,
    settings: Settings,
    tasks: Tasks,
    storage: Storage,
    database: Database,
    definitions: Sql,
    pictures: Option<Pictures>,
    engine: Arc<Engine>,
    circuits: Circuits,
    registry: Arc<Registry>,
    signer: Signer,
    heartbeat: heartbeat::Shown,
    auth: Option<Auth>,
    cache: Option<Cache>,
    figures: Mutex<Option<Figures>>,
    limit_metrics: crate::http::limits::Metrics,
    live: Live,
    first: Mutex<Option<First>>,
}

/// What is used once, when the parts start.
struct First {
    config: Config,
    runner: Runner,
    worker: Worker,
    heartbeat: Heartbeat,
    webhook_worker: definition_events::Worker,
    data_ready: watch::Sender<bool>,
}

impl Parts {
    /// Opens the data directory and builds every component.
    pub(super) async fn build(
        config: Config,
        clock: &Clock,
        tasks: &Tasks,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        let settings = config.settings.clone();
        let mut registry = telemetry::metrics::registry(clock);
        std::fs::create_dir_all(&settings.data).with_context(|| {
            format!(
                "create data directory {}; check its permissions",
                settings.data.display()
            )
        })?;
        let storage = open_storage(&settings, config.mode, clock).await?;
        storage.metrics().register(&mut registry);
        let database = Database::open_alone(&settings.data.join("outrigger.db")).await?;
        database.unreadable().register(&mut registry);
        let signer = signing_key::load_or_create(&database, rand::random(), clock.now()).await?;
        config.settings.signer.set(signer.clone());
        let metrics = crate::db::sql::metrics::Metrics::default();
        let snapshot = settings.data.join("definitions.snapshot");
        let definitions = Sql::new(&settings.definitions, &database, snapshot, clock, metrics)?;
        definitions.register(&mut registry);
        definitions.prepare().await;
        let auth = settings.auth.enabled.then(|| {
            let metrics = crate::auth::metrics::Metrics::default();
            metrics.register(&mut registry);
            Auth::new(
                settings.auth.clone(),
                definitions.clone(),
                clock.clone(),
                metrics,
            )
        });
        let engine = Arc::new(Engine::new(EngineConfig {
            lookback: settings.lookback,
            max_samples: settings.query_samples,
            ..EngineConfig::default()
        }));

        let wake = Arc::new(Notify::new());
        let pulses = Pulses::default();
        let live = Live::new(pulses.clone(), settings.max_event_streams);
        let alert_metrics = crate::alerts::metrics::Metrics::with(pulses.clone());
        alert_metrics.register(&mut registry);
        let routing_progress = alert_metrics.progress.clone();
        let (alerts, runner) = dispatcher::build(
            dispatcher_config(&settings, config.mode),
            Arc::clone(&config.routing),
            dispatcher::Deps {
                database: database.clone(),
                clock: clock.clone(),
                metrics: alert_metrics,
                outbox: Arc::clone(&wake),
            },
        )
        .await?;
        let receivers = Arc::new(ArcSwap::from_pointee(receivers(&config)));
        let circuits = Circuits::default();
        let mut notify_metrics = crate::notify::metrics::Metrics::register(&mut registry);
        notify_metrics.pulses = pulses.clone();
        let outbox_progress = notify_metrics.progress.clone();
        let (rules_known, rules_of_name) = pictures::rules();
        let pictures = match config.mode {
            Mode::Full => Some(Pictures::new(
                charts::Dependencies {
                    storage: storage.clone(),
                    engine: Arc::clone(&engine),
                    database: database.clone(),
                    rules: rules_of_name,
                    signer: signer.clone(),
                    metrics: crate::charts::metrics::Metrics::register(&mut registry),
                },
                pictures::config(&config),
            )),
            Mode::Exactly | Mode::RoutesOnly => None,
        };
        let worker = Worker::new(outbox::Dependencies {
            database: database.clone(),
            clock: clock.clone(),
            receivers: Arc::clone(&receivers),
            metrics: notify_metrics,
            circuits: circuits.clone(),
            wake: Arc::clone(&wake),
            drain: settings.shutdown_deadline / 2,
            pictures: pictures.clone(),
            runbooks: match config.mode {
                Mode::Full => Some(config.external_url.as_str().into()),
                Mode::Exactly | Mode::RoutesOnly => None,
            },
        });

        let (data_ready, wait_for_data) = watch::channel(false);
        let rule_metrics = crate::rules::metrics::Metrics::with(pulses.clone());
        rule_metrics.register(&mut registry);
        let evaluation_progress = rule_metrics.progress.clone();
        let scrape_progress = Progress::default();
        let rules = Arc::new(RuleManager::new(manager::Dependencies {
            tasks: tasks.clone(),
            clock: clock.clone(),
            alerts: alerts.clone(),
            database: database.clone(),
            metrics: rule_metrics,
            data_ready: wait_for_data,
        }));
        rules_known.store(Some(Arc::clone(&rules)));
        let targets = Arc::new(ScrapeManager::new(scrape::Dependencies {
            storage: storage.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            metrics: ScrapeMetrics::register(&mut registry),
            on_commit: on_commit(&rules, scrape_progress.clone(), pulses.targets),
            host: if config.mode != Mode::Full {
                Host::default()
            } else {
                Host::detect()
            },
            pod: pod(&config),
        }));
        let watched = |component, progress, is_idle| Watched {
            component,
            progress,
            is_idle,
        };
        let (heartbeat_config, _) = watch::channel(settings.heartbeat.clone());
        let (groups, active, sink) = (Arc::clone(&rules), Arc::clone(&targets), alerts.clone());
        let heartbeat = Heartbeat::new(heartbeat::Dependencies {
            clock: clock.clone(),
            config: heartbeat_config.subscribe(),
            watched: vec![
                watched(
                    Component::Scrape,
                    scrape_progress,
                    Box::new(move || active.targets().active.is_empty()),
                ),
                watched(
                    Component::Evaluation,
                    evaluation_progress,
                    Box::new(move || groups.groups().is_empty()),
                ),
                watched(Component::Routing, routing_progress, Box::new(|| false)),
                watched(Component::Outbox, outbox_progress, Box::new(|| false)),
            ],
            knock: Box::new(move || {
                wake.notify_one();
                sink.knock();
            }),
            metrics: heartbeat::Metrics::register(&mut registry),
        });
        let (webhooks, webhooks_config) = watch::channel(settings.catalog.webhooks.clone());
        let webhook_worker = definition_events::Worker {
            database: definitions.clone(),
            clock: clock.clone(),
            config: webhooks_config,
            metrics: definition_events::Metrics::register(&mut registry),
        };
        let http_metrics = crate::http::metrics::Metrics::default();
        http_metrics.register(&mut registry);
        let limit_metrics = crate::http::limits::Metrics::default();
        let (mut cache, mut figures) = (None, None);
        if !settings.upstream_only {
            limit_metrics.register(&mut registry);
            live.register(&mut registry);
            let counted = Figures::default();
            counted.register(&mut registry);
            counted.refresh(&definitions).await;
            figures = Some(counted);
            let metrics = crate::http::definitions::cache::metrics::Metrics::default();
            let config = &settings.definition_cache;
            cache = Cache::new(
                config,
                cache::Dependencies {
                    database: definitions.clone(),
                    index: settings.data.join("outrigger.db-shm"),
                    signer: signer.clone(),
                    clock: clock.clone(),
                    tasks: tasks.clone(),
                    metrics: metrics.clone(),
                },
            );
            if cache.is_some() {
                metrics.register(&mut registry, config.redis.is_some());
            }
        }
        let reload_metrics = ReloadMetrics::default();
        reload_metrics.register(&mut registry);
        let meaning = (config.mode != Mode::RoutesOnly)
            .then(|| Arc::new(Meaning::new(definitions.clone(), &mut registry)));

        let now = clock.now();
        reload_metrics.loaded(now);
        let (runbooks, _) = watch::channel(Arc::new(load_runbooks(&config)));
        let (configuration, _) = watch::channel(Arc::new(shown(&config, now, None)));
        let rule_context = rule_context(&storage, &engine);
        let applied = Arc::new(Applied {
            rules,
            targets: Arc::clone(&targets),
            alerts,
            receivers,
            runbooks,
            configuration,
            heartbeat: heartbeat_config,
            definitions: Store::new(definitions.clone(), CHECKS),
            behind: AtomicBool::new(false),
            webhooks,
            pictures: pictures.clone(),
            rule_context,
            meaning,
            in_force: tokio::sync::Mutex::default(),
            watched: Mutex::new(config.watched.clone()),
            started_with: Fixed::of(&settings),
        });
        applied.sync_at_start(&config, now).await?;
        Ok(Self {
            clock: clock.clone(),
            listen,
            external_url: config.external_url.clone(),
            route_prefix: settings.route_prefix(),
            max_connections: settings.max_connections,
            readiness: watch::Sender::new(Readiness::Starting),
            http_metrics,
            live,
            reload_metrics,
            applied,
            settings,
            tasks: tasks.clone(),
            storage,
            database,
            definitions,
            pictures,
            engine,
            circuits,
            registry: Arc::new(registry),
            signer,
            heartbeat: heartbeat.shown(),
            auth,
            cache,
            figures: Mutex::new(figures),
            limit_metrics,
            first: Mutex::new(Some(First {
                config,
                runner,
                worker,
                heartbeat,
                webhook_worker,
                data_ready,
            })),
        })
    }

    /// What the HTTP handlers are handed.
    pub(super) fn http_context(&self, reload: Reloader) -> Arc<Context> {
        Arc::new(Context {
            clock: self.clock.clone(),
            started: self.clock.now(),
            tasks: self.tasks.clone(),
            storage: self.storage.clone(),
            engine: Arc::clone(&self.engine),
            query_timeout: self.settings.query_timeout,
            queries: Arc::new(Semaphore::new(self.settings.query_concurrency.max(1))),
            rules: Arc::clone(&self.applied.rules),
            targets: Arc::clone(&self.applied.targets),
            alerts: self.applied.alerts.clone(),
            pictures: self.pictures.clone(),
            database: self.database.clone(),
            definitions: self.definitions.clone(),
            index: match &self.applied.meaning {
                Some(meaning) => meaning.index(),
                None => Arc::default(),
            },
            circuits: self.circuits.clone(),
            runbooks: self.applied.runbooks.subscribe(),
            registry: Arc::clone(&self.registry),
            metrics: self.http_metrics.clone(),
            live: self.live.clone(),
            configuration: self.applied.configuration.subscribe(),
            readiness: self.readiness.subscribe(),
            receivers: Arc::clone(&self.applied.receivers),
            heartbeat: Arc::clone(&self.heartbeat),
            reload,
            upstream_only: self.settings.upstream_only,
            cache: self.cache.clone(),
            figures: self.figures.lock().take(),
            limiter: Limiter::new(
                self.settings.rate_limits.clone(),
                self.limit_metrics.clone(),
            ),
            auth: self.auth.clone(),
            signer: self.signer.clone(),
            listen: self.listen,
        })
    }

    /// Starts everything, right to left: receivers before routes, routes before rules, rules before targets.
    pub(super) async fn start(&self, tasks: &Tasks) {
        let Some(First {
            config,
            runner,
            worker,
            heartbeat,
            webhook_worker,
            data_ready,
        }) = self.first.lock().take()
        else {
            return;
        };
        tasks.spawn("notification outbox", worker.run(tasks.stop_token()));
        let definitions = self.definitions.clone();
        tasks.spawn(
            "definitions' database",
            definitions.keep(tasks.stop_token()),
        );
        tasks.spawn("alert dispatcher", runner.run(tasks.stop_token()));
        tasks.spawn(
            "storage maintenance",
            Maintenance {
                storage: self.storage.clone(),
                clock: self.clock.clone(),
            }
            .run(tasks.stop_token()),
        );
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let expected = config.collects_host || !config.scrape.jobs.is_empty();
        let mode = config.mode;
        Box::pin(self.applied.start(config)).await;
        if let Some(meaning) = &self.applied.meaning {
            let (meaning, applied) = (Arc::clone(meaning), Arc::clone(&self.applied));
            tasks.spawn("definitions", meaning.run(applied, tasks.stop_token()));
        }
        tasks.spawn("heartbeat", heartbeat.run(tasks.stop_token()));
        if self.settings.catalog.directory.is_none() {
            let (applied, now) = (Arc::clone(&self.applied), self.clock.now());
            tasks.spawn("definitions of files", async move {
                // What came from a directory before can be changed again; the outcome is logged.
                drop(applied.sync(mode, None, now).await);
            });
        }
        tasks.spawn(
            "definition webhooks",
            webhook_worker.run(tasks.stop_token()),
        );
        super::maintenance::watch_first_scrapes(tasks, &self.applied.targets, data_ready, expected);
        let targets = Arc::clone(&self.applied.targets);
        let stop = tasks.stop_token();
        tasks.spawn("target discovery", async move { targets.run(stop).await });
    }

    /// Closes the stores behind the last task.
    pub(super) async fn close(&self) {
        let storage = self.storage.clone();
        if tokio::task::spawn_blocking(move || storage.sync())
            .await
            .is_err()
        {
            tracing::error!("sync of the write-ahead log panicked");
        }
        self.definitions.close().await;
        self.database.close().await;
    }
}

/// In Alertmanager's place its flags count; else the routes wait for the first evaluations of rules.
fn dispatcher_config(settings: &Settings, mode: Mode) -> dispatcher::Config {
    let mut config = dispatcher::Config {
        retention: settings.ledger_retention,
        ledger_entries: settings.ledger_entries,
        ..dispatcher::Config::default()
    };
    if mode != Mode::RoutesOnly {
        config.start_delay = super::maintenance::LONGEST_START;
        return config;
    }
    let state = settings.state;
    config.start_delay = state.start_delay;
    config.keeps_delay = true;
    config.maintenance = state.maintenance_interval.unwrap_or(config.maintenance);
    config.state.log = state.retention.unwrap_or(config.state.silences);
    config.state.silences = config.state.log;
    config.state.gives_up_at_interval = true;
    config
}

async fn open_storage(settings: &Settings, mode: Mode, clock: &Clock) -> anyhow::Result<Storage> {
    let config = StorageConfig {
        dir: settings.data.join("tsdb"),
        retention: settings.retention,
        series_limit: settings.series_limit,
        ..StorageConfig::default()
    };
    if mode == Mode::RoutesOnly {
        return Ok(Storage::in_memory(config));
    }
    let clock = clock.clone();
    Ok(tokio::task::spawn_blocking(move || Storage::open(config, clock)).await??)
}

/// Wakes the rules that a scrape feeds.
fn on_commit(
    rules: &Arc<RuleManager>,
    progress: Progress,
    pulse: Pulse,
) -> Arc<dyn Fn(&ScrapeOutcome) + Send + Sync> {
    let rules = Arc::clone(rules);
    Arc::new(move |outcome| {
        if outcome.outcome == Outcome::Success {
            progress.mark();
        }
        pulse.beat();
        let label = |name| outcome.labels.value(name);
        rules.landed(
            label("job"),
            label("instance"),
            outcome.counts.series_added > 0,
        );
    })
}

fn rule_context(
    storage: &Storage,
    engine: &Arc<Engine>,
) -> Arc<dyn Fn(&Config) -> rule::Context + Send + Sync> {
    let (storage, engine) = (storage.clone(), Arc::clone(engine));
    Arc::new(move |config| rule::Context {
        storage: storage.clone(),
        engine: Arc::clone(&engine),
        timeout: config.settings.query_timeout,
        external_labels: config.external_labels.clone(),
        external_url: config.external_url.as_str().into(),
        stop: None,
    })
}

fn pod(config: &Config) -> Option<Pod> {
    match Pod::load(&config.pod_variables, &config.settings.podinfo) {
        Ok(pod) => pod,
        Err(error) => {
            tracing::warn!(%error, "read the pod's facts; going on without them");
            None
        }
    }
}
