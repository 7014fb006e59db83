//! An alert's chart of an hour: evaluated and drawn as SVG, then as PNG.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use outrigger::charts::alert::{self, Sight, Source, Subject};
use outrigger::charts::png::Painter;
use outrigger::charts::svg;
use outrigger::charts::theme::Theme;
use outrigger::model::labels::Labels;
use outrigger::model::timestamp::Timestamp;
use outrigger::promql::eval::{Deadline, Engine, EngineConfig};
use outrigger::promql::parser::parse;
use outrigger::storage::{Storage, StorageConfig};

const END_MS: i64 = 1_795_165_200_000;
const SERIES: usize = 10;
const QUERY: &str = "rate(requests_total[1m]) > 5";

fn storage() -> Storage {
    let storage = Storage::in_memory(StorageConfig::default());
    for at in (END_MS - 7_200_000..=END_MS).step_by(15_000) {
        let mut appender = storage.appender();
        for number in 0..SERIES {
            let route = format!("/{number}");
            let labels = Labels::from_pairs([("__name__", "requests_total"), ("route", &route)]);
            let series = appender.series(&labels).expect("there is room");
            let value = (at - END_MS + 7_200_000) as f64 * (number + 1) as f64 / 1000.0;
            appender.append(series, at, value).expect("it is in order");
        }
        appender.commit().expect("memory takes it");
    }
    storage
}

fn chart(c: &mut Criterion) {
    let storage = storage();
    let engine = Engine::new(EngineConfig::default());
    let source = Source {
        text: QUERY.to_owned(),
        expr: Arc::new(parse(QUERY).expect("it is PromQL")),
        query: QUERY.to_owned(),
        pending_for: Duration::from_secs(300),
        rule_labels: Vec::new(),
    };
    let subject = Subject {
        labels: Labels::from_pairs([("alertname", "Busy"), ("route", "/7")]),
        since: Timestamp::from_millis(END_MS - 600_000),
        ended: None,
        until: Timestamp::from_millis(END_MS),
    };
    let draw = || {
        let deadline = Deadline::after(Duration::from_secs(60));
        let sight = Sight {
            storage: &storage,
            engine: &engine,
            deadline: &deadline,
            external_labels: &[],
        };
        let chart = alert::draw(&source, &subject, sight).expect("there are samples");
        svg::draw(&chart, Theme::Light)
    };
    c.bench_function("evaluate and draw SVG", |b| b.iter(|| black_box(draw())));
    let svg = draw();
    let mut group = c.benchmark_group("PNG");
    group.sample_size(20);
    group.bench_function("fonts, layout, pixels", |b| {
        b.iter(|| black_box(Painter::new().png(&svg, 2.0).expect("it is SVG")));
    });
    group.finish();
}

criterion_group!(benches, chart);
criterion_main!(benches);
