//! What a reload changes, and changing it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::alerts::run::AlertSink;
use crate::auth::config::AuthConfig;
use crate::charts::pictures::Pictures;
use crate::config::settings::Settings;
use crate::config::{self, Config, Mode};
use crate::db::sql::config::Settings as DefinitionsDatabase;
use crate::definitions::store::Store;
use crate::definitions::store::managed::{FileItem, Synced};
use crate::document::diagnostics::Diagnostic;
use crate::http::context::{Change, Configuration, Reload, RoutingShown};
use crate::meaning::generate::Scope;
use crate::model::notification::RUNBOOK;
use crate::model::timestamp::Timestamp;
use crate::notify::definition_events::WebhookConfig;
use crate::notify::heartbeat::HeartbeatConfig;
use crate::notify::outbox::Receivers;
use crate::rules::file::{GroupSpec, RuleKind};
use crate::rules::known::Known;
use crate::rules::manager::RuleManager;
use crate::rules::rule;
use crate::runbooks::Runbooks;
use crate::scrape::manager::{ScrapeManager, ScrapeSettings};
use crate::telemetry::logs::LogsConfig;
use crate::telemetry::traces::TracesConfig;

use super::changes;
use super::meaning::{self, Meaning};
use super::pictures;

/// How long the start waits for the definitions of files.
const LONGEST_SYNC: Duration = Duration::from_secs(10);

/// What a reload changes.
pub(super) struct Applied {
    pub(super) rules: Arc<RuleManager>,
    pub(super) targets: Arc<ScrapeManager>,
    pub(super) alerts: AlertSink,
    pub(super) receivers: Arc<ArcSwap<Receivers>>,
    pub(super) runbooks: watch::Sender<Arc<Runbooks>>,
    pub(super) configuration: watch::Sender<Arc<Configuration>>,
    pub(super) heartbeat: watch::Sender<Option<HeartbeatConfig>>,
    pub(super) definitions: Store,
    /// Whether the definitions of files are still to be written.
    pub(super) behind: AtomicBool,
    pub(super) webhooks: watch::Sender<Vec<WebhookConfig>>,
    pub(super) pictures: Option<Pictures>,
    pub(super) rule_context: Arc<dyn Fn(&Config) -> rule::Context + Send + Sync>,
    /// What definitions give; absent where there are none.
    pub(super) meaning: Option<Arc<Meaning>>,
    pub(super) in_force: tokio::sync::Mutex<Option<InForce>>,
    pub(super) watched: Mutex<Vec<PathBuf>>,
    pub(super) started_with: Fixed,
}

/// The rules as configured, and what those made of definitions go by.
pub(super) struct InForce {
    groups: Vec<GroupSpec>,
    context: rule::Context,
    /// Absent where no rule is made of definitions.
    scope: Option<Scope>,
    interval: Duration,
    owners: bool,
    /// Our external URL, and where runbooks are instead; absent where no link is added.
    runbooks: Option<(String, Option<String>)>,
}

/// Settings that only a restart changes.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Fixed {
    listen: String,
    route_prefix: String,
    data: PathBuf,
    retention: Duration,
    series_limit: usize,
    query: (Duration, Duration, usize, usize),
    logs: LogsConfig,
    traces: TracesConfig,
    shutdown_deadline: Duration,
    ledger: (Duration, u32),
    auth: AuthConfig,
    definitions: DefinitionsDatabase,
    rate_limits: crate::http::limits::config::LimitsConfig,
    max_connections: usize,
    max_event_streams: usize,
    definition_cache: crate::http::definitions::cache::config::CacheConfig,
}

impl Fixed {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            listen: settings.listen.clone(),
            route_prefix: settings.route_prefix(),
            data: settings.data.clone(),
            retention: settings.retention,
            series_limit: settings.series_limit,
            query: (
                settings.query_timeout,
                settings.lookback,
                settings.query_samples,
                settings.query_concurrency,
            ),
            logs: settings.logs.clone(),
            traces: settings.traces.clone(),
            shutdown_deadline: settings.shutdown_deadline,
            ledger: (settings.ledger_retention, settings.ledger_entries),
            auth: settings.auth.clone(),
            definitions: settings.definitions.clone(),
            rate_limits: settings.rate_limits.clone(),
            max_connections: settings.max_connections,
            max_event_streams: settings.max_event_streams,
            definition_cache: settings.definition_cache.clone(),
        }
    }
}

impl Applied {
    /// Brings rules and targets up to a configuration; routes and receivers hold it already.
    pub(super) async fn start(&self, config: Config) {
        let context = (self.rule_context)(&config);
        let targets = scrape_settings(&config);
        let settings = &config.settings;
        let enrichment = settings.alert_enrichment.as_ref();
        let scope = match (config.mode, settings.catalog.rules) {
            (Mode::RoutesOnly, _) | (Mode::Exactly, false) => None,
            (_, true) => Some(Scope::Alerts),
            (Mode::Full, false) => Some(Scope::Values),
        };
        let mut in_force = self.in_force.lock().await;
        let next = in_force.insert(InForce {
            context,
            scope,
            interval: settings.evaluation_interval,
            owners: enrichment.is_some_and(|enrichment| enrichment.definitions),
            runbooks: enrichment
                .filter(|enrichment| enrichment.runbooks)
                .map(|enrichment| (config.external_url.clone(), enrichment.runbook_base.clone())),
            groups: config.rules,
        });
        self.apply_rules(next).await;
        drop(in_force);
        self.targets.apply(targets).await;
    }

    /// Makes the rules anew; those that did not change go on untouched.
    pub(super) async fn definitions_changed(&self) {
        if let Some(in_force) = &*self.in_force.lock().await {
            self.apply_rules(in_force).await;
        }
    }

    /// To be called under the lock of `in_force`: rules are replaced by one task at a time.
    async fn apply_rules(&self, in_force: &InForce) {
        let mut groups = in_force.groups.clone();
        if let Some(meaning) = &self.meaning {
            let scope = in_force.scope.unwrap_or(Scope::Values);
            let made = meaning.refresh(scope, in_force.interval).await;
            if in_force.scope.is_some() {
                meaning::add(&mut groups, made);
            }
            if in_force.owners {
                meaning.index().load().annotate(&mut groups);
            }
        }
        if let Some((here, elsewhere)) = &in_force.runbooks {
            let runbooks = Arc::clone(&self.runbooks.borrow());
            link_runbooks(&mut groups, |alert| {
                runbooks.address(alert, here, elsewhere.as_deref())
            });
        }
        self.rules.apply(groups, in_force.context.clone()).await;
    }

    /// Files and directories whose change calls for a reload.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        self.watched.lock().clone()
    }

    /// Brings the definitions that come from files up to these, all or nothing. Where no file holds any, a database that
    /// does not answer is no reason to refuse.
    pub(super) async fn sync(
        &self,
        mode: Mode,
        items: Option<&[FileItem]>,
        now: Timestamp,
    ) -> Result<(), Vec<Diagnostic>> {
        if mode == Mode::RoutesOnly {
            return Ok(());
        }
        let message = match self.definitions.sync(items, now).await {
            Ok(Ok(synced)) => {
                self.behind.store(false, Ordering::Relaxed);
                if synced != Synced::default() {
                    let Synced {
                        created,
                        updated,
                        removed,
                        total,
                    } = synced;
                    tracing::info!(
                        created,
                        updated,
                        removed,
                        total,
                        "definitions read from files"
                    );
                }
                return Ok(());
            }
            Ok(Err(reports)) => {
                let refused = reports.iter().find(|report| report.outcome.is_none());
                let what = refused.map_or("", |report| &report.id);
                format!("take over definition {what:?}")
            }
            Err(error) => error.to_string(),
        };
        if items.is_none() {
            tracing::warn!(
                error = message,
                "let go of definitions that came from files"
            );
            return Ok(());
        }
        let remedy = "see the log, and try again";
        Err(vec![config::mistake("definitions", message, remedy)])
    }

    /// The first time: a shared database that does not answer is tried again while everything else runs.
    pub(super) async fn sync_at_start(
        &self,
        config: &Config,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let Some(items) = config.definitions.as_deref() else {
            return Ok(());
        };
        let sync = self.sync(config.mode, Some(items), now);
        let failed = match tokio::time::timeout(LONGEST_SYNC, sync).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(mistakes)) => {
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                mistakes.join("\n")
            }
            Err(_) => format!("definitions: not written within {LONGEST_SYNC:?}"),
        };
        if config.settings.definitions.postgres.is_none() {
            anyhow::bail!(failed);
        }
        tracing::error!(error = failed, "definitions of files are written later");
        self.behind.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Applies a configuration that is known to be valid. Nothing here can fail.
    pub(super) async fn apply(&self, config: Config, now: Timestamp, reason: &str) {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if Fixed::of(&config.settings) != self.started_with {
            tracing::warn!(
                "address, route prefix, data, storage, ledger, query limits, logs, traces, auth, rate_limits, max_connections, max_event_streams, trusted_proxies, definitions.cache, definitions.database and shutdown_deadline are taken over by a restart only"
            );
        }
        *self.watched.lock() = config.watched.clone();
        self.receivers.store(Arc::new(receivers(&config)));
        if self
            .alerts
            .reload(Arc::clone(&config.routing))
            .await
            .is_err()
        {
            tracing::debug!("reload during shutdown");
        }
        self.heartbeat
            .send_replace(config.settings.heartbeat.clone());
        self.webhooks
            .send_replace(config.settings.catalog.webhooks.clone());
        if let Some(pictures) = &self.pictures {
            pictures.configure(pictures::config(&config));
        }
        self.runbooks.send_replace(Arc::new(load_runbooks(&config)));
        let reload = Reload {
            at: now,
            reason: reason.to_owned(),
            mistakes: Vec::new(),
        };
        let mut next = shown(&config, now, Some(reload));
        next.last_change = Some(Arc::new(self.change(&next, &config, reason).await));
        self.configuration.send_replace(Arc::new(next));
        Box::pin(self.start(config)).await;
    }

    /// What this configuration changes about the one that runs.
    async fn change(&self, next: &Configuration, config: &Config, reason: &str) -> Change {
        let before = Arc::clone(&self.configuration.borrow());
        let rules_before = match &*self.in_force.lock().await {
            Some(in_force) => changes::rules(&in_force.groups),
            None => String::new(),
        };
        let texts = [
            ("Settings", &before.text, &next.text),
            ("Routing", &before.routing.text, &next.routing.text),
            ("Rules", &rules_before, &changes::rules(&config.rules)),
        ];
        Change {
            at: next.loaded_at,
            reason: reason.to_owned(),
            files: changes::between(&texts),
        }
    }

    /// Notes a reload that was refused.
    pub(super) fn refused(&self, now: Timestamp, reason: &str, mistakes: Vec<Diagnostic>) {
        let mut shown = Configuration::clone(&self.configuration.borrow());
        shown.last_reload = Some(Reload {
            at: now,
            reason: reason.to_owned(),
            mistakes,
        });
        self.configuration.send_replace(Arc::new(shown));
    }
}

/// Puts the link to its runbook on each alerting rule that gives none, behind what definitions say.
fn link_runbooks(groups: &mut [GroupSpec], address: impl Fn(&str) -> Option<String>) {
    for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
        let RuleKind::Alerting { annotations, .. } = &rule.kind else {
            continue;
        };
        let known = rule.known.as_ref();
        let is_known = known.is_some_and(|known| known.annotations.get(RUNBOOK).is_some());
        if is_known || annotations.iter().any(|(name, _)| name == RUNBOOK) {
            continue;
        }
        if let Some(address) = address(&rule.name) {
            let mut known = known.map(|known| Known::clone(known)).unwrap_or_default();
            known.annotations = known.annotations.with(RUNBOOK, &address);
            rule.known = Some(Arc::new(known));
        }
    }
}

fn scrape_settings(config: &Config) -> ScrapeSettings {
    ScrapeSettings {
        global: config.settings.global.clone(),
        jobs: config.scrape.jobs.clone(),
        node: config.collects_host.then(|| config.settings.node.clone()),
        enrich: config.enrich.clone(),
        pod_annotations: config.collects_host,
    }
}

pub(super) fn receivers(config: &Config) -> Receivers {
    let receivers = config.receivers.integrations();
    receivers.delivering(config.settings.delivery.clone())
}

pub(super) fn load_runbooks(config: &Config) -> Runbooks {
    // In Alertmanager's place nothing shows one.
    if config.settings.upstream_only {
        return Runbooks::default();
    }
    match &config.settings.runbooks {
        Some(directory) => Runbooks::load(directory).over(Runbooks::embedded()),
        None => Runbooks::embedded(),
    }
}

pub(super) fn shown(config: &Config, now: Timestamp, last_reload: Option<Reload>) -> Configuration {
    Configuration {
        file: config.file.as_deref().map(Path::to_owned),
        text: config.text.clone(),
        external_url: config.external_url.clone(),
        routing: RoutingShown {
            text: config.routing_text.clone(),
            receivers: config
                .receivers
                .receivers
                .iter()
                .map(|receiver| Arc::clone(&receiver.name))
                .collect(),
            resolve_timeout: config.receivers.resolve_timeout,
            enrichment: config.settings.alert_enrichment.clone(),
        },
        loaded_at: now,
        last_reload,
        last_change: None,
        settings: changes::settings(config),
    }
}
