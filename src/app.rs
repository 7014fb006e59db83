//! Wiring, reload and shutdown: the only module that knows everybody.
//!
//! ```text
//!   start:     config (already valid) ─▶ bind ─▶ open data ─▶ build ─▶ run ─▶ ready
//!   reload:    file event, SIGHUP, POST /-/reload ─▶ load ─▶ all mistakes, or apply everything
//!   shutdown:  not ready ─▶ stop intake ─▶ drain ─▶ deadline, naming who is stuck
//! ```

mod applied;
mod build;
mod changes;
mod maintenance;
mod meaning;
mod pictures;
mod reload;
mod signals;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::{self, Config, Sources};
use crate::http::context::Readiness;
use crate::http::definitions::cache;
use crate::http::{compression, prefix, router, server};
use crate::tasks::Tasks;
use crate::telemetry::logs;
use crate::telemetry::traces::Traces;

use self::build::Parts;
use self::reload::Reloader;
use self::signals::Signals;

/// Names the one TLS provider; harmless to repeat.
pub fn install_crypto() {
    // An error says that it is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The process at work, until it is told to stop.
pub struct Running {
    parts: Parts,
    tasks: Tasks,
    signals: Signals,
    reloader: Reloader,
    deadline: Duration,
    traces: Traces,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Binds, opens the data and starts every component.
///
/// # Errors
/// Where the port, the data directory or the database cannot be opened.
pub async fn start(mut config: Config, mut sources: Sources) -> anyhow::Result<Running> {
    install_crypto();
    let traces = logs::init(&config.settings.logs, &config.settings.traces)?;
    let clock = Clock::system();
    let tasks = Tasks::new();
    let signals = Signals::install().context("install signal handlers")?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "listen on {}; stop the program that uses the port, or choose another one with --listen",
            config.listen
        )
    })?;
    let address = listener.local_addr()?;
    if config.listen.port() == 0 {
        // Whatever stands for this process, as links in messages and the target that it is itself, needs the port it got.
        sources = sources.listening_on(address);
        config = config::load(&sources, clock.now()).map_err(|mistakes| {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("load the configuration again: {}", all.join("; "))
        })?;
    }
    let deadline = config.settings.shutdown_deadline;

    let parts = Box::pin(Parts::build(config, &clock, &tasks, address)).await?;
    let (reloader, reloading) = Reloader::new(sources, &parts, &tasks);
    let context = parts.http_context(reloader.handle());
    let http_stop = tasks.stop_token().child_token();
    let upstream_only = context.upstream_only;
    let warming = cache::warm(std::sync::Arc::clone(&context));
    let mut routes = prefix::under(&parts.route_prefix, router::router(context));
    if !upstream_only {
        routes = compression::around(routes);
    }
    let serving = server::serve(
        listener,
        server::make_room(parts.max_connections),
        routes,
        parts.http_metrics.clone(),
        tasks.clone(),
        http_stop.clone(),
    );
    tasks.spawn("http server", serving);
    parts.start(&tasks).await;
    // Not before: a reload would be overtaken by the configuration of the start.
    tasks.spawn("reload", reloading.run());
    parts.readiness.send_replace(Readiness::Ready);
    tasks.spawn("warm-up of the definition cache", warming);
    tracing::info!(address = %parts.listen, "Listening on");
    tracing::info!(address = %parts.listen, url = %parts.external_url, "Outrigger is ready");
    Ok(Running {
        parts,
        tasks,
        signals,
        reloader,
        deadline,
        traces,
    })
}

impl Running {
    /// Reloads when told to, and ends in order when told to stop.
    pub async fn until_stopped(mut self) {
        loop {
            match self.signals.next().await {
                signals::Signal::Reload => self.reloader.request("SIGHUP").await,
                signals::Signal::Stop(name) => {
                    tracing::info!(signal = name, "stopping");
                    break;
                }
            }
        }
        stop(&self.parts, &self.tasks, &mut self.signals, self.deadline).await;
        self.traces.shutdown();
    }
}

/// Not ready, stop intake, drain, and say who is stuck.
///
/// Who asks a second time does not want to wait: then the drain ends at once. What is unsent is in the outbox.
async fn stop(parts: &Parts, tasks: &Tasks, signals: &mut Signals, deadline: Duration) {
    parts.readiness.send_replace(Readiness::Stopping);
    tasks.stop();
    let again = async {
        loop {
            if let signals::Signal::Stop(name) = signals.next().await {
                return name;
            }
        }
    };
    let stuck = tokio::select! {
        stuck = tasks.drain(deadline) => Some(stuck),
        name = again => {
            tracing::warn!(signal = name, "asked again; stopping at once");
            None
        }
    };
    let Some(stuck) = stuck else {
        return parts.close().await;
    };
    if stuck.is_empty() {
        tracing::info!("all tasks have ended");
    } else {
        tracing::error!(stuck = ?stuck, "did not end within {} s", deadline.as_secs());
    }
    parts.close().await;
}
