//! Reload: all or nothing.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::config::{self, Sources, outline};
use crate::document::diagnostics::Diagnostic;
use crate::model::timestamp::Timestamp;
use crate::tasks::{Stop, Tasks};

use super::applied::Applied;
use super::build::Parts;
use super::watch::Watch;

/// Between two attempts at what a database did not take at the start.
const RETRY: Duration = Duration::from_secs(15);

/// Figures of reloads; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    successful: Gauge,
    last_success: Gauge<f64, AtomicU64>,
    reloads: Counter,
    failures: Counter,
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "outrigger_config_last_reload_successful",
            "Whether the last reload of the configuration succeeded",
            self.successful.clone(),
        );
        registry.register_with_unit(
            "outrigger_config_last_reload_success_timestamp",
            "Time of the last successful load since the Unix epoch",
            Unit::Seconds,
            self.last_success.clone(),
        );
        registry.register(
            "outrigger_config_reloads",
            "Reloads tried",
            self.reloads.clone(),
        );
        registry.register(
            "outrigger_config_reload_failures",
            "Reloads refused",
            self.failures.clone(),
        );
    }

    pub(super) fn loaded(&self, at: Timestamp) {
        self.successful.set(1);
        self.last_success.set(at.seconds());
    }

    fn refused(&self) {
        self.successful.set(0);
        self.failures.inc();
    }
}

type Outcome = Result<(), Vec<Diagnostic>>;

/// One reload asked for.
struct Request {
    reason: String,
    answer: Option<oneshot::Sender<Outcome>>,
}

/// Takes requests to reload, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Reloader {
    requests: mpsc::Sender<Request>,
}

impl Reloader {
    /// The way to ask for a reload, and the task that reloads, watching the files the configuration was read from. The
    /// task is to run once the parts have started: what is asked before waits.
    pub(super) fn new(sources: Sources, parts: &Parts, tasks: &Tasks) -> (Self, ReloadTask) {
        // A waiting request covers those behind it: the sender waits.
        let (requests, incoming) = mpsc::channel(8);
        let mut watch = match Watch::new() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(%error, "watch files; reload by SIGHUP or POST /-/reload");
                None
            }
        };
        if let Some(watch) = &mut watch {
            watch.follow(&parts.applied.watched());
        }
        let task = ReloadTask {
            watch,
            sources,
            applied: Arc::clone(&parts.applied),
            clock: parts.clock.clone(),
            metrics: parts.reload_metrics.clone(),
            incoming,
            stop: tasks.stop_token(),
        };
        (Self { requests }, task)
    }

    /// Asks for a reload whose outcome is logged.
    pub(super) async fn request(&self, reason: &str) {
        let request = Request {
            reason: reason.to_owned(),
            answer: None,
        };
        if self.requests.send(request).await.is_err() {
            tracing::debug!("reload asked for during shutdown");
        }
    }

    /// A function that reloads and answers with the outcome.
    pub(super) fn handle(
        &self,
    ) -> Box<dyn Fn(String) -> BoxFuture<'static, Outcome> + Send + Sync> {
        let requests = self.requests.clone();
        Box::new(move |reason| {
            let requests = requests.clone();
            Box::pin(async move {
                let (answer, outcome) = oneshot::channel();
                let request = Request {
                    reason,
                    answer: Some(answer),
                };
                if requests.send(request).await.is_err() {
                    return Err(vec![config::mistake(
                        "reload",
                        "shutting down",
                        "start again",
                    )]);
                }
                outcome.await.unwrap_or_else(|_| {
                    Err(vec![config::mistake(
                        "reload",
                        "shutting down",
                        "start again",
                    )])
                })
            })
        })
    }
}

/// Takes one request after the other.
pub(super) struct ReloadTask {
    watch: Option<Watch>,
    sources: Sources,
    applied: Arc<Applied>,
    clock: Clock,
    metrics: Metrics,
    incoming: mpsc::Receiver<Request>,
    stop: Stop,
}

impl ReloadTask {
    pub(super) async fn run(mut self) {
        let mut watch = self.watch.take();
        loop {
            let request = tokio::select! {
                () = self.stop.cancelled() => return,
                request = self.incoming.recv() => match request {
                    Some(request) => request,
                    None => return,
                },
                () = tokio::time::sleep(RETRY), if self.applied.behind.load(Ordering::Relaxed) => {
                    Request { reason: "definitions of files are still to be written".to_owned(), answer: None }
                }
                path = next_change(&mut watch, &self.stop) => match path {
                    Some(path) => Request { reason: format!("{} changed", path.display()), answer: None },
                    None => return,
                },
            };
            let outcome = self.reload(&request.reason).await;
            if let Some(watch) = &mut watch {
                watch.follow(&self.applied.watched());
            }
            if let Some(answer) = request.answer {
                // The asker may have gone; the outcome is logged.
                drop(answer.send(outcome));
            }
        }
    }

    async fn reload(&self, reason: &str) -> Outcome {
        let (sources, now) = (self.sources.clone(), self.clock.now());
        let loaded = tokio::task::spawn_blocking(move || config::load(&sources, now)).await;
        let loaded = loaded.unwrap_or_else(|error| {
            tracing::error!(%error, "reload panicked");
            Err(vec![config::mistake(
                "reload",
                "failed inside; the log says why",
                "report it",
            )])
        });
        self.metrics.reloads.inc();
        let ready = match loaded {
            Ok(config) => {
                let items = config.definitions.as_deref();
                let synced = Box::pin(self.applied.sync(config.mode, items, now));
                synced.await.map(|()| config)
            }
            Err(mistakes) => Err(mistakes),
        };
        match ready {
            Ok(config) => {
                Box::pin(self.applied.apply(config, now, reason)).await;
                self.metrics.loaded(now);
                tracing::info!(reason, "configuration reloaded");
                Ok(())
            }
            Err(mistakes) => {
                self.metrics.refused();
                for mistake in &mistakes {
                    tracing::error!(reason, "{mistake}");
                }
                tracing::error!(
                    reason,
                    mistakes = mistakes.len(),
                    "reload refused; the old configuration goes on"
                );
                let shown = mistakes.clone();
                // Where even this fails the mistakes are shown without their lines.
                let quoted = tokio::task::spawn_blocking(move || outline::quoted(shown)).await;
                let shown = quoted.unwrap_or_else(|_| mistakes.clone());
                self.applied.refused(now, reason, shown);
                Err(mistakes)
            }
        }
    }
}

async fn next_change(watch: &mut Option<Watch>, stop: &Stop) -> Option<std::path::PathBuf> {
    match watch {
        Some(watch) => watch.changed(stop).await,
        None => {
            stop.cancelled().await;
            None
        }
    }
}
