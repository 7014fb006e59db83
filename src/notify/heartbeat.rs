//! The dead man's switch: an address that is pinged only while Outrigger gets its work done.
//!
//! ```text
//! scrape ─┐                       all within progress_within ──▶ ping each interval
//! rules  ─┤  Progress::age ──▶ decide
//! routes ─┤                       some part stands still ──▶ no ping; log, metric and status page name the part
//! outbox ─┘
//! ```
//!
//! Somebody outside (healthchecks.io, Dead Man's Snitch, a Pushgateway, another Outrigger) raises the alarm when the pings
//! stop: a process that is dead, stuck or cut off cannot. Parts that are idle by nature are knocked at before they are
//! judged, so that no news is not taken for a standstill.

mod settings;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::watch;

use super::http::{Sender, load};
use super::integration::SendError;
use crate::clock::{Clock, Stopwatch};
use crate::model::duration;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;
use crate::tasks::Stop;
use crate::telemetry::progress::Progress;

pub use self::settings::{HeartbeatConfig, Method, read};

/// The longest between two looks at the parts, and so between a failed ping and the next.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A part of the process that has to get its work done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Component {
    /// Samples of some target reach the store.
    Scrape,
    /// Groups of rules are evaluated and their alerts handed on.
    Evaluation,
    /// Alerts are taken in and groups flushed.
    Routing,
    /// The database is asked for what is to be sent.
    Outbox,
}

impl Component {
    /// The value of the label `component`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scrape => "scrape",
            Self::Evaluation => "evaluation",
            Self::Routing => "routing",
            Self::Outbox => "outbox",
        }
    }
}

/// A component and how long ago it last progressed.
pub type Age = (Component, Duration);

/// What to do at a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Everything works; it is not time yet.
    Wait,
    /// Everything works.
    Ping,
    /// These stand still.
    Withhold(Vec<Age>),
}

/// Decides from how long ago each component progressed and how long ago the last ping arrived.
pub fn decide(ages: &[Age], since_ping: Option<Duration>, config: &HeartbeatConfig) -> Decision {
    let still = |age: &&Age| age.1 > config.progress_within;
    let stuck: Vec<Age> = ages.iter().filter(still).copied().collect();
    if !stuck.is_empty() {
        return Decision::Withhold(stuck);
    }
    match since_ping {
        Some(since) if since < config.interval => Decision::Wait,
        Some(_) | None => Decision::Ping,
    }
}

/// A component, as the heartbeat watches it.
pub struct Watched {
    /// Which.
    pub component: Component,
    /// When it last progressed.
    pub progress: Progress,
    /// Whether it has nothing to do: no target, no rule.
    pub is_idle: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}

/// What the heartbeat is built from.
pub struct Dependencies {
    /// The time.
    pub clock: Clock,
    /// The settings, replaced on reload; none where there is no heartbeat.
    pub config: watch::Receiver<Option<HeartbeatConfig>>,
    /// What has to progress.
    pub watched: Vec<Watched>,
    /// Asks those who only wait for events for a sign of life.
    pub knock: Box<dyn Fn() + Send + Sync>,
    /// Where it counts.
    pub metrics: Metrics,
}

/// How the heartbeat stands, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When a ping last arrived.
    pub last_ping: Option<Timestamp>,
    /// What stands still; no ping meanwhile.
    pub stuck: Vec<Age>,
    /// Why the last ping failed.
    pub error: Option<String>,
}

/// Shared view of the [`Standing`]; none where there is no heartbeat.
pub type Shown = Arc<Mutex<Option<Standing>>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    component: &'static str,
}

/// The metrics of the heartbeat. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    last_ping: Gauge<f64, AtomicU64>,
    pings: Family<Outcome, Counter>,
    age: Family<Part, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "outrigger_heartbeat_last_ping_timestamp_seconds",
            "When a ping of the heartbeat last arrived; 0 where none did",
            metrics.last_ping.clone(),
        );
        registry.register(
            "outrigger_heartbeat_pings",
            "Pings of the heartbeat: delivered, failed, or withheld because a component stands still",
            metrics.pings.clone(),
        );
        registry.register(
            "outrigger_heartbeat_progress_age_seconds",
            "How long ago a component that the heartbeat watches last progressed",
            metrics.age.clone(),
        );
        metrics
    }

    fn pings(&self, outcome: &'static str) -> Counter {
        self.pings.get_or_create(&Outcome { outcome }).clone()
    }
}

/// The loop.
#[derive(Debug)]
pub struct Heartbeat {
    with: Dependencies,
    shown: Shown,
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies")
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}

/// What the loop knows under one configuration.
struct State {
    config: HeartbeatConfig,
    sender: Sender,
    since_ping: Option<Stopwatch>,
    since_failure: Option<Stopwatch>,
}

impl Heartbeat {
    /// A heartbeat; nothing is sent yet.
    pub fn new(with: Dependencies) -> Self {
        Self {
            with,
            shown: Shown::default(),
        }
    }

    /// How it stands, kept up to date while it runs.
    pub fn shown(&self) -> Shown {
        Arc::clone(&self.shown)
    }

    /// Pings until told to stop.
    pub async fn run(mut self, stop: Stop) {
        let mut state: Option<State> = None;
        loop {
            let config = self.with.config.borrow_and_update().clone();
            if state.as_ref().map(|state| &state.config) != config.as_ref() {
                self.reconfigure(&mut state, config);
            }
            let pause = match &mut state {
                Some(state) => {
                    self.look(state).await;
                    let often = state.config.interval.min(state.config.progress_within / 3);
                    often.min(LOOK_EVERY)
                }
                None => Duration::MAX,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.with.config.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn reconfigure(&self, state: &mut Option<State>, config: Option<HeartbeatConfig>) {
        *self.shown.lock() = config.is_some().then(Standing::default);
        *state = config.map(|config| {
            for outcome in ["delivered", "failed", "withheld"] {
                self.with.metrics.pings(outcome);
            }
            // Nobody knocked before: what was idle has not stood still.
            for watched in &self.with.watched {
                watched.progress.mark();
            }
            State {
                sender: Sender::new(config.http.clone(), config.timeout),
                config,
                since_ping: None,
                since_failure: None,
            }
        });
    }

    /// One look at the components, and what follows from it.
    async fn look(&self, state: &mut State) {
        (self.with.knock)();
        let ages: Vec<Age> = self.with.watched.iter().map(age).collect();
        for (component, age) in &ages {
            let component = component.as_str();
            let age = age.as_secs_f64();
            let gauge = self.with.metrics.age.get_or_create(&Part { component });
            gauge.set(age);
        }
        let since_ping = state.since_ping.map(|watch| watch.elapsed());
        let decision = decide(&ages, since_ping, &state.config);
        let stuck = match &decision {
            Decision::Withhold(stuck) => stuck.clone(),
            Decision::Wait | Decision::Ping => Vec::new(),
        };
        self.say(&stuck);
        match decision {
            Decision::Wait => {}
            Decision::Ping => self.ping(state).await,
            Decision::Withhold(stuck) => self.withhold(state, &stuck).await,
        }
    }

    /// Logs what changed, and shows it.
    fn say(&self, stuck: &[Age]) {
        let mut shown = self.shown.lock();
        let standing = shown.get_or_insert_default();
        let parts = |ages: &[Age]| -> Vec<Component> { ages.iter().map(|age| age.0).collect() };
        if parts(&standing.stuck) != parts(stuck) {
            if stuck.is_empty() {
                tracing::info!("everything progresses again; the heartbeat goes on");
            } else {
                tracing::error!(
                    components = parts(stuck)
                        .into_iter()
                        .map(Component::as_str)
                        .collect::<Vec<_>>()
                        .join(" "),
                    "heartbeat withheld: {}",
                    describe(stuck)
                );
            }
        }
        standing.stuck = stuck.to_vec();
    }

    async fn ping(&self, state: &mut State) {
        let now = self.with.clock.now();
        let body = json!({"status": "working"}).to_string();
        let result = send(state, &state.config.url, body, now).await;
        let mut shown = self.shown.lock();
        let standing = shown.get_or_insert_default();
        match result {
            Ok(()) => {
                state.since_ping = Some(Stopwatch::start());
                state.since_failure = None;
                self.with.metrics.pings("delivered").inc();
                self.with.metrics.last_ping.set(now.seconds());
                standing.last_ping = Some(now);
                if standing.error.take().is_some() {
                    tracing::info!("the heartbeat arrives again");
                }
            }
            Err(error) => {
                self.with.metrics.pings("failed").inc();
                // Each of a long row of failures says the same.
                if standing.error.is_none() {
                    tracing::warn!(%error, reason = %error.reason, "ping of the heartbeat failed; trying again");
                }
                standing.error = Some(error.detail);
            }
        }
    }

    /// No ping; where there is an address for failures, it is told once each interval.
    async fn withhold(&self, state: &mut State, stuck: &[Age]) {
        let due = |watch: &Stopwatch| watch.elapsed() >= state.config.interval;
        if state
            .since_failure
            .as_ref()
            .is_some_and(|watch| !due(watch))
        {
            return;
        }
        state.since_failure = Some(Stopwatch::start());
        // It comes back at once.
        state.since_ping = None;
        self.with.metrics.pings("withheld").inc();
        let Some(url) = &state.config.failure_url else {
            return;
        };
        let body = json!({"status": "stuck", "reason": describe(stuck)}).to_string();
        if let Err(error) = send(state, url, body, self.with.clock.now()).await {
            tracing::warn!(%error, "tell the heartbeat's failure address");
        }
    }
}

fn age(watched: &Watched) -> Age {
    if (watched.is_idle)() {
        watched.progress.mark();
    }
    (watched.component, watched.progress.age())
}

async fn send(
    state: &State,
    url: &SecretSource,
    body: String,
    now: Timestamp,
) -> Result<(), SendError> {
    let url = load(url).await?;
    let (method, body) = match state.config.method {
        Method::Get => (http::Method::GET, String::new()),
        Method::Post => (http::Method::POST, body),
    };
    let sender = &state.sender;
    let reply = sender.send_json(method, url.expose(), body.into(), HeaderMap::new(), now);
    reply.await?.accepted().map(drop)
}

/// `scrape has not progressed for 5m, nor outbox for 3m`.
pub fn describe(stuck: &[Age]) -> String {
    let mut text = String::new();
    for (component, age) in stuck {
        let age = duration::format(Duration::from_secs(age.as_secs()));
        let verb = if text.is_empty() {
            " has not progressed for "
        } else {
            ", nor "
        };
        if text.is_empty() {
            text = format!("{}{verb}{age}", component.as_str());
        } else {
            text.push_str(&format!("{verb}{} for {age}", component.as_str()));
        }
    }
    text
}

#[cfg(test)]
mod tests;
