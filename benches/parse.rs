//! Parsing one scrape of a thousand series: with series known and guessed, known, and new.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outrigger::exposition::format::Format;
use outrigger::exposition::labels::LabelBuf;
use outrigger::exposition::{Entry, Parser};

const SERIES: usize = 1000;

/// Like a web service's: ten families of a hundred series each, three labels, whole and broken values.
fn body(format: Format) -> Vec<u8> {
    let mut body = String::new();
    for family in 0..SERIES / 100 {
        let suffix = "_total";
        let name = format!("http_server_requests_{family}");
        let metric = match format {
            Format::PrometheusText => format!("{name}{suffix}"),
            Format::OpenMetrics => name.clone(),
        };
        writeln!(
            body,
            "# HELP {metric} Requests served, by route and status."
        )
        .expect("a string takes all");
        writeln!(body, "# TYPE {metric} counter").expect("a string takes all");
        for series in 0..100 {
            let value = if series % 2 == 0 {
                format!("{}", series * 7919)
            } else {
                format!("{}", f64::from(series) * 0.37)
            };
            writeln!(
                body,
                "{name}{suffix}{{method=\"GET\",route=\"/api/v1/metrics/{series}\",status=\"200\"}} {value}",
            )
            .expect("a string takes all");
        }
    }
    if format == Format::OpenMetrics {
        body.push_str("# EOF\n");
    }
    body.into_bytes()
}

fn parse(c: &mut Criterion) {
    for format in [Format::PrometheusText, Format::OpenMetrics] {
        let body = body(format);
        let mut known = Vec::new();
        let mut parser = Parser::new(&body, format);
        while let Some(entry) = parser.next_entry().expect("a good body") {
            if let Entry::Sample(sample) = entry {
                known.push(sample.series.to_vec());
            }
        }
        assert_eq!(known.len(), SERIES);

        let mut group = c.benchmark_group(format!("parse/{}", format.as_str()));
        group.throughput(Throughput::Bytes(
            body.len().try_into().expect("a small body"),
        ));
        group.bench_function("known", |b| {
            b.iter(|| {
                let mut parser = Parser::new(black_box(&body), format);
                let mut sum = 0.0;
                while let Some(entry) = parser.next_entry().expect("a good body") {
                    if let Entry::Sample(sample) = entry {
                        sum += sample.value + f64::from(sample.series[0]);
                    }
                }
                sum
            });
        });
        group.bench_function("guessed", |b| {
            b.iter(|| {
                let mut parser = Parser::new(black_box(&body), format);
                let mut sum = 0.0;
                let mut next = 0;
                loop {
                    let guess = known.get(next).map_or(&[][..], Vec::as_slice);
                    match parser.next_like(guess).expect("a good body") {
                        Some(Entry::Sample(sample)) => {
                            sum += sample.value + f64::from(sample.series[0]);
                            next += 1;
                        }
                        Some(_) => {}
                        None => return sum,
                    }
                }
            });
        });
        group.bench_function("new", |b| {
            let mut labels = LabelBuf::new();
            b.iter(|| {
                let mut parser = Parser::new(black_box(&body), format);
                let mut count = 0;
                while let Some(entry) = parser.next_entry().expect("a good body") {
                    if let Entry::Sample(sample) = entry {
                        sample.labels(&mut labels).expect("good labels");
                        count += labels.len();
                    }
                }
                count
            });
        });
        group.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
