//! What a sample costs to append and commit, log included, and what a selection costs.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use outrigger::clock::{Clock, Stopwatch};
use outrigger::model::labels::Labels;
use outrigger::model::matcher::Matcher;
use outrigger::model::timestamp::Timestamp;
use outrigger::storage::query::{Queryable, SelectRequest};
use outrigger::storage::slots::SeriesRef;
use outrigger::storage::{Storage, StorageConfig};

const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 15_000;
const STEP: Duration = Duration::from_secs(15);

fn labels(number: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "http_request_duration_seconds_bucket"),
        ("instance", "127.0.0.1:8080"),
        ("job", "metrics-service"),
        ("le", ["0.1", "0.25", "0.5", "1", "2.5", "+Inf"][number % 6]),
        ("method", ["GET", "POST", "PUT"][number / 6 % 3]),
        ("path", &format!("/api/v1/resource/{}", number / 18)),
    ])
}

/// Half of the series stand still, most others count, some are fractions: as in a service's exposition.
fn value(number: usize, step: i64) -> f64 {
    match number % 10 {
        0..=4 => 17.0,
        5..=8 => (step * (number as i64 % 97 + 1) + step % 5) as f64,
        _ => step as f64 * 0.137 + number as f64,
    }
}

struct Feed {
    storage: Storage,
    config: StorageConfig,
    clock: Clock,
    refs: Vec<SeriesRef>,
    step: i64,
    // Deleted after the store.
    _dir: tempfile::TempDir,
}

impl Feed {
    fn new(series: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = StorageConfig {
            dir: dir.path().to_owned(),
            ..StorageConfig::default()
        };
        let clock = Clock::manual(Timestamp::from_millis(START_MS));
        let storage = Storage::open(config.clone(), clock.clone()).expect("opens");
        let mut appender = storage.appender();
        let refs = (0..series)
            .map(|number| appender.series(&labels(number)).expect("room"))
            .collect();
        drop(appender);
        Self {
            storage,
            config,
            clock,
            refs,
            step: 0,
            _dir: dir,
        }
    }

    fn scrape(&mut self) {
        self.step += 1;
        self.clock.advance(STEP);
        let now = START_MS + self.step * STEP_MS;
        let mut appender = self.storage.appender();
        for (number, series) in self.refs.iter().enumerate() {
            appender
                .append(*series, now, value(number, self.step))
                .expect("in order");
        }
        appender.commit().expect("logged");
    }
}

/// CPU time of this thread, kernel included, where the system tells it: others share the machine, and a full disk
/// cache is not the store's doing.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn measure(run: impl FnOnce()) -> Duration {
    let wall = Stopwatch::start();
    let before = cpu_time();
    run();
    match (before, cpu_time()) {
        (Some(before), Some(after)) => after - before,
        _ => wall.elapsed(),
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for series in [1_000, 10_000] {
        group.throughput(Throughput::Elements(series as u64));
        let mut feed = Feed::new(series);
        group.bench_function(BenchmarkId::from_parameter(series), |bencher| {
            bencher.iter_custom(|scrapes| measure(|| (0..scrapes).for_each(|_| feed.scrape())));
        });
    }
    group.finish();
}

/// What a minute's maintenance costs with a day of history, and with a checkpoint on top.
fn maintain(criterion: &mut Criterion) {
    let mut feed = Feed::new(1_000);
    (0..24 * 240).for_each(|_| feed.scrape());
    let now = Timestamp::from_millis(START_MS + feed.step * STEP_MS);
    feed.storage.maintain(now);
    let stats = feed.storage.stats();
    println!(
        "1,000 series x 24 h: {} bytes a series, {} bytes of log",
        stats.bytes / 1_000,
        stats.wal_bytes
    );
    let mut group = criterion.benchmark_group("maintain");
    group.bench_function("1000x24h", |bencher| {
        bencher
            .iter_custom(|times| measure(|| (0..times).for_each(|_| feed.storage.maintain(now))));
    });
    group.finish();
}

/// What reading a large log takes at a start: once, since it takes long to write.
fn replay(_: &mut Criterion) {
    let mut feed = Feed::new(100_000);
    (0..40).for_each(|_| feed.scrape());
    let Feed {
        storage,
        config,
        clock,
        _dir: dir,
        ..
    } = feed;
    let stats = storage.stats();
    drop(storage);
    let wall = Stopwatch::start();
    let storage = Storage::open(config, clock).expect("opens");
    let took = wall.elapsed();
    println!(
        "replay of 100,000 series x 10 min: {took:?}, {} bytes of log, {} series",
        stats.wal_bytes,
        storage.stats().series
    );
    drop(dir);
}

fn select(criterion: &mut Criterion) {
    let mut feed = Feed::new(10_000);
    (0..240).for_each(|_| feed.scrape());
    let until_ms = START_MS + feed.step * STEP_MS;
    feed.storage.maintain(Timestamp::from_millis(until_ms));
    let stats = feed.storage.stats();
    println!(
        "10,000 series x 1 h: {} bytes a series, {} bytes of log",
        stats.bytes / 10_000,
        stats.wal_bytes
    );
    let matchers = [Matcher::equal("job", "metrics-service")];
    let ask = |window_ms, newest_only| {
        let found = feed.storage.select(&SelectRequest {
            matchers: &matchers,
            after_ms: until_ms - window_ms,
            until_ms,
            newest_only,
            max_samples: usize::MAX,
        });
        black_box(found.expect("no limit").len())
    };
    let mut group = criterion.benchmark_group("select");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("5m", |bencher| bencher.iter(|| ask(300_000, false)));
    group.bench_function("newest", |bencher| bencher.iter(|| ask(300_000, true)));
    group.bench_function("1h", |bencher| bencher.iter(|| ask(3_600_000, false)));
    group.finish();
}

fn create(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create");
    group.throughput(Throughput::Elements(10_000));
    let sets: Vec<Labels> = (0..10_000).map(labels).collect();
    group.bench_function("10000", |bencher| {
        bencher.iter_batched(
            || Storage::in_memory(StorageConfig::default()),
            |storage| {
                let mut appender = storage.appender();
                for labels in &sets {
                    black_box(appender.series(labels).expect("room"));
                }
                drop(appender);
                storage
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    targets = append, maintain, replay, select, create
}
criterion_main!(benches);
