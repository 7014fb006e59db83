//! Alerts through the routes into the database: reading, insertion, flush and commit of 10,000 alerts.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use outrigger::alerts::config;
use outrigger::alerts::dispatch::flush::Fates;
use outrigger::alerts::dispatch::{Dispatcher, Restored, Writes};
use outrigger::alerts::route::{IntegrationInfo, ReceiverInfo, Routing};
use outrigger::alerts::throttle::ThrottleConfig;
use outrigger::db::Database;
use outrigger::document::{self, diagnostics::Diagnostics};
use outrigger::http::alertmanager::alerts as posted;
use outrigger::model::alert::{Alert, Course};
use outrigger::model::labels::Labels;
use outrigger::model::timestamp::Timestamp;

const ROUTE: &str = "route: {receiver: hook, group_by: [group], group_wait: 0s}";
const INHIBITED: &str = "
route: {receiver: hook, group_by: [group], group_wait: 0s}
inhibit_rules: [{source_matchers: [kind=source], target_matchers: [kind=target], equal: [pair]}]";

fn routing(text: &str) -> Routing {
    let diagnostics = Diagnostics::default();
    let document = document::parse("bench.yml", text, &diagnostics).expect("valid YAML");
    let fields = document.value(&diagnostics).fields().expect("a mapping");
    let receiver = ReceiverInfo {
        name: "hook".to_owned(),
        integrations: vec![IntegrationInfo {
            kind: "webhook".to_owned(),
            index: 0,
            send_resolved: true,
        }],
    };
    config::read(&fields, &[receiver]).expect("a valid route")
}

fn alert(labels: &[(&str, &str)]) -> Alert {
    Alert {
        labels: Labels::from_pairs(labels.iter().copied()),
        annotations: Labels::from_pairs([
            ("summary", "something is wrong"),
            ("runbook_url", "https://runbooks/x"),
        ]),
        starts_at: Timestamp::from_millis(1_000),
        ends_at: Timestamp::MAX,
        updated_at: Timestamp::from_millis(1_000),
        generator_url: "http://localhost:9797/graph?g0.expr=up".into(),
        value: Some(1.0),
        course: Course::default(),
    }
}

fn alerts(count: usize, groups: usize) -> Vec<Alert> {
    let alert = |i: usize| {
        alert(&[
            ("alertname", "Storm"),
            ("severity", "warning"),
            ("job", "api"),
            ("instance", &format!("10.0.0.{i}:8080")),
            ("group", &(i % groups).to_string()),
        ])
    };
    (0..count).map(alert).collect()
}

fn dispatcher(routing: &Arc<Routing>) -> Dispatcher {
    Dispatcher::new(Arc::clone(routing), Restored::default(), Timestamp::MIN)
}

fn decide(dispatcher: &mut Dispatcher, alerts: &[Alert]) -> Writes {
    let now = Timestamp::from_millis(10_000);
    for alert in alerts {
        dispatcher.insert(alert.clone(), now);
    }
    let mut writes = Writes::default();
    while dispatcher.flush(now, &Fates::new(), 1_000, &mut writes) {}
    writes
}

fn flush(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("flush");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (name, groups, throttle) in [
        (
            "10000 alerts in 100 groups",
            100,
            ThrottleConfig::disabled(),
        ),
        (
            "10000 alerts in 10000 groups",
            10_000,
            ThrottleConfig::disabled(),
        ),
        (
            "10000 alerts in 10000 groups, throttled",
            10_000,
            ThrottleConfig::default(),
        ),
    ] {
        let routing = Arc::new(routing(ROUTE).with_throttle(throttle));
        let alerts = alerts(10_000, groups);
        group.bench_function(format!("{name}, decided"), |bencher| {
            bencher.iter_batched_ref(
                || dispatcher(&routing),
                |dispatcher| black_box(decide(dispatcher, &alerts)),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{name}, written"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    let directory = tempfile::tempdir().expect("a directory");
                    let path = directory.path().join("bench.db");
                    let database = runtime.block_on(Database::open(&path)).expect("a database");
                    (dispatcher(&routing), database, directory)
                },
                |(dispatcher, database, _directory)| {
                    let writes = decide(dispatcher, &alerts);
                    runtime.block_on(async {
                        let mut transaction = database.begin().await.expect("a writer");
                        writes
                            .write(&mut transaction, Timestamp::from_millis(10_000))
                            .await
                            .expect("written");
                        transaction.commit().await.expect("a commit");
                    });
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn inhibit(criterion: &mut Criterion) {
    let routing = Arc::new(routing(INHIBITED).with_throttle(ThrottleConfig::disabled()));
    let mut alerts: Vec<Alert> = Vec::new();
    for i in 0..1_000 {
        alerts.push(alert(&[
            ("alertname", "S"),
            ("kind", "source"),
            ("pair", &i.to_string()),
            ("group", "s"),
        ]));
    }
    for i in 0..10_000 {
        let (name, pair) = (format!("T{i}"), (i % 1_000).to_string());
        alerts.push(alert(&[
            ("alertname", &name),
            ("kind", "target"),
            ("pair", &pair),
            ("group", "t"),
        ]));
    }
    let now = Timestamp::from_millis(10_000);
    criterion.bench_function("flush/10000 targets inhibited by 1000 sources", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut dispatcher = dispatcher(&routing);
                for alert in &alerts {
                    dispatcher.insert(alert.clone(), now);
                }
                dispatcher
            },
            |dispatcher| {
                let mut writes = Writes::default();
                dispatcher.flush(now, &Fates::new(), 10, &mut writes);
                black_box(writes)
            },
            BatchSize::PerIteration,
        );
    });
}

/// Alerts of a hundred each group, taken in and decided on: ten times the alerts should take ten times the time.
fn grow(criterion: &mut Criterion) {
    let routing = Arc::new(routing(ROUTE).with_throttle(ThrottleConfig::disabled()));
    let mut group = criterion.benchmark_group("flush/growing");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        let alerts = alerts(count, count / 100);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} alerts"), |bencher| {
            bencher.iter_batched_ref(
                || dispatcher(&routing),
                |dispatcher| black_box(decide(dispatcher, &alerts)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn post(criterion: &mut Criterion) {
    let alert = |i: usize| {
        format!(
            r#"{{"labels":{{"alertname":"Storm","severity":"warning","job":"api","instance":"10.0.0.{i}:8080"}},"annotations":{{"summary":"Alert {i} fired","description":"The error ratio is above its objective."}},"startsAt":"2026-11-20T06:55:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=x"}}"#
        )
    };
    let body = format!("[{}]", (0..10_000).map(alert).collect::<Vec<_>>().join(","));
    // A minute behind their beginning.
    let (timeout, now) = (
        Duration::from_secs(300),
        Timestamp::from_millis(1_795_157_760_000),
    );
    criterion.bench_function("flush/10000 posted alerts, read", |bencher| {
        bencher.iter(|| {
            let (alerts, mistakes) =
                posted::read(black_box(body.as_bytes()), timeout, now).expect("alerts");
            assert!(alerts.len() == 10_000 && mistakes.is_empty());
            alerts
        });
    });
}

criterion_group!(benches, post, flush, grow, inhibit);
criterion_main!(benches);
