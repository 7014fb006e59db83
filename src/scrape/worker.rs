//! The loop of one target: wait for the slot, visit, store, tell.
//!
//! ```text
//! slot ─▶ fetch ─▶ parse, relabel, append ─┬─▶ stale markers ─▶ reports ─▶ commit ─▶ hook, status, metrics
//!           └── failed, or body at fault ──┘   (all series, where the scrape failed)
//! ```
//!
//! A failed scrape still yields `up 0` and stale markers; a panic inside one costs that scrape and what was remembered
//! of the target's series, never the loop. Nothing is written when the process stops: the series go on after a restart.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::HeaderMap;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::Instrument;

use super::append::{Batch, Counts, Reports, Treatment, end};
use super::builds;
use super::cache::SeriesCache;
use super::config::Protocol;
use super::error::{Outcome, ScrapeError};
use super::metadata;
use super::metrics::ScrapeMetrics;
use super::node::Node;
use super::schedule::{Slots, Stamp, stamp};
use super::status::{Health, ScrapeOutcome, TargetStatus};
use super::target::Target;
use crate::clock::{Clock, Stopwatch};
use crate::exposition::format::Format;
use crate::model::labels::{Labels, LabelsBuilder};
use crate::model::timestamp::Timestamp;
use crate::net::body::{self, HARD_LIMIT};
use crate::net::client::{Client, Get};
use crate::storage::Storage;
use crate::tasks::{self, Stop};
use crate::telemetry::traces;

/// Told after each commit, on the scraping task: it must not block. A `watch` or `Notify` behind it keeps it bounded.
pub type CommitHook = Arc<dyn Fn(&ScrapeOutcome) + Send + Sync>;

/// From this size of a body on, its work is taken off the runtime's thread.
const BLOCKING_BYTES: usize = 128 << 10;
/// How Prometheus tells targets how long it will wait.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// What all loops share.
pub(super) struct Shared {
    pub(super) storage: Storage,
    pub(super) clock: Clock,
    pub(super) metrics: ScrapeMetrics,
    pub(super) on_commit: CommitHook,
    pub(super) hostname: String,
}

/// What to do, for one loop.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) target: Arc<Target>,
    pub(super) source: SourceConfig,
    /// Labels to take from the target's build info.
    pub(super) build: Vec<String>,
    /// The job has more targets than its limit: each of its scrapes fails.
    pub(super) over_target_limit: bool,
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SourceConfig {
    /// The target's URL.
    Http,
    /// This machine.
    Node(Arc<super::node::NodeConfig>),
}

/// What the manager tells a loop.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Go on, with this work.
    Work(Work),
    /// The target is gone: end its series, then the loop.
    Retire,
}

enum Source {
    Http(Box<HttpSource>),
    Node(Box<Node>),
}

struct HttpSource {
    client: Client,
    /// The same for every request.
    headers: HeaderMap,
}

/// What came back from a visit, besides what is in the buffers.
struct Visit {
    format: Format,
    bytes: usize,
}

/// The loop's state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    work: Work,
    source: Source,
    /// The target's labels and its build's.
    labels: Labels,
    build: Vec<(String, String)>,
    cache: SeriesCache,
    reports: Reports,
    format: Format,
    last: Option<Timestamp>,
    body: Vec<u8>,
    status: Arc<Mutex<TargetStatus>>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, work: Work) -> Self {
        let status = TargetStatus {
            job: String::new(),
            discovered: Labels::empty(),
            labels: Labels::empty(),
            url: String::new(),
            interval: work.target.interval,
            timeout: work.target.timeout,
            health: Health::Unknown,
            last_error: None,
            warning: None,
            last_scrape: None,
            last_duration: std::time::Duration::ZERO,
            counts: Counts::default(),
            body_bytes: 0,
            metadata: Arc::default(),
        };
        let mut worker = Self {
            shared,
            source: source(&work),
            labels: work.target.labels.clone(),
            work,
            build: Vec::new(),
            cache: SeriesCache::default(),
            reports: Reports::default(),
            format: Format::PrometheusText,
            last: None,
            body: Vec::new(),
            status: Arc::new(Mutex::new(status)),
        };
        worker.show_target();
        worker
    }

    pub(super) fn status(&self) -> Arc<Mutex<TargetStatus>> {
        Arc::clone(&self.status)
    }

    /// Scrapes slot after slot until told otherwise.
    pub(super) async fn run(mut self, mut orders: watch::Receiver<Order>, stop: Stop) {
        let mut slots = self.slots();
        let mut slot = slots.first(self.shared.clock.now());
        loop {
            let wait = slot.since(self.shared.clock.now());
            let changed = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = orders.changed() => Some(changed),
                () = tokio::time::sleep(wait) => None,
            };
            if let Some(changed) = changed {
                if changed.is_err() {
                    return;
                }
                let order = orders.borrow_and_update().clone();
                match order {
                    Order::Work(work) => self.reconfigure(work),
                    Order::Retire => {
                        self.retire();
                        return;
                    }
                }
                slots = self.slots();
                slot = slots.first(self.shared.clock.now());
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.scrape_guarded(slot) => {}
            }
            let (next, missed) = slots.next(slot, self.shared.clock.now());
            if missed > 0 {
                self.shared
                    .metrics
                    .missed(&self.work.target.job.name, missed);
            }
            slot = next;
        }
    }

    fn slots(&self) -> Slots {
        let target = &self.work.target;
        Slots::new(target.interval, target.spread(&self.shared.hostname))
    }

    pub(super) async fn scrape_guarded(&mut self, slot: Timestamp) {
        if AssertUnwindSafe(self.scrape_once(slot))
            .catch_unwind()
            .await
            .is_ok()
        {
            return;
        }
        let target = &self.work.target;
        tracing::error!(target.url = %target.url, job = %target.job.name, "scrape panicked; the loop goes on");
        // What is remembered may be half-changed.
        self.cache = SeriesCache::default();
        self.reports = Reports::default();
        self.source = source(&self.work);
        self.body = Vec::new();
        let stamp = stamp(slot, self.shared.clock.now(), self.last);
        let report = || self.store(stamp, Stopwatch::start(), Err(ScrapeError::Panicked));
        if std::panic::catch_unwind(AssertUnwindSafe(report)).is_err() {
            tracing::error!("reporting a panicked scrape panicked too");
        }
    }

    /// Visits the target once, for a slot; never fails, always reports.
    pub(super) async fn scrape_once(&mut self, slot: Timestamp) -> ScrapeOutcome {
        let now = self.shared.clock.now();
        self.scrape_at(now, slot).await
    }

    /// [`Worker::scrape_once`] at a time that is handed in.
    pub(super) async fn scrape_at(&mut self, now: Timestamp, slot: Timestamp) -> ScrapeOutcome {
        let stamp = stamp(slot, now, self.last);
        let watch = Stopwatch::start();
        let target = Arc::clone(&self.work.target);
        let span = tracing::info_span!(
            "scrape",
            otel.kind = "client",
            job = %target.job.name,
            target.url = %self.shown_url(),
            outcome = tracing::field::Empty,
            samples = tracing::field::Empty,
            trace.id = tracing::field::Empty,
        );
        traces::record_id(&span);
        let visit = self.visit(now, &span).instrument(span.clone()).await;
        let large = self.body.len() >= BLOCKING_BYTES;
        let outcome = span.in_scope(|| tasks::heavy(large, || self.store(stamp, watch, visit)));
        span.record("outcome", outcome.outcome.as_str());
        span.record("samples", outcome.counts.kept);
        outcome
    }

    async fn visit(&mut self, now: Timestamp, span: &tracing::Span) -> Result<Visit, ScrapeError> {
        self.body.clear();
        let target = &self.work.target;
        let limits = &target.job.limits;
        if self.work.over_target_limit {
            return Err(ScrapeError::TargetLimit {
                limit: limits.targets,
            });
        }
        match &mut self.source {
            Source::Node(node) => {
                node.collect(now, target.timeout).await?;
                Ok(Visit {
                    format: self.format,
                    bytes: 0,
                })
            }
            Source::Http(http) => {
                let mut headers = http.headers.clone();
                traces::inject(span, &mut headers);
                let body_limit = match limits.body_size {
                    0 => HARD_LIMIT,
                    limit => limit,
                };
                let get = Get {
                    url: &target.url,
                    headers: &headers,
                    timeout: target.timeout,
                    body_limit,
                    compression: target.job.compression,
                };
                let answer = http.client.get(get, &mut self.body).await?;
                if !answer.status.is_success() {
                    return Err(ScrapeError::Status(answer.status));
                }
                let content_type = answer.content_type.as_deref();
                let format = content_type.and_then(Format::recognise);
                Ok(Visit {
                    format: format.or(target.job.fallback).unwrap_or_default(),
                    bytes: answer.wire_bytes,
                })
            }
        }
    }

    /// Brings a visit into the store and tells everyone.
    fn store(
        &mut self,
        stamp: Stamp,
        watch: Stopwatch,
        visit: Result<Visit, ScrapeError>,
    ) -> ScrapeOutcome {
        let shared = Arc::clone(&self.shared);
        let at_ms = stamp.at.millis();
        let mut counts = Counts::default();
        let mut appender = shared.storage.appender();
        let bytes = visit.as_ref().map_or(0, |visit| visit.bytes);
        let result = visit.and_then(|visit| {
            self.prepare(visit.format);
            let treatment = Treatment {
                labels: &self.labels,
                job: &self.work.target.job,
                at_ms,
            };
            let mut batch = Batch::new(treatment, &mut self.cache, &mut appender);
            let appended = match &self.source {
                Source::Http(_) => batch.text(&self.body, visit.format),
                Source::Node(node) => batch.readings(node.readings()),
            };
            counts = batch.counts;
            if appended.is_ok() && counts.series_added > 0 && matches!(self.source, Source::Http(_))
            {
                self.status.lock().metadata = Arc::new(metadata::read(&self.body, visit.format));
            }
            appended
        });
        match &result {
            Ok(()) => self
                .cache
                .succeed(|series| end(&mut appender, series, at_ms)),
            Err(_) => {
                // A body that is too large, say, is not held until the next one.
                self.body.clear();
                // Nothing of a failed scrape goes in, as in Prometheus: a new batch without its samples.
                appender = shared.storage.appender();
                self.cache.fail(|series| end(&mut appender, series, at_ms));
            }
        }
        let seconds = watch.elapsed().as_secs_f64();
        let reported = self.reports.append(
            &mut appender,
            &self.labels,
            at_ms,
            result.is_ok(),
            seconds,
            &counts,
        );
        let mut warning = None;
        match appender.commit() {
            Ok(committed) => counts.duplicate += committed.refused,
            Err(error) => warning = Some(error.to_string()),
        }
        body::shrink(&mut self.body);
        self.last = Some(stamp.at);
        if stamp.held {
            shared.metrics.held(&self.work.target.job.name);
        }
        let outcome = ScrapeOutcome {
            job: self.work.target.job.name.clone(),
            labels: self.labels.clone(),
            at: stamp.at,
            outcome: result
                .as_ref()
                .map_or_else(ScrapeError::outcome, |()| Outcome::Success),
            took: watch.elapsed(),
            counts,
        };
        (shared.on_commit)(&outcome);
        shared
            .metrics
            .scraped(&outcome.job, outcome.outcome, &counts, bytes);
        let warning = warning.or_else(|| warning_of(&counts, stamp.held, reported));
        self.show(&outcome, result.err(), warning, bytes);
        outcome
    }

    /// Forgets the series' keys where they would mean something else now.
    fn prepare(&mut self, format: Format) {
        if self.format != format {
            self.format = format;
            self.cache.reset();
        }
        if self.work.build.is_empty() {
            return;
        }
        let build = builds::find(&self.body, &self.work.build);
        if build != self.build {
            self.build = build;
            self.relabel();
        }
    }

    /// Takes over labels that have changed; the series of the old ones are ended with the next scrape.
    fn relabel(&mut self) {
        let mut labels = LabelsBuilder::from(&self.work.target.labels);
        for (name, value) in &self.build {
            if labels.get(name).is_none() {
                labels.set(name, value);
            }
        }
        let labels = labels.build();
        if labels == self.labels {
            return;
        }
        self.labels = labels;
        self.cache.reset();
        let at_ms = self.end_ms();
        let mut appender = self.shared.storage.appender();
        self.reports.end(&mut appender, at_ms);
        if let Err(error) = appender.commit() {
            tracing::warn!(%error, "end the report series of old labels");
        }
    }

    pub(super) fn reconfigure(&mut self, work: Work) {
        self.work = work;
        self.source = source(&self.work);
        self.cache.reset();
        let wanted = &self.work.build;
        self.build.retain(|(name, _)| wanted.contains(name));
        self.relabel();
        self.show_target();
    }

    /// Ends all series of the target.
    pub(super) fn retire(&mut self) {
        let at_ms = self.end_ms();
        let mut appender = self.shared.storage.appender();
        self.cache.fail(|series| end(&mut appender, series, at_ms));
        self.reports.end(&mut appender, at_ms);
        if let Err(error) = appender.commit() {
            tracing::warn!(target.url = %self.work.target.url, %error, "end the series of a removed target");
        }
    }

    /// When series end that end between scrapes: just behind the last scrape, so that another loop which has scraped the
    /// same series since is not disturbed.
    fn end_ms(&self) -> i64 {
        let end = match self.last {
            Some(last) => last + MILLISECOND,
            None => self.shared.clock.now(),
        };
        end.millis()
    }

    fn shown_url(&self) -> &str {
        match &self.source {
            Source::Http(_) => self.work.target.url.as_str(),
            Source::Node(_) => super::node::URL,
        }
    }

    fn show_target(&mut self) {
        let mut status = self.status.lock();
        let target = &self.work.target;
        status.job.clone_from(&target.job.name);
        status.discovered = target.discovered.clone();
        status.labels = self.labels.clone();
        status.url = self.shown_url().to_owned();
        status.interval = target.interval;
        status.timeout = target.timeout;
    }

    fn show(
        &self,
        outcome: &ScrapeOutcome,
        error: Option<ScrapeError>,
        warning: Option<String>,
        bytes: usize,
    ) {
        let url = self.shown_url();
        let job = &outcome.job;
        let error = error.map(|error| error.to_string());
        let mut status = self.status.lock();
        let health = if error.is_none() {
            Health::Up
        } else {
            Health::Down
        };
        match (&error, status.health) {
            (Some(error), Health::Up | Health::Unknown) => {
                tracing::warn!(target.url = %url, %job, outcome = outcome.outcome.as_str(), %error, "scrape failed");
            }
            (Some(error), Health::Down) => {
                tracing::debug!(target.url = %url, %job, %error, "scrape failed again");
            }
            (None, Health::Down) => {
                tracing::info!(target.url = %url, %job, "scrape succeeds again");
            }
            (None, Health::Up | Health::Unknown) => {}
        }
        if let Some(warning) = &warning
            && status.warning.as_ref() != Some(warning)
        {
            tracing::warn!(target.url = %url, %job, %warning, "scrape is incomplete");
        }
        status.health = health;
        status.last_error = error;
        status.warning = warning;
        status.labels = outcome.labels.clone();
        status.last_scrape = Some(outcome.at);
        status.last_duration = outcome.took;
        status.counts = outcome.counts;
        status.body_bytes = bytes;
    }

    /// Number of series remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.cache.len()
    }

    /// Bytes held for the next body.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.body.capacity()
    }

    /// What it does.
    #[cfg(test)]
    pub(super) fn work(&self) -> &Work {
        &self.work
    }
}

const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

fn source(work: &Work) -> Source {
    match &work.source {
        SourceConfig::Node(config) => Source::Node(Box::new(Node::new(Arc::clone(config)))),
        SourceConfig::Http => {
            let mut headers = HeaderMap::new();
            let accept = Protocol::accept(&work.target.job.protocols);
            let timeout = work.target.timeout.as_secs_f64().to_string();
            for (name, text) in [(ACCEPT, accept), (TIMEOUT_HEADER, timeout)] {
                let value = HeaderValue::try_from(text)
                    .expect("media types and numbers are fit for headers");
                headers.insert(name, value);
            }
            Source::Http(Box::new(HttpSource {
                client: Client::new(work.target.job.http.clone()),
                headers,
            }))
        }
    }
}

fn warning_of(counts: &Counts, held: bool, reported: bool) -> Option<String> {
    let mut parts = Vec::new();
    for (count, what) in [
        (counts.out_of_order, "samples out of order"),
        (counts.duplicate, "samples with a duplicate timestamp"),
        (
            counts.out_of_bounds,
            "samples too far in the past or future",
        ),
        (counts.over_series_limit, "samples over the series limit"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what} were refused"));
        }
    }
    if held {
        parts.push("the clock stepped back: the time of samples is held".to_owned());
    }
    if !reported {
        parts.push("up and the scrape's own series could not be stored".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
