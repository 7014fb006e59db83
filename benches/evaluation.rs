//! Evaluation of rules over many series: an instant query as rules run it, and a range query of sixty steps.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use outrigger::model::labels::Labels;
use outrigger::model::matcher::Matcher;
use outrigger::model::sample::Sample;
use outrigger::promql::eval::{Deadline, Engine, Query, QueryRange};
use outrigger::promql::parser::parse;
use outrigger::storage::query::{QueryError, Queryable, SelectRequest, Series};

const END_MS: i64 = 7_200_000;
const BOUNDS: [&str; 10] = [
    "0.005", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf",
];

/// Samples each fifteen seconds, for as long as the query looks back; no index, since what is measured is evaluation.
struct Source(Vec<Series>);

impl Source {
    /// As many series as asked for, a tenth of them of one job; and as many buckets of histograms.
    fn of(series: usize, minutes: i64) -> Self {
        let samples = |step: usize| -> Vec<Sample> {
            ((END_MS - minutes * 60_000) / 15_000..=END_MS / 15_000)
                .map(|index| Sample {
                    timestamp_ms: index * 15_000,
                    value: (index as usize * step) as f64,
                })
                .collect()
        };
        let mut all = Vec::with_capacity(2 * series);
        for number in 0..series {
            let instance = format!("10.0.0.{}:9100", number / 10);
            let job = format!("job-{}", number % 10);
            all.push(Series {
                labels: Labels::from_pairs([
                    ("__name__", "http_requests_total"),
                    ("instance", &instance),
                    ("job", &job),
                    ("method", "GET"),
                    ("path", &format!("/api/v1/metrics/{number}")),
                ]),
                samples: samples(number % 7 + 1),
            });
            all.push(Series {
                labels: Labels::from_pairs([
                    ("__name__", "http_request_duration_seconds_bucket"),
                    ("instance", &instance),
                    ("le", BOUNDS[number % BOUNDS.len()]),
                ]),
                samples: samples(number % BOUNDS.len() + 1),
            });
        }
        Self(all)
    }
}

impl Queryable for Source {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Series>, QueryError> {
        Ok(self
            .0
            .iter()
            .filter(|series| {
                request
                    .matchers
                    .iter()
                    .all(|matcher| matcher.matches_labels(&series.labels))
            })
            .map(|series| {
                let until = |limit: i64| {
                    series
                        .samples
                        .partition_point(|sample| sample.timestamp_ms <= limit)
                };
                let (from, to) = (until(request.after_ms), until(request.until_ms));
                Series {
                    labels: series.labels.clone(),
                    samples: series.samples[from..to].to_vec(),
                }
            })
            .collect())
    }

    fn label_names(&self, _: &[Vec<Matcher>], _: i64, _: i64) -> Result<Vec<String>, QueryError> {
        Ok(Vec::new())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
    ) -> Result<Vec<String>, QueryError> {
        Ok(Vec::new())
    }

    fn series(&self, _: &[Vec<Matcher>], _: i64, _: i64) -> Result<Vec<Labels>, QueryError> {
        Ok(Vec::new())
    }
}

fn evaluation(criterion: &mut Criterion) {
    const RATE: &str = "sum by (job) (rate(http_requests_total[5m]))";
    const SHARE: &str = "sum by (job) (rate(http_requests_total{path=~\"/api/v1/metrics/.*1\"}[5m])) \
                         / sum by (job) (rate(http_requests_total[5m])) > 0.05";
    const QUANTILE: &str = "histogram_quantile(0.95, sum by (instance, le) \
                            (rate(http_request_duration_seconds_bucket[5m])))";
    const SELECT: &str = "http_requests_total";
    const JOIN: &str =
        "http_requests_total * on (instance) group_left () max by (instance) (http_requests_total)";
    for series in [1_000, 10_000] {
        let source = Source::of(series, 6);
        let mut group = criterion.benchmark_group(format!("{series} series"));
        group.sample_size(20);
        for (name, text) in [
            ("select", SELECT),
            ("rate and sum", RATE),
            ("share of errors", SHARE),
            ("histogram_quantile", QUANTILE),
            ("join", JOIN),
        ] {
            group.bench_function(format!("{name}, instant"), |bencher| {
                bencher.iter(|| run(&source, text, None));
            });
        }
        if series == 1_000 {
            let source = Source::of(series, 66);
            for (name, text) in [("rate and sum", RATE), ("histogram_quantile", QUANTILE)] {
                let range = QueryRange {
                    start_ms: END_MS - 3_540_000,
                    end_ms: END_MS,
                    step_ms: 60_000,
                };
                group.bench_function(format!("{name}, 60 steps"), |bencher| {
                    bencher.iter(|| run(&source, text, Some(range)));
                });
            }
        }
        group.finish();
    }
}

fn run(source: &Source, text: &str, range: Option<QueryRange>) {
    let expr = parse(text).expect("a query");
    let deadline = Deadline::after(Duration::from_secs(60));
    let query = Query {
        text,
        expr: &expr,
        deadline: &deadline,
    };
    let engine = Engine::default();
    let result = match range {
        None => engine.instant(source, &query, END_MS),
        Some(range) => engine.range(source, &query, range),
    };
    black_box(result.expect("an answer"));
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
