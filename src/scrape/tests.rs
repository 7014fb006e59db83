//! Whole scrapes against a real server and a real store; time is moved by hand.

mod bodies;
mod manager;
mod node;
mod peer;
mod series;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::config::{Global, JobConfig, ScrapeConfigs};
use super::metrics::ScrapeMetrics;
use super::status::{ScrapeOutcome, TargetStatus};
use super::target::{Found, Populated, populate};
use super::worker::{Shared, SourceConfig, Work, Worker};
use crate::clock::Clock;
use crate::document::diagnostics::Diagnostics;
use crate::document::parse;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::sample::is_stale;
use crate::model::timestamp::Timestamp;
use crate::net::test_server::{Reply, TestServer};
use crate::storage::query::{Queryable, SelectRequest};
use crate::storage::{Storage, StorageConfig};

/// When the tests begin.
const START: i64 = 1_700_000_000_000;

/// The hook panics at a scrape of so many samples.
const PANIC_AT: usize = 13;

/// A target that answers what it is told to, and the loop that scrapes it.
struct Bench {
    clock: Clock,
    storage: Storage,
    server: TestServer,
    reply: Arc<Mutex<Reply>>,
    worker: Worker,
    outcomes: Arc<Mutex<Vec<ScrapeOutcome>>>,
}

fn job(yaml: &str, address: &str) -> JobConfig {
    let diagnostics = Diagnostics::default();
    let text = format!(
        "scrape_configs:\n- job_name: t\n  scrape_interval: 15s\n  static_configs: [{{targets: ['{address}']}}]\n{}",
        yaml.lines()
            .map(|line| format!("  {line}\n"))
            .collect::<String>()
    );
    let document = parse("f.yml", &text, &diagnostics).unwrap();
    let root = document.value(&diagnostics).fields().unwrap();
    let base = std::path::Path::new("/");
    let mut configs = ScrapeConfigs::read(&root, &Global::default(), base);
    let problems = diagnostics.into_sorted();
    assert!(problems.is_empty(), "{problems:?}");
    configs.jobs.remove(0)
}

fn work(yaml: &str, address: &str) -> Work {
    let job = Arc::new(job(yaml, address));
    let found = Found {
        address,
        group: &[("instance".to_owned(), "i".to_owned())],
        meta: &[],
        attach: &[],
    };
    let Populated::Kept(target) = populate(&job, found) else {
        panic!("a target")
    };
    Work {
        target: Arc::new(*target),
        source: SourceConfig::Http,
        build: Vec::new(),
        over_target_limit: false,
    }
}

impl Bench {
    async fn new(yaml: &str) -> Self {
        Self::with_storage(yaml, StorageConfig::default()).await
    }

    async fn with_storage(yaml: &str, config: StorageConfig) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(START));
        let storage = Storage::in_memory(config);
        let reply = Arc::new(Mutex::new(Reply::Never));
        let answer = Arc::clone(&reply);
        let server = TestServer::start(move |_| answer.lock().clone()).await;
        let outcomes: Arc<Mutex<Vec<ScrapeOutcome>>> = Arc::default();
        let seen = Arc::clone(&outcomes);
        let shared = Arc::new(Shared {
            storage: storage.clone(),
            clock: clock.clone(),
            metrics: ScrapeMetrics::default(),
            on_commit: Arc::new(move |outcome| {
                assert_ne!(outcome.counts.kept, PANIC_AT, "the hook panics");
                seen.lock().push(outcome.clone());
            }),
            hostname: "box".to_owned(),
        });
        let worker = Worker::new(shared, work(yaml, &server.address));
        Self {
            clock,
            storage,
            server,
            reply,
            worker,
            outcomes,
        }
    }

    /// The target answers this from now on.
    fn answers(&self, reply: Reply) {
        *self.reply.lock() = reply;
    }

    /// One scrape of a body, 15 seconds after the last.
    async fn scrape(&mut self, body: &str) -> ScrapeOutcome {
        self.answers(Reply::Ok(body.as_bytes().to_vec()));
        self.tick().await
    }

    async fn tick(&mut self) -> ScrapeOutcome {
        self.clock.advance(Duration::from_secs(15));
        let now = self.clock.now();
        self.worker.scrape_once(now).await
    }

    fn status(&self) -> TargetStatus {
        self.worker.status().lock().clone()
    }

    /// All series but the scrape's own: labels apart from job and instance, then `seconds since the start=value`.
    fn stored(&self) -> Vec<String> {
        stored(&self.storage)
            .into_iter()
            .filter(|line| !line.starts_with("up ") && !line.starts_with("scrape_"))
            .collect()
    }

    /// The values of one of the scrape's own series.
    fn report(&self, name: &str) -> String {
        let found = stored(&self.storage).into_iter();
        let mut found =
            found.filter_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
        found.next().unwrap_or_default()
    }
}

fn stored(storage: &Storage) -> Vec<String> {
    let any = Matcher::new("__name__", MatchOp::NotEqual, "").unwrap();
    let request = SelectRequest {
        matchers: &[any],
        after_ms: i64::MIN + 1,
        until_ms: i64::MAX - 1,
        newest_only: false,
        max_samples: 1_000_000,
    };
    let series = storage.select(&request).unwrap();
    let mut lines: Vec<String> = series
        .iter()
        .map(|series| {
            let hide = |name: &str| {
                (name == "job" && series.labels.get(name) == Some("t"))
                    || (name == "instance" && series.labels.get(name) == Some("i"))
            };
            let labels = series.labels.filter(|name| !hide(name));
            let mut line = labels.to_string();
            for sample in &series.samples {
                let seconds = (sample.timestamp_ms - START) as f64 / 1000.0;
                let value = if is_stale(sample.value) {
                    "stale".to_owned()
                } else {
                    sample.value.to_string()
                };
                line.push_str(&format!(" {seconds}={value}"));
            }
            line
        })
        .collect();
    lines.sort();
    lines
}
