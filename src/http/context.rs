//! What handlers are handed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, watch};

use crate::alerts::enrich::Enrichment;
use crate::alerts::run::AlertSink;
use crate::auth::service::Auth;
use crate::charts::pictures::Pictures;
use crate::clock::Clock;
use crate::db::Database;
use crate::db::sql::Sql;
use crate::document::diagnostics::Diagnostic;
use crate::document::diff;
use crate::meaning::index::Index;
use crate::model::alert::Alert;
use crate::model::signature::Signer;
use crate::model::timestamp::Timestamp;
use crate::notify::breaker::Circuits;
use crate::notify::heartbeat;
use crate::notify::outbox::Receivers;
use crate::promql::eval::Engine;
use crate::rules::known::with_missing;
use crate::rules::manager::RuleManager;
use crate::runbooks::Runbooks;
use crate::scrape::manager::ScrapeManager;
use crate::storage::Storage;
use crate::tasks::Tasks;

use super::definitions::cache::Cache;
use super::definitions::figures::Figures;
use super::limits::Limiter;
use super::live::Live;
use super::metrics::Metrics;

/// Reloads the configuration, because of what it is handed; errors are its mistakes.
pub type Reloader =
    Box<dyn Fn(String) -> BoxFuture<'static, Result<(), Vec<Diagnostic>>> + Send + Sync>;

/// Everything a handler may need; built once by the application.
pub struct Context {
    /// Tells the time.
    pub clock: Clock,
    /// When the process started.
    pub started: Timestamp,
    /// Tasks of the process: queries end with them.
    pub tasks: Tasks,
    /// Samples.
    pub storage: Storage,
    /// Evaluates queries.
    pub engine: Arc<Engine>,
    /// The longest a query may take.
    pub query_timeout: Duration,
    /// Queries that may run at once.
    pub queries: Arc<Semaphore>,
    /// Rule groups.
    pub rules: Arc<RuleManager>,
    /// Targets.
    pub targets: Arc<ScrapeManager>,
    /// Groups of alerts.
    pub alerts: AlertSink,
    /// Pictures of alerts.
    pub pictures: Option<Pictures>,
    /// Notifications and decisions.
    pub database: Database,
    /// Definitions.
    pub definitions: Sql,
    /// Whose alerts are; replaced when definitions change.
    pub index: Arc<ArcSwap<Index>>,
    /// Which receivers are left alone for a while.
    pub circuits: Circuits,
    /// Runbooks, replaced on reload.
    pub runbooks: watch::Receiver<Arc<Runbooks>>,
    /// All metrics of the process.
    pub registry: Arc<Registry>,
    /// Metrics of this module.
    pub metrics: Metrics,
    /// Tells pages what has moved.
    pub live: Live,
    /// Configuration as shown, replaced on reload.
    pub configuration: watch::Receiver<Arc<Configuration>>,
    /// How far the start has come.
    pub readiness: watch::Receiver<Readiness>,
    /// Who can be told; replaced as a whole at a reload.
    pub receivers: Arc<ArcSwap<Receivers>>,
    /// How the heartbeat stands.
    pub heartbeat: heartbeat::Shown,
    /// Reloads the configuration, because of what it is handed; errors are its mistakes.
    pub reload: Reloader,
    /// Whether only what Alertmanager has is served.
    pub upstream_only: bool,
    /// Answers of the definition API; absent where nothing is kept, or it is not there.
    pub cache: Option<Cache>,
    /// How many definitions there are; absent where it is not there.
    pub figures: Option<Figures>,
    /// How much a client may ask.
    pub limiter: Limiter,
    /// Who may do what; absent where who reaches the port may do everything.
    pub auth: Option<Auth>,
    /// Signs and verifies links and forms.
    pub signer: Signer,
    /// Where this port is bound.
    pub listen: SocketAddr,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// The configuration that runs, and how the last reload went.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// The file's text with secrets hidden; empty for the embedded defaults.
    pub text: String,
    /// Where people reach this process; no slash at the end.
    pub external_url: String,
    /// The routing that runs.
    pub routing: RoutingShown,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// The last reload: when, and its mistakes where it failed.
    pub last_reload: Option<Reload>,
    /// What the last reload that succeeded has changed.
    pub last_change: Option<Arc<Change>>,
    /// Settings of the process and its limits, as they are to be shown, each with the metric that goes with it.
    pub settings: Vec<(&'static str, String, &'static str)>,
}

impl Configuration {
    /// Adds to an alert what the definition of what it reads says, the annotations that the settings give it, and the runbook
    /// that this process has for it. Where two of them have an annotation the settings count, then the definition.
    pub fn enrich(&self, alert: &mut Alert, runbooks: &Runbooks, index: &Index) {
        let Some(enrichment) = &self.routing.enrichment else {
            return;
        };
        let known = enrichment
            .definitions
            .then(|| index.of_alert(alert))
            .flatten();
        if let Some(known) = known {
            alert.labels = with_missing(&alert.labels, &known.labels);
        }
        alert.annotations = enrichment.annotations(alert, |name| {
            let playbook = known.and_then(|known| known.annotations.get("runbook_url"));
            if let Some(playbook) = playbook {
                return Some(playbook.to_owned());
            }
            let elsewhere = enrichment.runbook_base.as_deref();
            runbooks.address(name, &self.external_url, elsewhere)
        });
        if let Some(known) = known {
            alert.annotations = with_missing(&alert.annotations, &known.annotations);
        }
    }
}

/// The routing as Alertmanager's API tells it.
#[derive(Clone, Debug, Default)]
pub struct RoutingShown {
    /// The file's text with secrets hidden.
    pub text: String,
    /// The receivers' names in the file's order.
    pub receivers: Vec<Arc<str>>,
    /// After how long an alert without an end counts as ended.
    pub resolve_timeout: Duration,
    /// What is added to alerts that others post.
    pub enrichment: Option<Enrichment>,
}

/// A reload that was tried.
#[derive(Clone, Debug)]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// What called for it: a file that changed, a signal, a request and whose.
    pub reason: String,
    /// Why it was refused; empty where it succeeded.
    pub mistakes: Vec<Diagnostic>,
}

/// What a reload has changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What called for it.
    pub reason: String,
    /// The files, or what was read of them, that are not as they were; with the lines that follow those shown.
    pub files: Vec<(String, Vec<diff::Line>, usize)>,
}

/// How far the process has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Readiness {
    /// Loading and replaying.
    #[default]
    Starting,
    /// At work.
    Ready,
    /// Shutting down.
    Stopping,
}
