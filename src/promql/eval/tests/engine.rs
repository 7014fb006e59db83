//! What holds of whole queries, whatever they ask.

use super::*;

#[test]
fn a_fixed_time_is_the_same_at_every_step() {
    let got = range(
        &Source::each_minute("x 0 1 2 3 4"),
        "x @ 60 + sum(x @ end()) + time() * 0",
        QueryRange {
            start_ms: 60_000,
            end_ms: 180_000,
            step_ms: 60_000,
        },
    );
    // The sum has no labels and neither has `x`.
    assert_eq!(print(&got.expect("a value").value), "{} 4@60 4@120 4@180");
}

#[test]
fn a_part_that_occurs_twice_is_evaluated_once() {
    let source = Source::each_minute("hit_total 0 30 60\nmiss_total 0 10 20\nodd 0 1 2");
    let check = |text: &str, want: &str, samples_read: u64| {
        let result = instant(&source, text, 120).expect(text);
        assert_eq!(
            (print(&result.value).as_str(), result.samples_read),
            (want, samples_read),
            "{text}"
        );
        result.infos.len()
    };
    let hits = "rate(hit_total[5m])";
    check(
        &format!("{hits} / ({hits} + rate(miss_total[5m]))"),
        "{} 0.75",
        6,
    );
    check(
        "max_over_time(sum(hit_total)[2m:1m]) - sum(hit_total)",
        "{} 0",
        4,
    );
    // Each place makes its own remark.
    assert_eq!(check("rate(odd[5m]) / rate(odd[5m])", "{} 1", 6), 2);
}

#[test]
fn bounds_end_a_query_with_their_own_errors() {
    let source = Source::each_minute("x 1 2 3 4 5");
    let run = |max_samples: usize, deadline: &Deadline| {
        let expr = parse("sum_over_time(x[5m])").expect("a query");
        let config = EngineConfig {
            max_samples,
            ..EngineConfig::default()
        };
        let query = Query {
            text: "",
            expr: &expr,
            deadline,
        };
        Engine::new(config)
            .instant(&source, &query, 240_000)
            .map(|result| result.samples_read)
    };
    let later = Deadline::after(Duration::from_secs(60));
    assert_eq!(run(6, &later).expect("enough room"), 5);
    assert!(matches!(run(5, &later), Err(EvalError::TooManySamples)));
    assert!(matches!(run(4, &later), Err(EvalError::TooManySamples)));
    assert!(matches!(
        run(6, &Deadline::after(Duration::ZERO)),
        Err(EvalError::TimedOut)
    ));
    let endless = instant(&source, "count_over_time(vector(1)[100y:1ms])", 0);
    assert!(matches!(endless, Err(EvalError::TooManySamples)));
    let stop = Stop::new();
    stop.cancel();
    assert!(matches!(
        run(6, &later.or_when(stop)),
        Err(EvalError::Canceled)
    ));
}

#[test]
fn every_step_of_a_range_is_the_instant_query_of_its_time() {
    // Counters with resets, gaps and stale markers; a pod that is replaced by another.
    let mut lines = String::new();
    let mut random = 7_u64;
    for (name, label) in [
        ("a_total", "x=\"1\", y=\"1\""),
        ("a_total", "x=\"1\", y=\"2\""),
        ("a_total", "x=\"2\", y=\"1\""),
        ("b", "x=\"1\""),
        ("b", "x=\"2\""),
        ("h_bucket", "le=\"1\""),
        ("h_bucket", "le=\"5\""),
        ("h_bucket", "le=\"+Inf\""),
    ] {
        lines.push_str(&format!("{name}{{{label}}}"));
        let mut value = 0;
        for _ in 0..60 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            value += (random >> 40) % 9;
            match (random >> 50) % 12 {
                0 => lines.push_str(" _"),
                1 => lines.push_str(" stale"),
                2 => {
                    value = 0;
                    lines.push_str(" 0");
                }
                _ => lines.push_str(&format!(" {value}")),
            }
        }
        lines.push('\n');
    }
    let source = Source::each_minute(&lines);
    let steps = QueryRange {
        start_ms: 95_000,
        end_ms: 3_300_000,
        step_ms: 37_000,
    };
    for text in [
        "a_total",
        "a_total offset 3m",
        "rate(a_total[7m])",
        "increase(a_total[5m] offset -2m)",
        "irate(a_total[4m])",
        "rate(a_total[7m] smoothed)",
        "increase(a_total[7m] anchored)",
        "a_total smoothed",
        "resets(a_total[9m])",
        "changes(a_total[9m] anchored)",
        "sum by (x) (rate(a_total[6m]))",
        "avg without (y) (a_total)",
        "quantile by (x) (0.3, a_total)",
        "topk(2, a_total)",
        "bottomk by (x) (1, a_total)",
        "count_values(\"v\", a_total)",
        "stddev(a_total)",
        "a_total > 20",
        "a_total > bool 20",
        "a_total / on (x) group_left b",
        "b * on (x) group_right a_total",
        "b + fill(1) b{x=\"1\"}",
        "a_total and on (x) b",
        "a_total unless on (x) b",
        "b or a_total",
        "max_over_time(rate(a_total[3m])[10m:2m])",
        "sum_over_time(b[6m:45s] offset 1m)",
        "histogram_quantile(0.8, h_bucket)",
        "histogram_fraction(1, 3, h_bucket)",
        "predict_linear(b[9m], 600)",
        "deriv(b[9m])",
        "quantile_over_time(scalar(b{x=\"1\"}) / 100, a_total[9m])",
        "absent(b{x=\"1\"})",
        "absent_over_time(b{x=\"1\"}[1m])",
        "timestamp(b)",
        "minute() + on () group_right b",
        "label_replace(b, \"y\", \"$1\", \"x\", \"(.*)\")",
        "clamp(b, 3, scalar(b{x=\"2\"}))",
        "scalar(b{x=\"1\"}) + time()",
        "-b",
        "last_over_time(b[2m])",
        "b @ 600 + b",
    ] {
        let matrix = match range(&source, text, steps).expect(text).value {
            QueryValue::Matrix(matrix) => matrix,
            other => panic!("{text} is {other:?}"),
        };
        for time in Steps::between(steps.start_ms, steps.end_ms, steps.step_ms).times() {
            let mut from_range: Vec<_> = matrix
                .iter()
                .filter_map(|series| {
                    let sample = series.samples.iter().find(|s| s.timestamp_ms == time)?;
                    Some(format!("{} {}", series.labels, sample.value))
                })
                .collect();
            let expr = parse(text).expect(text);
            let deadline = Deadline::after(Duration::from_secs(60));
            let query = Query {
                text,
                expr: &expr,
                deadline: &deadline,
            };
            let result = Engine::default()
                .instant(&source, &query, time)
                .expect(text);
            let mut at_once: Vec<_> = match result.value {
                QueryValue::Scalar { value, .. } => vec![format!("{{}} {value}")],
                QueryValue::Vector(vector) => vector
                    .iter()
                    .map(|sample| format!("{} {}", sample.labels, sample.value))
                    .collect(),
                other => panic!("{text} is {other:?}"),
            };
            from_range.sort();
            at_once.sort();
            assert_eq!(from_range, at_once, "{text} at {time}");
        }
    }
}
